"""Execute a notebook on a study's tables and figures, and convert it to HTML."""

import argparse
from pathlib import Path

import papermill
from nbconvert import HTMLExporter

from semsim.commandline import run
from semsim.errors import SemsimError
from semsim.io.whole import write_text


def main() -> None:
    arguments = parse_arguments()
    try:
        executed = papermill.execute_notebook(
            arguments.notebook,
            arguments.out,
            dict(arguments.parameter),
            kernel_name="python3",
            progress_bar=False,
        )
    except papermill.PapermillExecutionError as error:
        if error.ename != SemsimError.__name__:
            raise
        raise SemsimError(error.evalue) from None
    page, _ = HTMLExporter(embed_images=True).from_notebook_node(executed, {"metadata": {"name": arguments.out.stem}})
    write_text(page, arguments.html)


def parse_arguments() -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--notebook", required=True, metavar="X.ipynb", help="the notebook, without outputs")
    parser.add_argument(
        "--parameter", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"), help="one of its parameters"
    )
    parser.add_argument(
        "--out", required=True, type=Path, metavar="X.ipynb", help="to write: the executed notebook, complete or not"
    )
    parser.add_argument("--html", required=True, metavar="X.html", help="to write: the page, if it came to its end")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
