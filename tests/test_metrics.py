"""Metrics of pairs: values against independent implementations, properties, and what they refuse."""

import subprocess
import sys
from unittest.mock import patch

import numpy as np
import pytest
import torch
from skimage import metrics as skimage_metrics
from trunks import write_trunk

from semsim.errors import SemsimError
from semsim.metrics import METRICS, extra_metrics, metric
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
        ((images() * 255).to(torch.uint8), "mse: reconstruction images are torch.uint8.*divide bytes by 255"),
        (images() * 2 - 1, r"reconstruction images range from -.* in \[0, 1\]"),
        (images() * torch.nan, "reconstruction images range from nan"),
        (images()[:, :1], r"reconstruction images are \[3, 1, 32, 32\]"),
        (images()[0], r"reconstruction images are \[3, 32, 32\]"),
        (images().numpy() > 0.5, "reconstruction images are torch.bool"),
        (images().to(torch.complex64), "reconstruction images are torch.complex64"),
        (["no", "images"], "reconstruction images are a list that holds no array of numbers"),
        (images(2), r"originals are \[3, 3, 32, 32\], but reconstructions \[2, 3, 32, 32\]"),
    ],
)
def test_metrics_refuse_what_would_give_wrong_numbers(bad, message):
    with pytest.raises(SemsimError, match=message):
        mse(images(), bad)


@pytest.fixture(scope="module")
def resources(tmp_path_factory):
    """All that any metric of a pair asks for, but the reconstruction; the weights of pretrained networks are random."""
    target = build_target("convnet", classes=4, image_size=32, width=4).eval()
    folder = tmp_path_factory.mktemp("weights")
    for name in ("alexnet", "vgg16"):
        write_trunk(name, folder)
    networks = gather_networks(32, folder, extra=extra_metrics()) | gather_networks(32, seed=1)
    return {"target": target, "label": torch.arange(3), "reference": images()} | networks


def side_for(name):
    """Return the side of test images: 32 pixels, or as many as the metric needs."""
    return max(32, METRICS[name].smallest_image)


def best_of(name):
    """Return the value of equal images."""
    low, high = METRICS[name].bounds
    return {"vif": 1}.get(name, high if METRICS[name].higher_is_better else low)


@pytest.mark.parametrize("name", PAIR_METRICS)
def test_every_metric_is_best_without_noise_gets_worse_with_it_and_keeps_its_bounds(name, resources):
    chosen, reference = METRICS[name], images(3, side_for(name), side_for(name))
    pairs = [{"reference": reference, "reconstruction": noisy(reference, noise)} for noise in (0, 0.05, 0.5)]
    with torch.inference_mode():
        values = [chosen(resources | pair) for pair in pairs]
    low, high = chosen.bounds
    assert all(value.shape == (3,) and (value >= low).all() and (value <= high).all() for value in values)
    if "reference" in chosen.needs:
        closest, closer, far = (value if chosen.higher_is_better else -value for value in values)
        assert (closest > closer).all() and (closer > far).all()
        np.testing.assert_allclose(values[0], best_of(name), atol=1e-5)


FLAT = torch.tensor([0, 1, 3, 128, 225, 228, 254, 255]) / 255


@pytest.mark.parametrize("name", PAIR_METRICS)
def test_every_metric_keeps_its_bounds_on_flat_and_extreme_images(name, resources):
    chosen, (low, high), side = METRICS[name], METRICS[name].bounds, side_for(name)
    flat = FLAT[:, None, None, None].expand(-1, 3, side, side)
    checks = (torch.arange(side)[:, None] + torch.arange(side)).remainder(2).float().expand(1, 3, -1, -1)
    extreme = torch.cat([flat, checks, 1 - checks, 0.9 + checks / 255])
    first, second = (index.flatten() for index in torch.meshgrid(*[torch.arange(len(extreme))] * 2, indexing="ij"))
    given = {"reference": extreme[first], "reconstruction": extreme[second], "label": torch.zeros_like(first)}
    with torch.inference_mode():
        values = chosen(resources | given)
    assert values.isfinite().all() and (values >= low).all() and (values <= high).all()
    if "reference" in chosen.needs:
        exactly = 1e-6 if name == "vif" else 0  # which adds a small number to variances
        assert ((values[first == second] - best_of(name)).abs() <= exactly).all()


def test_ssim_of_flat_images_is_how_near_their_greys_are():
    first, second = torch.cartesian_prod(FLAT, FLAT).T
    pairs = [values[:, None, None, None].expand(-1, 3, 9, 9) for values in (first, second)]
    first, second = first.double(), second.double()
    expected = (2 * first * second + 1e-4) / (first.square() + second.square() + 1e-4)
    torch.testing.assert_close(ssim(*pairs), expected.float(), rtol=0, atol=1e-7)


@pytest.mark.parametrize("base", [0.02, 0.5, 0.95])
def test_ssim_has_its_digits_where_contrast_is_low(base):
    reference, reconstruction = base + 0.02 * images(), base + 0.02 * images(seed=1)
    expected = [
        skimage_metrics.structural_similarity(*(image.double().numpy() for image in pair), channel_axis=0, data_range=1)
        for pair in zip(reference, reconstruction, strict=True)
    ]
    np.testing.assert_allclose(ssim(reference, reconstruction), expected, rtol=0, atol=1e-7)


def test_psnr_of_black_and_white_is_zero_without_a_sign():
    value = psnr(torch.zeros(1, 3, 8, 8), torch.ones(1, 3, 8, 8))
    assert value == 0 and not value.signbit()


CASTS = {
    "float64": torch.Tensor.double,
    "numpy": torch.Tensor.numpy,
    "numpy float64, read-only and reversed in memory": lambda batch: reversed_in_memory(batch.double().numpy()),
    "sparse": lambda batch: batch.to_sparse(),
    "big-endian": lambda batch: batch.numpy().astype(">f4"),
    "a list": lambda batch: [image.numpy() for image in batch],
}


def reversed_in_memory(array):
    """Return an equal read-only array with negative strides."""
    array = array[::-1].copy()[::-1]
    array.setflags(write=False)
    return array


@pytest.mark.parametrize("name", [name for name in PAIR_METRICS if "reference" in METRICS[name].needs])
def test_every_metric_takes_any_floats(name, resources):
    reference = images(3, side_for(name), side_for(name))
    pair = {"reference": reference, "reconstruction": noisy(reference, 0.1)}
    with torch.inference_mode():
        expected = METRICS[name](resources | pair)
        for cast in CASTS.values():
            found = METRICS[name](resources | {each: cast(batch) for each, batch in pair.items()})
            torch.testing.assert_close(found, expected)


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
