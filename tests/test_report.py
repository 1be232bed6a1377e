"""The report, the sentences in it, and the notebook beside it."""

import json
import re
import shutil
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from small_study import CLASSES, DATASETS, small_study

from semsim import findings
from semsim.errors import SemsimError
from semsim.figures import style
from semsim.figures.contact_sheet import draw_contact_sheet
from semsim.figures.contradiction_pairs import draw_contradictions
from semsim.figures.pictures import chart
from semsim.figures.semsim_examples import draw_semsim_examples
from semsim.figures.style import panels, save_figure, write_figure
from semsim.io.tables import read_table, write_table
from semsim.metrics.scales import scales_of
from semsim.report.page import render_report
from semsim.report.results import Results
from semsim.report.sections import SECTIONS
from semsim.results.study_tables import StudyTables


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """The small study's results, with the figures that show images."""
    folder = tmp_path_factory.mktemp("results") / "small-study"
    shutil.copytree(small_study(tmp_path_factory.getbasetemp()).parent, folder.parent, dirs_exist_ok=True)
    metrics, recognition, scales, trials = (
        read_table(folder / "tables" / f"{name}.csv") for name in ("metrics", "recognition", "scales", "semsim")
    )
    scales = scales_of(scales)
    for dataset in DATASETS:
        files = sorted((folder / "reconstructions" / dataset).glob("*/*.safetensors"))
        figures = {
            "contact_sheet": draw_contact_sheet(dataset, CLASSES, files, metrics),
            "examples": draw_contact_sheet(dataset, CLASSES, files, metrics, excerpt=True),
            "contradictions": draw_contradictions(dataset, files, metrics, recognition, scales),
            "semsim": draw_semsim_examples(dataset, files, trials, recognition),
        }
        for name, figure in figures.items():
            write_figure(figure, folder / "figures" / f"{name}_{dataset}.png")
    return folder


DRAWN = {}
"""The charts of the report as it draws them, by the names of those that notebooks save."""


class DrawnResults(Results):
    """Results whose charts are drawn, whatever notebooks have saved."""

    def chart(self, name, draw, alt, caption):
        """Draw the chart, and keep it."""
        return DRAWN.setdefault(name, chart(draw(), alt, caption))


@pytest.fixture(scope="session")
def html(folder):
    """The report."""
    notebooks = [folder / "notebooks" / "01_reconstructions.html"]
    checked = folder / "compared.csv"
    row = {"study": "small <b>", "dataset": DATASETS[0], "kind": "vision-language-model", "study_kind": "simulated"}
    row |= {"images": 42, "agreement": 0.69, "agreement_low": 0.54, "agreement_high": 0.81}
    write_table(pd.DataFrame([row, row | {"study": "another", "agreement": 0.99}]), checked)
    given = (StudyTables(folder / "tables"), folder / "figures", notebooks, [checked], folder)
    return render_report(DrawnResults("small <b>", *given))


@pytest.fixture(scope="session")
def page(html):
    """The report's elements: pairs of a tag and its attributes, and its text."""
    return Elements(html)


class Elements(HTMLParser):
    """A page taken apart."""

    def __init__(self, html):
        super().__init__()
        self.found, self.text = [], []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text.append(data)

    def all(self, *tags):
        """Return the attributes of all elements of these kinds."""
        return [attributes for tag, attributes in self.found if tag in tags]


def test_the_page_needs_nothing_but_itself(page):
    assert all(image["src"].startswith("data:image/") for image in page.all("img"))
    assert not page.all("script", "link", "iframe")
    assert not any("url(" in text or "@import" in text for text in page.text)
    for link in page.all("a"):
        assert not link["href"].startswith(("http", "/", "//"))


def test_every_picture_has_a_text_and_every_section_a_heading(page):
    assert all(image["alt"].strip() for image in page.all("img"))
    assert len(page.all("h1")) == 1 and len(page.all("h2")) == len(SECTIONS)
    anchors = {section["id"] for section in page.all("section")}
    assert len(anchors) == len(SECTIONS)
    assert {link["href"] for link in page.all("a") if link["href"].startswith("#")} == {
        f"#{anchor}" for anchor in anchors
    }


