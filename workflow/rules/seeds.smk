# What holds over seeds: the conclusions of this study beside those of the same study with others. `make seeds` runs these,
# each under a name of its own; then the report tells.

CONCLUSIONS = expand(
    "results/{{name}}/tables/{table}.csv", table=["generalisation", "generalisation_differences", "contradictions"]
)


rule compare_seeds:
    """Summarise over seeds how faithful metrics are, how far SemSim is ahead, and how often metrics contradict."""
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
