"""What the tables of defects say: how each defect of the paper's released code affects the conclusions."""

import numpy as np
import pandas as pd
import scipy

from semsim.defects.defences import RATE, UNDEFENDED
from semsim.defects.misalignment import AUGMENTING, EVERY, MEANT, PLAIN, RELEASED
from semsim.defects.set_sizes import ALIKE, NAMES, PAPER, RECONSTRUCTED
from semsim.defects.versions import VERSIONS
from semsim.findings.semsim import told, why_undefined
from semsim.metrics import METRICS
from semsim.metrics.scales import Scales
from semsim.statistics.generalisation import overall
from semsim.statistics.means import mean_margin
from semsim.statistics.resampling import SIGNIFICANT
from semsim.text import LEVELS, STATISTICS, counted, decimal, interval, kind_of, listed, p_value, percent

TARGETS = {
    EVERY: "All target models",
    AUGMENTING: "Target models that augment images",
    PLAIN: "Target models that do not augment images",
}
"""What the groups of target models are called."""


def misalignment_findings(metrics: pd.DataFrame, accuracy: pd.DataFrame, name: str = "psnr") -> list[str]:
    """Say how much closer reconstructions are to the attacked image than to the original, where that was augmented.

    Parameters
    ----------
    metrics, accuracy : pandas.DataFrame
        The tables of metrics and of target models.
    name : str
        The metric.

    Returns
    -------
    list of str
        One sentence per data set, with 95 % intervals over originals (t distribution).
    """
    augmenting = set(accuracy.loc[accuracy["augmentation"] != "none", "target"])
    rows = metrics[metrics["target"].isin(augmenting)].dropna(subset=name)
    if rows.empty:
        return ["No target model of this study augments images, so both references are the same."]
    metric = METRICS[name]
    sentences = []
    for dataset, group in rows.groupby("dataset", sort=False):
        means = group.groupby(["original", "reference"])[name].mean().unstack()[[RELEASED, MEANT]]
        gains = means[MEANT] - means[RELEASED]
        gain = gains.mean()
        margin = mean_margin(len(gains), gains.sem()) if len(gains) > 1 else np.inf
        sentences.append(
            f"On {dataset}, the mean {metric.label} of target models that augment images is"
            f" {_with_unit(means[RELEASED].mean(), metric)} against the original and"
            f" {_with_unit(means[MEANT].mean(), metric)} against the attacked image: {decimal(gain, signed=True)}"
            f" ({interval(gain - margin, gain + margin)}; {counted(len(gains), 'originals')})."
        )
    return sentences


def reference_faithfulness_findings(
    misaligned: pd.DataFrame, scales: Scales, statistic: str = "auc", level: str = "reconstructions"
) -> list[str]:
    """Say how the misaligned reference affects the faithfulness of metrics, averaged over data sets.

    Parameters
    ----------
    misaligned : pandas.DataFrame
        The table ``misaligned_reference.csv``, for annotators of one kind.
    scales : semsim.metrics.scales.Scales
    statistic, level : str

    Returns
    -------
    list of str
        One sentence per group of target models.
    """
    rows = misaligned[(misaligned["statistic"] == statistic) & (misaligned["level"] == level)]
    sentences = []
    for targets, group in rows.groupby("targets", sort=False):
        place = f"{TARGETS[targets]}, {LEVELS[level]} ({STATISTICS[statistic]}):"
        known = overall(group).dropna(subset=["released", "meant"])
        if known.empty:
            sentences.append(f"{place} faithfulness is undefined ({why_undefined(group)}).")
        elif (known["change"] == 0).all():
            sentences.append(f"{place} both references give the same result, as they must.")
        else:
            sentences.append(f"{place} {_best_of_versions(known, scales)} {_changes(known, scales)}")
    return sentences


def unscaled_findings(unscaled: pd.DataFrame, values: pd.DataFrame, scales: Scales) -> list[str]:
    """Say how unscaled images affect LPIPS: its values, their order and their faithfulness.

    Parameters
    ----------
    unscaled, values : pandas.DataFrame
        The tables ``unscaled_lpips.csv``, for annotators of one kind, and ``unscaled_lpips_values.csv``.
    scales : semsim.metrics.scales.Scales

    Returns
    -------
    list of str
    """
    (metric,) = unscaled["metric"].unique()
    label = scales[metric].label
    order = scipy.stats.spearmanr(values[metric], values["unscaled"]).statistic
    sentences = [
        f"The mean {label} of {counted(len(values), 'reconstructions')} is {values['unscaled'].mean():.3g} with"
        f" unscaled images and {values[metric].mean():.3g} with scaled ones. {STATISTICS['spearman']} between the"
        f" two is {decimal(order)}."
    ]
    ranked = unscaled[unscaled["statistic"].isin(("spearman", "auc"))]
    for (level, statistic), rows in ranked.groupby(["level", "statistic"], sort=False):
        row = overall(rows).iloc[0]
        place = f"Its faithfulness to {kind_of(unscaled)}, {LEVELS[level]} ({STATISTICS[statistic]}),"
        if row["change"] != row["change"]:
            sentences.append(f"{place} is undefined ({why_undefined(rows)}).")
            continue
        sentences.append(
            f"{place} is {decimal(row['released'])} as released and {decimal(row['meant'])} as intended:"
            f" {decimal(row['change'], signed=True)} ({interval(row['change_low'], row['change_high'])},"
            f" {p_value(row['p_holm'])}), {told(row['p_holm'])}."
        )
    return sentences


