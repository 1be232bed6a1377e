"""Answers without the page: an annotator's pictures on numbered sheets, and a table to write down what they show.

For people without a browser, and for models that are shown pictures. The answers go into the same database.
"""

from __future__ import annotations

import textwrap
from io import BytesIO
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd
from PIL import Image, ImageDraw, ImageFont

from semsim.errors import SemsimError, refuse
from semsim.io.handmade import problem_in, read_rows
from semsim.io.tables import write_table
from semsim.labelling.making import written_folder
from semsim.labelling.store import Conflict, Refused
from semsim.labels.table import CANNOT_TELL
from semsim.names import composed
from semsim.progress import progress_bar

if TYPE_CHECKING:
    import os

    from semsim.labelling.campaign import Campaign
    from semsim.labelling.store import Store

UNSURE = "?"
"""How a table of answers says that one can't tell."""
COLUMNS, ROWS = 4, 3
SIDE, GAP, MARGIN, LINE = 240, 18, 24, 30
"""Of a picture, between pictures, around the sheet, and of a line of text, in pixels."""
LETTERS = 84
"""How many fit into a line of the sheet."""
PAPER, INK = "white", "black"


class Sheets(NamedTuple):
    """What was written for an annotator: their name, and the numbers of sheets and of pictures."""

    annotator: str
    sheets: int
    pictures: int


def write_sheets(campaign: Campaign, store: Store, name: str, folder: str | os.PathLike) -> Sheets:
    """Assign pictures to an annotator and write them on sheets, with a table for the answers.

    The pictures are those that the page would show, attention checks and repeats included, in the same order. They are
    enlarged with smooth interpolation. Nothing on a sheet says where a picture comes from.

    Parameters
    ----------
    campaign : semsim.labelling.campaign.Campaign
    store : semsim.labelling.store.Store
    name : str
        The pseudonym. A known annotator keeps the pictures that they have.
    folder : path-like
        Becomes a new folder with ``sheet-01.png``, ... and ``answers.csv`` (number, answer).

    Returns
    -------
    Sheets

    Raises
    ------
    SemsimError
        If the folder exists, the name is invalid, or no picture needs another label.
    """
    with written_folder(folder) as part:
        name, items = _assigned(store, name)
        pages = list(_pages(items, campaign))
        with progress_bar(len(pages), "drawing sheets", unit="sheet") as bar:
            for number, (dataset, page) in enumerate(pages, start=1):
                _draw(campaign, dataset, page).save(part / f"sheet-{number:02}.png")
                bar.update()
        write_table(pd.DataFrame({"number": items["position"] + 1, "answer": ""}), part / "answers.csv")
    return Sheets(name, len(pages), len(items))


def _assigned(store, name):
    """Return the name of an annotator, and their pictures in order; a new one gets some."""
    try:
        with store.transaction():
            name, token = store.invite(name)
            store.consent(token)
    except Refused as refusal:
        raise SemsimError(str(refusal)) from None
    items = store.items()
    return name, items[items["annotator"] == name]


def _pages(items, campaign):
    """Yield the data set and the rows of each sheet; data sets follow one another in an annotator's order."""
    for dataset, rows in items.groupby(items["image"].map(campaign.datasets), sort=False):
        for first in range(0, len(rows), COLUMNS * ROWS):
            yield dataset, rows.iloc[first : first + COLUMNS * ROWS]


def _draw(campaign, dataset, rows):
    """Draw the pictures of one sheet under the question and the list of classes."""
    choices = campaign.classes[dataset] + ([] if campaign.settings.forced_choice else [f"{UNSURE} (can't tell)"])
    head = [campaign.settings.question, *textwrap.wrap(", ".join(choices), LETTERS)]
    top = MARGIN + LINE * len(head) + GAP
    cell = SIDE + LINE + GAP
    lines = -(-len(rows) // COLUMNS)
    sheet = Image.new("RGB", (2 * MARGIN + COLUMNS * (SIDE + GAP) - GAP, top + lines * cell + MARGIN - GAP), PAPER)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=22)
    pen.multiline_text((MARGIN, MARGIN), "\n".join(head), INK, font, spacing=LINE - 22)
    for place, row in enumerate(rows.itertuples()):
        left, upper = MARGIN + place % COLUMNS * (SIDE + GAP), top + place // COLUMNS * cell
        pen.text((left, upper), str(row.position + 1), INK, font)
        sheet.paste(_enlarged(campaign.picture(row.image)), (left, upper + LINE))
    return sheet


def _enlarged(content):
    """Return a picture that fills a square of the sheet, on grey where it is not square itself."""
    picture = Image.open(BytesIO(content)).convert("RGB")
    scale = SIDE / max(picture.size)
    size = [max(1, round(side * scale)) for side in picture.size]
    square = Image.new("RGB", (SIDE, SIDE), "gray")
    square.paste(picture.resize(size, Image.Resampling.BICUBIC), tuple((SIDE - side) // 2 for side in size))
    return square


def enter_answers(campaign: Campaign, store: Store, name: str, path: str | os.PathLike) -> int:
    """Store the answers that an annotator wrote down; entering a table again, with more answers, adds only those.

    Parameters
    ----------
    campaign : semsim.labelling.campaign.Campaign
    store : semsim.labelling.store.Store
    name : str
        The annotator for whom the sheets were written.
    path : path-like
        A table with the columns number and answer: a class, or ``?`` for "can't tell". The last ones may be empty.

    Returns
    -------
    int
        The number of answers in the table.

    Raises
    ------
    SemsimError
        If the table is not valid or contradicts an earlier one; nothing is stored then.
    """
    items = store.items()
    items = items[items["annotator"] == composed(name).strip()]
    if items.empty:
        raise SemsimError(f"{name}: has no sheets. Write them with: semsim label sheets")
    labels = _labels(read_rows(path, ["number", "answer"]), items, campaign, path)
    try:
        with store.transaction():
            _, token = store.invite(name)
            for position, label in enumerate(labels):
                try:
                    store.answer(token, position, label, None, f"sheet-{position}-{label}")
                except Conflict:
                    raise SemsimError(f"{path}: number {position + 1} has another answer already.") from None
    except Refused as refusal:
        raise SemsimError(f"{path}: {refusal}") from None
    return len(labels)


def _labels(table, items, campaign, path):
    """Return the labels that a table of answers has, in order."""
    if list(table["number"]) != [str(position + 1) for position in items["position"]]:
        raise SemsimError(f"{path}: number must go from 1 to {len(items)}, as in the table that came with the sheets.")
    answers = table["answer"].map(lambda answer: composed(answer).strip().casefold())
    given = answers != ""
    datasets = items["image"].map(campaign.datasets)
    labels = pd.Series(
        [_label(answer, campaign.classes[dataset]) for answer, dataset in zip(answers, datasets, strict=True)],
        index=table.index,
        dtype="Int64",
    )
    unknown = given & labels.isna()
    skipped = ~given & given[::-1].cummax()[::-1]
    problems = [
        *problem_in(table, unknown, "answer", f"not one of the classes, nor {UNSURE}"),
        *problem_in(table, skipped, "answer", "empty, though later ones are not"),
    ]
    refuse(problems, f"{path}: not a valid table of answers")
    return [int(label) for label in labels[given]]


def _label(answer, classes):
    if answer == UNSURE:
        return CANNOT_TELL
    names = [name.casefold() for name in classes]
    return names.index(answer) if answer in names else None
