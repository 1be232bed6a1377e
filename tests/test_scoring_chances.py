"""How many images annotators would recognise, beside scores; and where that cannot be said."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.special import expit
from scipy.stats import binom
from trunks import write_trunk

import semsim
from semsim.errors import SemsimError
from semsim.learned.scales import CHANCE, LEARNED
from semsim.metrics.scales import Scale, Scales
from semsim.observers.endless import held_out_images
from semsim.pretrained.weights import NETWORKS
from semsim.scoring.chances import MOST_ORIGINALS, OUTSIDE, basis, chance_sentences, doubts
from semsim.scoring.measures import Measure, load_measures
from semsim.scoring.people import chances_of, known_chances, people_sentences


@pytest.fixture(scope="module")
def measures():
    return load_measures(["psnr", "semsim", "chance"])[0]


@pytest.fixture(scope="module")
def digits():
    return held_out_images("mnist", 12)[0].float() / 255


def test_the_chance_stands_beside_the_distance_and_leads_to_the_count(measures, digits):
    noisy = (digits + 0.1 * torch.randn(digits.shape, generator=torch.Generator().manual_seed(0))).clamp(0, 1)
    table = semsim.score(digits, noisy, metrics=["psnr", "semsim", "chance"])
    metric = semsim.SemSim.from_pretrained("embedded")
    with torch.no_grad():
        assert table["chance"].to_numpy() == pytest.approx(metric.chances(digits, noisy).numpy(), abs=1e-5)
    values = {name: table[name].to_numpy() for name in table}
    simulated, people = chance_sentences(values, measures, [*digits])
    expected, low, high = metric.expected_count(values["chance"])
    assert simulated == (
        f"Simulated annotators would recognise about {expected:.0f} of 12 images"
        f" (95\u00a0% interval {low} to {high}), by SemSim."
    )
    assert low <= expected <= high and people.startswith("In the published human study, people recognised about")
    assert "5,400 labels by simulated annotators of 36 originals" in basis(measures, [*digits])[0]
    assert not chance_sentences({"ssim": np.ones(3)}, [Measure(LEARNED["semsim"], None)], [*digits])


def test_images_without_a_value_do_not_count(measures, digits):
    values = {"psnr": np.array([10.0, np.nan]), "chance": np.array([np.nan, 0.9]), "semsim": np.zeros(2)}
    assert all(" of 1 image " in sentence for sentence in chance_sentences(values, measures, [*digits]))


def test_images_unlike_the_calibrated_ones_are_warned_of(measures, digits):
    assert doubts(measures, [*digits]) == []
    (size,) = doubts(measures, [digits[0].repeat(1, 2, 2)] * 2)[:1]
    assert "calibrated on images of 32x32 pixels, and here are images of 64x64" in size
    noise = torch.rand(12, 3, 32, 32)
    (unlike,) = doubts(measures, [*noise])
    assert unlike.startswith("12 of 12 originals are unlike those that chances were calibrated on (glyphs, letters and")
    fewest = next(count for count in range(13) if binom.sf(count - 1, 12, OUTSIDE) < 0.05)
    alike = next([digit] * 12 for digit in digits if not doubts(measures, [digit]))
    assert doubts(measures, [*noise[:fewest], *alike[fewest:]])
    assert not doubts(measures, [*noise[: fewest - 1], *alike[fewest - 1 :]])
    with pytest.warns(UserWarning, match="do not rely on the chances"):
        semsim.score(noise, noise, metrics=["chance"])
    assert MOST_ORIGINALS >= 12


def test_weights_without_calibration_have_no_chance_and_say_so(tmp_path, digits):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        semsim.SemSim("lenet").save_pretrained(tmp_path)
    measures, about = load_measures(["semsim"], tmp_path)
    assert [measure.name for measure in measures] == ["semsim"] and not doubts(measures, [*digits])
    assert "These weights of SemSim carry no calibration: their distances are no chances." in about
    with pytest.raises(SemsimError, match="chance is not available. These weights of SemSim carry no calibration"):
        semsim.score(digits, digits, metrics=["chance"], weights=tmp_path)


def test_a_pretrained_backbone_is_searched_in_the_folder_of_pretrained_weights(tmp_path):
    path = write_trunk("efficientnet_lite0", tmp_path)
    semsim.SemSim("efficientnet_lite0", pretrained=tmp_path).save_pretrained(tmp_path / "weights")
    [measure], _ = load_measures(["semsim"], tmp_path / "weights", pretrained=tmp_path)
    assert measure.network.config["backbone"] == "efficientnet_lite0"
    with pytest.raises(SemsimError, match="weights: the weights of EfficientNet-Lite0 are missing. Run semsim fetch"):
        load_measures(["semsim"], tmp_path / "weights")
    for names in (["mse"], ["lpips"]):  # metrics that have no use for it
        with pytest.raises(SemsimError, match=f"only used by|has none of {NETWORKS['alexnet'].file}"):
            load_measures(names, pretrained=tmp_path)
    path.unlink()
    with pytest.raises(SemsimError, match="EfficientNet-Lite0 are missing"):
        load_measures(["semsim"], tmp_path / "weights", pretrained=tmp_path)


def test_what_people_would_recognise_is_known_for_their_size_only():
    (row,) = known_chances().itertuples()
    assert row.metric == "psnr" and 0.5 < row.value < 0.7 and row.weight > 0
    values = {"psnr": np.full(1000, 12.0)}
    (sentence,) = people_sentences(values, {(32, 32)})
    assert f"about {1000 * expit(row.intercept + 12 * row.weight):.0f} of 1,000 images" in sentence
    assert f"area under the ROC curve {row.value:.2f}; a coin toss has 0.5" in sentence
    assert not people_sentences(values, {(64, 64)}) and not people_sentences({"ssim": np.ones(2)}, {(32, 32)})


def test_only_metrics_that_are_comparable_are_shipped():
    calibration = pd.DataFrame({"metric": ["psnr", "ssim", "combination"], "label": "", "weight": [1.0, 1.0, np.nan]})
    calibration = calibration.assign(intercept=0, variance=0, covariance=0, slope_variance=0, value=0.6)
    scales = Scales(
        psnr=Scale("psnr", "PSNR", "dB", 0, 100, True, ""), ssim=Scale("ssim", "SSIM", "", 0, 1, True, "odd")
    )
    assert chances_of(calibration, scales)[["metric", "label"]].to_numpy().tolist() == [["psnr", "PSNR"]]
    assert CHANCE.higher_is_better
