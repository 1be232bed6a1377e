# What the paper's authors released: another source of reconstructions and labels, for SemSim only. Its contents are not known
# before it is fetched, hence the checkpoint.


checkpoint fetch_released:
    """Fetch the human-labelled images that the authors released, and convert them to labelled reconstructions."""
    output:
        reconstructions=directory(f"results/{RELEASED}/reconstructions"),
        images=f"results/{RELEASED}/tables/images.csv",
        recognition=f"results/{RELEASED}/tables/recognition.csv",
    log:
        f"results/{RELEASED}/logs/fetch.log",
    conda:
        "../../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=120,
    params:
        script=script("fetch_released.py"),
        # Not an output: files put there by hand must be kept.
        download=f"results/{RELEASED}/download",
        folder=subpath(output.reconstructions, parent=True),
    shell:
        "python {params.script:q} --download {params.download:q} --out {params.folder:q} &> {log:q}"


rule measure_released:
    """Score the released reconstructions with every metric that needs no target model."""
    input:
        reconstructions=rules.fetch_released.output.reconstructions,
        recognition=rules.fetch_released.output.recognition,
    output:
        metrics=f"results/{RELEASED}/tables/metrics.csv",
        scales=f"results/{RELEASED}/tables/scales.csv",
    log:
        f"results/{RELEASED}/logs/metrics.log",
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=240,
        gpu=GPUS,
    params:
        script=script("measure_pairs.py"),
        pretrained=pretrained_weights,
        seed=STUDY.seed,
        device=STUDY.device,
    shell:
        "python {params.script:q} --reconstructions {input.reconstructions:q} --recognition {input.recognition:q}"
        " {params.pretrained:q} --seed {params.seed} --device {params.device} --threads {threads}"
        " --out {output.metrics:q} --out-scales {output.scales:q} &> {log:q}"
