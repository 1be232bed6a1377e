"""The answers of a campaign on disk: an SQLite database in which nothing is lost or counted twice.

Acknowledged answers have been synchronised to disk. An answer belongs to a position in its annotator's order and has a
key that the page generated: the same key again is a retry, another key for an answered position is a conflict. Undone
answers are moved to another table, never deleted.
"""

from __future__ import annotations

import json
import os
import secrets
import sqlite3
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from semsim.errors import SemsimError
from semsim.labelling.assignment import PURPOSES, arrange, choose_images
from semsim.labelling.links import Links, hashed, read_links, write_links
from semsim.labelling.migration import FIRST, fits_first, from_first
from semsim.labels.table import CANNOT_TELL
from semsim.names import composed, likeness, why_no_pseudonym
from semsim.seeds import seed_for
from semsim.text import sentence_case

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from semsim.labelling.campaign import Campaign

VERSION = "2"
UNDECIDED = 1000
"""How many participants are remembered who have agreed and not answered; the oldest are asked again to agree."""

_TABLES = {
    "about": "CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    "annotators": """
CREATE TABLE annotators (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE COLLATE NOCASE,
    participant TEXT UNIQUE,
    code TEXT NOT NULL,
    consented_at TEXT,
    active_at TEXT
)""",
    "links": """
CREATE TABLE links (
    token TEXT PRIMARY KEY,
    annotator INTEGER NOT NULL REFERENCES annotators ON DELETE CASCADE
)""",
    "items": f"""
CREATE TABLE items (
    annotator INTEGER NOT NULL REFERENCES annotators,
    position INTEGER NOT NULL,
    image TEXT NOT NULL,
    purpose TEXT NOT NULL CHECK (purpose IN {PURPOSES}),
    PRIMARY KEY (annotator, position),
    UNIQUE (annotator, image, purpose)
)""",
    "answers": """
CREATE TABLE answers (
    annotator INTEGER NOT NULL,
    position INTEGER NOT NULL,
    label INTEGER NOT NULL CHECK (typeof(label) = 'integer' AND label >= -1),
    seconds REAL,
    given_at TEXT NOT NULL,
    key TEXT NOT NULL,
    PRIMARY KEY (annotator, position),
    UNIQUE (annotator, key),
    FOREIGN KEY (annotator, position) REFERENCES items (annotator, position)
)""",
    "withdrawn": """
CREATE TABLE withdrawn (
    annotator INTEGER NOT NULL,
    position INTEGER NOT NULL,
    label INTEGER NOT NULL,
    seconds REAL,
    given_at TEXT NOT NULL,
    key TEXT NOT NULL,
    undo_key TEXT NOT NULL,
    withdrawn_at TEXT NOT NULL,
    UNIQUE (annotator, key),
    UNIQUE (annotator, undo_key)
)""",
}


class Refused(Exception):
    """A request that the store refuses; nothing has changed."""


class UnknownLink(Refused):
    """There is no annotator with this token."""


class Conflict(Refused):
    """The request is about a position that is not the annotator's current one."""


class State(NamedTuple):
    """An annotator's progress: answers given, images in total (0 before consent), and the next image, if any.

    `assignment` is another one when an annotator gets other images.
    """

    name: str
    consented: bool
    position: int
    total: int
    image: str | None
    code: str
    assignment: str


class Annotator(NamedTuple):
    """A row of the table; a participant who has not agreed yet has none, and no `id`."""

    id: int | None
    name: str
    participant: str | None
    code: str
    consented_at: str | None
    active_at: str | None


class Store:
    """The database of one campaign, which only its owner can read.

    A store is used by one thread at a time, but several processes may each have one. Methods that change something must
    run inside `transaction` or `carry_out`.

    Parameters
    ----------
    campaign : semsim.labelling.campaign.Campaign

    Raises
    ------
    SemsimError
        If the database is damaged, of another version, or does not fit the campaign.
    """

    def __init__(self, campaign: Campaign):
        self._campaign = campaign
        _keep_private(campaign)
        try:
            self._database = sqlite3.connect(
                campaign.database, isolation_level=None, check_same_thread=False, timeout=30
            )
            self._database.create_function("likeness", 1, likeness, deterministic=True)
            for pragma in ("journal_mode = WAL", "synchronous = FULL", "fullfsync = ON", "secure_delete = ON"):
                self._database.execute(f"PRAGMA {pragma}")
            with self.transaction():
                if not self._one("SELECT 1 FROM sqlite_master"):
                    self._create()
                self._bring_up_to_date()
                self._check_campaign()
            self._database.execute("PRAGMA foreign_keys = ON")
        except sqlite3.Error as error:
            raise SemsimError(
                f"{campaign.database}: cannot be used as the database of answers ({error}). Restore it from a backup."
            ) from None

    @cached_property
    def links(self) -> Links:
        """The links that follow from the campaign's secret."""
        return read_links(self._campaign.secret)

    def _create(self):
        for statement in _TABLES.values():
            self._database.execute(statement)
        if not self._campaign.secret.exists():
            write_links(self._campaign.secret)
        self._describe(version=VERSION, fingerprint=json.dumps(self._campaign.fingerprints))

    def _describe(self, **about):
        self._database.executemany("INSERT OR REPLACE INTO about VALUES (?, ?)", about.items())

    def _about(self):
        return dict(self._database.execute("SELECT name, value FROM about"))

    def _bring_up_to_date(self):
        about = self._about()
        if about["version"] == FIRST:
            if not fits_first(self._campaign, about["fingerprint"]):
                raise self._changed(["classes or images"])
            from_first(self._database, self._campaign, _TABLES)
            self._describe(version=VERSION, fingerprint=json.dumps(self._campaign.fingerprints))
        elif about["version"] != VERSION:
            raise SemsimError(
                f"{self._campaign.database}: of version {about['version']}; this semsim writes {VERSION}."
            )

    def _check_campaign(self):
        """Refuse a campaign that is no longer what annotators were invited to; before that, it may change."""
        then, now = json.loads(self._about()["fingerprint"]), self._campaign.fingerprints
        changed = [name for name in now if now[name] != then.get(name)]
        if changed and self._one("SELECT 1 FROM annotators"):
            raise self._changed(changed)
        if changed:
            self._describe(fingerprint=json.dumps(now))

    def _changed(self, what):
        return SemsimError(
            f"{self._campaign.folder}: {', '.join(what)} have changed since the first annotator was invited, which"
            " would change the meaning of answers. Restore them, or make a new campaign."
        )

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    @contextmanager
    def transaction(self) -> Iterator[Store]:
        """Commit the changes of the block when it ends, or roll them back if it fails."""
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield self
            self._database.execute("COMMIT")
        except BaseException:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise

    def carry_out(self, requests: list[Callable]) -> list:
        """Carry out several requests in one transaction, so that they share one disk synchronisation.

        Parameters
        ----------
        requests : list of callable
            Each calls a method of this store.

        Returns
        -------
        list
            For each request, its result or the exception that it raised.
        """
        outcomes = []
        with self.transaction():
            for request in requests:
                self._database.execute("SAVEPOINT request")
                try:
                    outcomes.append(request())
                except Exception as error:
                    if not self._database.in_transaction:  # SQLite rolled everything back, as on a full disk
                        raise
                    self._database.execute("ROLLBACK TO request")
                    outcomes.append(error)
                self._database.execute("RELEASE request")
        return outcomes

    def invite(self, name: str | None = None) -> tuple[str, str]:
        """Return the name and token of an annotator; a name that is like no other makes a new one.

        Raises
        ------
        Refused
            If the name is invalid.
        """
        name = f"annotator-{secrets.token_hex(4)}" if name is None else composed(name).strip()
        if reason := why_no_pseudonym(name):
            raise Refused(f"{name!r} cannot be a name. {sentence_case(reason)}.")
        known = self._one("SELECT id, name FROM annotators WHERE likeness(name) = ?", likeness(name))
        number, name = known or (self._add(name), name)
        token = self.links.token_of(name)
        self._database.execute("INSERT OR IGNORE INTO links VALUES (?, ?)", (hashed(token), number))
        return name, token

    def admit(self, participant: str) -> str:
        """Return the token of a panel's participant; nothing is stored before they agree to take part."""
        return self.links.participant_token(participant)

    def name_of_participant(self, participant: str) -> str | None:
        """Return the annotator name of a panel's participant, or None."""
        digest = self.links.digest(participant)
        known = self._one("SELECT name FROM annotators WHERE participant = ?", digest)
        return known and known[0]

    def _add(self, name, participant=None):
        """Add an annotator; return their number."""
        return self._database.execute(
            "INSERT INTO annotators (name, participant, code) VALUES (?, ?, ?)",
            (name, participant, secrets.token_hex(4).upper()),
        ).lastrowid

    def state(self, token: str) -> State:
        """Return an annotator's progress."""
        who = self._annotator(token)
        position = self._position(who.id)
        total = self._one("SELECT count(*) FROM items WHERE annotator = ?", who.id)[0]
        item = self._one("SELECT image FROM items WHERE annotator = ? AND position = ?", who.id, position)
        assignment = hashed(f"{token} {who.consented_at}")[:8]
        consented = who.consented_at is not None
        return State(who.name, consented, position, total, item[0] if item else None, who.code, assignment)

    def image(self, token: str, position: int) -> str:
        """Return the image at a position that the annotator has reached, or at the next one, which the page preloads.

        Raises
        ------
        Conflict
            If there is none.
        """
        annotator = self._annotator(token).id
        item = self._one("SELECT image FROM items WHERE annotator = ? AND position = ?", annotator, position)
        if item is None or position > self._position(annotator) + 1:
            raise Conflict("There is no such image, or it is not available yet.")
        return item[0]

    def consent(self, token: str) -> None:
        """Record an annotator's consent, and assign their images.

        Raises
        ------
        Refused
            If no image needs another label.
        """
        who = self._annotator(token)
        if who.consented_at is not None:
            return
        self._check_room(who)
        settings = self._campaign.settings
        generator = np.random.default_rng(seed_for(settings.seed, "annotator", who.name))
        asked = choose_images(
            self._campaign.images,
            self._expected_labels(),
            settings.labels_per_image,
            self._campaign.images_each,
            generator,
            self._held(),
        )
        if asked.empty:
            raise Refused("Every picture has all the labels it needs. Thank you for your interest.")
        annotator = self._add(who.name, who.participant) if who.id is None else who.id
        order = arrange(asked, self._campaign.checks, settings.checks, settings.repeats, generator)
        self._database.executemany(
            "INSERT INTO items VALUES (?, ?, ?, ?)", [(annotator, place, *item) for place, item in enumerate(order)]
        )
        # Anyone can make up a participant, who reserves pictures by the first answer only.
        self._database.execute(
            "UPDATE annotators SET consented_at = ?1, active_at = iif(participant IS NULL, ?1, NULL) WHERE id = ?2",
            (_now(), annotator),
        )
        self._forget_undecided()

    def _check_room(self, who):
        """Refuse a participant's consent and first answer if enough others have answered."""
        if who.participant is None or who.active_at is not None:
            return
        query = "SELECT count(*) FROM annotators WHERE participant IS NOT NULL AND active_at IS NOT NULL"
        if self._one(query)[0] >= self._campaign.most_participants:
            raise Refused("The study has all the participants it needs. Thank you for your interest.")

    def _forget_undecided(self):
        """Keep the number of participants without an answer within bounds, however many are made up."""
        query = (
            "SELECT id FROM annotators WHERE participant IS NOT NULL AND active_at IS NULL"
            " ORDER BY id DESC LIMIT -1 OFFSET ?"
        )
        oldest = self._database.execute(query, (UNDECIDED,)).fetchall()
        self._database.executemany("DELETE FROM items WHERE annotator = ?", oldest)
        self._database.executemany("DELETE FROM annotators WHERE id = ?", oldest)

    def _expected_labels(self):
        """Return how many labels each image has, or will get from active annotators."""
        return self._counts("label IS NOT NULL OR active_at BETWEEN ?1 AND ?2")

    def _held(self):
        """Return how many participants who may never answer have each image before them."""
        return self._counts("active_at IS NULL AND consented_at BETWEEN ?1 AND ?2")

    def _counts(self, condition):
        """Count the showings of each image that meet a condition on times close to now, wherever the clock has been."""
        patience = timedelta(hours=self._campaign.settings.patience_hours)
        return dict(
            self._database.execute(
                "SELECT image, count(*) FROM items JOIN annotators ON annotators.id = items.annotator"
                " LEFT JOIN answers USING (annotator, position)"
                f" WHERE purpose = 'asked' AND ({condition}) GROUP BY image",
                (_now(-patience), _now(patience)),
            )
        )

    def answer(self, token: str, position: int, label: int, seconds: float | None, key: str) -> None:
        """Store an answer to the image at the annotator's position; repeating it changes nothing.

        Raises
        ------
        Conflict
            If the annotator is at another position, after answering in another tab or undoing this answer.
        Refused
            If the data set has no such class, or a class must be named.
        """
        who = self._annotator(token)
        annotator = who.id
        known = self._one("SELECT position, label FROM answers WHERE annotator = ? AND key = ?", annotator, key)
        if known == (position, label):
            return
        withdrawn = self._one("SELECT 1 FROM withdrawn WHERE annotator = ? AND key = ?", annotator, key)
        item = self._one("SELECT image FROM items WHERE annotator = ? AND position = ?", annotator, position)
        if known or withdrawn or item is None or position != self._position(annotator):
            raise Conflict("This picture has already been answered, or it is not its turn.")
        self._check_room(who)
        classes = self._campaign.classes[self._campaign.datasets[item[0]]]
        if label >= len(classes):
            raise Refused(f"There are {len(classes)} classes, and {label} is not one of them.")
        if label == CANNOT_TELL and self._campaign.settings.forced_choice:
            raise Refused("Name one of the classes, even where you have to guess.")
        now = _now()
        self._database.execute(
            "INSERT INTO answers VALUES (?, ?, ?, ?, ?, ?)", (annotator, position, label, seconds, now, key)
        )
        self._database.execute("UPDATE annotators SET active_at = ? WHERE id = ?", (now, annotator))

    def undo(self, token: str, position: int, key: str) -> None:
        """Undo the annotator's last answer, to the image at `position`; repeating the request changes nothing.

        Raises
        ------
        Conflict
            If it is not the last answer.
        """
        annotator = self._annotator(token).id
        known = self._one("SELECT position FROM withdrawn WHERE annotator = ? AND undo_key = ?", annotator, key)
        if known == (position,):
            return
        if known or position != self._position(annotator) - 1:
            raise Conflict("Only the last answer can be undone.")
        now, place = _now(), (annotator, position)
        self._database.execute(
            "INSERT INTO withdrawn SELECT annotator, position, label, seconds, given_at, key, ?, ? FROM answers"
            " WHERE annotator = ? AND position = ?",
            (key, now, *place),
        )
        self._database.execute("DELETE FROM answers WHERE annotator = ? AND position = ?", place)
        self._database.execute("UPDATE annotators SET active_at = ? WHERE id = ?", (now, annotator))

    def items(self) -> pd.DataFrame:
        """Return one row per annotator and image: annotator, position, image, purpose, label, seconds, given_at.

        The last three are empty if there is no answer yet.
        """
        return pd.read_sql_query(
            "SELECT annotators.name AS annotator, position, image, purpose, label, seconds, given_at FROM items"
            " JOIN annotators ON annotators.id = items.annotator LEFT JOIN answers USING (annotator, position)"
            " ORDER BY items.annotator, position",
            self._database,
        ).astype({"label": "Int64", "seconds": float})

    def annotators(self) -> pd.DataFrame:
        """Return one row per annotator: annotator (the name), consented_at, code, undone (number of answers)."""
        return pd.read_sql_query(
            "SELECT name AS annotator, consented_at, code, (SELECT count(*) FROM withdrawn WHERE annotator = id) AS"
            " undone FROM annotators ORDER BY id",
            self._database,
        )

    def _annotator(self, token):
        columns = "id, name, participant, code, consented_at, active_at"
        if participant := self.links.participant_of(token):
            found = self._one(f"SELECT {columns} FROM annotators WHERE participant = ?", participant)
            return Annotator(*(found or (None, f"annotator-{participant[:12]}", participant, "", None, None)))
        found = self._one(
            f"SELECT {columns} FROM annotators JOIN links ON annotator = id WHERE token = ?", hashed(token)
        )
        if found is None:
            raise UnknownLink("Unknown link. Open the link that you were given.")
        return Annotator(*found)

    def _position(self, annotator):
        """Return the number of answers, which is the next position because they are given in order."""
        return self._one("SELECT count(*) FROM answers WHERE annotator = ?", annotator)[0]

    def _one(self, query, *values):
        return self._database.execute(query, values).fetchone()


def _now(ago=timedelta(0)):
    """Return the current time plus `ago` as ``2026-01-31T12:00:00.000Z``; such texts sort chronologically."""
    return (datetime.now(UTC) + ago).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _keep_private(campaign):
    """Let only the owner into the campaign's folder and at its answers; SQLite's other files follow the database."""
    try:
        campaign.folder.chmod(0o700)
        os.close(os.open(campaign.database, os.O_CREAT | os.O_RDONLY, 0o600))
        for path in campaign.folder.glob(f"{campaign.database.name}*"):
            with suppress(FileNotFoundError):  # SQLite's own files come and go
                path.chmod(0o600)
    except OSError as error:
        raise SemsimError(
            f"{campaign.folder}: cannot be protected from other users of this machine ({error}). It must belong to you,"
            " on a disk with permissions."
        ) from None
