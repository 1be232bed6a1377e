"""Notebooks: parameters reach them, and a message for users comes without the notebook's traceback."""

import os
import subprocess
import sys

import nbformat
import pytest


@pytest.fixture
def run_notebook(house, tmp_path):
    """Execute a notebook of two cells, the first with parameters; return the process and what was written."""

    def run(code, *parameters):
        first = nbformat.v4.new_code_cell("table = None", metadata={"tags": ["parameters"]})
        python = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
        notebook = nbformat.v4.new_notebook(cells=[first, nbformat.v4.new_code_cell(code)], metadata=python)
        nbformat.write(notebook, tmp_path / "x.ipynb")
        command = [sys.executable, house / "workflow" / "scripts" / "run_notebook.py"]
        command += [
            "--notebook",
            tmp_path / "x.ipynb",
            "--out",
            tmp_path / "out.ipynb",
            "--html",
            tmp_path / "out.html",
        ]
        for name, value in parameters:
            command += ["--parameter", name, value]
        process = subprocess.run(
            command,
            env=os.environ | {"PYTHONPATH": str(house / "workflow")},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return process, nbformat.read(tmp_path / "out.ipynb", as_version=4)

    return run


def test_a_notebook_is_executed_with_its_parameters_and_becomes_a_page(run_notebook, tmp_path):
    process, notebook = run_notebook("print(table)", ("table", "a/b.csv"))
    assert process.returncode == 0, process.stdout
    assert notebook.cells[-1].outputs[0].text == "a/b.csv\n"
    page = (tmp_path / "out.html").read_text()
    assert "<title>out</title>" in page and "a/b.csv" in page


def test_what_users_can_put_right_is_said_in_one_line_and_the_notebook_is_kept(run_notebook, tmp_path):
    code = "from semsim.io.tables import read_table\nread_table(table)"
    process, notebook = run_notebook(code, ("table", "missing.csv"))
    assert process.returncode == 1 and "Traceback" not in process.stdout
    assert process.stdout.rstrip().endswith("error: missing.csv: no such table. Run the stage that writes it first.")
    assert any(cell.get("outputs") for cell in notebook.cells)
    assert not (tmp_path / "out.html").exists()


def test_a_defect_keeps_its_traceback(run_notebook):
    process, _ = run_notebook("1 / 0")
    assert process.returncode != 0 and "ZeroDivisionError" in process.stdout and "Traceback" in process.stdout
