"""What the tables of defects say: what each defect of the paper's released code does to conclusions."""

import numpy as np
from scipy import stats

from semsim.defects.defences import RATE, UNDEFENDED
from semsim.defects.misalignment import AUGMENTING, EVERY, MEANT, PLAIN, RELEASED
from semsim.defects.set_sizes import ALIKE, NAMES, PAPER, RECONSTRUCTED
from semsim.defects.versions import VERSIONS
from semsim.findings.semsim import SIGNIFICANT, told, why_undefined
from semsim.metrics import METRICS
from semsim.statistics.generalisation import overall
from semsim.text import STATISTICS, at_level, counted, decimal, interval, kind_of, listed, p_value, percent

TARGETS = {
    EVERY: "All target models",
    AUGMENTING: "Target models that augment images",
    PLAIN: "Target models that do not",
}
"""How the groups of target models are called."""


def misalignment_findings(metrics, accuracy, name="psnr"):
    """Say how much closer reconstructions are to what was attacked than to the original, where that was augmented.

    Parameters
    ----------
    metrics, accuracy : pandas.DataFrame
        The tables of metrics and of target models.
    name : str
        Of the metric.

    Returns
    -------
    list of str
        A sentence a data set, with 95 % intervals over originals (t distribution).
    """
    augmenting = set(accuracy.loc[accuracy["augmentation"] != "none", "target"])
    rows = metrics[metrics["target"].isin(augmenting)].dropna(subset=name)
    if rows.empty:
        return ["No target model of this study augments images, so there is no other reference."]
    metric = METRICS[name]
    sentences = []
    for dataset, group in rows.groupby("dataset", sort=False):
        means = group.groupby(["original", "reference"])[name].mean().unstack()[[RELEASED, MEANT]]
        gains = means[MEANT] - means[RELEASED]
        gain, margin = gains.mean(), stats.t.ppf(0.975, len(gains) - 1) * gains.sem() if len(gains) > 1 else np.inf
        sentences.append(
            f"On {dataset}, the mean {metric.label} of target models that augment images is"
            f" {_with_unit(means[RELEASED].mean(), metric)} against the original and"
            f" {_with_unit(means[MEANT].mean(), metric)} against what was attacked: {decimal(gain, signed=True)}"
            f" ({interval(gain - margin, gain + margin)}; {counted(len(gains), 'originals')})."
        )
    return sentences


def reference_faithfulness_findings(misaligned, scales, statistic="auc", level="reconstructions"):
    """Say what the misaligned reference does to the faithfulness of metrics, in the mean over data sets.

    Parameters
    ----------
    misaligned : pandas.DataFrame
        The table ``misaligned_reference.csv``, of annotators of one kind.
    scales : semsim.metrics.scales.Scales
    statistic, level : str

    Returns
    -------
    list of str
        A sentence for each group of target models.
    """
    rows = misaligned[(misaligned["statistic"] == statistic) & (misaligned["level"] == level)]
    sentences = []
    for targets, group in rows.groupby("targets", sort=False):
        place = f"{TARGETS[targets]}, {at_level(level)} ({STATISTICS[statistic]}):"
        known = overall(group).dropna(subset=["released", "meant"])
        if known.empty:
            sentences.append(f"{place} faithfulness is undefined ({why_undefined(group)}).")
        elif (known["change"] == 0).all():
            sentences.append(f"{place} both references give the same, as they must.")
        else:
            sentences.append(f"{place} {_best_of_versions(known, scales)} {_changes(known, scales)}")
    return sentences


def unscaled_findings(unscaled, values, scales):
    """Say what unscaled images do to LPIPS: to its values, their order and their faithfulness.

    Parameters
    ----------
    unscaled, values : pandas.DataFrame
        The tables ``unscaled_lpips.csv``, of annotators of one kind, and ``unscaled_lpips_values.csv``.
    scales : semsim.metrics.scales.Scales

    Returns
    -------
    list of str
    """
    (metric,) = unscaled["metric"].unique()
    label = scales[metric].label
    order = stats.spearmanr(values[metric], values["unscaled"]).statistic
    sentences = [
        f"{label} of {counted(len(values), 'reconstructions')} is {values['unscaled'].mean():.3g} in the mean with"
        f" unscaled images, and {values[metric].mean():.3g} with scaled ones. {STATISTICS['spearman']} of the"
        f" two is {decimal(order)}."
    ]
    ranked = unscaled[unscaled["statistic"].isin(("spearman", "auc"))]
    for (level, statistic), rows in ranked.groupby(["level", "statistic"], sort=False):
        row = overall(rows).iloc[0]
        place = f"Its faithfulness to {kind_of(unscaled)}, {at_level(level)} ({STATISTICS[statistic]}),"
        if row["change"] != row["change"]:
            sentences.append(f"{place} is undefined ({why_undefined(rows)}).")
            continue
        sentences.append(
            f"{place} is {decimal(row['released'])} as released and {decimal(row['meant'])} as meant:"
            f" {decimal(row['change'], signed=True)} ({interval(row['change_low'], row['change_high'])},"
            f" {p_value(row['p_holm'])}), {told(row['p_holm'])}."
        )
    return sentences


