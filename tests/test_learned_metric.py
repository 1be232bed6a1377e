"""SemSim as a module: its distances, its files, and what it refuses."""

import json

import numpy as np
import pytest
import torch

from semsim import MeanSemSim, SemSim
from semsim.errors import SemsimError


@pytest.fixture
def metric():
    torch.manual_seed(0)
    return SemSim("vgg3", width=4, image_size=16).eval()


def pairs(count=5, size=16, seed=1):
    return torch.rand(2, count, 3, size, size, generator=torch.Generator().manual_seed(seed))


def test_distances_are_those_of_embeddings(metric):
    originals, reconstructions = pairs()
    distances = metric(originals, reconstructions)
    embedded = metric.embed(originals), metric.embed(reconstructions)
    expected = [torch.dist(one, other) for one, other in zip(*embedded, strict=True)]
    torch.testing.assert_close(distances, torch.stack(expected))
    torch.testing.assert_close(metric(reconstructions, originals), distances)
    assert (metric(originals, originals) == 0).all() and ((distances > 0) & (distances <= 2)).all()
    torch.testing.assert_close(embedded[0].norm(dim=1), torch.ones(5))


def test_distances_keep_their_bounds_on_flat_and_extreme_images():
    metric = SemSim.from_pretrained("embedded")
    greys = torch.tensor([0, 1, 128, 225, 228, 255]) / 255
    checks = (torch.arange(32)[:, None] + torch.arange(32)).remainder(2).float().expand(1, 3, -1, -1)
    extreme = torch.cat([greys[:, None, None, None].expand(-1, 3, 32, 32), checks, 1 - checks])
    first, second = torch.cartesian_prod(*[torch.arange(len(extreme))] * 2).T
    with torch.no_grad():
        distances = metric(extreme[first], extreme[second])
    assert (distances[first == second] == 0).all() and distances.max() <= 2 and distances.isfinite().all()


def test_embeddings_of_one_metric_may_be_left_as_they_are():
    torch.manual_seed(0)
    raw = SemSim("vgg3", width=4, image_size=16, normalised=False).eval()
    lengths = raw.embed(pairs()[0]).norm(dim=1)
    assert (lengths - 1).abs().min() > 1e-3


def test_reductions(metric):
    originals, reconstructions = pairs()
    each = metric(originals, reconstructions)
    for reduction, expected in (("mean", each.mean()), ("sum", each.sum())):
        metric.reduction = reduction
        torch.testing.assert_close(metric(originals, reconstructions), expected)
    with pytest.raises(SemsimError, match="reduction 'max' is not known. Choose one of none, mean, sum"):
        SemSim("vgg3", width=4, reduction="max")


def test_images_of_other_sizes_are_resized(metric):
    originals, reconstructions = pairs(size=24)
    assert metric(originals, reconstructions).shape == (5,)
    small = torch.nn.functional.interpolate(originals, (16, 16), mode="bilinear", antialias=True)
    torch.testing.assert_close(metric.embed(originals), metric.embed(small.clamp(0, 1)))


def test_distances_can_be_differentiated(metric):
    originals, reconstructions = pairs()
    reconstructions.requires_grad_()
    metric(originals, reconstructions).sum().backward()
    assert reconstructions.grad.isfinite().all() and reconstructions.grad.abs().sum() > 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda images: images[:, :1], r"images are \[5, 1, 16, 16\], but must be \[N, 3, H, W\]"),
        (lambda images: images[0], r"images are \[3, 16, 16\]"),
        (lambda images: images[:0], r"images are \[0, 3, 16, 16\]"),
        (lambda images: (255 * images).byte(), "torch.uint8, but must be floats"),
        (lambda images: images * 255, "images range from .* but must be finite and in"),
        (lambda images: images - 0.5, "images range from -0.5 to 0.5"),
        (lambda images: images.where(images > 0.1, torch.nan), "images range from nan"),
        (lambda images: images.to("meta"), "images are on meta, but the metric is on cpu"),
    ],
)
def test_what_are_no_images_is_refused(metric, change, message):
    images = change(pairs()[0])
    with pytest.raises(SemsimError, match=message):
        metric(images, images)


