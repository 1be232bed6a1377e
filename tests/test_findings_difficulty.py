"""Sentences and charts about difficulty, content and rankings: true of the tables' numbers."""

import numpy as np
import pandas as pd
import pytest

from semsim import findings
from semsim.figures import agreement_charts, difficulty_charts, faithfulness_charts
from semsim.figures.ranking_charts import ranking_chart
from semsim.metrics.scales import Scale, Scales
from semsim.statistics.means import model_rates
from semsim.statistics.resampling import share_interval
from semsim.text import NO_BREAK

SCALES = Scales({"psnr": Scale("psnr", "PSNR", "dB", 0, 100, True, "")})


def plain(sentences):
    """Return sentences with ordinary spaces."""
    return [sentence.replace(NO_BREAK, " ") for sentence in sentences]


def content_of(gain, low):
    """Return a table of one metric, alone, with the class, and with the original's own rate."""
    rows = [("none", 0.6, np.nan, np.nan), ("class", 0.6 + gain, gain, low), ("other_models", 0.8, 0.2, 0.1)]
    table = pd.DataFrame(rows, columns=["difficulty", "value", "gain", "gain_low"])
    table = table.assign(dataset="d", kind="human", reference="original", metric="psnr", gain_high=table["gain"] + 0.02)
    table = table.assign(low=table["value"] - 0.1, high=table["value"] + 0.1)
    return pd.concat([table.assign(level=level) for level in ("cells", "reconstructions")])


@pytest.mark.parametrize(
    ("gain", "low", "verdict"),
    [
        (0.05, 0.01, "PSNR on d"),
        (0.05, -0.01, "no metric on any data set"),
        (0.02, 0.01, "no metric on any data set"),
    ],
)
def test_content_is_worth_it_where_the_gain_is_large_and_distinguishable(gain, low, verdict):
    sentence, cells, pooled = plain(findings.content_findings(content_of(gain, low), SCALES))
    where = "On d, the best metric alone, PSNR, has an area under the ROC curve of 0.60 over all reconstructions; +"
    assert sentence.startswith(where)
    end = "; +0.20 (95 % interval 0.10 to 0.22) with the original's own rate under other target models."
    assert sentence.endswith(end)
    for said, level in ((cells, "Within one target model and attack"), (pooled, "Over all reconstructions")):
        assert said.startswith(f"{level}, a prediction") and said.endswith(f"above zero, to {verdict}.")


def test_a_gain_that_the_chart_shows_is_told_whichever_metric_has_it():
    """Only the metric that is best alone was looked at once, and one level, beside a chart of all of them."""
    better = content_of(0.0, -0.01).assign(metric="ssim")
    better["value"] += 0.1
    table = pd.concat([better, content_of(0.05, 0.01)], ignore_index=True)
    table.loc[(table["level"] == "reconstructions") & table["gain"].notna(), "gain"] = 0.0
    scales = Scales(SCALES | {"ssim": Scale("ssim", "SSIM", "", 0, 1, True, "")})
    sentence, cells, pooled = findings.content_findings(table, scales)
    assert "the best metric alone, SSIM," in sentence and cells.endswith("to PSNR on d.") and "no metric" in pooled


def test_nothing_learned_is_said():
    table = content_of(0.05, 0.01).assign(value=np.nan)
    assert "nothing could be learned" in findings.content_findings(table, SCALES)[0]
    assert difficulty_charts.content_chart(table, SCALES).axes


def ranking_of(**values):
    """Return a table of rankings at two gaps, by the value of each judge at the larger one."""
    rows = [
        {"metric": name, "gap": gap, "value": value, "low": value - 0.05, "high": 1.0}
        for name, value in values.items()
        for gap in (0.0, 0.1)
    ]
    about = {"dataset": "d", "kind": "human", "reference": "original", "by": "recognition", "originals": 200}
    return pd.DataFrame(rows).assign(**about)


