"""The configuration: defaults, overlays, merged settings, and one clear message for whatever is wrong."""

import copy
import random
import subprocess
import sys
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
import yaml

from semsim.config import schema as generated
from semsim.config.study import Study, read_config, read_settings
from semsim.errors import SemsimError
from semsim.io.tables import read_table, write_table
from semsim.learned.settings import SemSimRecipe

NAN = float("nan")
SMALL = {
    "study": "small",
    "datasets": {"digits": {"kind": "mnist", "train": 100, "originals": 4, "public": 10}},
    "targets": {"plain": {"architecture": "lenet"}},
    "attacks": {"dlg": {"steps": 50}},
}


def small(**changes):
    """A small valid configuration with some sections replaced."""
    return copy.deepcopy(SMALL) | changes


def pretrained(**changes):
    """SemSim with a pretrained backbone, and other settings of it."""
    return {"semsim": {"backbone": "efficientnet_lite0", "start": "classifier"} | changes}


def message(config):
    """What a person is told about a configuration that is not valid."""
    with pytest.raises(SemsimError) as error:
        Study(config)
    return str(error.value)


def settings_in(schema, place="study"):
    """The schemas of all settings in a JSON schema, by their place."""
    for part in [schema, *schema.get("$defs", {}).values()]:
        for name, rules in part.get("properties", {}).items():
            yield f"{part.get('title', place)}.{name}", rules


def test_every_setting_is_described_and_nothing_unknown_passes():
    schema = generated.schema_of(generated.StudySettings)
    for part in [schema, *schema["$defs"].values()]:
        assert part["additionalProperties"] is False, part["title"]
    described = {place: bool(rules.get("description")) or "const" in rules for place, rules in settings_in(schema)}
    assert all(described.values()), [place for place, is_so in described.items() if not is_so]


def test_schema_and_manual_are_as_generated(house):
    config = house / "config"
    assert (config / "config.schema.json").read_text() == generated.json_schema(), f"run {generated.WRITE}"
    manual = (config / "README.md").read_text()
    assert generated.filled(manual) == manual, f"run {generated.WRITE}"


def test_the_schema_for_editors_allows_what_the_check_allows(house):
    Draft202012Validator = pytest.importorskip("jsonschema").Draft202012Validator  # comes with snakemake
    schema = yaml.safe_load(generated.json_schema())
    Draft202012Validator.check_schema(schema)
    for config in (read_config(house / "config" / "config.yaml"), read_config(house / "config" / "paper.yaml")):
        Draft202012Validator(schema).validate(config)
    assert not Draft202012Validator(schema).is_valid(small(sed=1))


def test_checking_needs_no_torch(house):
    """Where Snakemake runs, there need not be one."""
    program = (
        "import sys; sys.modules.update(torch=None, torchvision=None)\n"
        "from semsim.config.study import Study, read_config\n"
        "print(Study(read_config(*sys.argv[1:])))"
    )
    files = [house / "config" / "config.yaml", house / "config" / "real-small.yaml"]
    done = subprocess.run([sys.executable, "-c", program, *files], capture_output=True, text=True)
    assert done.returncode == 0 and "Study real-small: 5 data sets" in done.stdout, done.stderr


CONFIGS = Path(__file__).parents[1] / "config"
OVERLAYS = [path.relative_to(CONFIGS) for path in sorted(CONFIGS.glob("**/*.yaml")) if path.name != "config.yaml"]


@pytest.mark.parametrize("overlay", [None, *OVERLAYS], ids=str)
def test_configurations_of_the_project_are_valid(house, overlay):
    base = "replay.yaml" if str(overlay).startswith("replay") else "config.yaml"
    files = list(dict.fromkeys(house / "config" / name for name in (base, overlay) if name))
    names = {Study(read_config(files[0])).name, Study(read_config(*files)).name}
    assert len(names) == len(files), "an overlay writes under a name of its own"


def test_semsim_has_the_published_recipe_and_ablations_the_names_of_what_they_change():
    study = Study(small() | {"ablations": [{"margin": 0.2}, {"width": 4, "backbone": "vgg3"}, {"normalised": False}]})
    assert list(study.variants) == ["semsim", "margin-0.2", "width-4+backbone-vgg3", "normalised-no"]
    main = study.variants["semsim"]
    assert (main["backbone"], main["margin"], main["loss"], main["start"]) == ("resnet18", 1.0, "triplet", "random")
    assert study.variants["margin-0.2"] == main | {"margin": 0.2, "evaluation": None}
    recipe = SemSimRecipe(**study.semsim_training)
    assert (recipe.epochs, recipe.learning_rate, recipe.milestones) == (100, 0.05, (0.37, 0.62, 0.87))
    assert set(study.networks) == {"resnet18", "vgg3-4"} and study.network_of("margin-0.2") == "resnet18"


