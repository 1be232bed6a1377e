# How difficult originals are to recognise, and what knowing it adds to metrics: in the study, where SemSim's distances and
# the clear originals are at hand, and in the published human study, which has neither.


rule measure_difficulty:
    """Measure how difficult originals are, predict it from class and clear image, and measure what it adds to metrics."""
    input:
        labels="results/{study}/tables/labels.csv",
        images="results/{study}/tables/images.csv",
        metrics="results/{study}/tables/metrics.csv",
        scales="results/{study}/tables/scales.csv",
        trials=of_own_study(rules.measure_generalisation.output.trials),
        features=of_own_study(rules.describe_originals.output[0]),
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
