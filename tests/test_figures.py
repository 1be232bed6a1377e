"""Figures: what stands in them is what the tables say, and files come whole."""

import io
import itertools
import subprocess
import sys
from base64 import b64decode

import matplotlib
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from small_study import ATTACKS, CLASSES, DATASETS, ORIGINALS, TARGETS, small_study

from semsim.errors import SemsimError
from semsim.figures import charts
from semsim.figures.contact_sheet import draw_contact_sheet
from semsim.figures.pictures import chart
from semsim.figures.style import COLOURS, RESOLUTION, panels, save_figure, styled
from semsim.io.tables import read_table
from semsim.io.tensors import read_arrays, write_arrays
from semsim.metrics import METRICS


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return small_study(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="session")
def tables(folder):
    """The small study's tables by name."""
    return {path.stem: read_table(path) for path in (folder / "tables").glob("*.csv")}


def sheet_files(folder, dataset="shapes"):
    """Return the files of a data set's reconstructions, in the study's order."""
    return [
        folder / "reconstructions" / dataset / target / f"{attack}.safetensors"
        for target, attack in itertools.product(TARGETS, ATTACKS)
    ]


def texts(figure):
    """Return all that is written in a figure's axes, legends excepted."""
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def test_a_figure_is_saved_as_png_and_pdf_and_the_same_each_time(tmp_path):
    @styled
    def draw():
        figure, (axes,) = panels(1)
        axes.plot([1, 2])
        return figure

    path = save_figure(draw(), tmp_path / "made" / "chart.v1")
    assert path == tmp_path / "made" / "chart.v1.png"
    first = {name: (tmp_path / "made" / name).read_bytes() for name in ("chart.v1.png", "chart.v1.pdf")}
    save_figure(draw(), tmp_path / "made" / "chart.v1")
    assert first == {name: (tmp_path / "made" / name).read_bytes() for name in first}
    assert len(list((tmp_path / "made").iterdir())) == 2


def test_what_draws_starts_without_what_takes_longer_to_import_than_to_draw():
    code = "import sys, semsim.figures.contact_sheet, semsim.report.page; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"matplotlib.pyplot", "scipy.stats", "seaborn.axisgrid", "sklearn", "torch"} & {*loaded}


def test_charts_on_pages_are_light_and_keep_their_colours():
    figure, (axes,) = panels(1)
    axes.plot(np.random.default_rng(1).random(5000), "o", color=COLOURS[0])
    axes.axhspan(0.25, 0.5, color=COLOURS[1])
    figure.savefig(whole := io.BytesIO(), dpi=RESOLUTION)
    kind, content = chart(figure, "alt", "caption").source.split(",")
    assert kind == "data:image/webp;base64"
    drawn, shown = (np.asarray(Image.open(each).convert("RGB")) for each in (whole, io.BytesIO(b64decode(content))))
    assert shown.shape == drawn.shape and len(content) < len(whole.getvalue())
    assert np.abs(shown.astype(int) - drawn).mean() < 2 and np.abs(shown.astype(int) - drawn).max() < 40


def test_the_lowest_panel_of_each_column_says_what_its_ticks_are():
    _, axes = panels(5, sharex=True)
    assert [any(label.get_visible() for label in panel.get_xticklabels()) for panel in axes] == [False] * 2 + [True] * 3


def test_the_style_holds_within_figures_only(tables):
    before = dict(matplotlib.rcParams)
    charts.accuracy_chart(tables["accuracy"])
    assert dict(matplotlib.rcParams) == before


def test_the_sheet_shows_every_target_and_attack_with_its_numbers(folder, tables):
    figure = draw_contact_sheet("shapes", CLASSES, sheet_files(folder), tables["metrics"])
    written = texts(figure)
    assert written[0] == f"shapes: {ORIGINALS} originals"
    assert written[1 : 1 + ORIGINALS] == [CLASSES[place % len(CLASSES)] for place in range(ORIGINALS)]
    assert [written.count(name) for name in ("original", "plain", "cropped", "as attacked", "clear")] == [1, 1, 1, 1, 2]
    scores = tables["metrics"].query("dataset == 'shapes' and reference == 'attacked' and status != 'diverged'")
    for psnr, ssim in zip(scores["psnr"], scores["ssim"], strict=True):
        assert f"{psnr:.1f}\n{ssim:.2f}".replace("-0.00", "0.00").replace("-", "−") in written


