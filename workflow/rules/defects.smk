# Defects of the paper's released code, and their effects on the study's conclusions. `defects` and `evaluation` in the
# settings select them, config/ablations/defects/ has a study for each, and notebook 07 shows them together.


rule measure_misaligned_reference:
    """Measure the faithfulness of metrics against the original, as released, and against the attacked image."""
    input:
        metrics=rules.collect_tables.output.metrics,
        recognition=rules.collect_labels.output.recognition,
        scales=rules.collect_tables.output.scales,
        accuracy=rules.collect_tables.output.accuracy,
    output:
        f"{OWN_RESULTS}/tables/misaligned_reference.csv",
    log:
        f"{OWN_RESULTS}/logs/misaligned_reference.log",
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        script=script("measure_misaligned_reference.py"),
        resamples=STUDY.resamples,
        seed=STUDY.seed,
    shell:
        "python {params.script:q} --metrics {input.metrics:q} --recognition {input.recognition:q} --scales {input.scales:q}"
        " --accuracy {input.accuracy:q} --resamples {params.resamples} --seed {params.seed} --out {output:q} &> {log:q}"


rule measure_unscaled_lpips:
    """Measure LPIPS on images not scaled to [-1, 1], as released, and compare its faithfulness with the intended use."""
    input:
        reconstructions=every(rules.attack_target.output.images),
        tables=every(rules.attack_target.output.table),
        metrics=rules.collect_tables.output.metrics,
        recognition=rules.collect_labels.output.recognition,
    output:
        versions=f"{OWN_RESULTS}/tables/unscaled_lpips.csv",
        values=f"{OWN_RESULTS}/tables/unscaled_lpips_values.csv",
    log:
        f"{OWN_RESULTS}/logs/unscaled_lpips.log",
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
        gpu=GPUS,
    params:
        script=script("measure_unscaled_lpips.py"),
        pretrained=rules.compute_metrics.params.pretrained,
        resamples=STUDY.resamples,
        seed=STUDY.seed,
        device=STUDY.device,
    shell:
        "python {params.script:q} --reconstructions {input.reconstructions:q} --tables {input.tables:q}"
        " --metrics {input.metrics:q} --recognition {input.recognition:q} {params.pretrained:q}"
        " --resamples {params.resamples} --seed {params.seed} --device {params.device} --threads {threads}"
        " --out {output.versions:q} --out-values {output.values:q} &> {log:q}"


rule measure_defence_scope:
    """Compare the leakage of target models, by the scope of their defence, with an undefended one."""
    input:
        metrics=rules.collect_tables.output.metrics,
        recognition=rules.collect_labels.output.recognition,
        scales=rules.collect_tables.output.scales,
        accuracy=rules.collect_tables.output.accuracy,
    output:
        f"{OWN_RESULTS}/tables/defence_scope.csv",
    log:
        f"{OWN_RESULTS}/logs/defence_scope.log",
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        script=script("measure_defence_scope.py"),
        resamples=STUDY.resamples,
        seed=STUDY.seed,
    shell:
        "python {params.script:q} --metrics {input.metrics:q} --recognition {input.recognition:q} --scales {input.scales:q}"
        " --accuracy {input.accuracy:q} --resamples {params.resamples} --seed {params.seed} --out {output:q} &> {log:q}"


rule measure_set_sizes:
    """Measure distances between sets of images, such as FID and KID, for few and many images."""
    input:
        data=every(rules.prepare_data.output.images),
        reconstructions=every(rules.attack_target.output.images),
        tables=every(rules.attack_target.output.table),
        classifier=classifier_of,
    output:
        f"{OWN_RESULTS}/tables/set_sizes.csv",
    log:
        f"{OWN_RESULTS}/logs/set_sizes.log",
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=120,
        gpu=GPUS,
    params:
        script=script("measure_set_sizes.py"),
        start=start_of,
        pretrained=rules.compute_metrics.params.pretrained,
        seed=STUDY.seed,
        device=STUDY.device,
    shell:
        "python {params.script:q} --data {input.data:q} --reconstructions {input.reconstructions:q}"
        " --tables {input.tables:q} {params.start:q} {params.pretrained:q}"
        " --seed {params.seed} --device {params.device} --threads {threads} --out {output:q} &> {log:q}"


# What a study writes instead of a report if it selects defects.
DEFECT_TABLES = {
    "misaligned_reference": rules.measure_misaligned_reference.output,
    "unscaled_lpips": rules.measure_unscaled_lpips.output,
    "defence_scope": rules.measure_defence_scope.output,
    "set_sizes": rules.measure_set_sizes.output,
}
# The tables of each defect study, by the defect's number, that notebook 07 reads.
SHOWN_OF_DEFECTS = {
    1: ["ablations"],
    2: ["ablations"],
    3: ["ablations"],
    4: ["ablations", "misaligned_reference"],
    5: ["unscaled_lpips", "unscaled_lpips_values"],
    6: ["defence_scope"],
    7: ["set_sizes"],
}
