rule train_target:
    """Train a target model on a data set, and record its learning curves."""
    input:
        data=rules.prepare_data.output.images,
        files=lambda wildcards: STUDY.files_of(wildcards.target),
    output:
        weights=f"{RESULTS}/targets/{{dataset}}/{{target}}.safetensors",
        curves=f"{RESULTS}/targets/{{dataset}}/{{target}}.csv",
    log:
        f"{RESULTS}/logs/targets/{{dataset}}/{{target}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/targets/{{dataset}}/{{target}}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=1440,
        gpu=GPUS,
    params:
        script=script("train_target.py"),
        settings=lambda wildcards: json.dumps(STUDY.target_settings(wildcards.target)),
        training=lambda wildcards: json.dumps(STUDY.training_settings(wildcards.dataset, wildcards.target)),
        seed=STUDY.seed,
        device=STUDY.device,
    shell:
        "python {params.script:q} --data {input.data:q} --dataset {wildcards.dataset} --target {wildcards.target}"
        " --settings {params.settings:q} --training {params.training:q}"
        " --seed {params.seed} --device {params.device} --threads {threads}"
        " --weights {output.weights:q} --curves {output.curves:q} &> {log:q}"
