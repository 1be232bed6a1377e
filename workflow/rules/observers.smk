rule train_observer:
    """Train an observer (simulated annotator) on degraded public images of a data set, or fine-tune a pretrained network."""
    input:
        data=rules.prepare_data.output.images,
    output:
        weights=f"{RESULTS}/observers/{{dataset}}/{{observer}}.safetensors",
        curves=f"{RESULTS}/observers/{{dataset}}/{{observer}}.csv",
    log:
        f"{RESULTS}/logs/observers/{{dataset}}/{{observer}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/observers/{{dataset}}/{{observer}}.tsv"
    wildcard_constraints:
        observer=one_of(name for name in STUDY.observers if not STUDY.is_pretrained(name)),
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=240,
        gpu=GPUS,
    params:
        script=script("train_observer.py"),
        architecture=lambda wildcards: STUDY.observer_settings(wildcards.observer)["architecture"],
        further=lambda wildcards: [
            *(f"--width={width}" for width in [STUDY.observer_settings(wildcards.observer)["width"]] if width),
            f"--training={json.dumps(STUDY.observer_training)}",
        ],
        seed=STUDY.seed,
        device=STUDY.device,
    shell:
        "python {params.script:q} --data {input.data:q} --dataset {wildcards.dataset} --observer {wildcards.observer}"
        " --architecture {params.architecture} {params.further:q}"
        " --seed {params.seed} --device {params.device} --threads {threads}"
        " --weights {output.weights:q} --curves {output.curves:q} &> {log:q}"


use rule train_observer as fine_tune_observer with:
    wildcard_constraints:
        observer=one_of(name for name in STUDY.observers if STUDY.is_pretrained(name)),
    params:
        script=script("fine_tune_observer.py"),
        architecture=rules.train_observer.params.architecture,
        further=pretrained_weights,
        seed=STUDY.seed,
        device=STUDY.device,


rule ask_observers:
    """Label the reconstructions of a data set by all observers (simulated annotators), and measure how accurate they are."""
    input:
        data=rules.prepare_data.output.images,
        observers=trained_observers,
        reconstructions=every_attack(rules.attack_target.output.images),
        tables=every_attack(rules.attack_target.output.table),
    output:
        labels=f"{RESULTS}/labels/{{dataset}}.csv",
        reading=f"{RESULTS}/observers/{{dataset}}.csv",
        card=f"{RESULTS}/observers/{{dataset}}.md",
    log:
        f"{RESULTS}/logs/labels/{{dataset}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/labels/{{dataset}}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=60,
        gpu=GPUS,
    params:
        script=script("ask_observers.py"),
        observers=panel_of,
        seed=STUDY.seed,
        device=STUDY.device,
    shell:
        "python {params.script:q} {params.observers:q}"
        " --reconstructions {input.reconstructions:q} --tables {input.tables:q}"
        " --data {input.data:q} --dataset {wildcards.dataset} --seed {params.seed}"
        " --device {params.device} --threads {threads} --out {output.labels:q} --out-reading {output.reading:q}"
        " --out-card {output.card:q} &> {log:q}"