def test_nobody_trains_a_classifier_for_a_pretrained_backbone():
    beside = {"backbone": "mobilenet", "width": 32, "start": "classifier"}
    study = Study(small() | pretrained() | {"ablations": [{"loss": "ordinal"}, {"evaluation": "itself"}, beside]})
    assert study.pretrained_backbones == ["efficientnet_lite0"] and set(study.networks) == {"mobilenet-32"}
    assert study.ready_start("loss-ordinal", study.datasets) == "efficientnet_lite0"
    assert study.ready_start("backbone-mobilenet+width-32+start-classifier", study.datasets) == "mnist"
    assert Study(small()).pretrained_backbones == []


def test_what_is_left_out_are_data_sets_architectures_defences_and_attacks():
    targets = {
        "a": {"architecture": "lenet"},
        "b": {"architecture": "lenet", "augmentation": "3-1-7"},
        "c": {"architecture": "mlp", "augmentation": "crop", "gradient_defence": {"kind": "prune", "share": 0.7}},
    }
    study = Study(small() | {"targets": targets})
    assert study.target_traits("c") == {"architecture": "mlp", "defence": "crop+prune-0.7"}
    assert [name for name in study.exclusions if name.startswith(("arch", "def"))] == [
        "architecture-lenet",
        "architecture-mlp",
        "defence-none",
        "defence-3-1-7",
        "defence-crop+prune-0.7",
    ]


def test_groups_of_target_models_are_left_out_where_a_study_says_so():
    targets = {f"lenet-{number}": {"architecture": "lenet"} for number in range(5)}
    study = Study(small() | {"targets": targets, "target_groups": 2})
    assert study.exclusions == ["within", "targets-group-1", "targets-group-2"]
    groups = [study.target_traits(target)["targets"] for target in targets]
    assert sorted(groups) == ["group-1"] * 3 + ["group-2"] * 2
    without = Study(small() | {"targets": targets})
    assert without.exclusions == ["within"] and "targets" not in without.target_traits("lenet-0")


def test_another_evaluation_can_only_be_an_ablation():
    study = Study(small() | {"ablations": [{"evaluation": "itself"}]})
    assert (
        study.variants["evaluation-itself"]["evaluation"] == "itself" and "evaluation" not in study.variants["semsim"]
    )
    assert "'evaluation' belongs in `ablations`" in message(small(semsim={"evaluation": "itself"}))


def test_defects_are_known_by_name_and_need_target_models():
    assert Study(small(defects=["set_sizes"])).defects == ["set_sizes"] and Study(small()).defects == []
    assert "Did you mean 'set_sizes'?" in message(small(defects=["set_size"]))
    assert "need the study's own target models" in message(small(defects=["set_sizes"], released=True))


def test_a_study_that_builds_on_another_one_takes_its_results():
    study = Study(small() | {"study": "other", "builds_on": "base"})
    assert (study.name, study.results, study.figures) == ("other", "results/base", "figures/base")
    assert study.own_results == "results/other"


def test_defaults_are_the_published_recipe(monkeypatch):
    monkeypatch.delenv("SEMSIM_MIRROR", raising=False)
    study = Study(small())
    assert (study.seed, study.device, study.image_size_of("digits"), study.memory_gib) == (1, "auto", 32, 2)
    assert study.mirror is None
    assert study.training_settings("digits", "plain") == {
        "epochs": 200,
        "batch_size": 64,
        "learning_rate": 0.1,
        "momentum": 0.9,
        "weight_decay": 5e-4,
        "optimiser": "sgd",
        "schedule": "steps",
        "milestones": [0.375, 0.625, 0.875],
        "decay": 0.1,
    }
    settings = study.target_settings("plain")
    assert settings.pop("architecture") == "lenet" and settings.pop("augmentation") == "none"
    assert set(settings.values()) == {None}


def test_gradient_defence_has_a_scope_by_default():
    targets = {"noisy": {"architecture": "mlp", "gradient_defence": {"kind": "gaussian", "sigma": 0.001}}}
    assert Study(small(targets=targets)).target_settings("noisy")["gradient_defence"]["scope"] == "both"


def test_training_of_a_target_wins_over_that_of_the_data_set_and_of_the_study():
    config = small(training={"epochs": 1, "batch_size": 5, "learning_rate": 1})
    config["datasets"]["digits"]["training"] = {"epochs": 2, "batch_size": 2}
    config["targets"]["plain"]["training"] = {"epochs": 3}
    settings = Study(config).training_settings("digits", "plain")
    assert (settings["epochs"], settings["batch_size"], settings["learning_rate"]) == (3, 2, 1)
    assert settings["momentum"] == 0.9


def test_attack_of_a_data_set_wins_and_has_no_defaults_of_its_own():
    config = small(attacks={"dlg": {"steps": 50, "restarts": 2}, "mine": {"preset": "invertgrad"}})
    config["datasets"]["digits"]["attacks"] = {"dlg": {"steps": 9}}
    study = Study(config)
    assert study.attack_settings("digits", "dlg") == {"preset": "dlg", "steps": 9, "restarts": 2}
    assert study.attack_settings("digits", "mine") == {"preset": "invertgrad"}


