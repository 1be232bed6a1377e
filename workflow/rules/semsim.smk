# SemSim, the metric that learns from labels, evaluated on held-out data. Ablations change its settings.
# Its training data is defined in from_study.smk or from_released.smk.


rule train_classifier:
    """Train a plain classifier of public images: a possible initialisation of SemSim, and a baseline."""
    input:
        data=lambda wildcards: expand(rules.prepare_data.output.images, dataset=datasets_of(wildcards.public)),
    output:
        weights=f"{RESULTS}/semsim/classifiers/{{network}}/{{public}}.safetensors",
        curves=f"{RESULTS}/semsim/classifiers/{{network}}/{{public}}.csv",
    log:
        f"{RESULTS}/logs/semsim/classifiers/{{network}}/{{public}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/semsim/classifiers/{{network}}/{{public}}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=240,
        gpu=GPUS,
    params:
        script=script("train_classifier.py"),
        datasets=lambda wildcards: datasets_of(wildcards.public),
        backbone=lambda wildcards: STUDY.networks[wildcards.network]["backbone"],
        width=lambda wildcards: [f"--width={width}" for width in [STUDY.networks[wildcards.network]["width"]] if width],
        training=json.dumps(STUDY.classifier_training),
        seed=STUDY.seed,
        device=STUDY.device,
    shell:
        "python {params.script:q} --data {input.data:q} --datasets {params.datasets:q}"
        " --backbone {params.backbone} {params.width} --training {params.training:q}"
        " --seed {params.seed} --device {params.device} --threads {threads}"
        " --weights {output.weights:q} --curves {output.curves:q} &> {log:q}"


rule describe_originals:
    """Describe the clear originals by the features of the classifier from which SemSim is initialised."""
    input:
        data=every(rules.prepare_data.output.images),
        classifier=classifier_of,
    output:
        f"{RESULTS}/semsim/originals.parquet",
    log:
        f"{RESULTS}/logs/semsim/originals.log",
    benchmark:
        f"{RESULTS}/benchmarks/semsim/originals.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=60,
        gpu=GPUS,
    params:
        script=script("describe_originals.py"),
        datasets=list(STUDY.datasets),
        start=start_of,
        pretrained=pretrained_weights,
        device=STUDY.device,
    shell:
        "python {params.script:q} --data {input.data:q} --datasets {params.datasets:q} {params.start:q}"
        " {params.pretrained:q} --device {params.device} --threads {threads} --out {output:q} &> {log:q}"


rule try_semsim:
    """Train SemSim with originals, and each data set, group of targets, attack and so on in turn, held out; score them."""
    input:
        reconstructions=RECONSTRUCTIONS,
        recognition=RECOGNITION,
        classifier=classifier_of,
    output:
        weights=directory(f"{RESULTS}/semsim/{{folds}}/weights"),
        trials=f"{RESULTS}/semsim/{{folds}}/trials.csv",
        curves=f"{RESULTS}/semsim/{{folds}}/curves.csv",
        counts=f"{RESULTS}/semsim/{{folds}}/counts.csv",
    log:
        f"{RESULTS}/logs/semsim/{{folds}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/semsim/{{folds}}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=480,
        gpu=GPUS,
    params:
        script=script("try_semsim.py"),
        settings=lambda wildcards: json.dumps(STUDY.variants[variant_of(wildcards)]),
        training=json.dumps(STUDY.semsim_training),
        traits=json.dumps({target: STUDY.target_traits(target) for target in STUDY.targets}),
        start=start_of,
        pretrained=pretrained_weights,
        exclusions=exclusions_of,
        folds=STUDY.folds,
        seed=STUDY.seed,
        device=STUDY.device,
    shell:
        "python {params.script:q} --reconstructions {input.reconstructions:q} --recognition {input.recognition:q}"
        " {params.start:q} {params.pretrained:q} --settings {params.settings:q} --training {params.training:q}"
        " --traits {params.traits:q} --exclusions {params.exclusions:q} --folds {params.folds}"
        " --seed {params.seed} --device {params.device} --threads {threads} --weights {output.weights:q}"
        " --out {output.trials:q} --curves {output.curves:q} --counts {output.counts:q} &> {log:q}"


rule measure_generalisation:
    """Measure SemSim's faithfulness on held-out data, along with two learned baselines and every other metric."""
    input:
        trials=lambda wildcards: expand(rules.try_semsim.output.trials, folds=kinds_of_folds()),
        metrics=METRICS,
        recognition=RECOGNITION,
        scales=SCALES,
    output:
        values=report(
            f"{RESULTS}/tables/generalisation.csv",
            caption="../report/generalisation.rst",
            category="Tables",
            labels={"table": "Generalisation of SemSim"},
        ),
        differences=report(
            f"{RESULTS}/tables/generalisation_differences.csv",
            caption="../report/generalisation_differences.rst",
            category="Tables",
            labels={"table": "Differences from SemSim"},
        ),
        trials=f"{RESULTS}/tables/semsim.csv",
    log:
        f"{RESULTS}/logs/generalisation.log",
    benchmark:
        f"{RESULTS}/benchmarks/generalisation.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        script=script("measure_generalisation.py"),
        traits=rules.try_semsim.params.traits,
        folds=STUDY.folds,
        resamples=STUDY.resamples,
        seed=STUDY.seed,
    shell:
        "python {params.script:q} --trials {input.trials:q} --metrics {input.metrics:q} --recognition {input.recognition:q}"
        " --scales {input.scales:q} --traits {params.traits:q} --folds {params.folds}"
        " --resamples {params.resamples} --seed {params.seed}"
        " --out {output.values:q} --out-differences {output.differences:q} --out-trials {output.trials:q} &> {log:q}"


use rule try_semsim as try_variant with:
    output:
        weights=directory(f"{OWN_RESULTS}/semsim/ablations/{{variant}}/weights"),
        trials=f"{OWN_RESULTS}/semsim/ablations/{{variant}}/trials.csv",
        curves=f"{OWN_RESULTS}/semsim/ablations/{{variant}}/curves.csv",
        counts=f"{OWN_RESULTS}/semsim/ablations/{{variant}}/counts.csv",
    log:
        f"{OWN_RESULTS}/logs/semsim/ablations/{{variant}}.log",
    benchmark:
        f"{OWN_RESULTS}/benchmarks/semsim/ablations/{{variant}}.tsv"


rule measure_ablations:
    """Measure how each change of SemSim's settings affects its faithfulness, on folds over originals."""
    input:
        trials=[
            *expand(rules.try_semsim.output.trials, folds=WITHIN),
            *expand(rules.try_variant.output.trials, variant=ABLATIONS),
        ],
        recognition=RECOGNITION,
    output:
        report(
            f"{OWN_RESULTS}/tables/ablations.csv",
            caption="../report/ablations.rst",
            category="Tables",
            labels={"table": "Ablations of SemSim"},
        ),
    log:
        f"{OWN_RESULTS}/logs/ablations.log",
    benchmark:
        f"{OWN_RESULTS}/benchmarks/ablations.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        script=script("measure_ablations.py"),
        variants=[MAIN, *ABLATIONS],
        resamples=STUDY.resamples,
        seed=STUDY.seed,
    shell:
        "python {params.script:q} --variants {params.variants:q} --trials {input.trials:q}"
        " --recognition {input.recognition:q} --resamples {params.resamples} --seed {params.seed}"
        " --out {output:q} &> {log:q}"
