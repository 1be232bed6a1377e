"""The workflow as people meet it: what a study would run, what a change runs again, what a mistake says."""

import ast
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections import Counter

import pytest
import yaml

from semsim.config.study import Study, read_config
from semsim.pretrained.weights import NETWORKS

STUB = """
import sys
from pathlib import Path

for path in map(Path, sys.argv[1:]):
    if path.suffix in (".safetensors", ".csv", ".parquet", ".md") and not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    if path.name == "weights":  # a folder, as SemSim.save_pretrained writes it
        path.mkdir(parents=True, exist_ok=True)
        for name in ("model.safetensors", "config.json", "CARD.md"):
            (path / name).touch()
"""


@pytest.fixture(scope="module")
def snakemake(house):
    """Run Snakemake in a folder of its own, and return the finished process with all output in `stdout`.

    Runs are forks of one process: to start Python and import Snakemake takes longer than most plans.
    """
    command = [sys.executable, house / "tests" / "snakemake_server.py"]
    with (
        tempfile.NamedTemporaryFile("r", errors="replace") as output,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server,
    ):

        def run(snakefile, folder, *arguments):
            words = ["--snakefile", snakefile, "--directory", folder, *arguments]
            asked = {"arguments": [str(word) for word in words], "environment": dict(os.environ), "output": output.name}
            print(json.dumps(asked), file=server.stdin, flush=True)
            status = int(server.stdout.readline())
            output.seek(0)
            return subprocess.CompletedProcess(words, status, output.read())

        yield run
        server.stdin.close()


@pytest.fixture(scope="module")
def plan_of_default_study(snakemake, house, tmp_path_factory):
    """A dry run of the default study, which reads no mirror."""
    return snakemake(house / "Snakefile", tmp_path_factory.mktemp("default"), "--dry-run")


def planned_jobs(process):
    """Return how many jobs of each rule a dry run lists."""
    assert process.returncode == 0, process.stdout
    table = re.search(r"^Job stats:\njob +count\n[- ]+\n(.*?)^total", process.stdout, re.MULTILINE | re.DOTALL)
    return Counter({rule: int(count) for rule, count in (line.split() for line in table.group(1).splitlines())})


def check_jobs_of_study(process, *files):
    study = Study(read_config(*files))
    jobs = planned_jobs(process)
    of_datasets = ("prepare_data", "compute_metrics", "draw_contact_sheet", "ask_observers")
    assert {jobs[name] for name in of_datasets} == {len(study.datasets)}
    trained = [name for name in study.datasets if not study.read_by_shipped(name)]
    pretrained = sum(map(study.is_pretrained, study.observers))
    assert jobs["train_observer"] == len(trained) * (len(study.observers) - pretrained)
    assert jobs["fine_tune_observer"] == len(trained) * pretrained
    assert jobs["train_classifier"] == bool(trained)
    assert jobs["train_target"] == len(study.datasets) * len(study.targets)
    suited = [set(study.attacks_on(name)) for name in study.targets]
    alone = sum(len(attacks - set.intersection(*suited)) for attacks in suited)
    together = [alone, len(study.targets)] if len(set.intersection(*suited)) > 1 else [alone + len(study.targets), 0]
    assert [jobs["attack_target"], jobs["attack_target_by_all"]] == [len(study.datasets) * each for each in together]
    assert jobs["run_notebook"] >= 1
    assert jobs["collect_tables"] == jobs["make_report"] == 1
    assert "workflow specific profile" in process.stdout, "the default profile was not found"


def test_jobs_of_the_default_study(house, plan_of_default_study):
    check_jobs_of_study(plan_of_default_study, house / "config" / "config.yaml")
    assert not {"train_observer", "train_classifier"} & planned_jobs(plan_of_default_study).keys()


def test_jobs_of_a_study_with_an_overlay(snakemake, house, tmp_path):
    files = [house / "config" / name for name in ("config.yaml", "examples/cifar100.yaml")]
    check_jobs_of_study(snakemake(house / "Snakefile", tmp_path, "--dry-run", "--configfile", *files), *files)


