"""References: what is kept of a finished study, how small it is, and where no image may be among it."""

import base64
import io
import json
import subprocess
import zipfile

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from semsim.errors import SemsimError
from semsim.figures.notebook import Gallery
from semsim.io.tables import write_table
from semsim.results.keeping import COLOURS, LARGEST_CSV, LEFT_OUT, RUN, SECONDS, keep, pack_pages
from semsim.results.study_tables import StudyTables
from semsim.timing import read_seconds

FIGURES = {
    "contact_sheet_people": 1,
    "contact_sheet_places": 2,
    "contradictions_people": 3,
    "semsim_people": 4,
    "leakage": 5,
    "psnr": 6,
}
"""The figures of the finished study, and the seeds of their pixels."""
CHARTS = {"leakage", "psnr"}
WEB_PICTURES = "".join(f'<img class="{kind}" src="data:image/webp;base64,UklGRg==">' for kind in ("chart", "picture"))
"""As reports have them: smaller than the files, so that only what draws them knows which show images."""


def picture(seed):
    """Return a PNG file of 40x20 random pixels."""
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (20, 40, 3), dtype=np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def finished(tmp_path):
    """A repository with a finished study, whose notebook and page show charts and images, and one that nobody knows."""
    results, figures = tmp_path / "results" / "faces", tmp_path / "figures" / "faces"
    figures.mkdir(parents=True)
    for name, seed in FIGURES.items():
        (figures / f"{name}.png").write_bytes(picture(seed))
    write_table(pd.DataFrame({"dataset": ["people", "places"]}), results / "tables" / "datasets.csv")
    write_table(pd.DataFrame({"x": np.random.default_rng(0).random(20_000)}), results / "tables" / "large.csv")
    (figures.parent / "elsewhere.png").write_bytes(picture(9))
    shown = [Gallery(figures).show_saved(name, f"“{name}” & more")._repr_html_() for name in FIGURES]
    shown.append(Gallery(figures.parent).show_saved("elsewhere", "of unknown origin")._repr_html_())
    outputs = [{"output_type": "stream", "name": "stdout", "text": ["people\n"]}]
    outputs += [
        {"output_type": "display_data", "metadata": {}, "data": {"text/html": [one], "text/plain": ["<HTML>"]}}
        for one in shown
    ]
    execution = {"papermill": {"duration": 1, "input_path": "/somewhere/x.ipynb"}}
    cell = {"cell_type": "code", "metadata": execution | {"tags": ["x"]}, "source": ["1"], "execution_count": 1}
    words = {"cell_type": "markdown", "metadata": {}, "source": ["# Words"]}
    notebook = {
        "metadata": execution,
        "nbformat": 4,
        "nbformat_minor": 5,
        "cells": [words, cell | {"outputs": outputs}],
    }
    (results / "notebooks").mkdir()
    (results / "notebooks" / "01_x.ipynb").write_text(json.dumps(notebook))
    for page in (results / "notebooks" / "01_x.html", results / "report.html"):
        page.write_text("<h1>Page</h1>" + "".join(shown) + WEB_PICTURES)
    subprocess.run(
        "git init -q; git -c user.name=n -c user.email=e commit -q --allow-empty -m x", cwd=tmp_path, shell=True
    )
    return tmp_path


def shown_in(notebook):
    """Return the names of the figures that a kept notebook shows, and what it says in place of others."""
    outputs = [output for cell in json.loads(notebook.read_text())["cells"] for output in cell.get("outputs", [])]
    data = [output["data"] for output in outputs if "data" in output]
    names = [one["text/plain"].split("”")[0].strip("“") for one in data if "image/png" in one]
    return names, [one["text/html"] for one in data if "text/html" in one]


def test_a_reference_of_numbers_shows_no_image(finished):
    kept = keep("faces", "make", numbers_only=True, root=finished)
    names, instead = shown_in(kept / "notebooks" / "01_x.ipynb")
    assert set(names) == CHARTS and instead == [LEFT_OUT[True]] * 5
    assert [path.name for path in (finished / "figures" / "reference" / "faces").iterdir()] == ["leakage.png"]
    stored = (kept / "notebooks" / "01_x.ipynb").read_text()
    assert not any(base64.b64encode(picture(seed)[:60]).decode()[:70] in stored for seed in (1, 2, 3, 4, 9))


def test_a_whole_reference_shows_images_but_one_contact_sheet_only(finished):
    kept = keep("faces", "make", root=finished)
    names, instead = shown_in(kept / "notebooks" / "01_x.ipynb")
    assert set(names) == FIGURES.keys() - {"contact_sheet_places"} and instead == [LEFT_OUT[False]] * 2
    drawn = {path.stem for path in (finished / "figures" / "reference" / "faces").iterdir()}
    assert drawn == {"leakage"}


def test_what_is_kept_is_small(finished):
    kept = keep("faces", "make", root=finished)
    with Image.open(finished / "figures" / "reference" / "faces" / "leakage.png") as image:
        assert image.mode == "P" and image.size == (40, 20) and len(image.getcolors()) <= COLOURS
    notebook = json.loads((kept / "notebooks" / "01_x.ipynb").read_text())
    output = next(one for one in notebook["cells"][1]["outputs"] if "image/png" in one.get("data", ()))
    with Image.open(io.BytesIO(base64.b64decode(output["data"]["image/png"]))) as image:
        assert image.mode == "P" and image.size == (20, 10)
    assert output["metadata"] == {"image/png": {"alt": "“contact_sheet_people” & more"}}
    assert not list(kept.rglob("*.html"))


