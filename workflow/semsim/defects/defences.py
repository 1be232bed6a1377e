"""Gradient defences by the gradients that they change: those of training, as released, the shared one, or both."""

import numpy as np
import pandas as pd

from semsim.errors import SemsimError
from semsim.labels.table import KEYS
from semsim.seeds import seed_for
from semsim.statistics.generalisation import EVERYTHING
from semsim.statistics.resampling import draw_counts, holm, p_of_no_difference, percentile_interval

RATE = "recognition_rate"
UNDEFENDED = "none"
"""In the column gradient_defence."""


def compare_defences(metrics, rates, accuracy, higher_is_better, resamples, seed):
    """Compare what target models leak with what the first undefended one leaks, on the same originals.

    Parameters
    ----------
    metrics : pandas.DataFrame
        The table of metrics, against one reference.
    rates : pandas.DataFrame
        The table of recognition rates, of annotators of one kind.
    accuracy : pandas.DataFrame
        The table of target models, which names their defences.
    higher_is_better : dict of str to bool
        The metrics.
    resamples, seed : int
        For the intervals: resamples draw originals anew, not target models, each of which was trained once.

    Returns
    -------
    pandas.DataFrame
        dataset (each, and their mean `EVERYTHING`), measure (`RATE` or a metric), target, gradient_defence, value (the
        mean over attacks and originals), low, high (95 % interval), rank (1 leaks most); change (against the first
        undefended target model), change_low, change_high, p and p_holm (corrected over target models).

    Raises
    ------
    SemsimError
        If no target model is undefended.
    """
    defences = accuracy.drop_duplicates("target").set_index("target")["gradient_defence"]
    undefended = defences.index[defences == UNDEFENDED]
    if undefended.empty:
        raise SemsimError("No target model is undefended, so there is nothing to compare with. Add one to `targets`.")
    table = metrics.merge(rates[[*KEYS, RATE]], on=KEYS)
    rows = []
    for measure, more_leaks_more in {RATE: True, **higher_is_better}.items():
        means = _resampled_means(table, measure, list(defences.index), resamples, seed)
        for dataset, (values, draws) in means.items():
            described = _described(values, draws, list(defences.index).index(undefended[0]))
            ranks = (-described["value"] if more_leaks_more else described["value"]).rank(method="min")
            about = {"dataset": dataset, "measure": measure, "target": defences.index}
            rows.append(described.assign(**about, gradient_defence=defences.to_numpy(), rank=ranks.astype("Int64")))
    keys = ["dataset", "measure", "target", "gradient_defence"]
    numbers = ["value", "low", "high", "rank", "change", "change_low", "change_high", "p", "p_holm"]
    return pd.concat(rows, ignore_index=True)[[*keys, *numbers]]


def _resampled_means(table, measure, targets, resamples, seed):
    """Return by data set the means [targets] of a measure, and those of resamples [resamples, targets]."""
    means = {}
    for dataset, rows in table.groupby("dataset", sort=False):
        # Reconstructions that diverged have no value; an original counts as the mean of the attacks that have one.
        wide = rows.groupby(["original", "target"])[measure].mean().unstack().reindex(columns=targets).to_numpy()
        known, values = np.isfinite(wide), np.nan_to_num(wide)
        draws = draw_counts(len(wide), resamples, np.random.default_rng(seed_for(seed, "defences", dataset)))
        once = np.ones((1, len(wide)))
        (mean,), resampled = ((counts @ values) / np.maximum(counts @ known, 1) for counts in (once, draws))
        means[dataset] = mean, resampled
    if len(means) > 1:
        means[EVERYTHING] = tuple(np.mean(each, axis=0) for each in zip(*means.values(), strict=True))
    return means


def _described(values, draws, undefended):
    """Return a row a target model: value and interval, and the change against the undefended one."""
    changes = draws - draws[:, [undefended]]
    rows = pd.DataFrame({"value": values, "change": values - values[undefended]})
    for name, each in (("", draws), ("change_", changes)):
        rows[[f"{name}low", f"{name}high"]] = [percentile_interval(column) for column in each.T]
    rows["p"] = [p_of_no_difference(column) for column in changes.T]
    rows.loc[undefended, ["change", "change_low", "change_high", "p"]] = np.nan
    return rows.assign(p_holm=holm(rows["p"]))
