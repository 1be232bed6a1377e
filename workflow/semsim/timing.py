"""The remaining time of a run of the workflow, estimated from the durations of jobs in an earlier run and in this one.

Knows of Snakemake what it says in its log: records with an ``event`` and what belongs to it.
"""

from __future__ import annotations

import csv
import logging
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from semsim.io.whole import written_whole

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping

COLUMNS = ("rule", "seconds")
EVERY_SECONDS = 20
"""How often the time left is said."""
TRUSTED_SECONDS = 60
"""Of jobs that this run must have finished to be taken as seriously, in how fast it is, as the earlier run."""


class TimeLeft:
    """What a run still takes.

    Parameters
    ----------
    jobs : dict of str to int
        How many jobs of each rule the run has.
    known : dict of str to float
        The mean seconds of a job by rule, in an earlier run.
    cores : int
        How many jobs run at once.

    Examples
    --------
    >>> left = TimeLeft({"draw": 2, "train": 1}, {"draw": 5, "train": 20}, cores=2)
    >>> left.seconds(now=0)
    15.0
    """

    def __init__(self, jobs: Mapping[str, int], known: Mapping[str, float], cores: int):
        self._left, self._known, self._cores = Counter(jobs), known, cores
        self._running = {}
        self._took = defaultdict(list)

    def start(self, job: int, rule: str, now: float) -> None:
        """Note that a job begins."""
        self._running[job] = rule, now

    def finish(self, job: int, now: float) -> None:
        """Note that a job has ended well; nothing is known of one whose beginning was not noted."""
        if job in self._running:
            rule, began = self._running.pop(job)
            self._left[rule] -= 1
            self._took[rule].append(now - began)

    def fail(self, job: int) -> None:
        """Note that a job has not; it may begin again."""
        self._running.pop(job, None)

    def means(self) -> dict[str, float]:
        """Return the mean seconds of a job by rule, of those that have ended."""
        return {rule: sum(seconds) / len(seconds) for rule, seconds in self._took.items()}

    def seconds(self, now: float) -> float | None:
        """Return the time left, or None as long as nothing is known about any rule."""
        expected = self._expected()
        if not expected:
            return None
        usual = sum(expected.values()) / len(expected)
        waiting = sum(count * expected.get(rule, usual) for rule, count in self._left.items())
        done = sum(min(now - began, expected.get(rule, usual)) for rule, began in self._running.values())
        return (waiting - done) / self._cores

    def _expected(self):
        """Return the seconds of a job by rule: those of this run, or known ones at the pace of this run."""
        took = [
            (seconds, self._known[rule])
            for rule, times in self._took.items()
            for seconds in times
            if rule in self._known
        ]
        here, there = (TRUSTED_SECONDS + sum(column) for column in (zip(*took, strict=True) if took else ((), ())))
        return {rule: seconds * here / there for rule, seconds in self._known.items()} | self.means()


class SayTimeLeft(logging.Handler):
    """Says the time left, of a run of which it is shown the log, and writes down what jobs took.

    Parameters
    ----------
    path : path-like
        A table of what jobs took: read first, and written when the run ends.
    otherwise : path-like
        Such a table of another study, for rules that the first has not.
    cores : int
    say : callable
        Takes each sentence.
    """

    def __init__(
        self, path: str | os.PathLike, otherwise: str | os.PathLike, cores: int, say: Callable[[str], object] = print
    ):
        super().__init__()
        self._path, self._cores, self._say = Path(path), cores, say
        self._known = read_seconds(otherwise) | read_seconds(path)
        self._left, self._said_at = None, None

    def emit(self, record: logging.LogRecord) -> None:
        """Take notice of one record."""
        event, now = str(getattr(record, "event", "")), time.monotonic()
        if event == "run_info" and self._left is None:
            jobs = {rule: count for rule, count in record.stats.items() if rule != "total"}
            self._left = TimeLeft(jobs, self._known, self._cores)
            self._say_left(now)
        elif self._left is None:
            return
        elif event == "job_info":
            self._left.start(record.jobid, record.rule_name, now)
        elif event == "job_error":
            self._left.fail(record.jobid)
        elif event == "job_finished":
            self._left.finish(record.job_id, now)
            if self._said_at is None or now - self._said_at >= EVERY_SECONDS:
                self._say_left(now)

    def _say_left(self, now):
        seconds = self._left.seconds(now)
        if seconds is not None:
            minutes, rest = divmod(round(max(seconds, 0)), 60)
            self._say(f"{minutes}:{rest:02} left")
            self._said_at = now

    def close(self) -> None:
        """Write down what jobs took."""
        if self._left is not None and (means := self._left.means()):
            write_seconds(read_seconds(self._path) | means, self._path)
            self._left = None
        super().close()


def read_seconds(path: str | os.PathLike) -> dict[str, float]:
    """Return the mean seconds of a job by rule; nothing of a table that is not there or not readable."""
    try:
        with Path(path).open(newline="", encoding="utf-8") as file:
            return {row["rule"]: float(row["seconds"]) for row in csv.DictReader(file)}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def write_seconds(seconds: Mapping[str, float], path: str | os.PathLike) -> None:
    """Write the mean seconds of a job by rule."""
    with written_whole(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        table.writerows((rule, f"{each:.3g}") for rule, each in sorted(seconds.items()))
