# Labels of the same images by others, if the study names a campaign.
OTHERS = [f"{STUDY.human_study_labels}/{name}.csv" for name in ("images", "labels")] if STUDY.human_study_labels else []


rule fetch_human_study:
    """Fetch the published human labels of CIFAR-100 reconstructions, and convert them to the project's tables."""
    input:
        watched(*OTHERS),
    output:
        labels=f"results/{HUMAN_STUDY}/tables/labels.csv",
        images=f"results/{HUMAN_STUDY}/tables/images.csv",
        recognition=f"results/{HUMAN_STUDY}/tables/recognition.csv",
        metrics=f"results/{HUMAN_STUDY}/tables/metrics.csv",
        scales=f"results/{HUMAN_STUDY}/tables/scales.csv",
        targets=f"results/{HUMAN_STUDY}/tables/targets.csv",
    log:
        f"results/{HUMAN_STUDY}/logs/fetch.log",
    conda:
        "../../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        script=script("fetch_human_study.py"),
        mirror=lambda wildcards: ["--mirror", STUDY.mirror] if STUDY.mirror else [],
        campaign=["--campaign", STUDY.human_study_labels] if STUDY.human_study_labels else [],
        stamps=stamped(*OTHERS),
        tables=subpath(output.labels, parent=True),
    shell:
        "python {params.script:q} {params.mirror:q} {params.campaign:q} --out {params.tables:q} &> {log:q}"
