"""The images released by the paper's authors, sorted by whether people recognised them, as labelled pairs.

The folders say whether people recognised a reconstruction, but not how many of them: only the majority is known. A file
name has the number of the original, its class and two more numbers, n and m. They stand for the target model and the
attack, but which is which is not documented. Here n is used as the target model and m as the attack, under neutral
names: ``n3``, ``m1``.

References
----------
Sun, Gazagnadou, Sharma, Lyu, Li, Zheng: "Privacy Assessment on Reconstructed Images: Are Existing Evaluation Metrics
Faithful to Human Perception?", NeurIPS 2023.
"""

from __future__ import annotations

import re
import shutil
from collections import Counter
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from semsim.data.decoding import decode_rgb
from semsim.data.sources import open_source
from semsim.errors import SemsimError
from semsim.io.tables import KEYS, write_table
from semsim.io.tensors import write_arrays
from semsim.labels.human_study import DATASET
from semsim.labels.table import name_images
from semsim.progress import progress_bar
from semsim.text import first_few

if TYPE_CHECKING:
    import os

ARCHIVES = {
    "originals": "1TjRNUX5KTzEAXYVhCHROD5ZVE5uFNosE",
    "reconstructions": "1oVPBE0dyCf8eD1-JIu_PeLZ--_bxY6ZN",
    "training": "1M0xnG8mHa2sZHXYrHYWlkeFLZ2XtR0Jm",
}
"""The CIFAR-100 archives and their ids on Google Drive; ``training`` has the folders that are read here."""
TREE, OTHERS = "train_with_ori", "others"
PLACE = re.compile(
    r"(?P<unrecognised>-?)(?P<folder>N)/(?P<number>N)_(?P<label>N)_(ori|rec_(?P<n>N)_(?P<m>N))\.png".replace(
        "N", "[0-9]{1,6}"
    )
)
WHOLE = 2**20
"""Larger than any side in pixels, so that no image is scaled down when it is decoded."""
LAYOUT = (
    f"Expected {TREE}/<k>/ with the original <k>_<class>_ori.png and its recognised reconstructions"
    f" <k>_<class>_rec_<n>_<m>.png, and {TREE}/-<k>/ with the unrecognised ones"
)


class ReleasedStudy(NamedTuple):
    """Originals, reconstructions, and the table that describes them.

    Attributes
    ----------
    originals : numpy.ndarray
        uint8 [K, 3, S, S], in the order of their numbers.
    reconstructions : numpy.ndarray
        uint8 [N, 3, S, S].
    table : pandas.DataFrame
        One row per reconstruction: image (its name), dataset, target (n), attack (m), original (its index in
        `originals`), label (the true class), recognised (by the majority), number (of the original, in file names),
        file.
    """

    originals: np.ndarray
    reconstructions: np.ndarray
    table: pd.DataFrame


def read_released(path: str | os.PathLike) -> ReleasedStudy:
    """Read the training folders, without unpacking an archive to disk.

    Parameters
    ----------
    path : path-like
        A folder or a .zip file that contains ``train_with_ori`` at any level. Everything outside of that, or in a
        folder ``others``, is ignored.

    Returns
    -------
    ReleasedStudy
        Originals without reconstructions are left out.

    Raises
    ------
    SemsimError
        If a name is unknown or in the wrong folder, an original is missing, a reconstruction is in both folders, an
        image cannot be read or has another size, or an entry points outside the archive. Offending files are listed.
    """
    path = Path(path)
    with open_source(path) as source:
        originals, table = _listed(_names_in_tree(source.names(), path), path)
        images = _read_images(source, [*originals["file"], *table["file"]])
    return ReleasedStudy(images[: len(originals)], images[len(originals) :], table)


def _names_in_tree(names, where):
    """Return the paths of files inside the tree by their names; hidden files are ignored."""
    files = [PurePosixPath(name) for name in names if not name.endswith("/")]
    inside, roots = {}, set()
    for file in files:
        if TREE in file.parts and not any(part.startswith(".") or part == "__MACOSX" for part in file.parts):
            depth = file.parts.index(TREE)
            roots.add("/".join(file.parts[: depth + 1]))
            if OTHERS not in file.parts[depth:]:
                inside[str(file)] = "/".join(file.parts[depth + 1 :])
    if len(roots) != 1:
        found = f"several folders '{TREE}' ({first_few(sorted(roots))})" if roots else f"no files in a folder '{TREE}'"
        raise SemsimError(f"{where}: {found}. {LAYOUT}.")
    return inside


