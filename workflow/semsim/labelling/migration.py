"""Databases of answers as earlier versions wrote them, brought to the present form without losing an answer."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from semsim.labelling.links import hashed, write_links

if TYPE_CHECKING:
    import sqlite3

    from semsim.labelling.campaign import Campaign

FIRST = "1"
"""The version in which links were stored as they are, and pictures were known by their names alone."""


def fits_first(campaign: Campaign, fingerprint: str) -> bool:
    """Return whether a campaign has the classes and images of a database of the first version."""
    images = campaign.images[["image", "dataset", "target", "attack", "original", "label"]]
    parts = [campaign.classes, images.to_csv(index=False), campaign.checks.to_csv(index=False)]
    return hashlib.blake2b(json.dumps(parts).encode(), digest_size=16).hexdigest() == fingerprint


def from_first(database: sqlite3.Connection, campaign: Campaign, tables: dict[str, str]) -> None:
    """Bring a database of the first version to the second, inside a transaction and without foreign keys.

    Links that were given out stay valid. Participants who have consented and not answered no longer hold pictures.

    Parameters
    ----------
    database : sqlite3.Connection
    campaign : semsim.labelling.campaign.Campaign
    tables : dict of str to str
        The statements that create tables, by their names.
    """
    about = dict(database.execute("SELECT name, value FROM about"))
    write_links(campaign.secret, about["secret"], about["panel_key"])
    tokens = database.execute("SELECT token, id FROM annotators").fetchall()
    people = database.execute(
        "SELECT id, name, substr(participant, 1, 32), code, consented_at,"
        " CASE WHEN participant IS NULL OR id IN (SELECT annotator FROM answers UNION SELECT annotator FROM withdrawn)"
        " THEN active_at END FROM annotators"
    ).fetchall()
    database.execute("DROP TABLE annotators")
    for table in ("annotators", "links"):
        database.execute(tables[table])
    database.executemany("INSERT INTO annotators VALUES (?, ?, ?, ?, ?, ?)", people)
    database.executemany("INSERT INTO links VALUES (?, ?)", [(hashed(token), number) for token, number in tokens])
    database.execute("DELETE FROM about WHERE name IN ('secret', 'panel_key')")
