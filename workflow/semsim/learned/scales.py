"""How to read the columns of metrics that are learned."""

import math

from semsim.metrics.scales import Scale, Scales

LEARNED = Scales(
    {
        scale.metric: scale
        for scale in (
            Scale("semsim", "SemSim", "", 0, math.inf, False, "learned from labels"),
            Scale("classifier_features", "Classifier features", "", 0, math.inf, False, "learned from public images"),
            Scale("combination", "Combination", "", -math.inf, math.inf, True, "learned from labels"),
        )
    }
)
"""The learned metrics: SemSim, the distance in a plain classifier's features, and a logistic regression on the
hand-crafted metrics. They have their own tables."""
