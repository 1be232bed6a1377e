"""What holds over seeds: the conclusions of a study that was run again with other images, target models and starts."""

import pandas as pd

from semsim.findings.semsim import BEST
from semsim.learned.folds import WITHIN
from semsim.metrics.scales import Scales, without_twins
from semsim.statistics.association import PRIMARY
from semsim.statistics.baselines import BASELINES
from semsim.statistics.contradictions import ANNOTATORS
from semsim.text import LEVELS, counted, decimal, interval, kind_of, listed, percent

RIVALS = {BEST: "the best single metric", "classifier_features": "the classifier from which it starts"}
"""What SemSim's lead over seeds is told of: the best of the hand-crafted metrics, and its own start."""


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
    faithfulness = primary_over_seeds(seeds, "faithfulness")
    number = int(seeds["seeds"].max())
    known = faithfulness.dropna(subset="covered")
    sentences = [
        f"The study was run with {counted(number, 'seeds')}: other images, target models, starts of attacks and of"
        f" SemSim. Of the 95 % intervals of single runs for the area under the ROC curve {LEVELS[PRIMARY[0]]},"
        f" {percent(known['covered'].sum() / known['seeds'].sum())} contain the mean over seeds."
    ]
    leads = primary_over_seeds(seeds, "difference").set_index("other")
    sentences += [
        f"SemSim's lead over {words} is {decimal(row['mean'], signed=True)} in the mean over seeds"
        f" ({interval(row['low'], row['high'])}). It is ahead in {row['above']:.0f} of"
        f" {counted(int(row['seeds']), 'seeds')}, {_distinguishable(row)}."
        for other, words in RIVALS.items()
        if other in leads.index and (row := leads.loc[other])["seeds"]
    ]
    against = seeds[(seeds["quantity"] == "contradiction") & (seeds["other"] == ANNOTATORS)]
    against = against[~against["metric"].isin(BASELINES) & (against["reference"] == faithfulness["reference"].iloc[0])]
    rows = against.set_index("metric")
    shares = [
        f"{scales[name].label} {percent(rows.loc[name, 'mean'])} ({percent(rows.loc[name, 'lowest'])} to"
        f" {percent(rows.loc[name, 'highest'])})"
        for name in without_twins(scales.among(set(rows.index)))
    ]
    if shares:
        sentences.append(
            f"Of the pairs that {kind_of(seeds)} clearly separate, metrics order the opposite way, in the mean over"
            f" seeds (lowest to highest): {listed(shares)}."
        )
    return sentences


def primary_over_seeds(seeds: pd.DataFrame, quantity: str) -> pd.DataFrame:
    """Return the rows of a quantity for the primary statistic, on held-out originals."""
    level, statistic = PRIMARY
    of_quantity = seeds[(seeds["quantity"] == quantity) & (seeds["folds"] == WITHIN)]
    return of_quantity[(of_quantity["level"] == level) & (of_quantity["statistic"] == statistic)]


def _distinguishable(row):
    """Say in how many seeds a lead can be told from chance."""
    return f"distinguishably in {row['distinguishable']:.0f}" if row["distinguishable"] else "never distinguishably"
