"""Go as far with a study as time allows, on one machine: train its target models, attack them, score what comes of it.

    python benchmarks/replay.py config/replay.yaml --attack invertgrad --seconds 280 --out replay

All target models are trained first, in as many epochs of one cycle as fit; then a few originals of all are attacked,
and then more of all, so that the work is balanced over the models wherever it ends. What is there is not made again: a
second call resumes. The stages are those of the workflow, by their own command lines.

Written to the folder of ``--out``, anew after each attack: ``replay.csv`` (the metrics of each reconstruction, against
the original and against what was attacked), ``replay_targets.csv`` (each target model: accuracy, means over the
originals that all have, seconds) and, after each round, ``replay.safetensors`` (the images of the finished rounds).
"""

import argparse
import contextlib
import json
import runpy
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from semsim.config.study import Study, read_config
from semsim.io.tables import read_table, write_table
from semsim.io.tensors import read_metadata, write_arrays
from semsim.metrics.measure import measure_reconstructions
from semsim.metrics.reconstructions import read_reconstructions
from semsim.targets.device import choose_device
from semsim.targets.models import load_target

SCRIPTS = Path(__file__).parents[1] / "workflow" / "scripts"
TRAINING_SHARE = 0.42  # of the time
FIRST_ROUND_SHARE = 0.7  # of what is left after the training, at most
RESERVE = 0.85  # how much of what is left a plan may fill: measured rates are not exact
FEWEST_EPOCHS, FEWEST_STEPS, FEWEST_ORIGINALS = 3, 200, 8
TRIAL_STEPS = (8, 8, 32)  # the first trial is to warm up; a step is the difference of the other two
MOST_BYTES = 16 * 2**20  # of one file of images


def main():
    torch.backends.cuda.matmul.allow_tf32 = True  # as of convolutions, and as when the released code ran
    replay = Replay(parse_arguments())
    replay.prepare_data()
    replay.train_targets()
    replay.attack_in_rounds()
    print(replay.summary().round(3).to_string(index=False))


def parse_arguments():
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("configs", nargs="+", metavar="CONFIG", help="YAML files; later ones change earlier ones")
    parser.add_argument("--attack", default="invertgrad", metavar="NAME", help="of the study (invertgrad)")
    parser.add_argument("--seconds", type=float, required=True, help="begin nothing that would end later")
    parser.add_argument("--originals", type=int, default=24, help="attacked in the first round (24)")
    parser.add_argument("--steps", type=int, default=2400, help="of the attack, at most (2400)")
    parser.add_argument("--epochs", type=int, default=30, help="of the training, at most (30)")
    parser.add_argument("--batch-size", type=int, default=256, help="of the training (256)")
    parser.add_argument("--learning-rate", type=float, default=0.2, help="of the training, at its highest (0.2)")
    parser.add_argument("--memory-gib", type=float, default=30, help="of the attack (30)")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--work", type=Path, metavar="DIR", help="where stages keep their files (in --out)")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the results")
    return parser.parse_args()