def test_jobs_of_a_study_with_a_panel(snakemake, house, tmp_path):
    panel = tmp_path / "panel.yaml"
    panel.write_text("observers: {kind: panel}")
    files = [house / "config" / "config.yaml", house / "config" / "examples" / "cifar100.yaml", panel]
    process = snakemake(house / "Snakefile", tmp_path, "--dry-run", "--configfile", *files)
    assert "`kind: panel` stands alone, without observer-1, observer-2" in process.stdout
    others = "".join(f", observer-{number}: null" for number in range(1, 6))
    panel.write_text(f"observers: {{kind: panel{others}}}")
    check_jobs_of_study(snakemake(house / "Snakefile", tmp_path, "--dry-run", "--configfile", *files), *files)


def test_jobs_of_a_study_with_a_pretrained_backbone(snakemake, house, tmp_path):
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text(
        "semsim: {backbone: efficientnet_lite0, width: null}\nablations: [{loss: ordinal}]\n"
        f"weights: {tmp_path}\ndatasets: {{glyphs: {{image_size: 48}}}}\n"
    )
    files = ["--configfile", house / "config" / "config.yaml", overlay]
    for target, says in (
        ("all", "the weights of EfficientNet-Lite0 are missing. Run semsim fetch."),
        ("data", "missing"),
    ):
        process = snakemake(house / "Snakefile", tmp_path, "--dry-run", target, *files)
        assert process.returncode == 1 and says in process.stdout
    assert snakemake(house / "Snakefile", tmp_path, "--dry-run", "fetch_pretrained", *files).returncode == 0
    (tmp_path / NETWORKS["efficientnet_lite0"].file).touch()
    process = snakemake(house / "Snakefile", tmp_path, "--dry-run", "--printshellcmds", *files)
    jobs = planned_jobs(process)
    assert jobs["try_variant"] == jobs["describe_originals"] == 1 and "train_classifier" not in jobs
    commands = [line for line in process.stdout.splitlines() if "--start" in line]
    assert len(commands) == jobs["try_semsim"] + jobs["try_variant"] + jobs["learn_semsim"] + 1
    for command in commands:
        starts = re.search(r"--start (.*?) --", command).group(1).split()
        assert set(starts) == {"efficientnet_lite0"} and f"--pretrained {tmp_path}" in command
    beside = "\n  - {backbone: mobilenet, width: 32, start: classifier}\n  - {backbone: vgg3, width: 4, start: random}"
    overlay.write_text(overlay.read_text().replace("[{loss: ordinal}]", beside))
    jobs = planned_jobs(snakemake(house / "Snakefile", tmp_path, "--dry-run", *files))
    assert jobs["train_classifier"] == jobs["try_variant"] == 2  # their classifiers, one of them only as a baseline


def test_all_that_people_read_is_asked_for_by_name(plan_of_default_study):
    # What a failed job takes away would not come back else, once what made it fail has been put right.
    output = plan_of_default_study.stdout
    asked = re.search(r"^(?:local)?rule all:\n +input: (.*)$", output, re.MULTILINE).group(1).split(", ")
    read = ["report.html", "notebooks/06_generalisation.html", "tables/labels.csv", "tables/leakage.csv"]
    read += ["tables/ablations.csv", "tables/faithfulness_differences.csv", "semsim/weights/model.safetensors"]
    assert {f"results/demo/{name}" for name in read} | {"figures/demo/contact_sheet_mnist.png"} <= set(asked)


def test_each_trial_starts_from_a_classifier_that_has_not_seen_what_is_left_out(snakemake, house, tmp_path):
    files = ["--configfile", house / "config" / "config.yaml"]
    asked = ["--dry-run", "--printshellcmds", "results/demo/semsim/dataset/trials.csv"]
    command = snakemake(house / "Snakefile", tmp_path, *asked, *files).stdout.rpartition("try_semsim.py")[2]
    values = {name: re.search(rf"--{name} (.*?) --", command).group(1).split() for name in ("exclusions", "start")}
    assert dict(zip(values["exclusions"], values["start"], strict=True)) == {
        "dataset-glyphs": "letters-mnist",
        "dataset-letters": "glyphs-mnist",
        "dataset-mnist": "glyphs-letters",
    }


