"""Run one small study with few originals and again with many, and hold the peak memory of every rule side by side.

    python benchmarks/memory.py --originals 600 6000

The study is memory.yaml, beside this file. The numbers are the largest `max_rss` of a rule's jobs, in MB, from the
benchmark files of Snakemake. It looks at a job every half second at first and twice a minute later; here it looks ten
times a second throughout. Most of a peak are the libraries: importing PyTorch alone takes 200 to 300 MB.

With `--folder` everything is kept, and a run that was stopped resumes.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd
import yaml

from semsim.progress import progress_bar

HOUSE = Path(__file__).parents[1]
STUDY = Path(__file__).with_suffix(".yaml")
SNAKEMAKE = """
import snakemake.benchmark as benchmark
from snakemake.cli import main

benchmark.BENCHMARK_INTERVAL_SHORT = 0.1
benchmark.benchmarked.__wrapped__.__defaults__ = (None, None, 10**9)  # looks before they become rare
main()
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--originals", type=int, nargs=2, default=(600, 6000), metavar=("FEW", "MANY"))
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="where to run, and keep what is made")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as nowhere:
        folder = (arguments.folder or Path(nowhere)).absolute()
        few, many = (run_study(folder, originals, arguments.cores) for originals in arguments.originals)
    print("{:24}{:>9}{:>9}{:>8}{:>7}".format("rule", *arguments.originals, "more", "ratio"))
    for rule in many.sort_values(ascending=False).index:
        more, ratio = many[rule] - few[rule], many[rule] / few[rule]
        print(f"{rule:24}{few[rule]:9.0f}{many[rule]:9.0f}{more:8.0f}{ratio:7.2f}")


def run_study(folder, originals, cores):
    """Run the study with so many originals of each data set; return the peak memory of each rule in MB."""
    study = yaml.safe_load(STUDY.read_text(encoding="utf-8"))
    study["study"] = f"{study['study']}-{originals}"
    for dataset in study["datasets"].values():
        dataset["originals"] = originals
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / f"{study['study']}.yaml"
    config.write_text(yaml.safe_dump(study), encoding="utf-8")
    command = [sys.executable, "-c", SNAKEMAKE, "--snakefile", HOUSE / "Snakefile", "--directory", folder]
    command += ["--cores", cores, "--benchmark-extended", "--configfile", config]
    lines = []
    with progress_bar(None, study["study"], unit="job") as bar:
        process = subprocess.Popen([*map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for line in process.stdout:
            lines.append(line)
            bar.update("Finished jobid" in line)
    if process.wait():
        sys.exit("".join(lines[-60:]))
    files = (folder / "results" / study["study"] / "benchmarks").rglob("*.tsv")
    jobs = pd.concat([pd.read_csv(file, sep="\t") for file in files])
    return jobs["max_rss"].groupby(jobs["rule_name"].str.strip("(',)")).max()


if __name__ == "__main__":
    main()
