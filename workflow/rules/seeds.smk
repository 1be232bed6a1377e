# What holds across seeds: the conclusions of this study and of the same study with other seeds. `make seeds` runs these, each
# under its own name; the report then shows the summary.

CONCLUSIONS = expand(
    "results/{{name}}/tables/{table}.csv", table=["generalisation", "generalisation_differences", "contradictions"]
)


rule compare_seeds:
    """Summarise over seeds how faithful metrics are, how far SemSim is ahead, and how often metrics contradict annotators."""
    input:
        lambda wildcards: tables_of_seeds(),
    output:
        report(
            f"{OWN_RESULTS}/tables/seeds.csv",
            caption="../report/seeds.rst",
            category="Tables",
            labels={"table": "Conclusions over seeds"},
        ),
    log:
        f"{OWN_RESULTS}/logs/seeds.log",
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        script=script("compare_seeds.py"),
        tables=[f"results/{name}/tables" for name in STUDY.replications],
    shell:
        "python {params.script:q} --tables {params.tables:q} --out {output:q} &> {log:q}"