def test_figures_are_all_that_show_images(snakemake, house, tmp_path):
    jobs = planned_jobs(snakemake(house / "Snakefile", tmp_path, "--dry-run", "figures"))
    datasets = len(Study(read_config(house / "config" / "config.yaml")).datasets)
    assert jobs["draw_contact_sheet"] == jobs["draw_contradictions"] == jobs["draw_semsim_examples"] == datasets
    assert "run_notebook" not in jobs and "make_report" not in jobs

    released = ["--configfile", house / "config" / "config.yaml", house / "config" / "human-semsim.yaml"]
    assert planned_jobs(snakemake(house / "Snakefile", tmp_path, "--dry-run", "figures", *released)) == {"figures": 1}


@pytest.mark.parametrize(("inherited", "gpu"), [(None, "gpu=1"), ("0", "gpu=0")])
def test_on_a_cluster_jobs_ask_for_a_gpu_where_they_use_one(snakemake, house, tmp_path, monkeypatch, inherited, gpu):
    if inherited:  # as on a node, whose own GPUs do not count
        monkeypatch.setenv("SEMSIM_GPUS", inherited)
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text("device: cuda")
    study = ("--configfile", house / "config" / "config.yaml", overlay)
    profile = ("--workflow-profile", house / "profiles" / "slurm")
    process = snakemake(house / "Snakefile", tmp_path, "--dry-run", "metrics", *profile, *study)
    assert process.returncode == 0, process.stdout
    for rule, asked in (("attack_target", gpu), ("attack_target_by_all", gpu), ("collect_tables", "")):
        job = re.search(rf"^rule {rule}:\n(?: +.*\n)+", process.stdout, re.MULTILINE).group()
        assert "mem_mb=" in job and "runtime=" in job and (asked in job if asked else "gpu=" not in job)


def test_a_campaign_takes_the_place_of_the_observers(snakemake, house, tmp_path):
    campaign = tmp_path / "annotations" / "people"
    campaign.mkdir(parents=True)
    for name in ("images.csv", "labels.csv"):
        (campaign / name).touch()
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text("study: asked\nlabels: annotations/people\n")
    process = snakemake(
        house / "Snakefile", tmp_path, "--dry-run", "--configfile", house / "config" / "config.yaml", overlay
    )
    jobs = planned_jobs(process)
    assert jobs["collect_labels"] == 1 and not {"train_observer", "ask_observers"} & jobs.keys()


def test_replayed_labels_take_the_place_of_the_observers(snakemake, house, tmp_path):
    configs = [house / "config" / f"{name}.yaml" for name in ("replay", "replay-small")]
    process = snakemake(house / "Snakefile", tmp_path, "--dry-run", "--printshellcmds", "--configfile", *configs)
    jobs = planned_jobs(process)
    assert jobs["replay_labels"] == jobs["measure_correspondence"] == 1 and "ask_observers" not in jobs
    assert "--labels results/replay-small/labels/replayed.csv --out-labels" in process.stdout
    groups = " ".join(f"targets-group-{number}" for number in range(1, 5))
    assert jobs["try_semsim"] == 4 and f" --exclusions {groups} --folds 4" in process.stdout


def test_the_human_study_needs_no_other_stage(snakemake, house, tmp_path):
    jobs = planned_jobs(snakemake(house / "Snakefile", tmp_path, "--dry-run", "human_study"))
    measures = ("measure_agreement", "measure_ranking", "measure_faithfulness", "measure_difficulty")
    statistics = dict.fromkeys([*measures, "compare_with_person", "count_contradictions", "measure_leakage_errors"], 1)
    assert jobs == statistics | {
        "fetch_human_study": 1,
        "run_notebook": 4,
        "human_study": 1,
    }


def test_released_images_take_the_place_of_all_other_stages(snakemake, house, tmp_path):
    overlay = ["--configfile", house / "config" / "config.yaml", house / "config" / "human-semsim.yaml"]
    jobs = planned_jobs(snakemake(house / "Snakefile", tmp_path, "--dry-run", *overlay))
    measured = {"measure_released": 1, "measure_generalisation": 1, "measure_ablations": 1, "all": 1}
    measured |= {"try_calibration": 1, "learn_semsim": 1}
    assert jobs == measured | {"fetch_released": 1, "try_semsim": 1}

    # What can be left out is known when they are there.
    released = tmp_path / "results" / "released"
    (released / "reconstructions").mkdir(parents=True)
    (released / "tables").mkdir()
    (released / "tables" / "recognition.csv").touch()
    (released / "tables" / "images.csv").write_text("dataset,target,attack\nc,n1,m1\nc,n2,m1\nc,n10,m1\n")
    jobs = planned_jobs(snakemake(house / "Snakefile", tmp_path, "--dry-run", *overlay))
    assert jobs == measured | {"try_semsim": 2}


