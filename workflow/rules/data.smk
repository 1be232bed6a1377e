rule prepare_data:
    """Draw, download or read a data set and split it: train, originals (attacked), public."""
    input:
        source=lambda wildcards: watched(*source_of(wildcards)),
        published=rules.fetch_human_study.output.images if STUDY.replayed else [],
    output:
        images=f"{RESULTS}/data/{{dataset}}.safetensors",
        index=f"{RESULTS}/data/{{dataset}}.csv",
    log:
        f"{RESULTS}/logs/data/{{dataset}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/data/{{dataset}}.tsv"
    conda:
        "../../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=240,
    params:
        script=script("prepare_data.py"),
        settings=lambda wildcards: json.dumps(STUDY.data_settings(wildcards.dataset)),
        image_size=lambda wildcards: STUDY.image_size_of(wildcards.dataset),
        seed=STUDY.seed,
        mirror=lambda wildcards: ["--mirror", STUDY.mirror] if STUDY.mirror and source_of(wildcards) else [],
        stamps=lambda wildcards: stamped(*source_of(wildcards)),
        published=lambda wildcards, input: ["--originals-of", input.published] if input.published else [],
    shell:
        "python {params.script:q} --dataset {wildcards.dataset} --settings {params.settings:q}"
        " --image-size {params.image_size} --seed {params.seed} {params.mirror:q} {params.published:q}"
        " --out {output.images:q} --index {output.index:q} &> {log:q}"
