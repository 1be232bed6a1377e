"""What the tables say, in sentences computed from the numbers of a study."""

from semsim.findings.agreement import (
    agreement_findings,
    annotator_findings,
    ceiling_findings,
    graded_finding,
    label_findings,
    observer_findings,
    spot_check_finding,
    variance_findings,
)
from semsim.findings.chances import calibration_findings
from semsim.findings.claims import RULE, hand_crafted, judge_claims
from semsim.findings.contradictions import (
    against_annotators_findings,
    contradiction_findings,
    leakage_error_findings,
    tie_findings,
)
from semsim.findings.correspondence import correspondence_findings, corresponds
from semsim.findings.defects import (
    defence_findings,
    misalignment_findings,
    reference_faithfulness_findings,
    set_size_findings,
    unscaled_findings,
)
from semsim.findings.difficulty import (
    class_findings,
    content_findings,
    curve_findings,
    effect_findings,
    rate_findings,
)
from semsim.findings.faithfulness import (
    baseline_findings,
    faithfulness_findings,
    person_findings,
    reference_change_findings,
)
from semsim.findings.protection import protection_findings
from semsim.findings.ranking import ranking_findings
from semsim.findings.reconstructions import (
    accuracy_findings,
    attack_findings,
    guessing_findings,
    knowledge_findings,
    leakage_findings,
    leakiest_findings,
    reference_findings,
    spread_findings,
)
from semsim.findings.replication import primary_over_seeds, replication_findings
from semsim.findings.semsim import (
    ablation_findings,
    dataset_findings,
    generalisation_findings,
    group_findings,
    learning_findings,
)

__all__ = [
    "RULE",
    "ablation_findings",
    "accuracy_findings",
    "against_annotators_findings",
    "agreement_findings",
    "annotator_findings",
    "attack_findings",
    "baseline_findings",
    "calibration_findings",
    "ceiling_findings",
    "class_findings",
    "content_findings",
    "contradiction_findings",
    "correspondence_findings",
    "corresponds",
    "curve_findings",
    "dataset_findings",
    "defence_findings",
    "effect_findings",
    "faithfulness_findings",
    "generalisation_findings",
    "graded_finding",
    "group_findings",
    "guessing_findings",
    "hand_crafted",
    "judge_claims",
    "knowledge_findings",
    "label_findings",
    "leakage_error_findings",
    "leakage_findings",
    "leakiest_findings",
    "learning_findings",
    "misalignment_findings",
    "observer_findings",
    "person_findings",
    "primary_over_seeds",
    "protection_findings",
    "ranking_findings",
    "rate_findings",
    "reference_change_findings",
    "reference_faithfulness_findings",
    "reference_findings",
    "replication_findings",
    "set_size_findings",
    "spot_check_finding",
    "spread_findings",
    "tie_findings",
    "unscaled_findings",
    "variance_findings",
]
