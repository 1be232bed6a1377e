"""A study's files in small, in the format that the stages agree on: what tests of later stages read."""

import os
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from filelock import FileLock
from scipy.special import expit

from semsim.defects.defences import compare_defences
from semsim.defects.misalignment import measure_misalignment
from semsim.defects.set_sizes import measure_set_sizes
from semsim.defects.unscaled import UNSCALED, measure_unscaled
from semsim.io.tables import KEYS, write_table
from semsim.io.tensors import write_arrays
from semsim.labels import recognition_rates, shown_images, with_truth
from semsim.labels.table import COLUMNS
from semsim.learned.calibrating import TRIED
from semsim.learned.difficulty import class_features, try_difficulty, with_predictions
from semsim.learned.learning_curve import learning_curve
from semsim.learned.metric_chances import calibrate_metrics
from semsim.learned.scales import LEARNED
from semsim.metrics import describe_scales
from semsim.metrics.measure import measure_reconstructions, measure_sets
from semsim.metrics.reconstructions import read_reconstructions
from semsim.metrics.scales import scales_of
from semsim.metrics.summaries import (
    concatenated,
    describe_datasets,
    describe_targets,
    describe_unmeasured,
    rank_leakage,
    summarise_metrics,
)
from semsim.statistics.agreement import describe_agreement
from semsim.statistics.baselines import BASELINES
from semsim.statistics.calibration import measure_calibration
from semsim.statistics.ceiling import cross_annotators, human_ceiling
from semsim.statistics.content import measure_content
from semsim.statistics.contradictions import contradiction_curve, count_contradictions
from semsim.statistics.crossed_effects import measure_difficulty
from semsim.statistics.crossing import cross_parts
from semsim.statistics.dawid_skene import estimate_reliability
from semsim.statistics.faithfulness import measure_faithfulness, with_holm
from semsim.statistics.generalisation import correct_generalisation, measure_by_dataset, measure_generalisation
from semsim.statistics.leakage_errors import measure_leakage_errors
from semsim.statistics.person import compare_with_person, seat_panels
from semsim.statistics.protection import measure_protection
from semsim.statistics.ranking import measure_ranking, ranking_limits
from semsim.statistics.replication import Run, over_seeds
from semsim.statistics.variance import divide_variance
from semsim.targets.models import build_target, load_target, save_target

DATASETS = ("shapes", "textures")
TARGETS = {"plain": "none", "cropped": "crop"}
ATTACKS = {"clear": 0.05, "noisy": 0.4}  # standard deviation of the noise in their reconstructions
DEFENCES = {"plain": "none", "cropped": "prune 0.7 (training)"}
CLASSES = ("square", "disc", "cross")
SIZE, ORIGINALS = 32, 6


@cache
def small_study(base):
    """Write the files of all stages up to the tables, as ``results/<study>`` has them, once in a run of the tests.

    Workers of pytest-xdist share it, so no test may write there. The target `cropped` was attacked on shifted images,
    and one reconstruction of it by `noisy` diverged.
    """
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "results"
    with FileLock(shared.with_suffix(".lock")):
        if not shared.exists():
            part = Path(tempfile.mkdtemp(dir=shared.parent))
            _write_study(part / "small-study")
            part.rename(shared)
    return shared / "small-study"


def _write_study(folder):
    for dataset in DATASETS:
        _write_dataset(folder, dataset)
        for target, augmentation in TARGETS.items():
            _write_target(folder, dataset, target, augmentation)
            for attack in ATTACKS:
                _write_reconstructions(folder, dataset, target, attack)
            _write_metrics(folder, dataset, target)
    _write_tables(folder)


def smooth_images(count, seed):
    """Return uint8 images [count, 3, SIZE, SIZE] of coloured blobs."""
    coarse = torch.rand(count, 3, 4, 4, generator=torch.Generator().manual_seed(seed))
    fine = torch.nn.functional.interpolate(coarse, size=(SIZE, SIZE), mode="bicubic").clamp(0, 1)
    return (fine * 255).round().to(torch.uint8).numpy()