def test_attacks_are_planned_where_they_find_what_they_need():
    targets = {"plain": {"architecture": "lenet"}, "flat": {"architecture": "mlp"}}
    attacks = {
        "dlg": {},
        "analytic": {},
        "renamed": {"preset": "analytic", "label": "known"},
        "started-in-closed-form": {"preset": "invertgrad", "initialisation": "analytic"},
    }
    study = Study(small(targets=targets, attacks=attacks))
    assert study.attacks_on("plain") == ("dlg",)
    assert study.attacks_on("flat") == tuple(attacks)
    study = Study(small(attacks=attacks))
    assert study.attacks == ("dlg",), "what no target model suits is no attack of the study"
    assert study.exclusions == ["within"]


def test_clients_belong_to_target_models_and_change_nothing_of_their_training():
    targets = {"alone": {"architecture": "mlp"}, "batch": {"architecture": "mlp", "client": {"batch": 2}}}
    study = Study(small(targets=targets, attacks={"dlg": {}, "analytic": {}}))
    assert study.attacks_on("alone") == ("dlg", "analytic") and study.attacks_on("batch") == ("dlg",)
    assert study.client_settings("alone")["batch"] == 1 and study.client_settings("batch")["batch"] == 2
    assert study.target_settings("alone") == study.target_settings("batch")


def test_priors_of_a_data_set_change_those_of_the_attack_one_by_one():
    config = small(attacks={"gradinversion": {"priors": {"total_variation": 3, "batchnorm": 2}}})
    config["datasets"]["digits"]["attacks"] = {"gradinversion": {"priors": {"batchnorm": 0}}}
    settings = Study(config).attack_settings("digits", "gradinversion")
    assert settings["priors"] == {"total_variation": 3, "batchnorm": 0}


def test_a_network_from_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_net.py").write_text("def build(classes, depth=1):\n    return None\n")
    network = {"file": "my_net.py", "arguments": {"depth": 3}}
    attacks = {"dlg": {}, "idlg": {}, "analytic": {}}
    targets = {"own": {"architecture": network, "weights": "my_net.safetensors"}, "lenet": {"architecture": "lenet"}}
    study = Study(small(targets=targets, attacks=attacks))
    assert study.files_of("own") == ["my_net.py", "my_net.safetensors"] and study.files_of("lenet") == []
    assert study.network_files_of("own") == ["my_net.py"]
    assert study.target_traits("own") == {"architecture": "my_net-build-depth-3", "defence": "none"}
    assert study.target_settings("own")["architecture"]["arguments"] == {"depth": 3}
    assert study.attacks_on("own") == ("dlg", "idlg"), "the closed form only where the first layer is declared to suit"
    targets["own"]["architecture"] = network | {"traits": ["first_linear", "last_bias"]}
    assert Study(small(targets=targets, attacks=attacks)).attacks_on("own") == ("dlg", "idlg", "analytic")
    targets["own"]["architecture"] = network | {"traits": []}
    assert Study(small(targets=targets, attacks=attacks)).attacks_on("own") == ("dlg",)


