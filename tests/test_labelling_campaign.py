"""Campaigns: made from a study or a folder, refused where something is wrong, exported as the project's tables."""

import shlex
from collections import Counter
from contextlib import closing

import numpy as np
import pandas as pd
import pytest
from label_campaign import CLASSES, change_settings, small_campaign, small_material
from PIL import Image
from small_study import small_study

from semsim.errors import SemsimError
from semsim.io.tables import read_table
from semsim.io.tensors import read_arrays
from semsim.labelling.campaign import as_argument, campaign_folder, read_campaign_folder
from semsim.labelling.making import make_campaign
from semsim.labelling.material import choose_reconstructions, from_folder, from_study
from semsim.labelling.results import describe_annotators, describe_datasets, export, read_answers
from semsim.labelling.status import status_text
from semsim.labelling.store import Store
from semsim.labels import read_campaign, read_labels, shown_images


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return small_study(tmp_path_factory.getbasetemp())


@pytest.fixture
def campaign(tmp_path):
    return small_campaign(tmp_path, labels_per_image=2)


def pixels(path):
    return np.asarray(Image.open(path)).transpose(2, 0, 1)


def answer_all(campaign, named, answer=lambda item, annotator: 0):
    """Let annotators answer everything they are shown."""
    with closing(Store(campaign)) as store, store.transaction():
        for annotator in named:
            _, token = store.invite(annotator)
            store.consent(token)
            own = store.items()
            own = own[own["annotator"] == annotator]
            for position, item in enumerate(own.itertuples()):
                store.answer(token, position, int(answer(item, annotator)), 1.5, f"{annotator}-{position:08}")


def test_a_study_gives_its_reconstructions_and_nothing_that_diverged(study, tmp_path):
    campaign = make_campaign(tmp_path / "whole", from_study(study, None, seed=1))
    shown = shown_images(read_table(study / "tables" / "attacks.csv"))
    columns = ["dataset", "target", "attack", "original", "label"]
    assert sorted(campaign.images[columns].itertuples(index=False)) == sorted(shown[columns].itertuples(index=False))
    for row in campaign.images.head(5).itertuples():
        file = study / "reconstructions" / row.dataset / row.target / f"{row.attack}.safetensors"
        reconstruction = read_arrays(file, "reconstruction")["reconstruction"][row.original]
        assert np.array_equal(pixels(campaign.path_of(row.image)), reconstruction)


def test_checks_are_clear_images_of_the_public_split_and_of_every_class(study, tmp_path):
    campaign = make_campaign(tmp_path / "whole", from_study(study, None, seed=1))
    for dataset, checks in campaign.checks.groupby("dataset"):
        arrays = read_arrays(study / "data" / f"{dataset}.safetensors", "public_images", "public_labels")
        public = zip(arrays["public_images"], arrays["public_labels"], strict=True)
        labels = {image.tobytes(): label for image, label in public}
        for row in checks.itertuples():
            assert labels[pixels(campaign.path_of(row.image)).tobytes()] == row.label
        assert set(checks["label"]) == set(labels.values())


def test_names_of_files_give_away_nothing(study, tmp_path):
    campaign = make_campaign(tmp_path / "whole", from_study(study, None, seed=1))
    names = sorted(path.name for path in (campaign.folder / "images").iterdir())
    assert names == [f"{number:04}.png" for number in range(1, len(names) + 1)]
    by_name = campaign.images.sort_values("image")
    for key in ("dataset", "target", "attack", "label"):
        changes = (by_name[key].to_numpy()[1:] != by_name[key].to_numpy()[:-1]).mean()
        assert changes > 0.25, key  # in the study's order there would be next to none
    assert all(Image.open(path).info == {} for path in (campaign.folder / "images").iterdir())


@pytest.mark.parametrize("per_attack", [1, 4, 5])
def test_the_choice_is_the_same_number_of_each_attack_and_balanced_over_originals(per_attack):
    images = small_material().images
    chosen = choose_reconstructions(images, per_attack, np.random.default_rng(3))
    assert set(chosen.groupby(["dataset", "target", "attack"]).size()) == {per_attack}
    uses = Counter(dict.fromkeys(map(tuple, images[["dataset", "original"]].to_numpy()), 0))
    uses.update(map(tuple, chosen[["dataset", "original"]].to_numpy()))
    assert max(uses.values()) - min(uses.values()) <= 1


