"""Replay the people's study on a GPU in minutes: train its target models, attack them, score what comes of it.

    python benchmarks/replay.py config/replay.yaml .gpu/pack.yaml --seconds 500 --out results/gpu

Epochs and steps are chosen so that it ends in time: a cycle of training takes `TRAINING_SHARE` of it, the attack on all
target models most of the rest. What is there is not made again: a second call resumes. The stages are those of the
workflow, by their own scripts, and their files lie where the workflow would put them. ``replay.zip`` in ``--out`` holds
those that the later stages need, without the weights. The workflow continues from them, on any machine:

    snakemake --cores 1 --configfile CONFIGS -- results/<study>/data/<data set>.safetensors
    python -m zipfile -e replay.zip .
    snakemake --cores all --rerun-triggers mtime --configfile CONFIGS

With CIFAR-100 from its download, let the workflow prepare the data set first (the first of these commands): it takes
the originals of the published labels, and this program those of a mirror, which has not got their order.
"""

import argparse
import contextlib
import itertools
import json
import runpy
import sys
import time
import zipfile
from pathlib import Path

import torch

from semsim.config.study import Study, read_config
from semsim.io.tables import read_table
from semsim.pretrained.networks import OF_METRICS
from semsim.pretrained.weights import weights_at_hand
from semsim.targets.device import choose_device

SCRIPTS = Path(__file__).parents[1] / "workflow" / "scripts"
TRAINING_SHARE = 0.4  # of the time
RESERVE = 0.9  # how much of what is left a plan may fill: measured rates are not exact
SCORING_SECONDS = 3.0  # kept for the metrics of one target model
FEWEST_EPOCHS, FEWEST_STEPS = 3, 200
TRIAL_STEPS = (8, 8, 208)  # the first trial is to warm up; a step is the difference of the other two
# In the order of the stages, so that Snakemake takes none for out of date; a curve beside missing weights would be.
PACKED = ("reconstructions/*/*/*.*", "metrics/*", "tables/*")


def main():
    arguments = parse_arguments()
    replay = Replay(arguments)
    replay.prepare_data()
    replay.train_targets()
    done = replay.attack_targets()
    if done:
        replay.score(done)
        replay.pack()


def parse_arguments():
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("configs", nargs="+", metavar="CONFIG", help="YAML files; later ones change earlier ones")
    parser.add_argument("--attack", default="invertgrad", metavar="NAME", help="of the study (invertgrad)")
    parser.add_argument("--seconds", type=float, required=True, help="begin nothing that would end later")
    parser.add_argument("--steps", type=int, default=8000, help="of the attack, at most (8000)")
    parser.add_argument("--epochs", type=int, default=30, help="of the training, at most (30)")
    parser.add_argument("--batch-size", type=int, default=256, help="of the training (256)")
    parser.add_argument("--learning-rate", type=float, default=0.2, help="of the training, at its highest (0.2)")
    parser.add_argument("--memory-gib", type=float, default=30, help="of the attack (30)")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of replay.zip")
    return parser.parse_args()


