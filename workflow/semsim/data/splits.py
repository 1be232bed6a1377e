"""Assign images to splits, balanced over the classes and determined by the seed alone."""

from __future__ import annotations

from collections import Counter
from itertools import zip_longest
from typing import TYPE_CHECKING, NamedTuple

from semsim.data.dataset import SPLITS
from semsim.errors import SemsimError
from semsim.seeds import seed_for
from semsim.text import counted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from semsim.data.request import Request


class Candidate(NamedTuple):
    """An image that may be chosen: its name in its source, and its class."""

    key: str
    label: int


def class_turns(labels: Iterable[int], *seed_key: int | str) -> list[int]:
    """Return labels in the order in which the classes take turns, a list of int determined by the seed alone."""
    return sorted(labels, key=lambda label: seed_for(*seed_key, "class", label))


def balanced_order(candidates: Iterable[Candidate], *seed_key: int | str) -> list[Candidate]:
    """Shuffle candidates so that the classes take turns.

    Every prefix of the result is as balanced over the classes as their sizes permit. The position of a candidate within
    its class depends on its key and not on the other candidates: one file more or less changes little.

    Parameters
    ----------
    candidates : iterable of Candidate
    *seed_key : int or str
        The study's seed and the name of what is shuffled (`semsim.seeds.seed_for`).

    Returns
    -------
    list of Candidate
    """
    by_class = {}
    for candidate in sorted(candidates, key=lambda candidate: seed_for(*seed_key, candidate.key)):
        by_class.setdefault(candidate.label, []).append(candidate)
    rounds = zip_longest(*(by_class[label] for label in class_turns(by_class, *seed_key)))
    return [candidate for turn in rounds for candidate in turn if candidate is not None]


def choose_splits(
    candidates: list[Candidate],
    request: Request,
    held_out: list[Candidate] | None = None,
    originals: list[Candidate] | None = None,
) -> dict[str, list[Candidate]]:
    """Choose three disjoint splits.

    Without `held_out`, the originals are chosen evenly over the classes; train and public then share the rest of each
    class in proportion to their sizes. With `held_out` (the data set has a training and a test part), the originals are
    held-out images, train comes from `candidates`, and public from what is left of both.

    Parameters
    ----------
    candidates : list of Candidate
    request : semsim.data.request.Request
        Gives the size of each split and the seed.
    held_out : list of Candidate, optional
        Images on which no target model may be trained.
    originals : list of Candidate, optional
        Those of `held_out` that are the originals, instead of drawn ones.

    Returns
    -------
    dict of str to list of Candidate
        By split; in each that is drawn, the classes take turns.

    Raises
    ------
    SemsimError
        If there are fewer candidates than requested.
    """
    seed_key = (request.seed, request.name)
    n_train, n_originals, n_public = (request.counts[split] for split in SPLITS)
    ordered = balanced_order(candidates, *seed_key)
    if held_out is None:
        _require(n_train + n_originals + n_public, ordered, "train + originals + public", request.name)
        originals, rest = ordered[:n_originals], ordered[n_originals:]
        train, public = _deal(rest[: n_train + n_public], n_train, n_public)
        train, public = balanced_order(train, *seed_key), balanced_order(public, *seed_key)
    else:
        ordered_held_out = balanced_order(held_out, *seed_key)
        if originals is not None:
            chosen = set(originals)
            ordered_held_out = originals + [image for image in ordered_held_out if image not in chosen]
            _require(n_originals, originals, "originals (those with a published number)", request.name)
        _require(n_train, ordered, "train (from the training part)", request.name)
        _require(n_originals, ordered_held_out, "originals (from the held-out part)", request.name)
        train, originals = ordered[:n_train], ordered_held_out[:n_originals]
        rest = ordered[n_train:] + ordered_held_out[n_originals:]
        _require(n_public, rest, "public (from what train and originals leave)", request.name)
        public = balanced_order(rest, *seed_key)[:n_public]
    return {"train": train, "originals": originals, "public": public}


def _deal(candidates, n_first, n_second):
    """Deal candidates into two lists, each class in the proportion `n_first` to `n_second` (to within one image)."""
    first, second = [], []
    for position, candidate in enumerate(sorted(candidates, key=lambda candidate: candidate.label), start=1):
        due = position * n_second // (n_first + n_second)
        (second if len(second) < due else first).append(candidate)
    return first, second


def _require(asked, candidates, what, name):
    """Raise a `SemsimError` that says how many images there are if there are fewer than requested."""
    if asked <= len(candidates):
        return
    sizes = Counter(candidate.label for candidate in candidates).values()
    available = f"only {len(candidates)} available"
    if sizes:
        spread = f"{min(sizes)} to {max(sizes)}" if min(sizes) < max(sizes) else f"{min(sizes)}"
        available += f" ({spread} per class in {counted(len(sizes), 'classes')})"
    wanted = counted(asked, "images")
    raise SemsimError(f"data set '{name}': {wanted} requested for {what}, but {available}. Request fewer.")
