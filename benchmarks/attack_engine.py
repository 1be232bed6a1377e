"""Measure the attack engine against a plain loop over images with the same settings: JSON lines.

Both run InvertGrad from the same starts, in turns and warmed up, in one process. ``loop_ms`` and ``batched_ms`` are
milliseconds for one step of one image, ``ratio`` is the first over the second, and ``cost_gap`` is how far the mean
costs of the images that both attacked are apart after the loop's last step, as a share of the loop's. On a CPU,
``cpu_ratio`` is the same ratio in CPU-seconds, the median over rounds: other work on the machine disturbs it less. On a
GPU, ``peak_gib`` is the memory that the batch took at most, the model and the observed gradients included. There the
loop takes fewer steps than the batch, and recording a step, which an attack of thousands does once, is not timed.

Both run with the memory settings that the workflow gives its jobs (workflow/rules/common.smk).

    python benchmarks/attack_engine.py --threads 2
    python benchmarks/attack_engine.py --threads 1 --batches 1     # a single client
    python benchmarks/attack_engine.py --device cuda --batches 1 16 64 256

The lines of machines that people may have are kept in ``workflow/semsim/attacks/rates.jsonl``: ``make estimate`` reads
them.
"""

import argparse
import functools
import json
import operator
import os
import statistics
import sys
import time

import torch
from torch.nn import functional

from semsim.attacks.clients import ClientSettings
from semsim.attacks.engine import Search
from semsim.attacks.observation import shared_updates
from semsim.attacks.planning import plan_updates
from semsim.attacks.settings import attack_settings
from semsim.progress import progress_bar
from semsim.targets.defences import GradientDefence
from semsim.targets.device import choose_device
from semsim.targets.models import build_target

# Name, architecture, width, batch, images of it that the loop attacks as well, steps, rounds.
CASES = (
    ("lenet", "lenet", None, 64, 16, 20, 5),
    ("convnet width 4", "convnet", 4, 32, 8, 10, 5),
    ("convnet3 width 8", "convnet3", 8, 64, 16, 20, 5),
    ("convnet width 64", "convnet", 64, 32, 4, 3, 3),
    ("resnet20 x4", "resnet20", 4, 32, 4, 3, 3),
    ("vit", "vit", None, 16, 4, 3, 3),
)
STEPS_ALONE = 5  # times as many for a single image, whose step is short
LOOPED_ON_GPU, STEPS_ON_GPU = 2, 20  # there a step takes long enough to be worth timing only in numbers
LOOP_STEPS_ON_GPU, ROUNDS_ON_GPU = 4, 2
CLASSES, IMAGE_SIZE = 100, 32
MEMORY = {"MALLOC_TRIM_THRESHOLD_": "4294967296", "MALLOC_MMAP_MAX_": "0"}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="CPU threads")
    parser.add_argument("--batches", type=int, nargs="+", help="images at once, instead of each case's own number")
    parser.add_argument("--only", nargs="+", help="run only the cases whose name contains one of these", default=[""])
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    device = choose_device(arguments.device)
    on_gpu = device.type == "cuda"
    machine = torch.cuda.get_device_name(device) if on_gpu else f"cpu, {arguments.threads} threads"
    cases = [case for case in CASES if any(part in case[0] for part in arguments.only)]
    runs = [(case, batch) for case in cases for batch in arguments.batches or case[3:4]]
    with progress_bar(len(runs), "attack engine", unit="run") as bar:
        for (name, architecture, width, _, looped, steps, rounds), batch in runs:
            bar.set_description(f"{name}, batch {batch}")
            steps = steps * STEPS_ALONE if batch == 1 else steps
            loop_steps = steps
            if on_gpu:
                looped, steps, loop_steps = min(looped, LOOPED_ON_GPU), STEPS_ON_GPU, LOOP_STEPS_ON_GPU
                rounds = ROUNDS_ON_GPU
            about = {"target": name, "architecture": architecture, "width": width, "image_size": IMAGE_SIZE}
            result = Case(architecture, width, batch, looped, steps, loop_steps, device).measure(rounds)
            print(json.dumps(about | {"machine": machine} | result), flush=True)
            bar.update()


@functools.cache
def target_and_plan(architecture, width, device):
    """Return an untrained target model, and how its gradients are computed, which takes a while to find out."""
    torch.manual_seed(0)
    target = build_target(architecture, CLASSES, IMAGE_SIZE, width).to(device).eval()
    torch.nn.init.normal_(target.network.head.weight, std=0.1)  # the ViT starts with zeros, which pass nothing back
    return target, plan_updates(target, ClientSettings(), device)