@pytest.mark.parametrize(
    ("architecture", "words"),
    [
        ({"file": "nowhere.py"}, ["nowhere.py: cannot be read", "working directory"]),
        ({"name": "build"}, ["'file' is missing"]),
        ({"file": "notes.txt"}, ["notes.txt: not a Python file", "must end in .py"]),
        ({"file": "my_net.py", "arguments": {"classes": 3}}, ["arguments: 'classes' is set by the study"]),
        ({"file": "my_net.py", "arguments": {"depth": b"\xfe\xff"}}, ["arguments: b'\\xfe\\xff' is of type bytes"]),
        ({"file": "my_net.py", "arguments": {1: 3}}, ["arguments: 1 is not text"]),
        ({"file": "my_net.py", "arguments": {"a": [{2: 3}]}}, ["arguments: the key 2 is not text"]),
        ({"file": "my_net.py", "arguments": {"a": [NAN]}}, ["arguments.a.0: nan is not a finite number"]),
        ({"file": "my_net.py", "name": "biuld"}, ["my_net.py: it does not define 'biuld'. Did you mean 'build'?"]),
        ({"file": "broken.py"}, ["broken.py, line 2: not valid Python"]),
        ({"file": "my_net.py", "traits": ["batch_norm"]}, ["traits.0: 'batch_norm'", "Did you mean 'batchnorm'?"]),
        ({"file": "my_net.py", "args": {}}, ["architecture: unknown setting 'args'"]),
    ],
)
def test_mistakes_with_a_network_from_a_file_are_explained(tmp_path, monkeypatch, architecture, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_net.py").write_text("def build(classes):\n    return None\n")
    (tmp_path / "broken.py").write_text("\ndef build(:\n")
    text = message(small(**target(architecture=architecture)))
    assert len(text.splitlines()) == 2 and all(word in text for word in ["targets.plain.architecture", *words])


def test_long_names_are_shortened_and_names_that_differ_in_capitals_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text("def build(classes, **k):\n    return None\n\n\nBuild = build\n")
    networks = {
        name: {"architecture": {"file": "net.py", "arguments": {"widths": [*range(100, 200), last]}}}
        for name, last in (("a", 1), ("b", 2))
    }
    policies = {"c": {"architecture": "lenet", "augmentation": "+".join(["3-1-7"] * 60)}}
    study = Study(small(targets=networks | policies))
    assert len(study.exclusions) == len({*study.exclusions}) == 6 and max(map(len, study.exclusions)) < 100
    networks = {name: {"architecture": {"file": "net.py", "name": name}} for name in ("build", "Build")}
    text = message(small(targets={f"t{number}": each for number, each in enumerate(networks.values())}))
    assert "targets: the architectures net-build and net-Build differ only in capitals" in text


@pytest.mark.parametrize("section", ["datasets", "targets", "attacks", "observers"])
def test_names_that_some_file_systems_take_for_one_are_told(section):
    entry = {"attacks": {"preset": "dlg"}, "observers": {"architecture": "vgg3"}}.get(section)
    entry = entry or next(iter(SMALL[section].values()))
    assert f"{section}: one and One differ only in capitals" in message(
        small(**{section: {"one": entry, "One": entry}})
    )
    longest = {"x" * 64: entry}
    Study(small(**{section: longest}))
    assert "cannot be used" in message(small(**{section: {"x" * 65: entry}}))


OWN_ATTACKS = {
    "initialisation": (
        {"dlg": {"steps": 50}},
        {"dlg": {"initialisation": "analytic"}},
        "a fully connected first",
    ),
    "preset": ({"dlg": {"steps": 50}}, {"dlg": {"preset": "analytic", "steps": 0}}, "a fully connected first"),
    "label": ({"dlg": {"steps": 50}}, {"dlg": {"label": "analytic"}}, "a linear last layer"),
}


@pytest.mark.parametrize("changed", OWN_ATTACKS)
def test_an_attack_that_only_a_data_set_makes_unsuitable_is_told(tmp_path, monkeypatch, changed):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text("def build(classes):\n    return None\n")
    attacks, changes, missing = OWN_ATTACKS[changed]
    targets = {
        "own": {"architecture": {"file": "net.py", "traits": []}},
        "flat": {"architecture": "mlp"},
    }
    text = message(small(targets=targets, attacks=attacks, **dataset(attacks=changes)))
    assert len(text.splitlines()) == 2 and missing in text
    assert "datasets.digits.attacks.dlg: " in text and "the attack is planned for own. Change" in text
    Study(small(targets={"flat": targets["flat"]}, attacks=attacks, **dataset(attacks=changes)))
    unplanned = {"analytic": {}, "invertgrad": {}}  # an attack that does not suit a target anyway is not planned there
    Study(small(targets=targets, attacks=unplanned, **dataset(attacks={"analytic": {"restarts": 2}})))


def test_an_attack_that_needs_what_the_attacker_does_not_know_is_refused():
    attacks = {"invertgrad": {}, "mine": {"preset": "invertgrad", "label": "analytic"}}
    text = message(small(attacks=attacks, attacker={"labels": False}))
    assert len(text.splitlines()) == 2
    assert "attacks.invertgrad: label known needs an attacker who knows the true labels, which `attacker`" in text
    Study(small(attacks={"mine": attacks["mine"]}, attacker={"labels": False}))
    text = message(small(attacks={"mine": attacks["mine"]}, attacker={"label": False}))
    assert "attacker: unknown setting 'label'. Did you mean 'labels'?" in text


def test_what_only_a_data_set_lets_an_attack_need_is_refused_as_well():
    attacks = {"invertgrad": {"label": "analytic"}}
    changed = small(attacks=attacks, attacker={"labels": False}, **dataset(attacks={"invertgrad": {"label": "known"}}))
    assert "datasets.digits.attacks.invertgrad: label known needs an attacker" in message(changed)


def test_a_preset_of_null_is_left_out():
    attacks = {"dlg": {"preset": None, "steps": 50}, "mine": {"preset": "invertgrad"}}
    changes = dataset(attacks={name: {"preset": None, "steps": 7} for name in attacks})
    study = Study(small(attacks=attacks, **changes))
    assert study.attack_settings("digits", "dlg") == {"preset": "dlg", "steps": 7}
    assert study.attack_settings("digits", "mine") == {"preset": "invertgrad", "steps": 7}
    assert "attacks.mine: 'preset' is missing" in message(small(attacks={"mine": {"preset": None}}))


def test_a_message_of_one_line_keeps_its_place(monkeypatch):
    def refuse(**_):
        raise SemsimError("wrong in one line.")

    monkeypatch.setattr("semsim.config.conflicts.attack_settings", refuse)
    assert "attacks.dlg: wrong in one line." in message(small())


def test_data_depends_on_nothing_but_the_data():
    config = small()
    config["datasets"]["digits"] |= {"training": {"epochs": 2}, "attacks": {"dlg": {"steps": 9}}}
    assert Study(config).data_settings("digits") == Study(small()).data_settings("digits")


def test_null_leaves_an_entry_out():
    config = small(attacks={"dlg": None, "idlg": {}})
    assert Study(config).attacks == ("idlg",)


def test_configuration_given_is_not_changed():
    config = small(attacks={"dlg": None, "idlg": {"learning_rate": "1e-1"}})
    before = copy.deepcopy(config)
    Study(config)
    assert config == before


def test_numbers_without_a_point_are_numbers():
    attacks = {"idlg": yaml.safe_load("{tolerance: 1e-3, milestones: [5e-1]}")}
    settings = Study(small(attacks=attacks, seed="1e3"))
    assert settings.attack_settings("digits", "idlg") == {"preset": "idlg", "tolerance": 0.001, "milestones": (0.5,)}
    assert settings.seed == 1000


def test_later_files_change_earlier_ones(tmp_path):
    (tmp_path / "a.yaml").write_text("study: a\nattacks: {dlg: {steps: 1, restarts: 2}, idlg: {}}\n")
    (tmp_path / "b.yaml").write_text("study: b\nattacks: {dlg: {steps: 3}, idlg: null}\n")
    merged = read_config(tmp_path / "a.yaml", tmp_path / "b.yaml")
    assert merged == {"study": "b", "attacks": {"dlg": {"steps": 3, "restarts": 2}, "idlg": None}}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("study: café\n".encode("latin-1"), "probably Latin-1 or Windows-1252, in which line 1 has"),
        ("study: demo\n".encode("utf-16"), "UTF-16 text. Open it where it was made"),
        (b"seed: !!int x\n", "not valid YAML: "),
        (b"seed: !!bool x\n", "not valid YAML: "),
        (b"seed: 2000-13-01\n", "not valid YAML: "),
        (b"seed: " + 5000 * b"9", "not valid YAML: "),
        (b"a: " + 3000 * b"[" + 3000 * b"]", "nested too deeply"),
        (b"datasets: &a {x: *a, y: *a, z: *a}", "datasets.x.x: nested too deeply, or in itself"),
        (b"seed: 0x" + 5000 * b"f", "seed: this number is too large"),
    ],
)
def test_files_that_cannot_be_read_as_a_configuration_are_told_in_a_line(tmp_path, content, words):
    file = tmp_path / "strange.yaml"
    file.write_bytes(content)
    with pytest.raises(SemsimError) as error:
        read_config(file, file)
    assert words in str(error.value) and "strange.yaml" in str(error.value)
    assert len(str(error.value).splitlines()) <= 2


