# How difficult originals are to recognise, and what knowing it adds to metrics: in the study, where SemSim's distances and
# the clear originals are available, and in the published human study, whose clear originals are known only if CIFAR-100's own
# archive has been downloaded.
CLEAR_AT_HAND = is_downloaded("cifar100") and "vgg16" in PRETRAINED


rule describe_published:
    """Describe the clear originals of the published human study by the features of VGG16."""
    input:
        rules.fetch_human_study.output.images,
    output:
        f"results/{HUMAN_STUDY}/originals.parquet",
    log:
        f"results/{HUMAN_STUDY}/logs/originals.log",
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        script=script("describe_published.py"),
        pretrained=pretrained_weights,
    shell:
        "python {params.script:q} --images {input:q} {params.pretrained:q} --threads {threads} --out {output:q} &> {log:q}"


rule measure_difficulty:
    """Measure how difficult originals are, predict it from class and clear image, and measure what this adds to metrics."""
    input:
        labels="results/{study}/tables/labels.csv",
        images="results/{study}/tables/images.csv",
        metrics="results/{study}/tables/metrics.csv",
        scales="results/{study}/tables/scales.csv",
        trials=of_own_study(rules.measure_generalisation.output.trials),
        features=of_own_study(
            rules.describe_originals.output[0], rules.describe_published.output[0] if CLEAR_AT_HAND else ()
        ),
    output:
        effects=report(
            "results/{study}/tables/effects.csv",
            caption="../report/effects.rst",
            category="Tables",
            labels={"table": "Effects of annotator, original and target model"},
        ),
        difficulty="results/{study}/tables/difficulty.csv",
        content=report(
            "results/{study}/tables/content.csv",
            caption="../report/content.rst",
            category="Tables",
            labels={"table": "Metrics with the difficulty of the original"},
        ),
        curve="results/{study}/tables/learning_curve.csv",
        calibration=report(
            "results/{study}/tables/calibration.csv",
            caption="../report/calibration.rst",
            category="Tables",
            labels={"table": "Calibration of chances"},
        ),
    log:
        "results/{study}/logs/difficulty.log",
    benchmark:
        "results/{study}/benchmarks/difficulty.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        script=script("measure_difficulty.py"),
        further=lambda wildcards, input: [
            option for name in ("trials", "features") if (path := input.get(name)) for option in (f"--{name}", path)
        ],
        resamples=STUDY.resamples,
        seed=STUDY.seed,
    shell:
        "python {params.script:q} --labels {input.labels:q} --images {input.images:q} --metrics {input.metrics:q}"
        " --scales {input.scales:q} {params.further:q} --resamples {params.resamples}"
        " --seed {params.seed} --out {output.difficulty:q} --out-effects {output.effects:q}"
        " --out-content {output.content:q} --out-curve {output.curve:q}"
        " --out-calibration {output.calibration:q} &> {log:q}"
