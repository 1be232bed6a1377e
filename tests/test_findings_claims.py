"""The verdicts on the paper's claims: one rule, at both sides of each threshold, and what cannot be tested."""

import numpy as np
import pandas as pd
import pytest
from small_study import small_study

from semsim import findings
from semsim.metrics.scales import scales_of
from semsim.results.study_tables import StudyTables
from semsim.statistics.baselines import BASELINES
from semsim.text import NO_BREAK

ABOUT = {"dataset": "shapes", "kind": "human", "reference": "original"}


class Tables(dict):
    """Tables of a study, as `StudyTables` hands them out."""

    def __init__(self, **tables):
        super().__init__({name: table.assign(**ABOUT) for name, table in tables.items()})
        rows = [("mse", "MSE", False), ("psnr", "PSNR", True), ("lpips", "LPIPS", False)]
        rows += [("lpips_vgg", "LPIPS (VGG16)", False), ("retrained_semsim", "SemSim, retrained", False)]
        columns = ["metric", "label", "higher_is_better"]
        about = {"unit": "", "low": 0, "high": 1, "caveat": "", "access": "images"}
        scales = pd.DataFrame(rows, columns=columns).assign(**about)
        self.scales = scales_of(scales) | BASELINES

    def of_kind(self, name, kind):
        return self[name][self[name]["kind"] == kind]


def beside_a_person(behind, p):
    """Return the table of metrics beside a person of 0.8; PSNR's twin, SemSim and a baseline are never behind."""
    rows = [("psnr", behind, p), ("lpips", 0.05, 0.01), *((name, 0, 1) for name in ("mse", "retrained_semsim"))]
    table = pd.DataFrame([*rows, ("knows_cell", 0, 1)], columns=["metric", "difference", "p_holm"])
    table = pd.concat([table.assign(level="originals"), table.assign(level="cells", difference=0)])
    return table.assign(person=0.8, value=0.8 - table["difference"], without="none")


def contradicting(pairs):
    """Return the table of how often metrics contradict each other, for pairs of metrics and shares."""
    table = pd.DataFrame(pairs, columns=["metric", "other", "value"])
    return table.assign(low=table["value"] - 0.05, high=table["value"] + 0.05)


def study(per_image=0.4, per_model=0.4, between=0.2, behind=0.1, p=0.01, lead=0.1, p_holm=0.01, folds=None):
    """Return tables on which every claim holds that can be tested, unless a number is changed.

    Intervals of correlations and of shares of contradicting pairs reach 0.05 to both sides.
    """
    levels = {"reconstructions": per_image, "models": per_model}
    agreed = [(level, "spearman", name, value) for level, value in levels.items() for name in ("mse", "psnr", "lpips")]
    agreed += [("models", "spearman", "knows_original", 0.9), ("models", "spearman", "retrained_semsim", 0.9)]
    agreed += [("originals", "auc", name, 0.7) for name in ("mse", "psnr", "retrained_semsim")]
    faithfulness = pd.DataFrame(agreed, columns=["level", "statistic", "metric", "faithfulness"])
    faithfulness["faithfulness_low"] = faithfulness["faithfulness"] - 0.05
    faithfulness["faithfulness_high"] = faithfulness["faithfulness"] + 0.05
    pairs = [("psnr", "lpips", between), ("mse", "psnr", 0.0), ("mse", "lpips", between)]
    pairs += [("psnr", "annotators", 0.01), ("knows_cell", "psnr", 0.01)]
    curve = [("psnr", 0.3, 100, 0), ("lpips", 0.4, 100, 0), ("person", 0.1, 60, 40)]
    compared = {"level": "originals", "statistic": "auc", "metric": "psnr", "other": "retrained_semsim"}
    compared |= {
        "difference": -lead,
        "low": -lead - 0.05,
        "high": -lead + 0.05,
        "p": 0.004,
        "p_holm": p_holm,
        "tests": 3,
    }
    tables = {
        "faithfulness": faithfulness,
        "faithfulness_differences": pd.DataFrame([compared]),
        "ceiling": pd.DataFrame([{"level": "models", "statistic": "spearman", "annotator": "mean", "value": 0.8}]),
        "contradictions": contradicting(pairs),
        "contradiction_curve": pd.DataFrame(curve, columns=["metric", "value", "pairs", "tied"]),
        "person": beside_a_person(behind, p),
    }
    tables["contradiction_curve"] = tables["contradiction_curve"].assign(truth="others", gap=0.5)
    if folds:
        both = {"exclusion": "all", "level": "originals", "statistic": "auc", "metric": "semsim"}
        ours = {"faithfulness": 0.8, "left_out_worst": 0.6, "worst_left_out": "lenet"}
        rows = [both | {"folds": name, "difference": gap, "p_holm": p} for name, (gap, p) in folds.items()]
        tables["generalisation"] = pd.DataFrame(rows)[[*both, "folds"]].assign(**ours)
        leads = pd.DataFrame(rows).assign(other="best_metric", low=0, high=1, tests=40, p=0.001)
        start = leads.assign(other="classifier_features", difference=0.002, p_holm=1, low=-0.01, high=0.01)
        tables["generalisation_differences"] = pd.concat([leads, start])
    return Tables(**tables)


def verdicts(**numbers):
    return [claim.verdict for claim in findings.judge_claims(study(**numbers), "human")]


def test_a_study_can_support_what_it_can_test():
    assert verdicts() == ["supported", "supported", "supported", "not testable here"]


