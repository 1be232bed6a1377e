# Training data of SemSim without `released`: the study's own reconstructions and labels.

RECONSTRUCTIONS = every(rules.attack_target.output.images)
RECOGNITION = rules.collect_labels.output.recognition
METRICS, SCALES = rules.collect_tables.output.metrics, rules.collect_tables.output.scales
CAVEAT = []


wildcard_constraints:
    exclusion="|".join(map(re.escape, STUDY.exclusions)),


def exclusions_of_study():
    """Return what is held out of SemSim's training."""
    return STUDY.exclusions


def classifier_of(wildcards):
    """Return the classifier that a job of SemSim starts from: one not trained on the held-out data set."""
    kind, _, value = exclusion_of(wildcards).partition("-")
    public = f"without-{value}" if kind == "dataset" else "all"
    network = STUDY.network_of(variant_of(wildcards))
    return expand(rules.train_classifier.output.weights, network=network, public=public)


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
    return [*tables, *expand(rules.notebook_html.output, study=STUDY.name, notebook=notebooks)]