def label_tables(metrics, attacks):
    """Return the tables of labels and of the statistics on them, with three simulated observers who see what is clear.

    The third observer can't tell anything about a third of the images.
    """
    images = shown_images(attacks)
    noise = images["attack"].map(ATTACKS) + 0.1 * (images["original"] % 2)
    given = []
    for place, patience in enumerate((0.2, 0.45, 0.6)):
        unsure = (noise > patience) | ((place == 2) & (images["original"] % 3 == 0))
        given.append(images.assign(annotator=f"observer-{place + 1}", label=images["label"].mask(unsure, -1)))
    labels = pd.concat(given, ignore_index=True).assign(kind="simulated", seconds=None, given_at=None)[COLUMNS]
    answers = with_truth(labels, images)
    rates, scales = recognition_rates(labels, images), describe_scales(metrics)
    directions = scales.set_index("metric")["higher_is_better"].to_dict()
    crossings = cross_parts([metrics], rates, directions)
    values, differences = measure_faithfulness(crossings, directions, 50, 1, permutations=50)
    access = scales_of(scales).access | BASELINES.access
    values.insert(6, "access", values["metric"].map(access))
    panels = seat_panels([metrics], answers, directions)
    agreement = [describe_agreement(answers, 50, 1), estimate_reliability(answers)]
    observers = pd.concat(
        pd.DataFrame({"severity": [0, 0.5, 1], "right": [0.9, 0.4, 0.1], "wrong": [0.1, 0.3, 0.2]}).assign(
            dataset=dataset, observer=f"observer-{place}", architecture="vgg3", caution=0.3, images=10
        )
        for dataset in DATASETS
        for place in (1, 2, 3)
    )
    ranking = measure_ranking(panels, directions, 50, 1)
    return {
        "observers": observers.assign(cannot_tell=1 - observers["right"] - observers["wrong"]),
        "labels": labels,
        "images": images,
        "recognition": rates,
        "scales": scales,
        "agreement": pd.concat(agreement, ignore_index=True),
        "ceiling": human_ceiling(cross_annotators(answers), 50, 1),
        "faithfulness": values,
        "faithfulness_differences": differences,
        "contradictions": count_contradictions(crossings, directions, 50, 1),
        "variance": divide_variance(answers, 50, 1),
        "person": compare_with_person(panels, directions | BASELINES.directions, 50, 1),
        "contradiction_curve": contradiction_curve(panels, directions, 50, 1),
        "leakage_errors": measure_leakage_errors(panels, directions, 50, 1),
        "ranking": ranking,
        "ranking_limits": ranking_limits(ranking),
        **difficulty_tables(metrics, rates, answers),
    }


def difficulty_tables(metrics, rates, answers):
    """Return the tables of how difficult originals are, predicted from their class only."""
    effects, difficulty = measure_difficulty(answers)
    table = metrics[metrics["reference"] == "attacked"].merge(rates[[*KEYS, "recognition_rate"]], on=KEYS)
    features, about = class_features(difficulty), {"kind": "simulated", "reference": "attacked"}
    trials, predicted = try_difficulty(table, difficulty, {"class": features}, {"psnr": ["psnr"]}, 1)
    curve = learning_curve(table, difficulty, features, ["psnr"], 1)
    return {
        "effects": effects,
        "difficulty": with_predictions(difficulty, predicted),
        "content": measure_content(trials.assign(**about), 50, 1),
        "learning_curve": curve.assign(**about),
        "calibration": calibrate_metrics(table, trials.assign(**about), {"psnr": ["psnr"]}, 50, 1),
    }


