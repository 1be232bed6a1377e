"""What the label tables say: who labelled what, how well annotators agree, and how well one predicts the others."""

import pandas as pd

from semsim.labels.recognition import pooled_rates
from semsim.statistics.ceiling import EVERYONE
from semsim.text import (
    ANNOTATORS,
    LEVELS,
    STATISTICS,
    counted,
    decimal,
    interval,
    kind_of,
    listed,
    percent,
    ranged,
    whole_percent,
)

WHAT_VARIES = {
    "original": "is due to the original",
    "cell": "to the target model and attack",
    "interaction": "to their interaction",
    "labels": "to disagreement between annotators",
}
"""What the components of variance are called."""
GRADED = (0.1, 0.9)
"""Recognition rates of a target model and attack between which reconstructions differ enough to be told apart."""


def label_findings(labels: pd.DataFrame, recognition: pd.DataFrame) -> list[str]:
    """Say who gave how many labels, and which target models' reconstructions were recognised most and least often.

    Parameters
    ----------
    labels, recognition : pandas.DataFrame
        The tables of labels and of recognition rates, by annotators of one kind.

    Returns
    -------
    list of str
    """
    annotators, images = labels["annotator"].nunique(), labels["image"].nunique()
    who = kind_of(labels) if annotators != 1 else kind_of(labels).removesuffix("s")
    sentences = [
        f"{annotators} {who} gave {counted(len(labels), 'labels')} to {counted(images, 'reconstructions')};"
        f" {percent((labels['label'] == -1).mean())} of the labels are “can't tell”."
    ]
    for dataset, rows in recognition.groupby("dataset", sort=False):
        rates = pooled_rates(rows, ["target"])
        lowest, highest = rates.idxmin(), rates.idxmax()
        if rates[lowest] == rates[highest]:
            sentences.append(f"On {dataset}, the recognition rate is {percent(rates[lowest])} for every target model.")
        else:
            sentences.append(
                f"On {dataset}, the recognition rate of a target model's reconstructions, over all attacks on it,"
                f" ranges from {percent(rates[lowest])} ({lowest}) to {percent(rates[highest])} ({highest})."
            )
    return sentences


def graded_finding(recognition: pd.DataFrame) -> str:
    """Say under how many target models and attacks some but not all reconstructions are recognised.

    Parameters
    ----------
    recognition : pandas.DataFrame
        The table of recognition rates, by annotators of one kind.

    Returns
    -------
    str
    """
    rates = pooled_rates(recognition, ["dataset", "target", "attack"])
    low, high = GRADED
    return (
        f"Under {rates.between(low, high).sum()} of {counted(len(rates), 'combinations')} of data set, target model and"
        f" attack, {ranged(low, high, whole_percent)} of the labels are right. Under the others, nearly all"
        " reconstructions are recognised, or hardly any: there, target model and attack alone predict recognition."
    )


def observer_findings(observers: pd.DataFrame) -> list[str]:
    """Say how well simulated annotators classify held-out images: clear ones, and the most degraded ones.

    Parameters
    ----------
    observers : pandas.DataFrame
        The table of observers.

    Returns
    -------
    list of str
    """
    sentences = []
    for dataset, rows in observers.groupby("dataset", sort=False):
        clear, hopeless = (rows[rows["severity"] == end] for end in (0, rows["severity"].max()))
        right, wrong = (column.agg(["min", "max"]) for column in (clear["right"], hopeless["wrong"]))
        sentences.append(
            f"On {dataset}, simulated annotators classify {ranged(right['min'], right['max'])} of held-out clear images"
            f" correctly, and assign a wrong class to {ranged(wrong['min'], wrong['max'])} of the most degraded ones."
        )
    return sentences


def spot_check_finding(compared: pd.DataFrame, dataset: str) -> str:
    """Say what simulated annotators are, for captions of pictures, and how often a careful reader agrees with them.

    Parameters
    ----------
    compared : pandas.DataFrame
        Rows of the tables of `semsim.labelling.comparing.compare_labels` about this data set; may be empty.
    dataset : str

    Returns
    -------
    str
    """
    sentences = [
        "Simulated annotators are networks: they recognise some pictures that look like noise, and miss some that are"
        " easy to read."
    ]
    for row in compared.itertuples(index=False):
        low, high = row.agreement_low, row.agreement_high
        sentences.append(
            f"In a spot-check, the majority of {ANNOTATORS[row.kind]} agreed with the majority of simulated annotators"
            f" on {whole_percent(row.agreement)} ({interval(low, high, whole_percent)}) of"
            f" {counted(row.images, 'reconstructions')} of {dataset}."
        )
    return " ".join(sentences)


