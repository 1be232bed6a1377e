"""Measure how difficult originals are, what knowing it adds to metrics, and how well their chances are calibrated."""

import argparse

import pandas as pd
from table_arguments import add_resampling_arguments, add_table_arguments

from semsim.commandline import run
from semsim.io.tables import KEYS, read_parts, read_table, write_table
from semsim.labels import recognition_rates, with_truth
from semsim.learned.difficulty import class_features, image_features, try_difficulty, with_predictions
from semsim.learned.folds import WITHIN
from semsim.learned.learning_curve import learning_curve
from semsim.learned.metric_chances import calibrate_metrics
from semsim.learned.scales import COMBINATION, LEARNED
from semsim.metrics.scales import scales_of, without_twins
from semsim.seeds import seed_for
from semsim.statistics.content import CLASS, IMAGE, NOT_MEASURED, measure_content, without_source
from semsim.statistics.crossed_effects import measure_difficulty
from semsim.statistics.crossing import RATE, join_parts

UNSEEN = f"{NOT_MEASURED}: needs CIFAR-100's own archive, downloaded, and VGG16 (semsim fetch)"
"""Why nothing is predicted from the clear originals of the published study, where they are not available."""


def main() -> None:
    arguments = parse_arguments()
    labels, images = read_table(arguments.labels), read_table(arguments.images)
    effects, difficulty = measure_difficulty(with_truth(labels, images))
    rates, seed = recognition_rates(labels, images), seed_for(arguments.seed, "difficulty")
    described = read_table(arguments.features) if arguments.features else None
    trials, predicted, curves, errors = [], [], [], []
    for kind in rates["kind"].unique():
        table, metrics, reference = read_metrics(arguments, rates[rates["kind"] == kind], kind)
        originals = difficulty[difficulty["kind"] == kind].reset_index(drop=True)
        features = {CLASS: class_features(originals)}
        if described is not None:
            features[IMAGE] = image_features(originals, described)
        tried, each = try_difficulty(table, originals, features, metrics, seed)
        curve = learning_curve(table, originals, features[CLASS], metrics[COMBINATION], seed)
        tried = tried.assign(kind=kind, reference=reference)
        trials.append(tried)
        errors.append(calibrate_metrics(table, tried, metrics, arguments.resamples, seed))
        curves.append(curve.assign(kind=kind, reference=reference))
        predicted.append(each)
    write_table(effects, arguments.out_effects)
    write_table(with_predictions(difficulty, pd.concat(predicted)), arguments.out)
    content = measure_content(pd.concat(trials), arguments.resamples, seed)
    write_table(content if arguments.features else without_source(content, IMAGE, UNSEEN), arguments.out_content)
    write_table(pd.concat(curves), arguments.out_curve)
    write_table(pd.concat(errors), arguments.out_calibration)


def read_metrics(arguments, rates, kind):
    """Return metrics beside recognition rates, which columns make up each metric, and what images are compared with.

    Metrics see only the images. Those that learn from labels were learned without the original that they measure.
    """
    scales = scales_of(read_table(arguments.scales))
    single = without_twins(name for name, scale in scales.items() if scale.access == "images")
    learned, reference = None, next(read_parts(arguments.metrics))["reference"].iloc[0]
    if arguments.trials:
        learned = read_table(arguments.trials)
        learned = learned[(learned["folds"] == WITHIN) & (learned["kind"] == kind)]
        reference = learned["reference"].iloc[0] if len(learned) else reference
    table = join_parts(
        (part.loc[part["reference"] == reference, [*KEYS, *single]] for part in read_parts(arguments.metrics)),
        rates[[*KEYS, RATE]],
    )
    complete = [name for name in single if name in table and table[name].notna().all()]
    metrics = {name: [name] for name in single} | {COMBINATION: complete}
    if learned is not None and len(learned):
        names = [name for name in LEARNED if name in ("semsim", "classifier_features") and name in learned]
        table = table.merge(learned[[*KEYS, *names]], on=KEYS, how="left")
        metrics = {name: [name] for name in names} | metrics
    return table, metrics, reference


def parse_arguments() -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_table_arguments(parser, "labels", "images", "metrics", "scales")
    parser.add_argument("--trials", metavar="semsim.csv", help="SemSim's distances of originals that it did not see")
    parser.add_argument("--features", metavar="X.parquet", help="what a classifier sees in the clear originals")
    add_resampling_arguments(parser)
    parser.add_argument("--out", required=True, metavar="difficulty.csv", help="table of originals to write")
    parser.add_argument("--out-effects", required=True, metavar="effects.csv", help="table of the model to write")
    parser.add_argument("--out-content", required=True, metavar="content.csv", help="table of the gains to write")
    parser.add_argument("--out-curve", required=True, metavar="X.csv", help="table of the learning curve to write")
    parser.add_argument(
        "--out-calibration", required=True, metavar="X.csv", help="table of chances of metrics to write"
    )
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