def test_only_what_is_named_is_taken(study):
    images = from_study(study, None, 1, {"dataset": ["shapes"], "attack": ["noisy"], "target": None}).images
    assert set(images["dataset"]) == {"shapes"} and set(images["attack"]) == {"noisy"}
    with pytest.raises(SemsimError, match="no reconstruction with target resnet. Choose from plain, cropped."):
        from_study(study, None, 1, {"target": ["resnet"]})


def test_an_exported_campaign_is_accepted_by_its_study_as_that_of_people(study, tmp_path):
    campaign = make_campaign(tmp_path / "whole", from_study(study, 2, seed=1), labels_per_image=2)
    answer_all(campaign, ["ann", "ben"])
    export(campaign)
    shown = shown_images(read_table(study / "tables" / "attacks.csv"))
    labels = read_campaign(campaign.folder, shown, {dataset: 3 for dataset in campaign.classes})
    assert len(labels) == 2 * len(campaign.images) and set(labels["kind"]) == {"human"}
    assert labels["image"].isin(shown["image"]).all()


def test_checks_and_repeats_are_in_a_table_of_their_own(campaign):
    truth = campaign.checks.set_index("image")["label"]

    def carefully_or_not(item, annotator):
        if item.purpose == "check":
            return truth[item.image] if annotator == "ann" else -1
        return 0 if item.purpose == "asked" or annotator == "ann" else 1

    answer_all(campaign, ["ann", "ben"], carefully_or_not)
    labels, controls = export(campaign)
    assert len(labels) == 2 * 48 and not labels.duplicated(["image", "annotator"]).any()
    assert not labels["image"].isin(campaign.checks["image"]).any()
    assert Counter(controls["purpose"]) == {"check": 8, "repeat": 8}
    read_labels(campaign.folder / "labels.csv", campaign.images, {name: len(CLASSES[name]) for name in CLASSES})
    assert read_table(campaign.folder / "controls.csv").equals(controls)

    items, annotators = read_answers(campaign)
    about = describe_annotators(items, annotators, campaign.checks).set_index("annotator")
    assert about.loc["ann", ["checks_failed", "checks", "repeats_same", "repeats"]].tolist() == [0, 4, 4, 4]
    assert about.loc["ben", ["checks_failed", "checks", "repeats_same", "repeats"]].tolist() == [4, 4, 0, 4]
    assert about["answered"].tolist() == about["of"].tolist() == [56, 56]


def test_status_says_how_far_all_are(campaign):
    answer_all(campaign, ["ann"], lambda item, annotator: item.position % 3 - 1)
    answer_all(campaign, ["ben"], lambda item, annotator: item.position % 2)
    with closing(Store(campaign)) as store, store.transaction():
        store.invite("late")
    items, annotators = read_answers(campaign)
    datasets = describe_datasets(items, campaign)
    assert datasets["complete"].tolist() == datasets["images"].tolist() == [24, 24]
    assert datasets["alpha"].between(-1, 0.5).all()
    text = status_text(campaign, datasets, describe_annotators(items, annotators, campaign.checks))
    assert "96 labels of 96 (2 for each of 48 images)" in text
    assert "24 of 24" in text and "56 of 56" in text and "late" in text and "nan" not in text


def test_nothing_to_export_is_said(campaign):
    with pytest.raises(SemsimError, match="no answers yet. Serve the campaign first"):
        export(campaign)
    answer_all(campaign, [])
    with pytest.raises(SemsimError, match="no labels yet"):
        export(campaign)


@pytest.fixture
def pictures(tmp_path):
    """A folder of five images of two classes, and one in no class."""
    for name in ("cats/a.png", "cats/b.jpg", "dogs/a.png", "dogs/c.PNG", ".hidden/x.png", "alone.png"):
        path = tmp_path / "pets" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (1500, 600), (200, 30, len(name))).save(path)
    (tmp_path / "pets" / "notes.txt").write_text("not an image")
    return tmp_path / "pets"


def test_any_folder_of_images_makes_a_campaign(pictures, tmp_path):
    campaign = make_campaign(tmp_path / "campaign", from_folder(pictures, seed=1))
    assert campaign.classes == {"pets": ["cats", "dogs"]}
    assert sorted(campaign.images["label"].fillna(-1)) == [-1, 0, 0, 1, 1]
    assert {Image.open(campaign.path_of(image)).size for image in campaign.images["image"]} == {(1024, 410)}
    answer_all(campaign, ["ann"])
    labels, _ = export(campaign)
    assert len(labels) == 5
    items, _ = read_answers(campaign)
    assert describe_datasets(items, campaign)["recognised"].tolist() == [0.5]


