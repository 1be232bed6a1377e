"""How close a reconstruction comes to its original: every metric, the networks they need, and the tables they fill."""

# Importing these modules registers their metrics, in the order in which tables and figures show them.
from semsim.metrics import pixels, perceptual, attacked_model, sets  # noqa: F401, I001
from semsim.metrics.registry import (
    METRICS,
    Metric,
    describe_scales,
    metric,
    metric_columns,
    metrics_at_hand,
    metrics_of,
)

__all__ = ["METRICS", "Metric", "describe_scales", "metric", "metric_columns", "metrics_at_hand", "metrics_of"]
