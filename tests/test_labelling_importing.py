"""Labels from elsewhere: a campaign made of them, and what can be measured on it without a study."""

import krippendorff
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.metrics import roc_auc_score

from semsim.errors import SemsimError
from semsim.io.tables import read_table, write_table
from semsim.labelling.campaign import read_campaign_folder, read_results_folder
from semsim.labelling.importing import Elsewhere, import_campaign
from semsim.labelling.measuring import measure_campaign
from semsim.labelling.results import describe_annotators, describe_datasets, read_answers
from semsim.labelling.status import measured_text, status_text
from semsim.labels import read_campaign

IMAGES, RATERS, CLASSES = 24, 3, 4


@pytest.fixture
def files(tmp_path):
    """Twelve originals from two target models, three models as annotators; of clearer images, more are right."""
    generator = np.random.default_rng(4)
    number = np.arange(IMAGES)
    images = pd.DataFrame({"image": [f"img/{n}" for n in number], "label": number % CLASSES, "dataset": "shapes"})
    images = images.assign(target=np.where(number % 2, "mlp", "lenet"), attack="dlg", original=number // 2)
    right = generator.random((RATERS, IMAGES)) < number / IMAGES
    given = np.where(right, images["label"], generator.integers(-1, CLASSES, (RATERS, IMAGES)))
    labels = pd.concat(
        pd.DataFrame({"image": images["image"], "annotator": f"clip-{rater}", "label": row})
        for rater, row in enumerate(given)
    )
    write_table(images, tmp_path / "images.csv")
    write_table(labels, tmp_path / "labels.csv")
    write_table(images[["image"]].assign(ssim=number / IMAGES, mine=1 - number / IMAGES), tmp_path / "metrics.csv")
    return Elsewhere(tmp_path / "images.csv", tmp_path / "labels.csv", kind="vision-language-model")


def change(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_status_shows_the_agreement_of_labels_from_elsewhere(files, tmp_path):
    campaign = import_campaign(tmp_path / "clip", files)
    items, annotators = read_answers(campaign)
    datasets = describe_datasets(items, campaign)
    given = items.pivot(index="annotator", columns="image", values="label").to_numpy(dtype=float)
    alpha = krippendorff.alpha(reliability_data=given, level_of_measurement="nominal")
    assert datasets["alpha"].tolist() == pytest.approx([alpha])
    text = status_text(campaign, datasets, describe_annotators(items, annotators, campaign.checks))
    assert "72 labels of 72 (3 for each of 24 images)" in text and "24 of 24" in text and "nan" not in text


def test_no_answer_is_not_the_answer_that_they_cannot_tell(files, tmp_path):
    labels = pd.read_csv(files.labels, dtype=str)
    labels.loc[[3, 4], "label"] = ["NA", "-1"]
    write_table(labels, files.labels)
    campaign = import_campaign(tmp_path / "clip", files)
    items, annotators = read_answers(campaign)
    first = describe_annotators(items, annotators, campaign.checks).iloc[0]
    assert first["answered"] == 23 and first["of"] == 24
    rates = measure_campaign(campaign, 100, 1)["recognition"]
    assert rates["labels"].tolist().count(2) == 1 and rates["labels"].sum() == 71
    assert "no answer 1 time" in (campaign.folder / "CARD.md").read_text()


def test_where_a_class_had_to_be_named_cannot_tell_is_a_mistake(files, tmp_path):
    with pytest.raises(SemsimError, match=r"labels.csv: label: -1 where a class had to be named.*See line \d+ \(-1\)"):
        import_campaign(tmp_path / "clip", files._replace(forced=True))
    assert not (tmp_path / "clip").exists()


def test_faithfulness_is_that_of_given_metrics(files, tmp_path):
    files = files._replace(metrics=tmp_path / "metrics.csv", directions={"mine": False})
    campaign = import_campaign(tmp_path / "clip", files)
    tables = measure_campaign(campaign, 100, 1)
    areas = (
        tables["faithfulness"]
        .query("statistic == 'auc' and level == 'reconstructions'")
        .set_index("metric")["faithfulness"]
    )
    rates = tables["recognition"].merge(pd.read_csv(campaign.folder / "metrics.csv"))
    area = roc_auc_score(rates["recognition_rate"] > 0.5, rates["ssim"])
    assert areas["ssim"] == areas["mine"] == pytest.approx(area)  # one is the other, turned around
    text = measured_text(tables)
    assert "vision-language models" in text and "ssim" in text and f"{area:.2f} (" in text and "nan" not in text


def test_a_study_takes_the_labels_of_an_imported_campaign(files, tmp_path):
    campaign = import_campaign(tmp_path / "clip", files)
    shown = campaign.images.assign(
        image="shapes/" + campaign.images["target"] + "/dlg/" + campaign.images["original"].astype(str)
    )
    assert len(read_campaign(campaign.folder, shown, {"shapes": CLASSES})) == IMAGES * RATERS


def test_images_and_classes_may_be_all_that_is_known(tmp_path):
    (tmp_path / "i.csv").write_text("image,label\na,0\nb,\n")
    (tmp_path / "l.csv").write_text("image,annotator,label\na,ann,0\nb,ann,1\na,ben,2\n")
    (tmp_path / "classes.txt").write_bytes("\ufeffcat\r\ndog\r\nfox\r\n".encode())
    files = Elsewhere(tmp_path / "i.csv", tmp_path / "l.csv", kind="human", classes=tmp_path / "classes.txt")
    with pytest.warns(UserWarning, match="only one label by ben"):
        campaign = import_campaign(tmp_path / "panel", files)
        rates = measure_campaign(campaign, 100, 1)["recognition"]
    assert campaign.classes == {"panel": ["cat", "dog", "fox"]}
    assert rates["recognition_rate"].tolist() == [0.5]


def test_pictures_are_copied_under_their_names(files, tmp_path):
    for number in range(IMAGES):
        (tmp_path / "shown" / "img").mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4), (number, 0, 0)).save(tmp_path / "shown" / "img" / f"{number}.png")
    campaign = import_campaign(tmp_path / "clip", files._replace(pictures=tmp_path / "shown"))
    assert Image.open(campaign.folder / "images" / "img" / "7.png").getpixel((0, 0)) == (7, 0, 0)
    (tmp_path / "shown" / "img" / "7.png").unlink()
    with pytest.raises(SemsimError, match="shown: no picture of img/7"):
        import_campaign(tmp_path / "other", files._replace(pictures=tmp_path / "shown"))


