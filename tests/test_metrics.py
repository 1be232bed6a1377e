"""Metrics of pairs: values against independent implementations, properties, and what they refuse."""

import subprocess
import sys
from unittest.mock import patch

import numpy as np
import pytest
import torch
from skimage import metrics as skimage_metrics

from semsim.errors import SemsimError
from semsim.metrics import METRICS, metric
from semsim.metrics.measure import BATCH_PIXELS, gather_networks, measure_pairs
from semsim.metrics.pixels import mse, psnr, ssim
from semsim.metrics.registry import metrics_at_hand, metrics_of
from semsim.targets.models import build_target

PAIR_METRICS = [one.name for one in metrics_of("pair")]
OF_PIXELS = [one.name for one in metrics_at_hand("pair", ("reference", "reconstruction"))]


def images(count=3, height=32, width=32, seed=0):
    """Return float images [count, 3, height, width] in [0, 1]."""
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(seed))


def noisy(reference, deviation, seed=1):
    """Return images with Gaussian noise, kept in [0, 1]."""
    noise = torch.randn(reference.shape, generator=torch.Generator().manual_seed(seed))
    return (reference + deviation * noise).clamp(0, 1)


def blocks(count=3):
    """Return images of flat squares: windows without any variance, and edges."""
    return images(count, 4, 4).repeat_interleave(8, dim=-1).repeat_interleave(8, dim=-2)


@pytest.mark.parametrize("reference", [images(), images(2, 7, 7), images(2, 9, 20), blocks(), torch.zeros(1, 3, 8, 8)])
@pytest.mark.parametrize("deviation", [0, 0.01, 0.3])
def test_pixel_metrics_are_those_of_scikit_image(reference, deviation):
    reconstruction = noisy(reference, deviation)
    pairs = [(a.double().numpy(), b.double().numpy()) for a, b in zip(reference, reconstruction, strict=True)]
    similarity = [skimage_metrics.structural_similarity(a, b, channel_axis=0, data_range=1) for a, b in pairs]
    error = [skimage_metrics.mean_squared_error(a, b) for a, b in pairs]
    np.testing.assert_allclose(ssim(reference, reconstruction), similarity, atol=1e-5)
    np.testing.assert_allclose(mse(reference, reconstruction), error, rtol=1e-5)
    if deviation:
        ratio = [skimage_metrics.peak_signal_noise_ratio(a, b, data_range=1) for a, b in pairs]
        np.testing.assert_allclose(psnr(reference, reconstruction), ratio, rtol=1e-5)


def test_psnr_of_identical_images_is_its_bound():
    assert psnr(images(), images()).tolist() == [100, 100, 100]


def test_psnr_tells_the_smallest_difference_of_8_bit_images_from_none():
    reference = torch.zeros(1, 3, 32, 32)
    reconstruction = reference.clone()
    reconstruction[0, 0, 0, 0] = 1 / 255
    assert psnr(reference, reconstruction).item() == pytest.approx(83.0, abs=0.05)


def test_ssim_refuses_images_smaller_than_its_window():
    with pytest.raises(SemsimError, match="6x9 pixels are smaller than its window of 7x7"):
        ssim(images(1, 6, 9), images(1, 6, 9))


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ((images() * 255).to(torch.uint8), "reconstruction has dtype torch.uint8.*divide 8-bit images by 255"),
        (images() * 2 - 1, r"reconstruction has values from -.* in \[0, 1\]"),
        (images() * torch.nan, "reconstruction has values from nan"),
        (images()[:, :1], r"reconstruction has shape \[3, 1, 32, 32\]"),
        (images()[0], r"reconstruction has shape \[3, 32, 32\]"),
        (images().numpy(), "reconstruction is a ndarray"),
        (images(2), r"differ in shape, \[3, 3, 32, 32\] and \[2, 3, 32, 32\]"),
        (images().double(), "differ in dtype"),
    ],
)
def test_metrics_refuse_what_would_give_wrong_numbers(bad, message):
    with pytest.raises(SemsimError, match=message):
        mse(images(), bad)


