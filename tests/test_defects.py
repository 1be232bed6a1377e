"""Defects of the released code: what is measured of each, on made numbers with a known answer."""

import numpy as np
import pandas as pd
import pytest
import torch
from small_study import DATASETS, small_study, smooth_images

from semsim import findings
from semsim.defects.defences import compare_defences
from semsim.defects.features import features_of
from semsim.defects.image_sets import choose_images
from semsim.defects.misalignment import measure_misalignment
from semsim.defects.set_sizes import measure_set_sizes
from semsim.defects.unscaled import UNSCALED, load_network, measure_unscaled, unscaled_distances
from semsim.errors import SemsimError
from semsim.figures import defect_charts
from semsim.io.tables import read_table, write_table
from semsim.io.tensors import write_arrays
from semsim.metrics.perceptual import lpips_random_trunk
from semsim.metrics.reconstructions import Reconstructions, read_reconstructions
from semsim.metrics.scales import Scale, Scales
from semsim.results.study_tables import StudyTables
from semsim.targets.models import build_target, save_target
from semsim.text import NO_BREAK

SCALES = Scales({"psnr": Scale("psnr", "PSNR", "dB", 0, 100, True, "")})


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    return StudyTables(small_study(tmp_path_factory.getbasetemp()) / "tables")


def study(rates, datasets=("a", "b")):
    """Return recognition rates [targets, originals] as a table, the same in each data set, and its reconstructions."""
    rows = [
        {"dataset": dataset, "target": f"t{target}", "attack": "x", "original": original, "recognition_rate": rate}
        for dataset in datasets
        for target, of_target in enumerate(rates)
        for original, rate in enumerate(of_target)
    ]
    return pd.DataFrame(rows).assign(kind="simulated")


def by_reference(table, **psnr):
    """Return the table of metrics with the PSNR that a function of the rows gives for each reference."""
    parts = [table.assign(reference=reference, psnr=function(table)) for reference, function in psnr.items()]
    return pd.concat(parts).drop(columns=["recognition_rate", "kind"])


def test_a_misaligned_reference_costs_faithfulness_where_images_are_augmented_and_nowhere_else():
    draws = np.random.default_rng(0)
    rates = study(draws.choice([0.0, 0.2, 0.8, 1.0], (6, 30)))
    augmented = rates["target"].isin(["t0", "t1", "t2"])
    noise = draws.normal(size=len(rates))

    def shifted(table):
        return np.where(augmented, noise, table["recognition_rate"])

    metrics = by_reference(rates, original=shifted, attacked=lambda table: table["recognition_rate"])
    found = measure_misalignment(metrics, rates, {"t0", "t1", "t2"}, {"psnr": True}, 100, seed=1)
    areas = found.query("statistic == 'auc' and level == 'reconstructions' and dataset == 'all'").set_index("targets")
    assert (areas["meant"] == 1).all()
    assert areas.loc["plain", "released"] == 1 and areas.loc["plain", "change"] == 0
    assert areas.loc["augmenting", "released"] == pytest.approx(0.5, abs=0.15)
    assert areas.loc["augmenting", "change_low"] > 0.2 and areas.loc["augmenting", "p_holm"] < 0.05
    assert areas.loc["augmenting", "released"] < areas.loc["all", "released"] < 1
    said = findings.reference_faithfulness_findings(found, SCALES)
    assert [sentence.split(",")[0] for sentence in said] == [
        "All target models",
        "Target models that augment images",
        "Target models that do not augment images",
    ]
    assert said[2].endswith("both references give the same result, as they must.")
    assert "PSNR +" in said[1]


def test_the_gain_in_decibels_is_that_of_augmenting_target_models():
    rates = study(np.full((2, 4), 0.5))
    gain = rates["original"] + 1.0
    metrics = by_reference(
        rates, original=lambda table: 10.0, attacked=lambda table: 10 + gain * (table["target"] == "t1")
    )
    accuracy = pd.DataFrame({"target": ["t0", "t1"], "augmentation": ["none", "crop"]})
    said = findings.misalignment_findings(metrics, accuracy)
    assert len(said) == 2 and f"is 10.0{NO_BREAK}dB against the original and 12.5{NO_BREAK}dB" in said[0]
    assert "+2.50 (95" in said[0] and "4 originals" in said[0]
    (said,) = findings.misalignment_findings(metrics, accuracy.assign(augmentation="none"))
    assert "both references are the same" in said


