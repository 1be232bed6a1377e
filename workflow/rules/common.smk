# What all stages share: names, paths and limits. `STUDY` holds the checked configuration.

import json
import os
import re
import shutil
from pathlib import Path

from snakemake.settings.types import DeploymentMethod

from semsim.config.code import Code
from semsim.config.study import MAIN
from semsim.data.embedded import EMBEDDED
from semsim.data.published import is_downloaded
from semsim.learned.folds import FOLD_KINDS, WITHIN, kind_of_folds
from semsim.learned.starts import SEEN, start_name
from semsim.observers.shipped import PANEL
from semsim.pretrained.networks import OF_METRICS
from semsim.pretrained.weights import require_weights, weights_at_hand
from semsim.timing import SayTimeLeft

# Relative to the working directory, so that a study resumes after its folder has been moved.
HOUSE = Path(os.path.relpath(workflow.basedir))
CODE = Code(HOUSE / "workflow", HOUSE / "workflow" / "scripts")
# A study that builds on another one uses that study's results, or computes them there, for everything that it does not change.
RESULTS, FIGURES = STUDY.results, STUDY.figures
OWN_RESULTS = STUDY.own_results
BASE = Path(RESULTS).name
# The published labels, or others of the same images: another source of the same tables.
HUMAN_STUDY = "human-study-others" if STUDY.human_study_labels else "human-study"
RELEASED = "released"  # the released images: another source for SemSim
# The attacks that apply to every target model, which one job runs; any other attack is a separate job, as is each shard.
TOGETHER = [
    name for name in STUDY.attacks if not STUDY.shard and all(name in STUDY.attacks_on(each) for each in STUDY.targets)
]
try:
    PRETRAINED = weights_at_hand(STUDY.weights, OF_METRICS)
    for backbone in STUDY.pretrained_backbones if "fetch_pretrained" not in " ".join(sys.argv) else ():
        require_weights(backbone, STUDY.weights)
except SemsimError as error:
    raise WorkflowError(str(error)) from None
ABLATIONS = [name for name in STUDY.variants if name != MAIN]
uses_gpu = STUDY.device == "cuda" or (STUDY.device == "auto" and shutil.which("nvidia-smi") is not None)
# Decided once, where the study is started: a cluster job must not use more than it requested.
GPUS = int(os.environ.setdefault("SEMSIM_GPUS", str(int(uses_gpu))))


# What the jobs of this study took, or those of the reference run: from this, the time that is left.
time_left = SayTimeLeft(
    path=f"{OWN_RESULTS}/seconds.csv",
    otherwise=HOUSE / "results" / "reference" / "demo" / "seconds.csv",
    cores=workflow.resource_settings.cores,
    say=lambda text: print(text, file=sys.stderr, flush=True),
)
if workflow.is_main_process and workflow.resource_settings.cores and not workflow.output_settings.dryrun:
    logger.addHandler(time_left)


def one_of(names):
    """Return the regular expression of these names; where there are none, one that nothing matches."""
    return "|".join(names) or "(?!)"


wildcard_constraints:
    study="|".join([STUDY.name, BASE, HUMAN_STUDY]),
    dataset="|".join(STUDY.datasets),
    target="|".join(STUDY.targets),
    attack="|".join(STUDY.attacks),
    observer="|".join(STUDY.observers),
    first=r"\d+",
    folds="|".join(FOLD_KINDS),
    variant="|".join(map(re.escape, ABLATIONS)),
    network=one_of(STUDY.networks),
    kind="|".join(EMBEDDED),
    public="|".join(["all", *(f"without-{dataset}" for dataset in STUDY.datasets)]),


def script(name, *notebooks):
    """Return the arguments with which Python runs a script, for `params`.

    They include a digest of all code that it and the notebooks run, so that a change to the library re-runs the rules
    whose code it affects. Python ignores the option.
    """
    path = HOUSE / "workflow" / "scripts" / name
    try:
        return ["-X", f"code={CODE.digest(path, *notebooks)}", str(path)]
    except SemsimError as error:
        raise WorkflowError(str(error)) from None


def every_attack(pattern):
    """Fill a pattern with the targets of the study and the attacks on each."""
    return [
        path
        for target in STUDY.targets
        for attack in STUDY.attacks_on(target)
        for path in expand(pattern, target=target, attack=attack, allow_missing=True)
    ]


def attacks_with(wildcards):
    """Return the attacks in the job that makes, or would make, the reconstructions of one.

    Their settings belong to each of the reconstructions, so that these are up to date whichever job made them.
    """
    attack = getattr(wildcards, "attack", None)
    return [attack] if attack and attack not in TOGETHER else TOGETHER


def asked_by_name(folder):
    """Tell whether this run was asked for single files in a folder; Snakemake itself looks only once it has the rules."""
    return any(os.path.normpath(each).startswith(folder) for each in sys.argv)


def every(pattern):
    """Fill a pattern with the names of the study: its own, data sets, targets and the attacks on each."""
    return list(dict.fromkeys(expand(every_attack(pattern), study=BASE, dataset=STUDY.datasets)))


def of_own_study(path, published=()):
    """Return an input function for what the published human study has not got, or has from elsewhere."""
    return lambda wildcards: published if wildcards.study == HUMAN_STUDY else path


def difficulty_option(wildcards, input):
    """Return the option that names the table of difficulty; nothing where it is not known."""
    return ["--difficulty", *input.difficulty] if input.difficulty else []


