"""Crossings: metrics and recognition rates as tables of target models by originals, and how they are resampled.

A study samples originals and target models, so intervals come from a bootstrap that resamples both, not single
reconstructions: those of one original, or of one target model, are not independent.

References
----------
Owen: "The pigeonhole bootstrap", Annals of Applied Statistics 1, 2007.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from semsim.errors import SemsimError
from semsim.io.tables import KEYS
from semsim.seeds import seed_for
from semsim.statistics.resampling import DrawnCounts, draw_counts

if TYPE_CHECKING:
    from collections.abc import Iterable

GROUP = ["dataset", "kind", "reference"]
"""Columns that identify a crossing."""
COLUMN = ["target", "attack"]
"""Columns that identify a column of it, called a cell where single reconstructions are meant."""
RATE = "recognition_rate"
NOTHING_IN_COMMON = f"No reconstruction has both metrics and labels. Give tables with the same {', '.join(KEYS)}."


class Crossing(NamedTuple):
    """One data set's metrics and recognition rates, as tables of target models by originals.

    Attributes
    ----------
    metrics : dict of str to numpy.ndarray
        [columns, originals]; a column is a target model under one attack. NaN where missing.
    rates : numpy.ndarray
        [columns, originals], the recognition rates.
    models : numpy.ndarray
        [columns], the number of each column's target model.
    attacks : numpy.ndarray
        [columns], the number of each column's attack. The columns of one target model are sorted by it.
    targets : tuple of str
        The name of each target model, by its number.
    """

    metrics: dict[str, np.ndarray]
    rates: np.ndarray
    models: np.ndarray
    attacks: np.ndarray
    targets: tuple[str, ...] = ()

    @property
    def model_count(self) -> int:
        """Number of target models."""
        return int(self.models.max()) + 1 if len(self.models) else 0


class Draws(NamedTuple):
    """Resamples: how often each column, [resamples, columns], and each original, [resamples, originals], was drawn."""

    columns: np.ndarray
    originals: DrawnCounts


def numbers_of(columns: pd.MultiIndex) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Return the numbers of target models and of attacks of sorted columns (target, attack), and the models' names."""
    models, attacks = (pd.factorize(columns.get_level_values(level), sort=True) for level in COLUMN)
    return models[0], attacks[0], tuple(models[1])


def draw(crossing: Crossing, resamples: int, generator: np.random.Generator) -> Draws:
    """Resample target models and originals with replacement, `resamples` times."""
    models = draw_counts(crossing.model_count, resamples, generator)
    originals = DrawnCounts(crossing.rates.shape[1], resamples, generator)
    return Draws(models[:, crossing.models], originals)


def draw_together(crossings: dict[str, Crossing], resamples: int, seed: int) -> dict[str, Draws]:
    """Resample the target models of several data sets once, and the originals of each.

    A target model of one name is the same configuration on every data set. Drawn anew for each, their accidents would
    seem to average out.

    Parameters
    ----------
    crossings : dict of str to Crossing
        By data set.
    resamples, seed : int
        The originals of a data set do not depend on what other data sets there are.

    Returns
    -------
    dict of str to Draws
        By data set.
    """
    names = sorted({name for crossing in crossings.values() for name in crossing.targets})
    counts = draw_counts(len(names), resamples, np.random.default_rng(seed_for(seed, "target models")))
    drawn = {}
    for dataset, crossing in crossings.items():
        places = np.array([names.index(name) for name in crossing.targets])[crossing.models]
        generator = np.random.default_rng(seed_for(seed, dataset))
        drawn[dataset] = Draws(counts[:, places], DrawnCounts(crossing.rates.shape[1], resamples, generator))
    return drawn


def without_targets(crossing: Crossing, targets: Iterable[str]) -> Crossing:
    """Return a crossing without some target models, by name."""
    left_out = set(targets)
    kept = np.array([crossing.targets[model] not in left_out for model in crossing.models], dtype=bool)
    names, models = np.unique(crossing.models[kept], return_inverse=True)
    metrics = {name: values[kept] for name, values in crossing.metrics.items()}
    targets = tuple(crossing.targets[name] for name in names)
    return Crossing(metrics, crossing.rates[kept], models, crossing.attacks[kept], targets)