def test_answers_given_here_never_replace_those_from_elsewhere(files, tmp_path, semsim_in):
    folder = str(import_campaign(tmp_path / "clip", files).folder)
    for words in (["serve", folder], ["invite", folder, "ann"], ["export", folder]):
        status, _, errors = semsim_in(tmp_path)("label", *words)
        assert status == 1 and "has labels from elsewhere, which answers given here would replace" in errors
    assert not (tmp_path / "clip" / "answers.sqlite").exists()


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("labels.csv", "img/3,", "img/99,", r"labels.csv: .*\n  image: not in images.csv. See line 5 \('img/99'\)"),
        ("labels.csv", "img/3,clip-0", "img/2,clip-0", r"labelled twice by one annotator. See line 5"),
        ("labels.csv", "clip-0", "=1+1", "annotator: not a pseudonym.*formula.*See line 2"),
        ("labels.csv", "clip-0", "\x1b[2J", "annotator: not a pseudonym"),
        ("labels.csv", "image,annotator", "picture,annotator", "columns image are missing"),
        ("images.csv", "img/3,", "img/2,", r"image: duplicate of a line above. See line 5"),
        ("images.csv", "img/3,3,shapes", "img/3,3,None", r"dataset: not a name in tables. See line 5 \('None'\)"),
        ("images.csv", "img/3,3,", "img/3,cat,", r"label: not the number of a class. See line 5 \('cat'\)"),
        ("images.csv", "img/3,3,", "img/3,-3,", "images.csv: not of a class that campaign.yaml has: img/3"),
        ("metrics.csv", "img/3,", "img/99,", r"image: not one of the images. See line 5"),
        ("metrics.csv", "img/3,", "img/2,", r"image: duplicate of a line above. See line 5"),
        ("metrics.csv", "0.125", "much", r"ssim: not a number. See line 5 \('much'\)"),
        ("metrics.csv", "mine", "yours", "higher or lower values mean a better reconstruction for yours"),
    ],
)
def test_what_is_wrong_elsewhere_is_named_and_nothing_is_left(files, tmp_path, file, old, new, message):
    change(tmp_path / file, old, new)
    with pytest.raises(SemsimError, match=message):
        import_campaign(tmp_path / "clip", files._replace(metrics=tmp_path / "metrics.csv", directions={"mine": False}))
    assert not [path for path in tmp_path.iterdir() if "clip" in path.name]


def test_the_kind_of_annotators_is_said_once(files, tmp_path):
    with pytest.raises(SemsimError, match="does not say what the annotators are. Give --kind"):
        import_campaign(tmp_path / "clip", files._replace(kind=None))
    labels = pd.read_csv(files.labels).assign(kind="human")
    write_table(labels, files.labels)
    with pytest.raises(SemsimError, match="has a column kind. Leave out --kind"):
        import_campaign(tmp_path / "clip", files)
    items, _ = read_answers(import_campaign(tmp_path / "clip", files._replace(kind=None)))
    assert set(items["kind"]) == {"human"}


def test_a_published_campaign_has_a_status_without_its_database(files, tmp_path):
    campaign = import_campaign(tmp_path / "clip", files)
    assert read_results_folder(campaign.folder).images.equals(campaign.images)
    with pytest.raises(SemsimError, match="checks.csv"):
        read_campaign_folder(campaign.folder)
    assert read_table(campaign.folder / "images.csv")["image"].tolist() == campaign.images["image"].tolist()
