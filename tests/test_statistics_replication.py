"""What holds over seeds: the table, and what is said of it."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from semsim import findings
from semsim.metrics.scales import Scale, Scales
from semsim.statistics.replication import Run, over_seeds
from semsim.text import NO_BREAK

VIEW = {
    "kind": "simulated",
    "reference": "attacked",
    "folds": "within",
    "exclusion": "all",
    "level": "originals",
    "statistic": "auc",
}
SCALES = Scales({name: Scale(name, name.upper(), "", 0, 1, True, "") for name in ("psnr", "ssim")})
LEADS = [0.03, 0.01, -0.02, 0.06]
SMALL_P = [0.01, 0.2, 0.01, 0.04]


def run_of(lead, p, psnr=0.8, ssim=0.7, contradiction=0.2):
    """The conclusions of one run on two data sets."""
    rows = [("all", "psnr", psnr), ("all", "ssim", ssim), ("all", "semsim", psnr + lead), ("a", "psnr", 0.1)]
    values = pd.DataFrame(rows, columns=["dataset", "metric", "faithfulness"]).assign(**VIEW)
    values = values.assign(
        faithfulness_low=values["faithfulness"] - 0.025, faithfulness_high=values["faithfulness"] + 0.025
    )
    rows = [("all", "best_metric", lead, p), ("a", "best_metric", -1, 0)]
    differences = pd.DataFrame(rows, columns=["dataset", "other", "difference", "p_holm"])
    differences = differences.assign(**VIEW, metric="semsim", low=lead - 0.025, high=lead + 0.025)
    rows = [(dataset, metric, contradiction + step) for dataset, step in (("a", -0.1), ("b", 0.1)) for metric in SCALES]
    contradictions = pd.DataFrame(rows, columns=["dataset", "metric", "value"])
    contradictions = contradictions.assign(kind="simulated", reference="attacked", other="annotators")
    return Run(values, differences, contradictions)


@pytest.fixture
def seeds():
    runs = [run_of(lead, p, psnr=0.8 + lead, contradiction=0.2 + lead) for lead, p in zip(LEADS, SMALL_P, strict=True)]
    return over_seeds(runs)


def row_of(table, quantity, **where):
    rows = table[table["quantity"] == quantity]
    for column, value in where.items():
        rows = rows[rows[column] == value]
    (row,) = rows.to_dict("records")
    return row


def test_mean_and_interval_are_those_of_independent_runs(seeds):
    row = row_of(seeds, "difference", other="best_metric")
    interval = stats.ttest_1samp(LEADS, 0).confidence_interval()
    np.testing.assert_allclose([row["mean"], row["low"], row["high"]], [np.mean(LEADS), *interval])
    assert row["deviation"] == pytest.approx(np.std(LEADS, ddof=1))
    assert (row["seeds"], row["lowest"], row["highest"]) == (4, -0.02, 0.06)


def test_a_lead_counts_as_distinguishable_only_where_it_has_the_sign_of_the_mean(seeds):
    row = row_of(seeds, "difference", other="best_metric")
    assert (row["above"], row["distinguishable"]) == (3, 2)  # the third is distinguishably behind


def test_intervals_of_runs_that_contain_the_mean_are_counted(seeds):
    # Leads are 0.01, -0.01, -0.04 and 0.04 away from their mean; intervals reach 0.025.
    assert row_of(seeds, "difference", other="best_metric")["covered"] == 2
    assert row_of(seeds, "faithfulness", metric="ssim")["covered"] == 4


def test_an_area_is_above_chance_not_above_zero():
    table = over_seeds([run_of(0, 1, psnr=0.4), run_of(0, 1, psnr=0.6)])
    assert row_of(table, "faithfulness", metric="psnr")["above"] == 1


def test_contradictions_are_means_over_data_sets(seeds):
    row = row_of(seeds, "contradiction", metric="psnr")
    assert row["mean"] == pytest.approx(0.2 + np.mean(LEADS))
    assert np.isnan(row["covered"])
    assert np.isnan(row["distinguishable"])


def test_a_run_without_a_value_is_not_counted():
    table = over_seeds([run_of(0.1, 0.01), run_of(np.nan, np.nan), run_of(0.3, 0.01)])
    row = row_of(table, "difference", other="best_metric")
    assert (row["seeds"], row["mean"]) == (2, pytest.approx(0.2))


def test_what_has_no_value_in_any_run_stays_empty():
    row = row_of(over_seeds([run_of(np.nan, np.nan)] * 2), "difference")
    assert row["seeds"] == 0
    assert np.isnan([row[name] for name in ("mean", "low", "high", "lowest", "above")]).all()


def test_findings_say_in_how_many_seeds_semsim_leads(seeds):
    text = " ".join(findings.replication_findings(seeds, SCALES)).replace(NO_BREAK, " ")
    assert "The study was run with 4 seeds" in text
    assert "over the best hand-crafted metric averages +0.02 (95 % interval −0.03 to 0.07)" in text
    assert "It is ahead in 3 of 4 seeds, distinguishably in 2." in text
    assert "PSNR 22.0 % (18.0 % to 26.0 %)" in text


def test_findings_tell_how_many_intervals_hold(seeds):
    # SSIM is the same in all four runs; of PSNR and SemSim, the intervals of two runs contain the mean.
    first = findings.replication_findings(seeds, SCALES)[0].replace(NO_BREAK, " ")
    assert "Of the 95 % intervals of single runs" in first
    assert "66.7 % contain the mean over seeds" in first