def test_the_sheet_shows_the_stored_pixels_unsmoothed(folder, tables):
    files = sheet_files(folder)
    images = draw_contact_sheet("shapes", CLASSES, files, tables["metrics"]).axes[0].images
    assert {image.get_interpolation() for image in images} == {"nearest"}
    # Originals; what `cropped` was attacked on; two attacks on each of two targets, less one that diverged.
    assert len(images) == (1 + 1 + 4) * ORIGINALS - 1
    stored = read_arrays(files[0])
    np.testing.assert_array_equal(images[1].get_array(), stored["original"][1].transpose(1, 2, 0))
    np.testing.assert_array_equal(images[ORIGINALS].get_array(), stored["reconstruction"][0].transpose(1, 2, 0))


def test_the_sheet_marks_what_diverged(folder, tables):
    figure = draw_contact_sheet("shapes", CLASSES, sheet_files(folder), tables["metrics"])
    assert texts(figure).count("diverged") == 1 and len(figure.axes[0].patches) == 1


def test_the_caption_explains_only_what_the_sheet_shows(folder, tables):
    def caption(files, scores=tables["metrics"]):
        return " ".join(texts(draw_contact_sheet("shapes", CLASSES, files, scores))[-1].split())

    files = sheet_files(folder)
    of_target = {name: [path for path in files if path.parent.name == name] for name in ("plain", "cropped")}
    both = caption(files)
    assert "against the attacked image: the original, or the row “as attacked” where" in both and "Hatched" in both
    finished = tables["metrics"].assign(status="finished")
    assert "as attacked" in caption(of_target["cropped"], finished)
    assert caption(of_target["plain"], finished).endswith("SSIM below it, both against the original.")


def test_the_sheet_picks_twelve_originals_evenly(folder, tables, tmp_path):
    scores = tables["metrics"].query("dataset == 'shapes' and target == 'plain' and attack == 'clear'")
    arrays = {name: np.repeat(array, 5, axis=0) for name, array in read_arrays(sheet_files(folder)[0]).items()}
    path = tmp_path / "many.safetensors"
    write_arrays(arrays, path, {"dataset": "shapes", "target": "plain", "attack": "clear"})
    figure = draw_contact_sheet("shapes", CLASSES, [path], scores.loc[scores.index.repeat(5)])
    assert texts(figure)[0] == "shapes: 12 of 30 originals"
    shown = figure.axes[0].images[:12]
    for column, place in ((0, 0), (11, 29)):
        np.testing.assert_array_equal(shown[column].get_array(), arrays["original"][place].transpose(1, 2, 0))


def test_an_excerpt_shows_the_extremes_of_each_target(folder, tables):
    """Of the small study's two target models, both; with three attacks, the best and the worst of each."""
    files, metrics = sheet_files(folder), tables["metrics"].query("dataset == 'shapes' and reference == 'attacked'")
    third = folder / "third.safetensors"
    about = {"dataset": "shapes", "target": "plain", "attack": "middling"}
    write_arrays({name: np.array(array) for name, array in read_arrays(files[0]).items()}, third, about)
    means = metrics.groupby(["target", "attack"])["ssim"].mean()["plain"]
    between = metrics[(metrics["target"] == "plain") & (metrics["attack"] == "clear")].assign(attack="middling")
    scores = pd.concat([metrics, between.assign(ssim=means.mean())])
    written = texts(draw_contact_sheet("shapes", CLASSES, [*files, third], scores, excerpt=True))
    assert "middling" not in written and [written.count(name) for name in ("plain", "cropped", "clear")] == [1, 1, 2]
    third.unlink()


