"""What the jobs of a finished study took, from what Snakemake noted of each: one JSON line. Nothing is run again.

    python benchmarks/default_study.py
    python benchmarks/default_study.py --study real-small

`seconds` are those of all jobs that a rule's `benchmark` notes, together and by stage (the folder or file in
`results/<study>/benchmarks/`). Jobs have one thread each, so on idle cores they are CPU-seconds; Snakemake's own
`cpu_time` misses the last half minute of a job. `start` is what a job pays before it does anything: the CPU-seconds of
a process that imports PyTorch and pandas, measured here, and the share of all that the jobs pay together.
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
    total, start = jobs["s"].sum(), start_seconds()
    stages = jobs.groupby("stage")["s"].sum().sort_values(ascending=False)
    line = {
        "study": folder.parent.name,
        "jobs": len(jobs),
        "seconds": round(total),
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
