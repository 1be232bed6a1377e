"""References: the part of a finished study that is kept in the repository, in reduced size, and the pages that are not.

Tables that are large become Parquet files, pictures get a palette, and notebooks hold their pictures at half the size.
Pages (HTML) are made by the study and packed into an archive.
"""

from __future__ import annotations

import base64
import html
import io
import json
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Collection, Iterable
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from semsim.errors import SemsimError
from semsim.io.tables import read_table
from semsim.io.whole import write_text, written_whole

if TYPE_CHECKING:
    import os

SECONDS = "seconds.csv"
"""What the jobs of each rule took: later runs know from it how long they will take."""
RUN = "run.json"
"""Names the command that made a reference, the commit and the packages that were there when it was kept."""
MADE_WITH = ("Snakefile", "workflow", "config", "notebooks", "profiles", "envs", "requirements.txt")
"""The parts of the repository on which results depend."""
PACKAGES = ("torch", "torchvision", "numpy", "scipy", "pandas", "scikit-image", "scikit-learn", "lpips", "snakemake")
GIVEN = {"human-study": ("labels", "images", "metrics", "recognition")}
"""Tables that are not kept: what others published, one row per image."""
LARGEST_CSV = 30_000
"""Bytes: tables that are larger are kept as Parquet."""
SMALLEST = {"compression": "zstd", "compression_level": 19}
"""How those are written, which takes longer than by default."""
FEW_NUMBERS = 100
"""Distinct numbers of a column that is kept exactly."""
COLOURS = 64
"""Of the palette of a picture."""
CHARTS = (
    "leakage",
    "recognition_*",
    "faithfulness_auc_*",
    "against_annotators_*",
    "generalisation_auc",
    "generalisation_exclusions",
    "defects_references",
)
"""The figures that are kept as files; the others are in the notebooks."""
SHOWING_IMAGES = ("contact_sheet", "examples", "contradictions", "semsim")
"""The figures of each data set that show its images, ``<figure>_<data set>.png``; all others are charts."""
LEFT_OUT = {
    True: "<p><em>Left out of the reference: this figure shows images of a data set.</em></p>",
    False: "<p><em>Left out of the reference: this figure is large. A run of the study draws it.</em></p>",
}
"""What stands in place of a figure, in a reference of numbers only and in any other."""
PICTURE = re.compile(r'<img\b[^>]*?\ssrc="data:image/\w+;base64,([^"]*)"[^>]*>')
CHART = '<img class="chart"'
"""How a picture of a report begins that shows no images of a data set; others are smaller there than in files."""


def keep(study: str, command: str, numbers_only: bool = False, root: str | os.PathLike = ".") -> Path:
    """Make the reference of a finished study, in place of the one that there is.

    `RUN` names the commit, Python and packages that are there now. That the run had the same is not checked: keep a
    study right after its run, in the environment that ran it.

    Parameters
    ----------
    study : str
    command : str
        What made it; it is noted as given.
    numbers_only : bool
        Leave out figures that show images of the data sets, for images that may not be passed on. Notebooks say where
        there was one.
    root : path-like
        Of the repository.

    Returns
    -------
    pathlib.Path
        ``results/reference/<study>``.

    Raises
    ------
    SemsimError
        If the study has no tables; if changes of `MADE_WITH` are not committed: then no commit could be named; or if
        the reference that there is has numbers only, and the new one would not.
    """
    root = Path(root)
    results, figures = root / "results" / study, root / "figures" / study
    kept, drawn = root / "results" / "reference" / study, root / "figures" / "reference" / study
    if not (results / "tables").is_dir():
        raise SemsimError(f"{results}: no finished study. Run it first.")
    if not numbers_only and not _shows_images(kept):
        raise SemsimError(f"{kept}: has numbers only. Add --numbers-only, or delete {RUN} there first.")
    about = {"study": study, "command": command, "images": not numbers_only, "commit": _commit(root)}
    for folder in (kept, drawn):
        shutil.rmtree(folder, ignore_errors=True)
    shown = figures_shown(results, figures, numbers_only)
    _keep_tables(results / "tables", kept / "tables", GIVEN.get(study, ()))
    _keep_notebooks(results / "notebooks", kept / "notebooks", shown, LEFT_OUT[numbers_only])
    _keep_charts(shown, drawn)
    if (results / SECONDS).is_file():
        shutil.copyfile(results / SECONDS, kept / SECONDS)
    about |= {"python": sys.version.split()[0], "packages": {name: version(name) for name in PACKAGES}}
    (kept / RUN).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    return kept


def pack_pages(archive: str | os.PathLike, studies: Iterable[str], root: str | os.PathLike = ".") -> None:
    """Pack what the repository does not hold of finished studies: report and notebooks as pages, and their tables.

    Of a study whose reference has numbers only, pages show no images either.

    Parameters
    ----------
    archive : path-like
        The ZIP file to make.
    studies : iterable of str
    root : path-like
        Of the repository.

    Raises
    ------
    SemsimError
        If a study has no pages, or no reference.
    """
    with written_whole(archive) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as pack:
        for study in studies:
            for name, page in _pages(study, Path(root)):
                pack.writestr(f"{study}/{name}", page)
            results = Path(root) / "results" / study
            for path in _tables(results / "tables", GIVEN.get(study, ())):
                pack.write(path, f"{study}/{path.relative_to(results)}")


