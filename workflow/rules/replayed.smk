# People's labels of the paper's reconstructions, for a study that makes these again: `labels: replayed`.


rule replay_labels:
    """Assign people's answers about the paper's reconstructions to reconstructions of the same originals."""
    input:
        attacks=rules.collect_tables.output.attacks,
        data=every(rules.prepare_data.output.images),
        published_images=rules.fetch_human_study.output.images,
        published_labels=rules.fetch_human_study.output.labels,
    output:
        labels=f"{RESULTS}/labels/replayed.csv",
        pairs=f"{RESULTS}/labels/replayed-pairs.csv",
    log:
        f"{RESULTS}/logs/replay_labels.log",
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        script=script("replay_labels.py"),
    shell:
        "python {params.script:q} --attacks {input.attacks:q} --data {input.data:q}"
        " --published-images {input.published_images:q} --published-labels {input.published_labels:q}"
        " --out {output.labels:q} --out-pairs {output.pairs:q} &> {log:q}"


rule measure_correspondence:
    """Measure whether reconstructions resemble the paper's, whose labels are replayed, by metrics of both."""
    input:
        metrics=rules.collect_tables.output.metrics,
        published_metrics=rules.fetch_human_study.output.metrics,
        published_images=rules.fetch_human_study.output.images,
        pairs=rules.replay_labels.output.pairs,
    output:
        report(
            f"{RESULTS}/tables/correspondence.csv",
            caption="../report/correspondence.rst",
            category="Tables",
            labels={"table": "Correspondence with the paper's reconstructions"},
        ),
    log:
        f"{RESULTS}/logs/correspondence.log",
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        script=script("measure_correspondence.py"),
        resamples=STUDY.resamples,
        seed=STUDY.seed,
    shell:
        "python {params.script:q} --metrics {input.metrics:q} --published-metrics {input.published_metrics:q}"
        " --published-images {input.published_images:q} --pairs {input.pairs:q} --resamples {params.resamples}"
        " --seed {params.seed} --out {output:q} &> {log:q}"