def test_mistakes_stop_the_study_with_one_message(snakemake, house, tmp_path):
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text("attacks: {dlg: {step: 3}}\ntargets: {lenet: {architecture: lennet}}\n")
    process = snakemake(
        house / "Snakefile", tmp_path, "--dry-run", "--configfile", house / "config" / "config.yaml", overlay
    )
    assert process.returncode != 0
    assert "Traceback" not in process.stdout
    assert "attacks.dlg: unknown setting 'step'. Did you mean 'steps'?" in process.stdout
    assert "targets.lenet.architecture: 'lennet' is not one of" in process.stdout
    assert not (tmp_path / "results").exists()


def imports_never_run(script):
    """Return a function that nobody calls, with the imports of a script."""
    nodes = ast.walk(ast.parse(script.read_text()))
    lines = [ast.unparse(node) for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)]
    return "\n    ".join(["\n\ndef never():", *lines]) + "\n"


@pytest.fixture
def stub_house(house, tmp_path):
    """A copy of the workflow whose scripts import what they do but only make outputs, and a study of two attacks."""
    copy = tmp_path / "house"
    for part in ("workflow/rules", "workflow/semsim", "envs", "profiles"):
        shutil.copytree(house / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(house / "Snakefile", copy)
    for script in (house / "workflow" / "scripts").glob("*.py"):
        stub = copy / "workflow" / "scripts" / script.name
        stub.parent.mkdir(exist_ok=True)
        stub.write_text(STUB + imports_never_run(script))
    config = {
        "study": "stub",
        "datasets": {"mnist": {"kind": "mnist", "train": 8, "originals": 4, "public": 5}},
        "targets": {"lenet": {"architecture": "lenet"}, "mlp": {"architecture": "mlp"}},
        "attacks": {"dlg": {"steps": 10}, "invertgrad": {"steps": 10}},
        "folds": 2,
    }
    return copy, config


def test_changed_setting_runs_again_what_depends_on_it_and_no_more(snakemake, stub_house, tmp_path):
    house, config = stub_house

    def run(*arguments):
        (house / "study.yaml").write_text(yaml.safe_dump(config))
        options = ["--configfile", house / "study.yaml", *arguments]
        return snakemake(house / "Snakefile", tmp_path, "metrics", *options)

    first = run("--cores", "2")
    assert first.returncode == 0, first.stdout
    assert "Nothing to be done" in run("--dry-run").stdout

    # Both target models meet the changed attack; what they keep of the other one is read again.
    config["attacks"]["dlg"]["steps"] = 20
    changed = {"attack_target_by_all": 2, "compute_metrics": 1, "collect_tables": 1, "metrics": 1}
    assert planned_jobs(run("--dry-run")) == changed
    config["targets"]["mlp"]["training"] = {"epochs": 3}
    assert planned_jobs(run("--dry-run")) == changed | {"train_target": 1}


def test_the_time_left_is_said_from_the_start_and_kept_for_the_next_run(snakemake, stub_house, tmp_path):
    house, config = stub_house
    (house / "study.yaml").write_text(yaml.safe_dump(config))
    known = house / "results" / "reference" / "demo" / "seconds.csv"
    known.parent.mkdir(parents=True)
    known.write_text("rule,seconds\nprepare_data,60\ntrain_target,30\ntargets,0\n")

    def run(*arguments):
        return snakemake(
            house / "Snakefile", tmp_path, "targets", *arguments, "--configfile", house / "study.yaml"
        ).stdout

    assert " left" not in run("--dry-run")
    said = run("--cores", "2")
    assert said.index("1:00 left") < said.index("rule prepare_data:")
    kept = (tmp_path / "results" / "stub" / "seconds.csv").read_text()
    assert [line.split(",")[0] for line in kept.splitlines()] == ["rule", "prepare_data", "targets", "train_target"]


def test_attacks_are_made_together_and_one_that_is_asked_for_by_name_alone(snakemake, stub_house, tmp_path):
    house, config = stub_house
    config["attacks"]["analytic"] = {}  # on the mlp only
    (house / "study.yaml").write_text(yaml.safe_dump(config))
    place = "results/stub/reconstructions/mnist/mlp"

    def run(*arguments):
        return snakemake(house / "Snakefile", tmp_path, *arguments, "--configfile", house / "study.yaml")

    alone = {"prepare_data": 1, "train_target": 1, "attack_target": 1}
    for asked in (f"{place}/dlg.safetensors", f"./{place}/dlg.csv"):
        assert planned_jobs(run(asked, "--dry-run")) == alone
    first = run(f"{place}/dlg.csv", "--cores", "2")
    assert first.returncode == 0, first.stdout
    assert "Nothing to be done" in run(f"{place}/dlg.csv", "--dry-run").stdout
    both = {"train_target": 1, "attack_target_by_all": 2, "attack_target": 1, "attacks": 1}
    assert planned_jobs(run("attacks", "--dry-run")) == both

    second = run("attacks", "--cores", "2")
    assert second.returncode == 0, second.stdout
    for asked in ("attacks", f"{place}/dlg.csv", f"{place}/invertgrad.safetensors", f"{place}/analytic.csv"):
        assert "Nothing to be done" in run(asked, "--dry-run").stdout
    config["attacks"]["analytic"] = {"objective": "squared"}
    (house / "study.yaml").write_text(yaml.safe_dump(config))
    assert planned_jobs(run("attacks", "--dry-run")) == {"attack_target": 1, "attacks": 1}


def test_changed_code_runs_again_what_it_changes_and_no_more(snakemake, stub_house, tmp_path):
    house, config = stub_house
    (house / "study.yaml").write_text(yaml.safe_dump(config | {"semsim": {"backbone": "vgg3"}}))
    library, scripts = house / "workflow" / "semsim", house / "workflow" / "scripts"

    def run(*arguments):
        options = ["--configfile", house / "study.yaml", *arguments]
        return snakemake(house / "Snakefile", tmp_path, "metrics", "semsim", *options)

    def change(path, old, new):
        text = path.read_text()
        assert old in text, path
        path.write_text(text.replace(old, new, 1))

    first = run("--cores", "2")
    assert first.returncode == 0, first.stdout

    # Words about the code plan nothing, wherever they are.
    change(library / "attacks" / "priors.py", '"""', '"""In other words: ')
    change(library / "seeds.py", '"""', '"""In other words: ')
    change(scripts / "prepare_data.py", "import sys", "import sys  # for its arguments")
    assert "Nothing to be done" in run("--dry-run").stdout

    with (scripts / "learning_arguments.py").open("a") as file:
        file.write("CHANGED = True\n")
    # Trials: within, without each architecture, without each attack; there is no other data set or defence.
    learned = {"try_semsim": 3, "measure_generalisation": 1, "measure_ablations": 1, "semsim": 1}
    learned |= {"measure_difficulty": 1, "measure_leakage_errors": 1, "try_calibration": 1, "learn_semsim": 1}
    assert planned_jobs(run("--dry-run")) == learned

    with (library / "attacks" / "priors.py").open("a") as file:
        file.write("CHANGED = True\n")
    jobs = planned_jobs(run("--dry-run"))
    assert {"attack_target_by_all": 2, "compute_metrics": 1, "collect_tables": 1}.items() <= jobs.items()
    assert not {"prepare_data", "train_target", "train_observer", "train_classifier"} & jobs.keys()


def test_no_rule_runs_a_script_without_the_digest_of_its_code(house):
    texts = [file.read_text() for file in [house / "Snakefile", *(house / "workflow" / "rules").glob("*.smk")]]
    rules = [rule for text in texts for rule in re.split(r"^ *(?:rule|checkpoint) ", text, flags=re.MULTILINE)[1:]]
    named = re.findall(r"^ +script=.*\bscript\(\"(\w+\.py)\"", "\n".join(texts), re.MULTILINE)
    scripts = {path.name for path in (house / "workflow" / "scripts").glob("*.py")}
    assert set(named) == {name for name in scripts if not name.endswith("_arguments.py")}  # which others share
    for rule in (rule for rule in rules if re.search(r"\bpython\b", rule.partition("shell:")[2])):
        assert '"python {params.script:q} ' in rule and re.search(r"^ +script=.*\bscript\(", rule, re.MULTILINE), rule


def test_an_ablation_runs_only_what_depends_on_it(snakemake, stub_house, tmp_path):
    house, config = stub_house
    config |= {"semsim": {"backbone": "vgg3"}}
    (house / "study.yaml").write_text(yaml.safe_dump(config))
    change = {"study": "other-margin", "builds_on": "stub", "ablations": [{"margin": 0.1}, {"margin": 2}]}
    (house / "margin.yaml").write_text(yaml.safe_dump(change))
    first = snakemake(house / "Snakefile", tmp_path, "semsim", "--cores", "2", "--configfile", house / "study.yaml")
    assert first.returncode == 0, first.stdout
    overlay = ["--configfile", house / "study.yaml", house / "margin.yaml"]
    jobs = planned_jobs(snakemake(house / "Snakefile", tmp_path, "--dry-run", "semsim", *overlay))
    assert jobs == {"try_variant": 2, "measure_ablations": 1, "semsim": 1}
    second = snakemake(house / "Snakefile", tmp_path, "semsim", "--cores", "2", *overlay)
    assert second.returncode == 0, second.stdout
    own = tmp_path / "results" / "other-margin"
    assert {path.name for path in (own / "semsim" / "ablations").iterdir()} == {"margin-0.1", "margin-2"}
    assert [path.name for path in (own / "tables").iterdir()] == ["ablations.csv"]


DEFECT_JOBS = {
    1: {"try_variant": 1, "measure_ablations": 1},
    2: {"try_variant": 1, "measure_ablations": 1},
    3: {"try_variant": 1, "measure_ablations": 1},
    4: {"try_variant": 1, "measure_ablations": 1, "measure_misaligned_reference": 1},
    5: {"measure_unscaled_lpips": 1},
    6: {"train_target": 16, "attack_target_by_all": 16, "measure_defence_scope": 1},
    7: {"measure_set_sizes": 1, "train_classifier": 1},
}


@pytest.mark.parametrize("number", DEFECT_JOBS)
def test_each_defect_is_a_study_that_runs_what_it_changes(snakemake, house, tmp_path, number):
    (overlay,) = (house / "config" / "ablations" / "defects").glob(f"{number}-*.yaml")
    names = [f"study=smoke-defect-{number}", *([] if number == 6 else ["builds_on=smoke"])]
    files = [house / "config" / "config.yaml", house / "config" / "smoke.yaml", overlay]
    jobs = planned_jobs(
        snakemake(house / "Snakefile", tmp_path, "--dry-run", "--configfile", *files, "--config", *names)
    )
    assert {rule: jobs[rule] for rule in DEFECT_JOBS[number]} == DEFECT_JOBS[number]
    assert "make_report" not in jobs and jobs["run_notebook"] == (number < 5)


def test_the_notebook_on_defects_is_made_once_they_are_and_says_how(snakemake, house, tmp_path):
    files = ["--configfile", house / "config" / "config.yaml", house / "config" / "smoke.yaml"]
    asked = snakemake(house / "Snakefile", tmp_path, "--dry-run", "defects", *files)
    assert asked.returncode != 0 and "Traceback (most recent call last)" not in asked.stdout
    assert "results/smoke-defect-1/tables/ablations.csv: no such table (9 of 9 are missing)" in asked.stdout
    assert "make defects CONFIG='" in asked.stdout and "smoke.yaml'" in asked.stdout

    for number, names in {
        **dict.fromkeys((1, 2, 3), ["ablations"]),
        4: ["ablations", "misaligned_reference"],
        5: ["unscaled_lpips", "unscaled_lpips_values"],
        6: ["defence_scope"],
        7: ["set_sizes"],
    }.items():
        folder = tmp_path / "results" / f"smoke-defect-{number}" / "tables"
        folder.mkdir(parents=True)
        for name in names:
            (folder / f"{name}.csv").touch()
    jobs = planned_jobs(snakemake(house / "Snakefile", tmp_path, "--dry-run", "defects", *files))
    assert jobs["run_notebook"] == jobs["defects"] == 1 and "make_report" not in jobs


def test_seeds_are_compared_once_they_have_run_and_says_how(snakemake, house, tmp_path):
    files = ["--configfile", house / "config" / "config.yaml", house / "config" / "smoke.yaml", "--config", "seeds=3"]
    asked = snakemake(house / "Snakefile", tmp_path, "--dry-run", "seeds", *files)
    assert asked.returncode != 0 and "Traceback (most recent call last)" not in asked.stdout
    assert "results/smoke/tables/generalisation.csv: no such table (9 of 9 are missing)" in asked.stdout
    assert "make seeds CONFIG='" in asked.stdout and "smoke.yaml'" in asked.stdout

    for name in ("smoke", "smoke-seed-2", "smoke-seed-3"):
        for table in ("generalisation", "generalisation_differences", "contradictions"):
            path = tmp_path / "results" / name / "tables" / f"{table}.csv"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    assert planned_jobs(snakemake(house / "Snakefile", tmp_path, "--dry-run", "seeds", *files))["compare_seeds"] == 1


def test_a_run_with_another_seed_makes_its_conclusions_alone(snakemake, house, tmp_path):
    files = ["--configfile", house / "config" / "config.yaml", house / "config" / "smoke.yaml"]
    names = ["--config", "study=smoke-seed-2", "seed=2"]
    jobs = planned_jobs(snakemake(house / "Snakefile", tmp_path, "--dry-run", "conclusions", *files, *names))
    assert jobs["measure_generalisation"] == 1 and jobs["count_contradictions"] >= 1
    assert not {"run_notebook", "make_report", "learn_semsim", "draw_contact_sheet"} & set(jobs)


def test_shards_of_an_attack_are_jobs_of_their_own(snakemake, stub_house, tmp_path):
    house, config = stub_house
    config["datasets"]["mnist"]["originals"] = 5
    (house / "study.yaml").write_text(yaml.safe_dump(config | {"shard": 2}))
    options = ["--dry-run", "--printshellcmds", "--configfile", house / "study.yaml"]
    process = snakemake(house / "Snakefile", tmp_path, "attacks", *options)
    jobs = planned_jobs(process)
    assert jobs == {"prepare_data": 1, "train_target": 2, "attack_shard": 12, "join_shards": 4, "attacks": 1}
    assert "--first 4 --count 2" in process.stdout


def test_a_full_disk_is_said_even_if_no_log_can_say_it(stub_house, tmp_path, monkeypatch):
    house, config = stub_house
    (house / "study.yaml").write_text(yaml.safe_dump(config))
    (house / "workflow" / "scripts" / "prepare_data.py").write_text("raise SystemExit(1)")
    full = "import shutil\nshutil.disk_usage = lambda path: shutil._ntuple_diskusage(2**30, 2**30, 0)\n"
    (tmp_path / "sitecustomize.py").write_text(full)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    # Started anew, from a folder of its own: the library that it imports is the one beside its Snakefile.
    command = [sys.executable, "-m", "snakemake", "data", "--cores", "1", "--configfile", house / "study.yaml"]
    command += ["--snakefile", house / "Snakefile", "--directory", tmp_path]
    process = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.returncode != 0
    assert (
        "The disk is full or nearly full: 0.0 MiB are left where results/stub/ is. Make room first." in process.stdout
    )
    assert "killed" not in process.stdout


def test_a_job_that_was_killed_is_said_to_be(snakemake, stub_house, tmp_path):
    house, config = stub_house
    (house / "study.yaml").write_text(yaml.safe_dump(config))
    killed = "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n"
    (house / "workflow" / "scripts" / "prepare_data.py").write_text(killed)
    process = snakemake(house / "Snakefile", tmp_path, "data", "--cores", "1", "--configfile", house / "study.yaml")
    assert process.returncode != 0
    assert "it resumes where it stopped." in process.stdout
    assert "A job was killed (SIGKILL)" in process.stdout and "memory ran out" in process.stdout


@pytest.mark.parametrize("name", ["o'brien", "a'$(touch injected)'b", "a b;c"])
def test_the_folder_of_the_repository_may_have_any_name(snakemake, stub_house, tmp_path, name):
    house, config = stub_house
    odd = house.rename(tmp_path / name)
    (odd / "study.yaml").write_text(yaml.safe_dump(config))
    report = "import os\nfrom pathlib import Path\nPath('library').write_text(os.environ['PYTHONPATH'])\n"
    with (odd / "workflow" / "scripts" / "prepare_data.py").open("a") as file:
        file.write(report)
    process = snakemake(odd / "Snakefile", odd, "data", "--cores", "1", "--configfile", odd / "study.yaml")
    assert process.returncode == 0, process.stdout
    assert (odd / "library").read_text() == str(odd / "workflow")
    assert not list(tmp_path.rglob("injected"))


def test_braces_in_the_folder_of_the_repository_are_refused_in_words(snakemake, stub_house, tmp_path):
    house, _ = stub_house
    odd = house.rename(tmp_path / "a{b}")
    process = snakemake(odd / "Snakefile", tmp_path, "data", "--dry-run")
    assert process.returncode != 0 and "Traceback" not in process.stdout
    assert "a{b}: Snakemake takes braces in this path for wildcards. Rename the folder." in process.stdout


def test_braces_and_quotes_in_settings_are_text(snakemake, stub_house, tmp_path):
    house, config = stub_house
    odd = "{dataset} {x}'$(touch injected)"
    campaign, mirror = tmp_path / odd / "labels", tmp_path / odd / "mirror"
    (mirror / odd).mkdir(parents=True)
    campaign.mkdir()
    (tmp_path / odd / "weights").mkdir()
    for name in ("images.csv", "labels.csv"):
        (campaign / name).touch()
    config["datasets"]["mnist"] |= {"kind": "folder", "path": odd}
    config |= {"labels": f"{odd}/labels", "mirror": str(mirror), "weights": f"{odd}/weights"}
    (house / "study.yaml").write_text(yaml.safe_dump(config))
    options = ["--cores", "2", "--printshellcmds", "--configfile", house / "study.yaml"]
    tables = [f"results/stub/tables/{name}.csv" for name in ("metrics", "labels")]
    process = snakemake(house / "Snakefile", tmp_path, *tables, *options)
    assert process.returncode == 0, process.stdout
    for option, value in (("--campaign", config["labels"]), ("--mirror", mirror), ("--pretrained", config["weights"])):
        assert f"{option} {shlex.quote(str(value))}" in process.stdout
    assert not list(tmp_path.rglob("injected"))
    process = snakemake(house / "Snakefile", tmp_path, "results/human-study/tables/labels.csv", *options, "--dry-run")
    assert process.stdout.count(f"--mirror {shlex.quote(str(mirror))}") == 1, process.stdout

    (campaign / "labels.csv").write_text("another export")
    jobs = planned_jobs(snakemake(house / "Snakefile", tmp_path, *tables, *options, "--dry-run"))
    assert jobs == {"collect_labels": 1}


def test_the_picture_of_the_stages_is_up_to_date(snakemake, house, tmp_path):
    # `make dag` draws it.
    config = ["--configfile", house / "config" / "config.yaml"]
    graph = snakemake(house / "Snakefile", tmp_path, "all", "human_study", "--rulegraph", *config)
    command = [sys.executable, house / "docs" / "draw_stages.py", "--out", tmp_path / "stages.svg"]
    subprocess.run(command, input=graph.stdout, text=True, check=True)
    assert (tmp_path / "stages.svg").read_text() == (house / "docs" / "stages.svg").read_text()


def test_what_a_report_shows_has_a_category_and_a_caption(house):
    used = set()
    for file in (house / "workflow" / "rules").glob("*.smk"):
        for shown in re.findall(r"\breport\((?:[^()]|\([^()]*\))*\)", file.read_text()):
            caption = re.search(r'caption="\.\./report/(\w+\.rst)"', shown)
            assert caption and "category=" in shown and "labels=" in shown, shown
            used.add(caption[1])
    assert used | {"workflow.rst"} == {path.name for path in (house / "workflow" / "report").iterdir()}