@pytest.fixture(scope="module")
def resources():
    """All that any metric of a pair asks for, but the reconstruction."""
    target = build_target("convnet", classes=4, image_size=32, width=4).eval()
    (network,) = gather_networks(32, pretrained=None, seed=1).values()
    networks = {"lpips_network": network, "random_trunk_network": network}
    return {"target": target, "label": torch.arange(3), "reference": images()} | networks


@pytest.mark.parametrize("name", PAIR_METRICS)
def test_every_metric_is_best_without_noise_gets_worse_with_it_and_keeps_its_bounds(name, resources):
    chosen, reference = METRICS[name], resources["reference"]
    with torch.inference_mode():
        values = [chosen(resources | {"reconstruction": noisy(reference, noise)}) for noise in (0, 0.05, 0.5)]
    low, high = chosen.bounds
    assert all(value.shape == (3,) and (value >= low).all() and (value <= high).all() for value in values)
    if "reference" in chosen.needs:
        closest, closer, far = (value if chosen.higher_is_better else -value for value in values)
        assert (closest > closer).all() and (closer > far).all()
        np.testing.assert_allclose(values[0], high if chosen.higher_is_better else low, atol=1e-5)


def test_feature_distance_and_top1_ask_the_target():
    target = build_target("lenet", classes=4, image_size=32).eval()
    reference, reconstruction = images(), noisy(images(), 0.2)
    label = target(reconstruction).argmax(dim=1)
    label[0] = (label[0] + 1) % 4
    table = {"reference": reference, "reconstruction": reconstruction, "label": label, "target": target}
    expected = torch.linalg.vector_norm(target.features(reference) - target.features(reconstruction), dim=1)
    torch.testing.assert_close(METRICS["feature_distance"](table), expected)
    assert METRICS["top1"](table).tolist() == [0, 1, 1]


def test_measuring_in_batches_is_measuring_one_by_one():
    batch = BATCH_PIXELS // 64**2
    generator = np.random.default_rng(0)
    references, reconstructions = generator.integers(0, 256, (2, batch + 3, 3, 64, 64), dtype=np.uint8)
    together = measure_pairs(references, reconstructions)
    assert list(together) == OF_PIXELS and len(together) == batch + 3
    for place in (0, batch - 1, batch, batch + 2):
        alone = measure_pairs(references[place : place + 1], reconstructions[place : place + 1])
        np.testing.assert_allclose(together.iloc[place], alone.iloc[0], rtol=1e-5)


def test_pairs_must_pair_up():
    with pytest.raises(SemsimError, match=r"differ in shape, \[2, 3, 8, 8\] and \[3, 3, 8, 8\]"):
        measure_pairs(np.zeros((2, 3, 8, 8), dtype=np.uint8), np.zeros((3, 3, 8, 8), dtype=np.uint8))


def test_measuring_nothing_gives_an_empty_table():
    nothing = np.empty((0, 3, 8, 8), dtype=np.uint8)
    assert measure_pairs(nothing, nothing).shape == (0, len(OF_PIXELS))


def test_a_new_metric_is_one_function():
    with patch.dict(METRICS):

        @metric(label="Worst value", bounds=(0, 1), higher_is_better=False)
        def worst_value(reference, reconstruction):
            """Largest absolute difference of a value."""
            return (reference - reconstruction).abs().amax(dim=(1, 2, 3))

        black = np.zeros((1, 3, 8, 8), dtype=np.uint8)
        assert measure_pairs(black, black + 255)["worst_value"].tolist() == [1]
        with pytest.raises(SemsimError, match="worst_value: reference"):
            worst_value(torch.ones(1, 1, 8, 8), torch.ones(1, 1, 8, 8))


def test_tables_and_figures_know_the_metrics_without_pytorch(house):
    code = (
        "import sys, semsim.metrics.summaries, semsim.findings, semsim.figures.contact_sheet, semsim.report.page\n"
        "from semsim.metrics import METRICS\n"
        "print(METRICS['psnr'].axis_label, 'torch' in sys.modules)"
    )
    command = [sys.executable, "-X", "utf8", "-c", code]
    shown = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", cwd=house / "workflow")
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout == "PSNR (dB)\u00a0↑ False\n"
