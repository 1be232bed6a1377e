"""Trials of SemSim on folds, and the logistic combination that it is held against."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
import torch
from small_study import smooth_images

from semsim.io.tables import KEYS
from semsim.learned.combination import choose_metric, combine_metrics
from semsim.learned.folds import exclusions, make_folds
from semsim.learned.metric import SemSim
from semsim.learned.pairs import LabelledPairs
from semsim.learned.settings import Variant
from semsim.learned.training import area_under_curve
from semsim.learned.trials import MEASURED, Learner, try_folds
from semsim.targets.models import build_target, initial_weights
from semsim.targets.recipe import Recipe

SETTINGS = {
    "backbone": "vgg3",
    "width": 4,
    "start": "classifier",
    "normalised": True,
    "loss": "triplet",
    "margin": 0.3,
    "anchor": "original",
    "reference": "original",
    "label_share": 1.0,
}
RECIPE = Recipe(epochs=1, batch_size=16, optimiser="adamw", schedule="one-cycle", learning_rate=0.01)


def labelled(recognised=(0.8, 0.2)):
    """Return pairs of two attacks on eight originals; the first attack's are clear."""
    originals = np.repeat(smooth_images(8, seed=1), 2, axis=0)
    noise = np.tile([0, 90], 8)[:, None, None, None] * np.random.default_rng(0).standard_normal(originals.shape)
    table = pd.DataFrame({"dataset": "shapes", "target": "t", "original": np.repeat(range(8), 2)})
    table = table.assign(
        attack=["clear", "noisy"] * 8, label=table["original"] % 3, architecture="vgg3", defence="none"
    )
    shown = (originals + noise).clip(0, 255).astype(np.uint8)
    return LabelledPairs(originals, shown, table.assign(recognition_rate=np.tile(recognised, 8)))


def learner(seed=1, **settings):
    with initial_weights(3):
        classifier = build_target("vgg3", 3, 32, 4).eval()
    return Learner(Variant(**SETTINGS | settings), RECIPE, SemSim.from_classifier(classifier), seed)


def tried(pairs, exclusion="within", **settings):
    kept = {}
    folds = make_folds(pairs.table, exclusion, 2, seed=1)
    return *try_folds(learner(**settings), pairs, folds, exclusion, kept.__setitem__), kept


def test_every_pair_is_measured_by_the_metric_that_did_not_learn_from_its_original():
    pairs = labelled()
    measured, curves, counts, kept = tried(pairs)
    assert list(measured.columns) == MEASURED and len(measured) == 16 and set(kept) == {0, 1}
    assert (measured["note"] == "").all() and set(curves["part"]) == {0, 1} and len(counts) == 4
    for part, metric in kept.items():
        rows = measured[measured["part"] == part]
        chosen = pairs.table.reset_index().merge(rows, on=["attack", "original"])
        tensors = [torch.from_numpy(images[chosen["index"]]) / 255 for images in pairs[:2]]
        with torch.no_grad():
            np.testing.assert_allclose(metric(*tensors), chosen["semsim"], atol=1e-6)


def test_the_baseline_is_the_classifier_before_it_learns():
    pairs = labelled()
    measured = tried(pairs)[0]
    plain = learner().plain.eval()
    tensors = [torch.from_numpy(images) / 255 for images in pairs[:2]]
    with torch.no_grad():
        expected = pairs.table.assign(expected=plain(*tensors).numpy())
    both = measured.merge(expected, on=["attack", "original"])
    np.testing.assert_allclose(both["classifier_features"], both["expected"], atol=1e-6)
    assert not np.allclose(measured["semsim"], measured["classifier_features"], atol=1e-3)


def test_the_same_seed_gives_the_same_distances():
    one, again, other = (tried(labelled(), seed=seed)[0]["semsim"] for seed in (1, 1, 2))
    assert one.equals(again) and not one.equals(other)


@pytest.mark.parametrize("change", [{"loss": "weighted"}, {"loss": "ordinal"}, {"anchor": "released"}, {"margin": 2}])
def test_every_ablation_learns_something_else(change):
    assert not np.allclose(tried(labelled())[0]["semsim"], tried(labelled(), **change)[0]["semsim"], atol=1e-4)


@pytest.mark.parametrize("evaluation", ["unnormalised", "itself"])
def test_another_evaluation_has_the_same_weights(evaluation):
    (measured, *_, kept), (again, *_, others) = tried(labelled()), tried(labelled(), evaluation=evaluation)
    for part, metric in kept.items():
        state, other = metric.state_dict(), others[part].state_dict()
        assert all(torch.equal(state[name], other[name]) for name in state) and others[part].config == metric.config
    assert again["classifier_features"].equals(measured["classifier_features"])
    assert not np.allclose(again["semsim"], measured["semsim"], atol=1e-3)


def test_embeddings_that_are_not_scaled_are_the_features_of_the_same_weights():
    pairs = labelled()
    measured, *_, kept = tried(pairs, evaluation="unnormalised")
    for part, metric in kept.items():
        rows = measured[measured["part"] == part]
        chosen = pairs.table.reset_index().merge(rows, on=["attack", "original"])
        one, other = (torch.from_numpy(images[chosen["index"]]) / 255 for images in pairs[:2])
        with torch.no_grad():
            expected = (metric.backbone.features(one) - metric.backbone.features(other)).norm(dim=1)
        np.testing.assert_allclose(expected, chosen["semsim"], rtol=1e-4)