def semsim_tables(metrics, recognition):
    """Return the tables of SemSim and of its generalisation: distances that follow the noise."""
    rates = recognition[[*KEYS, "recognition_rate"]]
    draws = np.random.default_rng(2)
    table = metrics[metrics["reference"] == "attacked"].merge(rates, on=KEYS)
    trials = pd.concat(
        table[KEYS].assign(
            folds=folds,
            exclusion=folds if folds == "within" else f"{folds}-" + table[folds],
            part=table["original"] % 2,
            semsim=table["attack"].map(ATTACKS) + draws.normal(0, 0.05, len(table)),
            classifier_features=draws.random(len(table)),
            combination=-table["attack"].map(ATTACKS) + draws.normal(0, 0.3, len(table)),
            combination_with_target=-table["attack"].map(ATTACKS) + draws.normal(0, 0.2, len(table)),
            best_metric=draws.random(len(table)),
        )
        for folds in ("within", "dataset", "attack")
    ).assign(kind="simulated", reference="attacked", note=None)
    directions = describe_scales(metrics).set_index("metric")["higher_is_better"].to_dict()
    values, differences = measure_generalisation(table, trials, directions, LEARNED.directions, 50, 3)
    epochs = np.arange(1, 4)
    curves = {"epoch": epochs, "train_loss": 1 / epochs, "train_ordered": 1 - 0.5 / epochs, "validation_auc": 0.9}
    counts = {"side": ["recognised", "unrecognised"], "same original": [8, 9], "same class": [1, 0], "any": 0}
    variants = table.assign(
        semsim=trials["semsim"][: len(table)].to_numpy(), **{"margin-1.0": draws.random(len(table))}
    )
    lines, changes = measure_by_dataset(variants, {"semsim": False, "margin-1.0": False}, "semsim", 50, 3)
    changes = with_holm(changes, ["dataset", "level", "statistic"])
    changes = changes.assign(change=-changes["difference"], change_low=-changes["high"], change_high=-changes["low"])
    keys = ["dataset", "level", "statistic", "variant"]
    changes = changes.rename(columns={"other": "variant"})[[*keys, "change", "change_low", "change_high", "p_holm"]]
    about = {"kind": "simulated", "reference": "attacked"}
    chances = trials[trials["folds"] == "within"].merge(rates, on=KEYS).assign(metric="semsim", predicted=0.0)
    chances = pd.concat(chances.assign(difficulty=source, chance=chances["semsim"]) for source in ("none", "embedding"))
    chances["chance"] = expit(4 - 8 * chances["semsim"])
    return {
        "semsim": trials,
        "chances": chances[[*TRIED, "metric", "kind", "reference"]],
        "semsim_calibration": measure_calibration(chances, 50, 3),
        "generalisation": values.assign(**about),
        "generalisation_differences": correct_generalisation(differences).assign(**about),
        "semsim_curves": pd.DataFrame(curves),
        "semsim_triplets": pd.DataFrame(counts),
        "ablations": lines.rename(columns={"metric": "variant"}).merge(changes, on=keys, how="left"),
    }


def defect_tables(tables):
    """Return by number the tables of the studies of defects: unscaled images are as good, and one defence does much."""
    metrics, rates, ablations = (tables[name] for name in ("metrics", "recognition", "ablations"))
    directions = tables["scales"].set_index("metric")["higher_is_better"].to_dict()
    attacked = metrics[metrics["reference"] == "attacked"]
    values = attacked[[*KEYS, "reference", "lpips_random_trunk"]].dropna()
    values = values.assign(**{UNSCALED: values["lpips_random_trunk"] / 2})
    defended = tables["accuracy"].assign(gradient_defence=tables["accuracy"]["target"].map(DEFENCES))
    features = torch.randn(300, 40, generator=torch.Generator().manual_seed(1))
    found = {
        number: {"ablations": ablations.replace({"variant": {"margin-1.0": name}})}
        for number, name in enumerate(
            ("evaluation-itself", "evaluation-unnormalised", "anchor-released", "reference-original"), start=1
        )
    }
    undefined = found[1]["ablations"]["variant"] != "semsim"
    found[1]["ablations"].loc[undefined, ["faithfulness", "change"]] = np.nan
    found[1]["ablations"].loc[undefined, "note"] = "the metric has one value throughout"
    found[4]["misaligned_reference"] = measure_misalignment(metrics, rates, {"cropped"}, directions, 50, seed=1)
    found[5] = {
        "unscaled_lpips": measure_unscaled(values, rates, "lpips_random_trunk", 50, seed=1),
        "unscaled_lpips_values": values,
    }
    scope = compare_defences(attacked, rates, defended, directions, 50, seed=1)
    found[6] = {"defence_scope": scope.assign(kind="simulated")}
    found[7] = {"set_sizes": measure_set_sizes(features, features + 0.5, 3, seed=1).assign(features="classifier")}
    return found


def write_reconstructions(folder, reconstructions, table):
    """Write the two files of an attack on a target model; return their paths."""
    names = {key: str(table[key].iloc[0]) for key in ("dataset", "target", "attack")}
    place = folder / "reconstructions" / names["dataset"] / names["target"]
    images, rows = place / f"{names['attack']}.safetensors", place / f"{names['attack']}.csv"
    write_arrays(reconstructions | {"label": table["label"].to_numpy()}, images, names)
    write_table(table, rows)
    return images, rows


def attack_table(dataset, target, attack, labels, diverged=()):
    """Return an attack stage's table; the reconstructions at the places `diverged` did not end well."""
    count = len(labels)
    status = np.where(np.isin(np.arange(count), diverged), "diverged", "finished")
    return pd.DataFrame(
        {
            "dataset": dataset,
            "target": target,
            "attack": attack,
            "original": np.arange(count),
            "client": "one image",
            "batch": np.arange(count),
            "label": labels,
            "recovered_label": labels,
            "status": status,
            "diverged_at": np.where(status == "diverged", 7, np.nan),
            "restart": 0,
            "initial_cost": 1.0,
            "cost": np.linspace(0.01, 0.5, count),
            "seed": np.arange(count),
            "knowledge": "shared_gradient batch_shape labels",
        }
    )


