"""How to read each column of metrics: the table of scales, including metrics that this project does not compute."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from semsim.errors import SemsimError
from semsim.text import axis_label

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd


@dataclass(frozen=True)
class Scale:
    """What the values of a metric mean.

    Attributes
    ----------
    metric : str
        The name of the column.
    label, unit, caveat : str
        The name in tables and figures, the unit, and what to keep in mind; unit and caveat may be empty.
    low, high : float
        The smallest and the largest possible value.
    higher_is_better : bool
        Whether a higher value means a better reconstruction.
    access : str
        What it looks at: ``images`` (the pair), ``target`` (the attacked model, too) or ``labels`` (no image at all).
    """

    metric: str
    label: str
    unit: str
    low: float
    high: float
    higher_is_better: bool
    caveat: str
    access: str = "images"

    @property
    def axis_label(self) -> str:
        """The label of an axis: name, unit and the direction of better reconstructions."""
        return axis_label(self.label, self.unit, self.higher_is_better)


class Scales(dict):
    """Scales by metric, in the order of tables and figures."""

    def __missing__(self, metric):
        raise SemsimError(f"scales.csv has no row for the metric {metric!r}. Collect the study's tables again.")

    def __or__(self, others):
        return Scales(super().__or__(others))

    @property
    def labels(self) -> dict[str, str]:
        """The metrics' names in tables and figures, by column."""
        return {metric: scale.label for metric, scale in self.items()}

    @property
    def directions(self) -> dict[str, bool]:
        """Whether a higher value of each metric means a better reconstruction, by column."""
        return {metric: scale.higher_is_better for metric, scale in self.items()}

    @property
    def access(self) -> dict[str, str]:
        """What each metric looks at, by column."""
        return {metric: scale.access for metric, scale in self.items()}

    def among(self, metrics: Iterable[str]) -> list[str]:
        """Return the distinct `metrics` in the order of the scales."""
        known = list(self)
        return sorted(set(metrics), key=lambda metric: known.index(self[metric].metric))


def scales_of(table: pd.DataFrame) -> Scales:
    """Return the scales in a table.

    Parameters
    ----------
    table : pandas.DataFrame
        ``scales.csv``: metric, label, unit, low, high, higher_is_better, caveat, access.

    Returns
    -------
    Scales

    Raises
    ------
    SemsimError
        If a column is missing.
    """
    columns = list(Scale.__dataclass_fields__)
    if missing := [name for name in columns if name not in table]:
        raise SemsimError(f"scales.csv has no column {missing[0]!r}. Collect the study's tables again.")
    texts = {name: table[name].fillna("").astype(str) for name in ("unit", "caveat")}
    rows = table.assign(**texts)[columns].itertuples(index=False)
    return Scales({row.metric: Scale(*row) for row in rows})


TWINS = {"mse": "psnr"}
"""Metrics that order reconstructions exactly like another: figures and counts need only that one."""
VERSIONS = {"registered_psnr": "psnr", "lpips_vgg": "lpips"}
"""Metrics that are another one, computed after registration or by another network."""


def without_twins(metrics: Iterable[str]) -> list[str]:
    """Return the metrics without those that order reconstructions like another one among them."""
    metrics = list(metrics)
    return [name for name in metrics if TWINS.get(name) not in metrics]
