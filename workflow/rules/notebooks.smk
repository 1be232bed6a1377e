rule run_notebook:
    """Execute a notebook on the study's tables and figures."""
    input:
        notebook=HOUSE / "notebooks" / "{notebook}.ipynb",
        tables=rules.collect_tables.output,
        figures=every(rules.draw_contact_sheet.output),
    output:
        f"{RESULTS}/notebooks/{{notebook}}.ipynb",
    log:
        # Papermill writes here first: a failed notebook stays readable, where a failed output would be deleted.
        notebook=f"{RESULTS}/logs/notebooks/{{notebook}}.ipynb",
        text=f"{RESULTS}/logs/notebooks/{{notebook}}.log",
    conda:
        "../../envs/notebook.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        study=STUDY.name,
        results=subpath(output[0], ancestor=2),
        figures=lambda wildcards, input: Path(input.figures[0]).parent,
    shell:
        "papermill {input.notebook:q} {log.notebook:q} --kernel python3 --no-progress-bar"
        " -r study {params.study:q} -r results {params.results:q} -r figures {params.figures:q} &> {log.text:q}"
        " && cp {log.notebook:q} {output:q}"


rule notebook_html:
    """Make a page of an executed notebook."""
    input:
        rules.run_notebook.output,
    output:
        f"{RESULTS}/notebooks/{{notebook}}.html",
    log:
        f"{RESULTS}/logs/notebooks/{{notebook}}_html.log",
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