def agreement_findings(agreement: pd.DataFrame) -> list[str]:
    """Say how well annotators of one kind agree beyond chance, for each data set.

    Parameters
    ----------
    agreement : pandas.DataFrame
        The table of agreement, for annotators of one kind.

    Returns
    -------
    list of str
    """
    sentences = []
    alphas = agreement[agreement["statistic"] == "krippendorff_alpha"].set_index(["dataset", "answer"])
    for dataset in alphas.index.get_level_values("dataset").unique():
        parts = [
            f"{_estimate(alphas.loc[(dataset, answer)])} for {what}"
            for answer, what in (
                ("recognised", "whether a reconstruction was recognised"),
                ("named", "which class was named"),
            )
        ]
        sentences.append(
            f"Krippendorff's α of {kind_of(agreement)} on {dataset} (0: chance, 1: perfect agreement) is"
            f" {' and '.join(parts)}."
        )
    return sentences


def annotator_findings(agreement: pd.DataFrame) -> list[str]:
    """Say how annotators differ: in recognition rate, in bias, and in reliability according to Dawid and Skene's model.

    Parameters
    ----------
    agreement : pandas.DataFrame
        The table of agreement, for annotators of one kind.

    Returns
    -------
    list of str
    """
    sentences = []
    for dataset, rows in agreement.groupby("dataset", sort=False):
        values = {
            statistic: group.set_index("annotator")["value"].dropna()
            for statistic, group in rows.groupby("statistic")
            if statistic in ("recognition_rate", "dawid_skene_accuracy")
        }
        biased = rows[(rows["statistic"] == "bias") & ((rows["low"] > 0) | (rows["high"] < 0))]
        parts = []
        for statistic, what in (
            ("recognition_rate", "individual annotators recognise"),
            ("dawid_skene_accuracy", "according to Dawid and Skene's model, they name what is shown in"),
        ):
            each = values.get(statistic)
            if each is not None and len(each):
                parts.append(
                    f"{what} {percent(each.min())} ({each.idxmin()}) to {percent(each.max())} ({each.idxmax()})"
                )
        names = ", ".join(biased["annotator"])
        parts.append(
            f"distinguishably more or less than the others: {names}"
            if names
            else "no annotator's recognition rate is distinguishable from that of the others"
        )
        sentences.append(f"On {dataset}, {'; '.join(parts)}.")
    return sentences


def ceiling_findings(ceiling: pd.DataFrame) -> list[str]:
    """Say how well one annotator predicts the others, at each level.

    Parameters
    ----------
    ceiling : pandas.DataFrame
        The table of the ceiling, for annotators of one kind.

    Returns
    -------
    list of str
    """
    sentences = []
    mean = ceiling[(ceiling["annotator"] == EVERYONE) & ceiling["statistic"].isin(("spearman", "auc"))]
    for dataset, rows in mean.groupby("dataset", sort=False):
        parts = [
            f"{LEVELS[row.level]}, {STATISTICS[row.statistic]} {_estimate(row._asdict())}"
            for row in rows.itertuples(index=False)
        ]
        sentences.append(f"On {dataset}, one annotator predicts the others as follows: {'; '.join(parts)}.")
    return sentences


def variance_findings(variance: pd.DataFrame) -> list[str]:
    """Say what the recognition rate of a reconstruction depends on.

    Parameters
    ----------
    variance : pandas.DataFrame
        The table ``variance.csv``, for annotators of one kind.

    Returns
    -------
    list of str
    """
    sentences = []
    for dataset, rows in variance.groupby("dataset", sort=False):
        shares = rows.dropna(subset="share").set_index("component")["share"]
        if shares.empty:
            continue
        parts = [f"{percent(share)} {WHAT_VARIES[component]}" for component, share in shares.items()]
        sentences.append(f"On {dataset}, of the variance of recognition rates, {listed(parts)}.")
    return sentences


def _estimate(row):
    """Write a value with its interval, or why it is undefined."""
    if row["value"] != row["value"]:
        return f"undefined ({row['note']})"
    return f"{decimal(row['value'])} ({interval(row['low'], row['high'])})"
