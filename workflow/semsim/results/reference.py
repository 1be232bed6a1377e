"""Reference results: one run of a study, kept in the repository, and how close a new run comes to it.

``python -m semsim.results.reference keep STUDY`` copies a finished study's tables, pages, figures and weights of
SemSim to ``results/reference/STUDY`` and ``figures/reference/STUDY``; with ``--numbers-only``, without
whatever shows images.
``python -m semsim.results.reference compare STUDY`` compares a new run's tables with them.
"""

import argparse
import json
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import numpy as np

from semsim.commandline import run
from semsim.errors import SemsimError
from semsim.html.urls import data_url
from semsim.io.tables import read_table
from semsim.learned.scales import LEARNED
from semsim.results.study_tables import StudyTables
from semsim.statistics.generalisation import EVERYTHING, areas, overall
from semsim.text import FOLDS, decimal

RUN = "run.json"
"""Names the command that made a reference, and the commit and the packages at hand when it was kept."""
MADE_WITH = ("Snakefile", "workflow", "config", "notebooks", "profiles", "envs", "requirements.txt")
"""The parts of the repository on which results depend."""
KEPT = ("tables/*.csv", "notebooks/*.html", "report.html")
"""What is kept of ``results/<study>``."""
WEIGHTS = "semsim/weights/*"
"""What is kept besides, unless numbers alone are: networks can give away what they learnt from."""
SHOWING_IMAGES = ("contact_sheet", "contradictions", "semsim")
"""The figures of each data set that show its images, ``<figure>_<data set>.png``; all others are charts."""
LEFT_OUT = "<p><em>Left out of the reference: this figure shows images of a data set.</em></p>"
"""What pages show in place of such a figure."""
GIVEN = {"human-study": ("labels.csv", "images.csv", "metrics.csv", "recognition.csv")}
"""Tables that are not kept: what others published, a row an image."""
PACKAGES = ("torch", "torchvision", "numpy", "scipy", "pandas", "scikit-image", "scikit-learn", "lpips", "snakemake")


class Tolerance(NamedTuple):
    """How close a column of a table must come to that of the reference, in the mean of each group.

    Attributes
    ----------
    table : str
    keys : tuple of str
        The columns that name a group.
    column : str
    within : float
        The largest difference.
    where : dict of str to str
        Only rows with these values are compared.
    """

    table: str
    keys: tuple[str, ...]
    column: str
    within: float
    where: dict[str, str] = {}  # noqa: RUF012 (never changed)


AREAS = {"level": "reconstructions", "statistic": "auc"}
COMPUTED = (
    Tolerance("datasets", ("dataset",), "classes", 0),
    Tolerance("datasets", ("dataset",), "originals", 0),
    Tolerance("accuracy", ("dataset", "target"), "parameters", 0),
    Tolerance("accuracy", ("dataset", "target"), "validation_accuracy", 0.1),
    Tolerance("metrics", ("dataset", "target", "attack"), "ssim", 0.2, {"reference": "attacked"}),
    Tolerance("recognition", ("dataset", "target"), "recognition_rate", 0.2),
    Tolerance("agreement", ("dataset", "answer"), "value", 0.2, {"statistic": "krippendorff_alpha"}),
    Tolerance("ceiling", ("dataset",), "value", 0.1, AREAS | {"annotator": "mean"}),
    Tolerance("faithfulness", ("dataset", "metric"), "faithfulness", 0.1, AREAS | {"reference": "attacked"}),
    Tolerance("generalisation", ("metric",), "faithfulness", 0.07, AREAS | {"exclusion": "all", "folds": "within"}),
    Tolerance("generalisation", ("folds",), "faithfulness", 0.07, AREAS | {"exclusion": "all", "metric": "semsim"}),
)
"""For studies that train and attack: rounding differs between machines, and attacks amplify it. (Between two processors
the combination of metrics differed by 0.11 on architectures that it had not seen, SemSim by 0.03 at most.)"""
COUNTED = (
    Tolerance("agreement", ("statistic", "answer"), "value", 1e-6),
    Tolerance("ceiling", ("level", "statistic", "annotator"), "value", 1e-6),
    Tolerance("faithfulness", ("level", "statistic", "metric"), "value", 1e-5),
    Tolerance("faithfulness", ("level", "statistic", "metric"), "low", 0.02),
    Tolerance("contradictions", ("metric", "other"), "value", 1e-5),
)
"""For studies of given labels and metrics, which leave nothing to chance but resamples."""


def compare(study, results, reference):
    """Compare the tables of a run with those of the reference.

    Parameters
    ----------
    study : str
        Its name; ``human-study`` is compared as `COUNTED`, others as `COMPUTED`.
    results, reference : path-like
        The folders that hold ``tables``.

    Returns
    -------
    list of str
        A sentence for each group that is too far away or missing; empty if the run agrees with the reference.

    Raises
    ------
    SemsimError
        If a table is missing.
    """
    found = []
    for tolerance in COUNTED if study == "human-study" else COMPUTED:
        ours, theirs = (
            _means(read_table(Path(folder) / "tables" / f"{tolerance.table}.csv"), tolerance)
            for folder in (results, reference)
        )
        for group in theirs.index.union(ours.index):
            new, old = ours.get(group, np.nan), theirs.get(group, np.nan)
            if np.isnan(new) and np.isnan(old) and group in ours.index and group in theirs.index:
                continue
            if not abs(new - old) <= tolerance.within:
                name = " ".join(map(str, group if isinstance(group, tuple) else (group,)))
                found.append(
                    f"{tolerance.table}: {tolerance.column} of {name} is {new:.4g}, in the reference {old:.4g}"
                    f" (allowed: {tolerance.within:g} apart)."
                )
    return found