def test_a_mark_at_the_beginning_of_a_file_is_no_mistake(tmp_path):
    (tmp_path / "marked.yaml").write_text("study: demo\n", encoding="utf-8-sig")
    assert read_config(tmp_path / "marked.yaml") == {"study": "demo"}


def test_what_two_sections_share_by_an_anchor_is_changed_in_one(tmp_path):
    (tmp_path / "a.yaml").write_text("x: &x {steps: 1}\ny: *x\n")
    (tmp_path / "b.yaml").write_text("y: {steps: 2}\n")
    assert read_config(tmp_path / "a.yaml", tmp_path / "b.yaml") == {"x": {"steps": 1}, "y": {"steps": 2}}


STRANGE = [None, True, -1, 0, 1, 2.5, 10**10, 10**5000, NAN, float("inf"), "1e999", "", "none", "\ud800", "a/b", "\0"]
STRANGE += [
    "torchvision:",
    "~nobody/x",
    b"\xfe\xff",
    date(2000, 1, 1),
    (),
    [],
    {},
    {1: 2},
    {None: {}},
    [[]],
    [{}],
    {"a"},
]
STRANGE += [{"file": "net.py"}, {"file": "net.py", "arguments": {"a": {b"x": NAN}}}, {"file": []}, {"kind": "prune"}]


def places(value, above=()):
    """The places of everything in a configuration."""
    for name in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield (*above, name)
        yield from places(value[name], (*above, name))


def mutated(config, chance):
    """A configuration in which a few values are others, are missing, or have strange ones beside them."""
    config = copy.deepcopy(config)
    for _ in range(chance.choice([1, 1, 2, 4])):
        *above, name = chance.choice(list(places(config)))
        section = config
        for part in above:
            section = section[part]
        value = copy.deepcopy(chance.choice([*STRANGE, section[name], [section[name]], config.get("targets")]))
        match chance.choice(["replace", "replace", "remove", "add", "itself"]):
            case "replace":
                section[name] = value
            case "remove":
                section.pop(name)
            case "add" if isinstance(section, dict):
                section[
                    chance.choice([*section, "steps", "width", "all", 1, None, (2, 3), b"x", "\ud800", 10**5000])
                ] = value
            case "itself":
                section[name] = {"x": section, "y": config}
                break
    return config


@pytest.mark.parametrize("seed", range(8))
def test_a_configuration_is_valid_or_explained_and_nothing_else(house, tmp_path, monkeypatch, seed):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text("def build(classes, **k):\n    return None\n")
    config, chance = read_config(house / "config" / "config.yaml"), random.Random(seed)
    told = 0
    for _ in range(50):
        try:
            str(Study(mutated(config, chance)))
        except SemsimError as error:
            told += 1
            str(error).encode()  # else it could not be printed
    assert 0 < told < 50


