"""Sentences about labels, faithfulness and contradictions, and the charts beside them: true of the tables' numbers."""

import numpy as np
import pandas as pd
import pytest

from semsim import findings
from semsim.figures import agreement_charts, contradiction_charts, faithfulness_charts
from semsim.figures.contradiction_pairs import choose_pairs, telling_pairs
from semsim.metrics.scales import scales_of
from semsim.text import NO_BREAK

SCALES = scales_of(
    pd.DataFrame(
        [("psnr", "PSNR", "dB", 0, np.inf, True, "", "images"), ("lpips", "LPIPS", None, 0, 1, False, None, "images")],
        columns=["metric", "label", "unit", "low", "high", "higher_is_better", "caveat", "access"],
    )
)
GROUP = {"dataset": "shapes", "kind": "human", "reference": "original"}


def plain(sentences):
    """Return sentences with ordinary spaces."""
    return [sentence.replace(NO_BREAK, " ") for sentence in sentences]


def faithfulness_of(*rows, statistic="spearman", level="models"):
    """Return a table of faithfulness of rows (metric, value, low, high, p_holm)."""
    table = pd.DataFrame(rows, columns=["metric", "value", "low", "high", "p_holm"])
    table = table.assign(**GROUP, level=level, statistic=statistic, null_low=-0.3, null_high=0.3, note="")
    down = table["metric"] == "lpips"
    top = 1 if statistic == "auc" else 0
    low, high = (table[one].where(~down, top - table[other]) for one, other in (("low", "high"), ("high", "low")))
    turned = {"faithfulness": table["value"].where(~down, top - table["value"])}
    return table.assign(**turned, faithfulness_low=low, faithfulness_high=high)


def differences_of(p_holm, statistic="spearman", level="models"):
    row = {"level": level, "statistic": statistic, "metric": "psnr", "other": "lpips", "difference": -0.2}
    return pd.DataFrame([GROUP | row | {"low": -0.5, "high": 0.1, "p": p_holm, "p_holm": p_holm}])


def ceiling_of(value, statistic="spearman", level="models"):
    row = {"level": level, "statistic": statistic, "annotator": "mean", "value": value, "low": value, "high": value}
    return pd.DataFrame([{"dataset": "shapes", "kind": "human", "count": 1, "note": ""} | row])


@pytest.mark.parametrize(
    ("rows", "p_holm", "sentence"),
    [
        (
            [("psnr", 0.5, -0.1, 0.8, 0.2), ("lpips", -0.7, -0.9, -0.2, 0.01)],
            0.2,
            "On shapes, between target models, LPIPS is most faithful to human annotators (Spearman's ρ 0.70, 95 %"
            " interval 0.20 to 0.90). That is not distinguishable from the runner-up, PSNR (Holm-corrected p = 0.2)."
            " Not distinguishable from chance by permutation: PSNR.",
        ),
        (
            [("psnr", 0.9, 0.8, 0.95, 0.01), ("lpips", 0.4, 0.2, 0.6, 0.01), ("knows_cell", 0.6, 0.5, 0.7, np.nan)],
            0.001,
            "On shapes, between target models, PSNR is most faithful to human annotators (Spearman's ρ 0.90, 95 %"
            " interval 0.80 to 0.95). That is distinguishably better than the runner-up, LPIPS (Holm-corrected p ="
            " 0.001). The model-and-attack baseline reaches 0.60. Worse than chance: LPIPS.",
        ),
        (
            [("psnr", 0.1, 0.05, 0.4, 0.3), ("knows_cell", 0.6, 0.5, 0.7, np.nan)],
            1,
            "On shapes, between target models, PSNR is most faithful to human annotators (Spearman's ρ 0.10, 95 %"
            " interval 0.05 to 0.40), which a permutation test does not distinguish from chance. The model-and-attack"
            " baseline reaches 0.60.",
        ),
    ],
)
def test_the_best_metric_is_named_with_all_that_can_be_told(rows, p_holm, sentence):
    """The test against chance is the declared one: an interval off zero does not count (third case)."""
    tables = faithfulness_of(*rows), differences_of(p_holm)
    assert plain(findings.faithfulness_findings(*tables, SCALES, "spearman", "original")) == [sentence]


