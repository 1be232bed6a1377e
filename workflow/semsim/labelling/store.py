"""The answers of a campaign on disk: an SQLite database in which nothing is lost and nothing is counted twice.

What is acknowledged has been synchronised with the disk. An answer belongs to a position in its annotator's order and
carries a key that the page made up: the same key again is a retry, another key for an answered position is a conflict.
Undone answers are moved away, never deleted.
"""

import hashlib
import hmac
import re
import secrets
import sqlite3
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import numpy as np
import pandas as pd

from semsim.errors import SemsimError
from semsim.labelling.assignment import PURPOSES, arrange, choose_images
from semsim.seeds import seed_for

VERSION = "1"
NAME = re.compile(r"(?!(?i:na|nan|null|none)$)\w[\w .-]{0,39}")
"""What an annotator may be called: no address has this form, and no formula of a spreadsheet."""

_TABLES = f"""
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE annotators (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE COLLATE NOCASE,
    token TEXT NOT NULL UNIQUE,
    participant TEXT UNIQUE,
    code TEXT NOT NULL,
    consented_at TEXT,
    active_at TEXT
);
CREATE TABLE items (
    annotator INTEGER NOT NULL REFERENCES annotators,
    position INTEGER NOT NULL,
    image TEXT NOT NULL,
    purpose TEXT NOT NULL CHECK (purpose IN {PURPOSES}),
    PRIMARY KEY (annotator, position),
    UNIQUE (annotator, image, purpose)
);
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
);
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
);
"""


class Refused(Exception):
    """A request that the store does not carry out; nothing has changed."""


class UnknownLink(Refused):
    """There is no annotator with this token."""


class Conflict(Refused):
    """The request is about a position at which the annotator is not, or no longer."""


class State(NamedTuple):
    """Where an annotator is: answers given, images in all (0 before consent), and the next image, if there is one."""

    name: str
    consented: bool
    position: int
    total: int
    image: str | None
    code: str


