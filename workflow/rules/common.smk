# What all stages share: names, places and limits. `STUDY` holds the checked configuration.

import csv
import json
import os
import re
import shutil
from pathlib import Path

from snakemake.settings.types import DeploymentMethod

from semsim.learned.folds import WITHIN, exclusions
from semsim.config.study import MAIN

# Relative to the working directory, so that a study goes on after its folder was moved.
HOUSE = Path(os.path.relpath(workflow.basedir))
# A study that builds on another one finds everything there that it does not change, or makes it there.
RESULTS, FIGURES = STUDY.results, STUDY.figures
OWN_RESULTS = STUDY.own_results
BASE = Path(RESULTS).name
HUMAN_STUDY = "human-study"  # the published labels: another source of the same tables
RELEASED = "released"  # the released images: another source for SemSim
ABLATIONS = [name for name in STUDY.variants if name != MAIN]
DEFECTS_NOTEBOOK = "07_defects"  # a notebook on other studies, those of config/ablations/defects/
NOTEBOOKS = sorted({path.stem for path in HOUSE.glob("notebooks/[0-9]*.ipynb")} - {DEFECTS_NOTEBOOK})
# By the number of a defect, what notebook 07 reads of the study that has it.
SHOWN_OF_DEFECTS = {
    1: ["ablations"],
    2: ["ablations"],
    3: ["ablations"],
    4: ["ablations", "misaligned_reference"],
    5: ["unscaled_lpips", "unscaled_lpips_values"],
    6: ["defence_scope"],
    7: ["set_sizes"],
}
uses_gpu = STUDY.device == "cuda" or (STUDY.device == "auto" and shutil.which("nvidia-smi") is not None)
# Decided once, where the study is started: a job on a node of a cluster must not use more than was asked for.
GPUS = int(os.environ.setdefault("SEMSIM_GPUS", str(int(uses_gpu))))


wildcard_constraints:
    study="|".join([STUDY.name, BASE, HUMAN_STUDY]),
    dataset="|".join(STUDY.datasets),
    target="|".join(STUDY.targets),
    attack="|".join(STUDY.attacks),
    observer="|".join(STUDY.observers),
    first=r"\d+",
    notebook="|".join([*NOTEBOOKS, DEFECTS_NOTEBOOK]),
    variant="|".join(map(re.escape, ABLATIONS)),
    exclusion=rf"{WITHIN}|(target|attack)-[nm]\d+" if STUDY.released else "|".join(map(re.escape, STUDY.exclusions)),
    network="|".join(STUDY.networks),
    public="|".join(["all", *(f"without-{dataset}" for dataset in STUDY.datasets)]),


def script(name):
    """Return the script of a rule: an input, so that a change of it runs the rule again."""
    return HOUSE / "workflow" / "scripts" / name


def every_attack(pattern):
    """Fill a pattern with the targets of the study and the attacks on each."""
    return [
        path
        for target in STUDY.targets
        for attack in STUDY.attacks_on(target)
        for path in expand(pattern, target=target, attack=attack, allow_missing=True)
    ]


def attacks_on_target(pattern):
    """Return an input function that fills a pattern with the attacks on the target of a job."""
    return lambda wildcards: expand(pattern, attack=STUDY.attacks_on(wildcards.target), **wildcards)


def every(pattern):
    """Fill a pattern with the names of the study: its own, data sets, targets and the attacks on each, notebooks."""
    names = {"study": BASE, "dataset": STUDY.datasets, "notebook": NOTEBOOKS}
    return list(dict.fromkeys(expand(every_attack(pattern), **names)))


def state_of(images):
    """Return the file that keeps an unfinished attack."""
    return f"{RESULTS}/state/{Path(images).relative_to(f'{RESULTS}/reconstructions').with_suffix('.pt')}"


def datasets_of(public):
    """Return the data sets whose public images a classifier learns from: ``all``, or ``without-`` one."""
    return [name for name in STUDY.datasets if f"without-{name}" != public]


def variant_of(wildcards):
    """Return the variant of SemSim that a job trains: an ablation, or that with the settings of the study."""
    return getattr(wildcards, "variant", MAIN)


