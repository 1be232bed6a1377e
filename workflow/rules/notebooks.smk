# To add a notebook, put it into notebooks/ and list its inputs here.

from collections.abc import Callable
from typing import NamedTuple


class Notebook(NamedTuple):
    """What a notebook needs.

    Attributes
    ----------
    question : str
        What it answers; a caption.
    tables : list of str, or a function that returns one
        The tables that it reads, with ``{study}`` in place of the study's name.
    figures : list of str
        The figures that it shows. They show images, so the human study has none.
    parameters : list of str
        Options for papermill in addition to the study's name and folders.
    of_labels : bool
        Whether the human study has all that it reads.
    """

    question: str
    tables: list[str] | Callable[[], list[str]]
    figures: list[str] = []
    parameters: list[str] = []
    of_labels: bool = False


NOTEBOOKS = {
    "01_reconstructions": Notebook(
        "How well were the target models trained, and what did the attacks reconstruct?",
        [*rules.collect_tables.output, *rules.measure_protection.output],
        every(rules.draw_contact_sheet.output),
    ),
    "02_annotators": Notebook(
        "What did annotators recognise, and how well do they agree?",
        [*STATISTICS, *rules.measure_difficulty.output],
        of_labels=True,
    ),
    "03_faithfulness": Notebook(
        "How faithful is each metric to what annotators recognised?",
        [*STATISTICS, *rules.measure_difficulty.output],
        of_labels=True,
    ),
    "04_contradictions": Notebook(
        "How often do metrics order reconstructions differently from each other and from annotators?",
        [*STATISTICS, *rules.measure_leakage_errors.output],
        every(rules.draw_contradictions.output),
        of_labels=True,
    ),
    "05_semsim": Notebook(
        "What did SemSim learn from the labels, and which of its settings matter?",
        [*rules.measure_generalisation.output, *rules.learn_semsim.output, *rules.measure_ablations.output],
        every(rules.draw_semsim_examples.output),
        ["--parameter", "examples", FIGURES, "--parameter", "ablations", *rules.measure_ablations.output],
    ),
    "06_generalisation": Notebook(
        "How faithful is SemSim on originals, data sets, target models and attacks that were held out?",
        rules.measure_generalisation.output,
    ),
    "07_defects": Notebook("What do defects of the paper's released code do to the conclusions?", tables_of_defects),
    "08_ranking": Notebook(
        "When may a ranking of target models by a metric be trusted?", rules.measure_ranking.output, of_labels=True
    ),
}
if STUDY.replayed:
    NOTEBOOKS["09_people"] = Notebook(
        "Do people's labels of the paper's reconstructions fit ours, and how faithful is each metric to them?",
        [*rules.measure_correspondence.output, *STATISTICS, *rules.measure_generalisation.output],
    )
DEFECTS_NOTEBOOK = "07_defects"  # on the results of other studies, so not part of a single study


wildcard_constraints:
    notebook="|".join(NOTEBOOKS),


rule run_notebook:
    """Execute a notebook on a study's tables and figures, and convert it to HTML."""
    input:
        notebook=notebook_of,
        read=notebook_inputs,
    output:
        notebook="results/{study}/notebooks/{notebook}.ipynb",
        html=report(
            "results/{study}/notebooks/{notebook}.html",
            caption="../report/notebook.rst",
            category="Notebooks",
            labels={"notebook": "{notebook}", "study": "{study}"},
        ),
    log:
        "results/{study}/logs/notebooks/{notebook}.log",
    benchmark:
        "results/{study}/benchmarks/notebooks/{notebook}.tsv"
    conda:
        "../../envs/notebook.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        script=lambda wildcards: script("run_notebook.py", notebook_of(wildcards)),
        # Written here first: a failed notebook stays readable, whereas a failed output would be deleted.
        notebook="results/{study}/logs/notebooks/{notebook}.ipynb",
        results=lambda wildcards: f"results/{HUMAN_STUDY}" if wildcards.study == HUMAN_STUDY else RESULTS,
        further=lambda wildcards: NOTEBOOKS[wildcards.notebook].parameters,
        question=lambda wildcards: NOTEBOOKS[wildcards.notebook].question,
    shell:
        "python {params.script:q} --notebook {input.notebook:q} --parameter study {wildcards.study}"
        " --parameter results {params.results:q} --parameter figures figures/{wildcards.study} {params.further:q}"
        " --out {params.notebook:q} --html {output.html:q} &> {log:q}"
        " && cp {params.notebook:q} {output.notebook:q}"


NOTEBOOKS_OF_STUDY = expand(
    rules.run_notebook.output.html, study=BASE, notebook=[name for name in NOTEBOOKS if name != DEFECTS_NOTEBOOK]
)
NOTEBOOKS_OF_LABELS = expand(
    rules.run_notebook.output.html,
    study=HUMAN_STUDY,
    notebook=[name for name, notebook in NOTEBOOKS.items() if notebook.of_labels],
)
