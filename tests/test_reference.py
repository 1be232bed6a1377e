"""Reference results: the repository's, and how a run is compared with them."""

import json
import shutil
import subprocess

import pandas as pd
import pytest

from semsim.errors import SemsimError
from semsim.html.urls import data_url
from semsim.io.tables import read_table, write_table
from semsim.results.reference import LEFT_OUT, RUN, compare, keep, main_table

STUDIES = ("demo", "human-study", "real-small")


@pytest.mark.parametrize("study", STUDIES)
def test_a_new_run_agrees_with_the_reference(house, study):
    results = house / "results" / study
    if not (results / "tables").is_dir():
        pytest.skip(f"needs a run of the study {study}: none in results/")
    assert compare(study, results, house / "results" / "reference" / study) == []


@pytest.fixture
def copy(house, tmp_path):
    shutil.copytree(house / "results" / "reference" / "demo" / "tables", tmp_path / "tables")
    return tmp_path


def test_what_differs_too_much_is_named(house, copy):
    reference = house / "results" / "reference" / "demo"
    assert compare("demo", copy, reference) == []
    table = read_table(copy / "tables" / "accuracy.csv")
    first = table.iloc[0]
    table.loc[0, "validation_accuracy"] += 0.3
    write_table(table.iloc[:-1], copy / "tables" / "accuracy.csv")
    problems = compare("demo", copy, reference)
    start = f"accuracy: validation_accuracy of {first['dataset']} {first['target']} is "
    assert any(problem.startswith(start) for problem in problems)
    assert sum("is nan" in problem for problem in problems) == 2  # the row that is gone, in two columns


def test_a_missing_table_is_named(house, copy):
    (copy / "tables" / "metrics.csv").unlink()
    with pytest.raises(SemsimError, match=r"metrics.csv: no such table"):
        compare("demo", copy, house / "results" / "reference" / "demo")


@pytest.mark.parametrize("study", STUDIES)
def test_the_reference_says_what_made_it(house, study):
    about = json.loads((house / "results" / "reference" / study / RUN).read_text())
    assert about["study"] == study and about["command"].startswith("make") and len(about["commit"]) == 40
    assert {"torch", "numpy", "snakemake"} <= about["packages"].keys()


@pytest.mark.parametrize("study", ["demo", "real-small"])
def test_the_readme_has_the_numbers_of_the_reference(house, study):
    assert main_table(house / "results" / "reference" / study) in (house / "README.md").read_text()


@pytest.fixture
def finished(tmp_path):
    """A repository with a finished study, whose page shows a chart and a contact sheet."""
    results, figures = tmp_path / "results" / "faces", tmp_path / "figures" / "faces"
    for folder in (results / "tables", results / "semsim" / "weights", figures):
        folder.mkdir(parents=True)
    write_table(pd.DataFrame({"dataset": ["people"]}), results / "tables" / "datasets.csv")
    (results / "semsim" / "weights" / "config.json").write_text("{}")
    pictures = {
        name: name.encode() for name in ("contact_sheet_people", "contradictions_people", "semsim_people", "psnr")
    }
    for name, content in pictures.items():
        (figures / f"{name}.png").write_bytes(content)
    page = "".join(f'<img src="{data_url("image/png", content)}" alt="{name}">' for name, content in pictures.items())
    (results / "report.html").write_text(page)
    subprocess.run(
        "git init -q; git -c user.name=n -c user.email=e commit -q --allow-empty -m x", cwd=tmp_path, shell=True
    )
    return tmp_path


def test_a_reference_of_numbers_shows_no_image(finished):
    kept = keep("faces", "make", numbers_only=True, root=finished)
    page = (kept / "report.html").read_text()
    assert page == LEFT_OUT * 3 + f'<img src="{data_url("image/png", b"psnr")}" alt="psnr">'
    assert [path.name for path in (finished / "figures" / "reference" / "faces").iterdir()] == ["psnr.png"]
    assert not (kept / "semsim").exists()


@pytest.mark.parametrize("path", ["requirements.txt", "envs/torch.yaml", "profiles/slurm/config.yaml", "workflow/x.py"])
def test_what_is_not_committed_names_no_commit(finished, path):
    changed = finished / path
    changed.parent.mkdir(parents=True, exist_ok=True)
    changed.touch()
    with pytest.raises(SemsimError, match=rf"{path.partition('/')[0]}\S*: has changes that are not committed"):
        keep("faces", "make", root=finished)
    assert not (finished / "results" / "reference").exists()


def test_a_whole_reference_has_weights_and_every_figure(finished):
    kept = keep("faces", "make", root=finished)
    assert (kept / "report.html").read_text() == (finished / "results" / "faces" / "report.html").read_text()
    assert (kept / "semsim" / "weights" / "config.json").exists()
    assert len(list((finished / "figures" / "reference" / "faces").iterdir())) == 4