def test_metrics_that_follow_from_each_other_share_the_first_place():
    rows = faithfulness_of(("psnr", 0.7, 0.5, 0.8, 0.01), ("lpips", -0.7, -0.8, -0.5, 0.01))
    alike = differences_of(1).assign(difference=0.0, low=0.0, high=0.0)
    (sentence,) = plain(findings.faithfulness_findings(rows, alike, SCALES, "spearman", "original"))
    assert "PSNR and LPIPS are equally and most faithful" in sentence and "runner-up" not in sentence
    assert findings.contradiction_findings(contradictions_of(("psnr", "lpips", 0, 0, 0, 9)), SCALES, "original") == [
        "On shapes, PSNR and LPIPS order all pairs identically."
    ]


def test_the_area_under_the_curve_is_turned_about_one_half():
    rows = faithfulness_of(("lpips", 0.3, 0.2, 0.55, 0.1), statistic="auc", level="reconstructions")
    tables = rows, differences_of(1, "auc", "reconstructions")
    (sentence,) = plain(findings.faithfulness_findings(*tables, SCALES, "auc", "original"))
    assert (
        "curve 0.70, 95 % interval 0.45 to 0.80), which a permutation test does not distinguish from chance."
        in sentence
    )
    assert "one annotator" not in sentence


def test_undefined_faithfulness_is_told_with_its_reason():
    rows = faithfulness_of(("psnr", np.nan, np.nan, np.nan, np.nan)).assign(note="fewer than 3 target models")
    assert findings.faithfulness_findings(rows, differences_of(np.nan), SCALES, "spearman", "original") == [
        "On shapes, between target models, faithfulness is undefined (fewer than 3 target models)."
    ]
    assert faithfulness_charts.faithfulness_chart(rows, ceiling_of(np.nan), SCALES, "shapes", "spearman").axes


def test_references_are_compared_where_there_are_two():
    one = faithfulness_of(("psnr", 0.5, 0.1, 0.8, 0.1), ("lpips", -0.7, -0.9, -0.2, 0.1))
    assert findings.reference_change_findings(one, SCALES) == []
    other = faithfulness_of(("psnr", 0.9, 0.1, 1, 0.1), ("lpips", -0.4, -0.9, -0.2, 0.1)).assign(reference="attacked")
    (sentence,) = findings.reference_change_findings(pd.concat([one, other]), SCALES)
    assert sentence.endswith(": PSNR +0.40, LPIPS −0.30.")


def person_of(*rows):
    """Return a table of metrics beside a person of 0.8 from rows (metric, value, p_holm)."""
    table = pd.DataFrame(rows, columns=["metric", "value", "p_holm"])
    table = table.assign(**GROUP, without="none", level="originals", person=0.8, person_low=0.75, person_high=0.85)
    table["difference"] = table["person"] - table["value"]
    return table.assign(difference_low=table["difference"] - 0.05, difference_high=table["difference"] + 0.05)


def test_metrics_are_told_beside_a_person_who_is_judged_alike():
    rows = person_of(("psnr", 0.6, 0.01), ("lpips", 0.7, 0.2), ("knows_cell", 0.79, 1))
    left_out = rows.assign(without="a model", value=0.8, difference=0.0)
    (sentence,) = plain(findings.person_findings(pd.concat([rows, left_out]), SCALES, "original"))
    assert sentence == (
        "On shapes, within one original, one of the human annotators reaches 0.80 (95 % interval 0.75 to 0.85)."
        " Judged alike, LPIPS comes closest with 0.70, 0.10 behind (difference 95 % interval 0.05 to 0.15); not"
        " distinguishably behind: LPIPS."
    )
    (sentence,) = plain(findings.person_findings(person_of(("psnr", 0.6, 0.01)), SCALES, "original"))
    assert sentence.endswith("; every metric is distinguishably behind.")
    assert findings.person_findings(person_of(("psnr", np.nan, np.nan)), SCALES, "original") == []


def test_what_recognition_depends_on_is_told_in_shares():
    shares = {"original": 0.28, "cell": 0.14, "interaction": 0.58, "labels": np.nan}
    table = pd.DataFrame({"component": shares.keys(), "share": shares.values()}).assign(dataset="shapes", kind="human")
    assert plain(findings.variance_findings(table)) == [
        "On shapes, of the variance of recognition rates, 28.0 % is due to the original, 14.0 % to the target model and"
        " attack and 58.0 % to their interaction."
    ]


def contradictions_of(*rows):
    columns = ["metric", "other", "value", "low", "high", "pairs"]
    return pd.DataFrame(rows, columns=columns).assign(**GROUP, tied=0, note="")