def test_images_keep_the_names_that_their_files_had(pictures, tmp_path):
    campaign = make_campaign(tmp_path / "campaign", from_folder(pictures, seed=1))
    for row in campaign.images.itertuples():
        assert row.original == ["alone.png", "cats/a.png", "cats/b.jpg", "dogs/a.png", "dogs/c.PNG"].index(row.source)


def test_class_folders_that_differ_in_how_accents_are_stored_are_one_class(pictures, tmp_path):
    for folder, name in {"cats": "Caf\u00e9", "dogs": "Cafe\u0301"}.items():
        (pictures / folder).rename(pictures / name)
    (tmp_path / "classes.txt").write_text("Cafe\u0301\ntea", encoding="utf-8-sig")
    material = from_folder(pictures, seed=1, classes=tmp_path / "classes.txt")
    assert material.classes == {"pets": ["Caf\u00e9", "tea"]} and material.images["label"].count() == 4


def test_classes_that_people_would_confuse_are_pointed_out(pictures):
    (pictures / "dogs").rename(pictures / "Cats ")
    with pytest.warns(UserWarning, match="classes 'Cats ' and 'cats' are hard to tell apart"):
        from_folder(pictures, seed=1)


@pytest.mark.parametrize("name", ["None", "nan", "<NA>", "=1+1", "a\nb", "\udcff"])
def test_a_folder_whose_name_tables_cannot_hold_is_refused(pictures, name):
    with pytest.raises(SemsimError, match="would be that of the data set, and .* Rename it"):
        from_folder(pictures.rename(pictures.with_name(name)), seed=1)


def test_a_folder_has_one_name_from_wherever_it_is_called(pictures, tmp_path, monkeypatch):
    monkeypatch.chdir(pictures)
    clear = tmp_path / "clear" / "cats" / "x.png"
    clear.parent.mkdir(parents=True)
    Image.new("RGB", (8, 8), (1, 2, 3)).save(clear)
    campaign = make_campaign(tmp_path / "campaign", from_folder(".", seed=1, checks="../clear"))
    assert set(campaign.images["dataset"]) == set(campaign.checks["dataset"]) == {"pets"}


def test_texts_speak_of_checks_only_where_there_are_some(pictures, campaign, tmp_path):
    without = make_campaign(tmp_path / "campaign", from_folder(pictures, seed=1))
    for name, words in {"CARD.md": "ttention checks", "instructions.txt": "Some pictures are clear"}.items():
        assert words in (campaign.folder / name).read_text()
        assert words not in (without.folder / name).read_text()
    assert without.settings.checks == 0 and "twice" in without.instructions


def test_a_flat_folder_needs_classes(pictures, tmp_path):
    flat = tmp_path / "flat"
    flat.mkdir()
    (pictures / "alone.png").rename(flat / "alone.png")
    with pytest.raises(SemsimError, match="flat: no class folders. Sort images into"):
        from_folder(flat, seed=1)
    (tmp_path / "classes.txt").write_text("cat\ndog\n\n")
    material = from_folder(flat, seed=1, classes=tmp_path / "classes.txt")
    assert material.classes == {"flat": ["cat", "dog"]} and material.images["label"].isna().all()


def test_clear_images_of_a_folder_become_checks(pictures, tmp_path):
    with pytest.raises(SemsimError, match="pets: images outside class folders"):
        from_folder(pictures, seed=1, checks=pictures)
    clear = tmp_path / "clear"
    for name in ("cats/x.png", "dogs/y.png"):
        (clear / name).parent.mkdir(parents=True)
        Image.new("RGB", (8, 8), (len(name), 200, 30)).save(clear / name)
    campaign = make_campaign(tmp_path / "campaign", from_folder(pictures, seed=1, checks=clear))
    assert len(campaign.checks) == 2 and set(campaign.checks["dataset"]) == {"pets"}


def test_checks_that_are_asked_about_are_refused_whatever_their_file(pictures, tmp_path):
    again = tmp_path / "again" / "cats" / "other.bmp"
    again.parent.mkdir(parents=True)
    Image.open(pictures / "cats" / "a.png").save(again)
    with pytest.raises(SemsimError, match="cats/other.bmp: shows the same pixels as an image that is asked about"):
        make_campaign(tmp_path / "campaign", from_folder(pictures, seed=1, checks=tmp_path / "again"))
    assert not (tmp_path / "campaign").exists()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("cats/deep/a.png", "a.png: nested too deeply"),
        ("birds/a.png", "folder 'birds' is not one of the classes: cats, dogs"),
    ],
)
def test_images_elsewhere_are_refused(pictures, tmp_path, name, message):
    (pictures / name).parent.mkdir()
    Image.new("RGB", (8, 8)).save(pictures / name)
    (tmp_path / "classes.txt").write_text("cats\ndogs")
    with pytest.raises(SemsimError, match=message):
        from_folder(pictures, seed=1, classes=tmp_path / "classes.txt")


