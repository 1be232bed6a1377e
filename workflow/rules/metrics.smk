rule fetch_pretrained:
    """Fetch pretrained networks into the cache that all studies share, unless they exist."""
    log:
        f"{RESULTS}/logs/fetch_pretrained.log",
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        script=script("fetch_pretrained.py"),
        pretrained=pretrained_weights,
    shell:
        "python {params.script:q} {params.pretrained:q} &> {log:q}"


rule compute_metrics:
    """Score all reconstructions of a data set against both references."""
    input:
        data=rules.prepare_data.output.images,
        weights=expand(rules.train_target.output.weights, target=STUDY.targets, allow_missing=True),
        networks=[path for target in STUDY.targets for path in STUDY.network_files_of(target)],
        reconstructions=every_attack(rules.attack_target.output.images),
        tables=every_attack(rules.attack_target.output.table),
    output:
        metrics=f"{RESULTS}/metrics/{{dataset}}.parquet",
        sets=f"{RESULTS}/metrics/{{dataset}}_sets.parquet",
    log:
        f"{RESULTS}/logs/metrics/{{dataset}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/metrics/{{dataset}}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=240,
        gpu=GPUS,
    params:
        script=script("compute_metrics.py"),
        pretrained=pretrained_weights,
        networks=PRETRAINED,  # metrics are recomputed when weights are added or removed
        extra=STUDY.extra_metrics,
        seed=STUDY.seed,
        device=STUDY.device,
    shell:
        "python {params.script:q} --data {input.data:q} --weights {input.weights:q}"
        " --reconstructions {input.reconstructions:q} --tables {input.tables:q} {params.pretrained:q}"
        " --extra {params.extra} --seed {params.seed} --device {params.device} --threads {threads}"
        " --out {output.metrics:q} --sets {output.sets:q} &> {log:q}"


rule collect_tables:
    """Collect the study's tables: data sets, accuracy, attacks, metrics, their scales, and leakage (targets ranked)."""
    input:
        data=every(rules.prepare_data.output.images),
        weights=every(rules.train_target.output.weights),
        attacks=every(rules.attack_target.output.table),
        metrics=every(rules.compute_metrics.output.metrics),
        sets=every(rules.compute_metrics.output.sets),
    output:
        datasets=report(
            f"{RESULTS}/tables/datasets.csv",
            caption="../report/datasets.rst",
            category="Tables",
            labels={"table": "Data sets"},
        ),
        accuracy=report(
            f"{RESULTS}/tables/accuracy.csv",
            caption="../report/accuracy.rst",
            category="Tables",
            labels={"table": "Target models"},
        ),
        attacks=f"{RESULTS}/tables/attacks.csv",
        metrics=f"{RESULTS}/tables/metrics.csv",
        scales=f"{RESULTS}/tables/scales.csv",
        unmeasured=f"{RESULTS}/tables/unmeasured.csv",
        leakage=report(
            f"{RESULTS}/tables/leakage.csv",
            caption="../report/leakage.rst",
            category="Tables",
            labels={"table": "Leakage"},
        ),
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
    params:
        script=script("collect_tables.py"),
        networks=PRETRAINED,
        extra=STUDY.extra_metrics,
    shell:
        "python {params.script:q} --data {input.data:q} --weights {input.weights:q} --attacks {input.attacks:q}"
        " --metrics {input.metrics:q} --sets {input.sets:q}"
        " --networks {params.networks} --extra {params.extra}"
        " --out-datasets {output.datasets:q} --out-accuracy {output.accuracy:q} --out-attacks {output.attacks:q}"
        " --out-metrics {output.metrics:q} --out-scales {output.scales:q} --out-leakage {output.leakage:q}"
        " --out-unmeasured {output.unmeasured:q} &> {log:q}"