def test_unscaled_images_are_those_that_the_network_is_not_told_to_scale(tmp_path):
    references, reconstructions = smooth_images(5, seed=1), smooth_images(5, seed=2)
    metric, network = load_network(pd.DataFrame({"lpips_random_trunk": [0.5]}), tmp_path, seed=3)
    found = unscaled_distances(references, reconstructions, network)
    one, other = (torch.from_numpy(images) / 255 for images in (references, reconstructions))
    with torch.no_grad():
        expected = network(one, other, normalize=False).flatten()
        scaled = lpips_random_trunk(one, other, network)
        # What is fed to it as [0, 1] is what [-1, 1] would be of images that are half as far apart.
        np.testing.assert_allclose(network((one + 1) / 2, (other + 1) / 2, normalize=True).flatten(), found, rtol=1e-4)
    assert metric == "lpips_random_trunk"
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert not np.allclose(found, scaled, rtol=0.05)


def test_an_unscaled_metric_that_orders_alike_is_as_faithful(tables):
    metric = "lpips_random_trunk"
    values = tables["metrics"].query("reference == 'attacked'").dropna(subset=metric)
    found = measure_unscaled(values.assign(**{UNSCALED: values[metric] ** 2}), tables["recognition"], metric, 50, 1)
    ranked = found[found["statistic"].isin(["auc", "spearman"]) & (found["level"] == "reconstructions")]
    np.testing.assert_allclose(ranked["released"], ranked["meant"], atol=1e-6)
    assert set(found["metric"]) == {metric} and set(found["kind"]) == {"simulated"}


def test_without_lpips_among_the_metrics_the_reason_is_said(tmp_path):
    for lacking in (pd.DataFrame({"psnr": [20.0]}), pd.DataFrame({"lpips_random_trunk": [np.nan]})):
        with pytest.raises(SemsimError, match="no value of lpips or lpips_random_trunk: images below 31 pixels"):
            load_network(lacking, tmp_path)


@pytest.mark.parametrize("measured", [{"lpips": [0.1, 0.2]}, {"lpips": [0.1, None], "lpips_random_trunk": [None, 0.2]}])
def test_weights_of_lpips_that_came_or_went_since_the_metrics_are_refused(tmp_path, measured):
    with pytest.raises(
        SemsimError, match="the available network is that of lpips_random_trunk: weights were added or removed"
    ):
        load_network(pd.DataFrame(measured), tmp_path)


def options_of(**arguments):
    """Return the command-line options of arguments that are values or lists of them."""
    return [
        part
        for option, values in arguments.items()
        for part in (f"--{option.replace('_', '-')}", *map(str, values if isinstance(values, list) else [values]))
    ]


def test_data_sets_whose_images_are_too_small_for_lpips_are_left_out(tmp_path, tmp_path_factory, tables, run_script):
    study = small_study(tmp_path_factory.getbasetemp())
    images = {dataset: study / "reconstructions" / dataset / "plain" / "clear.safetensors" for dataset in DATASETS}
    small, measured = DATASETS
    attack = read_reconstructions(images[small], images[small].with_suffix(".csv"))
    names = {"dataset": small, "target": "plain", "attack": "clear"}
    halved = {name: array[:][..., ::2, ::2].copy() for name, array in attack.images.items()}
    images[small] = tmp_path / "small.safetensors"
    write_arrays(halved | {"label": attack.table["label"].to_numpy()}, images[small], names)
    write_table(attack.table, images[small].with_suffix(".csv"))
    metrics, name = tables["metrics"], "lpips_random_trunk"
    write_table(metrics.assign(**{name: metrics[name].mask(metrics["dataset"] == small)}), tmp_path / "metrics.csv")
    options = options_of(
        reconstructions=list(images.values()),
        tables=[path.with_suffix(".csv") for path in images.values()],
        metrics=tmp_path / "metrics.csv",
        recognition=study / "tables" / "recognition.csv",
        pretrained=tmp_path,
        resamples=20,
        seed=1,
        device="cpu",
        out=tmp_path / "out.csv",
        out_values=tmp_path / "values.csv",
    )
    done = run_script("measure_unscaled_lpips", *options)
    assert done.returncode == 0, done.stderr
    values = read_table(tmp_path / "values.csv")
    assert set(values["dataset"]) == {measured} and values[UNSCALED].notna().all()