def test_compared_with_itself_every_reconstruction_is_at_distance_zero():
    measured = tried(labelled(), evaluation="itself")[0]
    assert (measured["semsim"] == 0).all()
    recognised = labelled().table["recognition_rate"].to_numpy() > 0.5
    assert area_under_curve(measured["semsim"].to_numpy(), recognised) == 0.5


def test_a_share_of_the_labels_is_learnt_from():
    counts = tried(labelled(), label_share=0.75)[2]
    assert (
        counts[["same original", "same class", "any"]].to_numpy().sum() < tried(labelled())[2].iloc[:, 1:4].sum().sum()
    )


def test_where_nothing_can_be_learnt_the_reason_stands_beside_the_start():
    measured, curves, counts, kept = tried(labelled(recognised=(0.2, 0.2)))
    assert measured["note"].str.contains("are unrecognised, so there are no triplets").all()
    np.testing.assert_allclose(measured["semsim"], measured["classifier_features"])
    assert curves.empty and counts.empty and len(kept) == 2 and "epoch" in curves and "same class" in counts


def test_what_nobody_labelled_has_no_folds():
    measured, curves, *_, kept = tried(labelled(), "attack-other")
    assert measured.empty and list(measured.columns) == MEASURED and curves.empty and not kept


def table_of_metrics(seed=0):
    generator = np.random.default_rng(seed)
    pairs = labelled().table
    return pairs.assign(good=pairs["recognition_rate"] + generator.normal(0, 0.1, 16), bad=generator.normal(size=16))


def test_the_combination_finds_the_metric_that_tells():
    table = table_of_metrics()
    found = combine_metrics(table, ["good", "bad"], "within", 2, seed=1)
    both = table.merge(found, on=["attack", "original"])
    assert len(found) == 16 and both.loc[both["recognition_rate"] > 0.5, "combination"].min() > 0
    assert both.loc[both["recognition_rate"] < 0.5, "combination"].max() < 0


def test_the_combination_learns_nothing_from_the_test():
    table = table_of_metrics()
    found = combine_metrics(table, ["good", "bad"], "within", 2, seed=1)
    fold = make_folds(table, "within", 2, seed=1)[0]
    changed = table.copy()
    changed.loc[fold.test, "recognition_rate"] = 1 - changed.loc[fold.test, "recognition_rate"]
    again = combine_metrics(changed, ["good", "bad"], "within", 2, seed=1)
    first = len(table[fold.test])
    np.testing.assert_allclose(found["combination"][:first], again["combination"][:first])


def test_metrics_with_gaps_are_left_out_of_the_combination():
    table = table_of_metrics()
    expected = combine_metrics(table, ["good"], "within", 2, seed=1)
    table.loc[3, "bad"] = np.nan
    assert combine_metrics(table, ["good", "bad"], "within", 2, seed=1).equals(expected)
    assert combine_metrics(table, ["bad"], "within", 2, seed=1)["combination"].isna().all()


def test_exclusions_need_something_that_is_left():
    names = exclusions({"dataset": ["a"], "architecture": ["x", "y"], "defence": ["none"], "attack": ["d"]})
    assert names == ["within", "architecture-x", "architecture-y"]


def test_the_best_metric_is_chosen_on_other_folds():
    table = table_of_metrics()
    found = choose_metric(table.assign(up=-table["bad"]), {"good": True, "bad": False, "up": True}, "within", 2, seed=1)
    both = table.merge(found, on=["attack", "original"])
    assert (found["chosen"] == "good").all() and found["best_metric"].between(0, 1).all()
    assert both[["good", "best_metric"]].corr("spearman").iloc[0, 1] > 0.9
    fold = make_folds(table, "within", 2, seed=1)[0]
    changed = table.copy()
    changed.loc[fold.test, "recognition_rate"] = 1 - changed.loc[fold.test, "recognition_rate"]
    again = choose_metric(changed, {"good": True, "bad": False}, "within", 2, seed=1)
    first = len(table[fold.test])
    np.testing.assert_allclose(found["best_metric"][:first], again["best_metric"][:first])


def test_the_best_of_many_metrics_that_know_nothing_is_at_chance():
    """Chosen on the data on which it is measured, the best of twenty would reach 0.6."""
    generator = np.random.default_rng(1)
    areas = []
    for seed in range(30):
        pairs = pd.DataFrame(product("d", "a", ["x", "y"], range(30)), columns=KEYS)
        rates = generator.integers(0, 2, len(pairs))
        names = {f"metric {number}": True for number in range(20)}
        table = pairs.assign(recognition_rate=rates, **{name: generator.normal(size=len(pairs)) for name in names})
        found = table.merge(choose_metric(table, names, "within", 3, seed), on=KEYS)
        areas.append(area_under_curve(-found["best_metric"].to_numpy(), found["recognition_rate"].to_numpy() > 0.5))
    assert np.mean(areas) == pytest.approx(0.5, abs=0.04)


def test_a_metric_without_values_is_never_chosen_and_nothing_to_choose_by_is_told():
    table = table_of_metrics()
    assert (
        choose_metric(table.assign(gone=np.nan), {"gone": True, "bad": True}, "within", 2, 1)["chosen"] == "bad"
    ).all()
    alike = table.assign(recognition_rate=0.0)
    found = choose_metric(alike, {"good": True}, "within", 2, seed=1)
    assert found["best_metric"].isna().all() and found["chosen"].isna().all()
