"""How to read the columns of metrics that are learned."""

import math

from semsim.metrics.scales import Scale, Scales

LEARNED = Scales(
    {
        scale.metric: scale
        for scale in (
            Scale("semsim", "SemSim", "", 0, math.inf, False, "learnt from labels"),
            Scale("classifier_features", "Classifier features", "", 0, math.inf, False, "learnt from public images"),
            Scale("combination", "Combination", "", -math.inf, math.inf, True, "learnt from labels"),
        )
    }
)
"""Metrics that are learnt: SemSim, the distance in a plain classifier's features, and a logistic regression on the
hand-crafted metrics. They stand in tables of their own."""