def defence_findings(scope: pd.DataFrame, scales: Scales) -> list[str]:
    """Say what each defence does, by the gradients that it changes, averaged over data sets.

    Parameters
    ----------
    scope : pandas.DataFrame
        The table ``defence_scope.csv``, for annotators of one kind.
    scales : semsim.metrics.scales.Scales

    Returns
    -------
    list of str
        One sentence per target model.
    """
    rows = overall(scope)
    kind = kind_of(rows)
    compared = rows.loc[rows["gradient_defence"] == UNDEFENDED, "target"].iloc[0]
    sentences = []
    for target, group in rows.groupby("target", sort=False):
        defence = group["gradient_defence"].iloc[0]
        name = target if defence == UNDEFENDED else f"{target}, {defence}"
        measures = group.set_index("measure")
        rate = measures.loc[RATE]
        if np.isnan(rate["value"]):
            said = "none of its reconstructions was labelled."
        elif target == compared:
            said = (
                f"{kind} recognised {percent(rate['value'])} of its reconstructions. The other target models are"
                " compared with it."
            )
        elif np.isnan(rate["change"]):
            said = f"{percent(rate['value'])}, not comparable: {compared} has labels of other originals only."
        else:
            said = f"{_rate_change(rate)} {_leakage_changes(measures.drop(index=RATE), scales)}"
        sentences.append(f"{name}: {said}")
    return sentences


def _rate_change(rate):
    """Say what share was recognised, and how that differs from the undefended target model."""
    points, low, high = (100 * rate[f"change{end}"] for end in ("", "_low", "_high"))
    return (
        f"{percent(rate['value'])}, a change of {decimal(points, signed=True)} points ({interval(low, high)},"
        f" Holm-corrected {p_value(rate['p_holm'])}), {told(rate['p_holm'])}."
    )


def _leakage_changes(measures, scales):
    """Say by which metrics a target model leaks distinguishably more or less than the undefended one."""
    leaks = {"more": [], "less": []}
    for measure, row in measures[measures["p_holm"] < SIGNIFICANT].iterrows():
        direction = "more" if (row["change"] > 0) == scales[measure].higher_is_better else "less"
        leaks[direction].append(scales[measure].label)
    found = [f"{direction} by {listed(labels)}" for direction, labels in leaks.items() if labels]
    if not found:
        return "No metric changes distinguishably."
    return f"It leaks distinguishably {', and '.join(found)}."


def set_size_findings(sizes: pd.DataFrame) -> list[str]:
    """Say how distances between sets depend on the number of images.

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
    rank = f"The features have {counted(dimensions, 'dimensions')}, and the covariance of n images has rank < n"
    deficient = sizes.loc[sizes["images"] <= dimensions, "images"]
    sentences = [
        f"{rank}: of the sizes tried ({few} to {many:,} images), it is rank-deficient up to {deficient.max():,}."
        if len(deficient)
        else f"{rank}: it has full rank at all sizes tried ({few} to {many:,} images)."
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
        sentences.append(f"Between disjoint sets of clear images (true distance 0), the {name} is {listed(parts)}.")
    if RECONSTRUCTED not in set(sizes["compared"]):
        sentences.append(
            f"There are fewer than {few} reconstructions, too few for the smallest set. Attack more `originals`."
        )
    return sentences


def _best_of_versions(known, scales):
    """Say which metric is most faithful in each version."""
    best = {version: known.loc[known[version].idxmax()] for version in VERSIONS}
    texts = {
        version: f"{scales[row['metric']].label} against {against} ({decimal(row[version])},"
        f" {interval(row[f'{version}_low'], row[f'{version}_high'])})"
        for (version, row), against in zip(best.items(), ("the original", "the attacked image"), strict=True)
    }
    return f"the most faithful metric is {texts['released']}, or {texts['meant']}."


def _changes(known, scales):
    """Say which metrics change distinguishably from one version to the other."""
    changed = known[known["p_holm"] < SIGNIFICANT]
    if changed.empty:
        return "No metric differs distinguishably between the two."
    parts = [f"{scales[row.metric].label} {decimal(row.change, signed=True)}" for row in changed.itertuples()]
    return f"The attacked image as the reference distinguishably changes {listed(parts)}."


def _with_unit(value, metric):
    return f"{value:.1f}\u00a0{metric.unit}".rstrip()


def _short(value):
    """Write a number of any magnitude with two significant digits."""
    return f"{value:.2g}".replace("-", "−")
