"""Names that matplotlib would read as something else."""

import pytest
from small_study import ATTACKS, DATASETS, TARGETS, small_study

from semsim.figures import agreement_charts, charts
from semsim.figures.contact_sheet import draw_contact_sheet
from semsim.figures.style import save_figure
from semsim.io.tables import read_table

NAME = "$x^{$"
"""Not valid mathematics, which matplotlib finds between two dollars."""


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return small_study(tmp_path_factory.getbasetemp())


def drawn(figure, path):
    """Write a figure and return all that stands in it."""
    save_figure(figure, path)
    return [text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text"))]


def test_classes_are_named_as_they_are_in_pictures(study, tmp_path):
    dataset = DATASETS[0]
    files = [
        study / "reconstructions" / dataset / target / f"{name}.safetensors" for target in TARGETS for name in ATTACKS
    ]
    metrics = read_table(study / "tables" / "metrics.csv")
    figure = draw_contact_sheet(dataset, [NAME, "$", "a$b$"], files, metrics)
    assert {NAME, "$", "a$b$"} <= set(drawn(figure, tmp_path / "sheet"))


@pytest.mark.parametrize(
    ("table", "column", "draw"),
    [
        ("accuracy", "dataset", charts.accuracy_chart),
        ("accuracy", "target", charts.accuracy_chart),
        ("attacks", "attack", charts.status_chart),
        ("leakage", "target", charts.leakage_chart),
        ("recognition", "dataset", agreement_charts.recognition_chart),
        ("agreement", "annotator", agreement_charts.annotators_chart),
    ],
)
def test_names_are_written_as_they_are_in_charts(study, tmp_path, table, column, draw):
    rows = read_table(study / "tables" / f"{table}.csv")
    first = rows[column].dropna().iloc[0]
    written = drawn(draw(rows.replace({column: {first: NAME}})), tmp_path / "chart")
    assert any(NAME in text for text in written)
