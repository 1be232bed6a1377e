"""The observers and starts that come with the package: whole, small, apart from studies, and as their card says."""

from importlib.resources import files
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from semsim.config.code import Code
from semsim.config.study import Study, read_config
from semsim.data import prepare_dataset
from semsim.data.digits import RESERVED, rows_of
from semsim.data.embedded import EMBEDDED, IMAGE_SIZE, UNDRAWN
from semsim.errors import SemsimError
from semsim.io.tables import read_table
from semsim.learned.metric import SemSim
from semsim.learned.starting import without_head
from semsim.learned.starts import BACKBONE, SEEN, WIDTH, shipped_start, start_name
from semsim.observers.card import panel_card
from semsim.observers.degradations import blur, degrade_bytes
from semsim.observers.endless import CLASSES, deformed, embedded_batches, held_out_images
from semsim.observers.reading import MAJORITY, majority_of, read_panel
from semsim.observers.shipped import PANEL, shipped_observers
from semsim.observers.together import train_together
from semsim.targets.models import build_target, load_target

SHIPPED = Path(files("semsim.observers.shipped"))
MIB = 2**20


def test_every_observer_is_there_and_all_are_small():
    paths = [path for kind in EMBEDDED for path in shipped_observers(kind).values()]
    assert all(list(shipped_observers(kind)) == list(PANEL) for kind in EMBEDDED)
    assert sum(path.stat().st_size for path in paths) < 4 * MIB
    for kind in EMBEDDED:
        for name, path in shipped_observers(kind).items():
            spec = load_target(path).spec
            assert (spec["architecture"], spec["classes"]) == (PANEL[name].architecture, len(CLASSES[kind]))
    assert shipped_observers("folder") == {}


def test_every_start_is_there_and_all_are_small():
    paths = [shipped_start(start_name(seen)) for seen in SEEN]
    assert len(set(paths)) == 7 and sum(path.stat().st_size for path in paths) < MIB
    for path in paths:
        assert load_target(path).spec | {"architecture": BACKBONE, "width": WIDTH} == load_target(path).spec


def test_no_family_is_shared_by_those_who_judge_are_attacked_and_learn(house):
    config = yaml.safe_load((house / "config" / "config.yaml").read_text())
    observers = {settings.architecture for settings in PANEL.values()}
    others = {target["architecture"] for target in config["targets"].values()} | {
        config["semsim"]["backbone"],
        BACKBONE,
    }
    assert len(observers) == len(PANEL) and not observers & others


@pytest.fixture(scope="module")
def reading():
    return read_table(SHIPPED / "reading.csv")


def test_the_card_says_what_was_measured(reading):
    losses = {kind: read_table(SHIPPED / kind / "losses.csv") for kind in EMBEDDED}
    assert (SHIPPED / "CARD.md").read_text(encoding="utf-8") == panel_card(reading, losses)
    clear = reading[reading["degradation"] == "none"].set_index(["kind", "observer"])
    assert (clear["images"] == 2000).all()
    least = {"glyphs": 0.98, "letters": 0.97, "mnist": 0.98}
    for kind in EMBEDDED:
        assert clear.loc[(kind, MAJORITY), "right"] >= least[kind]
        assert all(clear.loc[(kind, name), "right"] >= 0.94 for name in PANEL)
    hopeless = reading[reading["degradation"].isin(["noise", "mixed"]) & (reading["severity"] == 1)]
    assert (hopeless.loc[hopeless["observer"] == MAJORITY, "wrong"] <= 0.02).all()


@pytest.mark.parametrize("kind", EMBEDDED)
def test_a_small_sample_gives_what_was_measured(kind, reading):
    observers = {name: load_target(path) for name, path in shipped_observers(kind).items()}
    measured = read_panel(kind, observers, clear=100, fading=5)
    keys = ["observer", "degradation", "severity"]
    both = measured.merge(reading[reading["kind"] == kind], on=keys, suffixes=("", "_shipped"))
    more = both["right"] - both["right_shipped"]
    clear, majority = both["degradation"] == "none", both["observer"] == MAJORITY
    assert clear.sum() == 6 and more[clear].abs().max() < 0.06
    assert (~clear & majority).sum() == 20 and abs(more[~clear & majority].mean()) < 0.1


def test_starts_tell_classes_apart_that_they_have_seen():
    images, labels = held_out_images("letters", 260)
    images = degrade_bytes(images, torch.full((260,), 0.2), torch.Generator().manual_seed(1)) / 255
    right = {}
    for name in ("glyphs-letters", "glyphs-mnist"):
        metric = SemSim.from_classifier(load_target(shipped_start(name))).eval()
        with torch.no_grad():
            embedded = metric.embed(images)
        nearest = torch.cdist(embedded, embedded).fill_diagonal_(9).argmin(1)
        right[name] = (labels[nearest] == labels).float().mean()
    assert right["glyphs-letters"] > 0.4 and right["glyphs-letters"] > right["glyphs-mnist"] + 0.05


def test_a_start_without_its_head_measures_the_same():
    torch.manual_seed(1)
    classifier = build_target(BACKBONE, 5, IMAGE_SIZE, 4, (0.4, 0.4, 0.4), (0.2, 0.2, 0.2)).eval()
    one, other = (SemSim.from_classifier(each).eval() for each in (classifier, without_head(classifier)))
    images = torch.rand(3, 3, IMAGE_SIZE, IMAGE_SIZE)
    torch.testing.assert_close(one.embed(images), other.embed(images))