def test_a_file_of_settings_is_read_or_explained_and_nothing_else(house, tmp_path):
    chance, file = random.Random(1), tmp_path / "mutated.yaml"
    content = (house / "config" / "smoke.yaml").read_bytes()
    for _ in range(100):
        changed = bytearray(content)
        for _ in range(3):
            place = chance.randrange(len(changed))
            changed[place : place + chance.choice([0, 1])] = chance.choice(
                [
                    b"\xff",
                    b"\0",
                    b"\t",
                    b":",
                    b"[",
                    b"{",
                    b"- ",
                    b"!!int ",
                    b"!!set ",
                    b"&a ",
                    b"*a",
                    b"'",
                    b"0x",
                    b"<<: ",
                ]
            )
        file.write_bytes(changed)
        try:
            Study(read_config(house / "config" / "config.yaml", file))
        except SemsimError as error:
            str(error).encode()


@pytest.mark.parametrize("content", ["- a list\n", "study: [unclosed\n", ""])
def test_files_that_are_no_configuration(tmp_path, content):
    file = tmp_path / "broken.yaml"
    file.write_text(content)
    with pytest.raises(SemsimError, match="broken.yaml"):
        read_config(file)
    with pytest.raises(SemsimError, match="absent.yaml"):
        read_config(tmp_path / "absent.yaml")


def dataset(**changes):
    return {"datasets": {"digits": SMALL["datasets"]["digits"] | changes}}


REPLAYED = {"labels": "replayed"}


