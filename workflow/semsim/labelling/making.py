"""Creating a campaign: images from a study's reconstructions or from any folder, and the files that go with them."""

from __future__ import annotations

import hashlib
import os
import shutil
import warnings
from collections import Counter
from contextlib import contextmanager
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
import yaml
from jinja2 import Environment, StrictUndefined
from PIL import Image

from semsim.data.dataset import load_classes, load_split
from semsim.data.decoding import read_rgb
from semsim.data.folder import find_images
from semsim.errors import SemsimError
from semsim.io.tables import KEYS, read_table, write_table
from semsim.io.tensors import read_arrays
from semsim.io.texts import read_names
from semsim.labelling.campaign import (
    CHECK_COLUMNS,
    SOURCE,
    CampaignSettings,
    Classes,
    read_campaign_folder,
    read_settings,
)
from semsim.labels.images import IMAGE_COLUMNS, shown_images
from semsim.names import composed, near_twins, why_no_name
from semsim.progress import progress_bar
from semsim.settings import schema_of, validated
from semsim.text import counted, first_few

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from semsim.labelling.campaign import Campaign

TEXTS = files("semsim.labelling") / "texts"
CHECKS_PER_DATASET = 24
"""Number of clear images from which attention checks are drawn."""
LONGEST_SIDE = 1024
"""Maximum side in pixels of images from a folder: more than a page shows."""
TITLE, QUESTION = "What do you see?", "What is in this picture?"


class Material(NamedTuple):
    """What a campaign is made of.

    Attributes
    ----------
    images, checks : pandas.DataFrame
        The columns of ``images.csv`` and ``checks.csv`` without the name, and `picture`: a function that returns the
        image (`PIL.Image.Image`). Images from files also have `source`, their paths.
    classes : dict of str to list of str
        Class names by data set.
    source : str
        Where the images come from, for the data card.
    """

    images: pd.DataFrame
    checks: pd.DataFrame
    classes: dict[str, list[str]]
    source: str


def from_study(
    results: str | os.PathLike,
    per_attack: int | None,
    seed: int,
    only: dict[str, list[str]] | None = None,
    per_rate: int | None = None,
) -> Material:
    """Take reconstructions of a study, and images of its public split for attention checks.

    Public images show the same classes and are never attacked, so no check is the original of a reconstruction.

    Parameters
    ----------
    results : path-like
        ``results/<study>``, with the table of attacks.
    per_attack : int or None
        How many reconstructions to take per data set, target model and attack; None takes all. The originals of a data
        set are used equally often.
    seed : int
    only : dict of str to list of str, optional
        The names to take, by ``dataset``, ``target`` and ``attack``; an empty list or None takes all.
    per_rate : int, optional
        Instead of `per_attack`: how many reconstructions to take per data set and recognition rate in the study.

    Returns
    -------
    Material

    Raises
    ------
    SemsimError
        If files of the study are missing, or it does not have one of the names.
    """
    results = Path(results)
    shown = _restricted(shown_images(read_table(results / "tables" / "attacks.csv")), only or {}, results)
    generator = np.random.default_rng(seed)
    if per_rate is None:
        chosen = choose_reconstructions(shown, per_attack, generator)
    else:
        recognition = read_table(results / "tables" / "recognition.csv")
        chosen = choose_by_rate(shown, recognition, per_rate, generator)
    pictures = []
    for names, rows in chosen.groupby(KEYS[:3], sort=False):
        path = results / "reconstructions" / "/".join(map(str, names))
        arrays = read_arrays(path.with_name(f"{path.name}.safetensors"), "reconstruction")["reconstruction"]
        pictures += [partial(_picture, arrays[original]) for original in rows["original"]]
    files = {dataset: results / "data" / f"{dataset}.safetensors" for dataset in chosen["dataset"].unique()}
    checks = [_clear_images(dataset, file, generator) for dataset, file in files.items()]
    return Material(
        images=chosen.assign(picture=pictures),
        checks=pd.concat(checks, ignore_index=True),
        classes={dataset: list(load_classes(file)) for dataset, file in files.items()},
        source=f"the study `{results.name}`",
    )


