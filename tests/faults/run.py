"""Kill the study, fill its disk and cut its files off: its tables have to come out as if nothing had happened.

README.md beside this file says what is done, how to run it, and how it went last time.
"""

import argparse
import contextlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

HOUSE = Path(__file__).resolve().parents[2]
RESULTS = Path("results/faults")
# The clone has the environment of the repository, which is not to be set up again.
MAKE = ["make", "--old-file=.venv/ready", "CONFIG=config/config.yaml config/smoke.yaml tests/faults/study.yaml"]
COMPARED = ("tables/*.csv", "reconstructions/**/*.csv", "reconstructions/**/*.safetensors")
LEFT_OVER = ("state/**/*.lock", "**/.*.part*")

KILLS = 20
AIMED = 4
"""One kill in so many waits for an attack that has kept its state; the others come at any moment."""
FILES, SECONDS = 60, 3
"""A kill comes when its run has made a random number of files, below the first, and a random part of so many seconds
later: how far a run gets in a given time depends on what else the machine does."""
SHARES_OF_DISK = (0.15, 0.5, 0.8, 0.97)
"""How large the disk is, run after run, in shares of what the study needs."""
ROUNDS = (
    (
        "targets/mnist/mlp.safetensors",
        "reconstructions/mnist/mlp-gaussian/invertgrad.safetensors",
        "reconstructions/mnist/mlp-gaussian/idlg.csv",
    ),
    ("metrics/mnist.parquet", "labels/mnist.csv"),
    ("observers/mnist.csv",),
    ("tables/metrics.csv", "tables/recognition.csv"),
    ("tables/labels.csv", "semsim/ablations/*/trials.csv"),
    ("tables/images.csv", "semsim/within/trials.csv"),
    ("tables/faithfulness.csv",),
    ("tables/scales.csv",),
)
"""What is cut off together, each time of the finished study; those apart would be made anew before they are read."""


