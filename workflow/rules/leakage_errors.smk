rule measure_leakage_errors:
    """Measure how often each metric calls leaked what annotators cannot tell, and how often it misses what they can."""
    input:
        labels="results/{study}/tables/labels.csv",
        images="results/{study}/tables/images.csv",
        metrics="results/{study}/tables/metrics.csv",
        scales="results/{study}/tables/scales.csv",
        trials=of_own_study(rules.measure_generalisation.output.trials),
    output:
        report(
            "results/{study}/tables/leakage_errors.csv",
            caption="../report/leakage_errors.rst",
            category="Tables",
            labels={"table": "False and missed leakage"},
        ),
    log:
        "results/{study}/logs/leakage_errors.log",
    benchmark:
        "results/{study}/benchmarks/leakage_errors.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        script=script("measure_leakage_errors.py"),
        trials=lambda wildcards, input: ["--trials", input.trials] if input.get("trials") else [],
        resamples=STUDY.resamples,
        seed=STUDY.seed,
    shell:
        "python {params.script:q} --labels {input.labels:q} --images {input.images:q} --metrics {input.metrics:q}"
        " --scales {input.scales:q} {params.trials:q} --resamples {params.resamples} --seed {params.seed}"
        " --out {output:q} &> {log:q}"
