"""The kinds of data sets by name: where images come from."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from semsim.data.digits import read_digits
from semsim.data.folder import read_folder
from semsim.data.published import PUBLISHED, read_published
from semsim.data.rendering import GLYPHS, LETTERS, render


@dataclass(frozen=True)
class Kind:
    """One kind of data set.

    Attributes
    ----------
    read : callable
        Takes a `semsim.data.request.Request`; returns the class names and a `Split` for each of `SPLITS`.
    about : str
        What its images are, for the manual.
    has_path : bool
        Whether its settings have a path.
    published : bool
        Whether it is downloaded, unless the mirror has it as ``<kind>.zip``.
    """

    read: Callable
    about: str
    has_path: bool = False
    published: bool = False


KINDS = {
    "glyphs": Kind(partial(render, GLYPHS), "everyday symbols in colour on photographs"),
    "letters": Kind(partial(render, LETTERS), "upper-case letters in colour on photographs"),
    "mnist": Kind(read_digits, "handwritten digits, 3,500 of them"),
    "folder": Kind(read_folder, "your own images", has_path=True),
    **{
        kind: Kind(partial(read_published, kind), f"[published]({each.page})", published=True)
        for kind, each in PUBLISHED.items()
    },
}
"""All kinds by name. A new kind is an entry here; one that is downloaded is an entry of `PUBLISHED`."""