def test_large_tables_are_kept_as_parquet_and_read_alike(finished):
    kept = keep("faces", "make", root=finished)
    ours = StudyTables(finished / "results" / "faces" / "tables")
    assert {path.name for path in (kept / "tables").iterdir()} == {"datasets.csv", "large.parquet"}
    assert ours.path("large").stat().st_size > LARGEST_CSV > ours.path("datasets").stat().st_size
    for name in ("datasets", "large"):
        assert name in StudyTables(kept / "tables")
        pd.testing.assert_frame_equal(StudyTables(kept / "tables")[name], ours[name], check_dtype=False, rtol=1e-6)


def test_estimates_are_kept_to_seven_digits_and_what_is_looked_up_exactly(finished):
    gaps, estimates = np.tile([0.1, 0.2, 0.35], 700), np.random.default_rng(1).random(2100)
    write_table(
        pd.DataFrame({"gap": gaps, "value": estimates, "note": None}), finished / "results/faces/tables/ranking.csv"
    )
    path = keep("faces", "make", root=finished) / "tables" / "ranking.parquet"
    kept = pd.read_parquet(path)
    assert (kept["gap"] == gaps).all()
    np.testing.assert_allclose(kept["value"], estimates, rtol=1e-7)
    assert path.stat().st_size < 2100 * 5


def test_what_jobs_took_is_kept_for_later_runs(finished):
    (finished / "results" / "faces" / SECONDS).write_text("rule,seconds\ndraw,2\n")
    assert read_seconds(keep("faces", "make", root=finished) / SECONDS) == {"draw": 2}


def test_notebooks_keep_what_they_say_and_not_where_and_when_they_ran(finished):
    notebook = json.loads((keep("faces", "make", root=finished) / "notebooks" / "01_x.ipynb").read_text())
    words, code = notebook["cells"]
    assert words["source"] == ["# Words"] and code["outputs"][0]["text"] == ["people\n"]
    assert notebook["metadata"] == {} and code["metadata"] == {"tags": ["x"]}


def test_numbers_only_is_not_forgotten(finished):
    kept = keep("faces", "make", numbers_only=True, root=finished)
    with pytest.raises(SemsimError, match="faces: has numbers only. Add --numbers-only"):
        keep("faces", "make", root=finished)
    assert json.loads((kept / RUN).read_text())["images"] is False
    keep("faces", "make", numbers_only=True, root=finished)


def test_a_new_reference_takes_the_place_of_the_old_one(finished):
    kept = keep("faces", "make", root=finished)
    (finished / "results" / "faces" / "tables" / "large.csv").unlink()
    keep("faces", "make again", root=finished)
    assert not (kept / "tables" / "large.parquet").exists()
    assert json.loads((kept / RUN).read_text())["command"] == "make again"


def test_what_others_published_is_not_kept(finished):
    for kind in ("results", "figures"):
        (finished / kind / "faces").rename(finished / kind / "human-study")
    tables = finished / "results" / "human-study" / "tables"
    (tables / "labels.csv").write_bytes((tables / "datasets.csv").read_bytes())
    kept = keep("human-study", "make human-study", root=finished)
    assert "labels" not in StudyTables(kept / "tables") and "datasets" in StudyTables(kept / "tables")


@pytest.mark.parametrize("path", ["requirements.txt", "envs/torch.yaml", "profiles/slurm/config.yaml", "workflow/x.py"])
def test_what_is_not_committed_names_no_commit(finished, path):
    changed = finished / path
    changed.parent.mkdir(parents=True, exist_ok=True)
    changed.touch()
    with pytest.raises(SemsimError, match=rf"{path.partition('/')[0]}\S*: has changes that are not committed"):
        keep("faces", "make", root=finished)
    assert not (finished / "results" / "reference").exists()


@pytest.mark.parametrize("numbers_only", [True, False])
def test_packed_pages_show_what_the_reference_may_show(finished, numbers_only):
    keep("faces", "make", numbers_only, root=finished)
    pack_pages(finished / "pages.zip", ["faces"], root=finished)
    with zipfile.ZipFile(finished / "pages.zip") as pack:
        assert set(pack.namelist()) == {
            *("faces/report.html", "faces/notebooks/01_x.html", "faces/tables/datasets.csv", "faces/tables/large.csv")
        }
        for name in ("report.html", "notebooks/01_x.html"):
            page = pack.read(f"faces/{name}").decode()
            assert page.startswith("<h1>Page</h1>")
            assert (page.count("<img"), page.count(LEFT_OUT[True])) == ((3, 6) if numbers_only else (9, 0))
            assert 'class="chart"' in page and ('class="picture"' in page) is not numbers_only


def test_pages_that_are_not_there_are_asked_for(finished):
    with pytest.raises(SemsimError, match="faces: no reference. Keep the study first"):
        pack_pages(finished / "pages.zip", ["faces"], root=finished)
    keep("faces", "make", root=finished)
    for page in (finished / "results" / "faces").rglob("*.html"):
        page.unlink()
    with pytest.raises(SemsimError, match="faces: no pages. Run the study first"):
        pack_pages(finished / "pages.zip", ["faces"], root=finished)
    assert not (finished / "pages.zip").exists()
