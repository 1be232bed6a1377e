"""Execute a notebook on a study's tables and figures."""

import argparse

import papermill

from semsim.commandline import run
from semsim.errors import SemsimError


def main():
    arguments = parse_arguments()
    try:
        papermill.execute_notebook(
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


def parse_arguments():
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--notebook", required=True, metavar="X.ipynb", help="the notebook, without outputs")
    parser.add_argument(
        "--parameter", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"), help="one of its parameters"
    )
    parser.add_argument("--out", required=True, metavar="X.ipynb", help="to write: with outputs, as far as it came")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
