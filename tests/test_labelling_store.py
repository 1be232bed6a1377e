"""Answers on disk: retries, conflicts, undo, several tabs and processes, and whose turn it is after silence."""

import hashlib
import hmac
import json
import sqlite3
import unicodedata
from contextlib import closing
from datetime import timedelta

import pytest
from label_campaign import change_settings, small_campaign

from semsim.errors import SemsimError
from semsim.labelling import store as store_module
from semsim.labelling.results import read_answers
from semsim.labelling.store import Conflict, Refused, Store, UnknownLink

DAY_AND_A_BIT = timedelta(hours=25)


@pytest.fixture
def campaign(tmp_path):
    return small_campaign(tmp_path, labels_per_image=2, images_per_annotator=12)


@pytest.fixture
def store(campaign):
    with closing(Store(campaign)) as store:
        yield store


def do(store, method, *arguments):
    """Carry out one request of the page."""
    [outcome] = store.carry_out([lambda: getattr(store, method)(*arguments)])
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


@pytest.fixture
def ann(store):
    """The token of an annotator who has consented."""
    _, token = do(store, "invite", "ann")
    do(store, "consent", token)
    return token


def answers(campaign):
    items, _ = read_answers(campaign)
    return items["label"].dropna().tolist()


def test_an_answer_sent_again_is_one_answer(campaign, store, ann):
    for _ in range(3):
        do(store, "answer", ann, 0, 1, 2.5, "first-key")
    assert answers(campaign) == [1]
    assert do(store, "state", ann).position == 1


def test_another_answer_to_the_same_picture_is_a_conflict_and_changes_nothing(campaign, store, ann):
    do(store, "answer", ann, 0, 1, 2.5, "tab-one-key")
    with pytest.raises(Conflict):
        do(store, "answer", ann, 0, 2, 1.0, "tab-two-key")
    with pytest.raises(Conflict):
        do(store, "answer", ann, 1, 2, 1.0, "tab-one-key")
    assert answers(campaign) == [1]


@pytest.mark.parametrize("position", [1, 5, 10_000])
def test_no_picture_is_answered_before_its_turn(campaign, store, ann, position):
    with pytest.raises(Conflict):
        do(store, "answer", ann, position, 1, 2.5, "first-key")
    assert answers(campaign) == []


def test_nothing_is_answered_before_consent(store):
    _, token = do(store, "invite", None)
    with pytest.raises(Conflict):
        do(store, "answer", token, 0, 1, 2.5, "first-key")
    with pytest.raises(Conflict):
        do(store, "image", token, 0)


def test_consent_given_twice_gives_the_same_pictures(store, ann):
    before = do(store, "state", ann)
    do(store, "consent", ann)
    assert do(store, "state", ann) == before


def test_a_class_of_another_data_set_is_refused(campaign, store, ann):
    classes = campaign.classes[campaign.datasets[do(store, "state", ann).image]]
    with pytest.raises(Refused, match=f"There are {len(classes)} classes"):
        do(store, "answer", ann, 0, len(classes), 2.5, "first-key")
    do(store, "answer", ann, 0, len(classes) - 1, 2.5, "first-key")


def test_undo_shows_the_picture_again_and_keeps_what_was_said(campaign, store, ann):
    shown = do(store, "state", ann)
    do(store, "answer", ann, 0, 1, 2.5, "first-key")
    for _ in range(2):  # a retry takes back nothing more
        do(store, "undo", ann, 0, "undo-key")
    assert do(store, "state", ann) == shown
    do(store, "answer", ann, 0, 2, 2.5, "second-key")
    do(store, "undo", ann, 0, "undo-key")
    assert answers(campaign) == [2]
    assert read_answers(campaign)[1]["undone"].tolist() == [1]


def test_a_late_retry_does_not_bring_back_what_was_undone(campaign, store, ann):
    do(store, "answer", ann, 0, 1, 2.5, "first-key")
    do(store, "undo", ann, 0, "undo-key")
    with pytest.raises(Conflict):
        do(store, "answer", ann, 0, 1, 2.5, "first-key")
    assert answers(campaign) == []