@pytest.mark.parametrize(
    ("claim", "numbers", "verdict"),
    [
        (0, {"per_model": 0.449}, "supported"),
        (0, {"per_model": 0.451}, "partly supported"),
        (0, {"per_model": np.nan}, "partly supported"),
        (0, {"per_image": 0.5, "per_model": np.nan}, "not supported"),
        (0, {"per_image": np.nan, "per_model": np.nan}, "not testable here"),
        (1, {"between": 0.149}, "partly supported"),
        (1, {"between": 0.151}, "supported"),
        (1, {"behind": -0.1}, "partly supported"),
        (1, {"p": 0.05}, "partly supported"),
        (1, {"p": 0.049}, "supported"),
        (1, {"between": np.nan}, "partly supported"),
        (1, {"between": 0.149, "p": 0.05}, "not supported"),
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


def test_each_metric_must_be_behind_a_person_on_every_data_set():
    tables = study()
    elsewhere = beside_a_person(0.1, 0.2).assign(**ABOUT | {"dataset": "textures"})
    tables["person"] = pd.concat([tables["person"], elsewhere])
    claim = findings.judge_claims(tables, "human")[1]
    assert claim.verdict == "partly supported" and [part.holds for part in claim.parts] == [True, False]
    assert claim.parts[1].text.endswith("judged alike: not so for PSNR on textures.")
    tables["person"] = pd.concat([study()["person"].assign(p_holm=0.2), elsewhere.assign(p_holm=0.2)])
    claim = findings.judge_claims(tables, "human")[1]
    assert claim.parts[1].text.endswith("judged alike: not so for any on shapes and textures.")
    tables["person"] = tables["person"].assign(difference=np.nan)
    assert findings.judge_claims(tables, "human")[1].parts[1].holds is None


def test_every_part_says_what_decides_and_the_rule_has_the_cut_offs():
    """The verdict follows from the parts that a reader sees, and from nothing else."""
    folds = {"within": (0.1, 0.01), "dataset": (0.1, 0.05), "attack": (-0.1, 0.01)}
    for claim in findings.judge_claims(study(per_model=0.7, folds=folds), "human"):
        held = [part.holds for part in claim.parts]
        assert claim.verdict == ("supported" if all(held) else "partly supported" if any(held) else "not supported")
    weak, contradict = findings.judge_claims(study(per_model=0.7), "human")[:2]
    assert "below 0.5: PSNR 0.70 (95\u00a0% interval 0.65 to 0.75)." in weak.parts[1].text
    assert contradict.parts[0].text.endswith("20\u00a0% (95\u00a0% interval 15\u00a0% to 25\u00a0%).")
    assert "attack" in claim.parts[1].text and "−0.10 (Holm-corrected p = 0.01)" in claim.parts[1].text
    for cut_off in ("ρ is below 0.5", "10\u00a0% of the pairs", "p is below 0.05"):
        assert cut_off in findings.RULE


def test_the_numbers_stand_beside_the_verdict():
    texts = [claim.numbers.replace("\u00a0", " ") for claim in findings.judge_claims(study(per_model=0.7), "human")]
    assert texts[0].endswith(
        "per image, PSNR 0.40 and LPIPS 0.40; per model, PSNR 0.70 and LPIPS 0.70 (one annotator: 0.80, original-only"
        " baseline: 0.90)."
    )
    assert texts[1].startswith("On average, two of PSNR and LPIPS order 20 % (95 % interval 15 % to 25 %) of the pairs")
    assert "One annotator ties 40 % of them and orders 10 % of the rest against the others." in texts[1]
    assert texts[1].endswith("one annotator is right in 80 %, and the closest metric, LPIPS, in 75 %.")
    assert "one original: SemSim, retrained 0.70, +0.10 against PSNR (95 % interval 0.05 to 0.15" in texts[2]
    folds = {"within": (0.1, 0.01), "architecture": (0.1, 0.01)}
    (*_, lead, last) = findings.judge_claims(study(folds=folds), "human")
    assert "SemSim 0.80, +0.10 against the best hand-crafted metric" in lead.numbers
    assert "; p = 0.001, and after Holm's correction for 40 comparisons p = 0.01)" in lead.numbers
    assert "starts reaches 0.80; what labels add is not distinguishable from zero (0.00, 95" in lead.numbers
    assert "new architecture 0.80 (+0.10, 0.00 to 1.00), for the worst architecture 0.60 (lenet)." in last.numbers


def test_a_study_of_simulated_annotators_says_so_in_each(tmp_path_factory):
    """Its two target models are too few for what is measured within one original, and between models."""
    tables = StudyTables(small_study(tmp_path_factory.getbasetemp()) / "tables")
    claims = findings.judge_claims(tables, "simulated")
    assert [claim.who for claim in claims] == ["simulated annotators"] * 4
    assert [claim.verdict for claim in claims[2:]] == ["not testable here"] * 2


@pytest.mark.parametrize(("of_one", "of_two", "found"), [(0.01, 0.2, "20 %"), (0.2, 0.06, "6 % to 20 %")])
def test_two_versions_of_one_metric_need_not_contradict_each_other(of_one, of_two, found):
    tables = study()
    pairs = [("lpips", "lpips_vgg", of_one), ("lpips_vgg", "psnr", of_two)]
    more = contradicting(pairs).assign(**ABOUT)
    tables["contradictions"] = pd.concat([tables["contradictions"], more])
    numbers = findings.judge_claims(tables, "human")[1].numbers.replace(NO_BREAK, " ")
    assert "two of PSNR, LPIPS and LPIPS (VGG16), versions of one metric apart, order" in numbers
    assert f"; by pair of metrics, {found}." in numbers
