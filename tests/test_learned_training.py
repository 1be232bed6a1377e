"""SemSim's triplets and training."""

import numpy as np
import pandas as pd
import pytest
import torch
from small_study import attack_table, small_study, smooth_images, write_reconstructions

from semsim.errors import SemsimError
from semsim.learned.pairs import LabelledPairs, read_pairs, split_by_original
from semsim.learned.settings import SemSimSettings
from semsim.learned.training import area_under_curve, random_semsim, train_semsim
from semsim.learned.triplets import TripletSampler
from semsim.targets.recipe import Recipe


def table_of(*rows):
    """Return a table of pairs of rows (dataset, label, original, recognition_rate)."""
    return pd.DataFrame(rows, columns=["dataset", "label", "original", "recognition_rate"])


def drawn(sampler, count=4000):
    return [rows.numpy() for rows in sampler.draw(count, torch.Generator().manual_seed(0))]


def test_partners_come_from_the_same_original_else_the_class_else_anywhere():
    table = table_of(
        ("a", 0, 0, 1.0),
        ("a", 0, 0, 0.2),
        ("a", 0, 1, 0.8),  # its class has an unrecognised pair
        ("a", 1, 2, 0.6),  # nothing unrecognised in its class
        ("b", 0, 0, 0.5),  # one half is no majority; nothing recognised in its class, though "a" has a class 0
    )
    sampler = TripletSampler(table)
    assert sampler.counts.loc["recognised"].to_dict() == {"same original": 1, "same class": 1, "any": 1}
    assert sampler.counts.loc["unrecognised"].to_dict() == {"same original": 1, "same class": 0, "any": 1}
    seen = set(zip(*drawn(sampler), strict=True))
    assert seen == {(0, 1), (2, 1), (3, 1), (3, 4), (0, 4), (2, 4)}


def test_every_pair_is_drawn_as_often_as_any_other_of_its_side():
    rates = np.array([1.0, 1.0, 1.0, 0.0])
    recognised, unrecognised = drawn(TripletSampler(table_of(*(("a", 0, 0, rate) for rate in rates))))
    np.testing.assert_allclose(np.bincount(recognised)[:3] / 4000, 1 / 3, atol=0.03)
    assert (unrecognised == 3).all()
    again = drawn(TripletSampler(table_of(*(("a", 0, 0, rate) for rate in rates))))
    assert np.array_equal(again[0], recognised)


@pytest.mark.parametrize(("rate", "which"), [(1.0, "recognised"), (0.0, "unrecognised")])
def test_without_triplets_there_is_a_reason(rate, which):
    with pytest.raises(SemsimError, match=f"All 2 labelled reconstructions are {which}, so there are no triplets"):
        TripletSampler(table_of(("a", 0, 0, rate), ("a", 1, 1, rate)))


def labelled(originals, seed):
    """Return pairs, four an original; those are recognised whose noise is weak, whatever their brightness."""
    generator = np.random.default_rng(seed)
    references = np.repeat(smooth_images(originals, seed), 4, axis=0)
    noise = np.tile([0, 0, 90, 90], originals)[:, None, None, None]
    shift = generator.choice([-60, 60], (len(references), 1, 1, 1)) * (noise == 0)
    shown = references + shift + noise * generator.standard_normal(references.shape)
    table = pd.DataFrame(
        {"dataset": "shapes", "target": "t", "attack": "a", "original": np.repeat(range(originals), 4)}
    )
    table = table.assign(label=table["original"] % 3, recognition_rate=(noise == 0).ravel() * 0.8)
    return LabelledPairs(references, shown.clip(0, 255).astype(np.uint8), table)


SHORT = Recipe(epochs=4, batch_size=32, optimiser="adamw", schedule="one-cycle", learning_rate=0.01)


def train(seed=1, originals=40, recipe=SHORT, device="cpu", **settings):
    pairs = split_by_original(labelled(originals, seed=2), 0.25, seed=1)
    settings = SemSimSettings(backbone="vgg3", width=4, **settings)
    start = random_semsim(pairs[0].references, settings, seed).to(device)
    return train_semsim(start, *pairs, settings, recipe, seed)


