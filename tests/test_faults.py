"""The study under faults: what can be tested of it without running the study."""

import importlib.util

import pytest


@pytest.fixture
def faults(house):
    """The script as a module."""
    spec = importlib.util.spec_from_file_location("faults", house / "tests" / "faults" / "run.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_files_that_are_to_be_cut_off_have_to_be_there(faults, tmp_path):
    study = faults.Study(tmp_path)
    made = [study.results / name for name in ("tables/a.csv", "semsim/x/trials.csv", "semsim/y/trials.csv")]
    for path in made:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert study.results_named(["tables/a.csv", "semsim/*/trials.csv"]) == made
    with pytest.raises(SystemExit, match="the study has no tables/b.csv, semsim/\\*/curves.csv"):
        study.results_named(["tables/a.csv", "tables/b.csv", "semsim/*/curves.csv"])
