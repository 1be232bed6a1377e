rule attack_target:
    """Reconstruct a data set's originals from the gradients of a target model."""
    input:
        script=script("attack.py"),
        data=rules.prepare_data.output.images,
        weights=rules.train_target.output.weights,
    output:
        images=f"{RESULTS}/reconstructions/{{dataset}}/{{target}}/{{attack}}.safetensors",
        table=f"{RESULTS}/reconstructions/{{dataset}}/{{target}}/{{attack}}.csv",
    log:
        f"{RESULTS}/logs/attacks/{{dataset}}/{{target}}/{{attack}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/attacks/{{dataset}}/{{target}}/{{attack}}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=int(1024 * STUDY.memory_gib) + 2000,
        runtime=1440,
        gpu=GPUS,
    params:
        target_settings=lambda wildcards: json.dumps(STUDY.target_settings(wildcards.target)),
        settings=lambda wildcards: json.dumps(STUDY.attack_settings(wildcards.dataset, wildcards.attack)),
        seed=STUDY.seed,
        device=STUDY.device,
        memory_gib=STUDY.memory_gib,
        # Not an output: Snakemake deletes the outputs of a job that was killed, and this is what lets it go on.
        state=f"{RESULTS}/state/{{dataset}}/{{target}}/{{attack}}.pt",
    shell:
        "python {input.script:q} --data {input.data:q} --weights {input.weights:q}"
        " --dataset {wildcards.dataset} --target {wildcards.target} --attack {wildcards.attack}"
        " --target-settings {params.target_settings:q} --settings {params.settings:q}"
        " --seed {params.seed} --device {params.device} --threads {threads} --memory-gib {params.memory_gib}"
        " --state {params.state:q} --out {output.images:q} --table {output.table:q} &> {log:q}"