def test_only_the_last_answer_is_undone(campaign, store, ann):
    for position in range(3):
        do(store, "answer", ann, position, 1, 2.5, f"key-{position}")
    for position in (0, 1, 3):
        with pytest.raises(Conflict):
            do(store, "undo", ann, position, "undo-key")
    assert len(answers(campaign)) == 3


def test_pictures_are_given_up_to_the_next_one(store, ann):
    do(store, "answer", ann, 0, 1, 2.5, "first-key")
    assert len({do(store, "image", ann, position) for position in (0, 1, 2)}) == 3
    with pytest.raises(Conflict):
        do(store, "image", ann, 3)


def test_one_refused_request_leaves_the_others_of_its_transaction_alone(campaign, store, ann):
    _, ben = do(store, "invite", "ben")
    do(store, "consent", ben)
    outcomes = store.carry_out(
        [
            lambda: store.answer(ann, 0, 1, None, "ann-key"),
            lambda: store.answer(ben, 7, 1, None, "ben-key"),
            lambda: store.state("no such token"),
            lambda: store.answer(ben, 0, 0, None, "ben-key"),
        ]
    )
    assert [type(outcome) for outcome in outcomes] == [type(None), Conflict, UnknownLink, type(None)]
    assert sorted(answers(campaign)) == [0, 1]


def test_two_processes_on_one_campaign_do_not_double_an_answer(campaign, store, ann):
    with closing(Store(campaign)) as other:
        do(store, "answer", ann, 0, 1, 2.5, "first-key")
        do(other, "answer", ann, 0, 1, 2.5, "first-key")
        with pytest.raises(Conflict):
            do(other, "answer", ann, 0, 2, 2.5, "other-key")
        assert do(other, "state", ann).position == 1
    assert answers(campaign) == [1]


def test_every_commit_waits_for_the_disk(store):
    # 2 is FULL. Nothing but the pragmas says that an acknowledged answer outlives a power cut.
    assert store._database.execute("PRAGMA synchronous").fetchone() == (2,)
    assert store._database.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_name_comes_back_to_its_own_link(store, ann):
    assert do(store, "invite", " Ann ") == ("ann", ann)
    assert do(store, "invite", None) != do(store, "invite", None)


@pytest.mark.parametrize("name", ["प्रिया", "สมหญิง", "Zoe\u0308", "Łukasz Żak", "ශ්\u200dරී", "山田 太郎"])
def test_names_of_any_script_are_names(store, name):
    kept, link = do(store, "invite", name)
    assert kept == unicodedata.normalize("NFC", name)
    assert do(store, "invite", unicodedata.normalize("NFD", name)) == (kept, link)


def test_nearly_the_same_name_is_one_person(store):
    links = {do(store, "invite", name) for name in ("Ann Ä", "Ann Ä ", "ann Ä", "ANN  A\u0308")}
    assert len(links) == 1
    assert do(store, "invite", "Anna Ä") not in links


def test_where_a_class_must_be_named_nobody_cannot_tell(tmp_path):
    campaign = small_campaign(tmp_path, forced_choice=True)
    with closing(Store(campaign)) as store:
        _, token = do(store, "invite", "ann")
        do(store, "consent", token)
        with pytest.raises(Refused, match="Name one of the classes, even where you have to guess"):
            do(store, "answer", token, 0, -1, 1.0, "first-key")
        do(store, "answer", token, 0, 0, 1.0, "first-key")
        assert do(store, "state", token).position == 1


@pytest.mark.parametrize("name", ["", "a" * 41, "ann@example.org", "=1+1", "a\nb", "../x", "-x"])
def test_names_that_could_be_addresses_formulas_or_paths_are_refused(store, name):
    with pytest.raises(Refused, match="A name has"):
        do(store, "invite", name)