class Replay:
    """The targets of one data set and one attack on them, as far as time allows."""

    def __init__(self, arguments):
        self.arguments, self.begun = arguments, time.perf_counter()
        self.study = Study(read_config(*arguments.configs))
        (self.dataset,) = self.study.datasets
        self.device = choose_device(arguments.device)
        self.work, self.out = arguments.work or arguments.out / "work", arguments.out
        self.data = self.work / "data.safetensors"
        for folder in (self.work, self.out):
            folder.mkdir(parents=True, exist_ok=True)

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
        return self.work / "targets" / f"{target}.safetensors"

    def train_targets(self):
        """Train the target models that there are no weights of, as long as there is time."""
        missing = [target for target in self.study.targets if not self.weights(target).exists()]
        if not missing:
            return
        budget, seconds = TRAINING_SHARE * self.left(), {}
        for architecture, target in self.one_of_each(missing).items():
            seconds[architecture] = self.train(target, 2, self.work / "trial")["seconds"].diff().iloc[-1]
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

    def attack_in_rounds(self):
        """Attack a few originals of every target model, then more of every one."""
        targets = [target for target in self.study.targets if self.weights(target).exists()]
        if not targets or self.left() <= 0:
            return
        steps = self.decide("steps", lambda: self.fitting_steps(targets))
        first, total = 0, self.study.data_settings(self.dataset)["originals"]
        while first < total:
            count = self.decide(f"originals from {first}", lambda first=first: self.fitting_originals(total - first))
            if not count:
                return
            for target in targets:
                if not self.attack_target(target, first, count, steps):
                    self.say(f"{target} and what follows, originals from {first}: not attacked, no time")
                    return
            first += count
            self.write_images(targets)
            self.say(f"{first} originals of {len(targets)} target models: done")

    def fitting_steps(self, targets):
        """Return how many steps the first round can take, from trials on one target model of each architecture."""
        together, architectures = 0.0, [self.architecture(target) for target in targets]
        for architecture, target in self.one_of_each(targets).items():
            times = []
            for steps in TRIAL_STEPS:
                began = time.perf_counter()
                self.attack(target, 0, self.arguments.originals, steps, self.work / "trial-attack")
                times.append(time.perf_counter() - began)
            each = max(times[2] - times[1], 1e-4) / (TRIAL_STEPS[2] - TRIAL_STEPS[1])
            self.say(f"{architecture}: {1e3 * each:.2f} ms a step of {self.arguments.originals} originals")
            together += each * architectures.count(architecture)
        fitting = int(FIRST_ROUND_SHARE * self.left() / together)
        return min(max(FEWEST_STEPS, fitting // 8 * 8), self.arguments.steps)

    def fitting_originals(self, waiting):
        """Return how many originals the next round can attack, 0 for none: as fast as the last round at least."""
        done = self.metrics()
        if done.empty:
            return min(waiting, self.arguments.originals)
        last = done.drop_duplicates("target", keep="last")
        fitting = int(RESERVE * self.left() / (last["seconds"] / last["count"]).sum())
        return min(waiting, fitting) if fitting >= FEWEST_ORIGINALS else 0

    def attack_target(self, target, first, count, steps):
        """Attack some originals of one target model and score them, unless that is done; say whether there was time."""
        place = self.work / "reconstructions" / target / f"{first:03d}"
        if place.with_suffix(".parquet").exists():
            return True
        done = self.metrics()
        before = done[done["target"] == target].tail(1) if len(done) else done
        if self.left() < (before["seconds"] / before["count"] * count if len(before) else pd.Series([0])).iloc[0]:
            return False
        began = time.perf_counter()
        table = self.attack(target, first, count, steps, place)
        seconds = time.perf_counter() - began
        model = load_target(self.weights(target), self.device)
        images = [read_reconstructions(*self.files_of(place))]
        metrics = measure_reconstructions(model, images, seed=self.study.seed, device=self.device)
        metrics = metrics.merge(table[["original", "initial_cost", "cost"]], on="original")
        metrics = metrics.assign(count=count, steps=steps, seconds=round(seconds, 2))
        write_table(metrics, place.with_suffix(".parquet"))
        write_table(self.metrics(), self.out / "replay.csv")
        write_table(self.summary(), self.out / "replay_targets.csv")
        last = first + count - 1
        self.say(f"{target}, originals {first} to {last}: {seconds:.1f} s, mean cost {table['cost'].mean():.4f}")
        return True

    def files_of(self, place):
        """Return the files of images and of the table in a folder."""
        return [place / f"{self.arguments.attack}{suffix}" for suffix in (".safetensors", ".csv")]

    def attack(self, target, first, count, steps, place):
        """Attack some originals of one target model, into a folder; return the table."""
        images, table = self.files_of(place)
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
            first=first,
            count=count,
            images=images,
            tables=table,
        )
        return read_table(table)

    def metrics(self):
        """Return the metrics of all reconstructions that there are, a row for each and for each reference."""
        paths = (self.work / "reconstructions").rglob("*.parquet")
        tables = [pd.read_parquet(path) for path in sorted(paths, key=lambda path: (path.stem, path.parent.name))]
        return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()

    def summary(self):
        """Return each target model's accuracy, and the means over the originals that all of them have."""
        trained = [target for target in self.study.targets if self.weights(target).exists()]
        targets = pd.DataFrame([self.about(target) for target in trained])
        common = self.metrics()
        if len(common):
            shared = common.groupby("original")["target"].nunique() == len(trained)
            common = common[common["original"].isin(shared.index[shared])]
        if common.empty:
            return targets
        means = common.pivot_table(index="target", columns="reference", values=["psnr", "ssim", "mse"])
        means.columns = [f"{value}_{reference}" for value, reference in means.columns]
        by_target = common[common["reference"] == "attacked"].groupby("target")
        means["cost"], means["steps"] = by_target["cost"].mean(), by_target["steps"].max()
        means["originals"], means["diverged"] = by_target.size(), by_target["psnr"].agg(lambda all: all.isna().sum())
        means["attack_seconds"] = by_target["seconds"].agg(lambda all: all.drop_duplicates().sum())
        return targets.merge(means.reset_index(), on="target")

    def about(self, target):
        """Return what a target model is, how well it tells classes and how long its training took."""
        metadata, curves = read_metadata(self.weights(target)), read_table(self.weights(target).with_suffix(".csv"))
        names = ("target", "architecture", "augmentation", "gradient_defence", "train_accuracy", "validation_accuracy")
        about = {name: metadata[name] for name in names}
        return about | {"epochs": len(curves), "training_seconds": curves["seconds"].iloc[-1]}

    def write_images(self, targets):
        """Write the images of the originals that all target models have, as far as one small file holds them."""
        found = {}
        for target in targets:
            paths = sorted((self.work / "reconstructions" / target).glob("*/*.safetensors"))
            parts = [read_reconstructions(path, path.with_suffix(".csv")) for path in paths]
            numbers = np.concatenate([part.table["original"] for part in parts])
            found[target] = (
                numbers,
                {name: np.concatenate([part.images[name][:] for part in parts]) for name in parts[0].images},
            )
        common = sorted(set.intersection(*(set(numbers.tolist()) for numbers, _ in found.values())))
        bytes_each = (2 * len(targets) + 1) * 3 * self.study.image_size_of(self.dataset) ** 2
        common = common[: MOST_BYTES // bytes_each]
        arrays = {}
        for target, (numbers, images) in found.items():
            rows = [numbers.tolist().index(number) for number in common]
            arrays |= {f"{target}/{name}": images[name][rows] for name in ("attacked", "reconstruction")}
            arrays["original"] = images["original"][rows]
        write_arrays(arrays, self.out / "replay.safetensors", {"targets": targets, "originals": common})

    def architecture(self, target):
        return self.study.target_settings(target)["architecture"]

    def one_of_each(self, targets):
        """Return a target model by architecture: the last, whose defence takes time."""
        return {self.architecture(target): target for target in targets}

    def decide(self, name, value):
        """Return what an earlier call decided under a name, or else what `value` returns, kept if it is not 0."""
        path = self.work / "decided.json"
        decided = json.loads(path.read_text()) if path.exists() else {}
        if name not in decided:
            decided[name] = value()
            if decided[name]:
                path.write_text(json.dumps(decided))
        return decided[name]


def call(script, **arguments):
    """Run a script of the workflow in this process."""
    flags = [f"--{name.replace('_', '-')}={_as_text(value)}" for name, value in arguments.items()]
    before, sys.argv = sys.argv, [script, *flags]
    try:
        runpy.run_path(str(SCRIPTS / f"{script}.py"))["main"]()
    finally:
        sys.argv = before


def _as_text(value):
    return json.dumps(value) if isinstance(value, dict) else str(value)


if __name__ == "__main__":
    main()