def test_files_that_do_not_fit_the_sheet_are_refused(folder, tables):
    with pytest.raises(SemsimError, match="reconstructions of shapes, not of textures"):
        draw_contact_sheet("textures", CLASSES, sheet_files(folder), tables["metrics"])
    with pytest.raises(SemsimError, match=f"{ORIGINALS} reconstructions, but the table of metrics has 0 rows"):
        draw_contact_sheet("shapes", CLASSES, sheet_files(folder), tables["metrics"].query("target == 'plain'")[:0])


def test_charts_have_a_panel_a_data_set_and_a_line_a_target(tables):
    for figure in (
        charts.accuracy_chart(tables["accuracy"]),
        charts.distribution_chart(tables["metrics"], "ssim"),
        charts.reference_chart(tables["metrics"]),
    ):
        assert [axes.get_title("left") for axes in figure.axes] == list(DATASETS)
        assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == list(TARGETS)


def test_axes_say_what_the_metric_is_and_where_it_gets_better(tables):
    assert charts.distribution_chart(tables["metrics"], "psnr").axes[0].get_xlabel() == "PSNR (dB)\u00a0↑"
    assert charts.reference_chart(tables["metrics"], "mse").axes[0].get_xlabel() == "Mean MSE\u00a0↓"


def test_the_leakage_chart_writes_and_colours_ranks(tables):
    figure = charts.leakage_chart(tables["leakage"])
    panel = figure.axes[0]
    rows = tables["leakage"].query("dataset == 'shapes' and attack == 'all' and reference == 'attacked'")
    rows = rows[rows["value"].notna()].set_index(["target", "metric"])
    names = [name for name in METRICS if name in rows.index.unique("metric") and name != "mse"]  # it ranks as PSNR does
    in_order = [(target, name) for target in TARGETS for name in names]
    assert [text.get_text() for text in panel.texts] == [f"{rows.loc[key, 'rank']:.0f}" for key in in_order]
    colours = panel.collections[0].get_array().ravel()
    np.testing.assert_array_equal(colours, [rows.loc[key, "rank"] for key in in_order])


def test_identical_images_do_not_crush_the_axis(tables):
    metrics = tables["metrics"].copy()
    axes = charts.distribution_chart(metrics, "psnr").axes[0]
    assert "≥ 60" not in [label.get_text() for label in axes.get_xticklabels()]
    metrics.loc[metrics["attack"] == "clear", "psnr"] = 100.0
    axes = charts.distribution_chart(metrics, "psnr").axes[0]
    assert axes.get_xlim()[1] < 70 and axes.get_xticklabels()[-1].get_text() == "≥ 60"


def test_the_distribution_leaves_out_what_diverged_and_does_not_mind_if_everything_did(tables):
    metrics = tables["metrics"].copy()
    metrics.loc[metrics["attack"] == "noisy", "psnr"] = np.nan
    charts.distribution_chart(metrics, "psnr")


def test_the_distribution_has_no_panel_of_a_data_set_without_the_metric(tables):
    metrics = tables["metrics"].copy()
    metrics.loc[metrics["dataset"] == DATASETS[0], "lpips_random_trunk"] = np.nan
    figure = charts.distribution_chart(metrics, "lpips_random_trunk")
    assert [axes.get_title("left") for axes in figure.axes] == [*DATASETS[1:]]


def test_the_status_chart_adds_up(tables):
    panel = charts.status_chart(tables["attacks"]).axes[0]
    ends = [bars.get_label() for bars in panel.containers]
    widths = np.array([bar.get_width() for bar in panel.patches]).reshape(len(ends), len(ATTACKS))
    np.testing.assert_allclose(widths.sum(axis=0), 100)
    assert "diverged" in ends
    without = charts.status_chart(tables["attacks"].query("status != 'diverged'")).axes[0]
    assert "diverged" not in [bars.get_label() for bars in without.containers], "only what occurred is in the legend"