class Case:
    """One target model, and the same attack on it both ways."""

    def __init__(self, architecture, width, batch, looped, steps, loop_steps, device):
        self.target, self.plan = target_and_plan(architecture, width, device)
        torch.manual_seed(1)
        self.batch, self.loop_images = batch, min(looped, batch)
        self.steps, self.loop_steps = steps, loop_steps
        self.settings = attack_settings("invertgrad", steps=steps)
        coarse = torch.rand(batch, 3, 8, 8)
        self.images = functional.interpolate(coarse, size=IMAGE_SIZE, mode="bilinear").to(device)
        self.labels = torch.randint(CLASSES, (batch,)).to(device)
        clients = self.images[:, None], self.labels[:, None]
        self.observed = shared_updates(self.target, self.plan, *clients, GradientDefence(), list(range(batch)))

    def measure(self, rounds):
        """Run both in turns; return the fastest of each, which other work on the machine has disturbed least."""
        seconds, cpu_seconds = ({"batched": [], "looped": []} for _ in range(2))
        for _ in range(rounds):
            for way in seconds:
                search = self.search()
                if way == "batched":
                    self.prepare(search)
                start, cpu_start = time.perf_counter(), time.process_time()
                costs = getattr(self, way)(search)  # on the CPU, so a GPU is done
                seconds[way].append(time.perf_counter() - start)
                cpu_seconds[way].append(time.process_time() - cpu_start)
                setattr(self, f"{way}_costs", costs)
        evaluations = {"batched": self.steps * self.batch, "looped": self.loop_steps * self.loop_images}
        batched_ms, loop_ms = (1e3 * min(seconds[way]) / count for way, count in evaluations.items())
        mean_loop_cost = self.looped_costs.mean().item()
        gap = abs(self.batched_costs[: self.loop_images].mean().item() - mean_loop_cost) / mean_loop_cost
        result = {
            "batch": self.batch,
            "images_per_pass": self.plan.clients_per_pass,
            "loop_ms": round(loop_ms, 3),
            "batched_ms": round(batched_ms, 4),
            "ratio": round(loop_ms / batched_ms, 2),
            "cost_gap": round(gap, 5),
        }
        if self.images.is_cuda:
            result["peak_gib"] = round(self.peak_bytes / 2**30, 2)
        else:
            ratios = map(operator.truediv, cpu_seconds["looped"], cpu_seconds["batched"])
            share = evaluations["batched"] / evaluations["looped"]
            result["cpu_ratio"] = round(share * statistics.median(ratios), 2)
        return result

    def prepare(self, search):
        """Let a search on a GPU record its step, and see how much memory a step takes: replayed, it allocates none."""
        if self.images.is_cuda:
            torch.cuda.reset_peak_memory_stats()
            search.evaluate(search.optimiser.ask())
            torch.cuda.synchronize()
            self.peak_bytes = torch.cuda.max_memory_allocated()

    def batched(self, search):
        """Attack all images with the engine; return the costs after as many steps as the loop takes."""
        for step in range(self.steps):
            search.advance()
            if step == self.loop_steps - 1:
                costs = search.costs
        search.costs.cpu()  # so that a GPU is done
        return costs.cpu()

    def looped(self, search):
        """Attack some of the images one after the other, as one would write it down; return the last costs."""
        starts = search.optimiser.points.unflatten(1, self.images.shape[1:])
        return torch.stack([self._attack_one(image, starts[image : image + 1]) for image in range(self.loop_images)])

    def search(self, plan=None):
        """Return a search for all images, by the library's plan or another."""
        seeds = [[seed] for seed in range(self.batch)]
        return Search(self.target, self.observed, self.labels[:, None], seeds, self.settings, plan or self.plan)

    def _attack_one(self, image, start):
        parameters = list(self.target.parameters())
        label = self.labels[image : image + 1]
        observed = [gradient[image] for gradient in self.observed.updates]
        candidate = start.clone().requires_grad_()
        optimiser = torch.optim.Adam([candidate], lr=self.settings.learning_rate)
        milestones = [round(share * self.steps) for share in self.settings.milestones]
        schedule = torch.optim.lr_scheduler.MultiStepLR(optimiser, milestones, self.settings.decay)
        lower, upper = (self.target.normalise(torch.full_like(start, value)) for value in (0.0, 1.0))
        for _ in range(self.loop_steps):
            loss = functional.cross_entropy(self.target.network(candidate), label)
            gradients = torch.autograd.grad(loss, parameters, create_graph=True)
            inner = sum((ours * theirs).sum() for ours, theirs in zip(gradients, observed, strict=True))
            ours = sum(gradient.square().sum() for gradient in gradients)
            theirs = sum(gradient.square().sum() for gradient in observed)
            variation = candidate.diff(dim=2).abs().mean() + candidate.diff(dim=3).abs().mean()
            cost = 1 - inner / (ours * theirs).sqrt() + self.settings.priors["total_variation"] * variation
            candidate.grad = torch.autograd.grad(cost, candidate)[0].sign()
            optimiser.step()
            schedule.step()
            with torch.no_grad():
                candidate.clamp_(lower, upper)
        return cost.detach().cpu()


if __name__ == "__main__":
    if not os.environ.keys() >= MEMORY.keys():  # read when a process starts
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | MEMORY)
    main()
