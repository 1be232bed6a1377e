"""SemSim with a pretrained backbone: what it measures, what it learns, and its files."""

import copy
import json

import numpy as np
import pandas as pd
import pytest
import torch
from small_study import smooth_images
from torch.nn import functional
from trunks import random_efficientnet, write_trunk

from semsim import SemSim
from semsim.errors import SemsimError
from semsim.learned.calibrating import fit_calibration, try_calibration
from semsim.learned.classifier import describe_images, open_classifier
from semsim.learned.folds import make_folds
from semsim.learned.pairs import LabelledPairs, MeasuredPairs, split_by_original
from semsim.learned.settings import LOSSES, SemSimSettings, Variant
from semsim.learned.training import area_under_curve, measure_distances, train_semsim
from semsim.learned.trials import Learner, as_evaluated, try_folds
from semsim.pretrained.networks import load_efficientnet
from semsim.pretrained.trunk import Trunk
from semsim.pretrained.weights import LITE, cached_weights, find_weights
from semsim.targets.recipe import Recipe

NAME = "efficientnet_lite0"
RECIPE = Recipe(epochs=5, batch_size=64, optimiser="adamw", schedule="one-cycle", learning_rate=0.001)
SETTINGS = {"backbone": NAME, "start": "classifier", "margin": 0.2}
STAGES = [16, 24, 40, 112, 1280]
"""Channels of each resolution, as its inventors publish them."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a network of random weights under the name of the pretrained one."""
    folder = tmp_path_factory.mktemp("weights")
    write_trunk(NAME, folder)
    return folder


@pytest.fixture(scope="module")
def start(folder):
    return SemSim(NAME, pretrained=folder).eval()


@pytest.fixture
def metric(start):
    """One that has learned something."""
    metric = copy.deepcopy(start)
    with torch.no_grad():
        metric.backbone.logits.normal_(std=0.02, generator=torch.Generator().manual_seed(5))
    return metric


def pairs(count=5, side=40, seed=1):
    generator = torch.Generator().manual_seed(seed)
    originals = functional.interpolate(torch.rand(count, 3, 5, 5, generator=generator), side, mode="bicubic").clamp(
        0, 1
    )
    return originals, (originals + 0.3 * torch.randn(originals.shape, generator=generator)).clamp(0, 1)


def plain_distance(network, original, reconstruction):
    """The distance of LPIPS with equal weights, of one pair, in float64 and written as its equation is."""
    mean, deviation = (torch.tensor(values, dtype=torch.float64).view(1, 3, 1, 1) for values in LITE)
    shown = [(image[None].double() - mean) / deviation for image in (original, reconstruction)]
    total = 0.0
    for stage in network.double().stages():
        shown = [stage(image) for image in shown]
        height, width = shown[0].shape[2:]
        for y in range(height):
            for x in range(width):
                one, other = (features[0, :, y, x] / features[0, :, y, x].norm() for features in shown)
                total += ((one - other) ** 2).sum().item() / (height * width)
    return (total / 5) ** 0.5


def test_the_start_is_the_distance_of_lpips_with_equal_weights(start):
    network = random_efficientnet(NAME)
    originals, reconstructions = pairs(2, side=128)
    with torch.no_grad():
        expected = [plain_distance(network, *pair) for pair in zip(originals, reconstructions, strict=True)]
        np.testing.assert_allclose(start(originals, reconstructions), expected, rtol=1e-3)
    assert start.backbone.trunk.channels == STAGES


def test_stages_are_those_of_the_whole_network(folder):
    network, images = load_efficientnet(find_weights(NAME, folder), NAME), pairs(2, side=96)[0]
    mean, deviation = (torch.tensor(values)[:, None, None] for values in LITE)
    with torch.no_grad():
        expected = network((images - mean) / deviation)
        last = Trunk(NAME, folder)(images)[-1]
        torch.testing.assert_close(network.fc(last.mean((2, 3))), expected, rtol=1e-3, atol=1e-4)


def test_distances_are_zero_symmetric_and_those_of_single_pairs(metric):
    originals, reconstructions = pairs(18)  # more than the network sees at a time
    with torch.no_grad():
        distances = metric(originals, reconstructions)
        assert (metric(originals, originals) == 0).all() and (distances > 0).all()
        torch.testing.assert_close(metric(reconstructions, originals), distances)
        single = [metric(one[None], other[None]) for one, other in zip(originals, reconstructions, strict=True)]
    torch.testing.assert_close(torch.cat(single), distances, rtol=1e-4, atol=1e-5)