def test_contradictions_name_the_metrics_and_the_coin():
    table = contradictions_of(
        ("psnr", "lpips", 0.25, 0.2, 0.3, 40),
        ("psnr", "annotators", 0.45, 0.35, 0.55, 1200),
        ("lpips", "annotators", 0.1, 0.05, 0.2, 1100),
    )
    (between,) = plain(findings.contradiction_findings(table, SCALES, "original"))
    assert (
        between == "On shapes, PSNR and LPIPS order 25.0 % (95 % interval 20.0 % to 30.0 %) of the pairs differently."
    )
    (against,) = plain(findings.against_annotators_findings(table, SCALES, "original"))
    assert "clearly separate up to 1,200 pairs" in against
    assert "LPIPS orders 10.0 % (95 % interval 5.0 % to 20.0 %) of them the opposite way, the fewest" in against
    assert against.endswith("Not distinguishable from a coin toss: PSNR.")
    for chart in (
        contradiction_charts.contradictions_chart(table, SCALES, "original"),
        contradiction_charts.against_annotators_chart(table, SCALES),
    ):
        assert chart.axes[0].get_title(loc="left") == "shapes"
    none = contradictions_of(("psnr", "annotators", np.nan, np.nan, np.nan, 0))
    assert findings.against_annotators_findings(none, SCALES, "original") == [
        "On shapes, human annotators do not clearly separate any pair of reconstructions."
    ]


def test_ties_are_told_with_what_they_would_change():
    rows = [("shapes", "person", 0.1, 60, 40), ("textures", "person", 0.2, 80, 20), ("shapes", "psnr", 0.9, 100, 0)]
    curve = pd.DataFrame(rows, columns=["dataset", "metric", "value", "pairs", "tied"])
    curve = curve.assign(reference="original", kind="human", truth="others", gap=0.5)
    (sentence,) = plain(findings.tie_findings(pd.concat([curve, curve.assign(gap=1.0, tied=0)]), SCALES))
    assert sentence.startswith(
        "One annotator ties 20 % to 40 % of the pairs with a gap of 0.50 or more, because it gives both the same"
        " answer; metrics hardly ever tie. Ties are left out."
    )
    assert "would order 26 % against the others instead of 10 % to 20 %." in sentence, "0.6 * 0.1 + 0.4 / 2 is 0.26"
    assert findings.tie_findings(curve[curve["metric"] == "psnr"], SCALES) == []
    one_of_two = pd.concat([curve, curve[2:].assign(metric="lpips", tied=300)])
    (sentence,) = plain(findings.tie_findings(one_of_two, SCALES))
    assert ", and LPIPS 75 %, because they give both the same answer; other metrics hardly ever tie. Ties" in sentence
    (sentence,) = plain(findings.tie_findings(curve.assign(tied=100), SCALES))
    assert ", and PSNR 50 %, because they give both the same answer. Ties" in sentence, "no other metric"


def test_a_spot_check_is_told_with_its_number():
    row = {"kind": "vision-language-model", "images": 42, "agreement": 0.69, "agreement_low": 0.54}
    text = findings.spot_check_finding(pd.DataFrame([row | {"agreement_high": 0.81}]), "glyphs").replace(NO_BREAK, " ")
    assert text.startswith("Simulated annotators are networks") and text.endswith(
        "the majority of vision-language models agreed with the majority of simulated annotators on 69 % (95 %"
        " interval 54 % to 81 %) of 42 reconstructions of glyphs."
    )
    assert "spot-check" not in findings.spot_check_finding(pd.DataFrame(), "glyphs")


def test_models_that_guess_are_named():
    datasets = pd.DataFrame({"dataset": ["shapes", "textures"], "classes": [10, 4]})
    rows = [("shapes", "a", 0.2), ("shapes", "b", 0.21), ("textures", "a", 0.3)]
    accuracy = pd.DataFrame(rows, columns=["dataset", "target", "validation_accuracy"])
    (sentence,) = plain(findings.guessing_findings(accuracy, datasets))
    assert ": a (20.0 %) on shapes (chance: 10.0 %); a (30.0 %) on textures (chance: 25.0 %). They" in sentence
    assert findings.guessing_findings(accuracy[1:2], datasets) == []


