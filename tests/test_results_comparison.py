"""The comparison of a run with the reference: what is too far away is named, what is close enough is not."""

import json
import re
import shutil

import numpy as np
import pandas as pd
import pytest

from semsim.errors import SemsimError
from semsim.learned.scales import LEARNED
from semsim.results.comparison import (
    COMPUTED,
    COUNTED,
    SIGNIFICANT,
    Conclusion,
    Tolerance,
    compare,
    differences,
    held_to,
    other_conclusions,
)
from semsim.results.keeping import RUN
from semsim.results.reference import estimate, main_table
from semsim.results.study_tables import StudyTables
from semsim.statistics.content import NOT_MEASURED

STUDIES = ("demo", "human-study", "photographs")
HELD_TO = [(study, each) for study in ("demo", "human-study") for each in held_to(study)]
COMPARED = [(study, each) for study, each in HELD_TO if isinstance(each, Tolerance)]
CONCLUDED = [(study, each) for study, each in HELD_TO if isinstance(each, Conclusion)]


@pytest.fixture(scope="module")
def references(house):
    return house / "results" / "reference"


def moved(table, tolerance, by):
    """Return a table with all compared values of a column `by` higher."""
    return table.assign(**{tolerance.column: table[tolerance.column] + by})


@pytest.mark.parametrize(("study", "tolerance"), COMPARED)
def test_every_tolerance_finds_what_is_farther_away_and_nothing_else(references, study, tolerance):
    table = StudyTables(references / study / "tables")[tolerance.table]
    assert differences(tolerance, table, table) == []
    assert differences(tolerance, moved(table, tolerance, 0.9 * tolerance.within), table) == []
    for by in (1.1, -1.1):
        found = differences(tolerance, moved(table, tolerance, by * (tolerance.within or 1)), table)
        assert found and all(one.startswith(f"{tolerance.table}: {tolerance.column} of ") for one in found)


def test_what_one_of_the_two_could_not_download_is_not_compared():
    tolerance = Tolerance("content", ("metric", "difficulty"), "value", 0.01, unless="difficulty")
    rows = [("psnr", "class", 0.7, ""), ("psnr", "image", 0.8, ""), ("ssim", "image", 0.6, "")]
    with_image = pd.DataFrame(rows, columns=["metric", "difficulty", "value", "note"])
    without = with_image[:1].copy()
    without.loc[1] = "none", "image", np.nan, f"{NOT_MEASURED}: needs an archive"
    assert differences(tolerance, with_image, without) == differences(tolerance, without, with_image) == []
    without.loc[1, "note"] = "too few labelled originals"
    assert len(differences(tolerance, with_image, without)) == 3


@pytest.mark.parametrize(("study", "conclusion"), CONCLUDED)
def test_every_decision_that_turns_is_found(references, study, conclusion):
    table = StudyTables(references / study / "tables")[conclusion.table]
    # A reference may decide nothing: here, whatever it has tested and found to differ is taken to be decided.
    tested = table["p_holm"].notna() & (table[conclusion.column] != conclusion.nothing)
    table = table.assign(p_holm=table["p_holm"].mask(tested, SIGNIFICANT / 2))
    assert other_conclusions(conclusion, table, table) == []
    decided = table["p_holm"] < SIGNIFICANT
    for column, value in conclusion.where.items():
        decided &= table[column] == value
    assert decided.any()
    turned = table.assign(**{conclusion.column: 2 * conclusion.nothing - table[conclusion.column]})
    lost = table.assign(p_holm=table["p_holm"].where(table["p_holm"].isna(), 1.0))
    for other in (turned, lost):
        assert len(other_conclusions(conclusion, other, table)) == decided.sum()


def test_decisions_are_told_in_words():
    conclusion = Conclusion("differences", ("metric", "other"), "difference", 0, {"level": "models"})
    columns = ["metric", "other", "difference", "p_holm"]
    theirs = pd.DataFrame(
        [("a", "b", 0.1, 0.01), ("a", "c", -0.1, 0.2), ("b", "c", 0.2, 0.01), ("c", "d", 0.1, np.nan)], columns=columns
    ).assign(level="models")
    ours = theirs.assign(difference=[-0.1, 0.1, 0.05, 0.1], p_holm=[0.04, 0.9, 0.06, np.nan])
    elsewhere = ours.assign(level="originals", difference=7)
    assert other_conclusions(conclusion, pd.concat([ours, elsewhere]), theirs) == [
        "differences: difference of a b is distinguishably below 0, in the reference distinguishably above 0.",
        "differences: difference of b c is not distinguishable from 0, in the reference distinguishably above 0.",
    ]
    assert other_conclusions(conclusion, theirs[1:], theirs) == [
        "differences: difference of a b is missing, in the reference distinguishably above 0."
    ]


@pytest.mark.parametrize("study", ["demo", "photographs"])
def test_tolerances_are_below_the_leads_that_are_claimed(references, study):
    """A value within its tolerance must not hide that a distinguishable lead is gone."""
    leads = StudyTables(references / study / "tables")["generalisation_differences"]
    leads = leads[(leads["exclusion"] == "all") & (leads["dataset"] == "all") & (leads["statistic"] == "auc")]
    smallest = leads.loc[(leads["p_holm"] < SIGNIFICANT) & (leads["folds"] == "within"), "difference"].abs().min()
    for each in held_to(study):
        if isinstance(each, Tolerance) and each.table == "generalisation":
            assert each.within < smallest


