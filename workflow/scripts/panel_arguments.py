"""The arguments shared by scripts that compare metrics with single annotators, and their parsed values."""

from argparse import ArgumentParser, Namespace

import pandas as pd
from table_arguments import add_resampling_arguments, add_table_arguments

from semsim.io.tables import KEYS, read_parts, read_table
from semsim.labels import with_truth
from semsim.metrics.scales import Scales, scales_of
from semsim.statistics.person import Panel, seat_panels

SEMSIM = "semsim"
"""The column of its distances, and its name as a metric."""


def add_panel_arguments(parser: ArgumentParser) -> None:
    """Add the arguments that `read_panels` needs, and those of the resampling."""
    add_table_arguments(parser, "labels", "images", "metrics", "scales")
    add_resampling_arguments(parser)


def read_panels(
    arguments: Namespace, trials: pd.DataFrame | None = None
) -> tuple[dict[tuple[str, str, str], Panel], Scales]:
    """Return the panels of `semsim.statistics.person`, and how to read their metrics.

    Single answers take many times as much memory as panels, and are dropped on return. `trials` are the distances of
    SemSim, one for each reconstruction; it becomes the first metric where annotators and references are those that it
    learned from.
    """
    answers = with_truth(read_table(arguments.labels), read_table(arguments.images))
    scales = scales_of(read_table(arguments.scales))
    if trials is None:
        return seat_panels(read_parts(arguments.metrics), answers, scales), scales
    keys = [*KEYS, "reference"]
    parts = (part.merge(trials[[*keys, SEMSIM]], on=keys, how="left") for part in read_parts(arguments.metrics))
    learned_from = {*trials[["kind", "reference"]].itertuples(index=False, name=None)}
    panels = seat_panels(parts, answers, [SEMSIM, *scales])
    for (_, *of), panel in panels.items():
        if tuple(of) not in learned_from:
            del panel.crossing.metrics[SEMSIM]
    return panels, scales
