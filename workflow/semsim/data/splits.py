"""Which image goes into which split: balanced over the classes, and decided by the seed alone."""

from collections import Counter
from itertools import zip_longest
from typing import NamedTuple

from semsim.data.dataset import SPLITS
from semsim.errors import SemsimError
from semsim.seeds import seed_for


class Candidate(NamedTuple):
    """An image that exists and may be chosen: what it is called where it lies, and its class."""

    key: str
    label: int


def class_turns(labels, *seed_key):
    """Return labels in the order in which the classes take turns, a list of int that the seed alone decides."""
    return sorted(labels, key=lambda label: seed_for(*seed_key, "class", label))


def balanced_order(candidates, *seed_key):
    """Shuffle candidates so that the classes take turns.

    Every beginning of the result is as balanced over the classes as their numbers permit. Where a candidate stands
    in its class depends on its key and not on what else there is: a file more or less changes little.

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


def choose_splits(candidates, request, held_out=None):
    """Choose three disjoint splits.

    Without `held_out` the originals are chosen evenly over the classes; train and public then share what each class has
    left, in the proportion of their numbers. With `held_out` (the data set came with a training and a test part) the
    originals are held-out images, train comes from `candidates`, and public from all that is left of both.

    Parameters
    ----------
    candidates : list of Candidate
    request : semsim.data.request.Request
        How many images each split gets; the seed.
    held_out : list of Candidate, optional
        Images that no target model must be trained on.

    Returns
    -------
    dict of str to list of Candidate
        For each split; in each the classes take turns.

    Raises
    ------
    SemsimError
        If there are fewer candidates than asked for.
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
        _require(n_train, ordered, "train (from the training part)", request.name)
        _require(n_originals, ordered_held_out, "originals (from the held-out part)", request.name)
        train, originals = ordered[:n_train], ordered_held_out[:n_originals]
        rest = ordered[n_train:] + ordered_held_out[n_originals:]
        _require(n_public, rest, "public (from what train and originals leave)", request.name)
        public = balanced_order(rest, *seed_key)[:n_public]
    return {"train": train, "originals": originals, "public": public}


def _deal(candidates, n_first, n_second):
    """Deal `n_first` + `n_second` candidates into two lists, each class in that proportion (to within one image)."""
    first, second = [], []
    for position, candidate in enumerate(sorted(candidates, key=lambda candidate: candidate.label), start=1):
        due = position * n_second // (n_first + n_second)
        (second if len(second) < due else first).append(candidate)
    return first, second


def _require(asked, candidates, what, name):
    """Raise a `SemsimError` that says how many images there are, if there are fewer than asked for."""
    if asked <= len(candidates):
        return
    sizes = Counter(candidate.label for candidate in candidates).values()
    there = f"{len(candidates)} to choose from"
    if sizes:
        spread = f"{min(sizes)} to {max(sizes)}" if min(sizes) < max(sizes) else f"{min(sizes)}"
        there += f", {spread} a class in {len(sizes)} classes"
    raise SemsimError(f"data set '{name}': {asked} images asked for {what}, and there are {there}. Lower the numbers.")