class Replay:
    """The targets of one data set and one attack on them, as far as time allows."""

    def __init__(self, arguments):
        self.arguments, self.begun = arguments, time.perf_counter()
        self.study = Study(read_config(*arguments.configs))
        (self.dataset,) = self.study.datasets
        self.device = choose_device(arguments.device)
        self.results = Path(self.study.results)
        self.data = self.results / "data" / f"{self.dataset}.safetensors"
        # Architectures take turns, so that a lack of time leaves out as many of each.
        by_architecture = {}
        for target in self.study.targets:
            by_architecture.setdefault(self.architecture(target), []).append(target)
        turns = itertools.zip_longest(*by_architecture.values())
        self.targets = [target for turn in turns for target in turn if target]

    def left(self):
        """Return how many seconds are left."""
        return self.arguments.seconds - (time.perf_counter() - self.begun)

    def say(self, text):
        print(f"[{time.perf_counter() - self.begun:6.1f} s] {text}", flush=True)

    def prepare_data(self):
        if self.data.exists():
            return
        call(
            "prepare_data",
            dataset=self.dataset,
            settings=self.study.data_settings(self.dataset),
            image_size=self.study.image_size_of(self.dataset),
            seed=self.study.seed,
            out=self.data,
            index=self.data.with_suffix(".csv"),
        )
        self.say(f"data: {self.study.data_settings(self.dataset)}")

    def weights(self, target):
        return self.results / "targets" / self.dataset / f"{target}.safetensors"

    def train_targets(self):
        """Train the target models that there are no weights of, as long as there is time."""
        missing = [target for target in self.targets if not self.weights(target).exists()]
        if not missing:
            return
        budget, seconds = TRAINING_SHARE * self.left(), {}
        for architecture, target in self.one_of_each(missing).items():
            curves = self.train(target, 2, self.results / "trial" / "trial.safetensors")
            seconds[architecture] = curves["seconds"].diff().iloc[-1]
            self.say(f"{architecture}: {seconds[architecture]:.2f} s an epoch")
        together = sum(seconds[self.architecture(target)] for target in missing)
        fitting = max(FEWEST_EPOCHS, int(RESERVE * budget / together))
        epochs = self.decide("epochs", lambda: min(fitting, self.arguments.epochs))
        for target in missing:
            if self.left() < epochs * seconds[self.architecture(target)]:
                self.say(f"{target} and what follows: not trained, no time")
                return
            last = self.train(target, epochs, self.weights(target)).iloc[-1]
            self.say(f"{target}: {epochs} epochs, {last['seconds']:.1f} s, accuracy {last['validation_accuracy']:.3f}")

    def train(self, target, epochs, weights):
        """Train one target model by one cycle; return its curves."""
        cycle = {"epochs": epochs, "schedule": "one-cycle", "batch_size": self.arguments.batch_size}
        cycle["learning_rate"] = self.arguments.learning_rate
        curves = weights.with_suffix(".csv")
        # Without the cache: it would hold on to weights that the next step has changed.
        on_gpu = self.device.type == "cuda"
        half = torch.autocast("cuda", torch.bfloat16, cache_enabled=False) if on_gpu else contextlib.nullcontext()
        with half:
            call(
                "train_target",
                data=self.data,
                dataset=self.dataset,
                target=target,
                settings=self.study.target_settings(target),
                training=self.study.training_settings(self.dataset, target) | cycle,
                seed=self.study.seed,
                device=self.device.type,
                threads=torch.get_num_threads(),
                weights=weights,
                curves=curves,
            )
        return read_table(curves)

    def attack_targets(self):
        """Attack the originals of one target model after the other while there is time; return the attacked ones."""
        targets = [target for target in self.targets if self.weights(target).exists()]
        done = [target for target in targets if self.files(target)[1].exists()]
        waiting = [target for target in targets if target not in done]
        if not waiting or self.left() <= 0:
            return done
        rates = self.rates(waiting)
        together = sum(rates[self.architecture(target)] for target in waiting)
        fitting = int(RESERVE * (self.left() - SCORING_SECONDS * len(targets)) / together)
        steps = self.decide("steps", lambda: min(max(FEWEST_STEPS, fitting // 8 * 8), self.arguments.steps))
        for target in waiting:
            expected = steps * rates[self.architecture(target)]
            if self.left() < expected + SCORING_SECONDS * (len(done) + 1):
                self.say(f"{target} and what follows: not attacked, no time")
                break
            began = time.perf_counter()
            table = self.attack(target, steps, self.files(target))
            seconds = time.perf_counter() - began
            self.say(f"{target}: {len(table)} originals, {seconds:.1f} s, mean cost {table['cost'].mean():.4f}")
            done.append(target)
        return done

    def rates(self, targets):
        """Return the seconds of a step of all originals by architecture, from trials on one target model of each."""
        rates = {}
        trial = self.files("trial")
        for architecture, target in self.one_of_each(targets).items():
            times = []
            for steps in TRIAL_STEPS:
                began = time.perf_counter()
                self.attack(target, steps, trial)
                times.append(time.perf_counter() - began)
            rates[architecture] = max(times[2] - times[1], 1e-4) / (TRIAL_STEPS[2] - TRIAL_STEPS[1])
            self.say(f"{architecture}: {1e3 * rates[architecture]:.2f} ms a step of all originals")
        for path in trial:
            path.unlink()
        return rates

    def files(self, target):
        """Return the paths of a target model's reconstructions and of their table."""
        folder = self.results / "reconstructions" / self.dataset / target
        return [folder / f"{self.arguments.attack}{suffix}" for suffix in (".safetensors", ".csv")]

    def attack(self, target, steps, files):
        """Attack all originals of one target model; return the table."""
        images, table = files
        settings = self.study.attack_settings(self.dataset, self.arguments.attack) | {"steps": steps}
        call(
            "attack",
            data=self.data,
            weights=self.weights(target),
            dataset=self.dataset,
            target=target,
            target_settings=self.study.target_settings(target),
            settings={self.arguments.attack: settings},
            seed=self.study.seed,
            device=self.device.type,
            threads=torch.get_num_threads(),
            memory_gib=self.arguments.memory_gib,
            images=images,
            tables=table,
        )
        return read_table(table)

    def score(self, targets):
        """Score the reconstructions of all attacked target models, and collect the study's tables."""
        metrics, sets = (self.results / "metrics" / f"{self.dataset}{part}.parquet" for part in ("", "_sets"))
        targets = [target for target in self.study.targets if target in targets]
        images, tables = map(list, zip(*map(self.files, targets), strict=True))
        call(
            "compute_metrics",
            data=self.data,
            weights=[self.weights(target) for target in targets],
            reconstructions=images,
            tables=tables,
            seed=self.study.seed,
            device=self.device.type,
            threads=torch.get_num_threads(),
            out=metrics,
            sets=sets,
        )
        outputs = ("datasets", "accuracy", "attacks", "metrics", "scales", "unmeasured", "leakage")
        call(
            "collect_tables",
            data=[self.data],
            weights=[self.weights(target) for target in targets],
            attacks=tables,
            metrics=[metrics],
            sets=[sets],
            networks=weights_at_hand(self.study.weights, OF_METRICS),
            **{f"out_{name}": self.results / "tables" / f"{name}.csv" for name in outputs},
        )
        leakage = read_table(self.results / "tables" / "leakage.csv")
        self.say("scored\n" + leakage.to_string(index=False, max_rows=60))

    def pack(self):
        """Write ``replay.zip``: all that later stages read, but the data and the weights."""
        self.arguments.out.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(self.arguments.out / "replay.zip", "w", zipfile.ZIP_DEFLATED) as packed:
            for path in (path for pattern in PACKED for path in sorted(self.results.glob(pattern))):
                packed.write(path, path)
        self.say(f"{self.arguments.out / 'replay.zip'}: written")

    def architecture(self, target):
        return self.study.target_settings(target)["architecture"]

    def one_of_each(self, targets):
        """Return a target model by architecture: the last, whose defence takes time."""
        return {self.architecture(target): target for target in targets}

    def decide(self, name, value):
        """Return what an earlier call decided under a name, or else what `value` returns, which is kept."""
        path = self.results / "decided.json"
        decided = json.loads(path.read_text()) if path.exists() else {}
        if name not in decided:
            decided[name] = value()
            path.write_text(json.dumps(decided))
        return decided[name]


def call(script, **arguments):
    """Run a script of the workflow in this process."""
    flags = []
    for name, value in arguments.items():
        values = value if isinstance(value, list) else [value]
        flags += [f"--{name.replace('_', '-')}", *(json.dumps(v) if isinstance(v, dict) else str(v) for v in values)]
    before, sys.argv = sys.argv, [script, *flags]
    try:
        runpy.run_path(str(SCRIPTS / f"{script}.py"))["main"]()
    finally:
        sys.argv = before


if __name__ == "__main__":
    main()