def test_a_campaign_is_made_whole_or_not_at_all(pictures, tmp_path):
    (pictures / "cats" / "a.png").write_bytes(b"damaged")
    with pytest.raises(SemsimError, match="a.png"):
        make_campaign(tmp_path / "campaign", from_folder(pictures, seed=1))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pets"]


def test_what_a_campaign_cannot_be_is_said_of_its_own_folder(pictures, tmp_path):
    with pytest.raises(SemsimError, match=r"/campaign/campaign.yaml is not valid:\n.*question"):
        make_campaign(tmp_path / "campaign", from_folder(pictures, seed=1), question=301 * "?")


def test_a_campaign_is_never_overwritten(campaign):
    with pytest.raises(SemsimError, match="pilot: already exists"):
        make_campaign(campaign.folder, small_material())


def test_the_data_card_says_what_is_stored(campaign):
    card = (campaign.folder / "CARD.md").read_text()
    assert "Data card: pilot" in card and "48 images" in card and "What is stored" in card and "$" not in card


@pytest.mark.parametrize(
    ("text", "new_text", "message"),
    [
        ("checks: 0.05", "checks: 2", "checks: 2 is out of range, from 0 to 0.5"),
        ("repeats:", "repeat:", "unknown setting 'repeat'. Did you mean 'repeats'?"),
        ("labels_per_image: 2", "labels_per_image: many", "labels_per_image: 'many' is not a whole number"),
        ("['0', '1', '2']", "[0, 1, 2]", "in quotes if it looks like a number"),
        ("question: What", "question: [What", "campaign.yaml: not valid YAML"),
        ("panel: null", "panel: {parameter: 'a b'}", "panel.parameter: 'a b' cannot be used"),
        ("  digits: ", "  numbers: ", "images.csv: data sets without classes in campaign.yaml: digits"),
        ("disc, cross, ", "", "images.csv: not of a class that campaign.yaml has"),
    ],
)
def test_settings_that_cannot_be_are_explained(campaign, text, new_text, message):
    with pytest.raises(SemsimError) as error:
        change_settings(campaign, text, new_text)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("image", "../campaign.yaml", r"no such PNG file in images/: \.\./campaign.yaml"),
        ("image", "/etc/passwd", "no such PNG file in images/: /etc/passwd"),
        ("image", "gone.png", "no such PNG file in images/: gone.png"),
        ("label", 17, "not of a class that campaign.yaml has"),
        ("dataset", "other", "data sets without classes in campaign.yaml: other"),
    ],
)
def test_images_that_cannot_be_are_listed(campaign, column, value, message):
    path = campaign.folder / "images.csv"
    table = pd.read_csv(path)
    table.loc[3, column] = value
    table.to_csv(path, index=False)
    with pytest.raises(SemsimError, match=message):
        read_campaign_folder(campaign.folder)


@pytest.mark.parametrize("name", ["campaign.yaml", "images.csv", "checks.csv", "consent.txt", "instructions.txt"])
def test_missing_files_are_named(campaign, name):
    (campaign.folder / name).unlink()
    with pytest.raises(SemsimError, match=name):
        read_campaign_folder(campaign.folder)


def test_a_bare_name_is_a_campaign_among_the_annotations(tmp_path):
    assert str(campaign_folder("pilot")) == "annotations/pilot"
    assert campaign_folder(tmp_path / "pilot") == tmp_path / "pilot"
    assert str(campaign_folder("./here/pilot")) == "here/pilot"
    assert str(campaign_folder("./pilot")) == str(campaign_folder("pilot/")) == "pilot"


@pytest.mark.parametrize("given", ["pilot", "./pilot", "here/my pilots", "/o'brien", ".", "..", "./$(touch x)", "./-x"])
def test_a_command_that_is_advised_finds_the_folder_again(given):
    folder = campaign_folder(given)
    (argument,) = shlex.split(as_argument(folder))
    assert campaign_folder(argument) == folder
    assert not argument.startswith("-")
