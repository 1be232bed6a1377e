rule run_notebook:
    """Execute a notebook on a study's tables and figures."""
    input:
        script=script("run_notebook.py"),
        notebook=HOUSE / "notebooks" / "{notebook}.ipynb",
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
        # It is written here first: a failed notebook stays readable, where a failed output would be deleted.
        notebook="results/{study}/logs/notebooks/{notebook}.ipynb",
        results=lambda wildcards: f"results/{HUMAN_STUDY}" if wildcards.study == HUMAN_STUDY else RESULTS,
        further=lambda wildcards: (
            ["--parameter", "examples", FIGURES, "--parameter", "ablations", f"{OWN_RESULTS}/tables/ablations.csv"]
            if wildcards.notebook == "05_semsim"
            else []
        ),
    shell:
        "python {input.script:q} --notebook {input.notebook:q} --parameter study {wildcards.study}"
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
