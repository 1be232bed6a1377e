# Training data of SemSim without `released`: the study's own reconstructions and labels.

RECONSTRUCTIONS = every(rules.attack_target.output.images)
RECOGNITION = rules.collect_labels.output.recognition
LABELS = [rules.collect_labels.output.labels, rules.collect_labels.output.images]
METRICS, SCALES = rules.collect_tables.output.metrics, rules.collect_tables.output.scales
CAVEAT = []


wildcard_constraints:
    exclusion="|".join(map(re.escape, STUDY.exclusions)),


def exclusions_of_study():
    """Return what is held out of SemSim's training."""
    return STUDY.exclusions


def public_of(wildcards):
    """Return the data sets that the start of a job of SemSim may have seen: ``all``, or all ``without-`` the held-out one."""
    kind, _, value = exclusion_of(wildcards).partition("-")
    return f"without-{value}" if kind == "dataset" else "all"


def shipped_start_of(wildcards):
    """Return the name of the classifier that comes with semsim from which a job of SemSim starts, or None."""
    return STUDY.shipped_start(variant_of(wildcards), datasets_of(public_of(wildcards)))


def classifier_of(wildcards):
    """Return the classifier that the study trains for a job of SemSim to start from; none where one comes with semsim."""
    if shipped_start_of(wildcards):
        return []
    network = STUDY.network_of(variant_of(wildcards))
    return expand(rules.train_classifier.output.weights, network=network, public=public_of(wildcards))


def figures_of_study():
    """Return the figures that show images."""
    return rules.make_report.input.figures


def outcome_of_study():
    """Return the final outputs of the study: its report with everything in it, or what it writes instead.

    A job that fails takes older outputs of its own away, and what nobody asks for by name would not come back.
    """
    if OWN_RESULTS == RESULTS and not STUDY.defects:
        page = rules.make_report
        return [*page.output, *page.input.tables, *page.input.figures, *page.input.notebooks]
    notebooks = ["05_semsim"] if OWN_RESULTS != RESULTS and ABLATIONS else []
    tables = [table for defect in STUDY.defects for table in DEFECT_TABLES[defect]]
    return [*tables, *expand(rules.run_notebook.output.html, study=STUDY.name, notebook=notebooks)]