def target(**changes):
    return {"targets": {"plain": {"architecture": "lenet"} | changes}}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sed": 1}, ["top level: unknown setting 'sed'", "Did you mean 'seed'?"]),
        ({"study": "Two Words"}, ["study: 'Two Words' cannot be used", "hyphens"]),
        ({"study": "x" * 65}, ["study: 'xxx", "is not of the right length, 1 to 64 characters"]),
        ({"builds_on": "reference"}, ["builds_on: 'reference' cannot be used"]),
        ({"builds_on": "human-study"}, ["builds_on: 'human-study' cannot be used"]),
        ({"builds_on": "released"}, ["builds_on: 'released' cannot be used"]),
        (REPLAYED | {"attacks": {"invertgrad": {}}}, ["labels: the published labels are of CIFAR-100"]),
        (REPLAYED | dataset(kind="cifar100"), ["labels: the published labels are of the attack 'invertgrad'. Add it"]),
        (
            REPLAYED | dataset(kind="cifar100", classes=5) | {"attacks": {"invertgrad": {}}},
            ["labels: the published labels name all classes"],
        ),
        ({"target_groups": 1}, ["target_groups: 1 is out of range"]),
        ({"target_groups": 2} | target(), ["target_groups: 1 target model cannot be divided into 2 groups. Set fewer"]),
        ({"labels": ""}, ["labels: '' is not of the right length"]),
        ({"mirror": ""}, ["mirror: '' is not of the right length"]),
        ({"weights": ""}, ["weights: '' is not of the right length"]),
        ({"seed": 2**32}, ["seed: this number is too large"]),
        ({"memory_gib": float("inf")}, ["memory_gib: inf is not a finite number"]),
        (dataset(originals=10**10), ["datasets.digits.originals: this number is too large"]),
        ({"attacks": {"dlg": {"steps": "1e12"}}}, ["attacks.dlg.steps: this number is too large"]),
        ({"attacks": {"dlg": {"restarts": 10_001}}}, ["attacks.dlg.restarts: 10001 is out of range, from 1 to 10000"]),
        (target(architecture=[]), ["targets.plain.architecture: [] is not text"]),
        (target(architecture="torchvision:"), ["targets.plain.architecture: 'torchvision:' is not a network"]),
        (target(architecture="torchvision:../x"), ["architecture: 'torchvision:../x' is not a network"]),
        (
            target(normalisation={"mean": [0, 0, 0], "std": [0, 1, 1]}),
            ["targets.plain.normalisation.std.0: 0 is out of range"],
        ),
        (target(normalisation={"mean": [0, 0, 0], "std": [1, 1]}), ["normalisation.std: [1, 1] is not of the right"]),
        ({"study": "reference"}, ["study: 'reference' cannot be used"]),
        ({"device": "gpu"}, ["device: 'gpu' is not one of auto, cpu, cuda"]),
        ({"study": "released"}, ["study: 'released' cannot be used"]),
        (
            {"released": True, "semsim": {"start": "classifier"}},
            ["semsim.start: 'classifier' needs data that are not released"],
        ),
        ({"released": True, "ablations": [{"reference": "attacked"}]}, ["ablations.0.reference: 'attacked' needs"]),
        ({"seed": -1}, ["seed: -1 is out of range, 0 or more"]),
        ({"attacks": None}, ["attacks: null is not a section of settings"]),
        ({"datasets": {"digits": None}}, ["datasets: at least one entry is needed"]),
        ({"training": {"epoch": 3}}, ["training: unknown setting 'epoch'", "Did you mean 'epochs'?"]),
        ({"training": {"milestones": [0.5, 3]}}, ["training.milestones.1: 3 is out of range"]),
        (dataset(kind="glyph"), ["datasets.digits.kind: 'glyph' is not one of", "Did you mean 'glyphs'?"]),
        (dataset(kind="folder"), ["datasets.digits: 'path' is missing"]),
        (dataset(path="photos"), ["datasets.digits: images of kind mnist take no 'path'"]),
        (dataset(kind="cifar10"), ["datasets.digits.kind: 'cifar10' is not one of", "Did you mean 'cifar100'?"]),
        (dataset(originals=0), ["datasets.digits.originals: 0 is out of range, 1 or more"]),
        (dataset(attacks={"dgl": {}}), ["datasets.digits.attacks.dgl", "Did you mean 'dlg'?"]),
        ({"datasets": {"a/b": SMALL["datasets"]["digits"]}}, ["datasets: 'a/b' cannot be used", "file name"]),
        ({"targets": {"20": {"architecture": "lenet"}}}, ["targets: '20' cannot be used", "begins with a letter"]),
        ({"targets": {"NaN": {"architecture": "lenet"}}}, ["targets: 'NaN' cannot be used", "read as missing"]),
        ({"attacks": {"None": {"preset": "dlg"}}}, ["attacks: 'None' cannot be used"]),
        ({"attacks": {123: {"preset": "dlg"}}}, ["attacks: 123 cannot be used", "begins with a letter"]),
        ({"observers": {"1e5": {"architecture": "vgg3"}}}, ["observers: '1e5' cannot be used"]),
        (target(architecture="lennet"), ["targets.plain.architecture: 'lennet'", "Did you mean 'lenet'?"]),
        (target(augmentation="crops"), ["targets.plain.augmentation: augmentation 'crops' is not known", "3-1-7"]),
        (target(gradient_defence={"kind": "prun"}), ["gradient_defence.kind: 'prun'", "Did you mean 'prune'?"]),
        (target(gradient_defence={"kind": "prune"}), ["targets.plain.gradient_defence: 'share' is missing"]),
        (
            target(gradient_defence={"kind": "prune", "share": 0.5, "sigma": 1}),
            ["gradient_defence: unknown setting 'sigma'"],
        ),
        ({"targets": {"plain": []}}, ["targets.plain: [] is not a section of settings"]),
        ({"attacks": {"all": {"preset": "dlg"}}}, ["attacks: 'all' cannot be used"]),
        ({"attacks": {"inverting": {}}}, ["attacks.inverting: 'preset' is missing", "invertgrad"]),
        ({"attacks": {"dlg": {"step": 3}}}, ["attacks.dlg: unknown setting 'step'", "Did you mean 'steps'?"]),
        ({"attacks": {"dlg": {"objective": "cosin"}}}, ["attacks.dlg.objective: 'cosin'", "Did you mean 'cosine'?"]),
    ],
)
def test_mistake_is_explained(changes, words):
    text = message(small(**changes))
    assert len(text.splitlines()) == 2, "one heading, one problem"
    assert all(word in text for word in words)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"training": {"batch_size": 1}}, ["training.batch_size: 1 is out of range, 2 or more"]),
        (dataset(training={"batch_size": 1}), ["datasets.digits.training.batch_size: 1"]),
        ({"observer_training": {"epochs": 0}}, ["observer_training.epochs: 0 is out of range"]),
        ({"attacks": {"gradinversion": {"restarts": 1}}}, ["attacks.gradinversion: ", "restarts", "2 or more"]),
        (
            {"attacks": {"gradinversion": {}}} | dataset(attacks={"gradinversion": {"restarts": 1}}),
            ["datasets.digits.attacks.gradinversion: "],
        ),
        (target(architecture="vit") | {"image_size": 36}, ["targets.plain: vit needs", "a multiple of 8", "36"]),
        (target(architecture="vit") | dataset(image_size=36), ["targets.plain: vit needs", "36"]),
        (target(architecture="vit", width=4), ["targets.plain: vit has no width to set"]),
        (target(width=0), ["targets.plain.width: 0 is out of range, 1 or more"]),
        (target(augmentation="99"), ["targets.plain.augmentation: ", "operation 99", "0 to 49"]),
        ({"observers": {"a": {"architecture": "resnet18", "width": 3}}}, ["observers.a: resnet18 has no width"]),
        ({"semsim": {"backbone": "lenet", "width": 3}}, ["semsim: lenet has no width"]),
        ({"ablations": [{"margin": 0.1}, {"width": 3}]}, ["ablations.1: resnet18 has no width"]),
        ({"semsim": {"backbone": "efficientnet_lite0"}}, ["semsim: efficientnet_lite0 is pretrained and cannot start"]),
        (pretrained(width=3), ["semsim: efficientnet_lite0 is pretrained, so its width is fixed. Leave out `width`"]),
        (pretrained(normalised=False), ["semsim: efficientnet_lite0 is pretrained: its features are always scaled"]),
        (pretrained() | {"ablations": [{"start": "random"}]}, ["ablations.0: ", "Set `start: classifier`, or another"]),
        (pretrained() | {"ablations": [{"anchor": "released"}]}, ["ablations.0: ", "compared with its original"]),
        (pretrained() | {"ablations": [{"evaluation": "unnormalised"}]}, ["Leave out `evaluation: unnormalised`"]),
        (pretrained() | {"ablations": [{"backbone": "lenet", "width": 3}]}, ["ablations.0: lenet has no width"]),
        ({"ablations": [{}]}, ["ablations.0: it changes nothing"]),
        ({"folds": 5}, ["datasets.digits.originals: 4 cannot be divided into 5 `folds`"]),
        (dataset(originals=3) | {"folds": 2}, ["cannot be divided into 2", "two remain for training"]),
        (dataset(public=2), ["datasets.digits.public: 2 images are too few"]),
        ({"observers": {"a": None}}, ["observers: there are none"]),
        ({"attacks": {"mine": {"preset": "analytic"}}}, ["targets.plain: no attack applies to it", "fully connected"]),
        (target(client={"batch": 0}), ["targets.plain.client.batch: 0 is out of range, from 1"]),
        (target(client={"batch": 5}), ["targets.plain.client.batch: digits has 4 originals, fewer than a batch of 5"]),
        (target(client={"batch": 2}) | {"shard": 3}, ["shard: 3 is not a multiple of 2, the batch of targets.plain"]),
        (
            target(client={"local_steps": 2}, gradient_defence={"kind": "dp", "norm": 1.0, "noise": 1.0}),
            ["targets.plain.client: the defence dp bounds each image's own gradient"],
        ),
        ({"builds_on": "small"}, ["builds_on: 'small' is this study"]),
        ({"defects": ["set_sizes", "set_sizes"]}, ["defects: ", "twice"]),
        ({"defects": ["unscaled_lpips"], "image_size": 16}, ["defects: unscaled_lpips needs images of 31 pixels"]),
        (
            {"defects": ["defence_scope"]} | target(gradient_defence={"kind": "gaussian", "sigma": 1}),
            ["defects: defence_scope compares with a target model without a gradient defence"],
        ),
    ],
)
def test_what_would_fail_hours_later_is_told_at_once(changes, words):
    text = message(small(**changes))
    assert len(text.splitlines()) == 2, "one heading, one problem"
    assert all(word in text for word in words)