@pytest.mark.parametrize("name", ["NA", "nan", "Null", " none "])
def test_names_that_would_be_lost_in_tables_are_refused(store, name):
    with pytest.raises(Refused, match="cannot be a name. Tables hold that for no value"):
        do(store, "invite", name)
    assert do(store, "invite", f"{name.strip()}-1")


def test_a_participants_id_is_not_stored(campaign, store):
    token = do(store, "admit", "5f3c9a7e-worker")
    assert do(store, "admit", "5f3c9a7e-worker") == token != do(store, "admit", "another")
    assert store.name_of_participant("5f3c9a7e-worker") is None
    do(store, "consent", token)
    assert store.name_of_participant("5f3c9a7e-worker") == do(store, "state", token).name
    assert store.name_of_participant("nobody") is None
    store._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert b"5f3c9a7e-worker" not in campaign.database.read_bytes()


def join(store, count):
    """So many new annotators, as far as there is something to label; their tokens."""
    tokens = [do(store, "invite", None)[1] for _ in range(count)]
    for token in tokens:
        do(store, "consent", token)
    return tokens


def expected(store):
    return {image: count for image, count in store._expected_labels().items() if count}


def test_nobody_is_let_in_when_all_labels_are_given_or_on_their_way(store):
    join(store, 8)  # 48 images x 2 labels = 8 annotators x 12
    assert set(expected(store).values()) == {2} and len(expected(store)) == 48
    _, late = do(store, "invite", "late")
    with pytest.raises(Refused, match="Every picture has all the labels it needs"):
        do(store, "consent", late)
    assert not do(store, "state", late).consented


def test_what_silent_annotators_left_open_goes_to_others_and_what_they_answered_counts(store, monkeypatch):
    join(store, 7)
    [silent] = join(store, 1)
    do(store, "answer", silent, 0, 1, 1.0, "first-key")
    now = store_module._now
    monkeypatch.setattr(store_module, "_now", lambda *ago: now(sum(ago, DAY_AND_A_BIT)))
    assert sum(expected(store).values()) <= 1  # an attention check would count for nothing
    join(store, 8)
    assert max(expected(store).values()) <= 2


def test_a_full_disk_loses_what_was_not_acknowledged_and_nothing_else(campaign, store, ann):
    do(store, "answer", ann, 0, 1, 2.5, "first-key")
    pages = store._database.execute("PRAGMA page_count").fetchone()[0]
    store._database.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(sqlite3.OperationalError, match="full"):
        store.carry_out([lambda: store.answer(ann, 1, 2, 2.5, "second-key"), *[lambda: store.invite(None)] * 500])
    assert answers(campaign) == [1] and len(read_answers(campaign)[1]) == 1
    store._database.execute("PRAGMA max_page_count = 100000")
    do(store, "answer", ann, 1, 2, 2.5, "second-key")
    assert answers(campaign) == [1, 2]


def test_classes_and_images_stay_as_they_were_when_the_first_was_invited(campaign, store, ann):
    with pytest.raises(SemsimError, match="pilot: classes have changed since the first annotator was invited"):
        Store(change_settings(campaign, "[square, disc,", "[disc, square,"))


