"""Folds: what is apart in them, and that nothing is missed."""

from itertools import product

import numpy as np
import pandas as pd
import pytest

from semsim.errors import SemsimError
from semsim.learned.folds import make_folds


def table_of(datasets=("a", "b"), targets=("m", "n", "o"), attacks=("x", "y"), originals=7):
    rows = product(datasets, targets, attacks, range(originals))
    return pd.DataFrame(rows, columns=["dataset", "target", "attack", "original"]).sample(frac=1, random_state=0)


def test_training_and_test_share_neither_originals_nor_what_is_left_out():
    table = table_of()
    folds = make_folds(table, parts=3, seed=1)
    assert len(folds) == 3 + 2 + 3 * 3 + 2 * 3 and len({fold.name for fold in folds}) == len(folds)
    for fold in folds:
        training, test = table[fold.training], table[fold.test]
        keys = [set(zip(part["dataset"], part["original"], strict=True)) for part in (training, test)]
        assert len(training) and len(test) and not keys[0] & keys[1], fold.name
        if fold.kind != "within":
            assert not set(training[fold.kind]) & set(test[fold.kind]), fold.name


def test_every_pair_is_tested_once_by_each_kind_of_folds():
    table = table_of()
    folds = make_folds(table, parts=3, seed=1)
    for kind in ("within", "dataset", "target", "attack"):
        tested = np.sum([fold.test for fold in folds if fold.kind == kind], axis=0)
        assert (tested == 1).all(), kind


def test_parts_are_of_one_size_and_follow_the_seed():
    table = table_of()
    tests = [[fold.test for fold in make_folds(table, parts=3, seed=seed)[:3]] for seed in (1, 1, 2)]
    sizes = [table[test].groupby("dataset")["original"].nunique() for test in tests[0]]
    assert all(size.between(2, 3).all() for size in sizes)
    assert np.array_equal(tests[0], tests[1]) and not np.array_equal(tests[0], tests[2])


def test_what_there_is_one_of_is_not_left_out():
    kinds = {fold.kind for fold in make_folds(table_of(datasets=("a",), attacks=("x",)), parts=2, seed=1)}
    assert kinds == {"within", "target"}


def test_too_few_originals_are_told():
    with pytest.raises(SemsimError, match="a: 7 labelled originals cannot be divided into 8 parts"):
        make_folds(table_of(), parts=8, seed=1)