class Study:
    """The study in a clone of the repository, of what is committed there.

    Parameters
    ----------
    folder : pathlib.Path
        The clone, made where missing; its runs' output goes to a log beside it.
    """

    def __init__(self, folder):
        self.folder, self.results, self.log = folder, folder / RESULTS, folder.with_suffix(".log")
        if not folder.exists():
            subprocess.run(["git", "clone", "--quiet", HOUSE, folder], check=True)
            (folder / ".venv").symlink_to(HOUSE / ".venv")

    def start(self):
        """Start the study as the leader of a process group."""
        with self.log.open("ab") as log:
            self.begun_at = log.tell()
            self.process = subprocess.Popen(
                MAKE,
                cwd=self.folder,
                env=os.environ | {"COLUMNS": "1000"},  # so that no line is wrapped
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def run(self):
        """Run the study to its end; return the exit status and what it said."""
        self.start()
        status = self.process.wait()
        with self.log.open("rb") as log:
            log.seek(self.begun_at)
            return status, log.read().decode(errors="replace")

    def ends(self, seconds, until=lambda: True):
        """Wait until something is so, and then some seconds; return whether the study has ended meanwhile."""
        while not until() and self.process.poll() is None:
            time.sleep(0.2)
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def kill(self):
        """Kill the study with all its jobs."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        with contextlib.suppress(ProcessLookupError):
            while True:  # killed processes need a moment to end
                os.killpg(self.process.pid, 0)
                time.sleep(0.1)

    def jobs(self):
        """Return what the jobs of the study are doing."""
        listed = subprocess.run(["ps", "-A", "-o", "pgid=,args="], capture_output=True, text=True, check=True).stdout
        jobs = []
        for group, command in (line.split(maxsplit=1) for line in listed.splitlines()):
            found = re.search(r"^\S*python\S* .*scripts/(\w+)\.py ", command)
            if found and int(group) == self.process.pid:
                attacked = re.search(r"attack\.py .* --target (\S+)", command)
                jobs.append(" ".join([found[1], *(attacked.groups() if attacked else ())]))
        return sorted(jobs)

    def states(self):
        """Return the files that keep unfinished attacks."""
        return sorted(path for path in self.results.glob("state/**/*.pt") if path.with_suffix(".lock").exists())

    def results_named(self, patterns):
        """Return the results that match patterns; each has to match some."""
        found = {pattern: sorted(self.results.glob(pattern)) for pattern in patterns}
        if nowhere := [pattern for pattern, paths in found.items() if not paths]:
            self.fail(f"the study has no {', '.join(nowhere)}")
        return [path for paths in found.values() for path in paths]

    def files(self):
        """Return how many files the results have; they may change meanwhile."""
        return sum(len(names) for _, _, names in os.walk(self.results))

    def has_files(self, number):
        """Tell whether the results have so many files."""
        return self.files() >= number

    def attacks_with_state(self):
        """Tell whether an attack is at work that has kept its state."""
        running = self.jobs()
        return any(f"attack {path.parent.name}" in running for path in self.states())

    def finish(self, reference):
        """Run the study to its end, which has to be that of the undisturbed study."""
        if self.run()[0] != 0:
            self.fail("the study stopped")
        return self.compare(reference)

    def fail(self, why):
        """End here: a fault did something that must not be."""
        sys.exit(f"FAILED: {why}. What it said is in {self.log}.")

    def compare(self, reference):
        """Refuse results that are not those of the undisturbed study byte for byte, or left-overs; else say so."""
        ours, theirs = (
            {path.relative_to(results) for pattern in COMPARED for path in results.glob(pattern)}
            for results in (self.results, reference.results)
        )
        problems = [f"{path}: there in one of them only" for path in sorted(ours ^ theirs)]
        problems += [
            f"{path}: differs"
            for path in sorted(ours & theirs)
            if (self.results / path).read_bytes() != (reference.results / path).read_bytes()
        ]
        problems += [f"{path}: left over" for pattern in LEFT_OVER for path in self.results.glob(pattern)]
        if problems or not ours:
            sys.exit("\n  ".join([f"FAILED: {self.results} and {reference.results} are not the same:", *problems]))
        return f"{len(ours)} tables and reconstructions equal those of the undisturbed run"


def kill_often(work, reference):
    """Kill the study at random moments; each next run goes on. Once it is finished, it begins anew."""
    print(f"\n## {KILLS} kills\n\n| chain | kill | after | running | kept states |\n| --- | --- | --- | --- | --- |")
    kills, chain, study = 0, 0, None
    while kills < KILLS or study:
        if study is None:
            chain += 1
            study = Study(work / f"chain-{chain}")
        generator = random.Random(kills)
        files, seconds = study.files() + generator.randrange(FILES), SECONDS * generator.random()
        begun = time.monotonic()
        study.start()
        if kills == KILLS:
            ended = study.ends(None)
        elif (kills + 1) % AIMED == 0:
            ended = study.ends(0, study.attacks_with_state)
        else:
            ended = study.ends(seconds, partial(study.has_files, files))
        if not ended:
            kills += 1
            after, running = time.monotonic() - begun, ", ".join(study.jobs()) or "Snakemake alone"
            study.kill()
            print(f"| {chain} | {kills} | {after:.0f} s | {running} | {len(study.states())} |", flush=True)
        elif study.process.returncode:
            study.fail("the study stopped")
        else:
            print(f"| {chain} | finished | | {study.compare(reference)} | |", flush=True)
            study = None


def fill_disk(work, reference):
    """Run the study on a disk that is too small, make room, and go on."""
    print("\n## A full disk\n")
    study = Study(work / "full-disk")
    study.results.mkdir(parents=True)
    # Files take whole pages.
    needed = sum(-(-path.stat().st_size // 4096) * 4096 for path in reference.results.rglob("*") if path.is_file())
    mount = ["mount", "-t", "tmpfs", "-o", f"size={int(SHARES_OF_DISK[0] * needed)}", "tmpfs", study.results]
    mounted = subprocess.run(mount, capture_output=True, text=True)
    if mounted.returncode:
        print(f"Skipped: no disk could be mounted ({mounted.stderr.strip()}). It takes root on Linux.")
        return
    try:
        for share in SHARES_OF_DISK:
            size = int(share * needed)
            subprocess.run(["mount", "-o", f"remount,size={size}", study.results], check=True)
            status, output = study.run()
            said = [line.strip() for line in output.splitlines() if "No space left on device" in line]
            if status == 0 or not said or "ake room" not in output:
                study.fail(f"no clear message that the disk of {size} bytes is full")
            print(f"- {size / 2**20:.1f} MiB, {share:.0%} of the need: `{said[0]}`", flush=True)
        subprocess.run(["mount", "-o", f"remount,size={10 * needed}", study.results], check=True)
        print(f"- With room: {study.finish(reference)}.", flush=True)
    finally:
        subprocess.run(["umount", study.results], check=True)


def cut_off(paths):
    """Cut files in half."""
    for path in paths:
        os.truncate(path, path.stat().st_size // 2)


def mend(study, paths, reference):
    """Run the study with files that were cut off: it has to name each, and to end well once these are deleted.

    One that the study has made anew, because of another that was deleted, needs no name.
    """
    unnamed, cut = [path.relative_to(study.folder) for path in paths], {path: path.stat().st_size for path in paths}
    while (run := study.run())[0] != 0:
        messages = {path: _message(run[1], path) for path in unnamed}
        found = [path for path in unnamed if messages[path]]
        if not found or "Traceback" in run[1]:
            study.fail(f"no message names one of {', '.join(map(str, unnamed))}")
        for path in found:
            print(f"- `{messages[path]}`", flush=True)
            (study.folder / path).unlink()
            unnamed.remove(path)
    for path in unnamed:
        there = study.folder / path
        if there.is_file() and there.stat().st_size == cut[there]:
            study.fail(f"nobody noticed {path}")
        print(f"- `{path}`: replaced before anyone read it.", flush=True)
    print(f"- Once they were deleted: {study.compare(reference)}.", flush=True)


def _message(output, path):
    """Return the line of a study's output that says to delete a file, or nothing."""
    lines = (line.strip() for line in output.splitlines() if f"{path}: " in line and "delete it" in line.lower())
    return next(lines, "")


def cut_files(work, reference):
    """Cut files in half: whoever reads one has to name it and say to delete it; attacks begin anew by themselves."""
    print("\n## Files that were cut off\n", flush=True)
    study = Study(work / "cut-off")
    study.start()
    study.ends(0, study.states)
    study.kill()
    states, images = study.states(), study.results / "data" / "mnist.safetensors"
    cut_off([*states, images])
    mend(study, [images], reference)
    logs = [log.read_text() for log in study.results.glob("logs/attacks/**/*.log")]
    for path in (path.relative_to(study.folder) for path in states):
        if not any(f"{path}: cannot be read" in log for log in logs):
            study.fail(f"no log says that {path} cannot be read")
        print(f"- `{path}`: its attack said so in its log, and began anew.", flush=True)
    finished = work / "finished"
    shutil.copytree(study.results, finished)
    for names in ROUNDS:
        # All of it again: files that only others were made from stay away once they are deleted.
        shutil.rmtree(study.results)
        shutil.copytree(finished, study.results)
        paths = study.results_named(names)
        cut_off(paths)
        mend(study, paths, reference)


FAULTS = {"kills": kill_often, "full-disk": fill_disk, "cut-off": cut_files}


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("work", type=Path, help="folder to work in; an undisturbed run that is there is used again")
    parser.add_argument("faults", nargs="*", metavar="FAULT", help=f"{', '.join(FAULTS)} (default: all of them)")
    arguments = parser.parse_args()
    work, faults = arguments.work.absolute(), arguments.faults or [*FAULTS]
    if unknown := set(faults) - set(FAULTS):
        parser.error(f"no such fault: {', '.join(sorted(unknown))}. There are {', '.join(FAULTS)}.")
    work.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    reference = Study(work / "undisturbed")
    if reference.run()[0] != 0:
        reference.fail("the undisturbed study stopped")
    for name in faults:
        FAULTS[name](work, reference)
    print(f"\nAll of this held, in {(time.monotonic() - begun) / 60:.0f} minutes.")


if __name__ == "__main__":
    main()