def cross(table: pd.DataFrame, metrics: Iterable[str]) -> Crossing:
    """Arrange a table of reconstructions by target model and original.

    Parameters
    ----------
    table : pandas.DataFrame
        target, attack, original, recognition_rate and the metrics: one data set, kind and reference.
    metrics : iterable of str

    Returns
    -------
    Crossing
        Rows without a recognition rate are left out.

    Raises
    ------
    SemsimError
        If a reconstruction has two rows.
    """
    grid = _Grid(table, metrics)
    grid.fill(table)
    return grid.crossing()


def cross_parts(
    parts: Iterable[pd.DataFrame], rates: pd.DataFrame, metrics: Iterable[str]
) -> dict[tuple[str, str, str], Crossing]:
    """Arrange all reconstructions by target model and original, reading their table in parts.

    Parameters
    ----------
    parts : iterable of pandas.DataFrame
        The table of metrics in parts: dataset, target, attack, original, reference and one column per metric.
    rates : pandas.DataFrame
        dataset, target, attack, original, kind (of the annotators), recognition_rate.
    metrics : iterable of str

    Returns
    -------
    dict of (str, str, str) to Crossing
        By dataset, kind and reference. Reconstructions that are missing from one of the tables are left out.

    Raises
    ------
    SemsimError
        If the tables have no reconstruction in common, or a reconstruction has two rows.
    """
    known = dict(iter(rates.groupby(["dataset", "kind"], sort=False)))
    grids = {}
    for part in parts:
        for (dataset, reference), rows in part.groupby(["dataset", "reference"], sort=False):
            for kind in (kind for labelled, kind in known if labelled == dataset):
                key = dataset, kind, reference
                if key not in grids:
                    grids[key] = _Grid(known[dataset, kind], metrics)
                grids[key].fill(rows)
    crossings = {key: crossing for key in [*grids] if (crossing := grids.pop(key).crossing()).rates.size}
    if not crossings:
        raise SemsimError(NOTHING_IN_COMMON)
    return crossings


def join_parts(parts: Iterable[pd.DataFrame], rates: pd.DataFrame) -> pd.DataFrame:
    """Join metrics of reconstructions with their recognition rates, reading their table in parts.

    Parameters
    ----------
    parts : iterable of pandas.DataFrame
        One row per reconstruction: dataset, target, attack, original and any other columns.
    rates : pandas.DataFrame
        One row per reconstruction: dataset, target, attack, original, recognition_rate.

    Returns
    -------
    pandas.DataFrame
        The columns of both; reconstructions that are missing from one of the tables are left out.

    Raises
    ------
    SemsimError
        If the tables have no reconstruction in common.
    """
    table = pd.concat([part.merge(rates, on=KEYS) for part in parts], ignore_index=True)
    if table.empty:
        raise SemsimError(NOTHING_IN_COMMON)
    return table


class _Grid:
    """A cell for each reconstruction with a recognition rate, for one data set and kind of annotators."""

    def __init__(self, table, metrics):
        wide = table.dropna(subset=RATE)[[*COLUMN, "original", RATE]].set_index([*COLUMN, "original"])[RATE]
        if wide.index.has_duplicates:
            _refuse(wide.index[wide.index.duplicated()][0])
        wide = wide.unstack()
        self.columns, self.originals, self.rates = wide.index, wide.columns, wide.to_numpy(dtype=float)
        self.metrics = {name: np.full(wide.shape, np.nan) for name in metrics}
        self.filled = np.zeros(wide.shape, dtype=np.int8)

    def fill(self, table):
        """Put the metrics of a table's reconstructions into their cells."""
        columns = self.columns.get_indexer(pd.MultiIndex.from_frame(table[COLUMN]))
        originals = self.originals.get_indexer(table["original"])
        placed = (columns >= 0) & (originals >= 0)
        places = columns[placed], originals[placed]
        np.add.at(self.filled, places, 1)
        for name, values in self.metrics.items():
            values[places] = table[name].to_numpy(dtype=float)[placed]

    def crossing(self):
        """Return what has been filled in, without empty columns and originals."""
        for column, original in np.argwhere(self.filled > 1)[:1]:
            _refuse((*self.columns[column], self.originals[original]))
        rates = np.where(self.filled, self.rates, np.nan)
        known = np.isfinite(rates)
        kept = np.ix_(known.any(axis=1), known.any(axis=0))
        metrics = {name: values[kept] for name, values in self.metrics.items()}
        return Crossing(metrics, rates[kept], *numbers_of(self.columns[known.any(axis=1)]))


def _refuse(reconstruction):
    """Raise the error that a reconstruction has two rows."""
    target, attack, original = reconstruction
    raise SemsimError(f"Original {original}, target model {target}, attack {attack}: two rows. Remove one of them.")
