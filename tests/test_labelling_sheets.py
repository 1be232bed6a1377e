"""Answers without the page: the right pictures on the right sheets, and answers stored as if given on the page."""

from contextlib import closing

import numpy as np
import pandas as pd
import pytest
from label_campaign import CLASSES, small_campaign
from PIL import Image

from semsim.errors import SemsimError
from semsim.io.tables import read_table
from semsim.labelling.comparing import compare_labels
from semsim.labelling.material import choose_by_rate
from semsim.labelling.results import export, read_answers
from semsim.labelling.sheets import COLUMNS, GAP, LINE, MARGIN, ROWS, SIDE, enter_answers, write_sheets
from semsim.labelling.store import Store


@pytest.fixture
def campaign(tmp_path):
    return small_campaign(tmp_path, labels_per_image=1, kind="vision-language-model", images_per_annotator=20)


@pytest.fixture
def store(campaign):
    with closing(Store(campaign)) as store:
        yield store


def fill_in(path, answers):
    """Write answers into a table, from the first row on."""
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    table.loc[range(len(answers)), "answer"] = list(answers)
    table.to_csv(path, index=False)
    return path


def test_pictures_are_on_the_sheets_in_the_order_of_the_page(campaign, store, tmp_path):
    name, sheets, pictures = write_sheets(campaign, store, "reader", tmp_path / "out")
    items, _ = read_answers(campaign)
    assert name == "reader" and pictures == len(items) > 20  # with checks and repeats
    by_dataset = items["image"].map(campaign.datasets).value_counts()
    assert sheets == sum(-(-count // (COLUMNS * ROWS)) for count in by_dataset)
    sheet = np.asarray(Image.open(tmp_path / "out" / "sheet-01.png"))
    second = items.sort_values("position").iloc[1]
    colour = np.asarray(Image.open(campaign.path_of(second["image"])))[0, 0]
    left = MARGIN + SIDE + GAP + SIDE // 2
    column = (sheet[:, left] == colour).all(1)
    assert column.sum() == SIDE, "the second picture fills its square"
    assert (sheet[: column.argmax() - LINE] != colour).any(1).any()


def test_answers_are_those_of_the_table_whatever_their_capitals(campaign, store, tmp_path):
    write_sheets(campaign, store, "reader", tmp_path / "out")
    items, _ = read_answers(campaign)
    classes = [CLASSES[campaign.datasets[image]] for image in items["image"]]
    answers = [names[place % len(names)].upper() if place % 5 else "?" for place, names in enumerate(classes)]
    expected = [place % len(names) if place % 5 else -1 for place, names in enumerate(classes)]
    assert enter_answers(campaign, store, "reader", fill_in(tmp_path / "out" / "answers.csv", answers)) == len(items)
    assert list(read_answers(campaign)[0]["label"]) == expected
    labels, _ = export(campaign)
    assert set(labels["kind"]) == {"vision-language-model"} and len(labels) == 20


def test_a_table_may_be_entered_in_parts_and_twice(campaign, store, tmp_path):
    write_sheets(campaign, store, "reader", tmp_path / "out")
    path = tmp_path / "out" / "answers.csv"
    assert [enter_answers(campaign, store, "reader", fill_in(path, "?" * count)) for count in (3, 3, 5)] == [3, 3, 5]
    assert read_answers(campaign)[0]["label"].notna().sum() == 5
    first = CLASSES[campaign.datasets[read_answers(campaign)[0]["image"][0]]][0]
    with pytest.raises(SemsimError, match="number 1 has another answer already"):
        enter_answers(campaign, store, "reader", fill_in(path, [first, *"?????"]))
    assert read_answers(campaign)[0]["label"].notna().sum() == 5, "nothing of a refused table is stored"


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        (["?", "elephant"], r"answer: not one of the classes, nor \?. See line 3 \('elephant'\)"),
        (["?", "", "?"], "answer: empty, though later ones are not. See line 3"),
    ],
)
def test_answers_that_make_no_sense_are_refused(campaign, store, tmp_path, answers, message):
    write_sheets(campaign, store, "reader", tmp_path / "out")
    with pytest.raises(SemsimError, match=message):
        enter_answers(campaign, store, "reader", fill_in(tmp_path / "out" / "answers.csv", answers))
    assert read_answers(campaign)[0]["label"].isna().all()