def exclusion_of(wildcards):
    """Return what a job of SemSim leaves out; ablations leave out nothing but originals."""
    return getattr(wildcards, "exclusion", WITHIN)


def classifier_of(wildcards):
    """Return the classifier that a job of SemSim starts from: one that has not seen the data set that is left out.

    Nothing is released to train one on.
    """
    if STUDY.released:
        return []
    kind, _, value = exclusion_of(wildcards).partition("-")
    public = f"without-{value}" if kind == "dataset" else "all"
    network = STUDY.network_of(variant_of(wildcards))
    return expand(rules.train_classifier.output.weights, network=network, public=public)


def every_trial(wildcards):
    """Return the trials of SemSim without each thing in turn; what the released images have is known once they are there."""
    names = STUDY.exclusions
    if STUDY.released:
        with open(checkpoints.fetch_released.get().output.images, encoding="utf-8") as images:
            shown = list(csv.DictReader(images))
        kinds = ("dataset", "target", "attack")
        names = exclusions({kind: list(dict.fromkeys(row[kind] for row in shown)) for kind in kinds})
    return expand(rules.try_semsim.output.trials, exclusion=names)


def notebook_inputs(wildcards):
    """Return the tables and figures that a notebook reads; the human study has no pixels, and so no figures of them."""
    if wildcards.notebook == "01_reconstructions":
        return [*rules.collect_tables.output, *every(rules.draw_contact_sheet.output)]
    if wildcards.notebook == "05_semsim":
        learnt = [*rules.measure_generalisation.output, *rules.learn_semsim.output]
        return [*learnt, *rules.measure_ablations.output, *every(rules.draw_semsim_examples.output)]
    if wildcards.notebook == "06_generalisation":
        return rules.measure_generalisation.output
    if wildcards.notebook == DEFECTS_NOTEBOOK:
        return tables_of_defects(wildcards)
    tables = expand(STATISTICS, study=wildcards.study)
    return tables if wildcards.study == HUMAN_STUDY else tables + every(rules.draw_contradictions.output)


def tables_of_defects(wildcards):
    """Return the tables of the studies of defects that build on this one; they are other studies, made before."""
    paths = [
        f"{RESULTS}-defect-{number}/tables/{name}.csv" for number, names in SHOWN_OF_DEFECTS.items() for name in names
    ]
    if missing := [path for path in paths if not os.path.exists(path)]:
        configs = " ".join(os.path.relpath(path) for path in workflow.configfiles)
        raise WorkflowError(
            f"{missing[0]}: no such table ({len(missing)} of {len(paths)} are missing). The studies of defects make them,"
            f" one after the other: make defects CONFIG='{configs}'"
        )
    return [*paths, *rules.collect_tables.output]


def outcome_of_study():
    """Return what a study is made for: its report and all that this gathers, or what it has in place of one.

    A job that fails takes older outputs of its own away, and what nobody asks for by name would not come back.
    """
    if STUDY.released:  # SemSim alone
        return [*rules.measure_generalisation.output, *rules.learn_semsim.output, *rules.measure_ablations.output]
    if OWN_RESULTS == RESULTS and not STUDY.defects:
        page = rules.make_report
        return [*page.output, *page.input.tables, *page.input.figures, *page.input.notebooks]
    notebooks = ["05_semsim"] if OWN_RESULTS != RESULTS and ABLATIONS else []
    tables = [table for defect in STUDY.defects for table in DEFECT_TABLES[defect]]
    return [*tables, *expand(rules.notebook_html.output, study=STUDY.name, notebook=notebooks)]


# Jobs see the library of this folder, and nothing that the user installed elsewhere. Without conda their `python` is the
# one that runs Snakemake, whether or not its environment is activated.
with_conda = DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method
shell.prefix(
    "set -euo pipefail;"
    f" export PYTHONNOUSERSITE=1 PYTHONPATH='{workflow.basedir}/workflow';"
    # Else glibc gives the memory of every large tensor back and asks for it again: up to a third of an attack's time.
    " export MALLOC_TRIM_THRESHOLD_=4294967296 MALLOC_MMAP_MAX_=0;"
    + ("" if with_conda else f" export PATH='{os.path.dirname(sys.executable)}':$PATH; ")
)
