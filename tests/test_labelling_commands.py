"""``semsim label ...``: from a study to labels, help that comes at once, and one line where something is wrong."""

import shutil
import subprocess
import sys
from contextlib import closing

import pytest
from label_campaign import change_settings, small_campaign
from small_study import small_study

from semsim.commands import COMMANDS
from semsim.io.tables import read_table
from semsim.labelling.campaign import read_campaign_folder
from semsim.labelling.store import Store


@pytest.fixture
def semsim(semsim_in, tmp_path):
    """Run a command in a folder of its own; return its exit status, output and errors."""
    return semsim_in(tmp_path)


@pytest.fixture
def study(tmp_path, tmp_path_factory):
    """A study at the place where a command looks for it by name."""
    shutil.copytree(small_study(tmp_path_factory.getbasetemp()), tmp_path / "results" / "tiny")


def test_a_campaign_from_a_study_to_its_labels(semsim, study, tmp_path):
    options = "--per-attack 2 --datasets shapes --per-annotator 4 --labels-per-image 2"
    status, said, _ = semsim("label", "new", "pilot", "--study", "tiny", *options.split())
    assert status == 0
    assert "annotations/pilot: 8 images, 6 clear ones" in said and "4 annotators with 4 images each" in said
    status, said, _ = semsim("label", "invite", "pilot", "ann", "--count", "2", "--url", "https://label.example.org/")
    links = dict(line.split("\t") for line in said.splitlines())
    assert len(links) == 3 and links["ann"].startswith("https://label.example.org/a/")
    assert semsim("label", "invite", "pilot", "ann")[1].rsplit("/", 2)[1] == links["ann"].rsplit("/", 2)[1]

    with closing(Store(read_campaign_folder(tmp_path / "annotations" / "pilot"))) as store, store.transaction():
        for link in links.values():
            token = link.split("/")[-2]
            store.consent(token)
            for position in range(store.state(token).total):
                store.answer(token, position, 1, 2.0, f"key-{position:08}")
    status, said, _ = semsim("label", "status", "pilot")
    assert status == 0 and "12 labels of 16 (2 for each of 8 images)" in said and "ann" in said
    status, said, _ = semsim("label", "export", "pilot")
    assert status == 0 and "labels.csv: 12 labels by 3 annotators" in said
    assert set(read_table(tmp_path / "annotations" / "pilot" / "labels.csv")["kind"]) == {"human"}


def test_a_new_campaign_has_a_status_of_zeros(semsim, tmp_path):
    campaign = small_campaign(tmp_path, labels_per_image=1)
    status, said, _ = semsim("label", "status", str(campaign.folder))
    assert status == 0 and "0 labels of 48" in said and "0 of 24" in said and "Nobody has been invited yet" in said
    assert not campaign.database.exists()


def test_one_bad_name_is_named_and_nobody_is_invited(semsim, tmp_path):
    campaign = small_campaign(tmp_path)
    status, _, errors = semsim("label", "invite", str(campaign.folder), "ann", "b@c.org", "carl")
    assert status == 1 and "error: 'b@c.org' cannot be a name. A name has 1 to 40 letters" in errors
    assert "Nobody has been invited yet" in semsim("label", "status", str(campaign.folder))[1]


def test_labels_from_elsewhere_are_imported_and_measured(semsim, tmp_path):
    images, labels = tmp_path / "i.csv", tmp_path / "l.csv"
    images.write_text("image,label\n" + "".join(f"{n},{n % 2}\n" for n in range(8)))
    labels.write_text(
        "image,annotator,label\n" + "".join(f"{n},{a},{(n + n // 3 * a) % 2}\n" for n in range(8) for a in (0, 1))
    )
    status, said, _ = semsim("label", "import", str(images), str(labels), "--name", "panel", "--kind", "human")
    assert status == 0 and "annotations/panel: 16 labels of 8 images by 2 annotators." in said
    status, said, _ = semsim("label", "measure", "panel", "--resamples", "100")
    assert status == 0 and "panel, human annotators: 81.2\u00a0% of 16 labels of 8 images are recognised." in said
    assert len(read_table(tmp_path / "annotations" / "panel" / "tables" / "recognition.csv")) == 8


def test_a_participant_is_found_again(semsim, tmp_path):
    campaign = change_settings(small_campaign(tmp_path), "panel: null", "panel: {parameter: workerId}")
    with closing(Store(campaign)) as store, store.transaction():
        token = store.admit("A1B2C3")
        store.consent(token)
        name = store.state(token).name
    folder = str(campaign.folder)
    assert semsim("label", "status", folder, "--participant", "A1B2C3")[1].strip() == name
    assert "no participant has this ID" in semsim("label", "status", folder, "--participant", "other")[2]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("serve nowhere", "annotations/nowhere: no such campaign. Create it with: semsim label new annotations/"),
        ("status nowhere", "no such campaign"),
        ("export nowhere", "no such campaign"),
        ("invite nowhere ann", "no such campaign"),
        ("invite nowhere", "Give the names of annotators"),
        ("new pilot --study nothing", "results/nothing/tables/attacks.csv: no such table"),
        ("new pilot --images nothing", "nothing: no such folder of images"),
        ("new pilot --study tiny --checks clear", "--checks: only with --images"),
        ("new pilot --images nothing --targets lenet", "--targets: only with --study"),
        ("new pilot --study tiny --targets lenet", "no reconstruction with target lenet. Choose from plain, cropped"),
        ("new pilot --study tiny --seed -1", "--seed: must not be negative"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(semsim, study, words, message):
    status, _, errors = semsim("label", *words.split())
    line = errors.strip().splitlines()[-1]
    assert status and line.startswith("error: ") and message in line
    assert "Traceback" not in errors


@pytest.mark.parametrize("words", ["", "label", "label new pilot", "label new pilot --study a --per-attack 0", "love"])
def test_commands_that_make_no_sense_are_explained(semsim, words):
    status, _, errors = semsim(*words.split())
    assert status == 2 and "usage: semsim" in errors


def test_a_database_of_another_campaign_is_refused(semsim, tmp_path):
    campaign = small_campaign(tmp_path)
    with closing(Store(campaign)) as store, store.transaction():
        store.invite("ann")
    change_settings(campaign, "[square, disc,", "[disc, square,")
    status, _, errors = semsim("label", "status", str(campaign.folder))
    assert "classes have changed" in errors.strip().splitlines()[-1]


@pytest.mark.parametrize("name", ["new", "serve", "invite", "status", "export", "measure"])
def test_every_command_has_examples(semsim, name):
    status, said, _ = semsim("label", name, "--help")
    assert status == 0 and f"semsim label {name} pilot" in said


@pytest.mark.parametrize("name", COMMANDS)
def test_help_comes_at_once_because_nothing_slow_is_imported(name):
    code = (
        "import sys; sys.argv = ['semsim', *{}]\n"
        "from semsim.commands import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print(sorted({{'pandas', 'numpy', 'yaml', 'starlette', 'PIL', 'torch'}} & set(sys.modules)))"
    )
    said = subprocess.run(
        [sys.executable, "-c", code.format([name, "--help"])], capture_output=True, text=True, check=True
    ).stdout
    assert f"usage: semsim {name}" in said and said.splitlines()[-1] == "[]"