def test_what_everybody_reads_is_short_and_begins_with_the_findings(html):
    assert len(html.encode()) < 1e6, "two small data sets; a study of five has 3 MB, and longer charts"
    first = re.search("<h2>(.*?)</h2>.*?<dl class=.verdicts.>(.*?)</dl>", html, re.DOTALL)
    assert first[1] == "Findings" and first[2].count("<dt>") == 4
    unfolded = re.sub("<details>.*?</details>", "", html[html.index("<main>") :], flags=re.DOTALL)
    assert len(re.sub("<[^>]*>", " ", unfolded).split()) <= 1500
    assert unfolded.count("<figure>") <= 8, "six figures, and the examples of two of them"


def test_the_rule_stands_below_the_box_and_what_became_of_each_part_in_it(html):
    box, rule = re.search("<dl class=.verdicts.>(.*?)</dl>\\s*<p class=.rule.>(.*?)</p>", html, re.DOTALL).groups()
    assert box.count("<details>") == 4 and box.count("Parts shown:") == 4
    said = re.findall("<li><strong>(.*?)</strong>", box)
    assert len(said) == 7 and set(said) <= {"Shown:", "Not shown:", "Not measured:"}
    assert "supported if all of its parts hold" in rule and "below 0.05" in rule


def test_pictures_of_what_networks_recognised_say_how_often_a_reader_agrees(page):
    """Examples of each data set, and pairs of the first, which was checked, in this study and in another one."""
    text = "".join(page.text).replace("\u00a0", " ")
    assert text.count("Simulated annotators are networks") == len(DATASETS) + 1
    assert text.count("on 69 % (95 % interval 54 % to 81 %) of 42") == 2 and "99 %" not in text


def test_divergence_is_explained_only_where_something_diverged(tmp_path, tmp_path_factory):
    shutil.copytree(small_study(tmp_path_factory.getbasetemp()) / "tables", tmp_path / "tables")

    def said():
        results = Results("small", StudyTables(tmp_path / "tables"), tmp_path, [], [], tmp_path)
        sections = [section for section in SECTIONS if section.title in ("Limits", "Attacks")]
        return "".join(str(block) for section in sections for block in section.blocks(results))

    about = ("Reconstructions that diverged have no value", "Diverged: the reconstruction became non-finite")
    assert all(each in said() for each in about)
    attacks = read_table(tmp_path / "tables" / "attacks.csv")
    write_table(attacks.assign(status="finished"), tmp_path / "tables" / "attacks.csv")
    assert "How the attacks ended." in said() and not any(each in said() for each in about)


def test_every_level_of_the_first_claim_is_in_a_table(page):
    text = "".join(page.text)
    for heading in ("Over all reconstructions (per image): ρ", "Between target models (per model): ρ", "One annotator"):
        assert heading in text


def test_links_lead_from_where_the_report_lies(page):
    links = {link["href"] for link in page.all("a")}
    assert {"tables/metrics.csv", "tables/leakage.csv", "notebooks/01_reconstructions.html"} <= links
    sheets = {link for link in links if "contact_sheet" in link}
    assert sheets == {f"figures/contact_sheet_{dataset}.png" for dataset in DATASETS}, "the page has an excerpt"
    pairs = {link for link in links if "figures/contradictions_" in link}
    assert pairs == {f"figures/contradictions_{dataset}.png" for dataset in DATASETS[1:]}, "the page has the first"


def test_names_are_text_and_never_markup(page):
    assert not page.all("b")
    assert any("small <b>" in text for text in page.text)


