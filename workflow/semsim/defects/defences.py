"""Gradient defences by the gradients that they change: the training gradients, as released, the shared one, or both."""

from __future__ import annotations

import numpy as np
import pandas as pd

from semsim.errors import SemsimError
from semsim.io.tables import KEYS
from semsim.seeds import seed_for
from semsim.statistics.crossing import RATE
from semsim.statistics.generalisation import EVERYTHING
from semsim.statistics.resampling import draw_counts, holm, p_of_no_difference, percentile_interval, ratio

UNDEFENDED = "none"
"""The value of the column gradient_defence without a defence."""


def compare_defences(
    metrics: pd.DataFrame,
    rates: pd.DataFrame,
    accuracy: pd.DataFrame,
    higher_is_better: dict[str, bool],
    resamples: int,
    seed: int,
) -> pd.DataFrame:
    """Compare the leakage of target models with that of the first undefended one, on the same originals.

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
        For the intervals: originals are resampled, not target models, each of which was trained once.

    Returns
    -------
    pandas.DataFrame
        dataset (each, and their mean `EVERYTHING`), measure (`RATE` or a metric), target, gradient_defence, value (the
        mean over attacks and originals), low, high (95 % interval), rank (1 leaks most); change (against the first
        undefended target model, over the originals for which both have a value), change_low, change_high, p and p_holm
        (corrected over target models). A missing value is NaN; means over data sets are taken over those in which the
        value is defined.

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
    first = list(defences.index).index(undefended[0])
    rows = []
    for measure, more_leaks_more in {RATE: True, **higher_is_better}.items():
        means = _resampled_means(table, measure, list(defences.index), first, resamples, seed)
        for dataset, (values, draws) in means.items():
            described = _described(values, draws, first)
            ranks = (-described["value"] if more_leaks_more else described["value"]).rank(method="min")
            about = {"dataset": dataset, "measure": measure, "target": defences.index}
            rows.append(described.assign(**about, gradient_defence=defences.to_numpy(), rank=ranks.astype("Int64")))
    keys = ["dataset", "measure", "target", "gradient_defence"]
    numbers = ["value", "low", "high", "rank", "change", "change_low", "change_high", "p", "p_holm"]
    return pd.concat(rows, ignore_index=True)[[*keys, *numbers]]


def _resampled_means(table, measure, targets, undefended, resamples, seed):
    """Return, by data set, what `_compared_means` returns for the originals as they are, and for resamples."""
    means = {}
    for dataset, rows in table.groupby("dataset", sort=False):
        # Reconstructions that diverged have no value; an original counts as the mean of the attacks that have one.
        wide = rows.groupby(["original", "target"])[measure].mean().unstack().reindex(columns=targets).to_numpy()
        draws = draw_counts(len(wide), resamples, np.random.default_rng(seed_for(seed, "defences", dataset)))
        draws = draws.astype(float)
        once = np.ones((1, len(wide)))
        means[dataset] = [_compared_means(wide, undefended, counts) for counts in (once, draws)]
    if len(means) > 1:
        each, resampled = map(np.stack, zip(*means.values(), strict=True))
        known = np.isfinite(each)
        # A resample in which one of these data sets has no value has none, so that all means are over the same ones.
        means[EVERYTHING] = [
            ratio(np.where(known, part, 0).sum(axis=0), known.sum(axis=0)) for part in (each, resampled)
        ]
    return means


def _compared_means(values, undefended, counts):
    """Return weighted means of values [originals, targets], with counts [n, originals] as weights.

    They are [3, n, targets]: for each target model over the originals for which it has values; for the same over those
    for which the undefended one also has values; and for the undefended one over these.
    """
    known = np.isfinite(values)
    means = np.empty((3, len(counts), len(known[0])))
    means[0] = ratio(counts @ np.where(known, values, 0), counts @ known)
    for target in range(values.shape[1]):
        both = known & known[:, [target]] & known[:, [undefended]]
        of_both = ratio(counts @ np.where(both, values, 0), counts @ both)
        means[1:, :, target] = of_both[:, [target, undefended]].T
    return means


def _described(means, draws, undefended):
    """Return one row per target model: value and interval, and the change against the undefended one."""
    (values, changes), (value_draws, change_draws) = ((own, both - other) for own, both, other in (means[:, 0], draws))
    rows = pd.DataFrame({"value": values, "change": changes})
    for name, each in (("", value_draws), ("change_", change_draws)):
        rows[[f"{name}low", f"{name}high"]] = [percentile_interval(column) for column in each.T]
    rows["p"] = [p_of_no_difference(column) for column in change_draws.T]
    rows.loc[undefended, ["change", "change_low", "change_high", "p"]] = np.nan
    return rows.assign(p_holm=holm(rows["p"]))
