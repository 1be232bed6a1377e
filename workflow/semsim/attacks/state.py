"""How far an attack has come, on disk: a run resumes from it after a kill, and one process at a time works on it."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path
from typing import Self

import torch
from filelock import FileLock, Timeout

from semsim.attacks.engine import Outcome, Search
from semsim.errors import SemsimError
from semsim.io.whole import written_whole

log = logging.getLogger(__name__)

SAVE_EVERY_SECONDS = 30


class RunState:
    """The outcomes of finished shares and the search that is under way: a context manager, which reads them.

    Parameters
    ----------
    path : path-like or None
        The file that keeps them. Within the block, no other process works on it. None keeps nothing.
    fingerprint : str
        A digest of everything that decides how the run goes. The state of another run is not used.

    Attributes
    ----------
    outcomes : list of semsim.attacks.engine.Outcome
    search : dict or None
        The `Search.state_dict` of the share under way, if it was saved.

    Raises
    ------
    SemsimError
        On entry, if another process works on the file.
    """

    def __init__(self, path: str | os.PathLike | None, fingerprint: str):
        self.path = Path(path) if path else None
        self.fingerprint = fingerprint
        self.outcomes: list[Outcome] = []
        self.search: dict | None = None
        self._saved_at = time.monotonic()

    def __enter__(self) -> Self:
        if self.path:
            self._claim()
            if self.path.exists():
                self._load()
        return self

    def __exit__(self, *error):
        if self.path:
            self._lock.release()
            Path(self._lock.lock_file).unlink(missing_ok=True)

    def _claim(self):
        """Refuse to work beside another process: a killed workflow can leave its attacks running."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(self.path.with_suffix(".lock"))
        try:
            self._lock.acquire(timeout=0)  # the system lets go of it when the process ends
        except Timeout:
            raise SemsimError(
                f"{self.path}: another process is running this attack, perhaps left over from a run that was killed."
                " Wait for it or stop it, then run again."
            ) from None

    def _load(self):
        try:
            with self.path.open("rb") as file:
                state = torch.load(file, weights_only=True, map_location="cpu")
        except Exception as error:  # whatever is wrong with it, a state that cannot be read only costs time
            log.warning("%s: cannot be read (%s); starting again.", self.path, error)
            return
        if state.get("fingerprint") != self.fingerprint:
            log.warning("%s: of another run; starting again.", self.path)
            return
        self.outcomes = [Outcome(**outcome) for outcome in state["outcomes"]]
        self.search = state["search"]

    def keep(self, search: Search) -> None:
        """Save the search if it is time to."""
        if time.monotonic() - self._saved_at >= SAVE_EVERY_SECONDS:
            self._save(search.state_dict())

    def finish_share(self, outcome: Outcome) -> None:
        """Add a finished share, and save."""
        self.outcomes.append(outcome)
        self.search = None
        self._save(None)

    def _save(self, search):
        if self.path is None:
            return
        outcomes = [vars(outcome) for outcome in self.outcomes]
        # PyTorch, given a name instead of a file, does not say why it could not write.
        with written_whole(self.path) as part, part.open("wb") as file:
            torch.save({"fingerprint": self.fingerprint, "outcomes": outcomes, "search": search}, file)
        self._saved_at = time.monotonic()