def test_the_script_writes_the_page_whole_or_not_at_all(folder, tmp_path, run_script):
    options = ["--study", "small", "--tables", folder / "tables", "--out", tmp_path / "report.html", "--figures"]
    failed = run_script("make_report", *options, tmp_path)
    assert failed.returncode == 1 and "examples_shapes.png: no such figure" in failed.stderr
    assert not list(tmp_path.iterdir())
    assert run_script("make_report", *options, folder / "figures").returncode == 0
    assert (tmp_path / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_a_chart_that_a_notebook_saved_is_not_drawn_again(tmp_path):
    def draw():
        figure, (panel,) = panels(1)
        panel.plot([1, 2], [3, 4], label="a line")
        return figure

    results = Results("small", None, tmp_path, [], [], tmp_path)
    drawn = results.chart("line", draw, "A line.", "It rises.")
    save_figure(draw(), tmp_path / "line")
    assert results.chart("line", None, "A line.", "It rises.") == drawn


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(SemsimError, match=r"attacks.csv: no such table"):
        render_report(Results("small", StudyTables(tmp_path), tmp_path, [], [], tmp_path))


def two_references(gains):
    """Return metrics of one target model whose PSNR is higher by `gains` against the attacked images."""
    rows = [
        {"dataset": "d", "target": "t", "attack": "a", "original": place, "reference": reference, "psnr": value}
        for place, gain in enumerate(gains)
        for reference, value in (("original", 10.0), ("attacked", 10.0 + gain))
    ]
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("gains", "words"),
    [
        ([2, 3, 2, 3], "2.5\u00a0dB higher against the attacked image"),
        ([-2, -3, -2, -3], "2.5\u00a0dB lower against the attacked image"),
        ([-3, 3, -2, 2.1], "not distinguishable"),
        ([2], "not distinguishable"),
        ([0, 0], "Both references give the same PSNR for d/t."),
        ([2, np.nan, 3, 2], "3 originals"),
    ],
)
def test_a_difference_is_claimed_only_where_its_interval_excludes_zero(gains, words):
    (sentence,) = findings.reference_findings(two_references(gains))
    assert words in sentence


def test_metrics_that_disagree_are_said_to_disagree():
    leakage = pd.DataFrame(
        {
            "dataset": "d",
            "target": ["x", "y"],
            "attack": "all",
            "reference": "attacked",
            "metric": ["psnr", "mse"],
            "rank": [1, 1],
        }
    )
    assert findings.leakage_findings(leakage) == [
        "On d, the metrics disagree on which target model leaks most: x by PSNR; y by MSE."
    ]
    leakage["target"] = "x"
    assert findings.leakage_findings(leakage) == ["On d, every metric agrees that x leaks most."]


def test_attacks_that_diverged_are_counted_by_attack():
    attacks = pd.DataFrame({"attack": ["a", "a", "b"], "status": "finished", "label": 1, "recovered_label": [1, 2, 1]})
    attacks = attacks.assign(dataset="d", target="t", batch=range(3))
    ended, labels = findings.attack_findings(attacks)
    assert ended == "None of the 3 reconstructions diverged."
    assert labels.endswith("50.0\u00a0% (a), 100.0\u00a0% (b).")
    attacks["status"] = ["diverged", "finished", "diverged"]
    assert findings.attack_findings(attacks)[0].startswith("2 of 3 reconstructions diverged (1 by a, 1 by b)")


def test_what_attackers_made_use_of_is_said_once_for_those_that_used_the_same():
    knowledge = ["shared_gradient", "shared_gradient", "shared_gradient labels", "shared_gradient running_statistics"]
    attacks = pd.DataFrame({"attack": ["a", "b", "c", "c"], "knowledge": knowledge})
    assert findings.knowledge_findings(attacks) == [
        "a and b used the gradient or update that each client shares.",
        "c used the gradient or update that each client shares, the true labels and the running statistics of"
        " BatchNorm layers.",
    ]


def test_the_closest_attack_follows_the_metrics_direction():
    metrics = pd.DataFrame({"dataset": "d", "attack": ["a", "b"], "reference": "attacked", "psnr": [20.0, 10.0]})
    metrics["mse"] = [0.3, 0.1]
    assert "a comes closest" in findings.spread_findings(metrics, "psnr")[1]
    assert "b comes closest" in findings.spread_findings(metrics, "mse")[1]
    metrics["psnr"] = np.nan
    assert findings.spread_findings(metrics, "psnr") == ["No reconstruction has a value of PSNR: all of them diverged."]