def defended(change, targets=("none", "none", "prune 0.7 (training)", "prune 0.7 (both)")):
    """Return what is compared of four target models, the last of which leaks less by `change`."""
    rates = study(np.tile(np.linspace(0.3, 0.7, 40), (4, 1)))
    noise = np.random.default_rng(1).normal(0, 0.02, len(rates))
    rates["recognition_rate"] += noise - change * (rates["target"] == "t3")
    accuracy = pd.DataFrame({"target": [f"t{number}" for number in range(4)], "gradient_defence": targets})
    metrics = rates.assign(psnr=20 * rates["recognition_rate"]).drop(columns=["recognition_rate", "kind"])
    return metrics, rates, accuracy


def test_a_defence_is_compared_with_the_first_undefended_target_model_on_the_same_originals():
    found = compare_defences(*defended(0.2), {"psnr": True}, 500, seed=1)
    rows = found[(found["dataset"] == "all") & (found["measure"] == "recognition_rate")].set_index("target")
    assert np.isnan(rows.loc["t0", "change"]) and rows.loc["t3", "change"] == pytest.approx(-0.2, abs=0.01)
    assert rows.loc["t3", "change_high"] < -0.18 and rows.loc["t3", "p_holm"] < 0.05
    assert rows.loc["t3", "rank"] == 4 and set(rows.loc[["t0", "t1", "t2"], "rank"]) == {1, 2, 3}
    # Originals differ much more than that; only what is paired can tell.
    assert rows.loc["t3", "high"] - rows.loc["t3", "low"] > 2 * (
        rows.loc["t3", "change_high"] - rows.loc["t3", "change_low"]
    )
    said = findings.defence_findings(found.assign(kind="simulated"), SCALES)
    assert len(said) == 4 and said[0].startswith("t0: simulated annotators recognised 50.")
    assert said[3].startswith("t3, prune 0.7 (both): 29.")
    assert said[3].endswith("It leaks distinguishably less by PSNR.")
    assert said[2].endswith("No metric changes distinguishably.")


def by_target(found, dataset="all", measure="psnr"):
    """Return the rows of one measure."""
    return found[(found["dataset"] == dataset) & (found["measure"] == measure)].set_index("target")


def test_a_target_model_without_values_has_no_rank():
    metrics, rates, accuracy = defended(0.2)
    metrics.loc[metrics["target"] == "t2", "psnr"] = np.nan
    found = compare_defences(metrics, rates, accuracy, {"psnr": False}, 100, seed=1)
    rows = by_target(found)
    assert rows.loc["t2", ["value", "low", "high", "rank", "change", "p", "p_holm"]].isna().all()
    assert rows.loc["t3", "rank"] == 1 and set(rows["rank"].dropna()) == {1, 2, 3}
    assert rows.loc["t3", "p_holm"] < 0.05


def test_resamples_without_values_are_left_out():
    metrics, rates, accuracy = defended(0.2)
    metrics["psnr"] += 20
    metrics.loc[(metrics["target"] == "t3") & (metrics["original"] > 0), "psnr"] = np.nan
    rows = by_target(compare_defences(metrics, rates, accuracy, {"psnr": True}, 200, seed=1), "a")
    assert rows.loc["t3", "value"] == rows.loc["t3", "low"] == rows.loc["t3", "high"] > 20


def test_the_mean_over_data_sets_is_that_of_those_with_values():
    metrics, rates, accuracy = defended(0.2)
    metrics.loc[(metrics["target"] == "t3") & (metrics["dataset"] == "b"), "psnr"] = np.nan
    found = compare_defences(metrics, rates, accuracy, {"psnr": True}, 100, seed=1)
    numbers = ["value", "low", "high", "change", "change_low", "change_high"]
    np.testing.assert_array_equal(by_target(found).loc["t3", numbers], by_target(found, "a").loc["t3", numbers])
    np.testing.assert_allclose(
        by_target(found).loc["t1", "value"], np.mean([by_target(found, dataset).loc["t1", "value"] for dataset in "ab"])
    )


