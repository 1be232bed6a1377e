"""Draw the pairs of reconstructions on which a metric and the annotators disagree most, as PNG and PDF."""

import argparse

from table_arguments import add_table_arguments

from semsim.commandline import run
from semsim.figures.contradiction_pairs import draw_contradictions
from semsim.figures.style import write_figure
from semsim.io.tables import read_table
from semsim.metrics.scales import scales_of


def main() -> None:
    arguments = parse_arguments()
    tables = (read_table(path) for path in (arguments.metrics, arguments.recognition))
    scales = scales_of(read_table(arguments.scales))
    figure = draw_contradictions(arguments.dataset, arguments.reconstructions, *tables, scales)
    write_figure(figure, arguments.out_pdf)
    write_figure(figure, arguments.out_png)


def parse_arguments() -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", required=True, metavar="NAME", help="the name of the data set")
    parser.add_argument(
        "--reconstructions", required=True, nargs="+", metavar="A.safetensors", help="one file per target and attack"
    )
    add_table_arguments(parser, "metrics", "recognition", "scales")
    parser.add_argument("--out-png", required=True, metavar="X.png", help="the picture to write")
    parser.add_argument("--out-pdf", required=True, metavar="X.pdf", help="the same for print")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
