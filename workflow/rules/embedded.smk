# The networks that ship with semsim: observers of embedded images, and classifiers from which SemSim may be initialised. No
# study trains them; `make observers-embedded` does, and puts them into the library.

EMBEDDED_RESULTS = "results/embedded"
STEPS = {"glyphs": 3200, "letters": 1200, "mnist": 1000}
FIRST_READ = "glyphs"  # observers of the other kinds start from those of this one
START_STEPS = 500


rule train_embedded_observers:
    """Train the observers (simulated annotators) of a kind of embedded images side by side."""
    input:
        start=lambda wildcards: expand(
            f"{EMBEDDED_RESULTS}/observers/{FIRST_READ}/{{name}}.safetensors",
            name=[] if wildcards.kind == FIRST_READ else PANEL,
        ),
    output:
        weights=[f"{EMBEDDED_RESULTS}/observers/{{kind}}/{name}.safetensors" for name in PANEL],
        losses=f"{EMBEDDED_RESULTS}/observers/{{kind}}/losses.csv",
    log:
        f"{EMBEDDED_RESULTS}/logs/{{kind}}.log",
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=240,
        gpu=GPUS,
    params:
        script=script("train_embedded_observers.py"),
        steps=lambda wildcards: STEPS[wildcards.kind],
        folder=subpath(output.losses, parent=True),
        start=lambda wildcards, input: ["--start", *input.start] if input.start else [],
        device=STUDY.device,
    shell:
        "python {params.script:q} --kind {wildcards.kind} --steps {params.steps} {params.start:q} --device {params.device}"
        " --threads {threads} --weights {params.folder:q} --losses {output.losses:q} &> {log:q}"


rule read_embedded_observers:
    """Measure how accurate these observers are, and write their card."""
    input:
        expand(rules.train_embedded_observers.output, kind=STEPS),
    output:
        reading=f"{EMBEDDED_RESULTS}/observers/reading.csv",
        card=f"{EMBEDDED_RESULTS}/observers/CARD.md",
    log:
        f"{EMBEDDED_RESULTS}/logs/reading.log",
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=60,
    params:
        script=script("read_embedded_observers.py"),
        folder=subpath(output.card, parent=True),
    shell:
        "python {params.script:q} --folder {params.folder:q} --threads {threads} &> {log:q}"


rule train_embedded_starts:
    """Train the classifiers from which SemSim may be initialised, one for each set of kinds of embedded images."""
    output:
        weights=[f"{EMBEDDED_RESULTS}/starts/{start_name(seen)}.safetensors" for seen in SEEN],
        losses=f"{EMBEDDED_RESULTS}/starts/losses.csv",
        reading=f"{EMBEDDED_RESULTS}/starts/reading.csv",
    log:
        f"{EMBEDDED_RESULTS}/logs/starts.log",
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=240,
        gpu=GPUS,
    params:
        script=script("train_embedded_starts.py"),
        steps=START_STEPS,
        folder=subpath(output.losses, parent=True),
        device=STUDY.device,
    shell:
        "python {params.script:q} --steps {params.steps} --device {params.device} --threads {threads}"
        " --weights {params.folder:q} --losses {output.losses:q} --reading {output.reading:q} &> {log:q}"