def test_a_change_is_that_on_originals_for_which_both_target_models_have_values():
    metrics, rates, accuracy = defended(0)
    # Alike on every original; but t3 has values of those that leak most only, and t0 lacks some of them.
    metrics["psnr"] = 20.0 + metrics["original"]
    metrics.loc[(metrics["target"] == "t3") & (metrics["original"] < 30), "psnr"] = np.nan
    metrics.loc[(metrics["target"] == "t0") & (metrics["original"] > 35), "psnr"] = np.nan
    rows = by_target(compare_defences(metrics, rates, accuracy, {"psnr": True}, 200, seed=1))
    assert rows.loc["t3", "value"] == pytest.approx(20 + np.arange(30, 40).mean())
    assert rows.loc["t0", "value"] == pytest.approx(20 + np.arange(36).mean())
    np.testing.assert_allclose(rows.loc[["t1", "t2", "t3"], ["change", "change_low", "change_high"]], 0, atol=1e-9)


def test_target_models_that_cannot_be_compared_are_named_and_drawn():
    metrics, rates, accuracy = defended(0.2, ("prune 0.7 (training)", "none", "none", "prune 0.7 (both)"))
    labelled = {"t0": [], "t1": range(9), "t2": range(9, 40), "t3": range(40)}
    rates = pd.concat(rates[(rates["target"] == name) & rates["original"].isin(of)] for name, of in labelled.items())
    found = compare_defences(metrics, rates, accuracy, {"psnr": True}, 50, seed=1).assign(kind="simulated")
    said = findings.defence_findings(found, SCALES)
    assert said[0] == "t0, prune 0.7 (training): none of its reconstructions was labelled."
    assert said[1].endswith("The other target models are compared with it.")
    assert said[2].endswith("not comparable: t1 has labels of other originals only.")
    assert "points" in said[3]
    grey = defect_charts.defences_chart(found, SCALES).axes[0].lines[-1].get_xdata()
    assert grey[0] == by_target(found, measure="recognition_rate").loc["t1", "value"]


def test_without_an_undefended_target_model_nothing_can_be_compared():
    with pytest.raises(SemsimError, match="No target model is undefended"):
        compare_defences(*defended(0.2, ["prune 0.7 (both)"] * 4), {"psnr": True}, 50, seed=1)


def test_the_frechet_distance_is_biased_where_images_are_few_and_the_kernel_distance_is_not():
    generator = torch.Generator().manual_seed(0)
    clear, reconstructed = (torch.randn(900, 64, generator=generator) + shift for shift in (0, 0.2))
    found = measure_set_sizes(clear, reconstructed, draws=20, seed=1)
    assert set(found["images"]) == {25, 50, 100, 200, 400} and (found["dimensions"] == 64).all()
    alike = found[found["compared"] == "clear images"].set_index(["distance", "images"])
    frechet, kernel = alike.loc["frechet"], alike.loc["kernel"]
    assert (np.diff(frechet["mean"]) < 0).all() and frechet["mean"][25] > 5 * frechet["mean"][400] > 0
    assert (kernel["mean"].abs() < 3 * kernel["sd"] / 20**0.5).all()
    far = found[found["compared"] == "reconstructions"].set_index(["distance", "images"])["mean"]
    assert (far["kernel"] > 0).all() and far["kernel"][400] == pytest.approx(far["kernel"][25], rel=0.5)
    said = findings.set_size_findings(found.assign(features="classifier"))
    assert said[0].endswith("rank-deficient up to 50.") and "FID" not in " ".join(said)


def test_fewer_reconstructions_than_a_set_takes_are_said_to_be_too_few():
    found = measure_set_sizes(torch.randn(120, 4), torch.randn(24, 4), 2, seed=1).assign(features="classifier")
    said = findings.set_size_findings(found)
    assert len(said) == 4 and "with 25 images in each and" in said[1] and "reconstructions" not in said[1]
    assert said[3].startswith("There are fewer than 25 reconstructions")
    assert defect_charts.set_sizes_chart(found).axes


