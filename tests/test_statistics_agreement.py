"""Agreement of annotators, against published examples, the definition, and the published human study."""

import krippendorff
import numpy as np
import pandas as pd
import pytest

from semsim.labels import with_truth
from semsim.labels.human_study import find_labels, read_human_study
from semsim.statistics.agreement import (
    count_answers,
    describe_agreement,
    fleiss_kappa,
    krippendorff_alpha,
    resampled_alpha,
)

# The example of Wikipedia's article "Fleiss' kappa": 10 subjects, 14 raters, 5 categories.
FLEISS = np.array(
    [
        [0, 0, 0, 0, 14],
        [0, 2, 6, 4, 2],
        [0, 0, 3, 5, 6],
        [0, 3, 9, 2, 0],
        [2, 2, 8, 1, 1],
        [7, 7, 0, 0, 0],
        [3, 2, 6, 3, 0],
        [2, 5, 3, 2, 2],
        [6, 5, 2, 1, 0],
        [0, 2, 2, 3, 7],
    ]
)


def answers_of(named, truth, originals=None):
    """Return a table of answers; `named` is [images, annotators], None where there is no label."""
    images = range(len(named))
    originals = images if originals is None else originals
    rows = [
        ("shapes", original, f"image {image}", f"annotator {place}", label, given, given == label)
        for image, label, original in zip(images, truth, originals, strict=True)
        for place, given in enumerate(named[image])
        if given is not None
    ]
    columns = ["dataset", "original", "image", "annotator", "label", "named", "recognised"]
    return pd.DataFrame(rows, columns=columns).assign(kind="human")


def pick(table, **keys):
    """Return the one row with these keys."""
    rows = table[np.logical_and.reduce([table[name] == value for name, value in keys.items()])]
    assert len(rows) == 1
    return rows.iloc[0]


@pytest.fixture(scope="module")
def published(mirror):
    study = read_human_study(find_labels(mirror))
    return with_truth(study.labels, study.images)


def test_fleiss_kappa_of_the_textbook_example():
    assert fleiss_kappa(FLEISS) == pytest.approx(0.20993, abs=5e-6)