def defence_findings(scope, scales):
    """Say what each defence does, by the gradients that it changes, in the mean over data sets.

    Parameters
    ----------
    scope : pandas.DataFrame
        The table ``defence_scope.csv``, of annotators of one kind.
    scales : semsim.metrics.scales.Scales

    Returns
    -------
    list of str
        A sentence a target model.
    """
    rows = overall(scope)
    kind = kind_of(rows)
    compared = rows.loc[rows["gradient_defence"] == UNDEFENDED, "target"].iloc[0]
    sentences = []
    for target, group in rows.groupby("target", sort=False):
        measures = group.set_index("measure")
        rate, defence = measures.loc[RATE], group["gradient_defence"].iloc[0]
        points, low, high = (100 * rate[f"change{end}"] for end in ("", "_low", "_high"))
        name = target if defence == UNDEFENDED else f"{target}, {defence}"
        if rate["value"] != rate["value"]:
            sentences.append(f"{name}: none of its reconstructions was labelled.")
            continue
        if target == compared:
            sentences.append(
                f"{name}: {kind} recognised {percent(rate['value'])} of its reconstructions. The other target models"
                " are compared with it."
            )
            continue
        if rate["change"] != rate["change"]:
            sentences.append(
                f"{name}: {percent(rate['value'])}, not comparable: {compared} has labels of other originals only."
            )
            continue
        leaks = {"more": [], "less": []}
        for measure in measures.index.drop(RATE):
            row = measures.loc[measure]
            if row["p_holm"] < SIGNIFICANT:
                leaks["more" if (row["change"] > 0) == scales[measure].higher_is_better else "less"].append(measure)
        found = [
            f"{direction} by {listed([scales[measure].label for measure in names])}"
            for direction, names in leaks.items()
            if names
        ]
        sentences.append(
            f"{name}: {percent(rate['value'])}, which are {decimal(points, signed=True)} points ({interval(low, high)},"
            f" {p_value(rate['p_holm'])} after Holm), {told(rate['p_holm'])}. "
            + (f"It leaks distinguishably {', and '.join(found)}." if found else "By no metric is it distinguishable.")
        )
    return sentences


def set_size_findings(sizes):
    """Say how distances of sets depend on the number of images.

    Parameters
    ----------
    sizes : pandas.DataFrame
        The table ``set_sizes.csv``.

    Returns
    -------
    list of str
    """
    names, dimensions = NAMES[sizes["features"].iloc[0]], sizes["dimensions"].iloc[0]
    few, many = sizes["images"].min(), sizes["images"].max()
    rank = f"The features have {counted(dimensions, 'dimensions')}, and the covariance of n images has a rank below n"
    deficient = sizes.loc[sizes["images"] <= dimensions, "images"]
    sentences = [
        f"{rank}: it is deficient up to {deficient.max():,} of the {few} to {many:,} images that were tried."
        if len(deficient)
        else f"{rank}: it is not deficient with any of the {few} to {many:,} images that were tried."
    ]
    for distance, name in names.items():
        alike, other = (
            sizes[(sizes["distance"] == distance) & (sizes["compared"] == compared)].set_index("images")
            for compared in (ALIKE, RECONSTRUCTED)
        )
        tried = other if len(other) else alike
        parts = []
        for size in dict.fromkeys(size for size in (few, PAPER, tried.index.max()) if size in tried.index):
            parts.append(f"{_short(alike['mean'][size])} ± {_short(alike['sd'][size])} with {size:,} images in each")
            if size in other.index:
                share = percent(alike["mean"][size] / other["mean"][size])
                parts[-1] += f" ({share} of that between clear images and reconstructions)"
        sentences.append(f"Between two sets of clear images, whose true distance is 0, the {name} is {listed(parts)}.")
    if RECONSTRUCTED not in set(sizes["compared"]):
        sentences.append(
            f"Of reconstructions there are too few for a set of {few}, so nothing is measured. Attack more `originals`."
        )
    return sentences


def _best_of_versions(known, scales):
    """Say which metric is most faithful in each version."""
    best = {version: known.loc[known[version].idxmax()] for version in VERSIONS}
    texts = {
        version: f"{scales[row['metric']].label} against {against}, with {decimal(row[version])}"
        f" ({interval(row[f'{version}_low'], row[f'{version}_high'])})"
        for (version, row), against in zip(best.items(), ("the original", "what was attacked"), strict=True)
    }
    return f"most faithful is {texts['released']}, and {texts['meant']}."


def _changes(known, scales):
    """Say which metrics change distinguishably from one version to the other."""
    changed = known[known["p_holm"] < SIGNIFICANT]
    if changed.empty:
        return "For no metric is the difference between the two distinguishable."
    parts = [f"{scales[row.metric].label} {decimal(row.change, signed=True)}" for row in changed.itertuples()]
    return f"Distinguishably changed by the reference that is meant: {listed(parts)}."


def _with_unit(value, metric):
    return f"{value:.1f}\u00a0{metric.unit}".rstrip()


def _short(value):
    """Write a number of any size with two digits."""
    return f"{value:.2g}".replace("-", "−")