def test_flat_and_extreme_images_have_finite_distances(metric):
    greys = torch.tensor([0, 0.25, 0.5, 1])[:, None, None, None].expand(-1, 3, 32, 32)
    distances = metric(greys, greys.flip(0))
    assert distances.isfinite().all() and (distances > 0).all()


def test_small_images_are_enlarged_and_large_ones_reduced(metric):
    for side in (64, 200):
        originals, reconstructions = pairs(3, side)
        resized = [
            functional.interpolate(images, (128, 128), mode="bicubic", antialias=True).clamp(0, 1)
            for images in (originals, reconstructions)
        ]
        torch.testing.assert_close(metric(originals, reconstructions), metric(*resized))


def test_distances_can_be_differentiated_even_of_identical_images(metric):
    originals, reconstructions = pairs(3, 32)
    reconstructions[0] = originals[0]
    reconstructions.requires_grad_()
    metric(originals, reconstructions).sum().backward()
    assert reconstructions.grad.isfinite().all() and reconstructions.grad[1:].abs().sum() > 0


def test_weights_are_never_negative_and_keep_their_sum(metric):
    with torch.no_grad():
        metric.backbone.logits.mul_(100)
    weights = metric.backbone.weights
    assert (weights >= 0).all() and weights.sum().item() == pytest.approx(sum(STAGES) / 5, rel=1e-4)


def test_embeddings_are_the_last_features_at_length_one(metric):
    images = pairs(3, 128)[0]
    with torch.no_grad():
        features, embeddings = metric.features(images), metric.embed(images)
        torch.testing.assert_close(features, metric.backbone.trunk(images)[-1].mean((2, 3)))
        torch.testing.assert_close(metric.backbone.compare(images, images)[1], embeddings)
    torch.testing.assert_close(embeddings, functional.normalize(features, dim=1))
    assert embeddings.shape == (3, 1280)


def test_only_weights_of_channels_learn_and_move_with_the_network(metric):
    assert [name for name, _ in metric.named_parameters()] == list(metric.state_dict()) == ["backbone.logits"]
    originals, reconstructions = pairs(2)
    expected = metric(originals, reconstructions)
    doubled = metric.double()(originals, reconstructions)
    assert doubled.dtype == torch.float64
    torch.testing.assert_close(doubled.float(), expected, rtol=1e-4, atol=1e-5)
    assert metric.train().backbone.trunk.training is False


def test_it_comes_back_from_files_without_the_network(metric, folder, tmp_path):
    metric.save_pretrained(tmp_path, card="# A metric\n")
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 10_000
    again = SemSim.from_pretrained(tmp_path, pretrained=folder)
    assert not again.training and again.config == metric.config and again.config["backbone"] == NAME
    torch.testing.assert_close(again(*pairs()), metric(*pairs()), rtol=0, atol=0)


def test_a_missing_network_is_to_be_fetched(metric, tmp_path):
    metric.save_pretrained(tmp_path)
    for make in (lambda: SemSim.from_pretrained(tmp_path), lambda: SemSim(NAME)):
        with pytest.raises(
            SemsimError, match="the weights of EfficientNet-Lite0 are missing. Run semsim fetch"
        ) as error:
            make()
        assert "\n" not in str(error.value)


def test_another_network_is_refused(metric, tmp_path):
    metric.save_pretrained(tmp_path)
    write_trunk(NAME, tmp_path, seed=4)
    with pytest.raises(SemsimError, match="not those from which this metric learned. .* run semsim fetch") as error:
        SemSim.from_pretrained(tmp_path, pretrained=tmp_path)
    assert str(tmp_path) in str(error.value) and "\n" not in str(error.value)


def test_the_same_weights_in_another_file_are_the_same_network(folder, tmp_path, monkeypatch):
    from safetensors.torch import save_file

    monkeypatch.setenv("SEMSIM_CACHE", str(tmp_path))
    state = {name: each for name, each in random_efficientnet(NAME).state_dict().items() if each.is_floating_point()}
    cached_weights(NAME).parent.mkdir(parents=True)
    save_file(state, cached_weights(NAME))
    assert SemSim(NAME).config == SemSim(NAME, pretrained=folder).config


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"trunk": 5}, "trunk must be a SHA-256"),
        ({"trunk": ["a"]}, "trunk must be a SHA-256"),
        ({"trunk": "x" * 9_000}, "are not those from which this metric learned"),
        ({"width": 4}, "not the configuration of a SemSim"),
        ({"image_size": 10**9}, "not the configuration of a SemSim"),
        ({"pretrained": "/"}, "not the configuration of a SemSim"),
        ({"network": NAME}, "not the configuration of a SemSim"),
        ({"backbone": "vgg3"}, "not the configuration of a SemSim"),
        ({"backbone": "efficientnet_lite2"}, "backbone must be one of"),
    ],
)
def test_a_configuration_of_anybody_is_refused_in_a_line(metric, folder, tmp_path, changes, message):
    metric.save_pretrained(tmp_path)
    config = tmp_path / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | changes))
    with pytest.raises(SemsimError, match=message) as error:
        SemSim.from_pretrained(tmp_path, pretrained=folder)
    assert str(tmp_path) in str(error.value) and "\n" not in str(error.value) and len(str(error.value)) < 1000


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_told(metric, folder, tmp_path, value):
    with torch.no_grad():
        metric.backbone.logits[3] = value
    metric.save_pretrained(tmp_path)
    with pytest.raises(SemsimError, match="has values that are not finite real numbers"):
        SemSim.from_pretrained(tmp_path, pretrained=folder)