class Store:
    """The database of one campaign.

    A store is used by one thread at a time, and several processes may each have one. Methods that change something run
    inside `transaction` or `carry_out`.

    Parameters
    ----------
    campaign : semsim.labelling.campaign.Campaign

    Raises
    ------
    SemsimError
        If the database is damaged, of another version, or of other images or classes than the campaign's.
    """

    def __init__(self, campaign):
        self._campaign = campaign
        try:
            self._database = sqlite3.connect(
                campaign.database, isolation_level=None, check_same_thread=False, timeout=30
            )
            for pragma in ("journal_mode = WAL", "synchronous = FULL", "fullfsync = ON", "foreign_keys = ON"):
                self._database.execute(f"PRAGMA {pragma}")
            with self.transaction():
                if not self._one("SELECT 1 FROM sqlite_master"):
                    self._create()
                about = dict(self._database.execute("SELECT name, value FROM about"))
        except sqlite3.Error as error:
            raise SemsimError(
                f"{campaign.database}: cannot be used as the database of answers ({error}). Restore it from a copy."
            ) from None
        if about["version"] != VERSION:
            raise SemsimError(f"{campaign.database}: of version {about['version']}; this semsim writes {VERSION}.")
        if about["fingerprint"] != campaign.fingerprint:
            raise SemsimError(
                f"{campaign.folder}: classes or images have changed since the first annotator was invited, so that"
                " answers would mean something else. Put them back, or make a new campaign."
            )
        self.panel_key, self._secret = about["panel_key"], about["secret"]

    def _create(self):
        for statement in _TABLES.split(";")[:-1]:
            self._database.execute(statement)
        about = {
            "version": VERSION,
            "fingerprint": self._campaign.fingerprint,
            "panel_key": secrets.token_urlsafe(16),
            "secret": secrets.token_hex(32),
        }
        self._database.executemany("INSERT INTO about VALUES (?, ?)", about.items())

    def close(self):
        self._database.close()

    @contextmanager
    def transaction(self):
        """Make what happens in the block lasting when it ends, or undo it if it fails."""
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield self
            self._database.execute("COMMIT")
        except BaseException:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise

    def carry_out(self, requests):
        """Carry out several requests in one transaction, so that they share the wait for the disk.

        Parameters
        ----------
        requests : list of callable
            Each calls a method of this store.

        Returns
        -------
        list
            For each request what it returned, or the exception that it raised.
        """
        outcomes = []
        with self.transaction():
            for request in requests:
                self._database.execute("SAVEPOINT request")
                try:
                    outcomes.append(request())
                except Exception as error:
                    if not self._database.in_transaction:  # SQLite has given up all of it: a full disk, for instance
                        raise
                    self._database.execute("ROLLBACK TO request")
                    outcomes.append(error)
                self._database.execute("RELEASE request")
        return outcomes

    def invite(self, name=None):
        """Return the name and token of an annotator, who is new unless the name is known.

        Raises
        ------
        Refused
            If the name cannot be used.
        """
        name = f"annotator-{secrets.token_hex(4)}" if name is None else name.strip()
        if not NAME.fullmatch(name):
            raise Refused(
                "A name has 1 to 40 letters, digits, spaces, dots, hyphens or underscores, and is not NA, NaN, null or"
                " None, which stand for no name."
            )
        known = self._one("SELECT name, token FROM annotators WHERE name = ?", name)
        return known or (name, self._add(name))

    def admit(self, participant):
        """Return the token of a panel's participant, of whose id only a keyed hash is kept."""
        digest = self._digest(participant)
        known = self._one("SELECT token FROM annotators WHERE participant = ?", digest)
        return known[0] if known else self._add(f"annotator-{secrets.token_hex(4)}", digest)

    def name_of_participant(self, participant):
        """Return the name under which a panel's participant takes part, or None."""
        known = self._one("SELECT name FROM annotators WHERE participant = ?", self._digest(participant))
        return known and known[0]

    def _digest(self, participant):
        return hmac.new(self._secret.encode(), participant.encode(), hashlib.sha256).hexdigest()

    def _add(self, name, participant=None):
        token, code = secrets.token_urlsafe(16), secrets.token_hex(4).upper()
        self._database.execute(
            "INSERT INTO annotators (name, token, participant, code) VALUES (?, ?, ?, ?)",
            (name, token, participant, code),
        )
        return token

    def state(self, token):
        """Return where an annotator is."""
        annotator, name, consented_at, code = self._annotator(token)
        position = self._position(annotator)
        total = self._one("SELECT count(*) FROM items WHERE annotator = ?", annotator)[0]
        item = self._one("SELECT image FROM items WHERE annotator = ? AND position = ?", annotator, position)
        return State(name, consented_at is not None, position, total, item[0] if item else None, code)

    def image(self, token, position):
        """Return the image at a position that the annotator has reached, or that comes next (the page loads ahead).

        Raises
        ------
        Conflict
            If there is none.
        """
        annotator = self._annotator(token)[0]
        item = self._one("SELECT image FROM items WHERE annotator = ? AND position = ?", annotator, position)
        if item is None or position > self._position(annotator) + 1:
            raise Conflict("There is no such image, or not yet.")
        return item[0]

    def consent(self, token):
        """Take note of an annotator's consent, and give them their images.

        Raises
        ------
        Refused
            If no image needs another label.
        """
        annotator, name, consented_at, _ = self._annotator(token)
        if consented_at is not None:
            return
        settings = self._campaign.settings
        generator = np.random.default_rng(seed_for(settings.seed, "annotator", name))
        asked = choose_images(
            self._campaign.images,
            self._expected_labels(),
            settings.labels_per_image,
            self._campaign.images_each,
            generator,
        )
        if asked.empty:
            raise Refused("Every picture has all the labels it needs. Thank you for coming.")
        order = arrange(asked, self._campaign.checks, settings.checks, settings.repeats, generator)
        self._database.executemany(
            "INSERT INTO items VALUES (?, ?, ?, ?)", [(annotator, place, *item) for place, item in enumerate(order)]
        )
        self._database.execute(
            "UPDATE annotators SET consented_at = ?1, active_at = ?1 WHERE id = ?2", (_now(), annotator)
        )

    def _expected_labels(self):
        """Return how many labels each image has, or gets from those who are at work."""
        patience = timedelta(hours=self._campaign.settings.patience_hours)
        return dict(
            self._database.execute(
                "SELECT image, count(*) FROM items JOIN annotators ON annotators.id = items.annotator"
                " LEFT JOIN answers USING (annotator, position)"
                " WHERE purpose = 'asked' AND (label IS NOT NULL OR active_at > ?) GROUP BY image",
                (_now(-patience),),
            )
        )

    def answer(self, token, position, label, seconds, key):
        """Take an answer to the image at the annotator's position; the same again changes nothing.

        Raises
        ------
        Conflict
            If the annotator is elsewhere: has answered in another tab, or taken this very answer back.
        Refused
            If the data set has no such class.
        """
        annotator = self._annotator(token)[0]
        known = self._one("SELECT position FROM answers WHERE annotator = ? AND key = ?", annotator, key)
        if known == (position,):
            return
        withdrawn = self._one("SELECT 1 FROM withdrawn WHERE annotator = ? AND key = ?", annotator, key)
        item = self._one("SELECT image FROM items WHERE annotator = ? AND position = ?", annotator, position)
        if known or withdrawn or item is None or position != self._position(annotator):
            raise Conflict("This picture has been answered already, or it is not its turn.")
        classes = self._campaign.classes[self._campaign.datasets[item[0]]]
        if label >= len(classes):
            raise Refused(f"There are {len(classes)} classes, and {label} is none of them.")
        now = _now()
        self._database.execute(
            "INSERT INTO answers VALUES (?, ?, ?, ?, ?, ?)", (annotator, position, label, seconds, now, key)
        )
        self._database.execute("UPDATE annotators SET active_at = ? WHERE id = ?", (now, annotator))

    def undo(self, token, position, key):
        """Take back the annotator's last answer, which was to the image at `position`; the same again changes nothing.

        Raises
        ------
        Conflict
            If it is not the last answer.
        """
        annotator = self._annotator(token)[0]
        if self._one("SELECT 1 FROM withdrawn WHERE annotator = ? AND undo_key = ?", annotator, key):
            return
        if position != self._position(annotator) - 1:
            raise Conflict("Only the last answer can be taken back.")
        now, place = _now(), (annotator, position)
        self._database.execute(
            "INSERT INTO withdrawn SELECT annotator, position, label, seconds, given_at, key, ?, ? FROM answers"
            " WHERE annotator = ? AND position = ?",
            (key, now, *place),
        )
        self._database.execute("DELETE FROM answers WHERE annotator = ? AND position = ?", place)
        self._database.execute("UPDATE annotators SET active_at = ? WHERE id = ?", (now, annotator))

    def items(self):
        """Return a row for each image of each annotator: annotator, position, image, purpose, label and so on.

        Columns label, seconds and given_at are empty where there is no answer yet.
        """
        return pd.read_sql_query(
            "SELECT annotators.name AS annotator, position, image, purpose, label, seconds, given_at FROM items"
            " JOIN annotators ON annotators.id = items.annotator LEFT JOIN answers USING (annotator, position)"
            " ORDER BY items.annotator, position",
            self._database,
        ).astype({"label": "Int64", "seconds": float})

    def annotators(self):
        """Return a row for each annotator: annotator (the name), consented_at, code, undone (answers taken back)."""
        return pd.read_sql_query(
            "SELECT name AS annotator, consented_at, code, (SELECT count(*) FROM withdrawn WHERE annotator = id) AS"
            " undone FROM annotators ORDER BY id",
            self._database,
        )

    def _annotator(self, token):
        found = self._one("SELECT id, name, consented_at, code FROM annotators WHERE token = ?", token)
        if found is None:
            raise UnknownLink("This link is not known. Open the link that you were given.")
        return found

    def _position(self, annotator):
        """Return how many answers there are: they are given in order, so this is the next position."""
        return self._one("SELECT count(*) FROM answers WHERE annotator = ?", annotator)[0]

    def _one(self, query, *values):
        return self._database.execute(query, values).fetchone()


def _now(ago=timedelta(0)):
    """Return the time, or another one, as ``2026-01-31T12:00:00.000Z``; such texts sort as the times do."""
    return (datetime.now(UTC) + ago).isoformat(timespec="milliseconds").replace("+00:00", "Z")
