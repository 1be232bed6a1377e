"""Measure how each change of SemSim's settings affects its faithfulness, on folds over originals."""

import argparse

from table_arguments import add_resampling_arguments, add_table_arguments

from semsim.commandline import run
from semsim.io.tables import KEYS, read_table, write_table
from semsim.seeds import seed_for
from semsim.statistics.faithfulness import with_holm
from semsim.statistics.generalisation import measure_by_dataset


def main() -> None:
    arguments = parse_arguments()
    table = read_table(arguments.recognition)
    for variant, path in zip(arguments.variants, arguments.trials, strict=True):
        trials = read_table(path)
        table = table.merge(trials[[*KEYS, "kind", "semsim"]].rename(columns={"semsim": variant}), on=[*KEYS, "kind"])
    seed = seed_for(arguments.seed, "ablations")
    directions = dict.fromkeys(arguments.variants, False)
    values, differences = measure_by_dataset(table, directions, arguments.variants[0], arguments.resamples, seed)
    differences = with_holm(differences, ["dataset", "level", "statistic"])
    # Differences are the study's own settings minus each variant; a change has the opposite sign.
    changes = differences.rename(columns={"other": "variant", "low": "change_high", "high": "change_low"})
    changes = changes.assign(change=-changes["difference"])
    changes[["change_low", "change_high"]] *= -1
    keys = ["dataset", "level", "statistic", "variant"]
    values = values.rename(columns={"metric": "variant"}).drop(columns=["value", "low", "high"])
    changes = changes[[*keys, "change", "change_low", "change_high", "p_holm", "tests"]]
    write_table(values.merge(changes, on=keys, how="left"), arguments.out)


def parse_arguments() -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--variants", required=True, nargs="+", metavar="NAME", help="first the study's own settings")
    parser.add_argument("--trials", required=True, nargs="+", metavar="X.csv", help="their distances, in that order")
    add_table_arguments(parser, "recognition")
    add_resampling_arguments(parser)
    parser.add_argument("--out", required=True, metavar="ablations.csv", help="the table to write")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
