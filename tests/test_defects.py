"""Defects of the released code: what is measured of each, on made numbers with a known answer."""

import numpy as np
import pandas as pd
import pytest
import torch
from small_study import small_study, smooth_images

from semsim import findings
from semsim.defects.defences import compare_defences
from semsim.defects.features import features_of
from semsim.defects.misalignment import measure_misalignment
from semsim.defects.set_sizes import measure_set_sizes
from semsim.defects.unscaled import UNSCALED, load_network, measure_unscaled, unscaled_distances
from semsim.errors import SemsimError
from semsim.metrics.perceptual import lpips_random_trunk
from semsim.scales import Scale, Scales
from semsim.study_tables import StudyTables
from semsim.targets.models import build_target, save_target
from semsim.wording import NO_BREAK

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
    areas = found[(found["statistic"] == "auc") & (found["dataset"] == "all")].set_index("targets")
    assert (areas["meant"] == 1).all()
    assert areas.loc["plain", "released"] == 1 and areas.loc["plain", "change"] == 0
    assert areas.loc["augmenting", "released"] == pytest.approx(0.5, abs=0.15)
    assert areas.loc["augmenting", "change_low"] > 0.2 and areas.loc["augmenting", "p_holm"] < 0.05
    assert areas.loc["augmenting", "released"] < areas.loc["all", "released"] < 1
    said = findings.reference_faithfulness_findings(found, SCALES)
    assert [sentence.split(",")[0] for sentence in said] == [
        "All target models",
        "Target models that augment images",
        "Target models that do not",
    ]
    assert said[2].endswith("both references give the same, as they must.")
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
    assert "no other reference" in findings.misalignment_findings(metrics, accuracy.assign(augmentation="none"))[0]


def test_unscaled_images_are_those_that_the_network_is_not_told_to_scale(tmp_path):
    references, reconstructions = smooth_images(5, seed=1), smooth_images(5, seed=2)
    metric, network = load_network(tmp_path, seed=3)
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
    assert said[2].endswith("By no metric is it distinguishable.")


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
    assert "deficient up to 50 of" in said[0] and "FID" not in " ".join(said)


def test_too_few_images_make_no_two_sets():
    with pytest.raises(SemsimError, match="49 clear images make no two sets of 25"):
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
