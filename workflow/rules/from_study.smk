# Training data of SemSim without `released`: the study's own reconstructions and labels.

RECONSTRUCTIONS = every(rules.attack_target.output.images)
RECOGNITION = rules.collect_labels.output.recognition
METRICS, SCALES = rules.collect_tables.output.metrics, rules.collect_tables.output.scales
CAVEAT = []


def exclusions_of_study():
    """Return what is held out of SemSim's training."""
    return STUDY.exclusions


def public_of(exclusion):
    """Return the data sets that the start of a trial may have seen: ``all``, or all ``without-`` the held-out one."""
    kind, _, value = exclusion.partition("-")
    return f"without-{value}" if kind == "dataset" else "all"


def starts_of(wildcards):
    """Return the classifiers from which a job of SemSim starts, one for each of its exclusions.

    Each is the name of one that is pretrained or comes with semsim or, where there is none, the file of one that the
    study trains.
    """
    variant, found = variant_of(wildcards), []
    for public in map(public_of, exclusions_of(wildcards)):
        trained = expand(rules.train_classifier.output.weights, network=STUDY.network_of(variant), public=public)
        found.append(STUDY.ready_start(variant, datasets_of(public)) or trained[0])
    return found


def classifier_of(wildcards):
    """Return the classifiers that the study trains for a job of SemSim to start from."""
    return [start for start in dict.fromkeys(starts_of(wildcards)) if start.endswith(".safetensors")]


def figures_of_study():
    """Return the figures that show images."""
    return rules.make_report.input.figures


def outcome_of_study():
    """Return the final outputs of the study: its report with everything in it, or what it writes instead.

    A job that fails deletes its older outputs, and those that nobody requests by name would not be made again.
    """
    if OWN_RESULTS == RESULTS and not STUDY.defects:
        page = rules.make_report
        return [*page.output, *page.input.tables, *page.input.figures, *page.input.notebooks]
    notebooks = ["05_semsim"] if OWN_RESULTS != RESULTS and ABLATIONS else []
    tables = [table for defect in STUDY.defects for table in DEFECT_TABLES[defect]]
    return [*tables, *expand(rules.run_notebook.output.html, study=STUDY.name, notebook=notebooks)]
