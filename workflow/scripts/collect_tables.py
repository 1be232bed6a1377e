"""Collect the study's tables from the files of its stages."""

import argparse

import pandas as pd

from semsim.commandline import run
from semsim.io.tables import append_tables, appending, read_table, write_table
from semsim.metrics import describe_scales
from semsim.metrics.summaries import (
    concatenated,
    describe_datasets,
    describe_targets,
    describe_unmeasured,
    measured_metrics,
    rank_leakage,
    summarise_metrics,
    with_metrics,
)


def main() -> None:
    arguments = parse_arguments()
    append_tables(map(read_table, arguments.attacks), arguments.out_attacks)
    names, summaries = measured_metrics(arguments.metrics), []
    with appending(arguments.out_metrics) as append:
        for path in arguments.metrics:
            measured = read_table(path)
            metrics = with_metrics(measured, names)
            append(metrics)
            summaries.append(summarise_metrics(measured))
    write_table(rank_leakage(pd.concat(summaries), concatenated(arguments.sets)), arguments.out_leakage)
    write_table(describe_scales(metrics), arguments.out_scales)
    write_table(describe_targets(arguments.weights, arguments.attacks), arguments.out_accuracy)
    datasets = describe_datasets(arguments.data)
    write_table(datasets, arguments.out_datasets)
    unmeasured = describe_unmeasured(names, arguments.networks, arguments.extra, datasets["image_size"].max())
    write_table(unmeasured, arguments.out_unmeasured)


def parse_arguments() -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, suffix, help_text in (
        ("data", "safetensors", "data sets"),
        ("weights", "safetensors", "target models"),
        ("attacks", "csv", "tables of attacks, one row per original"),
        ("metrics", "parquet", "metrics of pairs"),
        ("sets", "parquet", "metrics of sets"),
    ):
        parser.add_argument(f"--{name}", required=True, nargs="+", metavar=f"X.{suffix}", help=help_text)
    for name, help_text in (
        ("networks", "pretrained networks whose weights are found"),
        ("extra", "extra metrics that are computed"),
    ):
        parser.add_argument(f"--{name}", nargs="*", default=[], metavar="NAME", help=help_text)
    for name, help_text in (
        ("metrics", "every metric of every reconstruction"),
        ("scales", "how to read each metric"),
        ("unmeasured", "metrics that were not computed, and why"),
        ("leakage", "target models ranked by each metric"),
        ("accuracy", "target models and their accuracy"),
        ("attacks", "every reconstruction's attack: status, cost, knowledge"),
        ("datasets", "data sets and their sizes"),
    ):
        parser.add_argument(f"--out-{name}", required=True, metavar="X.csv", help=f"to write: {help_text}")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
