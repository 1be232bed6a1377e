"""The verdicts on the paper's claims: one rule, at both sides of each threshold, and what cannot be tested."""

import numpy as np
import pandas as pd
import pytest
from small_study import small_study

from semsim import findings
from semsim.metrics.scales import scales_of
from semsim.results.study_tables import StudyTables
from semsim.statistics.baselines import BASELINES

ABOUT = {"dataset": "shapes", "kind": "human", "reference": "original"}


class Tables(dict):
    """Tables of a study, as `StudyTables` hands them out."""

    def __init__(self, **tables):
        super().__init__({name: table.assign(**ABOUT) for name, table in tables.items()})
        rows = [("mse", "MSE", False), ("psnr", "PSNR", True), ("lpips", "LPIPS", False)]
        rows += [("retrained_semsim", "SemSim, retrained", False)]
        columns = ["metric", "label", "higher_is_better"]
        about = {"unit": "", "low": 0, "high": 1, "caveat": "", "access": "images"}
        scales = pd.DataFrame(rows, columns=columns).assign(**about)
        self.scales = scales_of(scales) | BASELINES

    def of_kind(self, name, kind):
        return self[name][self[name]["kind"] == kind]


def with_interval(curve):
    """Return the table of contradictions by gap, of shares with an interval of 0.04 to each side."""
    table = pd.DataFrame(curve, columns=["metric", "value"])
    return table.assign(low=table["value"] - 0.04, high=table["value"] + 0.04)


def study(per_image=0.4, per_model=0.4, between=0.2, against=0.3, person=0.1, lead=0.1, p_holm=0.01, folds=None):
    """Return tables on which every claim holds that can be tested, unless a number is changed."""
    levels = {"reconstructions": per_image, "models": per_model}
    agreed = [(level, "spearman", name, value) for level, value in levels.items() for name in ("mse", "psnr", "lpips")]
    agreed += [("models", "spearman", "knows_original", 0.9), ("models", "spearman", "retrained_semsim", 0.9)]
    agreed += [("originals", "auc", name, 0.7) for name in ("mse", "psnr", "retrained_semsim")]
    faithfulness = pd.DataFrame(agreed, columns=["level", "statistic", "metric", "faithfulness"])
    pairs = [("psnr", "lpips", between), ("mse", "psnr", 0.0), ("mse", "lpips", between)]
    pairs += [("psnr", "annotators", 0.01), ("knows_cell", "psnr", 0.01)]
    curve = [("psnr", against), ("lpips", against + 0.1), ("person", person)]
    compared = {"level": "originals", "statistic": "auc", "metric": "psnr", "other": "retrained_semsim"}
    compared |= {"difference": -lead, "low": -lead - 0.05, "high": -lead + 0.05, "p_holm": p_holm}
    tables = {
        "faithfulness": faithfulness,
        "faithfulness_differences": pd.DataFrame([compared]),
        "ceiling": pd.DataFrame([{"level": "models", "statistic": "spearman", "annotator": "mean", "value": 0.8}]),
        "contradictions": pd.DataFrame(pairs, columns=["metric", "other", "value"]),
        "contradiction_curve": with_interval(curve).assign(truth="others", gap=0.5),
    }
    if folds:
        both = {"exclusion": "all", "level": "originals", "statistic": "auc", "metric": "semsim"}
        ours = {"faithfulness": 0.8, "left_out_worst": 0.6, "worst_left_out": "lenet"}
        rows = [both | {"folds": name, "difference": gap, "p_holm": p} for name, (gap, p) in folds.items()]
        tables["generalisation"] = pd.DataFrame(rows)[[*both, "folds"]].assign(**ours)
        tables["generalisation_differences"] = pd.DataFrame(rows).assign(other="best_metric", low=0, high=1)
    return Tables(**tables)


def verdicts(**numbers):
    return [claim.verdict for claim in findings.judge_claims(study(**numbers), "human")]


def test_a_study_can_support_what_it_can_test():
    assert verdicts() == ["supported", "supported", "supported", "not testable here"]


@pytest.mark.parametrize(
    ("claim", "numbers", "verdict"),
    [
        (0, {"per_model": 0.5}, "partly supported"),
        (0, {"per_model": np.nan}, "partly supported"),
        (0, {"per_image": 0.5, "per_model": np.nan}, "not supported"),
        (0, {"per_image": np.nan, "per_model": np.nan}, "not testable here"),
        (1, {"between": 0.09}, "partly supported"),
        (1, {"person": 0.35}, "partly supported"),
        (1, {"person": 0.23}, "partly supported"),
        (1, {"person": 0.21}, "supported"),
        (1, {"person": np.nan}, "partly supported"),
        (1, {"between": 0.09, "person": 0.35}, "not supported"),
        (2, {"p_holm": 0.05}, "not supported"),
        (2, {"lead": -0.1}, "not supported"),
        (2, {"lead": 0}, "not supported"),
        (2, {"lead": np.nan}, "not testable here"),
        (2, {"folds": {"within": (-0.1, 0.01)}}, "not supported"),
        (2, {"folds": {"within": (0.1, 0.05)}}, "not supported"),
        (2, {"folds": {"within": (0.1, 0.04)}}, "supported"),
        (3, {"folds": {"within": (0.1, 0.01)}}, "not testable here"),
        (3, {"folds": {"within": (0.1, 1), "dataset": (0.1, 0.01), "attack": (0.1, 0.01)}}, "supported"),
        (3, {"folds": {"within": (0.1, 0.01), "dataset": (0.1, 0.05), "attack": (0.1, 0.01)}}, "partly supported"),
        (3, {"folds": {"within": (0.1, 0.01), "dataset": (-0.1, 0.01)}}, "not supported"),
        (3, {"folds": {"within": (0.1, 0.05), "dataset": (0.1, 0.05)}}, "not supported"),
    ],
)
def test_the_rule_decides_on_each_threshold(claim, numbers, verdict):
    """The twin of PSNR, the trivial baselines and SemSim itself never decide about hand-crafted metrics.

    The same lead with the same p value gives the same verdict for originals as for other data.
    """
    assert verdicts(**numbers)[claim] == verdict


def test_the_numbers_stand_beside_the_verdict():
    texts = [claim.numbers.replace("\u00a0", " ") for claim in findings.judge_claims(study(per_model=0.7), "human")]
    assert texts[0].endswith(
        "per image, PSNR 0.40 and LPIPS 0.40; per model, PSNR 0.70 and LPIPS 0.70 (one annotator: 0.80)."
    )
    assert (
        texts[1].startswith("Two metrics order 20 % of the pairs")
        and "(by one annotator: 10 %, distinguishably fewer" in texts[1]
    )
    assert texts[2].startswith("SemSim, retrained 0.70, +0.10 against PSNR (95 % interval 0.05 to 0.15")
    folds = {"within": (0.1, 0.01), "architecture": (0.1, 0.01)}
    (*_, last) = findings.judge_claims(study(folds=folds), "human")
    assert "new architecture, 0.80, +0.10 against the single metric that is best on other folds" in last.numbers
    assert last.numbers.endswith("at worst 0.60 (lenet).")


def test_a_study_of_simulated_annotators_says_so_in_each(tmp_path_factory):
    """Its two target models are too few for what is measured within one original, and between models."""
    tables = StudyTables(small_study(tmp_path_factory.getbasetemp()) / "tables")
    claims = findings.judge_claims(tables, "simulated")
    assert [claim.who for claim in claims] == ["simulated annotators"] * 4
    assert [claim.verdict for claim in claims[2:]] == ["not testable here"] * 2
