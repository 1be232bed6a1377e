rule draw_contact_sheet:
    """Draw a data set's originals, and below them their reconstructions by each attack; and an excerpt for the report."""
    input:
        data=rules.prepare_data.output.images,
        reconstructions=every_attack(rules.attack_target.output.images),
        metrics=rules.collect_tables.output.metrics,
    output:
        png=report(
            f"{FIGURES}/contact_sheet_{{dataset}}.png",
            caption="../report/contact_sheet.rst",
            category="Figures",
            labels={"figure": "Contact sheet", "data set": "{dataset}"},
        ),
        pdf=f"{FIGURES}/contact_sheet_{{dataset}}.pdf",
        excerpt=f"{FIGURES}/examples_{{dataset}}.png",
    log:
        f"{RESULTS}/logs/figures/contact_sheet_{{dataset}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/figures/contact_sheet_{{dataset}}.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        script=script("draw_contact_sheet.py"),
    shell:
        "python {params.script:q} --dataset {wildcards.dataset} --data {input.data:q} --reconstructions {input.reconstructions:q}"
        " --metrics {input.metrics:q} --out-png {output.png:q} --out-pdf {output.pdf:q}"
        " --out-excerpt {output.excerpt:q} &> {log:q}"


rule draw_contradictions:
    """Draw the pairs of reconstructions about which a metric and the annotators disagree most."""
    input:
        reconstructions=every_attack(rules.attack_target.output.images),
        metrics=rules.collect_tables.output.metrics,
        scales=rules.collect_tables.output.scales,
        recognition=rules.collect_labels.output.recognition,
    output:
        png=report(
            f"{FIGURES}/contradictions_{{dataset}}.png",
            caption="../report/disagreements.rst",
            category="Figures",
            labels={"figure": "Disagreements", "data set": "{dataset}"},
        ),
        pdf=f"{FIGURES}/contradictions_{{dataset}}.pdf",
    log:
        f"{RESULTS}/logs/figures/contradictions_{{dataset}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/figures/contradictions_{{dataset}}.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        script=script("draw_contradictions.py"),
    shell:
        "python {params.script:q} --dataset {wildcards.dataset} --reconstructions {input.reconstructions:q}"
        " --metrics {input.metrics:q} --scales {input.scales:q} --recognition {input.recognition:q}"
        " --out-png {output.png:q} --out-pdf {output.pdf:q} &> {log:q}"


rule draw_semsim_examples:
    """Draw the nearest and farthest held-out reconstructions by SemSim."""
    input:
        reconstructions=every_attack(rules.attack_target.output.images),
        trials=rules.measure_generalisation.output.trials,
        recognition=rules.collect_labels.output.recognition,
    output:
        png=report(
            f"{FIGURES}/semsim_{{dataset}}.png",
            caption="../report/semsim_examples.rst",
            category="Figures",
            labels={"figure": "Examples of SemSim", "data set": "{dataset}"},
        ),
        pdf=f"{FIGURES}/semsim_{{dataset}}.pdf",
    log:
        f"{RESULTS}/logs/figures/semsim_{{dataset}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/figures/semsim_{{dataset}}.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        script=script("draw_semsim_examples.py"),
    shell:
        "python {params.script:q} --dataset {wildcards.dataset} --reconstructions {input.reconstructions:q}"
        " --trials {input.trials:q} --recognition {input.recognition:q}"
        " --out-png {output.png:q} --out-pdf {output.pdf:q} &> {log:q}"
