"""Run one small study with few originals and again with many, and hold the peak memory of every rule side by side.

    python benchmarks/memory.py --originals 600 6000

The numbers are the largest `max_rss` of a rule's jobs in the benchmark files of Snakemake, which looks at a job every
half second at first and twice a minute later; here it looks ten times a second throughout. A study that is kept
(`--folder`) goes on where it was stopped, and is only measured again where it is run again.
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
benchmark.benchmarked.__wrapped__.__defaults__ = (None, None, 10**9)  # samples before it looks less often
main()
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--originals", type=int, nargs=2, default=(600, 6000), metavar=("FEW", "MANY"))
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="where to run and to keep what is made (default: nowhere)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = arguments.folder or Path(folder)
        few, many = (run_study(folder.absolute(), count, arguments.cores) for count in arguments.originals)
    table = pd.DataFrame({"few": few, "many": many}).sort_values("many", ascending=False)
    table["more"], table["ratio"] = table["many"] - table["few"], table["many"] / table["few"]
    print(f"{'peak memory in MB':26}{arguments.originals[0]:>8}{arguments.originals[1]:>8}    more   ratio")
    for rule, row in table.iterrows():
        print(f"{rule:26}{row['few']:8.0f}{row['many']:8.0f}{row['more']:8.0f}{row['ratio']:8.2f}")


def run_study(folder, originals, cores):
    """Run the study with so many originals; return the peak memory of each rule in MB."""
    study = yaml.safe_load(STUDY.read_text(encoding="utf-8"))
    study["study"] = f"{study['study']}-{originals}"
    for dataset in study["datasets"].values():
        dataset["originals"] = originals
    folder.mkdir(parents=True, exist_ok=True)
    settings = folder / f"{study['study']}.yaml"
    settings.write_text(yaml.safe_dump(study), encoding="utf-8")
    command = [sys.executable, "-c", SNAKEMAKE, "--snakefile", HOUSE / "Snakefile", "--directory", folder]
    command += ["--cores", str(cores), "--benchmark-extended", "--configfile", settings]
    with progress_bar(None, study["study"], unit="line") as bar:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        lines = [line for line in process.stdout if bar.update() or True]
    if process.wait():
        sys.exit("".join(lines[-40:]))
    files = sorted((folder / "results" / study["study"] / "benchmarks").rglob("*.tsv"))
    peaks = pd.concat(pd.read_csv(file, sep="\t") for file in files)
    rules = peaks["rule_name"].str.strip("(',)")
    return peaks["max_rss"].groupby(rules).max()


if __name__ == "__main__":
    main()
