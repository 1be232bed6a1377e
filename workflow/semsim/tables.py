"""The study's tables: data sets, target models, attacks, metrics, and the target models ranked by what they leak."""

import pandas as pd

from semsim.files import read_arrays, read_metadata, read_table
from semsim.metrics import METRICS, metric_columns

GROUP = ["dataset", "target", "attack", "reference"]
TARGET_COLUMNS = [
    "dataset",
    "target",
    "architecture",
    "augmentation",
    "gradient_defence",
    "parameters",
    "train_accuracy",
    "validation_accuracy",
]


def concatenated(paths):
    """Read tables of the same columns and return them as one, in the order of the paths."""
    return pd.concat([read_table(path) for path in paths], ignore_index=True)


def describe_datasets(paths):
    """Return one row a data set: its kind, number of classes, image side in pixels, and images in each split.

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


def describe_targets(paths):
    """Return one row a target model: what it is, and its accuracy (a share) after the last epoch.

    Parameters
    ----------
    paths : list of path-like
        The weights files of the target stage, which say all this in their metadata.
    """
    return pd.DataFrame([read_metadata(path) for path in paths], columns=TARGET_COLUMNS)


def summarise_attacks(attacks):
    """Return one row a data set and attack: how its reconstructions ended.

    Parameters
    ----------
    attacks : pandas.DataFrame
        One row a reconstruction, as the attack stage writes them.

    Returns
    -------
    pandas.DataFrame
        Columns dataset, attack, reconstructions, converged, diverged (numbers of reconstructions), true_label (share of
        originals whose label the attacker had right), and initial_cost, cost and cost_left (their ratio), the medians
        over the reconstructions that did not diverge.
    """
    keys = ["dataset", "attack"]
    each = attacks.assign(
        converged=attacks["status"] == "converged",
        diverged=attacks["status"] == "diverged",
        true_label=attacks["recovered_label"] == attacks["label"],
        # A closed form begins where it ends, at a cost of rounding errors: there is nothing to have a share of.
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


def rank_leakage(metrics, sets):
    """Return the mean of every metric for each target model and attack, and the target models' ranks by it.

    Parameters
    ----------
    metrics : pandas.DataFrame
        One row a reconstruction and reference, a column a metric; NaN where it diverged.
    sets : pandas.DataFrame
        FID and KID: one row a target model, attack (``all`` for all together), reference and metric.

    Returns
    -------
    pandas.DataFrame
        Columns dataset, target, attack, reference, metric, value (the mean over the reconstructions that did not
        diverge), count (of these), diverged (number of the others), rank and note. The attack ``all`` stands for those
        together that every target model of the data set faced, so that models are compared on the same attacks (FID and
        KID have pooled all attacks on their target model). Ranks
        compare the target models of a data set under the same attack, reference and metric: 1 leaks most, equal values
        share the better rank, a missing value has none.
    """
    shared = metrics[_faced_by_every_target(metrics)].assign(attack="all")
    names = [metric.name for metric in metric_columns(metrics)]
    pairs = pd.concat([metrics, shared])
    means = pairs.groupby(GROUP, sort=False)[names].mean().melt(var_name="metric", ignore_index=False).reset_index()
    means["note"] = means["metric"].map(lambda name: METRICS[name].caveat)
    of_sets = pd.concat([metrics, metrics.assign(attack="all")])
    table = pd.concat([_with_counts(means, pairs), _with_counts(sets, of_sets)], ignore_index=True)
    table["rank"] = _ranks(table)
    incomplete = table["value"].notna() & (table["diverged"] > 0)
    left_out = table["diverged"].astype(str) + " of " + table["total"].astype(str) + " diverged and are left out"
    table["note"] = (table["note"] + "; " + left_out).str.removeprefix("; ").where(incomplete, table["note"])
    return table[[*GROUP, "metric", "value", "count", "diverged", "rank", "note"]]


def _faced_by_every_target(metrics):
    """Return which rows are of an attack that was made on all target models of its data set."""
    targets = metrics.groupby("dataset")["target"].transform("nunique")
    return metrics.groupby(["dataset", "attack"])["target"].transform("nunique") == targets


def _with_counts(values, metrics):
    """Add to values of groups how many reconstructions they have, and how many of these diverged or did not."""
    diverged = (metrics["status"] == "diverged").groupby([metrics[key] for key in GROUP], sort=False)
    counts = diverged.agg(total="size", diverged="sum").reset_index()
    counts["count"] = counts["total"] - counts["diverged"]
    return values.merge(counts, on=GROUP, validate="many_to_one")


def _ranks(table):
    """Return the rank of each row's target model among those of its data set, 1 for the one that leaks most."""
    higher_leaks_more = table["metric"].map(lambda name: METRICS[name].higher_is_better)
    distance = table["value"].where(~higher_leaks_more, -table["value"])
    places = [table[key] for key in ("dataset", "attack", "reference", "metric")]
    return distance.groupby(places, sort=False).rank(method="min").astype("Int64")
