# The labels of a campaign, if the study names one.
CAMPAIGN = [f"{STUDY.labels}/{name}.csv" for name in ("images", "labels")] if STUDY.campaign else []


rule collect_labels:
    """Collect the labels of the reconstructions, and compute the recognition rate of each."""
    input:
        attacks=rules.collect_tables.output.attacks,
        datasets=rules.collect_tables.output.datasets,
        given=(
            watched(*CAMPAIGN)
            if STUDY.campaign
            else [rules.replay_labels.output.labels] if STUDY.replayed else every(rules.ask_observers.output.labels)
        ),
        reading=[] if STUDY.labels else every(rules.ask_observers.output.reading),
    output:
        **({} if STUDY.labels else {"observers": f"{RESULTS}/tables/observers.csv"}),
        labels=f"{RESULTS}/tables/labels.csv",
        images=f"{RESULTS}/tables/images.csv",
        recognition=f"{RESULTS}/tables/recognition.csv",
    log:
        f"{RESULTS}/logs/labels.log",
    benchmark:
        f"{RESULTS}/benchmarks/labels.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        script=script("collect_labels.py"),
        stamps=stamped(*CAMPAIGN),
        source=lambda wildcards, input, output: (
            ["--campaign", STUDY.campaign]
            if STUDY.campaign
            else [
                *("--labels", *input.given),
                *([] if STUDY.replayed else ["--reading", *input.reading, "--out-observers", output.observers]),
            ]
        ),
    shell:
        "python {params.script:q} --attacks {input.attacks:q} --datasets {input.datasets:q} {params.source:q}"
        " --out-labels {output.labels:q} --out-images {output.images:q} --out-recognition {output.recognition:q} &> {log:q}"
