# To add a notebook, put it into notebooks/ and name here what it reads.

from collections.abc import Callable
from typing import NamedTuple


class Notebook(NamedTuple):
    """What a notebook needs.

    Attributes
    ----------
    tables : list of str, or a function that returns one
        The tables that it reads, with ``{study}`` in place of the study's name.
    figures : list of str
        The figures that it shows: of images, so the human study has none.
    parameters : list of str
        Options for papermill beside the study's name and folders.
    of_labels : bool
        Whether the human study has all that it reads.
    """

    tables: list[str] | Callable[[], list[str]]
    figures: list[str] = []
    parameters: list[str] = []
    of_labels: bool = False


NOTEBOOKS = {
    "01_reconstructions": Notebook(rules.collect_tables.output, every(rules.draw_contact_sheet.output)),
    "02_annotators": Notebook(STATISTICS, of_labels=True),
    "03_faithfulness": Notebook(STATISTICS, of_labels=True),
    "04_contradictions": Notebook(STATISTICS, every(rules.draw_contradictions.output), of_labels=True),
    "05_semsim": Notebook(
        [*rules.measure_generalisation.output, *rules.learn_semsim.output, *rules.measure_ablations.output],
        every(rules.draw_semsim_examples.output),
        ["--parameter", "examples", FIGURES, "--parameter", "ablations", *rules.measure_ablations.output],
    ),
    "06_generalisation": Notebook(rules.measure_generalisation.output),
    "07_defects": Notebook(tables_of_defects),
}
DEFECTS_NOTEBOOK = "07_defects"  # on the results of other studies, so no part of a study


wildcard_constraints:
    notebook="|".join(NOTEBOOKS),


def notebook_inputs(wildcards):
    """Return the tables and figures that a notebook reads."""
    tables, figures, *_ = NOTEBOOKS[wildcards.notebook]
    tables = expand(tables() if callable(tables) else tables, study=wildcards.study)
    return tables if wildcards.study == HUMAN_STUDY else [*tables, *figures]


def notebook_of(wildcards):
    """Return a notebook, without outputs."""
    return HOUSE / "notebooks" / f"{wildcards.notebook}.ipynb"


rule run_notebook:
    """Execute a notebook on a study's tables and figures."""
    input:
        notebook=notebook_of,
        read=notebook_inputs,
    output:
        "results/{study}/notebooks/{notebook}.ipynb",
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
        # It is written here first: a failed notebook stays readable, where a failed output would be deleted.
        notebook="results/{study}/logs/notebooks/{notebook}.ipynb",
        results=lambda wildcards: f"results/{HUMAN_STUDY}" if wildcards.study == HUMAN_STUDY else RESULTS,
        further=lambda wildcards: NOTEBOOKS[wildcards.notebook].parameters,
    shell:
        "python {params.script:q} --notebook {input.notebook:q} --parameter study {wildcards.study}"
        " --parameter results {params.results:q} --parameter figures figures/{wildcards.study} {params.further:q}"
        " --out {params.notebook:q} &> {log:q}"
        " && cp {params.notebook:q} {output:q}"


rule notebook_html:
    """Make a page of an executed notebook."""
    input:
        rules.run_notebook.output,
    output:
        "results/{study}/notebooks/{notebook}.html",
    log:
        "results/{study}/logs/notebooks/{notebook}_html.log",
    benchmark:
        "results/{study}/benchmarks/notebooks/{notebook}_html.tsv"
    conda:
        "../../envs/notebook.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=30,
    params:
        folder=subpath(output[0], parent=True),
    shell:
        "jupyter nbconvert --to html --embed-images --output-dir {params.folder:q} {input:q} &> {log:q}"


NOTEBOOKS_OF_STUDY = expand(
    rules.notebook_html.output, study=BASE, notebook=[name for name in NOTEBOOKS if name != DEFECTS_NOTEBOOK]
)
NOTEBOOKS_OF_LABELS = expand(
    rules.notebook_html.output,
    study=HUMAN_STUDY,
    notebook=[name for name, notebook in NOTEBOOKS.items() if notebook.of_labels],
)