def test_krippendorff_alpha_of_the_textbook_example():
    # Krippendorff, "Computing Krippendorff's Alpha-Reliability", 2011: nominal data, any number of observers, gaps.
    observers = [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
        [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
    ]
    counts = count_answers(answers_of([*zip(*observers, strict=True)], truth=[0] * 12), "named")
    assert krippendorff_alpha(counts) == pytest.approx(0.743, abs=5e-4)


def counts_with_gaps(images=40):
    """Return how often each of five answers was given: from 0 to 5 labels an image, and an answer that nobody gave."""
    generator = np.random.default_rng(1)
    counts = generator.multinomial(4, [0.5, 0.3, 0.15, 0.05, 0], size=images).astype(float)
    counts[:5, 0] += 1
    counts[5:7] = [[1, 0, 0, 0, 0], [0, 0, 0, 0, 0]]
    return counts


def test_alpha_of_each_answer_makes_the_alpha_of_all():
    counts = counts_with_gaps()
    at_once = krippendorff.alpha(value_counts=counts, level_of_measurement="nominal")
    assert krippendorff_alpha(counts) == pytest.approx(at_once, abs=1e-12)


def test_alpha_of_tables_is_alpha_of_resamples():
    counts = counts_with_gaps()
    whole = resampled_alpha(counts, np.arange(len(counts)), np.ones((1, len(counts))))
    assert whole == pytest.approx([krippendorff_alpha(counts)], abs=1e-12)


@pytest.mark.parametrize("counts", [np.zeros((0, 0)), [[2.0, 0.0], [2.0, 0.0]], [[1.0, 0.0], [0.0, 1.0]]])
def test_alpha_of_what_cannot_disagree_is_undefined(counts):
    assert np.isnan(krippendorff_alpha(np.array(counts)))


def test_alpha_of_a_resample_is_that_of_the_repeated_rows():
    counts = counts_with_gaps()
    originals = np.repeat(np.arange(10), 4)
    weights = np.random.default_rng(2).multinomial(10, np.full(10, 0.1), size=20)
    expected = [krippendorff_alpha(np.repeat(counts, drawn[originals], axis=0)) for drawn in weights]
    assert resampled_alpha(counts, originals, weights) == pytest.approx(expected, abs=1e-12)


def test_undefined_agreement_is_nan_with_a_reason():
    table = describe_agreement(answers_of([[1, 1], [1, 1]], truth=[1, 1]), 20, 1)
    alpha = pick(table, statistic="krippendorff_alpha", answer="recognised")
    assert np.isnan(alpha["value"]) and alpha["note"] == "all answers are equal, or no image has two labels"
    table = describe_agreement(answers_of([[1, 2], [1, None]], truth=[1, 1]), 20, 1)
    kappa = pick(table, statistic="fleiss_kappa", answer="named")
    assert np.isnan(kappa["value"]) and kappa["note"] == "images have different numbers of labels"
    table = describe_agreement(answers_of([[1, None], [None, 1]], truth=[1, 1]), 20, 1)
    pair = pick(table, statistic="pairwise_agreement", answer="named")
    assert np.isnan(pair["value"]) and pair["note"] == "no image labelled by both"
    bias = pick(table, statistic="bias", annotator="annotator 0")
    assert np.isnan(bias["value"]) and bias["note"] == "no other annotator labelled the same images"


def test_rates_and_biases_of_annotators():
    table = describe_agreement(answers_of([[1, -1, 2], [2, -1, 2]], truth=[1, 2]), 50, 1)
    rates = [pick(table, statistic="recognition_rate", annotator=f"annotator {i}")["value"] for i in range(3)]
    assert rates == [1, 0, 0.5]
    assert pick(table, statistic="cannot_tell_rate", annotator="annotator 1")["value"] == 1
    biases = [pick(table, statistic="bias", annotator=f"annotator {i}")["value"] for i in range(3)]
    assert biases == [0.75, -0.75, 0]
    pair = pick(table, statistic="pairwise_agreement", answer="named", annotator="annotator 0", other="annotator 2")
    assert pair["value"] == 0.5 and pair["count"] == 2
    assert (pair["low"], pair["high"]) == pytest.approx((0.0945, 0.9055), abs=1e-4)  # Wilson's
    assert pair["note"] == "only 2 originals: the interval is rough"


def test_a_share_of_all_has_an_interval():
    table = describe_agreement(answers_of([[1, 1], [2, 2], [3, 3], [4, 4]], truth=[1, 2, 3, 4]), 50, 1)
    for statistic in ("recognition_rate", "pairwise_agreement"):
        for row in table[table["statistic"] == statistic].itertuples():
            assert (row.value, row.high) == (1, 1) and row.low == pytest.approx(0.5101, abs=1e-4)
            assert row.note == "only 4 originals: the interval is rough"


@pytest.mark.parametrize("classes", [2, 3, 4, 6, 12])
def test_every_value_lies_in_its_interval(classes):
    """Copies of an original agree with each other, so that alpha is lower in every resample."""
    truth = [image % classes for image in range(12)]
    named = [[-1 if (i + j) % 3 == 0 else truth[i] for j in range(3)] for i in range(12)]
    table = describe_agreement(answers_of(named, truth), 300, 1).dropna(subset="value")
    assert (table["low"] <= table["value"]).all() and (table["value"] <= table["high"]).all()
    assert (table["note"] == "").all()


def test_images_of_one_original_are_drawn_together():
    named = [[1, 1]] * 40 + [[1, 2]] * 40
    apart = describe_agreement(answers_of(named, [1] * 80), 500, 1)
    together = describe_agreement(answers_of(named, [1] * 80, np.arange(80) // 8), 500, 1)
    keys = {"statistic": "pairwise_agreement", "answer": "named"}
    widths = [pick(table, **keys)["high"] - pick(table, **keys)["low"] for table in (apart, together)]
    assert widths[1] > 2 * widths[0]


def test_the_published_agreement(published):
    table = describe_agreement(published, 300, 1)
    for statistic, answer, value in (
        ("krippendorff_alpha", "recognised", 0.374),
        ("krippendorff_alpha", "named", 0.579),
        ("fleiss_kappa", "recognised", 0.374),
    ):
        row = pick(table, statistic=statistic, answer=answer)
        assert row["value"] == pytest.approx(value, abs=1e-3)
        assert row["low"] < row["value"] < row["high"] < row["low"] + 0.1
    biases = table.loc[table["statistic"] == "bias", "value"]
    assert len(biases) == 5 and abs(biases.sum()) < 1e-9