NOTEBOOKS = {
    "01_reconstructions": (
        "accuracy",
        "attack_status",
        "psnr",
        "ssim",
        "lpips_random_trunk",
        "feature_distance",
        "leakage",
        "references",
        "protection_simulated",
        "epsilon_simulated",
    ),
    "02_annotators": (
        "observers",
        "recognition_simulated",
        "agreement_simulated",
        "pairwise_simulated",
        "ceiling_simulated",
        "variance_simulated",
        "rates_simulated",
        "classes_simulated",
    ),
    "03_faithfulness": (
        "faithfulness_spearman_shapes_simulated",
        "person_simulated",
        "means_shapes_simulated",
        "faithfulness_auc_shapes_simulated",
        "faithfulness_auc_textures_simulated",
        "chances_shapes_simulated",
        "content_shapes_simulated",
        "content_textures_simulated",
    ),
    "04_contradictions": (
        "contradictions",
        "against_annotators_simulated",
        "contradiction_curve_simulated",
        "leakage_errors_simulated",
    ),
    "05_semsim": ("semsim_training", "semsim_distances", "semsim_ablations"),
    "06_generalisation": ("generalisation_auc", "generalisation_exclusions", "generalisation_models"),
    "08_ranking": (),  # six originals are too few
    "07_defects": ("defects_semsim", "defects_references", "defects_defences_simulated", "defects_set_sizes"),
}


@pytest.fixture(params=NOTEBOOKS)
def notebook(house, request):
    path = house / "notebooks" / f"{request.param}.ipynb"
    return request.param, json.loads(path.read_text(encoding="utf-8"))


def test_every_notebook_is_tested(house):
    elsewhere = {"09_people"}  # tests/test_labels_replayed.py
    assert {path.stem for path in (house / "notebooks").glob("*.ipynb")} == set(NOTEBOOKS) | elsewhere


def test_notebooks_are_kept_without_outputs_and_take_parameters(notebook):
    cells = [cell for cell in notebook[1]["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in cells)
    (parameters,) = (cell for cell in cells if "parameters" in cell["metadata"].get("tags", []))
    names = {line.split(" = ")[0] for line in "".join(parameters["source"]).splitlines()}
    further = {"examples", "ablations"} if notebook[0] == "05_semsim" else set()
    assert names == {"study", "results", "figures"} | further


@pytest.fixture
def no_fonts(monkeypatch):
    """Leave PDF files empty: most of their time goes into fonts, and tests of figures make whole ones."""
    monkeypatch.setattr(
        style,
        "write_figure",
        lambda figure, path: path.touch() if path.suffix == ".pdf" else write_figure(figure, path),
    )


@pytest.mark.usefixtures("html")
def test_every_chart_that_the_report_looks_for_is_one_that_a_notebook_saves():
    assert DRAWN.keys() <= {name for names in NOTEBOOKS.values() for name in names}


@pytest.mark.usefixtures("no_fonts", "html")
def test_notebooks_run_and_save_their_figures_as_the_report_would_draw_them(notebook, folder):
    name, content = notebook
    names = {}
    for cell in content["cells"]:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), names)
        if "parameters" in cell["metadata"].get("tags", []):
            figures, ablations = str(folder / "figures"), str(folder / "tables" / "ablations.csv")
            names |= {"study": "small", "results": str(folder), "figures": figures}
            names |= {"examples": figures, "ablations": ablations}
    for figure in NOTEBOOKS[name]:
        assert (folder / "figures" / f"{figure}.png").is_file() and (folder / "figures" / f"{figure}.pdf").is_file()
        if figure in DRAWN:
            assert chart(folder / "figures" / f"{figure}.png", "", "").source == DRAWN[figure].source
