rule measure_protection:
    """Measure the accuracy of each target model, and how much annotators recognise in what it shares."""
    input:
        labels=rules.collect_labels.output.labels,
        images=rules.collect_labels.output.images,
        accuracy=rules.collect_tables.output.accuracy,
        datasets=rules.collect_tables.output.datasets,
    output:
        report(
            f"{RESULTS}/tables/protection.csv",
            caption="../report/protection.rst",
            category="Tables",
            labels={"table": "What protection costs"},
        ),
    log:
        f"{RESULTS}/logs/protection.log",
    benchmark:
        f"{RESULTS}/benchmarks/protection.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        script=script("measure_protection.py"),
    shell:
        "python {params.script:q} --labels {input.labels:q} --images {input.images:q} --accuracy {input.accuracy:q}"
        " --datasets {input.datasets:q} --out {output:q} &> {log:q}"
