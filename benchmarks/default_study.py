"""What the jobs of a finished study took, from what Snakemake noted of each: one JSON line. Nothing is run again.

    python benchmarks/default_study.py
    python benchmarks/default_study.py --study real-small

`cpu_seconds` are those of all jobs that a rule's `benchmark` notes, by stage as well (the folder or file in
`results/<study>/benchmarks/`). `start` is what a job pays before it does anything: the CPU-seconds of a process that
imports PyTorch and pandas, measured here, and the share of all that the jobs pay together. On busy cores, CPU-seconds
are up to a third larger; compare runs on the same machine.
"""

import argparse
import json
import resource
import subprocess
import sys
from pathlib import Path

import pandas as pd


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", default="demo")
    folder = Path("results") / parser.parse_args().study / "benchmarks"
    jobs = read_jobs(folder)
    if jobs.empty:
        parser.error(f"{folder}: nothing noted. Run the study first.")
    total, start = jobs["cpu_time"].sum(), start_seconds()
    stages = jobs.groupby("stage")["cpu_time"].sum().sort_values(ascending=False)
    line = {
        "study": folder.parent.name,
        "jobs": len(jobs),
        "cpu_seconds": round(total),
        "start_seconds": round(start, 1),
    }
    line |= {"start_share": round(len(jobs) * start / total, 2), "by_stage": stages.round().astype(int).to_dict()}
    print(json.dumps(line))


def read_jobs(folder):
    """Return a row for each job: stage, and the columns of Snakemake's benchmarks."""
    tables = [
        pd.read_csv(path, sep="\t").assign(stage=path.relative_to(folder).parts[0].removesuffix(".tsv"))
        for path in sorted(folder.rglob("*.tsv"))
    ]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def start_seconds():
    """Return the CPU-seconds of a process that imports what nearly all jobs do."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", "import pandas, torch"], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
