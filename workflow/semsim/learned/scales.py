"""How to read the columns of metrics that are learned."""

import math

from semsim.metrics.scales import Scale, Scales

COMBINATION, BEST = "combination", "best_metric"
LEARNED = Scales(
    {
        scale.metric: scale
        for scale in (
            Scale("semsim", "SemSim", "", 0, math.inf, False, "learned from labels"),
            Scale("classifier_features", "Classifier features", "", 0, math.inf, False, "learned from other images"),
            Scale(COMBINATION, "Combination", "", -math.inf, math.inf, True, "learned from labels"),
            Scale(
                "combination_with_target",
                "Combination, with the target",
                *("", -math.inf, math.inf, True, "learned from labels"),
                access="target",
            ),
            Scale(BEST, "Best hand-crafted metric", "", 0, 1, True, "chosen on the training folds"),
        )
    }
)
"""The learned metrics: SemSim, the distance in a plain classifier's features, logistic regressions on the hand-crafted
metrics, without and with those that ask the attacked model, and the hand-crafted metric that is best on
the training folds, so that it is never chosen by what it is tested on. They have their own tables."""
CHANCE = Scale("chance", "Chance of recognition", "", 0, 1, True, "")
"""The chance that one annotator recognises a reconstruction, for weights of SemSim that carry a calibration."""
