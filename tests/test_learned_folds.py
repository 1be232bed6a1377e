"""Folds: what is apart in them, and that nothing is missed."""

from itertools import product

import numpy as np
import pandas as pd
import pytest

from semsim.errors import SemsimError
from semsim.learned.folds import FOLD_KINDS, exclusions, group_targets, kind_of_folds, make_folds, with_traits

TARGETS = pd.DataFrame(
    [("m", "lenet", "none", "group-1"), ("n", "lenet", "crop", "group-2"), ("o", "mlp", "none", "group-1")],
    columns=["target", "architecture", "defence", "targets"],
)
VALUES = {
    "target": ["m", "n", "o"],
    "targets": ["group-1", "group-2"],
    "architecture": ["lenet", "mlp"],
    "defence": ["none", "crop"],
    "attack": ["x", "y"],
}
ALL = exclusions({"dataset": ["a", "b"]} | VALUES)


def table_of(originals=7):
    rows = product("ab", "mno", "xy", range(originals))
    table = pd.DataFrame(rows, columns=["dataset", "target", "attack", "original"])
    return table.merge(TARGETS, on="target").sample(frac=1, random_state=0)


@pytest.mark.parametrize("exclusion", ALL)
def test_training_and_test_share_neither_originals_nor_what_is_left_out(exclusion):
    table, kind = table_of(), kind_of_folds(exclusion)
    folds = make_folds(table, exclusion, parts=3, seed=1)
    assert len(folds) == (1 if kind == "dataset" else 3)
    for fold in folds:
        training, test = table[fold.training], table[fold.test]
        keys = [set(zip(part["dataset"], part["original"], strict=True)) for part in (training, test)]
        assert len(training) and len(test) and not keys[0] & keys[1]
        if kind != "within":
            assert set(test[kind]) == {exclusion.partition("-")[2]} and not set(training[kind]) & set(test[kind])


@pytest.mark.parametrize(
    ("exclusion", "held_out"), [("targets-group-1", {"m", "o"}), ("targets-group-2", {"n"}), ("target-m", {"m"})]
)
def test_target_models_that_are_held_out_are_in_no_training(exclusion, held_out):
    table = table_of()
    for fold in make_folds(table, exclusion, parts=3, seed=1):
        assert set(table.loc[fold.test, "target"]) == held_out
        assert set(table.loc[fold.training, "target"]) == {"m", "n", "o"} - held_out


def test_every_pair_is_tested_once_by_each_kind_of_folds():
    table = table_of()
    for kind in FOLD_KINDS:
        chosen = [exclusion for exclusion in ALL if kind_of_folds(exclusion) == kind]
        tested = np.sum([fold.test for name in chosen for fold in make_folds(table, name, 3, seed=1)], axis=0)
        assert (tested == 1).all(), kind


def test_parts_are_of_one_size_and_follow_the_seed():
    table = table_of()
    tests = [[fold.test for fold in make_folds(table, "within", parts=3, seed=seed)] for seed in (1, 1, 2)]
    sizes = [table[test].groupby("dataset")["original"].nunique() for test in tests[0]]
    assert all(size.between(2, 3).all() for size in sizes)
    assert np.array_equal(tests[0], tests[1]) and not np.array_equal(tests[0], tests[2])


def test_the_parts_are_the_same_whatever_is_left_out():
    table = table_of()
    within, without = (make_folds(table, exclusion, 3, seed=1) for exclusion in ("within", "attack-x"))
    for one, other in zip(within, without, strict=True):
        assert np.array_equal(one.test & (table["attack"] == "x"), other.test)


def test_too_few_originals_are_told():
    with pytest.raises(SemsimError, match="a: 7 labelled originals cannot be divided into 8 parts"):
        make_folds(table_of(), "within", parts=8, seed=1)


@pytest.mark.parametrize("groups", [2, 3, 4, 14])
def test_groups_of_target_models_are_of_one_size_and_mix_architectures(groups):
    architectures = {f"{name}-{number}": name for name in ("convnet", "resnet20") for number in range(7)}
    grouped = pd.Series(group_targets(architectures, groups, seed=1))
    assert set(grouped) == {f"group-{number + 1}" for number in range(groups)} and set(grouped.index) == {
        *architectures
    }
    counts = pd.crosstab(grouped, grouped.index.map(architectures))
    assert np.ptp(counts.sum(axis=1)) <= 1 and (np.ptp(counts, axis=0) <= 1).all()


def test_groups_follow_the_seed_and_not_the_order_of_the_configuration():
    architectures = {f"{name}-{number}": name for name in ("mlp", "lenet") for number in range(5)}
    one, again, other = (group_targets(architectures, 3, seed) for seed in (1, 1, 2))
    turned = group_targets(dict(reversed(architectures.items())), 3, 1)
    assert one == again == turned and one != other


def test_target_models_without_traits_have_none():
    table = with_traits(table_of()[["dataset", "target"]], {"m": {"architecture": "lenet", "defence": "none"}})
    assert table.loc[table["target"] == "m", "architecture"].eq("lenet").all()
    assert table["targets"].isna().all() and table.loc[table["target"] != "m", "defence"].isna().all()