def test_a_group_that_only_one_of_them_has_is_named():
    tolerance = Tolerance("accuracy", ("dataset", "target"), "value", 0.1)
    table = pd.DataFrame({"dataset": "d", "target": ["a", "b", "c"], "value": [1.0, 2.0, np.nan]})
    assert differences(tolerance, table, table) == []
    (missing,) = differences(tolerance, table[1:], table)
    assert missing == "accuracy: value of d a is nan, in the reference 1 (allowed: 0.1 apart)."
    (new,) = differences(tolerance, table, table[:2])
    assert new.startswith("accuracy: value of d c is nan, in the reference nan")
    (undefined,) = differences(tolerance, table.assign(value=[1.0, np.nan, np.nan]), table)
    assert undefined.startswith("accuracy: value of d b is nan, in the reference 2")


@pytest.mark.parametrize("study", STUDIES)
def test_a_run_like_the_reference_agrees_with_it(references, study):
    assert compare(study, references / study, references / study) == []


def test_a_study_is_held_to_its_own_tolerances(references, tmp_path):
    assert held_to("human-study") is COUNTED and held_to("demo") is COMPUTED
    shutil.copytree(references / "human-study" / "tables", tmp_path / "tables")
    path = tmp_path / "tables" / "agreement.csv"
    table = pd.read_csv(path)
    table.assign(value=table["value"] + 1e-4).to_csv(path, index=False)
    problems = compare("human-study", tmp_path, references / "human-study")
    assert {problem.partition(":")[0] for problem in problems} == {"agreement"}


def test_a_missing_table_is_named(references, tmp_path):
    with pytest.raises(SemsimError, match=r"datasets.csv: no such table"):
        compare("demo", tmp_path, references / "demo")


def test_a_table_of_another_version_is_refused(references, tmp_path):
    shutil.copytree(references / "human-study" / "tables", tmp_path / "tables")
    path = tmp_path / "tables" / "person.csv"
    pd.read_csv(path).drop(columns="p_holm").to_csv(path, index=False)
    with pytest.raises(SemsimError, match="person: the table of the run has no column 'p_holm'"):
        compare("human-study", tmp_path, references / "human-study")


@pytest.mark.parametrize("study", STUDIES)
def test_the_reference_says_what_made_it(references, study):
    about = json.loads((references / study / RUN).read_text())
    assert about["study"] == study and about["command"].startswith("make") and len(about["commit"]) == 40
    assert {"torch", "numpy", "snakemake"} <= about["packages"].keys()


ESTIMATE = re.compile(r"−?\d+\.\d\d \(−?\d+\.\d\d to −?\d+\.\d\d\)")


def estimates_written(text):
    """Yield the first cell of each row of Markdown tables, without bold type, and the numbers with intervals in it."""
    for line in text.splitlines():
        if line.startswith("|"):
            first, *_ = cells = [cell.strip(" *") for cell in line.strip("|").split("|")]
            yield from ((first, number) for cell in cells[1:] for number in ESTIMATE.findall(cell))


def estimates_of(folder):
    """Return the numbers with intervals that the tables of a study have of each metric, by its label."""
    tables, known = StudyTables(folder), {}
    for name, column in (
        ("faithfulness", "faithfulness"),
        ("faithfulness", "value"),
        ("generalisation", "faithfulness"),
        ("ranking", "value"),
        ("content", "value"),
        ("content", "gain"),
    ):
        if name in tables:
            scales = LEARNED | tables.scales
            for metric, rows in tables[name][tables[name]["metric"].isin(scales.keys())].groupby("metric"):
                label = scales[metric].label
                known.setdefault(label, set()).update(estimate(row, column) for row in rows.to_dict("records"))
    return known


def short(label):
    """Return what a metric is called, without who trained it and on which network it stands."""
    return label.partition(",")[0].partition(" (")[0]


def test_tables_that_people_read_have_the_numbers_of_the_reference(house, references):
    known = [pair for study in STUDIES for pair in estimates_of(references / study / "tables").items()]
    texts = [path.read_text(encoding="utf-8") for path in (house / "README.md", *(house / "docs").glob("*.md"))]
    written = [pair for text in texts for pair in estimates_written(text) if pair[0] in dict(known)]
    assert [label for label, _ in written].count("SemSim") >= 1
    # What others retrained may be called SemSim, too, where a note says so.
    right = {(short(label), number) for label, numbers in known for number in numbers}
    wrong = [f"{label}: {number}" for label, number in written if (short(label), number) not in right]
    assert not wrong, "in no reference: " + ", ".join(wrong)


def test_the_main_table_is_read_as_it_is_written(references):
    table = main_table(references / "demo")
    known = estimates_of(references / "demo" / "tables")
    written = list(estimates_written(table))
    assert len(written) == (len(table.splitlines()) - 2) * table.splitlines()[0].count("originals")
    assert all(number in known[label] for label, number in written)
