# Agreement of annotators and metrics, from the tables of the study or of the published human study.

from semsim.labels.human_study import OTHER_ORDER


rule measure_agreement:
    """Measure how well annotators agree, how well one predicts the others (the ceiling), and what recognition depends on."""
    input:
        labels="results/{study}/tables/labels.csv",
        images="results/{study}/tables/images.csv",
    output:
        agreement=report(
            "results/{study}/tables/agreement.csv",
            caption="../report/agreement.rst",
            category="Tables",
            labels={"table": "Agreement of annotators"},
        ),
        ceiling=report(
            "results/{study}/tables/ceiling.csv",
            caption="../report/ceiling.rst",
            category="Tables",
            labels={"table": "Ceiling"},
        ),
        variance=report(
            "results/{study}/tables/variance.csv",
            caption="../report/variance.rst",
            category="Tables",
            labels={"table": "Variance of recognition"},
        ),
    log:
        "results/{study}/logs/agreement.log",
    benchmark:
        "results/{study}/benchmarks/agreement.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        script=script("measure_agreement.py"),
        resamples=STUDY.resamples,
        seed=STUDY.seed,
    shell:
        "python {params.script:q} --labels {input.labels:q} --images {input.images:q}"
        " --resamples {params.resamples} --seed {params.seed}"
        " --out {output.agreement:q} --out-ceiling {output.ceiling:q} --out-variance {output.variance:q} &> {log:q}"


rule compare_with_person:
    """Judge each metric and one annotator alike: how often they are right, and how often they contradict the others."""
    input:
        labels="results/{study}/tables/labels.csv",
        images="results/{study}/tables/images.csv",
        metrics="results/{study}/tables/metrics.csv",
        scales="results/{study}/tables/scales.csv",
    output:
        person=report(
            "results/{study}/tables/person.csv",
            caption="../report/person.rst",
            category="Tables",
            labels={"table": "Metrics and one more person"},
        ),
        curve=report(
            "results/{study}/tables/contradiction_curve.csv",
            caption="../report/contradiction_curve.rst",
            category="Tables",
            labels={"table": "Contradictions by gap"},
        ),
    log:
        "results/{study}/logs/person.log",
    benchmark:
        "results/{study}/benchmarks/person.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        script=script("compare_with_person.py"),
        without=lambda wildcards: ["--without", *OTHER_ORDER] if wildcards.study == HUMAN_STUDY else [],
        resamples=STUDY.resamples,
        seed=STUDY.seed,
    shell:
        "python {params.script:q} --labels {input.labels:q} --images {input.images:q} --metrics {input.metrics:q}"
        " --scales {input.scales:q} {params.without:q} --resamples {params.resamples} --seed {params.seed}"
        " --out {output.person:q} --out-curve {output.curve:q} &> {log:q}"


rule measure_ranking:
    """Measure how often each metric, and one annotator, orders two target models as annotators do on other originals."""
    input:
        labels="results/{study}/tables/labels.csv",
        images="results/{study}/tables/images.csv",
        metrics="results/{study}/tables/metrics.csv",
        scales="results/{study}/tables/scales.csv",
    output:
        ranking=report(
            "results/{study}/tables/ranking.csv",
            caption="../report/ranking.rst",
            category="Tables",
            labels={"table": "Ranking of target models"},
        ),
        limits=report(
            "results/{study}/tables/ranking_limits.csv",
            caption="../report/ranking_limits.rst",
            category="Tables",
            labels={"table": "Where a ranking may be trusted"},
        ),
    log:
        "results/{study}/logs/ranking.log",
    benchmark:
        "results/{study}/benchmarks/ranking.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        script=script("measure_ranking.py"),
        resamples=STUDY.resamples,
        seed=STUDY.seed,
    shell:
        "python {params.script:q} --labels {input.labels:q} --images {input.images:q} --metrics {input.metrics:q}"
        " --scales {input.scales:q} --resamples {params.resamples} --seed {params.seed}"
        " --out {output.ranking:q} --out-limits {output.limits:q} &> {log:q}"


rule measure_faithfulness:
    """Measure the faithfulness of each metric to what annotators recognised, and differences between metrics."""
    input:
        metrics="results/{study}/tables/metrics.csv",
        recognition="results/{study}/tables/recognition.csv",
        scales="results/{study}/tables/scales.csv",
    output:
        values=report(
            "results/{study}/tables/faithfulness.csv",
            caption="../report/faithfulness.rst",
            category="Tables",
            labels={"table": "Faithfulness"},
        ),
        differences=report(
            "results/{study}/tables/faithfulness_differences.csv",
            caption="../report/faithfulness_differences.rst",
            category="Tables",
            labels={"table": "Differences of faithfulness"},
        ),
    log:
        "results/{study}/logs/faithfulness.log",
    benchmark:
        "results/{study}/benchmarks/faithfulness.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        script=script("measure_faithfulness.py"),
        resamples=STUDY.resamples,
        seed=STUDY.seed,
    shell:
        "python {params.script:q} --metrics {input.metrics:q} --recognition {input.recognition:q} --scales {input.scales:q}"
        " --resamples {params.resamples} --seed {params.seed}"
        " --out {output.values:q} --out-differences {output.differences:q} &> {log:q}"


rule count_contradictions:
    """Count how often two metrics, or a metric and the annotators, order two reconstructions differently."""
    input:
        metrics="results/{study}/tables/metrics.csv",
        recognition="results/{study}/tables/recognition.csv",
        scales="results/{study}/tables/scales.csv",
    output:
        report(
            "results/{study}/tables/contradictions.csv",
            caption="../report/contradictions.rst",
            category="Tables",
            labels={"table": "Contradictions"},
        ),
    log:
        "results/{study}/logs/contradictions.log",
    benchmark:
        "results/{study}/benchmarks/contradictions.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        script=script("count_contradictions.py"),
        resamples=STUDY.resamples,
        seed=STUDY.seed,
    shell:
        "python {params.script:q} --metrics {input.metrics:q} --recognition {input.recognition:q} --scales {input.scales:q}"
        " --resamples {params.resamples} --seed {params.seed} --out {output:q} &> {log:q}"


STATISTICS = [
    *rules.measure_agreement.output,
    *rules.compare_with_person.output,
    *rules.measure_ranking.output,
    *rules.measure_faithfulness.output,
    *rules.count_contradictions.output,
]
