# Training data of SemSim with `released: true`: the images that the paper's authors released, and none of the study's own.

import csv

from semsim.learned.folds import exclusions

RECONSTRUCTIONS = rules.fetch_released.output.reconstructions
RECOGNITION = rules.fetch_released.output.recognition
METRICS, SCALES = rules.measure_released.output
CAVEAT = [
    "--caveat",
    "Of these labels only the majority is known. Target models and attacks are named after two numbers in the names of"
    " the files, n and m, which stand for what was attacked and how; which is which is not documented.",
]


def exclusions_of_study():
    """Return what is held out of SemSim's training, which is known once the images have been fetched."""
    # Without pandas, which Snakemake's own environment may lack.
    with open(checkpoints.fetch_released.get().output.images, encoding="utf-8") as images:
        rows = list(csv.DictReader(images))
    return exclusions(
        {kind: list(dict.fromkeys(row[kind] for row in rows)) for kind in ("dataset", "target", "attack")}
    )


def classifier_of(wildcards):
    """Return no classifier for SemSim to start from: there are no public images to train one on."""
    return []


def starts_of(wildcards):
    """Return no classifier, for none that comes with semsim has seen such images either."""
    return []


def figures_of_study():
    """Return no figures: all of them show the study's own images."""
    return []


def outcome_of_study():
    """Return the final outputs of the study: SemSim alone."""
    return [*rules.measure_generalisation.output, *rules.learn_semsim.output, *rules.measure_ablations.output]
