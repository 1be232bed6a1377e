"""The human ceiling: how faithful one annotator is to the others, measured in the same way as a metric.

It is neither an upper bound nor a fair comparison: a metric gives a number where an annotator gives a binary answer,
and is compared with all annotators instead of all but one. `semsim.statistics.person` judges both alike.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from semsim.seeds import seed_for
from semsim.statistics.association import Levels
from semsim.statistics.crossing import Crossing, draw, numbers_of
from semsim.statistics.faithfulness import describe_metrics
from semsim.statistics.resampling import percentile_interval

EVERYONE = "mean"


def cross_annotators(answers: pd.DataFrame) -> dict[tuple[str, str], list[Crossing]]:
    """Arrange each annotator's answers by target model and original, beside the others' recognition rate.

    Parameters
    ----------
    answers : pandas.DataFrame
        From `semsim.labels.with_truth`.

    Returns
    -------
    dict of (str, str) to list of semsim.statistics.crossing.Crossing
        By dataset and kind, one for each annotator, whose answers are its only metric.
    """
    return {keys: [*_crossings(rows)] for keys, rows in answers.groupby(["dataset", "kind"], sort=False)}


def _crossings(answers):
    """Yield the crossing of each annotator."""
    keys = ["target", "attack", "original"]
    own = answers.pivot(index=keys, columns="annotator", values="recognised").astype(float)
    others = (-own).add(own.sum(axis=1), axis=0).div(own.count(axis=1) - 1, axis=0)
    for annotator in own:
        x, y = (table[annotator].unstack("original") for table in (own, others))
        yield Crossing({annotator: x.to_numpy()}, y.where(np.isfinite(y)).to_numpy(), *numbers_of(x.index))


def human_ceiling(crossings: dict[tuple[str, str], list[Crossing]], resamples: int, seed: int) -> pd.DataFrame:
    """Correlate each annotator's answers with the recognition rate of the others.

    Parameters
    ----------
    crossings : dict of (str, str) to list of semsim.statistics.crossing.Crossing
        From `cross_annotators`.
    resamples : int
        Number of bootstrap resamples of target models and originals, for the intervals.
    seed : int
        Seed of the resamples; those of a data set and kind of annotators do not depend on what else is measured.

    Returns
    -------
    pandas.DataFrame
        Columns dataset, kind, level, statistic, annotator (a place in the lists of labels, not surely one person),
        value, low, high, count (of reconstructions), undefined (resamples without a value) and note, as in the table
        of faithfulness. Annotator `EVERYONE` is the mean over annotators for whom the statistic is defined: the
        ceiling.
    """
    tables = []
    for (dataset, kind), of_annotators in crossings.items():
        generator = np.random.default_rng(seed_for(seed, dataset, kind))
        draws = draw(of_annotators[0], resamples, generator)
        described, resampled = [], []
        for crossing in of_annotators:
            ((annotator, x),) = crossing.metrics.items()
            levels, once = Levels(x, crossing.rates), (np.ones((1, size)) for size in x.shape)
            resampled.append(levels.evaluate(*draws))
            described.append(
                describe_metrics(crossing, {annotator: levels.evaluate(*once)}, {annotator: resampled[-1]})
            )
        table = pd.concat(described, ignore_index=True).rename(columns={"metric": "annotator"})
        table = table[["level", "statistic", "annotator", "value", "low", "high", "count", "undefined", "note"]]
        answered = np.any([np.isfinite(x + one.rates) for one in of_annotators for x in one.metrics.values()], axis=0)
        mean = _mean_over_annotators(table, resampled).assign(count=int(answered.sum()))
        tables += [each.assign(dataset=dataset, kind=kind) for each in (table, mean)]
    return pd.concat(tables, ignore_index=True).set_index(["dataset", "kind"]).reset_index()


def mean_ceiling(ceiling: pd.DataFrame, dataset: str, statistic: str) -> pd.DataFrame:
    """Return the mean over annotators on a data set from the table of `human_ceiling`, by level.

    Parameters
    ----------
    ceiling : pandas.DataFrame
        Of annotators of one kind.
    dataset, statistic : str
        A data set that it does not have gives an empty table.
    """
    chosen = (ceiling["dataset"] == dataset) & (ceiling["statistic"] == statistic) & (ceiling["annotator"] == EVERYONE)
    return ceiling[chosen].set_index("level")


def _mean_over_annotators(table, resampled):
    """Return the rows of the mean; its interval comes from the mean in each resample."""
    rows = []
    for (level, statistic), group in table.groupby(["level", "statistic"], sort=False):
        defined = group["value"].notna().to_numpy()
        row = {"level": level, "statistic": statistic, "annotator": EVERYONE, "value": group["value"].mean()}
        values = [each[level, statistic] for each, known in zip(resampled, defined, strict=True) if known]
        mean = np.mean(values, axis=0) if values else np.full(len(resampled[0][level, statistic]), np.nan)
        row["low"], row["high"] = percentile_interval(mean)
        note = "" if values else group["note"].iloc[0]
        rows.append(row | {"undefined": int(np.isnan(mean).sum()), "note": note})
    return pd.DataFrame(rows)