def _restricted(shown, only, results):
    """Keep the reconstructions of some data sets, target models and attacks."""
    for key, names in only.items():
        known = shown[key].astype(str)
        if unknown := [name for name in names or () if name not in set(known)]:
            raise SemsimError(
                f"{results}: no reconstruction with {key} {', '.join(unknown)}."
                f" Choose from {', '.join(known.unique())}."
            )
        shown = shown[known.isin(names)] if names else shown
    if shown.empty:
        raise SemsimError(f"{results}: no reconstruction is left to show. Relax the selection.")
    return shown


def choose_reconstructions(shown: pd.DataFrame, per_attack: int | None, generator: np.random.Generator) -> pd.DataFrame:
    """Choose at random for each data set, target model and attack, among the originals used least so far.

    Parameters
    ----------
    shown : pandas.DataFrame
        dataset, target, attack, original and more.
    per_attack : int or None
        None chooses all.
    generator : numpy.random.Generator

    Returns
    -------
    pandas.DataFrame
        Rows of `shown`, grouped by attack. If every attack has every original, the numbers of times that two originals
        of a data set are chosen never differ by more than one.
    """
    used, chosen = Counter(), []
    for (dataset, *_), rows in shown.groupby(KEYS[:3], sort=False):
        rows = rows.sample(frac=1, random_state=generator)
        uses = rows["original"].map(lambda original, dataset=dataset: used[dataset, original])
        rows = rows.iloc[np.argsort(uses, kind="stable")[:per_attack]].sort_values("original")
        used.update((dataset, original) for original in rows["original"])
        chosen.append(rows)
    return pd.concat(chosen, ignore_index=True)


def choose_by_rate(
    shown: pd.DataFrame, recognition: pd.DataFrame, per_rate: int, generator: np.random.Generator
) -> pd.DataFrame:
    """Choose as many reconstructions of each recognition rate at random, so that clear and hopeless ones are alike.

    Parameters
    ----------
    shown : pandas.DataFrame
        dataset, target, attack, original and more.
    recognition : pandas.DataFrame
        The same keys, labels and recognition_rate. Rates are compared to the nearest multiple of 0.1.
    per_rate : int
        Per data set and rate; where there are fewer, all of them.
    generator : numpy.random.Generator

    Returns
    -------
    pandas.DataFrame
        Rows of `shown`, grouped by attack.
    """
    rated = shown.merge(recognition[[*KEYS, "recognition_rate"]], on=KEYS).drop_duplicates(KEYS)
    shuffled = rated.sample(frac=1, random_state=generator)
    chosen = shuffled.groupby(["dataset", shuffled["recognition_rate"].round(1)]).head(per_rate)
    return chosen.sort_values(KEYS, kind="stable")[list(shown)].reset_index(drop=True)


def _clear_images(dataset, file, generator):
    """Choose clear images of a data set, of as many classes as possible."""
    images, labels = load_split(file, "public")
    pictures = [partial(_picture, image) for image in images]
    return _of_many_classes(pd.DataFrame({"dataset": dataset, "label": labels, "picture": pictures}), generator)


def _of_many_classes(table, generator):
    table = table.sample(frac=1, random_state=generator)
    return table.iloc[np.argsort(table.groupby("label").cumcount(), kind="stable")[:CHECKS_PER_DATASET]]


def _picture(array):
    return Image.fromarray(np.ascontiguousarray(array.transpose(1, 2, 0)))


