"""Draw the nearest and farthest reconstructions by SemSim, recognised and not, as PNG and PDF."""

import argparse

from table_arguments import add_table_arguments

from semsim.commandline import run
from semsim.figures.semsim_examples import draw_semsim_examples
from semsim.figures.style import write_figure
from semsim.io.tables import read_table


def main() -> None:
    arguments = parse_arguments()
    trials, recognition = read_table(arguments.trials), read_table(arguments.recognition)
    recognition = recognition[recognition["kind"].isin(trials["kind"])]
    figure = draw_semsim_examples(arguments.dataset, arguments.reconstructions, trials, recognition)
    write_figure(figure, arguments.out_pdf)
    write_figure(figure, arguments.out_png)


def parse_arguments() -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", required=True, metavar="NAME", help="the name of the data set")
    parser.add_argument(
        "--reconstructions", required=True, nargs="+", metavar="A.safetensors", help="one file per target and attack"
    )
    parser.add_argument("--trials", required=True, metavar="semsim.csv", help="SemSim's distances")
    add_table_arguments(parser, "recognition")
    parser.add_argument("--out-png", required=True, metavar="X.png", help="the picture to write")
    parser.add_argument("--out-pdf", required=True, metavar="X.pdf", help="the same for print")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
