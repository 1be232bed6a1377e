"""Campaigns: which reconstructions may be labelled, and labels that are, or are not, about a study."""

import pandas as pd
import pytest

from semsim.errors import SemsimError
from semsim.io.tables import write_table
from semsim.labels import read_campaign, shown_images


@pytest.fixture
def images():
    """Three reconstructions of a study, and a fourth that diverged."""
    attacks = pd.DataFrame({"original": [0, 1, 2, 3], "label": [4, 0, 1, 1]}).assign(
        dataset="shapes", target="mlp", attack="dlg", status=["finished", "converged", "finished", "diverged"]
    )
    return shown_images(attacks)


@pytest.fixture
def campaign(tmp_path, images):
    """A campaign of one annotator about two of them, under names of its own."""
    own = images.iloc[:2].assign(image=["a.png", "b.png"])
    labels = own[["image", "label"]].assign(annotator="ann", kind="human", seconds=1.0, given_at=None)
    write_table(own, tmp_path / "images.csv")
    write_table(labels[["image", "annotator", "kind", "label", "seconds", "given_at"]], tmp_path / "labels.csv")
    return tmp_path


def change_images(campaign, **columns):
    table = pd.read_csv(campaign / "images.csv")
    write_table(table.assign(**columns), campaign / "images.csv")


def test_diverged_reconstructions_are_shown_to_nobody(images):
    assert images["image"].tolist() == ["shapes/mlp/dlg/0", "shapes/mlp/dlg/1", "shapes/mlp/dlg/2"]


def test_labels_come_back_under_the_studys_names(campaign, images):
    labels = read_campaign(campaign, images, {"shapes": 5})
    assert labels[["image", "label"]].to_numpy().tolist() == [["shapes/mlp/dlg/0", 4], ["shapes/mlp/dlg/1", 0]]


@pytest.mark.parametrize("changes", [{"original": [0, 7]}, {"original": [0, 3]}, {"label": [4, 2]}])
def test_a_campaign_about_something_else_is_refused(campaign, images, changes):
    change_images(campaign, **changes)
    with pytest.raises(SemsimError, match="images.csv: not in this study.*shapes/mlp/dlg/[137]. Use"):
        read_campaign(campaign, images, {"shapes": 5})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"original": [0, None]}, r"original: missing; fill it in. See line 3 \(empty\)"),
        ({"image": [None, "b.png"]}, r"image: missing; fill it in. See line 2 \(empty\)"),
        ({"label": [4, None]}, r"label: missing; fill it in. See line 3 \(empty\)"),
        ({"image": "a.png"}, r"image: duplicate of a line above. See line 3 \('a.png'\)"),
        ({"original": 0, "label": 4}, r"reconstruction: duplicate of a line above.* See line 3 \('shapes/mlp/dlg/0'\)"),
    ],
)
def test_every_image_is_one_reconstruction_and_every_reconstruction_one_image(campaign, images, changes, message):
    change_images(campaign, **changes)
    with pytest.raises(SemsimError, match=rf"images.csv: not a valid table of images:\n  {message}"):
        read_campaign(campaign, images, {"shapes": 5})


def test_a_row_that_is_there_twice_is_refused(campaign, images):
    table = pd.read_csv(campaign / "images.csv")
    write_table(pd.concat([table, table[:1]]), campaign / "images.csv")
    with pytest.raises(SemsimError, match=r"image: duplicate of a line above. See line 4 \('a.png'\)"):
        read_campaign(campaign, images, {"shapes": 5})


def test_missing_tables_and_columns_are_named(campaign, images):
    table = pd.read_csv(campaign / "images.csv")
    write_table(table.drop(columns="attack"), campaign / "images.csv")
    with pytest.raises(SemsimError, match="images.csv: columns attack are missing"):
        read_campaign(campaign, images, {"shapes": 5})
    (campaign / "images.csv").unlink()
    with pytest.raises(SemsimError, match=r"images.csv: cannot be read \(No such file"):
        read_campaign(campaign, images, {"shapes": 5})
