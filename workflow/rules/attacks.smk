rule attack_target:
    """Reconstruct a data set's originals from the gradients of a target model, by one attack."""
    input:
        data=rules.prepare_data.output.images,
        weights=rules.train_target.output.weights,
        network=lambda wildcards: STUDY.network_files_of(wildcards.target),
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
        script=script("attack.py"),
        target_settings=lambda wildcards: json.dumps(STUDY.target_settings(wildcards.target)),
        client=lambda wildcards: json.dumps(STUDY.client_settings(wildcards.target)),
        settings=lambda wildcards: json.dumps(
            {attack: STUDY.attack_settings(wildcards.dataset, attack) for attack in attacks_with(wildcards)}
        ),
        seed=STUDY.seed,
        device=STUDY.device,
        memory_gib=STUDY.memory_gib,
        # Not an output: Snakemake deletes the outputs of killed jobs, and this folder lets them resume. A job that runs again
        # because one of its attacks has changed takes the others from here.
        state=f"{RESULTS}/state/{{dataset}}/{{target}}",
        originals=[],
    shell:
        "python {params.script:q} --data {input.data:q} --weights {input.weights:q}"
        " --dataset {wildcards.dataset} --target {wildcards.target}"
        " --target-settings {params.target_settings:q} --client {params.client:q} --settings {params.settings:q}"
        " --seed {params.seed} --device {params.device} --threads {threads} --memory-gib {params.memory_gib} {params.originals}"
        " --state {params.state:q} --images {output.images:q} --tables {output.table:q} &> {log:q}"


if TOGETHER:

    # A job takes two seconds to start, as long as many an attack.
    use rule attack_target as attack_target_by_all with:
        output:
            images=expand(rules.attack_target.output.images, attack=TOGETHER, allow_missing=True),
            table=expand(rules.attack_target.output.table, attack=TOGETHER, allow_missing=True),
        log:
            f"{RESULTS}/logs/attacks/{{dataset}}/{{target}}.log",
        benchmark:
            f"{RESULTS}/benchmarks/attacks/{{dataset}}/{{target}}.tsv"

    if asked_by_name(f"{RESULTS}/reconstructions/"):

        ruleorder: attack_target > attack_target_by_all

    else:

        ruleorder: attack_target_by_all > attack_target


if STUDY.shard:

    use rule attack_target as attack_shard with:
        output:
            images=f"{RESULTS}/reconstructions/{{dataset}}/{{target}}/{{first}}/{{attack}}.safetensors",
            table=f"{RESULTS}/reconstructions/{{dataset}}/{{target}}/{{first}}/{{attack}}.csv",
        log:
            f"{RESULTS}/logs/attacks/{{dataset}}/{{target}}/{{attack}}/{{first}}.log",
        benchmark:
            f"{RESULTS}/benchmarks/attacks/{{dataset}}/{{target}}/{{attack}}/{{first}}.tsv"
        params:
            state=f"{RESULTS}/state/{{dataset}}/{{target}}/{{first}}",
            originals=lambda wildcards: ["--first", wildcards.first, "--count", STUDY.shard],

    rule join_shards:
        """Join the shards of an attack."""
        input:
            images=lambda wildcards: expand(
                rules.attack_shard.output.images, first=STUDY.shards_of(wildcards.dataset), **wildcards
            ),
            tables=lambda wildcards: expand(
                rules.attack_shard.output.table, first=STUDY.shards_of(wildcards.dataset), **wildcards
            ),
        output:
            **rules.attack_target.output,
        log:
            f"{RESULTS}/logs/attacks/{{dataset}}/{{target}}/{{attack}}.log",
        benchmark:
            f"{RESULTS}/benchmarks/attacks/{{dataset}}/{{target}}/{{attack}}.tsv"
        conda:
            "../../envs/data.yaml"
        threads: 1
        resources:
            mem_mb=2000,
            runtime=30,
        params:
            script=script("join_shards.py"),
        shell:
            "python {params.script:q} --images {input.images:q} --tables {input.tables:q}"
            " --out {output.images:q} --table {output.table:q} &> {log:q}"

    ruleorder: join_shards > attack_target
