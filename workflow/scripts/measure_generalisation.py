"""Measure how faithful learned metrics are on held-out data, compared with the hand-crafted metrics."""

import argparse

import pandas as pd
from table_arguments import add_resampling_arguments, add_table_arguments

from semsim.commandline import json_object, run
from semsim.io.tables import KEYS, read_parts, read_table, write_table
from semsim.learned.combination import choose_metric, combine_metrics
from semsim.learned.folds import kind_of_folds, with_traits
from semsim.learned.scales import LEARNED
from semsim.metrics.scales import scales_of
from semsim.metrics.summaries import concatenated
from semsim.seeds import seed_for
from semsim.statistics.baselines import BASELINES
from semsim.statistics.crossing import RATE, join_parts
from semsim.statistics.generalisation import correct_generalisation, measure_generalisation


def main() -> None:
    arguments = parse_arguments()
    trials = pd.concat([next(read_parts(path))[:1].assign(path=path) for path in arguments.trials])
    trials["folds"] = trials["exclusion"].map(kind_of_folds)
    ((kind, reference),) = trials[["kind", "reference"]].drop_duplicates().to_numpy()
    scales = scales_of(read_table(arguments.scales))
    rates = read_table(arguments.recognition)
    table = join_parts(
        (part.loc[part["reference"] == reference, [*KEYS, *scales]] for part in read_parts(arguments.metrics)),
        rates.loc[rates["kind"] == kind, [*KEYS, RATE]],
    )
    described, seed = with_traits(table, arguments.traits), seed_for(arguments.seed, "generalisation")
    measured = pd.concat(
        [
            with_baselines(concatenated(paths).assign(folds=folds), described, scales, arguments)
            for folds, paths in trials.groupby("folds", sort=False)["path"]
        ],
        ignore_index=True,
    )
    write_table(measured, arguments.out_trials)
    values, differences = (
        each.assign(kind=kind, reference=reference)
        for each in measure_generalisation(
            table, measured, scales.directions, LEARNED.directions, arguments.resamples, seed
        )
    )
    access = (scales | LEARNED | BASELINES).access
    values.insert(values.columns.get_loc("metric") + 1, "access", values["metric"].map(access))
    write_table(values, arguments.out)
    write_table(correct_generalisation(differences), arguments.out_differences)


def with_baselines(trials, table, scales, arguments):
    """Add what the combinations of metrics, and the best hand-crafted one, say to the trials of one kind of folds."""
    alone = {name: scale.higher_is_better for name, scale in scales.items() if scale.access == "images"}
    found = []
    for exclusion in trials["exclusion"].unique():
        folds = exclusion, arguments.folds, arguments.seed
        combined = combine_metrics(table, [*alone], *folds)
        for other in (
            combine_metrics(table, [*scales], *folds).rename(columns={"combination": "combination_with_target"}),
            choose_metric(table, alone, *folds),
        ):
            combined = combined.merge(other, on=KEYS)
        found.append(combined.assign(exclusion=exclusion))
    return trials.merge(pd.concat(found), on=[*KEYS, "exclusion"], how="left")


def parse_arguments() -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", required=True, nargs="+", metavar="X.csv", help="distances of what was left out")
    add_table_arguments(parser, "metrics", "recognition", "scales")
    parser.add_argument(
        "--traits", type=json_object, required=True, metavar="JSON", help="architecture and defence of each target"
    )
    parser.add_argument("--folds", type=int, required=True, metavar="N", help="parts of the originals")
    add_resampling_arguments(parser)
    parser.add_argument("--out", required=True, metavar="generalisation.csv", help="table of the metrics to write")
    parser.add_argument("--out-differences", required=True, metavar="X.csv", help="table of pairs of metrics to write")
    parser.add_argument("--out-trials", required=True, metavar="semsim.csv", help="to write: all that was measured")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