def _pages(study, root):
    """Yield the name and the text of each page of a study, as it may be shown."""
    results, kept = root / "results" / study, root / "results" / "reference" / study
    if not (kept / RUN).is_file():
        raise SemsimError(f"{kept}: no reference. Keep the study first.")
    paths = sorted([*results.glob("*.html"), *results.glob("notebooks/*.html")])
    if not paths:
        raise SemsimError(f"{results}: no pages. Run the study first.")
    numbers_only = not _shows_images(kept)
    shown = {path.read_bytes() for path in figures_shown(results, root / "figures" / study, numbers_only)}

    def as_it_may_be_shown(found):
        may_be_shown = found[0].startswith(CHART) or _content(found) in shown
        return found[0] if may_be_shown else LEFT_OUT[numbers_only]

    for path in paths:
        page = path.read_text(encoding="utf-8")
        yield path.relative_to(results), PICTURE.sub(as_it_may_be_shown, page) if numbers_only else page


def figures_shown(results: Path, figures: Path, numbers_only: bool) -> list[Path]:
    """Return the figures that a reference may show; whatever is not among them is left out.

    Parameters
    ----------
    results, figures : pathlib.Path
        The folders of the study.
    numbers_only : bool
        Leave out all that show images of data sets, not just the large ones: all contact sheets but the first.
    """
    table = results / "tables" / "datasets.csv"
    datasets = list(read_table(table)["dataset"].unique()) if table.is_file() else []
    if numbers_only:
        hidden = {f"{figure}_{dataset}" for figure in SHOWING_IMAGES for dataset in datasets}
    else:
        hidden = {f"contact_sheet_{dataset}" for dataset in datasets[1:]}
    return [path for path in sorted(figures.glob("*.png")) if path.stem not in hidden]


def small_picture(png: bytes, scale: int = 1) -> bytes:
    """Return a picture with a palette of `COLOURS`, `scale` times smaller on each side; both PNG files."""
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(png)) as image:
        smaller = image.convert("RGB").reduce(scale)
    smaller.quantize(COLOURS, dither=Image.Dither.NONE).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def small_notebook(notebook: dict, shown: Collection[bytes], left_out: str) -> dict:
    """Return an executed notebook with small pictures as GitHub shows them, and without the traces of its execution.

    Parameters
    ----------
    notebook : dict
        Its JSON.
    shown : collection of bytes
        The contents of the pictures that may be shown.
    left_out : str
        HTML in place of every other picture.
    """
    cells = [
        cell
        | {"metadata": _without_execution(cell["metadata"])}
        | ({"outputs": [_small_output(one, shown, left_out) for one in cell["outputs"]]} if "outputs" in cell else {})
        for cell in notebook["cells"]
    ]
    return notebook | {"metadata": _without_execution(notebook["metadata"]), "cells": cells}


def _small_output(output, shown, left_out):
    """Return a cell's output with its picture, if it is one, made small or left out."""
    found = PICTURE.search("".join(output.get("data", {}).get("text/html", "")))
    if not found:
        return output
    if _content(found) not in shown:
        return output | {"data": {"text/html": left_out, "text/plain": html.unescape(re.sub("<.*?>", "", left_out))}}
    alt = html.unescape(re.search(r'\salt="([^"]*)"', found[0])[1])
    small = base64.b64encode(small_picture(_content(found), scale=2)).decode()
    return output | {"data": {"image/png": small, "text/plain": alt}, "metadata": {"image/png": {"alt": alt}}}


def _without_execution(metadata):
    """Return metadata without what papermill notes: when, where and how long."""
    return {name: value for name, value in metadata.items() if name != "papermill"}


def _keep_tables(tables, kept, given):
    for path in _tables(tables, given):
        if path.stat().st_size > LARGEST_CSV:
            with written_whole(kept / f"{path.stem}.parquet") as part:
                _write_small(read_table(path), part)
        else:
            kept.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, kept / path.name)


def _write_small(table, path):
    """Write a table as Parquet in half the space: estimates in single precision, bytes of equal significance together.

    Numbers of which there are few, such as gaps and rates, stay exact: they are looked up and compared.
    """
    numbers = table.select_dtypes("float64")
    estimates = [name for name in numbers if numbers[name].nunique() > FEW_NUMBERS]
    table = table.astype(dict.fromkeys(estimates, "float32"))
    others = [name for name in table if name not in estimates]
    table.to_parquet(path, index=False, use_byte_stream_split=estimates, use_dictionary=others, **SMALLEST)


def _keep_notebooks(notebooks, kept, shown, left_out):
    contents = {path.read_bytes() for path in shown}
    for path in sorted(notebooks.glob("*.ipynb")):
        small = small_notebook(json.loads(path.read_text(encoding="utf-8")), contents, left_out)
        write_text(json.dumps(small, indent=1, ensure_ascii=False) + "\n", kept / path.name)


def _keep_charts(shown, drawn):
    for path in shown:
        if any(path.match(f"{pattern}.png") for pattern in CHARTS):
            drawn.mkdir(parents=True, exist_ok=True)
            (drawn / path.name).write_bytes(small_picture(path.read_bytes()))


def _tables(folder, given):
    """Return the tables of a study that are its own."""
    return [path for path in sorted(folder.glob("*.csv")) if path.stem not in given]


def _content(found):
    """Return the content of a picture that `PICTURE` found."""
    return base64.b64decode(found[1])


def _shows_images(kept):
    """Tell whether a reference may show images: unless it says that it does not."""
    about = kept / RUN
    return not about.is_file() or json.loads(about.read_text(encoding="utf-8"))["images"]


def _commit(root):
    """Return the commit that a run is of, or refuse to name one."""
    if changed := _git(root, "status", "--porcelain", "--", *MADE_WITH):
        raise SemsimError(
            f"{changed.splitlines()[0].split(maxsplit=1)[1]}: has changes that are not committed, so no commit could be"
            " named. Commit them, and run the study again."
        )
    return _git(root, "rev-parse", "HEAD")


def _git(root, *arguments):
    return subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True, text=True).stdout.strip()
