"""Reference results: one run of a study, kept in the repository, and how close a new run comes to it.

``python -m semsim.results.reference keep STUDY --command COMMAND`` makes ``results/reference/STUDY`` and
``figures/reference/STUDY`` of a finished study; with ``--numbers-only``, without whatever shows images.
``... compare STUDY`` compares a new run's tables with them, ``... table STUDY`` writes their main table in Markdown,
and ``... pages ARCHIVE.zip STUDY ...`` packs the pages of finished studies, which the repository does not hold.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from semsim.commandline import run
from semsim.errors import refuse
from semsim.learned.scales import LEARNED
from semsim.results.comparison import compare
from semsim.results.keeping import keep, pack_pages
from semsim.results.study_tables import StudyTables
from semsim.statistics.generalisation import EVERYTHING, areas, overall
from semsim.text import FOLDS, decimal

if TYPE_CHECKING:
    import os

    import pandas as pd

RESULTS = Path("results")
REFERENCES = RESULTS / "reference"


def main_table(reference: str | os.PathLike) -> str:
    """Return the main table of a study: SemSim beside the other metrics, by what it did not learn from.

    Parameters
    ----------
    reference : path-like
        The folder of a study that holds ``tables``.

    Returns
    -------
    str
        Markdown: the area under the ROC curve of each metric within one original, with intervals, averaged over data
        sets, and the worst of what was left out.
    """
    tables = StudyTables(Path(reference) / "tables")
    rows = areas(overall(tables["generalisation"]))
    rows = rows[rows["exclusion"] == EVERYTHING]
    kinds = [kind for kind in FOLDS if kind in set(rows["folds"])]
    scales = LEARNED | tables.scales
    lines = ["| Held out | " + " | ".join(FOLDS[kind] for kind in kinds) + " |"]
    lines.append("| --- " * (len(kinds) + 1) + "|")
    for metric in scales.among(rows.dropna(subset="faithfulness")["metric"]):
        of_metric = rows[rows["metric"] == metric].set_index("folds")
        cells = [estimate(row, "faithfulness") + worst(row) for _, row in of_metric.loc[kinds].iterrows()]
        lines.append(f"| {scales[metric].label} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def estimate(row: pd.Series, column: str) -> str:
    """Write a number of a table's row and its interval, such as ``0.85 (0.80 to 0.90)``."""
    low, high = (row["low"], row["high"]) if column == "value" else (row[f"{column}_low"], row[f"{column}_high"])
    return f"{decimal(row[column])} ({decimal(low)} to {decimal(high)})"


def worst(row: pd.Series) -> str:
    """Write the worst of what was left out, such as ``; worst 0.65 (lenet)``, or nothing if there is none."""
    if row["left_out_worst"] != row["left_out_worst"]:
        return ""
    return f"; worst {decimal(row['left_out_worst'])} ({row['worst_left_out']})"


def main() -> None:
    """Keep, compare or print a reference."""
    arguments = parse_arguments()
    match arguments.action:
        case "keep":
            print(keep(arguments.study, arguments.command, arguments.numbers_only))
        case "compare":
            study = arguments.study
            refuse(compare(study, RESULTS / study, REFERENCES / study), f"{study} differs from the reference")
            print(f"{study} agrees with the reference.")
        case "table":
            print(main_table(REFERENCES / arguments.study))
        case "pages":
            pack_pages(arguments.archive, arguments.studies)
            print(arguments.archive)


def parse_arguments() -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(prog="semsim.results.reference", description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(dest="action", required=True)
    keeper = commands.add_parser("keep", help="create the reference from a finished study")
    keeper.add_argument("study")
    keeper.add_argument("--command", required=True, help="what made it")
    keeper.add_argument(
        "--numbers-only", action="store_true", help="leave out figures that show images of the data sets"
    )
    commands.add_parser("compare", help="compare a new run with the reference").add_argument("study")
    commands.add_parser("table", help="write the main table of the reference in Markdown").add_argument("study")
    pages = commands.add_parser("pages", help="pack the pages of finished studies, which the repository does not hold")
    pages.add_argument("archive", metavar="ARCHIVE.zip", type=Path)
    pages.add_argument("studies", metavar="STUDY", nargs="+")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