@pytest.mark.parametrize("kind", [torch.float64, torch.float16])
def test_floats_of_all_sizes_are_taken(metric, kind):
    originals, reconstructions = pairs().to(kind)
    expected = metric(originals.float(), reconstructions.float())
    torch.testing.assert_close(metric(originals, reconstructions), expected, rtol=0, atol=0)
    assert metric.double()(originals, reconstructions).dtype == torch.float64


def test_arrays_of_numpy_are_taken(metric):
    bytes_ = np.random.default_rng(1).integers(256, size=(2, 5, 16, 16, 3), dtype=np.uint8)
    originals, reconstructions = (bytes_ / 255).transpose(0, 1, 4, 2, 3)  # float64, and not contiguous
    expected = metric(*torch.from_numpy(bytes_).permute(0, 1, 4, 2, 3).float() / 255)
    torch.testing.assert_close(metric(originals, reconstructions), expected)
    originals.flags.writeable = False
    torch.testing.assert_close(metric(originals, list(reconstructions)), expected)
    mean = MeanSemSim(metric)
    mean.update(originals, reconstructions)
    torch.testing.assert_close(mean.compute(), expected.mean().detach())


@pytest.mark.parametrize("images", ["a.png", None, [[1], [1, 2]], {"a": 1}])
def test_what_are_no_arrays_is_refused(metric, images):
    with pytest.raises(SemsimError, match="images are a .* that holds no array of numbers. Give a tensor or a NumPy"):
        metric(images, images)


def test_weights_of_the_package_have_names(metric):
    shipped = SemSim.from_pretrained("embedded")
    assert not shipped.training and shipped.config["backbone"] == "mobilenet"
    originals, reconstructions = pairs(size=32)
    assert shipped(originals, reconstructions).shape == (5,)


def test_what_are_no_pairs_is_refused(metric):
    originals, reconstructions = pairs()
    with pytest.raises(SemsimError, match=r"originals are \[5, 3, 16, 16\], but reconstructions \[4, 3, 16, 16\]"):
        metric(originals, reconstructions[:4])


def test_a_metric_comes_back_from_its_files(metric, tmp_path):
    metric.train()(*pairs(seed=3))  # BatchNorm remembers something
    metric.eval().save_pretrained(tmp_path / "weights", card="# A metric\n")
    again = SemSim.from_pretrained(tmp_path / "weights")
    assert not again.training and again.config == metric.config
    torch.testing.assert_close(again(*pairs()), metric(*pairs()), rtol=0, atol=0)
    assert (tmp_path / "weights" / "CARD.md").read_text() == "# A metric\n"
    assert sorted(path.name for path in (tmp_path / "weights").iterdir()) == [
        "CARD.md",
        "config.json",
        "model.safetensors",
    ]


def test_damaged_files_are_told(metric, tmp_path):
    with pytest.raises(SemsimError, match="config.json: cannot be read .* Give a folder of weights, .*: embedded"):
        SemSim.from_pretrained(tmp_path / "nowhere")
    metric.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"width": 5}))
    with pytest.raises(SemsimError, match="not the weights of the metric that config.json describes"):
        SemSim.from_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(config | {"depth": 5}))
    with pytest.raises(SemsimError, match="config.json: not the configuration of a SemSim"):
        SemSim.from_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(config))
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-10])
    with pytest.raises(SemsimError, match="model.safetensors: damaged"):
        SemSim.from_pretrained(tmp_path)


def test_torchmetric_is_the_mean_over_batches(metric):
    originals, reconstructions = pairs(7)
    metric.reduction = "sum"  # plays no part
    mean = MeanSemSim(metric)
    for batch in (slice(0, 3), slice(3, 7)):
        mean.update(originals[batch], reconstructions[batch])
    torch.testing.assert_close(mean.compute(), metric.distances(originals, reconstructions).mean().detach())
    mean.reset()
    mean.update(originals[:1], originals[:1])
    assert mean.compute() == 0 and not mean.higher_is_better
