"""What the tables of difficulty say: how much originals differ, and what knowing that adds to metrics."""

import numpy as np
import pandas as pd

from semsim.learned.scales import LEARNED
from semsim.metrics.scales import Scales
from semsim.statistics.content import CLASS, IMAGE, NO_METRIC, NOTHING, OTHER_MODELS, WORTH
from semsim.text import LEVELS, counted, decimal, interval, listed, percent, sentence_case

FACTORS = {"annotator": "annotators", "original": "originals", "cell": "target models under an attack"}
KNOWN_FROM = {
    CLASS: "the difficulty of the class",
    IMAGE: "that predicted from the clear image",
    OTHER_MODELS: "the original's own rate under other target models",
}
PREDICTED_FROM = {CLASS: "its class", IMAGE: "its clear image"}


def effect_findings(effects: pd.DataFrame) -> list[str]:
    """Say how much the odds of being recognised differ between annotators, originals and target models.

    Parameters
    ----------
    effects : pandas.DataFrame
        The table ``effects.csv``, for annotators of one kind.

    Returns
    -------
    list of str
    """
    sentences = []
    for dataset, rows in effects.groupby("dataset", sort=False):
        known = rows.dropna(subset="deviation")
        parts = [
            f"{decimal(row.deviation)} ({interval(row.low, row.high)}) between the {row.units} {FACTORS[row.factor]}"
            for row in known.itertuples(index=False)
        ]
        if parts:
            sentences.append(
                f"On {dataset}, according to a crossed logistic model, the log-odds of being recognised have a standard"
                f" deviation of {listed(parts)}."
            )
    return sentences


def class_findings(difficulty: pd.DataFrame) -> list[str]:
    """Say how well difficulty is predicted for originals whose labels were not seen.

    Parameters
    ----------
    difficulty : pandas.DataFrame
        The table ``difficulty.csv``, for annotators of one kind.

    Returns
    -------
    list of str
    """
    sentences = []
    for dataset, rows in difficulty.groupby("dataset", sort=False):
        parts = []
        for source, name in PREDICTED_FROM.items():
            known = rows[["difficulty", f"from_{source}"]].dropna() if f"from_{source}" in rows else rows[:0]
            if len(known) > 2 and known.std().gt(0).all():
                parts.append(f"{decimal(np.corrcoef(known.T)[0, 1])} from {name}")
        if parts:
            sentences.append(
                f"On {dataset}, the difficulty of {counted(len(rows), 'originals')} of"
                f" {counted(rows['label'].nunique(), 'classes')} correlates with predictions without their labels:"
                f" {listed(parts)} (Pearson's r)."
            )
    return sentences


def content_findings(content: pd.DataFrame, scales: Scales) -> list[str]:
    """Say what the difficulty of the original adds to the metrics, pooled over all reconstructions.

    Parameters
    ----------
    content : pandas.DataFrame
        The table ``content.csv``, for annotators of one kind.
    scales : semsim.metrics.scales.Scales

    Returns
    -------
    list of str
        For each data set the gain of the metric that is best alone, and for each level which metrics gain what is worth
        having: at least `WORTH`, with an interval above zero.
    """
    labels = (scales | LEARNED).labels
    pooled = content[content["level"] == "reconstructions"]
    sentences = []
    for dataset, rows in pooled.groupby("dataset", sort=False):
        alone = rows[(rows["difficulty"] == NOTHING) & (rows["metric"] != NO_METRIC)].dropna(subset="value")
        if alone.empty:
            sentences.append(f"On {dataset}, nothing could be learned from so few labelled originals.")
            continue
        best = alone.loc[alone["value"].idxmax()]
        gains = rows[(rows["metric"] == best["metric"]) & rows["gain"].notna()].set_index("difficulty")
        parts = [
            f"{decimal(row.gain, signed=True)} ({interval(row.gain_low, row.gain_high)}) with {KNOWN_FROM[row.Index]}"
            for row in gains.itertuples()
        ]
        place = (
            f"On {dataset}, the best metric alone, {labels[best['metric']]}, has an area under the ROC curve of"
            f" {decimal(best['value'])} {LEVELS['reconstructions']}"
        )
        sentences.append("; ".join([place, *parts]) + ".")
    return sentences + [_worth(rows, level, labels) for level, rows in content.groupby("level", sort=False)]


def _worth(rows, level, labels):
    """Say to which metrics a prediction of the difficulty adds at least `WORTH` at a level."""
    gained = rows[(rows["difficulty"] != OTHER_MODELS) & (rows["gain"] >= WORTH) & (rows["gain_low"] > 0)]
    where = [
        f"{listed([labels[name] for name in each['metric'].unique()])} on {dataset}"
        for dataset, each in gained.groupby("dataset", sort=False)
    ]
    return (
        f"{sentence_case(LEVELS[level])}, a prediction of the difficulty adds {decimal(WORTH)} or more, with an"
        f" interval above zero, to {'; '.join(where) or 'no metric on any data set'}."
    )


def curve_findings(curve: pd.DataFrame) -> list[str]:
    """Say how much more labelled originals help.

    Parameters
    ----------
    curve : pandas.DataFrame
        The table ``learning_curve.csv``, for annotators of one kind.

    Returns
    -------
    list of str
    """
    sentences = []
    for dataset, rows in curve.dropna(subset="value").groupby("dataset", sort=False):
        ends = {source: group.sort_values("originals").iloc[[0, -1]] for source, group in rows.groupby("difficulty")}
        parts = [
            f"{name} from {decimal(ends[source]['value'].iloc[0])} to {decimal(ends[source]['value'].iloc[1])}"
            for source, name in ((NOTHING, "changes"), (CLASS, "with the difficulty of the class, it changes"))
            if source in ends
        ]
        first, last = (int(end) for end in rows["originals"].agg(["min", "max"]))
        if parts and first < last:
            sentences.append(
                f"On {dataset}, from {first} to {last} labelled originals, the area under the ROC curve of all metrics"
                f" together {'; '.join(parts)}."
            )
    return sentences


def rate_findings(recognition: pd.DataFrame) -> list[str]:
    """Say how many reconstructions all annotators recognised, and how many none did.

    Parameters
    ----------
    recognition : pandas.DataFrame
        The table of recognition rates, for annotators of one kind.

    Returns
    -------
    list of str
    """
    sentences = []
    for dataset, rows in recognition.groupby("dataset", sort=False):
        everyone, nobody = ((rows["recognition_rate"] == rate).mean() for rate in (1, 0))
        sentences.append(
            f"On {dataset}, all annotators recognised {percent(everyone)} of the reconstructions, and none recognised"
            f" {percent(nobody)}."
        )
    return sentences
