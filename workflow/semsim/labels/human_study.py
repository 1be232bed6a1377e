"""The published human labels of CIFAR-100 reconstructions, converted to this project's tables.

Five people named what they saw in 8,400 reconstructions: those of the same 600 originals from 14 target models.

References
----------
Sun, Gazagnadou, Sharma, Lyu, Li, Zheng: "Privacy Assessment on Reconstructed Images: Are Existing Evaluation Metrics
Faithful to Human Perception?", NeurIPS 2023.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from semsim.errors import SemsimError
from semsim.io.cache import cache_folder
from semsim.io.pickles import load_builtins
from semsim.io.tables import KEYS
from semsim.labels.table import COLUMNS, name_images

if TYPE_CHECKING:
    import os

FILE = "label_dict_complete.pkl"
URL = f"https://raw.githubusercontent.com/gparrella12/SemSim/c6e4e07f5d7e3af91e9e2ad90f233ba69cea1e72/{FILE}"
CHECKSUM = "sha256:2d026ac54edb4e73eebe5e7782b65eee58eb7270bed45a7db7ae7d30e2a95820"

SIZE = 3_015_680
"""In bytes."""

DATASET, ATTACK, CLASSES, SIDE = "cifar100", "invertgrad", 100, 32

NOT_OURS = "published value, whose settings are not documented"
SCALES = pd.DataFrame(
    [
        ("mse", "MSE", "", 0, 1, False, ""),
        ("psnr", "PSNR", "dB", 0, np.inf, True, ""),
        ("ssim", "SSIM", "", -1, 1, True, NOT_OURS),
        ("lpips", "LPIPS", "", 0, np.inf, False, NOT_OURS),
        ("dreamsim", "DreamSim", "", 0, np.inf, False, NOT_OURS),
        ("retrained_semsim", "SemSim, retrained", "", 0, np.inf, False, "by a model that was trained after the paper"),
    ],
    columns=["metric", "label", "unit", "low", "high", "higher_is_better", "caveat"],
).assign(access="images")
"""How to read the metrics of the file, as `semsim.metrics.describe_scales` does for those of this project.

`retrained_semsim` is the file's ``semsim``, computed with a model that the publisher of the file trained, not the
paper's authors.
"""
OTHER_ORDER = ("resnet20-3-1-7", "resnet20-plain")
"""Target models whose lists of labels seem to be in another order of annotators.

In them the first place recognises more than the others (by 0.04 and 0.11), in the other twelve it recognises less (by
0.15 to 0.36). Each original was labelled 14 times, so a place need not be one person.
"""
HIGHER_IS_BETTER = SCALES.set_index("metric")["higher_is_better"].to_dict()

MODEL = re.compile(
    r"(?P<architecture>ConvNet|ResNet20)(-4)?_200_inversed_(?P<crop>aug|crop)_auglist_(?P<policy>[-+\d]*)_rlabel_False"
    r"(_defense_(?P<defence>gaussian|prune)_(?P<strength>1e-3|70))?"
)
ENTRY = re.compile(r"(?P<number>\d+)_(?P<label>\d+)_gt\.txt")


class HumanStudy(NamedTuple):
    """The tidy tables of the study: `labels` and `metrics` in the project's format, and the keys that join them."""

    labels: pd.DataFrame
    metrics: pd.DataFrame
    images: pd.DataFrame
    targets: pd.DataFrame


def find_labels(mirror: str | os.PathLike | None = None) -> Path:
    """Return the path of the label file: in the mirror if there is one, else downloaded to the shared cache.

    Parameters
    ----------
    mirror : path-like, optional
        A folder with the file in ``annotations/``.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    SemsimError
        If the mirror lacks the file, the download fails, or the file is not the pinned one (SHA-256).
    """
    from semsim.data.download import fetch  # which needs packages that only the data environment has

    if mirror is None:
        return fetch(cache_folder() / "human_study" / FILE, CHECKSUM, URL, SIZE)
    path = Path(mirror) / "annotations" / FILE
    if not path.is_file():
        raise SemsimError(f"{path}: no such file. Put it there (from {URL}), or unset the mirror to download it.")
    return fetch(path, CHECKSUM)


def read_human_study(path: str | os.PathLike) -> HumanStudy:
    """Read the published file.

    Parameters
    ----------
    path : path-like
        The file that `find_labels` returns.

    Returns
    -------
    HumanStudy
        As `tables_of` describes it: 42,000 labels of 8,400 reconstructions.

    Raises
    ------
    SemsimError
        If the file is not the pinned one, or contains anything but builtin values.
    """
    from semsim.data.download import fetch

    return tables_of(load_builtins(fetch(Path(path), CHECKSUM)))


