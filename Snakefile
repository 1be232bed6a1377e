"""The study, from images to the report: `snakemake --cores all`. README.md has the stages, config/README.md the settings."""

import sys

from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version

min_version("9.10")
sys.path.insert(0, f"{workflow.basedir}/workflow")

from semsim.errors import SemsimError
from semsim.config.study import Study, read_config

if {"{", "}"} & set(workflow.basedir):
    raise WorkflowError(f"{workflow.basedir}: Snakemake takes braces in this path for wildcards. Rename the folder.")

if not workflow.overwrite_configfiles:

    configfile: f"{workflow.basedir}/config/config.yaml"


report: "workflow/report/workflow.rst"


try:
    read_config(*workflow.configfiles)  # Snakemake takes the last of several equal keys
    STUDY = Study(config)
except SemsimError as error:
    raise WorkflowError(str(error)) from None


include: "workflow/rules/common.smk"
include: "workflow/rules/human_study.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/targets.smk"
include: "workflow/rules/attacks.smk"
include: "workflow/rules/metrics.smk"
include: "workflow/rules/observers.smk"
include: "workflow/rules/embedded.smk"


if STUDY.replayed:

    include: "workflow/rules/replayed.smk"


include: "workflow/rules/labels.smk"
include: "workflow/rules/protection.smk"
include: "workflow/rules/statistics.smk"
include: "workflow/rules/released.smk"
include: "workflow/rules/from_released.smk" if STUDY.released else "workflow/rules/from_study.smk"
include: "workflow/rules/semsim.smk"
include: "workflow/rules/leakage_errors.smk"
include: "workflow/rules/difficulty.smk"
include: "workflow/rules/weights.smk"
include: "workflow/rules/defects.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/notebooks.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/seeds.smk"


localrules:
    all,
    fetch_pretrained,
    data,
    targets,
    attacks,
    metrics,
    labels,
    protection,
    faithfulness,
    semsim,
    difficulty,
    figures,
    notebooks,
    report,
    human_study,
    released,
    defects,
    conclusions,
    seeds,
    observers_embedded,


rule all:
    default_target: True
    input:
        outcome_of_study(),


rule data:
    input:
        every(rules.prepare_data.output),


rule targets:
    input:
        every(rules.train_target.output),


rule attacks:
    input:
        every(rules.attack_target.output),


rule metrics:
    input:
        rules.collect_tables.output,


rule labels:
    input:
        rules.collect_labels.output,


rule protection:
    input:
        rules.measure_protection.output,
        expand(rules.run_notebook.output.html, study=STUDY.name, notebook="01_reconstructions"),


rule faithfulness:
    input:
        every(rules.measure_agreement.output),
        every(rules.compare_with_person.output),
        every(rules.measure_ranking.output),
        every(rules.measure_faithfulness.output),
        every(rules.count_contradictions.output),


rule semsim:
    input:
        rules.measure_generalisation.output,
        rules.try_calibration.output,
        rules.learn_semsim.output,
        rules.measure_ablations.output,
        every(rules.measure_leakage_errors.output),


rule difficulty:
    input:
        every(rules.measure_difficulty.output),


rule figures:
    input:
        figures_of_study(),


rule notebooks:
    input:
        NOTEBOOKS_OF_STUDY,


rule report:
    input:
        rules.make_report.output,


rule human_study:
    input:
        NOTEBOOKS_OF_LABELS,


rule released:
    input:
        rules.measure_released.output,


rule observers_embedded:
    input:
        rules.read_embedded_observers.output,
        rules.train_embedded_starts.output,


rule defects:
    input:
        expand(rules.run_notebook.output.html, study=STUDY.name, notebook=DEFECTS_NOTEBOOK),


rule conclusions:
    input:
        expand(CONCLUSIONS, name=BASE),


rule seeds:
    input:
        rules.compare_seeds.output,


onsuccess:
    time_left.close()
    print(f"Done: results are in {OWN_RESULTS}/, figures in figures/{STUDY.name}/.")


onerror:
    time_left.close()
    print(
        "Stopped. Finished work is kept: fix what the log above says and run the same command again; it resumes where it"
        " stopped."
    )
    if was_killed(log):
        print(
            "A job was killed (SIGKILL) and could not say why. Most often memory ran out: run fewer jobs at once (fewer"
            " --cores), or set a smaller memory_gib for attacks."
        )
    # On a full disk the log may come out empty, too.
    left = shutil.disk_usage(RESULTS if os.path.isdir(RESULTS) else ".").free / 2**20
    if left < 100:
        print(f"The disk is full or nearly full: {left:.1f} MiB are left where {RESULTS}/ is. Make room first.")