def _write_dataset(folder, dataset):
    arrays = {}
    for split, count in (("train", 12), ("originals", ORIGINALS), ("public", 6)):
        arrays[f"{split}_images"] = smooth_images(count, seed=count + len(dataset))
        arrays[f"{split}_labels"] = np.arange(count) % len(CLASSES)
    about = {"name": dataset, "kind": "folder", "classes": list(CLASSES), "image_size": SIZE}
    write_arrays(arrays, folder / "data" / f"{dataset}.safetensors", about)


def _write_target(folder, dataset, target, augmentation):
    with torch.random.fork_rng():
        torch.manual_seed(len(dataset + target))
        model = build_target("lenet", len(CLASSES), SIZE)
    about = {
        "dataset": dataset,
        "target": target,
        "architecture": "lenet",
        "augmentation": augmentation,
        "gradient_defence": "none",
        "parameters": sum(weights.numel() for weights in model.parameters()),
        "train_accuracy": 0.9,
        "validation_accuracy": 0.8,
    }
    if target == "cropped":
        about |= {"gradient_defence": "dp 1 0.1 (both)", "epsilon": 782.4, "epsilon_shared": 96.1, "delta": 1e-5}
    save_target(model, folder / "targets" / dataset / f"{target}.safetensors", about)


def _write_reconstructions(folder, dataset, target, attack):
    originals = smooth_images(ORIGINALS, seed=ORIGINALS + len(dataset))
    attacked = np.roll(originals, 3, axis=-1) if TARGETS[target] == "crop" else originals
    noise = np.random.default_rng(len(attack)).normal(0, 255 * ATTACKS[attack], attacked.shape)
    images = {
        "original": originals,
        "attacked": attacked,
        "reconstruction": (attacked + noise).clip(0, 255).astype(np.uint8),
    }
    diverged = [2] if (target, attack) == ("cropped", "noisy") else []
    labels = np.arange(ORIGINALS) % len(CLASSES)
    write_reconstructions(folder, images, attack_table(dataset, target, attack, labels, diverged))


def _write_metrics(folder, dataset, target):
    place = folder / "reconstructions" / dataset / target
    attacks = [read_reconstructions(place / f"{name}.safetensors", place / f"{name}.csv") for name in ATTACKS]
    model = load_target(folder / "targets" / dataset / f"{target}.safetensors")
    nowhere = folder / "pretrained"
    nowhere.mkdir(exist_ok=True)
    write_table(measure_reconstructions(model, attacks, nowhere), folder / "metrics" / dataset / f"{target}.parquet")
    write_table(measure_sets(attacks, nowhere), folder / "metrics" / dataset / f"{target}_sets.parquet")


def _write_tables(folder):
    pairs = [(dataset, target) for dataset in DATASETS for target in TARGETS]
    metrics = concatenated(folder / "metrics" / dataset / f"{target}.parquet" for dataset, target in pairs)
    sets = concatenated(folder / "metrics" / dataset / f"{target}_sets.parquet" for dataset, target in pairs)
    attacks = [folder / "reconstructions" / d / t / f"{attack}.csv" for d, t in pairs for attack in ATTACKS]
    tables = {
        "metrics": metrics,
        "unmeasured": describe_unmeasured(metrics.columns, [], [], SIZE),
        "leakage": rank_leakage(summarise_metrics(metrics), sets),
        "accuracy": describe_targets([folder / "targets" / d / f"{t}.safetensors" for d, t in pairs], attacks),
        "attacks": concatenated(attacks),
        "datasets": describe_datasets([folder / "data" / f"{dataset}.safetensors" for dataset in DATASETS]),
    }
    tables |= label_tables(metrics, tables["attacks"])
    answers = with_truth(tables["labels"], tables["images"])
    tables["protection"] = measure_protection(answers, tables["accuracy"], tables["datasets"])
    tables |= semsim_tables(metrics, tables["recognition"])
    conclusions = Run(*(tables[name] for name in ("generalisation", "generalisation_differences", "contradictions")))
    tables["seeds"] = over_seeds([conclusions, conclusions])
    for name, table in tables.items():
        write_table(table, folder / "tables" / f"{name}.csv")
    for number, of_defect in defect_tables(tables).items():
        for name, table in of_defect.items():
            write_table(table, folder.with_name(f"{folder.name}-defect-{number}") / "tables" / f"{name}.csv")