def labelled(originals=5, side=24):
    """Return pairs, four an original, two of them noisy and not recognised; the order is mixed."""
    generator = np.random.default_rng(1)
    references = np.repeat(smooth_images(originals, seed=1)[:, :, :side, :side], 4, axis=0)
    noise = np.tile([0, 20, 90, 120], originals)[:, None, None, None]
    shown = (references + noise * generator.standard_normal(references.shape)).clip(0, 255).astype(np.uint8)
    table = pd.DataFrame({"dataset": "shapes", "target": "t", "original": np.repeat(range(originals), 4)})
    table = table.assign(attack=["a", "b", "c", "d"] * originals, label=0, architecture="vgg3", defence="none")
    table = table.assign(recognition_rate=(noise < 50).ravel() * 0.8)
    order = generator.permutation(len(table))
    return LabelledPairs(references[order], shown[order], table.iloc[order].reset_index(drop=True))


def test_prepared_pairs_have_the_distances_of_their_images(metric):
    images = labelled()
    prepared = metric.backbone.prepare(images)
    expected = measure_distances(metric, images)
    torch.testing.assert_close(measure_distances(metric, prepared), expected, rtol=1e-4, atol=1e-5)
    chosen = (images.table["attack"] == "b").to_numpy()
    torch.testing.assert_close(measure_distances(metric, prepared.where(chosen)), expected[np.flatnonzero(chosen)])
    assert (measure_distances(*as_evaluated(metric, prepared, "itself")) == 0).all()


def test_an_original_is_seen_once_however_often_it_occurs(metric, monkeypatch):
    seen = []
    look = type(metric.backbone)._look
    monkeypatch.setattr(
        type(metric.backbone), "_look", lambda self, images: seen.append(len(images)) or look(self, images)
    )
    images = labelled()
    metric.backbone.prepare(images)
    # Once, or in two batches; and not four times.
    assert len(images) + 5 <= sum(seen) <= len(images) + 5 + len(images) // 16