def tables_of(published: dict) -> HumanStudy:
    """Convert the content of the file to tables.

    Parameters
    ----------
    published : dict
        ``{model: {"<k>_<class>_gt.txt": {"labels": [5 ints], "metrics": {name: value}, ...}}}``; image <k> is the k-th
        of CIFAR-100's test images, counted from 1.

    Returns
    -------
    HumanStudy
        labels : image, annotator, kind, label, seconds, given_at. The annotators are the positions in the published
        lists, ``annotator-1`` to ``annotator-5``. It is not documented that a position is the same person throughout,
        but the differences between positions are the same for nearly every target model. The file has no times.
        metrics : dataset, target, attack, original, label (the true class), reference, and one column per metric.
        `original` counts CIFAR-100's test images from 0. The reference is always ``original``: the published values
        compare with the image before augmentation. `mse` is divided by 255 squared, to lie in [0, 1].
        images : image, dataset, target, attack, original, label.
        targets : target, architecture, augmentation, gradient_defence, published_name.

    Raises
    ------
    SemsimError
        If a name of a model or an image does not have the published form.
    """
    targets = pd.DataFrame([describe_model(name) for name in published])
    shown, entries = [], []
    for target, (_, by_image) in zip(targets["target"], published.items(), strict=True):
        for name, entry in by_image.items():
            found = _match(ENTRY, name, "an image")
            shown.append({"target": target, "original": int(found["number"]) - 1, "label": int(found["label"])})
            entries.append(entry)
    images = pd.DataFrame(shown).assign(dataset=DATASET, attack=ATTACK)[[*KEYS, "label"]]
    images.insert(0, "image", name_images(images))
    return HumanStudy(_labels(images, entries), _metrics(images, entries), images, targets)


def clear_originals(images: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Read the clear originals of the published study from CIFAR-100's own archive; other sources have no order.

    Parameters
    ----------
    images : pandas.DataFrame
        From `tables_of`: original, label.

    Returns
    -------
    originals : numpy.ndarray
        Their numbers, [N], in order.
    pixels : numpy.ndarray
        uint8 [N, 3, 32, 32].

    Raises
    ------
    SemsimError
        If the archive is not available, or its images are of other classes.
    """
    from semsim.data.prepare import prepare_dataset

    shown = images.drop_duplicates("original").sort_values("original")
    numbers = shown["original"].tolist()
    settings = {"kind": DATASET, "originals": len(numbers), "train": 2, "public": 1}
    originals = prepare_dataset(DATASET, settings, SIDE, seed=1, numbers=numbers).splits["originals"]
    if (originals.labels != shown["label"]).any():
        raise SemsimError(f"{DATASET}: its test images are of other classes than the published labels say.")
    return np.array(numbers), originals.images


def _labels(images, entries):
    """Return the table of labels: one row per position in the list of each image."""
    labels = images[["image"]].assign(label=[entry["labels"] for entry in entries]).explode("label", ignore_index=True)
    place = labels.groupby("image").cumcount() + 1
    labels["annotator"] = "annotator-" + place.astype(str)
    return labels.astype({"label": int}).assign(kind="human", seconds=None, given_at=None)[COLUMNS]


def _metrics(images, entries):
    """Return the table of metrics, with the names and units of this project."""
    values = pd.DataFrame([entry["metrics"] for entry in entries]).rename(columns={"semsim": "retrained_semsim"})
    values["mse"] /= 255**2
    keys = images.drop(columns="image").assign(reference="original")
    return pd.concat([keys, values[[*HIGHER_IS_BETTER]]], axis=1)


def describe_model(published_name: str) -> dict:
    """Describe a target model by its published name.

    Parameters
    ----------
    published_name : str
        For instance ``ConvNet_200_inversed_crop_auglist__rlabel_False_defense_prune_70``.

    Returns
    -------
    dict
        target (the short name used here), architecture, augmentation, gradient_defence (kind and strength, or "none"),
        published_name.

    Raises
    ------
    SemsimError
        If the name has another form.

    Examples
    --------
    >>> describe_model("ConvNet_200_inversed_crop_auglist__rlabel_False_defense_prune_70")["target"]
    'convnet-crop-prune'
    >>> describe_model("ResNet20-4_200_inversed_aug_auglist_3-1-7_rlabel_False")["target"]
    'resnet20-3-1-7'
    """
    found = _match(MODEL, published_name, "a target model")
    architecture = found["architecture"].lower()
    augmentation = found["policy"] or ("crop" if found["crop"] == "crop" else "none")
    defence = found["defence"]
    return {
        "target": "-".join([architecture, augmentation.replace("none", "plain"), *([defence] if defence else [])]),
        "architecture": architecture,
        "augmentation": augmentation,
        "gradient_defence": f"{defence} {found['strength']}" if defence else "none",
        "published_name": published_name,
    }


def _match(pattern, name, what):
    """Match a whole name, or raise an error that it is not a published one."""
    found = pattern.fullmatch(name)
    if found is None:
        raise SemsimError(f"{name!r} is not a published name of {what}; these have the form {pattern.pattern}.")
    return found
