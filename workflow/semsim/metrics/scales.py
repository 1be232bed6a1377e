"""How to read each column of metrics: the table of scales, also of metrics that this project does not compute."""

from dataclasses import dataclass

from semsim.errors import SemsimError
from semsim.text import NO_BREAK


@dataclass(frozen=True)
class Scale:
    """What the values of a metric mean.

    Attributes
    ----------
    metric : str
        The name of the column.
    label, unit, caveat : str
        The name for people, the unit, and what to keep in mind; empty if there is none.
    low, high : float
        The smallest and the largest value possible.
    higher_is_better : bool
        Whether a higher value is a better reconstruction.
    """

    metric: str
    label: str
    unit: str
    low: float
    high: float
    higher_is_better: bool
    caveat: str

    @property
    def axis_label(self):
        """The label of an axis: name, unit and the direction in which a reconstruction gets better."""
        unit = f" ({self.unit})" if self.unit else ""
        return f"{self.label}{unit}{NO_BREAK}{'↑' if self.higher_is_better else '↓'}"


class Scales(dict):
    """Scales by metric, in the order in which tables and figures show them."""

    def __missing__(self, metric):
        raise SemsimError(f"scales.csv has no row for the metric {metric!r}. Collect the study's tables again.")

    def __or__(self, others):
        return Scales(super().__or__(others))

    @property
    def labels(self):
        """The metrics' names for people, by column."""
        return {metric: scale.label for metric, scale in self.items()}

    @property
    def directions(self):
        """Whether a higher value of each metric is a better reconstruction, by column."""
        return {metric: scale.higher_is_better for metric, scale in self.items()}

    def among(self, metrics):
        """Return the distinct ones of `metrics` in the order of the scales."""
        known = list(self)
        return sorted(set(metrics), key=lambda metric: known.index(self[metric].metric))


def scales_of(table):
    """Return the scales that a table holds.

    Parameters
    ----------
    table : pandas.DataFrame
        ``scales.csv``: metric, label, unit, low, high, higher_is_better, caveat.

    Returns
    -------
    Scales
    """
    columns = list(Scale.__dataclass_fields__)
    texts = {name: table[name].fillna("").astype(str) for name in ("unit", "caveat")}
    rows = table.assign(**texts)[columns].itertuples(index=False)
    return Scales({row.metric: Scale(*row) for row in rows})
