rule make_report:
    """Write the report: the study's tables, figures and findings in one page."""
    input:
        tables=[
            *rules.collect_tables.output,
            *rules.collect_labels.output,
            *rules.measure_protection.output,
            *every([*STATISTICS, *rules.measure_leakage_errors.output, *rules.measure_difficulty.output]),
            *rules.measure_generalisation.output,
            *rules.try_calibration.output,
            *rules.learn_semsim.output,
            *rules.measure_ablations.output,
        ],
        figures=every(
            [*rules.draw_contact_sheet.output, *rules.draw_contradictions.output, *rules.draw_semsim_examples.output]
        ),
        notebooks=NOTEBOOKS_OF_STUDY,
        spot_checks=spot_checks(),
    output:
        report(f"{RESULTS}/report.html", caption="../report/report.rst", category="Report", labels={"page": "Report"}),
    log:
        f"{RESULTS}/logs/report.log",
    benchmark:
        f"{RESULTS}/benchmarks/report.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        script=script("make_report.py"),
        # What `make seeds` found, if it has run. It is no input, because the studies that it rests on may be gone.
        seeds=[os.stat(path).st_mtime_ns for path in [f"{RESULTS}/tables/seeds.csv"] if os.path.exists(path)],
        study=STUDY.name,
        tables=lambda wildcards, input: Path(input.tables[0]).parent,
        figures=lambda wildcards, input: Path(input.figures[0]).parent,
    shell:
        "python {params.script:q} --study {params.study:q} --tables {params.tables:q} --figures {params.figures:q}"
        " --notebooks {input.notebooks:q} --spot-checks {input.spot_checks:q} --out {output:q} &> {log:q}"