def test_semsim_learns_what_annotators_recognise(device):
    metric, curves, counts = train(device=device)
    assert len(curves) == 4 and curves["validation_auc"].iloc[-1] > 0.95
    assert counts.loc["recognised", "same original"] == 60
    unseen = labelled(10, seed=9)
    tensors = (torch.from_numpy(images).to(device) / 255 for images in unseen[:2])
    with torch.no_grad():
        distances = metric(*tensors).cpu().numpy()
    assert area_under_curve(distances, unseen.table["recognition_rate"].to_numpy() > 0.5) > 0.95


def test_same_seed_same_weights():
    one, again, other = (train(seed, recipe=Recipe(epochs=1, learning_rate=0.01))[0].state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)


def test_the_best_epoch_is_kept():
    recipe = Recipe(epochs=6, batch_size=16, learning_rate=0.3)
    metric, curves, _ = train(4, originals=12, recipe=recipe)
    _, held_out = split_by_original(labelled(12, seed=2), 0.25, seed=1)
    tensors = (torch.from_numpy(images).float() / 255 for images in held_out[:2])
    with torch.no_grad():
        auc = area_under_curve(metric(*tensors).numpy(), held_out.table["recognition_rate"].to_numpy() > 0.5)
    assert auc == pytest.approx(curves["validation_auc"].max(), abs=0.02)


def test_divergence_is_explained():
    with pytest.raises(SemsimError, match="not finite in epoch . of 2. Lower the learning rate"):
        train(recipe=Recipe(epochs=2, learning_rate=1e30), normalised=False)


def test_area_under_the_curve_counts_pairs():
    generator = np.random.default_rng(0)
    distances, recognised = generator.integers(0, 5, 30) / 4, generator.random(30) < 0.4
    near, far = distances[recognised][:, None], distances[~recognised]
    expected = ((near < far) + 0.5 * (near == far)).mean()
    assert area_under_curve(distances, recognised) == pytest.approx(expected)
    assert np.isnan(area_under_curve(distances, np.ones(30, dtype=bool)))


def test_held_out_originals_are_not_trained_on():
    training, held_out = split_by_original(labelled(10, seed=2), 0.2, seed=3)
    assert held_out.table["original"].nunique() == 2 and len(training) + len(held_out) == 40
    assert not set(training.table["original"]) & set(held_out.table["original"])
    one = labelled(10, seed=2)
    with pytest.raises(SemsimError, match="shapes: labels of one original only"):
        split_by_original(one.where(one.table["original"] == 0), 0.2, seed=3)


def test_pairs_are_read_with_their_rates(tmp_path_factory):
    study = small_study(tmp_path_factory.getbasetemp())
    rates = pd.read_csv(study / "tables" / "recognition.csv")
    paths = sorted((study / "reconstructions").rglob("*.safetensors"))
    pairs = read_pairs(paths, rates)
    assert len(pairs) == len(rates) == len(pairs.references) == len(pairs.reconstructions)
    keys = ["dataset", "target", "attack", "original"]
    merged = pairs.table.merge(rates, on=keys, suffixes=("", "_given"))
    assert (merged["recognition_rate"] == merged["recognition_rate_given"]).all()
    cropped = pairs.table["target"].to_numpy() == "cropped"
    attacked = read_pairs(paths, rates, "attacked")
    same = (attacked.references[:] == pairs.references[:]).all((1, 2, 3))
    assert same[~cropped].all() and not same[cropped].any()
    with pytest.raises(SemsimError, match="No reconstruction has labels"):
        read_pairs(paths, rates.assign(dataset="other"))


def test_pairs_of_different_sizes_are_brought_to_the_smallest(tmp_path):
    paths, rows = [], []
    for dataset, size in (("small", 16), ("large", 48)):
        images = np.full((2, 3, size, size), 200, np.uint8)
        images[:, :, : size // 2] = 40
        table = attack_table(dataset, "t", "a", np.array([0, 1]))
        paths.append(write_reconstructions(tmp_path, {"original": images, "reconstruction": 255 - images}, table)[0])
        rows.append(table[["dataset", "target", "attack", "original", "label"]].assign(recognition_rate=1.0))
    references, reconstructions, _ = read_pairs(paths, pd.concat(rows))
    assert references.shape == reconstructions.shape == (4, 3, 16, 16)
    assert (references[2:][:, :, :6] == 40).all() and (references[2:][:, :, 10:] == 200).all()
    assert (reconstructions[2:][:, :, :6] == 215).all()