FIRST_VERSION = """
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
    purpose TEXT NOT NULL CHECK (purpose IN ('asked', 'check', 'repeat')),
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
"""The tables as version 1 made them, where links were stored as they are."""
TOKENS = {"ann": "A" * 22, "ben": "B" * 22, "cat": "C" * 22, "dan": "D" * 22}


@pytest.fixture
def earlier(campaign):
    """A campaign with a database of version 1: ann was invited and has answered twice; the others came by a panel.

    Ben has undone his only answer, cat has agreed and not answered, and dan has only looked.
    """
    parts = [campaign.classes, *(table.to_csv(index=False) for table in (campaign.images, campaign.checks))]
    about = {
        "version": "1",
        "fingerprint": hashlib.blake2b(json.dumps(parts).encode(), digest_size=16).hexdigest(),
        "panel_key": "the-key-of-the-panel",
        "secret": "0123" * 16,
    }
    now, images = store_module._now(), campaign.images["image"].tolist()
    with closing(sqlite3.connect(campaign.database)) as database, database:
        database.executescript(f"PRAGMA journal_mode = WAL; {FIRST_VERSION}")
        database.executemany("INSERT INTO about VALUES (?, ?)", about.items())
        for number, (name, token) in enumerate(TOKENS.items(), 1):
            digest = hmac.new(about["secret"].encode(), f"id-{name}".encode(), "sha256").hexdigest()
            row = (
                number,
                name,
                token,
                None if name == "ann" else digest,
                "C0DE",
                *[None if name == "dan" else now] * 2,
            )
            database.execute("INSERT INTO annotators VALUES (?, ?, ?, ?, ?, ?, ?)", row)
            if name != "dan":
                items = [(number, place, image, "asked") for place, image in enumerate(images[:12])]
                database.executemany("INSERT INTO items VALUES (?, ?, ?, ?)", items)
        for place in (0, 1):
            database.execute("INSERT INTO answers VALUES (1, ?, 1, 2.5, ?, ?)", (place, now, f"key-{place}"))
        database.execute("INSERT INTO withdrawn VALUES (2, 0, 1, 2.5, ?, 'key-0', 'undo-0', ?)", (now, now))
    return campaign


def test_a_database_of_the_first_version_is_brought_up_to_date(earlier):
    for _ in range(2):  # once is enough
        assert answers(earlier) == [1, 1]
    with closing(Store(earlier)) as store:
        assert [store.state(token).position for token in TOKENS.values()] == [2, 0, 0, 0]
        assert [store.state(token).consented for token in TOKENS.values()] == [True, True, True, False]
        assert store.annotators()["undone"].tolist() == [0, 1, 0, 0]
        for name in ("ben", "cat", "dan"):  # a participant who returns through the panel's link is the same annotator
            assert store.state(store.admit(f"id-{name}")).name == name == store.name_of_participant(f"id-{name}")
        assert store.links.panel_key == "the-key-of-the-panel"
        _, other = do(store, "invite", "ann")
        assert store.state(other) == store.state(TOKENS["ann"])._replace(assignment=store.state(other).assignment)
        do(store, "answer", TOKENS["ann"], 2, 0, 1.0, "key-2")
        assert set(expected(store).values()) == {2}  # ann and ben; cat holds nothing without an answer
        with pytest.raises(sqlite3.IntegrityError):
            store._database.execute("INSERT INTO links VALUES ('token', 77)")
        store._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        assert not [token for token in TOKENS.values() if token.encode() in earlier.database.read_bytes()]
        assert not store._database.execute("PRAGMA foreign_key_check").fetchall()
    assert answers(earlier) == [1, 1, 0]


def test_a_database_of_the_first_version_is_left_alone_where_it_does_not_fit(earlier):
    content = earlier.database.read_bytes()
    changed = change_settings(earlier, "[square, disc,", "[disc, square,")
    with pytest.raises(SemsimError, match="classes or images have changed"):
        Store(changed)
    assert earlier.database.read_bytes() == content and not earlier.secret.exists()


def test_an_update_that_is_interrupted_is_begun_again(earlier, monkeypatch):
    def interrupted(token):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("semsim.labelling.migration.hashed", interrupted)
        Store(earlier)
    with closing(Store(earlier)) as store:
        assert [store.state(token).position for token in TOKENS.values()] == [2, 0, 0, 0]
        assert store.links.panel_key == "the-key-of-the-panel"


def test_a_damaged_database_is_named(campaign):
    campaign.database.write_bytes(b"not a database at all, but long enough to be looked at" * 20)
    with pytest.raises(SemsimError, match=r"answers.sqlite: cannot be used .* Restore it from a backup"):
        Store(campaign)


def test_the_database_itself_refuses_a_second_answer(store, ann):
    do(store, "answer", ann, 0, 1, 2.5, "first-key")
    with pytest.raises(sqlite3.IntegrityError):
        store._database.execute("INSERT INTO answers VALUES (1, 0, 2, 1.0, 'now', 'other-key')")
