# What the paper's authors released: another source of reconstructions and of labels, for SemSim alone. What there is in
# it is not known before it is there, hence the checkpoint.


checkpoint fetch_released:
    """Fetch the images that the authors released and people labelled, and turn them into labelled reconstructions."""
    input:
        script=script("fetch_released.py"),
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
        # Not an output: what was put there by hand must stay.
        download=f"results/{RELEASED}/download",
        folder=subpath(output.reconstructions, parent=True),
    shell:
        "python {input.script:q} --download {params.download:q} --out {params.folder:q} &> {log:q}"


rule measure_released:
    """Score the released reconstructions with every metric that needs no target model."""
    input:
        script=script("measure_pairs.py"),
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
        pretrained=["--pretrained", STUDY.weights] if STUDY.weights else [],
        seed=STUDY.seed,
        device=STUDY.device,
    shell:
        "python {input.script:q} --reconstructions {input.reconstructions:q} --recognition {input.recognition:q}"
        " {params.pretrained:q} --seed {params.seed} --device {params.device} --threads {threads}"
        " --out {output.metrics:q} --out-scales {output.scales:q} &> {log:q}"


# What SemSim learns from, the metrics that it is held against, and what its model card has to add.
CAVEAT = []
if STUDY.released:
    CAVEAT = [
        "--caveat",
        "Of these labels only the majority is known. Target models and attacks are named after two numbers in the names of"
        " the files, n and m, which stand for what was attacked and how; which is which is not documented.",
    ]
    RECONSTRUCTIONS = rules.fetch_released.output.reconstructions
    RECOGNITION = rules.fetch_released.output.recognition
    METRICS, SCALES = rules.measure_released.output
else:
    RECONSTRUCTIONS = every(rules.attack_target.output.images)
    RECOGNITION = rules.collect_labels.output.recognition
    METRICS, SCALES = rules.collect_tables.output.metrics, rules.collect_tables.output.scales