def test_tables_of_others_and_folders_that_exist_are_refused(campaign, store, tmp_path):
    write_sheets(campaign, store, "reader", tmp_path / "out")
    with pytest.raises(SemsimError, match="other: has no sheets"):
        enter_answers(campaign, store, "other", tmp_path / "out" / "answers.csv")
    with pytest.raises(SemsimError, match="out: already exists"):
        write_sheets(campaign, store, "reader", tmp_path / "out")
    short = tmp_path / "short.csv"
    short.write_text("number,answer\n1,?\n")
    with pytest.raises(SemsimError, match="number must go from 1 to"):
        enter_answers(campaign, store, "reader", short)
    with pytest.raises(SemsimError, match="cannot be a name"):
        write_sheets(campaign, store, "a@b.org", tmp_path / "others")
    assert not (tmp_path / "others").exists()


def test_a_campaign_is_compared_with_the_labels_of_a_study(campaign, store, tmp_path):
    write_sheets(campaign, store, "reader", tmp_path / "out")
    items, _ = read_answers(campaign)
    enter_answers(campaign, store, "reader", fill_in(tmp_path / "out" / "answers.csv", "?" * len(items)))
    rates = campaign.images.assign(
        kind="simulated", recognition_rate=np.where(campaign.images["target"] == "mlp", 1, 0.4)
    )
    compared = compare_labels(campaign, rates, "tiny").set_index("dataset")
    asked = campaign.images[campaign.images["image"].isin(items["image"][items["purpose"] == "asked"])]
    seen = (asked["target"] == "mlp").sum()
    assert list(compared.index) == [*asked["dataset"].unique(), "all"] or len(compared) == 3
    row = compared.loc["all"]
    assert (row["images"], row["only_study"], row["neither"]) == (20, seen, 20 - seen) and not row["both"]
    assert row["agreement"] == pytest.approx(1 - seen / 20) and row["agreement_low"] < row["agreement"]
    assert (row["kind"], row["study_kind"]) == ("vision-language-model", "simulated")
    with pytest.raises(SemsimError, match="none of its labels"):
        compare_labels(campaign, rates.assign(target="other"), "tiny")


def test_every_recognition_rate_is_drawn_equally_often():
    generator = np.random.default_rng(5)
    keys = {"dataset": "glyphs", "target": "mlp", "attack": "dlg"}
    shown = pd.DataFrame([{**keys, "original": number, "label": 0} for number in range(200)])
    rates = shown.assign(recognition_rate=np.where(np.arange(200) < 150, 0.0, generator.choice([0.2, 0.6, 1], 200)))
    chosen = choose_by_rate(shown, rates, 4, generator).merge(rates)
    assert chosen["recognition_rate"].value_counts().to_dict() == {0.0: 4, 0.2: 4, 0.6: 4, 1.0: 4}
    assert not chosen.duplicated("original").any()


def test_the_commands_from_a_study_to_a_comparison(semsim_in, tmp_path, tmp_path_factory):
    from shutil import copytree

    from small_study import small_study

    copytree(small_study(tmp_path_factory.getbasetemp()), tmp_path / "results" / "tiny")
    semsim = semsim_in(tmp_path)
    options = "--study tiny --per-rate 2 --labels-per-image 1 --kind vision-language-model"
    status, said, errors = semsim("label", "new", "spot", *options.split())
    assert status == 0, errors
    status, said, _ = semsim("label", "sheets", "spot", "reader", "--out", "out")
    assert status == 0 and "pictures for reader on" in said
    table = pd.read_csv(tmp_path / "out" / "answers.csv")
    fill_in(tmp_path / "out" / "answers.csv", "?" * len(table))
    assert semsim("label", "enter", "spot", "reader", "out/answers.csv")[0] == 0
    status, said, _ = semsim("label", "compare", "spot", "--study", "tiny")
    assert status == 0 and "only study" in said and "vision-language models" in said
    compared = read_table(tmp_path / "annotations" / "spot" / "tables" / "compared.csv")
    assert (compared["study"] == "tiny").all() and (compared["both"] == 0).all() and compared["images"].max() > 2
    both = semsim("label", "new", "again", "--study", "tiny", "--per-rate", "2", "--per-attack", "2")
    assert both[0] == 1 and "--per-rate: replaces --per-attack" in both[2]
