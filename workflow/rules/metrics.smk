rule compute_metrics:
    """Score all reconstructions of a target model against both references."""
    input:
        script=script("compute_metrics.py"),
        data=rules.prepare_data.output.images,
        weights=rules.train_target.output.weights,
        network=lambda wildcards: STUDY.network_files_of(wildcards.target),
        reconstructions=attacks_on_target(rules.attack_target.output.images),
        tables=attacks_on_target(rules.attack_target.output.table),
    output:
        metrics=f"{RESULTS}/metrics/{{dataset}}/{{target}}.parquet",
        sets=f"{RESULTS}/metrics/{{dataset}}/{{target}}_sets.parquet",
    log:
        f"{RESULTS}/logs/metrics/{{dataset}}/{{target}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/metrics/{{dataset}}/{{target}}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=240,
        gpu=GPUS,
    params:
        pretrained=["--pretrained", STUDY.weights] if STUDY.weights else [],
        seed=STUDY.seed,
        device=STUDY.device,
    shell:
        "python {input.script:q} --data {input.data:q} --weights {input.weights:q}"
        " --reconstructions {input.reconstructions:q} --tables {input.tables:q} {params.pretrained:q}"
        " --seed {params.seed} --device {params.device} --threads {threads}"
        " --out {output.metrics:q} --sets {output.sets:q} &> {log:q}"


rule collect_tables:
    """Gather the study's tables: data sets, accuracy, attacks, metrics, scales (how to read these), leakage (targets ranked)."""
    input:
        script=script("collect_tables.py"),
        data=every(rules.prepare_data.output.images),
        weights=every(rules.train_target.output.weights),
        attacks=every(rules.attack_target.output.table),
        metrics=every(rules.compute_metrics.output.metrics),
        sets=every(rules.compute_metrics.output.sets),
    output:
        datasets=f"{RESULTS}/tables/datasets.csv",
        accuracy=f"{RESULTS}/tables/accuracy.csv",
        attacks=f"{RESULTS}/tables/attacks.csv",
        metrics=f"{RESULTS}/tables/metrics.csv",
        scales=f"{RESULTS}/tables/scales.csv",
        leakage=f"{RESULTS}/tables/leakage.csv",
    log:
        f"{RESULTS}/logs/tables.log",
    benchmark:
        f"{RESULTS}/benchmarks/tables.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    shell:
        "python {input.script:q} --data {input.data:q} --weights {input.weights:q} --attacks {input.attacks:q}"
        " --metrics {input.metrics:q} --sets {input.sets:q}"
        " --out-datasets {output.datasets:q} --out-accuracy {output.accuracy:q} --out-attacks {output.attacks:q}"
        " --out-metrics {output.metrics:q} --out-scales {output.scales:q} --out-leakage {output.leakage:q} &> {log:q}"
