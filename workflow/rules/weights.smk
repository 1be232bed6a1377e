# The weights of SemSim, and the chances that they carry. With `released`, the difficulty of single originals is unknown.
DIFFICULTY = [] if STUDY.released else expand(rules.measure_difficulty.output.difficulty, study=BASE)


rule try_calibration:
    """Predict the chance of recognition on held-out data, and measure how well it is calibrated."""
    input:
        reconstructions=RECONSTRUCTIONS,
        recognition=RECOGNITION,
        difficulty=DIFFICULTY,
        weights=lambda wildcards: expand(rules.try_semsim.output.weights, folds=kinds_of_folds()),
        trials=rules.measure_generalisation.output.trials,
    output:
        chances=f"{RESULTS}/tables/chances.csv",
        errors=report(
            f"{RESULTS}/tables/semsim_calibration.csv",
            caption="../report/semsim_calibration.rst",
            category="Tables",
            labels={"table": "Calibration of SemSim's chances"},
        ),
    log:
        f"{RESULTS}/logs/semsim/calibration.log",
    benchmark:
        f"{RESULTS}/benchmarks/semsim/calibration.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=60,
        gpu=GPUS,
    params:
        script=script("try_calibration.py"),
        difficulty=difficulty_option,
        pretrained=pretrained_weights,
        settings=json.dumps(STUDY.variants[MAIN]),
        traits=rules.try_semsim.params.traits,
        exclusions=lambda wildcards: exclusions_of_study(),
        weights=lambda wildcards: [
            f"{path}/{exclusion}"
            for exclusion in exclusions_of_study()
            for path in expand(rules.try_semsim.output.weights, folds=kind_of_folds(exclusion))
        ],
        folds=STUDY.folds,
        resamples=STUDY.resamples,
        seed=STUDY.seed,
        device=STUDY.device,
    shell:
        "python {params.script:q} --reconstructions {input.reconstructions:q} --recognition {input.recognition:q}"
        " {params.difficulty:q} {params.pretrained:q} --trials {input.trials:q} --exclusions {params.exclusions:q}"
        " --weights {params.weights:q} --settings {params.settings:q} --traits {params.traits:q} --folds {params.folds}"
        " --resamples {params.resamples} --seed {params.seed} --device {params.device} --threads {threads}"
        " --out {output.chances:q} --out-errors {output.errors:q} &> {log:q}"


rule learn_semsim:
    """Train the final SemSim on all labels, calibrate it on held-out ones, and describe it in a model card."""
    input:
        reconstructions=RECONSTRUCTIONS,
        recognition=RECOGNITION,
        classifier=classifier_of,
        difficulty=DIFFICULTY,
        generalisation=rules.measure_generalisation.output.values,
        chances=rules.try_calibration.output.chances,
        calibration=rules.try_calibration.output.errors,
    output:
        weights=f"{RESULTS}/semsim/weights/model.safetensors",
        config=f"{RESULTS}/semsim/weights/config.json",
        card=f"{RESULTS}/semsim/weights/CARD.md",
        curves=f"{RESULTS}/tables/semsim_curves.csv",
        counts=f"{RESULTS}/tables/semsim_triplets.csv",
    log:
        f"{RESULTS}/logs/semsim/weights.log",
    benchmark:
        f"{RESULTS}/benchmarks/semsim/weights.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=240,
        gpu=GPUS,
    params:
        script=script("learn_semsim.py"),
        study=BASE,
        start=start_of,
        pretrained=pretrained_weights,
        caveat=CAVEAT,
        difficulty=difficulty_option,
        settings=json.dumps(STUDY.variants[MAIN]),
        training=rules.try_semsim.params.training,
        traits=rules.try_semsim.params.traits,
        folder=subpath(output.weights, parent=True),
        resamples=STUDY.resamples,
        seed=STUDY.seed,
        device=STUDY.device,
    shell:
        "python {params.script:q} --reconstructions {input.reconstructions:q} --recognition {input.recognition:q}"
        " {params.difficulty:q} {params.start:q} {params.pretrained:q} --settings {params.settings:q}"
        " --training {params.training:q} --traits {params.traits:q} --seed {params.seed} --device {params.device} --threads {threads}"
        " --study {params.study:q} {params.caveat:q} --generalisation {input.generalisation:q}"
        " --chances {input.chances:q} --calibration {input.calibration:q} --resamples {params.resamples}"
        " --weights {params.folder:q} --curves {output.curves:q} --counts {output.counts:q} &> {log:q}"