def _listed(places, where):
    """Return tables of the originals that have reconstructions and of all reconstructions; refuse invalid files."""
    found = {name: PLACE.fullmatch(place) for name, place in places.items()}
    unknown = [name for name, match in found.items() if match is None]
    rows = [{"file": name, **match.groupdict()} for name, match in found.items() if match]
    files = pd.DataFrame(rows, columns=["file", *PLACE.groupindex]).astype({"number": int, "label": int, "folder": int})
    is_original = files["n"].isna()
    originals, table = files[is_original], files[~is_original]
    classes = files.groupby("number")["label"].transform("nunique")
    problems = {
        "unknown names": unknown,
        "in the folder of another original": files.loc[files["folder"] != files["number"], "file"],
        "originals among the unrecognised": originals.loc[originals["unrecognised"] != "", "file"],
        "of several classes under one number": files.loc[classes > 1, "file"],
        "twice, or in both folders": table.loc[table.duplicated(["number", "n", "m"], keep=False), "file"],
        "several originals under one number": originals.loc[originals.duplicated("number", keep=False), "file"],
        "without an original": table.loc[~table["number"].isin(originals["number"]), "file"],
    }
    lines = [f"{what}: {first_few(sorted(names))}" for what, names in problems.items() if len(names)]
    if lines or table.empty:
        raise SemsimError("\n  ".join([f"{where}: not the released folders. {LAYOUT}.", *(lines or ["no images"])]))
    originals = originals[originals["number"].isin(table["number"])].sort_values("number")
    places_of = dict(zip(originals["number"], range(len(originals)), strict=True))
    table = table.assign(
        dataset=DATASET,
        target="n" + table["n"],
        attack="m" + table["m"],
        original=table["number"].map(places_of),
        recognised=table["unrecognised"] == "",
    )
    order = table.assign(n=table["n"].astype(int), m=table["m"].astype(int)).sort_values(["n", "m", "number"]).index
    table = table.loc[order].reset_index(drop=True)
    columns = ["image", *KEYS, "label", "recognised", "number", "file"]
    return originals, table.assign(image=name_images(table))[columns]


def _read_images(source, names):
    """Decode images, all of one square size: uint8 [N, 3, S, S]."""
    images, unreadable = [], {}
    with progress_bar(len(names), "reading images", unit="image") as bar:
        for name in names:
            try:
                images.append(np.asarray(decode_rgb(source.read(name), WHOLE, name)))
            except SemsimError as error:
                unreadable[name] = error
            bar.update()
    if unreadable:
        reason = next(iter(unreadable.values()))
        raise SemsimError(
            f"{source.path}: images that cannot be read: {first_few(list(unreadable))}. The first: {reason}"
        )
    (usual, _), *others = Counter(image.shape for image in images).most_common()
    height, width, _ = usual
    if others or height != width:
        odd = [name for name, image in zip(names, images, strict=True) if image.shape != usual or height != width]
        raise SemsimError(
            f"{source.path}: images of other sizes than the rest ({width} x {height} pixels), or not square:"
            f" {first_few(odd)}. Remove them and the other images of the same original, or download the data again."
        )
    return np.stack(images).transpose(0, 3, 1, 2)


def recognition_of(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table of recognition rates: 1 if the majority recognised, else 0; numbers of labels are unknown.

    Parameters
    ----------
    table : pandas.DataFrame
        As in `ReleasedStudy`.

    Returns
    -------
    pandas.DataFrame
        dataset, target, attack, original, label, kind, labels (empty), recognition_rate.
    """
    return table[[*KEYS, "label"]].assign(kind="human", labels=None, recognition_rate=table["recognised"].astype(float))


def write_reconstructions(study: ReleasedStudy, folder: str | os.PathLike) -> None:
    """Write reconstructions like the attack stage: ``<dataset>/<target>/<attack>.safetensors``.

    Each file has all originals, and black images in place of missing reconstructions, which have no labels and are
    never read. The attacked images are unknown, so there is no array ``attacked``.

    Parameters
    ----------
    study : ReleasedStudy
    folder : path-like
        The folder to write; an existing one is replaced once the new one is complete.
    """
    folder = Path(folder)
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    for (dataset, target, attack), rows in study.table.groupby(["dataset", "target", "attack"]):
        reconstructions = np.zeros_like(study.originals)
        reconstructions[rows["original"]] = study.reconstructions[rows.index]
        arrays = {"original": study.originals, "reconstruction": reconstructions}
        about = {"dataset": dataset, "target": target, "attack": attack}
        write_arrays(arrays, part / dataset / target / f"{attack}.safetensors", about)
    shutil.rmtree(folder, ignore_errors=True)
    part.replace(folder)


def write_released(study: ReleasedStudy, folder: str | os.PathLike) -> None:
    """Write the inputs of later stages: ``reconstructions/``, ``tables/images.csv`` and ``tables/recognition.csv``.

    Parameters
    ----------
    study : ReleasedStudy
    folder : path-like
    """
    folder = Path(folder)
    write_reconstructions(study, folder / "reconstructions")
    write_table(study.table, folder / "tables" / "images.csv")
    write_table(recognition_of(study.table), folder / "tables" / "recognition.csv")