def test_with_labels_of_people_no_observers_are_needed():
    assert Study(small(labels="annotations/pilot", observers={"a": None})).observers == ()


def test_every_name_comes_back_from_a_table_as_it_was(tmp_path):
    words = ["NA", "nan", "Null", "none", "TRUE", "False", "inf", "Infinity", "1e5", "0x1", "007"]
    names = ["nana", "infinite", "none-2", "e5", "a", "x007", "true_", "lenet"]
    for name in words:
        assert f"observers: {name!r} cannot be used" in message(small(observers={name: {"architecture": "vgg3"}}))
    assert Study(small(observers={name: {"architecture": "vgg3"} for name in names})).observers == tuple(names)
    for name in names:
        write_table(pd.DataFrame({"anything": [name]}), tmp_path / "x.csv")
        assert read_table(tmp_path / "x.csv")["anything"].tolist() == [name]


def test_all_mistakes_are_told_at_once():
    assert len(message(small(sed=1, device="gpu", training={"epochs": "ten"})).splitlines()) == 4


def test_mirror_is_the_setting_or_the_environment_variable(monkeypatch, tmp_path):
    monkeypatch.setenv("SEMSIM_MIRROR", str(tmp_path))
    assert Study(small()).mirror == tmp_path
    assert Study(small(mirror="/elsewhere")).mirror.as_posix() == "/elsewhere"


def test_source_is_in_the_mirror_first(monkeypatch, tmp_path):
    (tmp_path / "here" / "photos").mkdir(parents=True)
    (tmp_path / "mirror").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    study = Study(small(mirror=str(tmp_path / "mirror"), **dataset(kind="folder", path="photos")))
    assert study.source("digits").resolve() == tmp_path / "here" / "photos"
    (tmp_path / "mirror" / "photos").mkdir()
    assert study.source("digits") == tmp_path / "mirror" / "photos"
    assert Study(small()).source("digits") is None
    assert Study(small(**dataset(kind="folder", path="absent"))).source("digits") is None


def test_published_data_sets_are_read_from_the_mirror_if_they_are_there(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / "mnist.zip").touch()
    (tmp_path / "celeba.zip").touch()
    study = Study(small(mirror=str(tmp_path / "mirror"), **dataset(kind="celeba")))
    assert study.source("digits") is None and Study(small(**dataset(kind="celeba"))).source("digits") is None
    (tmp_path / "mirror" / "celeba.zip").touch()
    assert study.source("digits") == tmp_path / "mirror" / "celeba.zip"
    assert Study(small(mirror=str(tmp_path / "mirror"))).source("digits") is None


def test_the_papers_study_stands_alone_and_over_the_default_one(house):
    default, paper = house / "config" / "config.yaml", house / "config" / "paper.yaml"
    assert read_settings(read_config(default, paper)) == read_settings(read_config(paper))
