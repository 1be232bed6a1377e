"""What the tables of reconstructions say: accuracy, attacks, metrics, leakage, references."""

import numpy as np
import pandas as pd

from semsim.labels.recognition import pooled_rates
from semsim.metrics import METRICS
from semsim.metrics.summaries import labels_known
from semsim.statistics.means import mean_margin
from semsim.targets.traits import KNOWLEDGE
from semsim.text import counted, decimal, listed, percent


def accuracy_findings(accuracy: pd.DataFrame) -> list[str]:
    """Say, for each data set, how well its target models classify held-out images.

    Parameters
    ----------
    accuracy : pandas.DataFrame
        The table of target models.

    Returns
    -------
    list of str
    """
    sentences = []
    for dataset, rows in accuracy.groupby("dataset", sort=False):
        shares = rows.set_index("target")["validation_accuracy"]
        worst, best = _extremes(shares)
        lowest, highest = percent(shares[worst]), percent(shares[best])
        spread = (
            f"ranges from {lowest} ({worst}) to {highest} ({best})"
            if lowest != highest
            else f"is {lowest} for every target model"
        )
        sentences.append(f"On {dataset}, accuracy on held-out images {spread}.")
    return sentences


def guessing_findings(accuracy: pd.DataFrame, datasets: pd.DataFrame) -> list[str]:
    """Name the target models that classify little better than chance: at most twice as often right.

    Parameters
    ----------
    accuracy, datasets : pandas.DataFrame
        The tables of target models and of data sets.

    Returns
    -------
    list of str
        A sentence, or none if there are no such models.
    """
    guesses = 1 / datasets.set_index("dataset")["classes"]
    hardly = accuracy[accuracy["validation_accuracy"] <= 2 * accuracy["dataset"].map(guesses)]
    if hardly.empty:
        return []
    names = [
        f"{listed([f'{row.target} ({percent(row.validation_accuracy)})' for row in rows.itertuples()])} on {dataset}"
        f" (chance: {percent(guesses[dataset])})"
        for dataset, rows in hardly.groupby("dataset", sort=False)
    ]
    return [
        f"Some target models classify little better than chance: {'; '.join(names)}. They represent the first rounds of"
        " training: what they hide or reveal is not the effect of a defence."
    ]


def leakiest_findings(accuracy: pd.DataFrame, recognition: pd.DataFrame) -> list[str]:
    """Say how well the target model classifies whose reconstructions are recognised most often, for each data set.

    Parameters
    ----------
    accuracy, recognition : pandas.DataFrame
        The tables of target models and of recognition rates, the second by annotators of one kind.

    Returns
    -------
    list of str
        A sentence; none if no reconstruction was recognised.
    """
    rates = pooled_rates(recognition, ["dataset", "target"])
    shares = accuracy.set_index(["dataset", "target"])["validation_accuracy"]
    parts = [
        f"{percent(shares[of_dataset.idxmax()])} on {dataset} ({of_dataset.idxmax()[1]}; median of all target models"
        f" {percent(shares[dataset].median())})"
        for dataset, of_dataset in rates.groupby("dataset", sort=False)
        if of_dataset.max() > 0
    ]
    if not parts:
        return []
    return [f"Of held-out images, the target model that is recognised most often classifies {listed(parts)} correctly."]


def attack_findings(attacks: pd.DataFrame) -> list[str]:
    """Say how many reconstructions diverged, and how often each attack knew the true label.

    Parameters
    ----------
    attacks : pandas.DataFrame
        The table of attacks.

    Returns
    -------
    list of str
    """
    diverged = attacks.loc[attacks["status"] == "diverged", "attack"].value_counts()
    ended = f"None of the {counted(len(attacks), 'reconstructions')} diverged."
    if len(diverged):
        by_attack = ", ".join(f"{count} by {attack}" for attack, count in diverged.items())
        total = counted(len(attacks), "reconstructions")
        ended = f"{diverged.sum():,} of {total} diverged ({by_attack}); they are not scored."
    right = labels_known(attacks).groupby(attacks["attack"], sort=False).mean()
    shares = ", ".join(f"{percent(share)} ({attack})" for attack, share in right.items())
    return [ended, f"Share of originals for which the attack knew the true label: {shares}."]


def knowledge_findings(attacks: pd.DataFrame) -> list[str]:
    """Say what the attackers used, once for all attacks that use the same.

    Parameters
    ----------
    attacks : pandas.DataFrame
        The table of attacks.

    Returns
    -------
    list of str
    """
    used = attacks.groupby("attack", sort=False)["knowledge"].agg(lambda each: set(" ".join(each.unique()).split()))
    alike = {}
    for attack, names in used.items():
        alike.setdefault(listed([KNOWLEDGE[name] for name in KNOWLEDGE if name in names]), []).append(attack)
    return [f"{listed(names)} used {known}." for known, names in alike.items()]