def pretrained_weights(wildcards):
    """Return the option that names the folder of pretrained weights; a function, so that braces in it are not wildcards."""
    return ["--pretrained", STUDY.weights] if STUDY.weights else []


def watched(*paths):
    """Return the user's files and folders that can be inputs, which Snakemake checks for changes."""
    return [path for path in paths if "{" not in str(path)]


def stamped(*paths):
    """Return the others, with their modification times, for `params`: as inputs, braces would be read as wildcards."""
    return [[str(path), os.stat(path).st_mtime_ns] for path in paths if "{" in str(path) and os.path.exists(path)]


def source_of(wildcards):
    """Return the file or folder that a data set is read from, if there is one, as a list."""
    return [path for path in [STUDY.source(wildcards.dataset)] if path]


def trained_observers(wildcards):
    """Return the observers that the study trains for a data set; none where those that come with semsim read it."""
    if STUDY.read_by_shipped(wildcards.dataset):
        return []
    makers = {True: rules.fine_tune_observer, False: rules.train_observer}
    return [
        path
        for observer in STUDY.observers
        for path in expand(makers[STUDY.is_pretrained(observer)].output.weights, observer=observer, **wildcards)
    ]


def panel_of(wildcards, input):
    """Return the options that name the observers of a data set."""
    if STUDY.read_by_shipped(wildcards.dataset):
        return ["--shipped", STUDY.data_settings(wildcards.dataset)["kind"]]
    cautions = {name: STUDY.observer_settings(name)["caution"] for name in STUDY.observers}
    return ["--observers", *input.observers, "--cautions", json.dumps(cautions)]


def datasets_of(public):
    """Return the data sets whose public images a classifier is trained on: ``all``, or all ``without-`` one."""
    return [name for name in STUDY.datasets if f"without-{name}" != public]


def variant_of(wildcards):
    """Return the variant of SemSim that a job trains: an ablation, or the one with the study's settings."""
    return getattr(wildcards, "variant", MAIN)


def exclusions_of(wildcards):
    """Return what a job of SemSim holds out in turn; jobs that try no folds of a kind hold out originals only."""
    kind = getattr(wildcards, "folds", WITHIN)
    return [WITHIN] if kind == WITHIN else [each for each in exclusions_of_study() if kind_of_folds(each) == kind]


def kinds_of_folds():
    """Return the kinds of folds on which SemSim is tried, a job each."""
    return list(dict.fromkeys(map(kind_of_folds, exclusions_of_study())))


def start_of(wildcards):
    """Return the option that names the classifiers from which SemSim starts, one for each exclusion of a job."""
    return ["--start", *starts] if (starts := starts_of(wildcards)) else []


def notebook_inputs(wildcards):
    """Return the tables and figures that a notebook reads."""
    notebook = NOTEBOOKS[wildcards.notebook]
    tables = notebook.tables() if callable(notebook.tables) else notebook.tables
    figures = [] if wildcards.study == HUMAN_STUDY else notebook.figures
    return [*expand(tables, study=wildcards.study), *figures]


def notebook_of(wildcards):
    """Return a notebook, without outputs."""
    return HOUSE / "notebooks" / f"{wildcards.notebook}.ipynb"


def spot_checks():
    """Return the tables of all campaigns that were compared with studies; the report uses those of its own study."""
    return sorted(map(str, Path("annotations").glob("*/tables/compared.csv")))


def tables_of_defects():
    """Return the tables of the defect studies that build on this one; they must have been run before."""
    paths = [
        f"{RESULTS}-defect-{number}/tables/{name}.csv" for number, names in SHOWN_OF_DEFECTS.items() for name in names
    ]
    return [*of_other_studies(paths, "defects"), *rules.collect_tables.output]


def tables_of_seeds():
    """Return the conclusions of the study with each of its seeds; they must have been run before."""
    return of_other_studies(expand(CONCLUSIONS, name=STUDY.replications), "seeds")


def of_other_studies(paths, target):
    """Return these tables of other studies, which this one cannot make; if one is missing, say which `make` writes it."""
    if missing := [path for path in paths if not os.path.exists(path)]:
        configs = " ".join(os.path.relpath(path) for path in workflow.configfiles)
        raise WorkflowError(
            f"{missing[0]}: no such table ({len(missing)} of {len(paths)} are missing). Run the studies that write them:"
            f" make {target} CONFIG='{configs}'"
        )
    return paths


def was_killed(logs):
    """Tell whether a job ended by SIGKILL, from Snakemake's own logs: the job's log does not mention it."""
    text = "".join(Path(path).read_text(encoding="utf-8", errors="replace") for path in logs)
    return "exit status 137" in text or "died with <Signals.SIGKILL" in text


# Jobs use the library in this folder, and no user-installed packages. Without conda, their `python` is the one that runs
# Snakemake, whether or not its environment is activated.
LIBRARY = f"{workflow.basedir}/workflow"
PROGRAMS = os.path.dirname(sys.executable)
with_conda = DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method
shell.prefix(
    "set -euo pipefail;"
    " export PYTHONNOUSERSITE=1 PYTHONPATH={LIBRARY:q};"
    # Otherwise glibc returns and re-requests the memory of every large tensor: up to a third of an attack's time.
    " export MALLOC_TRIM_THRESHOLD_=4294967296 MALLOC_MMAP_MAX_=0; "
    + ("" if with_conda else "export PATH={PROGRAMS:q}:$PATH; ")
)
