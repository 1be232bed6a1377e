"""What a metric is, and the registry of all metrics.

Neither this module nor the top of the modules that define metrics imports PyTorch: tables, figures and notebooks read
names, labels and directions without it.
"""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from semsim.io.images import check_pairs, float_images
from semsim.text import arrow, axis_label

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True)
class Metric:
    """A function that measures how close reconstructions come to their references, and how to read its values.

    Attributes
    ----------
    function : callable
        Takes what it needs by name and returns a tensor: shape [N] for N pairs of images, [] for two sets of features.
    of : {"pair", "set"}
        What one value describes.
    label : str
        Name in tables and figures.
    bounds : tuple of float
        The smallest and the largest possible value.
    higher_is_better : bool
        Whether a higher value means a better reconstruction, that is, more leakage.
    unit : str
        Unit of the values; may be empty.
    caveat : str
        What to keep in mind when target models are ranked by it; may be empty.
    smallest_image : int
        Pixels that images need on each side.
    extra : bool
        Whether it is only computed where it is asked for by name: it takes long, or says little beside the others.
    """

    function: Callable
    of: str
    label: str
    bounds: tuple[float, float]
    higher_is_better: bool
    unit: str = ""
    caveat: str = ""
    smallest_image: int = 1
    extra: bool = False

    @property
    def name(self) -> str:
        """The name of the function and of the column in tables."""
        return self.function.__name__

    @property
    def needs(self) -> tuple[str, ...]:
        """The names of the function's parameters."""
        return tuple(inspect.signature(self.function).parameters)

    @property
    def summary(self) -> str:
        """The first line of the function's docstring."""
        return inspect.getdoc(self.function).partition("\n")[0]

    @property
    def arrow(self) -> str:
        """The direction of better reconstructions."""
        return arrow(self.higher_is_better)

    @property
    def axis_label(self) -> str:
        """The label of an axis: name, unit and the direction of better reconstructions."""
        return axis_label(self.label, self.unit, self.higher_is_better)

    def __call__(self, available):
        """Evaluate the function on what it needs of `available`, a dict by parameter name."""
        return self.function(**{need: available[need] for need in self.needs})


METRICS: dict[str, Metric] = {}
"""All metrics by name, in the order of tables and figures."""


def metric(
    *,
    label: str,
    bounds: tuple[float, float] = (-math.inf, math.inf),
    higher_is_better: bool,
    of: str = "pair",
    unit: str = "",
    caveat: str = "",
    smallest_image: int = 1,
    extra: bool = False,
) -> Callable:
    """Register the decorated function as a metric; the arguments are attributes of `Metric`.

    The function asks for what it needs by parameter name. A metric of a pair may ask for `reference` and
    `reconstruction` (images), `label` (class indices) and any resource, such as `target` or `lpips_network`; one of a
    set asks for `reference_features` and `reconstruction_features`. It is computed wherever everything that it asks for
    is available. Images are checked, and any floats made float32, before the function sees them.

    Examples
    --------
    A new metric is its function, in any module of this package:

    >>> @metric(label="Worst value", bounds=(0, 1), higher_is_better=False)
    ... def worst_value(reference, reconstruction):
    ...     "Largest absolute difference of a value."
    ...     return (reference - reconstruction).abs().amax(dim=(1, 2, 3))
    >>> METRICS.pop("worst_value").arrow
    '↓'
    """

    def register(function):
        checked = _checking_images(function)
        METRICS[function.__name__] = Metric(
            function=checked,
            of=of,
            label=label,
            bounds=bounds,
            higher_is_better=higher_is_better,
            unit=unit,
            caveat=caveat,
            smallest_image=smallest_image,
            extra=extra,
        )
        return checked

    return register


def metrics_of(kind: str) -> list[Metric]:
    """Return the metrics of a ``pair`` or of a ``set``, in order."""
    return [metric for metric in METRICS.values() if metric.of == kind]


def metrics_at_hand(
    kind: str, available: Iterable[str], extra: Iterable[str] = (), image_size: float = math.inf
) -> list[Metric]:
    """Return the metrics that can be computed, in order.

    Parameters
    ----------
    kind : {"pair", "set"}
    available : iterable of str
        What they may need.
    extra : iterable of str
        The names of the extra ones that are asked for.
    image_size : float
        Shorter side of the images, in pixels.
    """
    return [
        metric
        for metric in metrics_of(kind)
        if set(metric.needs) <= set(available)
        and (not metric.extra or metric.name in extra)
        and image_size >= metric.smallest_image
    ]


def extra_metrics(kind: str = "pair") -> list[str]:
    """Return the names of the metrics of a kind that are only computed where they are asked for, in order."""
    return [metric.name for metric in metrics_of(kind) if metric.extra]


def metric_columns(table: pd.DataFrame) -> list[Metric]:
    """Return the metrics for which a table has a column, in order."""
    return [metric for name, metric in METRICS.items() if name in table.columns]


def describe_scales(table: pd.DataFrame) -> pd.DataFrame:
    """Return how to read each metric for which a table has a column.

    Returns
    -------
    pandas.DataFrame
        metric (the column), label, unit, low and high (bounds), higher_is_better, caveat and access (``target`` if the
        attacked model is asked, else ``images``); in the order of `METRICS`.
    """
    rows = [
        {
            "metric": metric.name,
            "label": metric.label,
            "unit": metric.unit,
            "low": metric.bounds[0],
            "high": metric.bounds[1],
            "higher_is_better": metric.higher_is_better,
            "caveat": metric.caveat,
            "access": "target" if "target" in metric.needs else "images",
        }
        for metric in metric_columns(table)
    ]
    return pd.DataFrame(rows)


def _checking_images(function):
    """Wrap a function so that its arguments `reference` and `reconstruction` are checked, and made float32, first."""
    signature = inspect.signature(function)

    @functools.wraps(function)
    def checked(*arguments, **named):
        given = signature.bind(*arguments, **named)
        images = [name for name in ("reference", "reconstruction") if name in given.arguments]
        for name in images:
            given.arguments[name] = float_images(given.arguments[name], f"{function.__name__}: {name} images")
        if len(images) == 2:
            check_pairs(*(given.arguments[name] for name in images))
        return function(*given.args, **given.kwargs)

    return checked