def measured(stage, count=800, seed=2):
    """Return pairs whose recognition depends on the differences in one stage only, amid noise in all of them."""
    generator = np.random.default_rng(seed)
    channels = np.repeat(range(5), STAGES)
    differences = generator.uniform(0, 1, (count, 5))[:, channels] * generator.uniform(0, 0.2, (count, len(channels)))
    differences = differences / np.sqrt(np.array(STAGES))[channels]
    near = np.linalg.norm(differences[:, channels == stage], axis=1)
    table = pd.DataFrame({"dataset": "d", "target": "t", "attack": "a", "original": np.arange(count) // 10, "label": 0})
    return MeasuredPairs(
        differences.astype(np.float32), table.assign(recognition_rate=(near < np.median(near)).astype(float))
    )


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("stage", [0, 3, 4])
def test_it_learns_which_stage_counts(start, stage, loss):
    data, unseen = measured(stage), measured(stage, seed=9)
    settings, recipe = SemSimSettings(**SETTINGS, loss=loss), RECIPE.model_copy(update={"epochs": 20})
    metric, curves, _ = train_semsim(copy.deepcopy(start), *split_by_original(data, 0.2, 1), settings, recipe, seed=1)
    recognised = unseen.table["recognition_rate"].to_numpy() > 0.5
    before, after = (area_under_curve(measure_distances(each, unseen).numpy(), recognised) for each in (start, metric))
    assert after > max(0.97, before + 0.1)
    shares = [part.sum().item() for part in metric.backbone.weights.detach().split(STAGES)]
    grown = np.array(shares) / STAGES
    assert grown.argmax() == stage
    assert list(curves["epoch"]) == list(range(21)) and np.isnan(curves["train_loss"][0])


def test_where_labels_say_nothing_the_start_may_stay(start):
    """Labels at random: whichever epoch is kept is no worse on the validation set than the start."""
    data = measured(0, 300)
    rates = np.random.default_rng(3).integers(0, 2, len(data)).astype(float)
    training, validation = split_by_original(
        MeasuredPairs(data.differences, data.table.assign(recognition_rate=rates)), 0.2, 1
    )
    recognised = validation.table["recognition_rate"].to_numpy() > 0.5
    areas = []
    for seed in range(4):
        metric, curves, _ = train_semsim(
            copy.deepcopy(start), training, validation, SemSimSettings(**SETTINGS), RECIPE, seed
        )
        areas.append(area_under_curve(measure_distances(metric, validation).numpy(), recognised))
        assert areas[-1] == pytest.approx(curves["validation_auc"].max())
        assert curves["validation_auc"][0] == pytest.approx(
            area_under_curve(measure_distances(start, validation).numpy(), recognised)
        )
    assert min(areas) >= curves["validation_auc"][0]


def test_folds_start_from_the_same_features_and_are_held_against_them(start):
    images = labelled()
    learner = Learner(Variant(**SETTINGS), RECIPE, start, seed=1)
    prepared, kept = learner.prepare(images), {}
    measured, curves, _ = try_folds(
        learner, prepared, make_folds(images.table, "within", 2, 1), "within", kept.__setitem__
    )
    both = images.table.reset_index().merge(measured, on=["attack", "original"])
    expected = measure_distances(start, images).numpy()
    np.testing.assert_allclose(both["classifier_features"], expected[both["index"]], rtol=1e-4, atol=1e-5)
    for part, metric in kept.items():
        rows = both[both["part"] == part]
        np.testing.assert_allclose(
            measure_distances(metric, images).numpy()[rows["index"]], rows["semsim"], rtol=1e-4, atol=1e-5
        )
    assert (start.backbone.logits == 0).all() and set(kept) == {0, 1} and set(curves["epoch"]) == {0, 1, 2, 3, 4, 5}


def test_its_chances_rest_on_the_embeddings_of_originals(start, folder, tmp_path):
    images = labelled(8)
    learner = Learner(Variant(**SETTINGS), RECIPE, start, seed=1)
    prepared, trials, kept = learner.prepare(images), [], {}
    for fold in make_folds(images.table, "within", 2, 1):
        kept[fold.part], *_ = learner.learn(prepared.where(fold.training), "x")
        rows = images.table[fold.test].assign(exclusion="within", part=fold.part)
        trials.append(rows.assign(semsim=measure_distances(kept[fold.part], prepared.where(fold.test)).numpy()))
    difficulty = np.linspace(-1, 1, 8)
    tried = try_calibration(images, pd.concat(trials), difficulty, ["within"], 2, 1, lambda _, part: kept[part])
    metric = kept[0]
    metric.calibrate(
        fit_calibration(metric, images, tried, difficulty, {"annotators": "simulated", "labels": 9}, 100, 1)
    )
    assert metric.calibration.direction.shape == (1280,)
    metric.save_pretrained(tmp_path)
    again = SemSim.from_pretrained(tmp_path, pretrained=folder)
    tensors = [torch.from_numpy(each[:4]) / 255 for each in images[:2]]
    chances = again.chances(*tensors)
    torch.testing.assert_close(chances, metric.chances(*tensors))
    assert ((chances > 0) & (chances < 1)).all()


def test_clear_images_are_described_by_its_last_features(start, folder):
    images = smooth_images(3, seed=2)
    opened, last_layer = open_classifier(NAME, pretrained=folder)
    assert opened.config == start.config and last_layer is None
    table = describe_images(opened, images)
    with torch.no_grad():
        np.testing.assert_allclose(table, start.embed(torch.from_numpy(images) / 255), rtol=1e-4, atol=1e-5)


def test_fetched_weights_see_what_a_photograph_shows(monkeypatch, fetched):
    """A blurred photograph is nearer to it than another one is, in the pretrained features."""
    if not find_weights(NAME):
        pytest.skip("needs EfficientNet-Lite0: semsim fetch")
    from skimage import data

    photographs = [
        torch.from_numpy(getattr(data, name)()).permute(2, 0, 1)[None] / 255 for name in ("chelsea", "coffee")
    ]
    cat, cup = (functional.interpolate(each, (64, 64), mode="bilinear", antialias=True) for each in photographs)
    blurred = functional.interpolate(
        functional.interpolate(cat, 24, mode="bilinear", antialias=True), 64, mode="bilinear"
    )
    with torch.no_grad():
        near, far = SemSim(NAME).eval()(torch.cat([cat, cat]), torch.cat([blurred, cup]))
    assert near < 0.75 * far
