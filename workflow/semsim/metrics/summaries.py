"""Summary tables of a study: data sets, target models, attacks, metrics, and target models ranked by leakage."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from semsim.io.tables import KEYS, read_parts, read_table
from semsim.io.tensors import read_arrays, read_metadata
from semsim.metrics import METRICS, metric_columns, metrics_of
from semsim.pretrained.networks import RESOURCES
from semsim.pretrained.weights import names_of

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

SUMMARY_KEYS = ["dataset", "target", "attack", "reference"]
TARGET_COLUMNS = [
    "dataset",
    "target",
    "architecture",
    "augmentation",
    "gradient_defence",
    "client",
    "parameters",
    "train_accuracy",
    "validation_accuracy",
    "epsilon",
    "epsilon_shared",
    "delta",
]


def concatenated(paths: Iterable[str | os.PathLike]) -> pd.DataFrame:
    """Read tables with the same columns and concatenate them, in the order of the paths."""
    return pd.concat([read_table(path) for path in paths], ignore_index=True)


def measured_metrics(paths: Iterable[str | os.PathLike]) -> list[str]:
    """Return the names of all metrics of pairs in some tables, in order.

    Tables may have different metrics, because networks need a minimum image size.
    """
    found = {name for path in paths for name in next(read_parts(path))}
    return [name for name in METRICS if name in found]


def with_metrics(table: pd.DataFrame, names: Iterable[str]) -> pd.DataFrame:
    """Return a table with a column for each of these metrics; a column that it did not have is all NaN."""
    return table.reindex(columns=[*(name for name in table if name not in METRICS), *names])


def describe_unmeasured(
    measured: Iterable[str], networks: Iterable[str], extra: Iterable[str], image_size: int
) -> pd.DataFrame:
    """Return the metrics of pairs that a study could have measured but does not.

    Parameters
    ----------
    measured : iterable of str
        The names of those that it measures.
    networks : iterable of str
        The pretrained networks whose weights are found.
    extra : iterable of str
        The extra metrics that it asks for.
    image_size : int
        The side of its largest images, in pixels.

    Returns
    -------
    pandas.DataFrame
        Columns metric, label and reason.
    """
    rows = []
    for metric in metrics_of("pair"):
        needed = {RESOURCES[need].weights for need in metric.needs if need in RESOURCES}
        if metric.name in measured:
            continue
        if image_size < metric.smallest_image:
            reason = f"images have {image_size} pixels; {metric.smallest_image} are needed"
        elif metric.extra and metric.name not in extra:
            reason = "not named in `extra_metrics`"
        elif missing := needed.difference(networks):
            reason = f"the weights of {names_of(missing)} are missing: run `semsim fetch`"
        else:
            continue  # a stand-in that is not needed
        rows.append({"metric": metric.name, "label": metric.label, "reason": reason})
    return pd.DataFrame(rows, columns=["metric", "label", "reason"])


def describe_datasets(paths: list[str | os.PathLike]) -> pd.DataFrame:
    """Return one row per data set: its kind, number of classes, image side in pixels, and images in each split.

    Parameters
    ----------
    paths : list of path-like
        The safetensors files of the data stage.
    """
    rows = []
    for path in paths:
        about = read_metadata(path)
        splits = ("train", "originals", "public")
        labels = read_arrays(path, *(f"{split}_labels" for split in splits))
        row = {"dataset": about["name"], "kind": about["kind"], "classes": len(about["classes"])}
        row["image_size"] = about["image_size"]
        rows.append(row | {split: len(labels[f"{split}_labels"]) for split in splits})
    return pd.DataFrame(rows)


def describe_targets(paths: list[str | os.PathLike], attack_paths: Iterable[str | os.PathLike]) -> pd.DataFrame:
    """Return one row per target model: it, its clients, its accuracy (in [0, 1]) in the end, and privacy spent.

    Parameters
    ----------
    paths : list of path-like
        The weights files of the target stage, whose metadata hold all but what clients do.
    attack_paths : iterable of path-like
        The tables of the attack stage, which say that.
    """
    clients = {}
    for path in attack_paths:
        table = read_table(path)
        clients |= dict(zip(table["target"], table["client"], strict=True))
    targets = pd.DataFrame([read_metadata(path) for path in paths], columns=TARGET_COLUMNS)
    return targets.assign(client=targets["target"].map(clients))


def labels_known(attacks: pd.DataFrame) -> pd.Series:
    """Return for each reconstruction whether the attack assumed a label that its original has.

    The labels of a batch have no order, so each counts as often as the batch has it: of true labels 3, 3, 7, an attack
    that assumed 3, 7, 7 knew two.

    Parameters
    ----------
    attacks : pandas.DataFrame
        dataset, target, attack, batch, label, recovered_label.

    Returns
    -------
    pandas.Series
        bool, with the index of `attacks`.

    Examples
    --------
    >>> batch = pd.DataFrame({"label": [3, 3, 7], "recovered_label": [7, 3, 7]})
    >>> labels_known(batch.assign(dataset="d", target="t", attack="a", batch=0)).tolist()
    [True, False, True]
    """
    batch = [*KEYS[:3], "batch"]
    number = attacks.groupby([*batch, "label"]).cumcount()
    assumed = attacks.groupby([*batch, "recovered_label"]).size()
    return number < assumed.reindex(pd.MultiIndex.from_frame(attacks[[*batch, "label"]]), fill_value=0).to_numpy()


def summarise_attacks(attacks: pd.DataFrame) -> pd.DataFrame:
    """Return one row per data set, kind of client and attack: how its reconstructions ended.

    Parameters
    ----------
    attacks : pandas.DataFrame
        One row per reconstruction, as written by the attack stage.

    Returns
    -------
    pandas.DataFrame
        Columns dataset, client, attack, reconstructions, converged, diverged (numbers of reconstructions), true_label
        (share of originals whose label the attack knew, see `labels_known`), and initial_cost, cost and cost_left
        (their ratio), medians over the reconstructions that did not diverge.
    """
    keys = ["dataset", "client", "attack"]
    each = attacks.assign(
        converged=attacks["status"] == "converged",
        diverged=attacks["status"] == "diverged",
        true_label=labels_known(attacks),
        # A closed form starts at its solution, where the cost is rounding error and its ratio meaningless.
        cost_left=attacks["cost"] / attacks["initial_cost"].where(attacks["initial_cost"] > 1e-6),
    )
    groups = each.groupby(keys, sort=False)
    counts = groups.agg(
        reconstructions=("status", "size"),
        converged=("converged", "sum"),
        diverged=("diverged", "sum"),
        true_label=("true_label", "mean"),
    )
    costs = each[~each["diverged"]].groupby(keys)[["initial_cost", "cost", "cost_left"]].median()
    return counts.join(costs).reset_index()


def summarise_metrics(metrics: pd.DataFrame) -> pd.DataFrame:
    """Return the mean of every metric for each target model, attack and reference.

    Parameters
    ----------
    metrics : pandas.DataFrame
        One row per reconstruction and reference, one column per metric; NaN where it diverged.

    Returns
    -------
    pandas.DataFrame
        Columns dataset, target, attack, reference, metric, value (the mean over the reconstructions that have one),
        known (number of these), total and diverged (numbers of reconstructions).
    """
    names = [metric.name for metric in metric_columns(metrics)]
    groups = metrics.assign(diverged=metrics["status"] == "diverged").groupby(SUMMARY_KEYS, sort=False)
    means = groups[names].agg(["mean", "count"]).stack(0, future_stack=True).set_axis(["value", "known"], axis=1)
    counts = groups["diverged"].agg(total="size", diverged="sum")
    return means.rename_axis([*SUMMARY_KEYS, "metric"]).join(counts).reset_index()


def rank_leakage(summaries: pd.DataFrame, sets: pd.DataFrame) -> pd.DataFrame:
    """Return the mean of every metric for each target model and attack, and the target models' ranks by it.

    Parameters
    ----------
    summaries : pandas.DataFrame
        From `summarise_metrics`, of all target models.
    sets : pandas.DataFrame
        FID and KID: one row per target model, attack (``all`` for all together), reference and metric.

    Returns
    -------
    pandas.DataFrame
        Columns dataset, target, attack, reference, metric, value (the mean over the reconstructions that did not
        diverge), count (of these), diverged (number of the others), rank and note. The attack ``all`` pools the attacks
        that were run on every target model of the data set, so that models are compared on the same attacks (FID and
        KID pool all attacks on their target model). Ranks compare the target models of a data set under the same
        attack, reference and metric: 1 leaks most, ties share the better rank, a missing value has none.
    """
    means = pd.concat([summaries, _pooled(summaries[_faced_by_every_target(summaries)])])
    means["note"] = means["metric"].map(lambda name: METRICS[name].caveat)
    of_any_metric = summaries.drop_duplicates(SUMMARY_KEYS)
    counts = pd.concat([of_any_metric, _pooled(of_any_metric)])[[*SUMMARY_KEYS, "total", "diverged"]]
    table = pd.concat([means, sets.merge(counts, on=SUMMARY_KEYS, validate="many_to_one")], ignore_index=True)
    table["count"] = table["total"] - table["diverged"]
    table["rank"] = _ranks(table)
    incomplete = table["value"].notna() & (table["diverged"] > 0)
    left_out = table["diverged"].astype(str) + " of " + table["total"].astype(str) + " diverged and are left out"
    table["note"] = (table["note"] + "; " + left_out).str.removeprefix("; ").where(incomplete, table["note"])
    return table[[*SUMMARY_KEYS, "metric", "value", "count", "diverged", "rank", "note"]]


def _pooled(summaries):
    """Return the summaries of all attacks pooled."""
    sums = summaries.assign(value=summaries["value"] * summaries["known"], attack="all")
    sums = (
        sums.groupby([*SUMMARY_KEYS, "metric"], sort=False)[["value", "known", "total", "diverged"]].sum().reset_index()
    )
    return sums.assign(value=sums["value"] / sums["known"].where(sums["known"] > 0))


def _faced_by_every_target(summaries):
    """Return which rows are of an attack that was run on all target models of its data set."""
    targets = summaries.groupby("dataset")["target"].transform("nunique")
    return summaries.groupby(["dataset", "attack"])["target"].transform("nunique") == targets


def _ranks(table):
    """Return the rank of each row's target model among those of its data set; 1 leaks most."""
    higher_leaks_more = table["metric"].map(lambda name: METRICS[name].higher_is_better)
    distance = table["value"].where(~higher_leaks_more, -table["value"])
    places = [table[key] for key in ("dataset", "attack", "reference", "metric")]
    return distance.groupby(places, sort=False).rank(method="min").astype("Int64")
