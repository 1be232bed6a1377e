"""A campaign's folder: what annotators are asked and shown, read and checked."""

import hashlib
import json
import re
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path

import pandas as pd
import yaml

from semsim.errors import SemsimError
from semsim.io.tables import read_table
from semsim.labels.images import IMAGE_COLUMNS
from semsim.schemas import fill_defaults, problems_with, read_schema
from semsim.text import first_few

SCHEMA = files("semsim.labelling") / "campaign.schema.yaml"
CHECK_COLUMNS = ["image", "dataset", "label"]
IMAGE_NAME = re.compile(r"\w[\w.-]*\.png")
"""A file in ``images/``, and never a path."""


def campaign_folder(name):
    """Return the folder of a campaign given on the command line: a bare name is a folder in ``annotations/``."""
    return Path(name) if len(Path(name).parts) > 1 or Path(name).is_absolute() else Path("annotations") / name


@dataclass(frozen=True)
class Campaign:
    """A campaign that can be served.

    Attributes
    ----------
    folder : pathlib.Path
    settings : dict
        ``campaign.yaml``, checked and with all defaults filled in.
    images : pandas.DataFrame
        The images asked about: image, dataset, target, attack, original, label (the true class).
    checks : pandas.DataFrame
        Clear images of the same classes: image, dataset, label.
    consent, instructions : str
        Plain text that the page shows.
    """

    folder: Path
    settings: dict
    images: pd.DataFrame
    checks: pd.DataFrame
    consent: str
    instructions: str

    @property
    def database(self):
        """The database of answers."""
        return self.folder / "answers.sqlite"

    @property
    def classes(self):
        """The names of the classes by data set."""
        return self.settings["classes"]

    @cached_property
    def datasets(self):
        """The data set of each image, including checks."""
        both = pd.concat([self.images, self.checks])
        return dict(zip(both["image"], both["dataset"], strict=True))

    @property
    def images_each(self):
        """How many images an annotator is asked about, as long as enough need labels."""
        return min(self.settings["images_per_annotator"] or len(self.images), len(self.images))

    def path_of(self, image):
        """Return the file of an image."""
        return self.folder / "images" / image

    def has_image(self, image):
        """Return whether a name is that of a PNG file in ``images/``."""
        return bool(IMAGE_NAME.fullmatch(image)) and self.path_of(image).is_file()

    @cached_property
    def fingerprint(self):
        """A hash of what must not change once there are answers: the images and the numbers of the classes."""
        parts = [self.classes, self.images.to_csv(index=False), self.checks.to_csv(index=False)]
        return hashlib.blake2b(json.dumps(parts).encode(), digest_size=16).hexdigest()


def read_campaign_folder(folder):
    """Read a campaign and refuse an invalid one.

    Parameters
    ----------
    folder : path-like
        As written by `semsim.labelling.making` and described in annotations/README.md.

    Returns
    -------
    Campaign

    Raises
    ------
    SemsimError
        If a file is missing or invalid; the message names it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise SemsimError(f"{folder}: no such campaign. Make it with: semsim label new {folder.name} --study STUDY")
    campaign = Campaign(
        folder=folder,
        settings=read_settings(folder / "campaign.yaml"),
        images=_read_images(folder / "images.csv", IMAGE_COLUMNS),
        checks=_read_images(folder / "checks.csv", CHECK_COLUMNS),
        consent=_read_text(folder / "consent.txt"),
        instructions=_read_text(folder / "instructions.txt"),
    )
    problems = list(_problems(campaign))
    if problems:
        raise SemsimError("\n  ".join([f"{folder}: not a valid campaign:", *problems]))
    return campaign


def read_settings(path):
    """Read ``campaign.yaml``, check it, and fill in the defaults.

    Raises
    ------
    SemsimError
        If it cannot be read or breaks a rule of ``workflow/semsim/labelling/campaign.schema.yaml``.
    """
    try:
        settings = yaml.safe_load(_read_text(path))
    except yaml.YAMLError as error:
        raise SemsimError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    schema = read_schema(SCHEMA)
    problems = list(problems_with(settings, schema))
    if problems:
        raise SemsimError("\n  ".join([f"{path} is not valid:", *problems]))
    fill_defaults(settings, schema)
    return settings


def _read_text(path):
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise SemsimError(f"{path}: cannot be read ({error.strerror}). Every campaign has this file.") from None
    except UnicodeDecodeError:
        raise SemsimError(f"{path}: not UTF-8 text. Save it in that encoding.") from None


def _read_images(path, columns):
    table = read_table(path)
    if list(table) != columns:
        raise SemsimError(f"{path}: its columns are {', '.join(table)}. Needed are {', '.join(columns)}.")
    names = [name for name in columns if name not in ("original", "label")]
    return table.astype(dict.fromkeys(names, str))


def _problems(campaign):
    """Yield everything that is inconsistent."""
    if campaign.images.empty:
        yield "images.csv: no images, so there is nothing to ask."
    for name, table in (("images.csv", campaign.images), ("checks.csv", campaign.checks)):
        numbers = {dataset: len(names) for dataset, names in campaign.classes.items()}
        counts = table["dataset"].map(numbers).astype(float)
        files = table["image"].map(campaign.has_image).astype(bool)
        yield from _listed(f"{name}: no such PNG file in images/", table["image"][~files])
        yield from _listed(f"{name}: listed twice", table["image"][table["image"].duplicated()])
        yield from _listed(f"{name}: data sets without classes in campaign.yaml", table["dataset"][counts.isna()])
        wrong = counts.notna() & ~(table["label"].isna() | table["label"].between(0, counts - 1))
        yield from _listed(f"{name}: not of a class that campaign.yaml has", table["image"][wrong])
    shared = campaign.checks["image"][campaign.checks["image"].isin(campaign.images["image"])]
    yield from _listed("checks.csv: also in images.csv, so checks and questions could not be told apart", shared)


def _listed(what, values):
    values = list(dict.fromkeys(values))
    if values:
        yield f"{what}: {first_few(values)}."
