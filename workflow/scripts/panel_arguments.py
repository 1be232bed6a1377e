"""The arguments of scripts that set metrics beside the answers of single annotators, and what they stand for."""

from semsim.io.tables import KEYS, read_parts, read_table
from semsim.labels import with_truth
from semsim.metrics.scales import scales_of
from semsim.statistics.person import seat_panels

SEMSIM = "semsim"
"""The column of its distances, and its name as a metric."""


def add_panel_arguments(parser):
    """Add the arguments that `read_panels` needs, and those of the resampling."""
    parser.add_argument("--labels", required=True, metavar="labels.csv", help="one row per label")
    parser.add_argument("--images", required=True, metavar="images.csv", help="one row per image, with its true class")
    parser.add_argument("--metrics", required=True, metavar="metrics.csv", help="every metric of every reconstruction")
    parser.add_argument("--scales", required=True, metavar="scales.csv", help="how to read each metric")
    parser.add_argument("--resamples", type=int, default=10_000, help="for the intervals")
    parser.add_argument("--seed", type=int, default=1, help="the study's seed")


def read_panels(arguments, trials=None):
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