def spread_findings(metrics: pd.DataFrame, name: str = "psnr") -> list[str]:
    """Say how widely a metric's values vary, and which attacks come closest to the attacked images.

    Parameters
    ----------
    metrics : pandas.DataFrame
        The table of metrics.
    name : str
        The metric.

    Returns
    -------
    list of str
    """
    metric = METRICS[name]
    attacked = metrics[metrics["reference"] == "attacked"].dropna(subset=name)
    if attacked.empty:
        return [f"No reconstruction has a value of {metric.label}: all of them diverged."]
    low, high = attacked[name].quantile([0.05, 0.95])
    sentences = [f"90\u00a0% of all {metric.label} values lie between {low:.3g} and {_with_unit(high, metric)}."]
    for dataset, rows in attacked.groupby("dataset", sort=False):
        medians = rows.groupby("attack", sort=False)[name].median()
        furthest, closest = _extremes(medians if metric.higher_is_better else -medians)
        if closest == furthest:
            continue
        near, far = (_with_unit(medians[attack], metric) for attack in (closest, furthest))
        sentences.append(
            f"On {dataset}, {closest} comes closest to the attacked images (median {metric.label} {near});"
            f" {furthest} remains furthest from them ({far})."
        )
    return sentences


def leakage_findings(leakage: pd.DataFrame) -> list[str]:
    """Say, for each data set, which target model leaks most by each metric, and whether the metrics agree.

    Parameters
    ----------
    leakage : pandas.DataFrame
        The table of leakage.

    Returns
    -------
    list of str
    """
    first = leakage[(leakage["attack"] == "all") & (leakage["reference"] == "attacked") & (leakage["rank"] == 1)]
    sentences = []
    for dataset, rows in first.groupby("dataset", sort=False):
        models = rows.groupby("target", sort=False)["metric"].agg(list)
        labels = {model: ", ".join(METRICS[name].label for name in names) for model, names in models.items()}
        if len(models) == 1:
            sentences.append(f"On {dataset}, every metric agrees that {models.index[0]} leaks most.")
        else:
            named = "; ".join(f"{model} by {names}" for model, names in labels.items())
            sentences.append(f"On {dataset}, the metrics disagree on which target model leaks most: {named}.")
    return sentences


def reference_findings(metrics: pd.DataFrame, name: str = "psnr") -> list[str]:
    """Say how much a metric depends on the reference: the attacked image, or the original before augmentation.

    Parameters
    ----------
    metrics : pandas.DataFrame
        The table of metrics.
    name : str
        The metric.

    Returns
    -------
    list of str
        With 95 % intervals over originals (t distribution; each original counts once, with the mean over its attacks).
    """
    keys = ["dataset", "target", "attack", "original"]
    values = metrics.pivot(index=keys, columns="reference", values=name)
    gains = (values["attacked"] - values["original"]).groupby(["dataset", "target", "original"], sort=False).mean()
    sentences, unchanged = [], []
    for (dataset, target), gain in gains.groupby(["dataset", "target"], sort=False):
        if (gain.dropna() == 0).all():
            unchanged.append(f"{dataset}/{target}")
            continue
        sentences.append(f"{dataset}/{target}: {_difference(gain.dropna(), METRICS[name])}")
    if unchanged:
        sentences.append(f"Both references give the same {METRICS[name].label} for {', '.join(unchanged)}.")
    return sentences


def _difference(gain, metric):
    """Describe the mean of paired differences, attacked minus original."""
    mean = gain.mean()
    margin = mean_margin(len(gain), gain.sem()) if len(gain) > 1 else np.inf
    low, high = (decimal(end, signed=True) for end in (mean - margin, mean + margin))
    interval = f"95\u00a0% interval {low} to {high}, {counted(len(gain), 'originals')}"
    if not abs(mean) > margin:
        return (
            f"{metric.label} against the attacked image is not distinguishable from that against the original"
            f" ({decimal(mean, signed=True)}; {interval})."
        )
    amount = f"{_with_unit(abs(mean), metric)} {'higher' if mean > 0 else 'lower'}"
    return f"{metric.label} is {amount} against the attacked image than against the original ({interval})."


def _with_unit(value, metric):
    """Write a value of a metric with three significant digits and its unit."""
    return f"{value:.3g}\u00a0{metric.unit}".rstrip()


def _extremes(values):
    """Return the index of the smallest and of the largest value."""
    return values.idxmin(), values.idxmax()
