"""Draw the contact sheet of a data set, as PNG and PDF, and an excerpt for the report."""

import argparse

from table_arguments import add_table_arguments

from semsim.commandline import run
from semsim.figures.contact_sheet import draw_contact_sheet
from semsim.figures.style import write_figure
from semsim.io.tables import read_table
from semsim.io.tensors import read_metadata


def main() -> None:
    arguments = parse_arguments()
    classes = read_metadata(arguments.data)["classes"]
    sources = arguments.dataset, classes, arguments.reconstructions, read_table(arguments.metrics)
    figure = draw_contact_sheet(*sources)
    write_figure(figure, arguments.out_pdf)
    write_figure(figure, arguments.out_png)
    write_figure(draw_contact_sheet(*sources, excerpt=True), arguments.out_excerpt)


def parse_arguments() -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", required=True, metavar="NAME", help="the name of the data set")
    parser.add_argument("--data", required=True, metavar="X.safetensors", help="the data set, for its class names")
    parser.add_argument(
        "--reconstructions", required=True, nargs="+", metavar="A.safetensors", help="one file per target and attack"
    )
    add_table_arguments(parser, "metrics")
    parser.add_argument("--out-png", required=True, metavar="X.png", help="the picture to write")
    parser.add_argument("--out-pdf", required=True, metavar="X.pdf", help="the same for print")
    parser.add_argument("--out-excerpt", required=True, metavar="X.png", help="picture of a few, larger, to write")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