def test_the_accuracy_of_the_leakiest_models_is_told():
    """The rate of a target model is that over all of its labels, not the mean over images."""
    rows = [("a", 0.9, 1), ("a", 0.1, 9), ("b", 0.5, 5), ("b", 0.5, 5), ("c", 0.0, 9)]
    recognition = pd.DataFrame(rows, columns=["target", "recognition_rate", "labels"]).assign(dataset="shapes")
    hidden = recognition.assign(dataset="textures", recognition_rate=0.0)
    accuracy = pd.DataFrame({"target": list("abc"), "validation_accuracy": [0.9, 0.2, 0.6]})
    accuracy = pd.concat([accuracy.assign(dataset=name) for name in ("shapes", "textures")])
    (sentence,) = plain(findings.leakiest_findings(accuracy, pd.concat([recognition, hidden])))
    assert sentence.endswith("classifies 20.0 % on shapes (b; median of all target models 60.0 %) correctly.")
    assert findings.leakiest_findings(accuracy, hidden) == []


def test_labels_and_recognition_are_counted():
    labels = pd.DataFrame(
        {"image": list("aabb"), "annotator": list("xyxy"), "kind": "simulated", "label": [1, -1, 2, 2]}
    )
    rates = pd.DataFrame({"dataset": "shapes", "target": ["m", "n"], "labels": 2, "recognition_rate": [0.5, 1.0]})
    counted, by_target = plain(findings.label_findings(labels, rates))
    assert counted.startswith("2 simulated annotators gave 4 labels to 2 reconstructions; 25.0 % of the labels")
    assert "over all attacks on it, ranges from 50.0 % (m) to 100.0 % (n)" in by_target
    alone, same = plain(findings.label_findings(labels[labels["annotator"] == "x"], rates.assign(recognition_rate=0)))
    assert alone.startswith("1 simulated annotator gave 2 labels") and "is 0.0 % for every target model" in same


def test_target_models_and_attacks_that_leave_some_reconstructions_are_counted():
    """Rates are those over all labels: of the first, 3 of 4; of the second, 19 of 20."""
    rates = pd.DataFrame({"target": list("mmnn"), "labels": [1, 3, 10, 10], "recognition_rate": [0, 1, 0.9, 1]})
    (sentence,) = plain([findings.graded_finding(rates.assign(dataset="shapes", attack="dlg"))])
    assert sentence.startswith(
        "Under 1 of 2 combinations of data set, target model and attack, 10 % to 90 % of the labels are right."
    )


def test_observers_are_told_by_what_they_read():
    table = pd.DataFrame(
        [("one", 0, 0.9, 0.1), ("two", 0, 0.7, 0.2), ("one", 1, 0.1, 0.3), ("two", 1, 0.0, 0.5)],
        columns=["observer", "severity", "right", "wrong"],
    ).assign(dataset="shapes", architecture="vgg3", cannot_tell=0)
    (sentence,) = plain(findings.observer_findings(table))
    assert "classify 70.0 % to 90.0 % of held-out clear images correctly" in sentence
    assert sentence.endswith("a wrong class to 30.0 % to 50.0 % of the most degraded ones.")
    lines = agreement_charts.observers_chart(table).axes[0].get_lines()
    assert [line.get_ydata().tolist() for line in lines[::2]] == [[90, 10], [70, 0]]


def agreement_of(annotators, dataset="shapes"):
    """Return a table of agreement in which the second annotator is biased."""
    rows = [("krippendorff_alpha", answer, None, None, 0.5, 0.4, 0.6) for answer in ("recognised", "named")]
    rows += [("fleiss_kappa", answer, None, None, np.nan, np.nan, np.nan) for answer in ("recognised", "named")]
    names = [f"annotator-{place}" for place in range(1, annotators + 1)]
    for place, name in enumerate(names):
        rows += [("recognition_rate", None, name, None, 0.5 + 0.01 * place, 0.4, 0.6)]
        rows += [("bias", None, name, None, 0.1 * (place == 1), 0.05 * (place == 1) - 0.01, 0.2)]
        rows += [
            ("pairwise_agreement", a, name, b, 0.7, 0.6, 0.8)
            for a in ("recognised", "named")
            for b in names[place + 1 :]
        ]
    columns = ["statistic", "answer", "annotator", "other", "value", "low", "high"]
    return pd.DataFrame(rows, columns=columns).assign(dataset=dataset, kind="human", count=9, note="")


def test_biased_annotators_are_named():
    (sentence,) = plain(findings.annotator_findings(agreement_of(3)))
    assert sentence == (
        "On shapes, individual annotators recognise 50.0 % (annotator-1) to 52.0 % (annotator-3); distinguishably more"
        " or less than the others: annotator-2."
    )
    (sentence,) = plain(findings.annotator_findings(agreement_of(1)))
    assert sentence.endswith("no annotator's recognition rate is distinguishable from that of the others.")