def attack_of(dataset, value, count, diverged=0):
    """Return reconstructions, uint8 [count, 3, 4, 4], of one grey; the last of them diverged."""
    images = np.full((count, 3, 4, 4), value, np.uint8)
    table = pd.DataFrame({"status": ["finished"] * (count - diverged) + ["diverged"] * diverged})
    images[count - diverged :] = 255
    return Reconstructions(dataset, "plain", "x", table, {"reconstruction": images})


def test_sets_have_the_same_shares_of_data_sets_and_nothing_that_diverged():
    clear = {name: np.full((count, 3, 8, 8), count, np.uint8) for name, count in {"a": 150, "b": 50, "c": 10}.items()}
    attacks = [attack_of("a", 1, 40, 5), attack_of("b", 2, 40), attack_of("a", 1, 30, 5), attack_of("c", 3, 9, 9)]
    first, second = choose_images(clear, attacks, seed=1)
    assert first.shape == (200, 3, 4, 4) and second.shape == (80, 3, 4, 4)
    values, counts = np.unique(first[:][:, 0, 0, 0], return_counts=True)
    assert dict(zip(values.tolist(), counts.tolist(), strict=True)) == {50: 50, 150: 150}
    values, counts = np.unique(second[:][:, 0, 0, 0], return_counts=True)
    assert dict(zip(values.tolist(), counts.tolist(), strict=True)) == {1: 60, 2: 20}
    with pytest.raises(SemsimError, match="All reconstructions diverged"):
        choose_images(clear, [attack_of("a", 1, 3, 3)], seed=1)


def test_sets_hold_no_more_images_than_the_largest_take():
    clear = {name: np.zeros((6000, 3, 1, 1), np.uint8) for name in "ab"}
    first, second = choose_images(clear, [attack_of("a", 1, 5000), attack_of("b", 2, 3000)], seed=1)
    assert len(first) == 8000 and len(second) == 4000


def test_distances_of_sets_are_measured_of_a_study_s_files(tmp_path, tmp_path_factory, run_script):
    study = small_study(tmp_path_factory.getbasetemp())
    images = sorted((study / "reconstructions").rglob("*.safetensors"))
    data = {dataset: tmp_path / f"{dataset}.safetensors" for dataset in DATASETS}
    for dataset, path in data.items():
        arrays = {"train_images": smooth_images(30, seed=1), "train_labels": np.zeros(30, np.int64)}
        write_arrays(arrays, path, {"name": dataset})
    save_target(build_target("vgg3", 3, 32, 4), tmp_path / "classifier.safetensors", {})
    options = options_of(
        data=list(data.values()),
        reconstructions=images,
        tables=[path.with_suffix(".csv") for path in images],
        start=tmp_path / "classifier.safetensors",
        pretrained=tmp_path,
        seed=1,
        device="cpu",
        out=tmp_path / "out.csv",
    )
    done = run_script("measure_set_sizes", *options)
    assert done.returncode == 0, done.stderr
    assert set(read_table(tmp_path / "out.csv")["compared"]) == {"clear images", "reconstructions"}


def test_too_few_images_make_no_two_sets():
    with pytest.raises(SemsimError, match="49 clear images are too few for two sets of 25"):
        measure_set_sizes(torch.randn(49, 4), torch.randn(30, 4), 2, seed=1)


def test_without_inception_features_are_called_after_the_classifier(tmp_path):
    classifier = build_target("vgg3", 3, 32, 4)
    save_target(classifier, tmp_path / "classifier.safetensors", {})
    images = smooth_images(40, seed=1)
    name, (first, second) = features_of((images, images[:3]), tmp_path / "classifier.safetensors", tmp_path)
    assert name == "classifier" and first.shape[0] == 40 and first.ndim == 2
    torch.testing.assert_close(first[:3], second)
    with torch.no_grad():
        expected = classifier.eval().features(torch.from_numpy(images) / 255)
    torch.testing.assert_close(first, expected, atol=1e-5, rtol=1e-4)
