"""The files of a campaign, written from what it is made of: completely or not at all."""

from __future__ import annotations

import hashlib
import os
import shutil
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import yaml
from jinja2 import Environment, StrictUndefined

from semsim.errors import SemsimError
from semsim.io.tables import write_table
from semsim.labelling.campaign import (
    CHECK_COLUMNS,
    SOURCE,
    CampaignSettings,
    read_campaign_folder,
    read_settings,
)
from semsim.labelling.material import Material
from semsim.labels.images import IMAGE_COLUMNS
from semsim.progress import progress_bar
from semsim.text import counted
from semsim.validation import schema_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from semsim.labelling.campaign import Campaign

TEXTS = files("semsim.labelling") / "texts"
TITLE, QUESTION = "What do you see?", "What is in this picture?"


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
                    " asked about. Use other images for checks."
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
