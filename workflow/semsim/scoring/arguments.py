"""The arguments of `semsim.score`, checked; messages name arguments, not options of the commands."""

from __future__ import annotations

import numbers
import os
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from semsim.errors import SemsimError
from semsim.scoring.measures import check_names
from semsim.text import quoted

OF_AUDITS = ("model", "out", "originals", "steps", "minutes", "client", "attacker", "defence", "seed", "memory_gib")
"""Arguments of `semsim.audit` that the command ``semsim audit`` has as options of the same names."""
ARGUMENTS = {
    "--skip": "skip=True",
    "--resize": "resize=True",
    "--match": "semsim.match",
    "--metrics": "metrics",
    "--weights": "weights",
    "--pretrained": "pretrained",
    "--batch-size": "batch_size",
    "--semsim": "weights",
    **{f"--{name.replace('_', '-')}": name for name in OF_AUDITS},
}
"""What Python has in place of the options that messages of this package name."""
OPTION = re.compile(rf"(?<!\S)({'|'.join(ARGUMENTS)})(?![\w/-])")


@contextmanager
def in_words_of_python() -> Iterator[None]:
    """Let errors that are raised within name arguments in place of options; it also decorates functions."""
    try:
        yield
    except SemsimError as error:
        raise SemsimError(OPTION.sub(lambda found: ARGUMENTS[found[0]], str(error))) from None


def checked_metrics(metrics: object) -> list[str] | None:
    """Return the names of metrics as a list, or None for all that are available.

    Raises
    ------
    SemsimError
        If these are not names of metrics, or none.
    """
    if metrics is None:
        return None
    if isinstance(metrics, str):
        metrics = [metrics]
    if not isinstance(metrics, Iterable) or isinstance(metrics, bytes):
        raise SemsimError(f"metrics must be names of metrics, but are {quoted(metrics)}.")
    if not (metrics := list(metrics)):
        raise SemsimError("metrics is empty. Leave it out for all that are available.")
    check_names(metrics, "metrics")
    return metrics


def checked_batch_size(batch_size: object) -> int | None:
    """Return the number of pairs at once, or None; raise a SemsimError if it is no such number."""
    whole = isinstance(batch_size, numbers.Integral) and not isinstance(batch_size, bool)
    if batch_size is not None and not (whole and 1 <= batch_size <= sys.maxsize):
        raise SemsimError(f"batch_size must be a whole number of pairs, 1 or more, but is {quoted(batch_size)}.")
    return batch_size


def checked_path(path: object, name: str) -> str | os.PathLike:
    """Return a path or a name of weights; raise a SemsimError if it is neither."""
    if not isinstance(path, str | os.PathLike):
        raise SemsimError(f"{name} must be a path, as a str or a pathlib.Path, but is {quoted(path)}.")
    if not os.fspath(path) or "\0" in os.fspath(path):
        raise SemsimError(f"{name} is not a path, but {quoted(os.fspath(path))}. Name a file or a folder.")
    return path


def checked_flag(flag: object, name: str) -> bool:
    """Return True or False; raise a SemsimError if it is neither."""
    if not isinstance(flag, bool):
        raise SemsimError(f"{name} must be True or False, but is {quoted(flag)}.")
    return flag