def test_no_study_has_a_seed_that_draws_what_they_learnt_from():
    config = {
        "study": "a",
        "datasets": {"glyphs": {"kind": "glyphs", "train": 2, "originals": 4, "public": 5}},
        "targets": {"lenet": {"architecture": "lenet"}},
        "attacks": {"dlg": {}},
    }
    Study(config)
    for seed in (UNDRAWN, "1\0x"):
        with pytest.raises(SemsimError, match="seed"):
            Study(config | {"seed": seed})
    [(ours, _)] = islice(embedded_batches("glyphs", "observers", 48), 1)
    named = prepare_dataset("observers", {"kind": "glyphs", "train": 48, "originals": 2, "public": 2}, IMAGE_SIZE, 1)
    assert not {image.tobytes() for image in ours.numpy()} & {each.tobytes() for each in named.splits["train"].images}


def test_no_study_draws_the_digits_that_they_learnt_from():
    parts = [rows_of(None), *map(rows_of, RESERVED)]
    assert sorted(np.concatenate(parts)) == list(range(5000)) and len(rows_of("observers")) == 1000
    settings = {"kind": "mnist", "train": 3000, "originals": 100, "public": 400}
    for seed in (1, 2):
        splits = prepare_dataset("mnist", settings, IMAGE_SIZE, seed).splits.values()
        drawn = {int(source.removeprefix("row ")) for split in splits for source in split.sources}
        assert drawn == set(rows_of(None))


@pytest.mark.parametrize("kind", EMBEDDED)
def test_nobody_learns_from_the_images_of_others(kind):
    parts = [next(embedded_batches(kind, learners, 60)) for learners in ("observers", "starts")]
    parts.append(held_out_images(kind, 60))
    assert all(
        images.shape == (60, 3, IMAGE_SIZE, IMAGE_SIZE) and labels.max() < len(CLASSES[kind])
        for images, labels in parts
    )
    assert len({image.tobytes() for images, _ in parts for image in images.numpy()}) == 180
    again, _ = next(embedded_batches(kind, "observers", 60))
    assert torch.equal(again, parts[0][0])


def test_deformed_digits_are_others_with_as_much_ink_in_about_the_same_place():
    images, _ = held_out_images("mnist", 50)
    changed = deformed(images, torch.Generator().manual_seed(1))
    ink, ink_now = (each.double().sum((1, 2, 3)) for each in (images, changed))
    assert (ink_now / ink - 1).abs().median() < 0.3 and (changed != images).flatten(1).any(1).all()
    smooth = [blur(each / 255, torch.full((50,), 0.5)).flatten(1) for each in (images, changed)]
    assert torch.nn.functional.cosine_similarity(*smooth).mean() > 0.8


def test_the_majority_names_what_more_than_half_name():
    answers = torch.tensor([[1, 1, -1, 2, 0], [1, 1, -1, 2, 1], [1, 2, -1, -1, 2], [2, 2, 3, -1, 3], [0, -1, 3, -1, 4]])
    assert majority_of(answers).tolist() == [1, -1, -1, -1, -1]


def test_training_together_is_each_networks_own():
    def trained(*names):
        torch.manual_seed(0)
        networks = {name: build_target("vgg3", 2, 16, 2) for name in ("a", "b")}
        drawn = torch.Generator().manual_seed(0)
        batches = ((torch.rand(8, 3, 16, 16, generator=drawn), torch.arange(8) % 2) for _ in range(5))
        rows = train_together(
            {name: networks[name] for name in names}, (dict.fromkeys(names, each) for each in batches), 5
        )
        return networks["a"].state_dict(), rows

    (alone, _), (beside, rows) = trained("a"), trained("a", "b")
    assert all(torch.equal(alone[name], beside[name]) for name in alone)
    assert {row["network"] for row in rows} == {"a", "b"} and max(row["step"] for row in rows) == 5


@pytest.fixture
def study(house):
    config = read_config(house / "config" / "config.yaml")

    def changed(**datasets):
        return Study(config | {"datasets": config["datasets"] | datasets})

    return changed


def test_other_weights_ask_again(house):
    code = Code(house / "workflow", house / "workflow" / "scripts")
    used = {
        script: code.files(house / "workflow" / "scripts" / f"{script}.py") for script in ("ask_observers", "attack")
    }
    weights = house / "workflow" / "semsim" / "observers" / "shipped" / "mnist" / "observer-1.safetensors"
    assert weights in used["ask_observers"] and weights not in used["attack"]


def test_which_data_sets_they_read(study):
    letters = {"kind": "letters", "train": 10, "originals": 4, "public": 5}
    default = study()
    assert "observers of glyphs, letters and mnist come with semsim" in str(default)
    assert all(map(default.read_by_shipped, default.datasets))
    for other in ({"classes": 5}, {"image_size": 48}, {"kind": "folder", "path": "x.zip"}):
        assert not study(letters=letters | other).read_by_shipped("letters")


def test_which_start_a_study_takes(study):
    default = study(more={"kind": "glyphs", "train": 10, "originals": 4, "public": 5})
    assert default.ready_start("semsim", ["glyphs", "mnist", "more"]) == "glyphs-mnist"
    assert default.ready_start("semsim", default.datasets) == "glyphs-letters-mnist"
    assert (
        study(mnist={"kind": "cifar100", "train": 10, "originals": 4, "public": 5}).ready_start("semsim", ["mnist"])
        is None
    )
    default.variants["wide"] = default.variants["semsim"] | {"width": 16}
    assert default.ready_start("wide", ["glyphs"]) is None
