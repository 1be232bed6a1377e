"""What the tables of rankings say: when can a metric rank two target models?"""

import pandas as pd

from semsim.metrics.scales import Scales, without_twins
from semsim.statistics.contradictions import EVERYONE, PERSON
from semsim.statistics.ranking import RATES, TRUSTED
from semsim.text import counted, decimal, interval, listed

JUDGES = {PERSON: "one annotator", EVERYONE: "all annotators together"}
GAP = 0.1
"""The gap between recognition rates at which metrics are compared."""


def ranking_findings(ranking: pd.DataFrame, limits: pd.DataFrame, scales: Scales) -> list[str]:
    """Say how often each metric orders two target models correctly, and from which gap that is reliable.

    Parameters
    ----------
    ranking, limits : pandas.DataFrame
        The tables ``ranking.csv`` and ``ranking_limits.csv``, for annotators of one kind and one reference.
    scales : semsim.metrics.scales.Scales

    Returns
    -------
    list of str
    """
    labels = scales.labels | JUDGES
    sentences = []
    for dataset, of_dataset in ranking[ranking["by"] == RATES].groupby("dataset", sort=False):
        most = of_dataset["originals"].max()
        rows = of_dataset[of_dataset["originals"] == most].set_index(["metric", "gap"])
        names = [*without_twins(scales.among(set(of_dataset["metric"]) - set(JUDGES))), *JUDGES]
        parts = [
            f"{labels[name]} in {decimal(row['value'])} of the pairs ({interval(row['low'], row['high'])})"
            for name in names
            if (name, GAP) in rows.index and (row := rows.loc[(name, GAP)])["value"] == row["value"]
        ]
        if not parts:
            sentences.append(f"On {dataset}, no two target models can be compared on other originals.")
            continue
        of_size = limits[(limits["dataset"] == dataset) & (limits["by"] == RATES) & (limits["originals"] == most)]
        trusted = [
            f"{labels[row.metric]} from gaps of {decimal(row.gap)}"
            for row in of_size[of_size["metric"].isin(names)].dropna(subset="gap").itertuples(index=False)
        ]
        sentences += [
            f"On {dataset}, given {counted(int(most), 'originals')}, two target models whose recognition rates differ"
            f" by at least {decimal(GAP)} are ordered correctly by {listed(parts)}.",
            f"On {dataset}, with as many originals, the lower bound reaches {decimal(TRUSTED)} for models like these:"
            f" {listed(trusted) if trusted else 'for no metric at any gap'}.",
        ]
    return sentences
