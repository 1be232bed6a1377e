"""Every column of every table of a study, described once: ``docs/tables.md`` is made from this.

After a change, run ``python -m semsim.results.columns``.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple

from semsim.commandline import run
from semsim.errors import SemsimError
from semsim.metrics import METRICS

PAGE = Path("docs") / "tables.md"
WRITE = "python -m semsim.results.columns"
INTRODUCTION = """# Tables

This page describes every column of every table in `results/<study>/tables/`. One row is one observation. References
keep large tables as Parquet under the same names. A study has the tables of the stages that it runs; the human study
has no SemSim.

A *cell* consists of the reconstructions of all originals from one target model by one attack. Two trivial baselines see
no image: `knows_cell` (the model-and-attack baseline) predicts the recognition rate from the other originals in the
same cell, `knows_original` (the original-only baseline) from the same original under the other target models.

This page is generated from `workflow/semsim/results/columns.py`.
"""
COLUMNS = {
    "dataset": "data set; `all` is the mean over data sets",
    "target": "target model",
    "attack": "attack",
    "original": "number of the attacked original in its data set",
    "label": "true class, as its number",
    "kind": "who labelled: `human`, `vision-language-model`, `simulated`, or `replayed` (people shown the paper's"
    " reconstructions)",
    "reference": "image with which reconstructions are compared: `attacked` (what the target model saw) or `original`"
    " (before augmentation)",
    "level": "`originals` (within one original), `cells` (within one target model and attack), `models` (between target"
    " models) or `reconstructions` (pooled, which mixes these)",
    "statistic": "`auc` (area under the ROC curve), `spearman`, `kendall` or `pearson`",
    "metric": "metric, or a trivial baseline (`knows_cell`, `knows_original`)",
    "other": "metric with which it is compared",
    "access": "what the metric uses: `images`, `target` (also the attacked model) or `labels` (no image)",
    "primary": "whether the row belongs to the primary test: `auc` within one original",
    "value": "the statistic",
    "low": "lower end of its 95 % interval over target models and originals",
    "high": "upper end of that interval",
    "faithfulness": "the statistic, sign-adjusted so that 1 is best",
    "faithfulness_low": "lower end of its 95 % interval over target models and originals",
    "faithfulness_high": "upper end of that interval",
    "these_low": "lower end of its 95 % interval for exactly these target models, over originals",
    "these_high": "upper end of that interval",
    "difference": "how much more faithful `metric` is than `other`",
    "p": "p value, not corrected",
    "p_holm": "p value, corrected by Holm's method",
    "tests": "number of tests in the family for which p is corrected",
    "count": "reconstructions that are counted",
    "undefined": "resamples without a value, which are left out of the interval",
    "note": "why a value is undefined, or a caveat",
    "folds": "what is held out: `within` (originals), or originals and a `dataset`, `target`, `architecture`,"
    " `defence`, `attack` or group of target models (`targets`)",
    "exclusion": "the value that is held out; `all` is all of them together",
    "annotator": "annotator; if labels were published without names, a position in the list of labels, not necessarily"
    " one person",
    "architecture": "architecture of the network",
    "augmentation": "augmentation of the images that the target model sees",
    "gradient_defence": "defence that changes gradients",
    "client": "what a client computes before it shares: images in its batch, local steps, mode of BatchNorm",
    "pairs": "pairs that both order strictly",
    "tied": "pairs that at least one of them ties, which are left out",
    "change": "effect of the change",
    "change_low": "lower end of its 95 % interval",
    "change_high": "upper end of that interval",
    "released": "faithfulness with the defect",
    "released_low": "lower end of its 95 % interval",
    "released_high": "upper end of that interval",
    "meant": "faithfulness without the defect",
    "meant_low": "lower end of its 95 % interval",
    "meant_high": "upper end of that interval",
    "semsim": "SemSim's distance, trained without this original",
    **{metric.name: f"{metric.label}: {metric.summary}" for metric in METRICS.values()},
}
"""What a column means in every table, unless the table says otherwise."""


class TableOfStudy(NamedTuple):
    """A table of a study.

    Attributes
    ----------
    about : str
        What one row is.
    columns : str
        Their names, separated by spaces or, where a name has one, by commas.
    own : dict of str to str
        Meanings of columns that `COLUMNS` lacks, or that differ here.
    """

    about: str
    columns: str
    own: dict[str, str] = {}

    @property
    def names(self) -> list[str]:
        """The names of the columns, in order."""
        return self.columns.split(", " if "," in self.columns else None)

    def meaning(self, column: str) -> str:
        """Return what a column means here."""
        return self.own.get(column) or COLUMNS[column]


_ESTIMATE = "value low high faithfulness faithfulness_low faithfulness_high these_low these_high"
_RELEASED = "released released_low released_high meant meant_low meant_high change change_low change_high"
_KEYS = "dataset target attack original"
_CALIBRATION = (
    "kind reference folds dataset metric difficulty value brier brier_low brier_high constant error excess excess_low"
    " excess_high slope slope_low slope_high covered sets count note"
)
_CALIBRATED = {
    "dataset": "data set; `all` is all reconstructions together",
    "difficulty": "where the difficulty of the original comes from: `none` (it is not used) or its `embedding`",
    "value": "area under the ROC curve over all reconstructions",
    "brier": "mean squared error of the chance, over labels",
    "brier_low": "lower end of its 95 % interval",
    "brier_high": "upper end of that interval",
    "constant": "the same if the mean rate is always predicted",
    "error": "mean distance of chance and rate in ten groups of equal size",
    "excess": "mean chance minus rate",
    "excess_low": "lower end of its 95 % interval",
    "excess_high": "upper end of that interval",
    "slope": "slope of log-odds: 1 if calibrated, below 1 if chances are too extreme",
    "slope_low": "lower end of its 95 % interval",
    "slope_high": "upper end of that interval",
    "covered": "share of target models and attacks whose count of recognised originals lies in the predicted interval",
    "sets": "number of target models and attacks",
}
_IS_PART = {"value": "share of these pairs that are in opposite order"}
_EPSILONS = {
    "epsilon": "epsilon spent by the training, an upper bound for adding or removing one image, with Poisson sampling;"
    " empty if training was not differentially private",
    "epsilon_shared": "the same for one shared gradient of one image",
    "delta": "the delta for both",
}
_OF_RANKING = {
    "metric": "metric, `person` (one annotator) or `everyone` (all of them)",
    "by": "what `gap` refers to: `recognition` (differences of recognition rates) or `metric` (of the metric's own"
    " means)",
    "originals": "number of originals that the metric sees",
}
TABLES = {
    "datasets": TableOfStudy(
        "A data set.",
        "dataset kind classes image_size train originals public",
        {
            "kind": "kind of data set",
            "classes": "number of classes",
            "image_size": "side of the images, in pixels",
            "train": "training images",
            "originals": "attacked originals",
            "public": "public images of the same classes, for annotators and classifiers",
        },
    ),
    "accuracy": TableOfStudy(
        "A target model.",
        "dataset target architecture augmentation gradient_defence client parameters train_accuracy validation_accuracy"
        " epsilon epsilon_shared delta",
        {
            "parameters": "number of parameters",
            "train_accuracy": "accuracy on training images",
            "validation_accuracy": "accuracy on held-out images",
            **_EPSILONS,
        },
    ),
    "attacks": TableOfStudy(
        "A reconstruction.",
        f"{_KEYS} client batch label recovered_label status diverged_at restart initial_cost cost seed knowledge",
        {
            "batch": "lowest number of an original in the same client's batch. Reconstructions of a batch are matched"
            " with its images by the optimal assignment, which minimises the sum of squared errors",
            "recovered_label": "class that the attack assumed",
            "status": "`converged`, `finished` (all steps) or `diverged`",
            "diverged_at": "step at which it became non-finite",
            "restart": "number of the restart that was kept",
            "initial_cost": "cost before the first step, of the whole batch",
            "cost": "cost at the end, of the whole batch",
            "seed": "seed of the attack; for a batch, one for each of its images, in any order",
            "knowledge": "what the attacker used, by the names of the settings of `attacker`",
        },
    ),
    "metrics": TableOfStudy(
        "A reconstruction, compared with one reference. Only metrics that were computed have a column; the human study"
        " has the published ones, which its `scales.csv` lists.",
        f"{_KEYS} label reference status " + " ".join(name.name for name in METRICS.values() if name.of != "set"),
        {"status": "how the attack ended; diverged reconstructions are not scored"},
    ),
    "unmeasured": TableOfStudy(
        "A metric that the study does not measure.",
        "metric label reason",
        {
            "metric": "metric, which has no column in `metrics.csv`",
            "label": "name in figures",
            "reason": "why it is not measured: its network is missing, it is not requested, or images are too small",
        },
    ),
    "correspondence": TableOfStudy(
        "How a metric of reconstructions correlates with the published values of the reconstructions whose labels are"
        " replayed.",
        "dataset reference unit level metric value low high shuffled shuffled_low shuffled_high targets units",
        {
            "reference": "image with which this study's reconstructions are compared; the published values are"
            " relative to the original",
            "unit": "what both have in common: the `original`, or only its `class`",
            "level": "`originals` (within one unit, over target models), `cells` (within one target model, over units)"
            " or `models` (means of target models)",
            "value": "Spearman's ρ, averaged if there are several",
            "shuffled": "its mean with shuffled partners",
            "shuffled_low": "2.5 % quantile of the same",
            "shuffled_high": "97.5 % quantile of the same",
            "targets": "number of target models",
            "units": "number of originals or classes",
        },
    ),
    "leakage": TableOfStudy(
        "A target model under an attack, ranked by one metric; the attack `all` pools the attacks that were run on all"
        " models.",
        "dataset target attack reference metric value count diverged rank note",
        {
            "value": "mean of the metric",
            "diverged": "reconstructions that diverged and are left out",
            "rank": "rank among the target models of the data set; 1 leaks most",
        },
    ),
    "scales": TableOfStudy(
        "How to read a metric.",
        "metric label unit low high higher_is_better caveat access",
        {
            "metric": "metric, as the column of `metrics.csv`",
            "label": "name in figures",
            "unit": "unit",
            "low": "smallest possible value",
            "high": "largest possible value",
            "higher_is_better": "whether a higher value means a better reconstruction",
            "caveat": "what to keep in mind",
        },
    ),
    "images": TableOfStudy(
        "A reconstruction that annotators saw.", f"image {_KEYS} label", {"image": "name under which it was shown"}
    ),
    "labels": TableOfStudy(
        "An answer of an annotator.",
        "image annotator kind label seconds given_at",
        {
            "image": "image in `images.csv`",
            "label": "class that was named, as its number; -1 is “can't tell”",
            "seconds": "time that it took",
            "given_at": "when it was given",
        },
    ),
    "recognition": TableOfStudy(
        "A reconstruction, by annotators of one kind.",
        f"{_KEYS} label kind labels recognition_rate",
        {"labels": "number of labels", "recognition_rate": "share of them that name the true class"},
    ),
    "protection": TableOfStudy(
        "A target model: what its defences cost, and what is recognised despite them.",
        "dataset target kind attack architecture augmentation gradient_defence epsilon epsilon_shared delta accuracy"
        " accuracy_low accuracy_high recognition_rate low high count note",
        {
            "attack": "attack under which most is recognised",
            **_EPSILONS,
            "accuracy": "accuracy on held-out images",
            "accuracy_low": "lower end of its 95 % interval over these images",
            "accuracy_high": "upper end of that interval",
            "recognition_rate": "share of answers that name the true class, under that attack",
            "low": "lower end of its 95 % interval over originals",
            "count": "originals",
        },
    ),
    "observers": TableOfStudy(
        "An observer (simulated annotator) on held-out images of one degradation.",
        "severity right wrong dataset observer architecture caution images cannot_tell",
        {
            "severity": "of the degradation, from 0 (none) to 1",
            "right": "share of images classified correctly",
            "wrong": "share assigned to another class",
            "observer": "the observer",
            "caution": "smallest probability at which it names a class",
            "images": "number of images",
            "cannot_tell": "share of “can't tell”",
        },
    ),
    "agreement": TableOfStudy(
        "A statistic of agreement between annotators.",
        "dataset kind statistic answer annotator other value low high count note",
        {
            "statistic": "`krippendorff_alpha`, `fleiss_kappa`, `pairwise_agreement`, or of one annotator"
            " `recognition_rate`, `cannot_tell_rate`, `bias`, `dawid_skene_accuracy`",
            "answer": "the question: `recognised` (or not), or the class `named`",
            "other": "the other annotator of a pair",
        },
    ),
    "ceiling": TableOfStudy(
        "How well one annotator predicts the recognition rate of the others.",
        "dataset kind level statistic annotator value low high count undefined note",
        {"annotator": "annotator; `mean` is the mean over annotators"},
    ),
    "variance": TableOfStudy(
        "A part of the variance of recognition rates.",
        "dataset kind component variance share low high count undefined note",
        {
            "component": "`original`, `cell` (target model and attack), `interaction` (of the two) or `labels`"
            " (disagreement between annotators)",
            "variance": "variance of a recognition rate due to it",
            "share": "its share of all components",
            "low": "lower end of the share's 95 % interval",
        },
    ),
    "faithfulness": TableOfStudy(
        "A metric at one level, by one statistic.",
        f"dataset kind reference level statistic metric access primary {_ESTIMATE} null_low null_high p p_holm tests"
        " count undefined note",
        {
            "null_low": "lower end of 95 % of the values if metric and recognition are unrelated",
            "null_high": "upper end of them",
            "p": "p value of that null hypothesis, by permutation",
        },
    ),
    "faithfulness_differences": TableOfStudy(
        "A pair of metrics.",
        "dataset kind reference level statistic metric other primary difference low high undefined p p_holm tests",
    ),
    "person": TableOfStudy(
        "A metric and one annotator, judged alike: both give binary answers, with the same share of yes, and are"
        " compared with the majority of the other annotators.",
        "dataset kind reference without level metric person person_low person_high value value_low value_high"
        " difference difference_low difference_high p p_holm tests yes count undefined note",
        {
            "without": "target model that is left out; `none`: no model is left out",
            "person": "share of right answers of the annotator, averaged over recognised and unrecognised"
            " reconstructions",
            "person_low": "lower end of its 95 % interval",
            "person_high": "upper end of that interval",
            "value": "the same for the metric",
            "value_low": "lower end of its 95 % interval",
            "value_high": "upper end of that interval",
            "difference": "`person` minus `value`",
            "difference_low": "lower end of its 95 % interval",
            "difference_high": "upper end of that interval",
            "yes": "share of answers that are yes",
        },
    ),
    "contradictions": TableOfStudy(
        "Two metrics, or a metric and the annotators, on pairs of reconstructions of the same original.",
        "dataset kind reference metric other value low high pairs tied undefined note",
        _IS_PART | {"other": "metric, or `annotators`, who order the pairs that they clearly separate"},
    ),
    "contradiction_curve": TableOfStudy(
        "A metric, or one annotator, on pairs of reconstructions that annotators separate by at least a gap.",
        "dataset kind reference truth gap metric value low high pairs tied undefined note",
        _IS_PART
        | {
            "truth": "whose recognition rates: those of `everyone`, or of all `others` than the annotator in question",
            "gap": "the smallest difference between two rates",
            "metric": "metric, baseline, or `person`",
        },
    ),
    "leakage_errors": TableOfStudy(
        "A metric that calls reconstructions leaked, by a threshold chosen on other originals, on which it calls as"
        " many leaked as the majority of annotators recognised. SemSim is evaluated on originals that it was not"
        " trained on, for the annotators and the reference that it was trained on.",
        "dataset kind reference metric threshold yes false false_low false_high missed missed_low missed_high nobody"
        " nobody_low nobody_high recognised by_nobody count undefined note",
        {
            "threshold": "mean over five parts of the originals; empty for a metric with binary values",
            "yes": "share that it calls leaked",
            "false": "share that it calls leaked of those that the majority did not recognise",
            "false_low": "lower end of its 95 % interval",
            "false_high": "upper end of that interval",
            "missed": "share that it does not call leaked of those that the majority recognised",
            "missed_low": "lower end of its 95 % interval",
            "missed_high": "upper end of that interval",
            "nobody": "share that it calls leaked of those that no annotator recognised",
            "nobody_low": "lower end of its 95 % interval",
            "nobody_high": "upper end of that interval",
            "recognised": "reconstructions that the majority recognised",
            "by_nobody": "reconstructions that no annotator recognised",
            "undefined": "resamples that lack `false` or `missed`",
        },
    ),
    "ranking": TableOfStudy(
        "A metric that orders pairs of target models by few originals, judged by labels of other originals.",
        "dataset kind reference metric by originals gap value low high these_low these_high pairs undefined note",
        _OF_RANKING
        | {
            "gap": "the smallest difference between the two models",
            "value": "share of pairs in the order of the annotators' rates of other originals; ties count half",
            "pairs": "mean number of pairs in a split of the originals",
            "undefined": "resamples without a pair",
        },
    ),
    "ranking_limits": TableOfStudy(
        "When a ranking can be trusted: the smallest gap at which the lower end of the interval in `ranking.csv` is"
        " high enough.",
        "dataset kind reference metric by originals gap these_gap note",
        _OF_RANKING
        | {"gap": "that gap, for models like these; empty if there is none", "these_gap": "for exactly these models"},
    ),
    "seeds": TableOfStudy(
        "A conclusion of the study, the mean over data sets, summarised over runs with other seeds (`make seeds`).",
        "kind reference quantity folds level statistic metric other seeds mean deviation low high lowest highest above"
        " distinguishable covered",
        {
            "quantity": "`faithfulness` of `metric`, sign-adjusted; `difference`, how much more faithful `metric` is"
            " than `other`; or `contradiction`, the share of pairs that the two order differently",
            "seeds": "seeds with a value",
            "mean": "mean over seeds",
            "deviation": "standard deviation between seeds",
            "low": "lower end of the 95 % interval of the mean (t distribution)",
            "lowest": "lowest value of a seed",
            "highest": "highest value of a seed",
            "above": "seeds with a value above that of no effect",
            "distinguishable": "seeds in which a difference has the sign of the mean, and a corrected p below 0.05",
            "covered": "seeds whose own interval contains the mean",
        },
    ),
    "effects": TableOfStudy(
        "A factor of the crossed logistic model, in which the log-odds that a reconstruction is recognised are a sum of"
        " effects of the annotator, the original, and the cell.",
        "dataset kind factor deviation low high units average note",
        {
            "factor": "`annotator`, `original` or `cell` (target model and attack)",
            "deviation": "standard deviation of its effects, in log-odds",
            "low": "lower end of its 95 % interval",
            "high": "upper end of that interval",
            "units": "number of annotators, originals or cells",
            "average": "log-odds for an average annotator, original and cell",
        },
    ),
    "difficulty": TableOfStudy(
        "An original. Predictions come from other originals, in five parts; `from_image` needs the clear images.",
        "dataset kind original label labels recognition_rate difficulty error from_class from_image",
        {
            "labels": "number of labels",
            "recognition_rate": "share of them that name the true class",
            "difficulty": "how much less often it is recognised than an average original, in log-odds",
            "error": "standard error of `difficulty`",
            "from_class": "difficulty predicted from the class",
            "from_image": "difficulty predicted from a classifier's features of the clear image",
        },
    ),
    "content": TableOfStudy(
        "A metric with the difficulty of the original, in a logistic regression tested on held-out originals.",
        "dataset kind reference level metric difficulty value low high gain gain_low gain_high p p_holm tests"
        " count undefined note",
        {
            "metric": "metric, `combination` (all that see the images only), or `none`",
            "difficulty": "where the difficulty comes from: `none` (it is not used), `class` or `image` (predicted), or"
            " `other_models` (the original's own recognition rate under the other target models)",
            "value": "area under the ROC curve",
            "gain": "what the difficulty adds to the metric alone",
            "gain_low": "lower end of its 95 % interval",
            "gain_high": "upper end of that interval",
            "p": "p value of no gain, not corrected",
            "p_holm": "p value, corrected by Holm's method over all metrics, difficulties and levels of a data set",
        },
    ),
    "learning_curve": TableOfStudy(
        "All metrics that see the images only, in a logistic regression learned from some originals.",
        "dataset originals labels metric difficulty value low high note kind reference",
        {
            "originals": "labelled originals of each data set",
            "labels": "number of their labels",
            "difficulty": "`none`, or predicted from the `class`",
            "value": "area under the ROC curve over all reconstructions of other originals, mean over ten random"
            " splits",
            "low": "lowest value of a split",
            "high": "highest value of a split",
        },
    ),
    "calibration": TableOfStudy(
        "The chance of recognition given a single metric, by a logistic regression tested on held-out originals.",
        f"{_CALIBRATION} intercept weight variance covariance slope_variance",
        _CALIBRATED
        | {
            "intercept": "log-odds of recognition if the metric is 0, fitted to all originals",
            "weight": "change of the log-odds per unit of the metric",
            "variance": "variance of the intercept for a new target model and attack",
            "covariance": "covariance of that and the slope of the log-odds",
            "slope_variance": "variance of this slope",
        },
    ),
    "chances": TableOfStudy(
        "A reconstruction of a held-out original, and the chance that one annotator recognises it.",
        f"{_KEYS} recognition_rate folds exclusion part semsim predicted difficulty chance metric kind reference",
        {
            "part": "fold in which the original was held out",
            "recognition_rate": "share of the labels that name the true class",
            "predicted": "difficulty of the original, predicted from its embedding; 0 if there are too few originals"
            " to learn from",
            "difficulty": "whether `predicted` was used: `embedding`, or `none`",
            "chance": "chance of recognition, given the distance and, if used, the difficulty",
        },
    ),
    "semsim_calibration": TableOfStudy(
        "How well the chances in `chances.csv` are calibrated.",
        _CALIBRATION,
        _CALIBRATED,
    ),
    "semsim": TableOfStudy(
        "A reconstruction of a held-out original, measured by learned metrics.",
        f"{_KEYS} folds exclusion part semsim classifier_features combination combination_with_target best_metric kind"
        " reference note",
        {
            "part": "fold in which the original was held out",
            "classifier_features": "distance in the features of the classifier from which SemSim is initialised",
            "combination": "logistic regression on the hand-crafted metrics",
            "combination_with_target": "the same, including metrics that query the attacked model",
            "best_metric": "best hand-crafted metric, chosen on the training data of each fold: the share of training"
            " reconstructions that it rates worse",
        },
    ),
    "semsim_curves": TableOfStudy(
        "An epoch of the training of SemSim on all labels.",
        "epoch train_loss train_ordered validation_auc",
        {
            "epoch": "number of the epoch; 0 is before training",
            "train_loss": "mean loss",
            "train_ordered": "share of triplets in the right order",
            "validation_auc": "area under the ROC curve on held-out originals",
        },
    ),
    "semsim_triplets": TableOfStudy(
        "The reconstructions in triplets, by how close their partners are.",
        "side, same original, same class, any",
        {
            "side": "`recognised` or `unrecognised`",
            "same original": "number with a partner of the same original",
            "same class": "number with none, but with one of the same class",
            "any": "number with neither",
        },
    ),
    "generalisation": TableOfStudy(
        "A metric on data that learned metrics were not trained on.",
        f"folds exclusion dataset level statistic metric primary {_ESTIMATE} count undefined note left_out_mean"
        " left_out_worst worst_left_out kind reference",
        {
            "left_out_mean": "mean faithfulness over held-out values; empty if it is undefined for one of them",
            "left_out_worst": "the lowest faithfulness among them; empty in the same case",
            "worst_left_out": "the held-out value with the lowest faithfulness",
        },
    ),
    "generalisation_differences": TableOfStudy(
        "SemSim and another metric on the same data.",
        "folds exclusion dataset level statistic metric other primary difference low high undefined p p_holm tests kind"
        " reference",
    ),
    "ablations": TableOfStudy(
        "SemSim with one setting changed; `semsim` has the study's settings.",
        f"dataset level statistic variant primary {_ESTIMATE} count undefined note change change_low change_high"
        " p_holm",
        {"variant": "what is changed"},
    ),
    "targets": TableOfStudy(
        "A target model of the human study.",
        "target architecture augmentation gradient_defence published_name",
        {"published_name": "its name in the published file"},
    ),
    "misaligned_reference": TableOfStudy(
        "Defect study: a metric against both references.",
        f"kind targets dataset level statistic metric {_RELEASED} p p_holm count note",
        {"targets": "which target models: `all`, `augmenting` (their images) or `plain` (the others)"},
    ),
    "unscaled_lpips": TableOfStudy(
        "Defect study: LPIPS of images that were not scaled to [-1, 1].",
        f"kind dataset level statistic metric {_RELEASED} p p_holm count note",
    ),
    "defence_scope": TableOfStudy(
        "Defect study: what a target model leaks, by one measure.",
        "dataset measure target gradient_defence value low high rank change change_low change_high p p_holm kind",
        {
            "measure": "metric, or `recognition_rate`",
            "value": "its mean",
            "rank": "rank among the target models; 1 leaks most",
            "change": "difference from the first undefended target model",
        },
    ),
    "set_sizes": TableOfStudy(
        "Defect study: distances between sets of few and of many images.",
        "compared distance images mean sd dimensions draws features",
        {
            "compared": "the images with which clear images are compared",
            "distance": "Fréchet or kernel distance",
            "images": "images in each set",
            "mean": "mean over draws",
            "sd": "standard deviation over draws",
            "dimensions": "number of features",
            "draws": "number of draws",
            "features": "network of the features",
        },
    ),
    "unscaled_lpips_values": TableOfStudy(
        "Defect study: a reconstruction with both versions of the distance, `lpips` or its random trunk.",
        f"{_KEYS} reference lpips lpips_random_trunk unscaled",
        {"unscaled": "the distance of images that were not scaled"},
    ),
}
"""The tables by name, in the order in which a study makes them."""


def page() -> str:
    """Return ``docs/tables.md``."""
    parts = [INTRODUCTION]
    for name, table in TABLES.items():
        rows = [f"| `{column}` | {table.meaning(column)} |" for column in table.names]
        parts.append(
            "\n".join([f"## `{name}.csv`", "", table.about, "", "| column | meaning |", "| --- | --- |", *rows])
        )
    return "\n\n".join(part.strip() for part in parts) + "\n"


def main() -> None:
    """Write the list of columns, or check it."""
    parser = argparse.ArgumentParser(prog="semsim.results.columns", description="Write the page about tables.")
    parser.add_argument("--check", action="store_true", help="write nothing, but fail if it is out of date")
    arguments = parser.parse_args()
    if not arguments.check:
        PAGE.write_text(page(), encoding="utf-8")
    elif not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != page():
        raise SemsimError(f"{PAGE} is out of date. Run: {WRITE}")


if __name__ == "__main__":
    run(main)