def _means(table, tolerance):
    """Return the mean of a column in each group."""
    for column, value in tolerance.where.items():
        table = table[table[column] == value]
    return table.groupby(list(tolerance.keys))[tolerance.column].mean()


def main_table(reference):
    """Return the main table of the README: SemSim beside the other metrics, by what it did not learn from.

    Parameters
    ----------
    reference : path-like
        The folder of a study that holds ``tables``.

    Returns
    -------
    str
        Markdown: the area under the ROC curve of each metric, with intervals, in the mean over data sets.
    """
    tables = StudyTables(Path(reference) / "tables")
    rows = areas(overall(tables["generalisation"]))
    rows = rows[rows["exclusion"] == EVERYTHING]
    kinds = [kind for kind in FOLDS if kind in set(rows["folds"])]
    scales = LEARNED | tables.scales
    lines = ["| SemSim did not learn from its | " + " | ".join(FOLDS[kind] for kind in kinds) + " |"]
    lines.append("| --- " * (len(kinds) + 1) + "|")
    for metric in scales.among(rows["metric"]):
        of_metric = rows[rows["metric"] == metric].set_index("folds")
        cells = [
            f"{decimal(row['faithfulness'])} ({decimal(row['faithfulness_low'])} to"
            f" {decimal(row['faithfulness_high'])})"
            for _, row in of_metric.loc[kinds].iterrows()
        ]
        lines.append(f"| {scales[metric].label} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def keep(study, command, numbers_only=False, root="."):
    """Copy a finished study to the reference folders, which are made anew.

    `RUN` names the commit, Python and packages that are at hand now. That the run had the same is not checked: keep a
    study right after its run, in the environment that ran it.

    Parameters
    ----------
    study : str
    command : str
        What made it; it is noted as given.
    numbers_only : bool
        Leave out weights and figures that show images of the data sets, for images that may not be passed on. Pages say
        where there was one.
    root : path-like
        Of the repository.

    Returns
    -------
    pathlib.Path
        ``results/reference/<study>``.

    Raises
    ------
    SemsimError
        If the study has no tables, or changes of `MADE_WITH` are not committed: then no commit could be named.
    """
    root = Path(root)
    results, figures = root / "results" / study, root / "figures" / study
    if not (results / "tables").is_dir():
        raise SemsimError(f"{results}: no finished study. Run it first.")
    if changed := _git(root, "status", "--porcelain", "--", *MADE_WITH):
        raise SemsimError(
            f"{changed.splitlines()[0].split(maxsplit=1)[1]}: has changes that are not committed, so no commit could be"
            " named. Commit them, and run the study again."
        )
    kept, drawn = root / "results" / "reference" / study, root / "figures" / "reference" / study
    for folder in (kept, drawn):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    datasets = read_table(results / "tables" / "datasets.csv")["dataset"].unique() if numbers_only else ()
    left_out = {figures / f"{figure}_{dataset}.png" for figure in SHOWING_IMAGES for dataset in datasets}
    for pattern in KEPT if numbers_only else (*KEPT, WEIGHTS):
        for path in sorted(results.glob(pattern)):
            if path.name in GIVEN.get(study, ()):
                continue
            target = kept / path.relative_to(results)
            target.parent.mkdir(parents=True, exist_ok=True)
            if path.suffix == ".html":
                target.write_text(_without_figures(path.read_text(encoding="utf-8"), left_out), encoding="utf-8")
            else:
                shutil.copyfile(path, target)
    for path in sorted(set(figures.glob("*.png")) - left_out):
        shutil.copyfile(path, drawn / path.name)
    about = {"study": study, "command": command, "commit": _git(root, "rev-parse", "HEAD")}
    about |= {"python": sys.version.split()[0], "packages": {name: version(name) for name in PACKAGES}}
    (kept / RUN).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    return kept


def _without_figures(page, figures):
    """Return a page with a line of text in place of figures, which it holds as they are."""
    for path in figures:
        address = data_url("image/png", path.read_bytes())
        while (at := page.find(address)) >= 0:
            page = page[: page.rindex("<img", 0, at)] + LEFT_OUT + page[page.index(">", at) + 1 :]
    return page


def _git(root, *arguments):
    return subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True, text=True).stdout.strip()


def main():
    parser = argparse.ArgumentParser(prog="semsim.results.reference", description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(dest="action", required=True)
    keeper = commands.add_parser("keep", help="copy a finished study to the reference folders")
    keeper.add_argument("study")
    keeper.add_argument("--command", required=True, help="what made it")
    keeper.add_argument(
        "--numbers-only", action="store_true", help="leave out weights and figures that show images of the data sets"
    )
    commands.add_parser("compare", help="compare a new run with the reference").add_argument("study")
    arguments = parser.parse_args()
    if arguments.action == "keep":
        print(keep(arguments.study, arguments.command, arguments.numbers_only))
        return
    results = Path("results")
    if problems := compare(arguments.study, results / arguments.study, results / "reference" / arguments.study):
        raise SemsimError("\n  ".join([f"{arguments.study} differs from the reference:", *problems]))
    print(f"{arguments.study} agrees with the reference.")


if __name__ == "__main__":
    run(main)
