"""Tables of labels: what is refused, and recognition rates."""

import pandas as pd
import pytest
from pandas._libs.parsers import STR_NA_VALUES

from semsim.errors import SemsimError
from semsim.io.tables import write_table
from semsim.labels import check_labels, name_images, read_labels, recognition_rates, with_truth
from semsim.labels.images import read_images
from semsim.names import why_no_name


@pytest.fixture
def images():
    """Four images: two originals, from two target models."""
    keys = [(target, original, label) for target in ("mlp", "lenet") for original, label in ((4, 0), (7, 2))]
    table = pd.DataFrame(keys, columns=["target", "original", "label"]).assign(dataset="shapes", attack="dlg")
    return table.assign(image=name_images(table))


@pytest.fixture
def labels(images):
    """Two annotators: one right about everything, the other never sure."""
    right = images[["image", "label"]].assign(
        annotator="ann", kind="human", seconds=1.5, given_at="2026-01-31T12:00:00Z"
    )
    unsure = right.assign(annotator="bob", label=-1, seconds=None, given_at=None)
    table = pd.concat([right.astype({"seconds": object}), unsure], ignore_index=True)
    return table.astype({"seconds": float, "given_at": "str"})[
        ["image", "annotator", "kind", "label", "seconds", "given_at"]
    ]


def test_a_valid_table_comes_back_from_its_file(tmp_path, labels, images):
    write_table(labels, tmp_path / "labels.csv")
    read = read_labels(tmp_path / "labels.csv", images, classes={"shapes": 3})
    pd.testing.assert_frame_equal(read, labels, check_dtype=False)


def test_annotators_may_be_called_by_numbers(tmp_path, labels, images):
    numbered = labels.assign(annotator=labels["annotator"].map({"ann": "1", "bob": "01"}))
    write_table(numbered, tmp_path / "labels.csv")
    read = read_labels(tmp_path / "labels.csv", images, classes={"shapes": 3})
    assert read["annotator"].tolist() == numbered["annotator"].tolist()


def test_times_may_be_unknown_throughout(tmp_path, labels, images):
    write_table(labels.assign(seconds=None, given_at=None), tmp_path / "labels.csv")
    assert (
        read_labels(tmp_path / "labels.csv", images, classes={"shapes": 3})[["seconds", "given_at"]]
        .isna()
        .all(axis=None)
    )


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("label", 3, r"label: unknown class; classes are 0 to 2 for shapes, or -1. See line 4 \(3\)"),
        ("label", -2, r"label: not the number of the class.*See line 4 \(-2\)"),
        ("image", "shapes/mlp/dlg/5", r"image: not in images.csv. See line 4 \('shapes/mlp/dlg/5'\)"),
        ("image", None, r"image: not the name of the image.*See line 4"),
        ("kind", "robot", r"kind: not what the annotator is, one of human, .* See line 4 \('robot'\)"),
        ("annotator", "", r"annotator: not a pseudonym.*See line 4 \(''\)"),
        ("annotator", "NA", r"annotator: not a pseudonym.*no value, such as NA. See line 4 \('NA'\)"),
        ("seconds", -1.0, r"seconds: not time from.*See line 4 \(-1.0\)"),
        ("given_at", "yesterday", r"given_at: not when.*See line 4 \('yesterday'\)"),
        ("annotator", "bob", r"image: labelled twice by one annotator. See line 8 \('shapes/lenet/dlg/4'\)"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(labels, images, column, value, message):
    labels.loc[2, column] = value
    with pytest.raises(SemsimError, match=message):
        check_labels(labels, images, classes={"shapes": 3})


def test_a_label_must_be_given(labels, images):
    labels = labels.astype({"label": float})
    labels.loc[2, "label"] = None
    with pytest.raises(SemsimError, match=r"label: not the number of the class.*See line 4 \(empty\)"):
        check_labels(labels, images, classes={"shapes": 3})


def test_all_problems_are_told_at_once_and_long_lists_are_cut(labels, images):
    labels["label"] = 5
    labels.loc[0, "image"] = "elsewhere"
    with pytest.raises(SemsimError, match=r"line 2 \(5\).*line|and 3 more") as caught:
        check_labels(labels, images, classes={"shapes": 3})
    assert "and 3 more" in str(caught.value) and "'elsewhere'" in str(caught.value)


def test_other_columns_are_refused(labels, images):
    with pytest.raises(SemsimError, match="columns seconds are missing or unknown"):
        check_labels(labels.drop(columns="seconds"), images, classes={"shapes": 3})


def test_an_annotator_with_one_label_is_pointed_out(labels, images):
    labels.loc[7, "annotator"] = "once"
    with pytest.warns(UserWarning, match="only one label by once"):
        check_labels(labels, images, classes={"shapes": 3})


def test_people_who_may_be_one_are_pointed_out(labels, images):
    labels.loc[labels["annotator"] == "bob", "annotator"] = "Ann "
    with pytest.warns(UserWarning, match="annotators 'Ann ' and 'ann'. If they are one person"):
        check_labels(labels, images, classes={"shapes": 3})


def test_names_are_compared_however_their_accents_are_stored(tmp_path, labels, images):
    images = images.assign(image=images["image"].str.replace("lenet", "Zu\u0308rich"))
    labels = labels.assign(image=labels["image"].str.replace("lenet", "Z\u00fcrich"))
    write_table(labels, tmp_path / "labels.csv")
    write_table(images, tmp_path / "images.csv")
    read = read_labels(tmp_path / "labels.csv", read_images(tmp_path / "images.csv"), classes={"shapes": 3})
    assert len(read) == len(labels)


def test_rows_without_an_answer_are_checked_and_left_out(tmp_path, labels, images):
    labels = labels.astype({"label": object})
    labels.loc[2, "label"] = "na"
    write_table(labels, tmp_path / "labels.csv")
    read = read_labels(tmp_path / "labels.csv", images, classes={"shapes": 3})
    assert len(read) == 7 and read["label"].tolist().count(-1) == 4
    labels.loc[2, "image"] = "elsewhere"
    write_table(labels, tmp_path / "labels.csv")
    with pytest.raises(SemsimError, match=r"image: not in images.csv. See line 4 \('elsewhere'\)"):
        read_labels(tmp_path / "labels.csv", images, classes={"shapes": 3})


@pytest.mark.parametrize("name", sorted(STR_NA_VALUES))
def test_no_name_is_what_pandas_reads_as_no_value(name):
    assert why_no_name(name)


def test_recognition_rates_count_the_right_class_only(labels, images):
    labels.loc[4, "label"] = 2  # bob is wrong about an original of class 0 ...
    labels.loc[5, "label"] = 2  # ... and right about one of class 2
    rates = recognition_rates(labels, images)
    assert rates["recognition_rate"].tolist() == [0.5, 1.0, 0.5, 0.5]
    assert rates[["target", "original"]].to_numpy().tolist() == [["mlp", 4], ["mlp", 7], ["lenet", 4], ["lenet", 7]]
    assert (rates["labels"] == 2).all() and with_truth(labels, images)["recognised"].sum() == 5
