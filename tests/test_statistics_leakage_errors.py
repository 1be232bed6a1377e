"""False and missed leakage, against a count one reconstruction at a time."""

import numpy as np
import pandas as pd
import pytest
from small_study import ATTACKS, small_study

from semsim import findings
from semsim.figures import contradiction_charts
from semsim.io.tables import read_table
from semsim.labels import with_truth
from semsim.labels.human_study import HIGHER_IS_BETTER, SCALES, find_labels, read_human_study
from semsim.metrics.scales import Scale, Scales, scales_of
from semsim.statistics import leakage_errors
from semsim.statistics.baselines import BASELINES
from semsim.statistics.crossing import Crossing
from semsim.statistics.leakage_errors import PARTS, call_leaked, measure_leakage_errors
from semsim.statistics.person import Panel, seat_panels

MODELS, ORIGINALS = 4, 15


def panels_of(rates, **metrics):
    """Return a panel of reconstructions that have these rates and metrics, [target models, originals]."""
    crossing = Crossing(metrics, np.array(rates, dtype=float), np.arange(len(rates)), np.zeros(len(rates), dtype=int))
    return {("d", "human", "attacked"): Panel(crossing, np.empty((0, *np.shape(rates))))}


@pytest.fixture
def study():
    """Rates of five annotators, a metric that follows them roughly, with ties and a gap, and a verdict."""
    generator = np.random.default_rng(7)
    rates = generator.integers(0, 6, (MODELS, ORIGINALS)) / 5
    metric = np.round(rates + generator.normal(0, 0.4, rates.shape), 1)
    metric[1, 2] = np.nan
    return {"rates": rates, "metric": metric, "top1": (rates + generator.normal(0, 0.5, rates.shape) > 0.3) * 1.0}


def called_one_by_one(x, rates, parts):
    """Return what is called leaked, by sorting the training reconstructions of each part and counting off."""
    called = np.full(x.shape, np.nan)
    for model, original in np.argwhere(np.isfinite(x)):
        training = [(x[m, o], rates[m, o] > 0.5) for m, o in np.argwhere(np.isfinite(x)) if parts[o] != parts[original]]
        best_first = sorted((value for value, _ in training), reverse=True)
        leaked = best_first[: sum(recognised for _, recognised in training)]
        value, last = x[model, original], leaked[-1]
        tied = leaked.count(last) / best_first.count(last)
        called[model, original] = 1 if value > last else tied if value == last else 0
    return called


def test_what_is_called_leaked_comes_from_other_originals(study):
    parts = np.arange(ORIGINALS) % PARTS
    called, threshold = call_leaked(study["metric"], study["rates"], parts)
    expected = called_one_by_one(study["metric"], study["rates"], parts)
    assert called == pytest.approx(expected, nan_ok=True) and np.isnan(called[1, 2])
    assert study["metric"][np.isfinite(study["metric"])].min() < threshold < np.nanmax(study["metric"])
    changed = np.where(parts == 3, 1 - study["rates"], study["rates"])
    kept = call_leaked(study["metric"], changed, parts)[0][:, parts == 3]
    assert kept == pytest.approx(called[:, parts == 3], nan_ok=True), "the labels of tested originals were read"


def test_errors_are_shares_of_what_was_recognised_and_what_was_not(study, monkeypatch):
    rates, metric, top1 = (study[name] for name in ("rates", "metric", "top1"))
    rates[:, 0] = 0
    chosen = []
    monkeypatch.setattr(leakage_errors, "call_leaked", lambda *given: chosen.append(call_leaked(*given)) or chosen[-1])
    table = measure_leakage_errors(
        panels_of(rates, metric=-metric, top1=top1), {"metric": False, "top1": True}, 200, 1
    ).set_index("metric")
    assert list(table.index) == ["metric", "top1", *BASELINES]
    for name, called in (("metric", chosen[0][0]), ("top1", top1)):
        row, known = table.loc[name], np.isfinite(called)
        assert row["false"] == pytest.approx(called[known & (rates <= 0.5)].mean())
        assert row["missed"] == pytest.approx(1 - called[known & (rates > 0.5)].mean())
        assert row["nobody"] == pytest.approx(called[known & (rates == 0)].mean())
        assert row["yes"] == pytest.approx(called[known].mean())
        counts = [(known & (rates > 0.5)).sum(), (known & (rates == 0)).sum(), known.sum()]
        assert row[["recognised", "by_nobody", "count"]].tolist() == counts
        for error in ("false", "missed", "nobody"):
            assert row[f"{error}_low"] < row[error] < row[f"{error}_high"]
    assert np.isnan(table.loc["top1", "threshold"]), "a verdict needs no threshold"
    assert table.loc["metric", "threshold"] == pytest.approx(-chosen[0][1]), "in the metric's own direction"