def test_rankings_say_what_may_be_trusted():
    table = ranking_of(psnr=0.8, person=0.9, everyone=0.99)
    limits = table[table["gap"] == 0.1].assign(gap=[np.nan, np.nan, 0.1])
    right, trusted = plain(findings.ranking_findings(table, limits, SCALES))
    assert "PSNR in 0.80 of the pairs (95 % interval 0.75 to 1.00), one annotator in 0.90" in right
    assert trusted.endswith("for models like these: all annotators together from gaps of 0.10.")
    _, nothing = plain(findings.ranking_findings(table, limits.assign(gap=np.nan), SCALES))
    assert nothing.endswith("for no metric at any gap.")
    names = [panel.get_title(loc="left") for panel in ranking_chart(table, SCALES).axes]
    assert names == ["PSNR", "One annotator", "All annotators"]


def test_the_chance_of_being_recognised_is_drawn_in_groups_of_equal_size():
    metrics = pd.DataFrame({"original": range(100), "psnr": np.arange(100.0)})
    metrics = metrics.assign(dataset="d", target="t", attack="a", reference="attacked")
    rates = metrics.drop(columns=["psnr", "reference"]).assign(kind="human", labels=5, recognition_rate=0.0)
    rates.loc[60:, "recognition_rate"] = 1.0
    (panel,) = faithfulness_charts.chances_chart(metrics, rates, SCALES, "d", ["psnr"], "attacked").axes
    drawn = panel.get_lines()[-1].get_xydata()
    assert drawn[:, 1].tolist() == [0] * 6 + [100] * 4 and drawn[:, 0] == pytest.approx(np.arange(4.5, 100, 10))


def test_intervals_of_rates_stay_between_none_and_all():
    rates = pd.DataFrame({"target": ["all"] * 12 + ["some"] * 12, "original": [*range(12)] * 2, "labels": 5})
    rates["recognition_rate"] = [1.0] * 11 + [0.8] + [0.4, 0.6] * 6
    found = model_rates(rates)
    assert found.loc["all", "value"] == pytest.approx(100 * 11.8 / 12)
    assert found.loc["all", "low"] < found.loc["all", "value"] < found.loc["all", "high"] <= 100
    some = rates.loc[rates["target"] == "some", "recognition_rate"].to_numpy()
    few, many = (share_interval(some, np.arange(12), answers) for answers in (None, 60))
    assert few[0] < many[0] < 0.5 < many[1] < few[1], "a rate of five labels says more than one answer"


def test_rates_are_counted_by_how_many_recognised():
    table = pd.DataFrame({"dataset": "d", "kind": "human", "labels": 5, "recognition_rate": [0, 0.2, 0.2, 1]})
    (panel,) = agreement_charts.rates_chart(table).axes
    assert [bar.get_height() for bar in panel.patches] == [25, 50, 0, 0, 0, 25]
    assert [label.get_text() for label in panel.get_xticklabels()][::5] == ["0/5", "5/5"]
    (sentence,) = plain(findings.rate_findings(table))
    assert sentence == "On d, all annotators recognised 25.0 % of the reconstructions, and none recognised 25.0 %."


def test_classes_are_in_order():
    table = pd.DataFrame({"dataset": "d", "kind": "human", "label": [0, 0, 1, 2], "labels": 70})
    table["original"] = range(4)
    table["recognition_rate"] = [0.9, 0.7, 0.2, 0.5]
    (panel,) = difficulty_charts.classes_chart(table).axes
    assert panel.get_lines()[0].get_ydata() == pytest.approx([20, 50, 80])


def test_more_labels_are_put_in_words():
    curve = pd.DataFrame({"dataset": "d", "originals": [10, 10, 400, 400], "difficulty": ["none", "class"] * 2})
    curve["value"] = [0.68, 0.67, 0.72, 0.76]
    (sentence,) = findings.curve_findings(curve)
    assert sentence == (
        "On d, from 10 to 400 labelled originals, the area under the ROC curve of all metrics together"
        " changes from 0.68 to 0.72; with the difficulty of the class, it changes from 0.67 to 0.76."
    )
