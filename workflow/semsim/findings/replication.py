"""What holds across seeds: the conclusions of a study run again with other images, target models and
initialisations."""

import pandas as pd

from semsim.learned.folds import WITHIN
from semsim.learned.scales import BEST, LEARNED
from semsim.metrics.scales import Scales, without_twins
from semsim.statistics.association import PRIMARY
from semsim.statistics.baselines import BASELINES
from semsim.statistics.contradictions import ANNOTATORS
from semsim.text import LEVELS, counted, decimal, interval, kind_of, listed, percent

RIVALS = {
    BEST: f"the {LEARNED[BEST].label.lower()}",
    "classifier_features": "the classifier from which it is initialised",
}
"""What SemSim's lead is reported over: the best of the hand-crafted metrics, and its own initialisation."""


def replication_findings(seeds: pd.DataFrame, scales: Scales) -> list[str]:
    """Say how faithful metrics are over seeds, how far SemSim leads, and how often metrics contradict annotators.

    Parameters
    ----------
    seeds : pandas.DataFrame
        The table ``seeds.csv``, for annotators of one kind.
    scales : semsim.metrics.scales.Scales

    Returns
    -------
    list of str
    """
    number = counted(int(seeds["seeds"].max()), "seeds")
    return [
        f"The study was run with {number}, which change images, target models, and initialisations of attacks and"
        f" SemSim.{_coverage(primary_over_seeds(seeds, 'faithfulness'))}",
        *_leads(primary_over_seeds(seeds, "difference").set_index("other")),
        *_contradictions(seeds, scales),
    ]


def primary_over_seeds(seeds: pd.DataFrame, quantity: str) -> pd.DataFrame:
    """Return the rows of a quantity for the primary statistic, on held-out originals."""
    level, statistic = PRIMARY
    of_quantity = seeds[(seeds["quantity"] == quantity) & (seeds["folds"] == WITHIN)]
    return of_quantity[(of_quantity["level"] == level) & (of_quantity["statistic"] == statistic)]


def _coverage(faithfulness):
    """Say whether the intervals of single runs are as wide as the runs vary, if any is known."""
    known = faithfulness.dropna(subset="covered")
    if known.empty:
        return ""
    return (
        f" Of the 95 % intervals of single runs for the area under the ROC curve {LEVELS[PRIMARY[0]]},"
        f" {percent(known['covered'].sum() / known['seeds'].sum())} contain the mean over seeds."
    )


def _leads(differences):
    """Say how far SemSim is ahead of each rival, and in how many seeds."""
    for other, words in RIVALS.items():
        if other in differences.index and (row := differences.loc[other])["seeds"]:
            clear = (
                f"distinguishably in {row['distinguishable']:.0f}"
                if row["distinguishable"]
                else "never distinguishably"
            )
            yield (
                f"SemSim's lead over {words} averages {decimal(row['mean'], signed=True)}"
                f" ({interval(row['low'], row['high'])}). It is ahead in {row['above']:.0f} of"
                f" {counted(int(row['seeds']), 'seeds')}, {clear}."
            )


def _contradictions(seeds, scales):
    """Say how often metrics order pairs against the annotators."""
    rows = seeds[(seeds["quantity"] == "contradiction") & (seeds["other"] == ANNOTATORS)]
    rows = rows[rows["reference"] == seeds["reference"].iloc[0]].set_index("metric")
    shares = [
        f"{scales[name].label} {percent(row['mean'])} ({percent(row['lowest'])} to {percent(row['highest'])})"
        for name in without_twins(scales.among(set(rows.index) - set(BASELINES)))
        if (row := rows.loc[name])["seeds"]
    ]
    if shares:
        yield (
            f"Of the pairs that {kind_of(seeds)} clearly separate, metrics put these shares in the opposite order, on"
            f" average over seeds (lowest to highest): {listed(shares)}."
        )
