"""Metrics of how close a reconstruction comes to its original, the networks that they need, and their tables."""

# Importing these modules registers their metrics, in the order in which tables and figures show them.
from semsim.metrics import pixels, quality, perceptual, attacked_model, sets  # noqa: F401, I001
from semsim.metrics.registry import (
    METRICS,
    Metric,
    extra_metrics,
    describe_scales,
    metric,
    metric_columns,
    metrics_at_hand,
    metrics_of,
)

__all__ = [
    "METRICS",
    "Metric",
    "extra_metrics",
    "describe_scales",
    "metric",
    "metric_columns",
    "metrics_at_hand",
    "metrics_of",
]
