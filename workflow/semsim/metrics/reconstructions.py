"""The reconstructions of one attack on one target model, read from their two files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from semsim.errors import SemsimError
from semsim.io.stored_arrays import StoredArray, open_arrays, same_rows
from semsim.io.tables import KEYS, read_table
from semsim.io.tensors import blocks, read_metadata

if TYPE_CHECKING:
    import os

REFERENCES = ("attacked", "original")
"""What a reconstruction is compared with: the input of the model, or the image before augmentation."""
IDENTITY = [*KEYS, "label"]
"""The columns that identify a reconstruction, and its true class."""


@dataclass(frozen=True)
class Reconstructions:
    """One attack on one target model, with one row per original.

    Attributes
    ----------
    dataset, target, attack : str
    table : pandas.DataFrame
        One row per original: `IDENTITY`, status (finished, converged or diverged), steps, cost and more.
    images : dict of str to semsim.io.stored_arrays.StoredArray
        ``original``, ``attacked`` and ``reconstruction``, uint8 [N, 3, S, S] in the order of the table; they stay in
        their file until they are indexed.
    """

    dataset: str
    target: str
    attack: str
    table: pd.DataFrame
    images: dict[str, StoredArray]

    @property
    def diverged(self) -> np.ndarray:
        """Which reconstructions diverged and are not scored: bool [N]."""
        return (self.table["status"] == "diverged").to_numpy()

    @property
    def augmented(self) -> bool:
        """Whether the attacked images differ from the originals."""
        return not same_rows(self.images["attacked"], self.images["original"])


def read_reconstructions(path: str | os.PathLike, table_path: str | os.PathLike) -> Reconstructions:
    """Read the output of the attack stage.

    Parameters
    ----------
    path : path-like
        The images, a safetensors file.
    table_path : path-like
        The table, one row per original.

    Returns
    -------
    Reconstructions

    Raises
    ------
    SemsimError
        If a file is missing or damaged, or the two do not belong together.
    """
    metadata = read_metadata(path)
    arrays = open_arrays(path, *REFERENCES, "reconstruction", "label")
    table = read_table(table_path)
    missing = [column for column in [*IDENTITY, "status"] if column not in table.columns]
    if missing:
        raise SemsimError(
            f"{table_path}: not a table of reconstructions, lacks {', '.join(missing)}. Run the attack again."
        )
    names = {key: metadata[key] for key in ("dataset", "target", "attack")}
    same_names = all((table[key].astype(str) == name).all() for key, name in names.items())
    if not same_names or not np.array_equal(table["label"], arrays.pop("label")[:]):
        raise SemsimError(
            f"{table_path}: its rows are not those of {path}. Give the table of the same attack, or run it again."
        )
    return Reconstructions(**names, table=table, images=arrays)


def open_by_attack(paths: list[str | os.PathLike]) -> dict[tuple[str, str], dict[str, StoredArray]]:
    """Open the images of several attacks, without reading them.

    Parameters
    ----------
    paths : list of path-like
        The safetensors files of the attack stage, for one data set.

    Returns
    -------
    dict of (str, str) to dict of str to semsim.io.stored_arrays.StoredArray
        By target model and attack, the arrays by name.
    """
    return {(about["target"], about["attack"]): open_arrays(path) for path in paths if (about := read_metadata(path))}


def check_originals(reconstructions: Reconstructions, originals: np.ndarray | StoredArray) -> None:
    """Raise an error if reconstructions were made from other originals than these.

    Parameters
    ----------
    reconstructions : Reconstructions
    originals : numpy.ndarray or semsim.io.stored_arrays.StoredArray
        uint8 [N, 3, S, S], the split ``originals`` of the data set.

    Raises
    ------
    SemsimError
        If an image differs or is missing.
    """
    places, stored = reconstructions.table["original"].to_numpy(), reconstructions.images["original"]
    if places.max(initial=-1) >= len(originals) or not all(
        np.array_equal(stored[rows], originals[places[rows]]) for rows in blocks(stored)
    ):
        raise SemsimError(
            f"{reconstructions.dataset}/{reconstructions.target}/{reconstructions.attack}: these reconstructions are of"
            " originals that the data set does not have. Run the attack again, or give the data set that was attacked."
        )