def from_folder(
    folder: str | os.PathLike,
    seed: int,
    most: int | None = None,
    classes: str | os.PathLike | None = None,
    checks: str | os.PathLike | None = None,
) -> Material:
    """Take images from any folder: ``<class>/<image>``, or ``<image>`` if the true class is unknown.

    Parameters
    ----------
    folder : path-like
    seed : int
    most : int, optional
        Take this many images at random.
    classes : path-like, optional
        A text file with one class name per line. Without it, the classes are the folders.
    checks : path-like, optional
        A folder ``<class>/<image>`` of clear images for attention checks, different from those asked about.

    Returns
    -------
    Material
        Target and attack are ``unknown``, and so is the class of an image outside a class folder.

    Raises
    ------
    SemsimError
        If there are no images or no classes, an image is elsewhere, or a class is unknown.
    """
    folder, generator = Path(folder), np.random.default_rng(seed)
    dataset, found = _name_of(folder), _find_images(folder)
    names = read_names(classes) if classes else sorted({_class_of(path, folder) for path in found} - {None})
    if not names and classes:
        raise SemsimError(f"{classes}: empty. Write the names of the classes, one per line.")
    if not names:
        raise SemsimError(f"{folder}: no class folders. Sort images into <class>/<image>, or give --classes FILE.")
    check_classes(names, classes or folder)
    if twins := near_twins(names):
        warnings.warn(f"{folder}: classes {' and '.join(map(repr, twins))} are hard to tell apart.", stacklevel=2)
    images = _labelled(folder, found, names).assign(target="unknown", attack="unknown", original=range(len(found)))
    clear = _labelled(Path(checks), _find_images(Path(checks)), names) if checks else _labelled(folder, [], names)
    if clear["label"].isna().any():
        raise SemsimError(f"{checks}: images outside class folders; a check needs a class: <class>/<image>.")
    return Material(
        images=choose_reconstructions(images.assign(dataset=dataset), most, generator),
        checks=_of_many_classes(clear.assign(dataset=dataset), generator),
        classes={dataset: names},
        source="a folder of images",
    )


def _name_of(folder):
    """Return the name of the data set that a folder is: its own name, wherever it was called from."""
    name = composed(Path(os.path.abspath(folder)).name)
    if not name:
        raise SemsimError(
            f"{folder}: has no name that could be that of the data set. Give a folder in it, or a link to it."
        )
    if reason := why_no_name(name):
        raise SemsimError(
            f"{folder}: its name, {name!r}, would be that of the data set, and {reason}. Rename it, or give a link to"
            " it that has another name."
        )
    return name


def _find_images(folder):
    """Return the image files in a folder and its class folders, and refuse any that are deeper."""
    found = find_images(folder)
    if deep := [path for path in found if len(path.relative_to(folder).parts) > 2]:
        raise SemsimError(f"{deep[0]}: nested too deeply. Put images into {folder}/<class>/ or {folder}/ itself.")
    return found


def check_classes(names: list[str], origin: str | os.PathLike) -> None:
    """Check that a campaign can have these classes.

    Raises
    ------
    SemsimError
        If it cannot, about where they come from.
    """
    validated(Classes, {"classes": names}, f"{origin}: cannot be the classes of a campaign")


def _class_of(path, folder):
    """Return the name of the class folder that an image is in, or None."""
    return composed(path.parent.name) if path.parent != folder else None


def _labelled(folder, paths, names):
    """Return label, picture and source of images; the labels follow from the names of their folders."""
    folders = [_class_of(path, folder) for path in paths]
    if unknown := sorted({name for name in folders if name is not None} - set(names)):
        raise SemsimError(f"{folder}: folder '{unknown[0]}' is not one of the classes: {first_few(names)}.")
    return pd.DataFrame(
        {
            "label": pd.array([None if name is None else names.index(name) for name in folders], dtype="Int64"),
            "picture": [partial(_decoded, path) for path in paths],
            SOURCE: [composed(path.relative_to(folder).as_posix()) for path in paths],
        }
    )


def _decoded(path):
    image = read_rgb(path, LONGEST_SIDE)
    image.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
    return image


def make_campaign(folder: str | os.PathLike, material: Material, **settings: Any) -> Campaign:
    """Write a campaign's folder, completely or not at all.

    Parameters
    ----------
    folder : path-like
        It must not exist yet.
    material : Material
    **settings
        Settings of ``campaign.yaml``; the others have their defaults.

    Returns
    -------
    semsim.labelling.campaign.Campaign

    Raises
    ------
    SemsimError
        If the folder exists, an image cannot be read, a check shows what is also asked about, or a setting is invalid.
    """
    with written_folder(folder) as part:
        _write(part, Path(folder).name, material, settings)
        read_campaign_folder(part)
    return read_campaign_folder(folder)