@pytest.mark.parametrize("annotators", [2, 50])
def test_charts_of_annotators_draw_few_and_many(annotators):
    table = pd.concat([agreement_of(annotators), agreement_of(annotators, "textures")])
    assert len(agreement_charts.annotators_chart(table).axes) == 2
    labels = [text.get_text() for text in agreement_charts.agreement_chart(table).axes[0].get_yticklabels()]
    assert labels == ["Recognised or not", "Class named"]
    figure = agreement_charts.pairwise_chart(table)
    assert "shapes: class named" in [axes.get_title(loc="left") for axes in figure.axes]


def test_the_most_telling_pair_of_an_original_is_the_one_whose_ranks_are_furthest_apart():
    keys = {"target": list("abcab"), "attack": "dlg", "original": [0, 0, 0, 1, 1]}
    table = pd.DataFrame(keys | {"recognition_rate": [1.0, 0.2, 0.0, 1.0, 0.0], "psnr": [20.0, 22, 25, 9, 30]})
    pairs = telling_pairs(table, "psnr", SCALES["psnr"])
    assert {original: pair.gap for original, pair in pairs.items()} == pytest.approx({0: 0.4, 1: 0.8})
    recognised, preferred = pairs[0].rows
    assert (recognised["target"], preferred["target"]) == ("a", "c")
    down = table.rename(columns={"psnr": "lpips"}).assign(lpips=-table["psnr"])
    assert telling_pairs(down, "lpips", SCALES["lpips"])[1].rows[1]["lpips"] == -30
    agreeing = table.assign(psnr=table["recognition_rate"])
    assert telling_pairs(agreeing, "psnr", SCALES["psnr"]) == {}
    unclear = table.assign(recognition_rate=[0.6, 0.2, 0.2, 0.6, 0.2])
    assert telling_pairs(unclear, "psnr", SCALES["psnr"]) == {}


def test_no_original_is_shown_twice_as_long_as_there_are_others():
    """Both metrics are most wrong about original 1. LPIPS is right about original 0, so PSNR has to give way."""
    keys = {"target": list("abab"), "attack": "dlg", "original": [0, 0, 1, 1], "recognition_rate": [1.0, 0.0, 1.0, 0.0]}
    table = pd.DataFrame(keys | {"psnr": [20.0, 22, 9, 30], "lpips": [0.2, 0.3, 0.9, 0.1]})

    def originals(table, names):
        return {name: pair[0]["original"] for name, pair in choose_pairs(table, SCALES, names).items()}

    assert originals(table, ["psnr"]) == {"psnr": 1}, "alone, each has the original that it is most wrong about"
    assert originals(table, ["lpips"]) == {"lpips": 1}
    assert originals(table, ["psnr", "lpips"]) == {"psnr": 0, "lpips": 1}
    assert originals(table, ["lpips", "psnr"]) == {"lpips": 1, "psnr": 0}
    alone = table[table["original"] == 1]
    assert originals(alone, ["psnr", "lpips"]) == {"psnr": 1, "lpips": 1}, "there is no other"
    assert originals(alone.assign(psnr=alone["recognition_rate"]), ["psnr", "lpips"]) == {"lpips": 1}
    assert choose_pairs(table.assign(recognition_rate=1.0), SCALES, ["psnr", "lpips"]) == {}


def test_the_look_up_table_is_told_only_where_no_metric_is_ahead_of_it():
    def said(*rows):
        table = pd.DataFrame(rows, columns=["dataset", "metric", "difference", "p_holm"])
        table = table.assign(other="knows_cell", reference="original", kind="human", level="originals", statistic="auc")
        return findings.baseline_findings(table, SCALES, "original")

    clear, unclear = ("textures", "psnr", 0.3, 0.01), ("shapes", "psnr", 0.3, 0.2)
    (sentence,) = said(unclear, ("shapes", "lpips", -0.3, 0.01), clear, ("dots", "psnr", 0, 1))
    assert sentence.startswith("On shapes and dots, no hand-crafted metric is distinguishably ahead of the model-and-")
    assert "a look-up table" in sentence
    assert said(clear, ("textures", "lpips", 0.0, 1)) == [], "one is ahead"
    assert said(("shapes", "psnr", np.nan, np.nan)) == [], "nothing was compared"