def test_a_resample_counts_repeated_rows_as_often_as_they_were_drawn(study, monkeypatch):
    monkeypatch.setattr(leakage_errors, "BLOCK", 3)
    generator = np.random.default_rng(2)
    said, where = study["top1"], study["rates"] <= 0.5
    columns, originals = generator.integers(0, 3, (10, MODELS)), generator.integers(0, 3, (10, ORIGINALS))
    found = leakage_errors._shares(said, where, columns.astype(float), originals.astype(float))
    for share, column, original in zip(found, columns, originals, strict=True):
        repeated = [np.repeat(np.repeat(each, column, axis=0), original, axis=1) for each in (said, where)]
        expected = repeated[0][repeated[1]].mean() if repeated[1].any() else np.nan
        assert share == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize(("rate", "error", "note"), [(0, "missed", "recognised none"), (1, "false", "recognised all")])
def test_what_cannot_be_wrong_is_undefined_and_says_why(rate, error, note):
    x = np.random.default_rng(1).random((3, 6))
    row = measure_leakage_errors(panels_of(np.full((3, 6), rate), psnr=x), {"psnr": True}, 20, 1).iloc[0]
    assert np.isnan(row[error]) and note in row["note"] and row["undefined"] == 20


def test_the_least_error_and_the_target_s_own_verdict_are_put_in_words(study):
    rates = study["rates"]
    labels = {"good": "Good", "bad": "Bad", "top1": "Top-1"}
    panels = panels_of(rates, good=rates, bad=-rates, top1=np.ones(rates.shape))
    table = measure_leakage_errors(panels, dict.fromkeys(labels, True), 50, 1)
    access = {"good": "images", "bad": "images", "top1": "target"}
    scales = {name: Scale(name, label, "", 0, 1, True, "", access[name]) for name, label in labels.items()}
    scales = Scales(scales) | BASELINES
    (sentence,) = findings.leakage_error_findings(table, scales, "attacked")
    recognised, by_nobody = (rates > 0.5).sum(), (rates == 0).sum()
    assert f"recognises {recognised} of 60 reconstructions. Good, which errs least of the" in sentence
    assert "The target model itself predicts the class of 100.0\u00a0% (" in sentence
    assert sentence.endswith(f" of the {by_nobody} that nobody recognises.")
    figure = contradiction_charts.leakage_errors_chart(table, scales, "attacked")
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()][:3] == list(labels.values())


def test_the_published_study(mirror):
    study = read_human_study(find_labels(mirror))
    panels = seat_panels([study.metrics], with_truth(study.labels, study.images), HIGHER_IS_BETTER)
    table = measure_leakage_errors(panels, HIGHER_IS_BETTER, 50, 1).set_index("metric")
    assert table.loc["mse", "false"] == pytest.approx(table.loc["psnr", "false"], abs=1e-3), "one order, one line"
    assert (table["yes"] - table["recognised"] / table["count"]).abs().max() < 0.02
    assert table.loc["lpips", "false"] < table.loc["psnr", "false"]
    assert len(findings.leakage_error_findings(table.reset_index(), scales_of(SCALES) | BASELINES, "original")) == 1


def test_semsim_stands_beside_the_annotators_and_references_that_it_learned_from(
    run_script, tmp_path_factory, tmp_path
):
    tables, out = small_study(tmp_path_factory.getbasetemp()) / "tables", tmp_path / "errors.csv"
    given = [
        part for name in ("labels", "images", "metrics", "scales") for part in (f"--{name}", tables / f"{name}.csv")
    ]
    options = [*given, "--resamples", "20", "--out", out]
    done = run_script("measure_leakage_errors", *options, "--trials", tables / "semsim.csv")
    assert done.returncode == 0, done.stderr
    table, trials = read_table(out), read_table(tables / "semsim.csv")
    rows = table[table["metric"] == "semsim"]
    assert set(rows["reference"]) == {"attacked"} < set(table["reference"])
    assert dict(zip(rows["dataset"], rows["count"], strict=True)) == dict(
        trials[trials["folds"] == "within"].groupby("dataset").size()
    )
    # Distances that follow the noise, as most observers do: better than a coin, which errs on a half of either kind.
    assert rows["threshold"].between(*ATTACKS.values()).all() and (rows["false"] + rows["missed"] < 0.8).all()
    done = run_script("measure_leakage_errors", *options)
    assert done.returncode == 0, done.stderr
    others = table[table["metric"] != "semsim"].reset_index(drop=True)
    pd.testing.assert_frame_equal(read_table(out), others)