@contextmanager
def written_folder(folder: str | os.PathLike) -> Iterator[Path]:
    """Give a new folder to write to, which gets its name only if the block ends without an error.

    Raises
    ------
    SemsimError
        If there is a folder of this name, or the block raised it: about the folder of this name.
    """
    folder = Path(folder)
    if folder.exists():
        raise SemsimError(f"{folder}: already exists. Choose another name.")
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        part.mkdir(parents=True)
        yield part
        os.replace(part, folder)
    except SemsimError as error:
        raise SemsimError(str(error).replace(str(part), str(folder))) from None
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _write(folder, name, material, settings):
    (folder / "images").mkdir()
    without_checks = {} if len(material.checks) else {"checks": 0}
    given = {"title": TITLE, "question": QUESTION, **without_checks, **settings, "classes": material.classes}
    write_settings(given, folder)
    images, checks = _write_images(folder / "images", material, given.get("seed", 1))
    write_table(images[[*IMAGE_COLUMNS, *([SOURCE] if SOURCE in images else [])]], folder / "images.csv")
    write_table(checks[CHECK_COLUMNS], folder / "checks.csv")
    settings = read_settings(folder / "campaign.yaml")
    facts = {"name": name, "question": settings.question, "source": material.source}
    facts |= {"images": counted(len(images), "images"), "checks": counted(len(checks), "clear images")}
    facts |= {"has_checks": settings.checks > 0 and len(checks) > 0, "has_repeats": settings.repeats > 0}
    for text in ("CARD.md", "consent.txt", "instructions.txt"):
        (folder / text).write_text(fill_in(text, forced=settings.forced_choice, **facts), encoding="utf-8")


def fill_in(text: str, /, **facts: str | bool) -> str:
    """Return a text of `TEXTS` with facts filled in, and without the sentences that do not hold."""
    environment = Environment(
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True, undefined=StrictUndefined, autoescape=False
    )
    return environment.from_string((TEXTS / text).read_text(encoding="utf-8")).render(facts)


def write_settings(settings: dict, folder: Path) -> None:
    """Write ``campaign.yaml``: these settings, and the defaults of the others, each with its description."""
    (folder / "campaign.yaml").write_text(_commented(settings), encoding="utf-8")


def _write_images(folder, material, seed):
    """Write all images under random numbers, so that names give nothing away; return the tables with these names."""
    count = len(material.images) + len(material.checks)
    digits = max(4, len(str(count)))
    numbers = np.random.default_rng(seed).permutation(count) + 1
    names = [f"{number:0{digits}}.png" for number in numbers]
    images = material.images.assign(image=names[: len(material.images)])
    checks = material.checks.assign(image=names[len(material.images) :])
    with progress_bar(count, "writing images", unit="image") as bar:
        asked = {_write_image(folder, row, bar) for row in images.itertuples()}
        for row in checks.itertuples():
            if _write_image(folder, row, bar) in asked:
                raise SemsimError(
                    f"attention check {getattr(row, SOURCE, row.image)}: shows the same pixels as an image that is"
                    " asked about. Take other images for checks."
                )
    return images.sort_values("image"), checks.sort_values("image")


def _write_image(folder, row, bar):
    """Write an image, and return a digest of its pixels."""
    picture = row.picture()
    picture.save(folder / row.image)
    bar.update()
    return hashlib.blake2b(f"{picture.size}".encode() + picture.tobytes()).digest()


def _commented(settings):
    """Return settings as YAML, each with its description as a comment."""
    rules = schema_of(CampaignSettings)["properties"]
    parts = ["# What annotators are asked. Question and classes cannot change once the first one has been invited.\n"]
    for name, rule in rules.items():
        value = settings.get(name, rule.get("default"))
        flow = None if isinstance(value, dict) else False
        entry = yaml.safe_dump({name: value}, allow_unicode=True, default_flow_style=flow, sort_keys=False, width=110)
        parts.append(f"# {rule['description']}\n{entry}")
    return "\n".join(parts)
