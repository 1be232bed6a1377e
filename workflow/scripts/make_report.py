"""Write the report of a study: one HTML page with its tables, figures and findings."""

import argparse
from pathlib import Path

from semsim.commandline import run
from semsim.io.whole import write_text
from semsim.report.page import render_report
from semsim.report.results import Results
from semsim.results.study_tables import StudyTables


def main() -> None:
    arguments = parse_arguments()
    given = (arguments.study, StudyTables(arguments.tables), arguments.figures, arguments.notebooks)
    page = render_report(Results(*given, arguments.spot_checks, folder=arguments.out.parent))
    write_text(page, arguments.out)


def parse_arguments() -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--study", required=True, metavar="NAME", help="the name of the study")
    parser.add_argument("--tables", required=True, metavar="DIR", help="folder of the study's tables")
    parser.add_argument("--figures", required=True, type=Path, metavar="DIR", help="folder of the study's figures")
    parser.add_argument(
        "--notebooks", nargs="*", default=[], type=Path, metavar="X.html", help="executed notebooks to link to"
    )
    parser.add_argument(
        "--spot-checks",
        nargs="*",
        default=[],
        type=Path,
        metavar="compared.csv",
        help="tables of campaigns that were compared with studies",
    )
    parser.add_argument("--out", required=True, type=Path, metavar="report.html", help="the page to write")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
