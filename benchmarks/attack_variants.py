"""Try other ways to compute an attack's step on a GPU, beside the library's own: JSON lines, one for each way.

Each way takes the same steps of InvertGrad from the same starts. ``ms`` are milliseconds for one step of one image,
``peak_gib`` the memory it takes at most, ``cost`` the mean cost in the end, which says whether a faster way is as good.

    python benchmarks/attack_variants.py --batches 64 256 --seconds 100

Ways that are costly to prepare (compiled) run only when named: ``--ways library compiled``. A way that fails says so in
its line, and the others go on. No way is begun after ``--seconds``.
"""

import argparse
import json
import sys
import time
from contextlib import contextmanager, nullcontext
from dataclasses import replace

import torch
from attack_engine import CASES, LOOPED_ON_GPU, Case

from semsim.progress import progress_bar
from semsim.targets.device import choose_device

ORDER = ("convnet width 64", "resnet20 x4", "lenet", "convnet3 width 8", "convnet width 4", "vit")


@contextmanager
def precision(tf32, benchmark=False):
    """Let convolutions, and with them products, round to TF32 or not, and cuDNN race its algorithms or not."""
    cudnn = torch.backends.cudnn
    before = cudnn.allow_tf32, cudnn.benchmark
    cudnn.allow_tf32, cudnn.benchmark = tf32, benchmark
    try:
        yield
    finally:
        cudnn.allow_tf32, cudnn.benchmark = before


def plain(search):
    """Launch the kernels of each evaluation one by one."""
    search.recording.failed = True


def compiled(search):
    """Trace an evaluation with both of its derivatives, and compile that: torch.compile alone cannot."""
    from torch.fx.experimental.proxy_tensor import make_fx

    compute = search.compute
    search.compute = torch.compile(make_fx(lambda points: compute(points))(search.optimiser.ask().clone()))


def compiled_and_plain(search):
    compiled(search)
    plain(search)


def channels_last(search):
    search.target.to(memory_format=torch.channels_last)


def exact():
    return precision(tf32=False)


def raced():
    return precision(tf32=True, benchmark=True)


# Name: (changes of the plan, settings of PyTorch, preparation of the search).
WAYS = {
    "library": ({}, nullcontext, None),
    "plain": ({}, nullcontext, plain),
    "exact": ({}, exact, None),
    "raced": ({}, raced, None),
    "channels last, raced": ({}, raced, channels_last),
    "grouped": ({"method": "captured", "convolution": "grouped", "alone": None}, nullcontext, None),
    "unfolded": ({"method": "captured", "convolution": "unfolded", "alone": None}, nullcontext, None),
    "vectorised": ({"method": "vectorised", "alone": None}, nullcontext, None),
    "passes of 16": ({"clients_per_pass": 16}, nullcontext, None),
    "passes of 64": ({"clients_per_pass": 64}, nullcontext, None),
    "one pass": ({"clients_per_pass": 2**20}, nullcontext, None),
}
COSTLY = {"compiled": ({}, nullcontext, compiled), "compiled, plain": ({}, nullcontext, compiled_and_plain)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--batches", type=int, nargs="+", default=[64, 256], help="images at once (64 256)")
    parser.add_argument("--only", help="run only the cases whose name contains this")
    parser.add_argument("--ways", nargs="+", help=f"of {', '.join(WAYS | COSTLY)}", default=list(WAYS))
    parser.add_argument("--seconds", type=float, default=1e9, help="begin nothing after so many")
    arguments = parser.parse_args()
    start, device = time.perf_counter(), choose_device(arguments.device)
    cases = sorted((case for case in CASES if case[0] in ORDER), key=lambda case: ORDER.index(case[0]))
    cases = [case for case in cases if not arguments.only or arguments.only in case[0]]
    runs = [(batch, case, way) for batch in arguments.batches for case in cases for way in arguments.ways]
    made = None, None
    with progress_bar(len(runs), "variants", unit="run") as bar:
        for place, (batch, case, way) in enumerate(runs):
            if time.perf_counter() - start > arguments.seconds:
                print(f"{len(runs) - place} of {len(runs)} runs left out: no time", file=sys.stderr)
                break
            about = {"target": case[0], "batch": batch, "way": way}
            bar.set_description(", ".join(map(str, about.values())))
            if made[0] != (case, batch):
                made = None, None  # so that the memory of the last one is free
                made = (case, batch), make_case(case, batch, device)
            print(json.dumps(about | measured(made[1], way)), flush=True)
            bar.update()


def make_case(case, batch, device):
    """Return the case of the engine's benchmark, with a batch of its own."""
    _, architecture, width, _, _, steps, _ = case
    steps = min(steps, 10)
    case = Case(architecture, width, batch, LOOPED_ON_GPU, steps, steps, device)
    case.plan = replace(case.plan, clients_per_pass=min(case.plan.clients_per_pass, batch))
    return case


def measured(case, way):
    """Return what one way of taking the steps of a case comes to, or why it fails."""
    changes, settings, prepare = (WAYS | COSTLY)[way]
    plan = replace(case.plan, **changes)
    plan = replace(plan, clients_per_pass=min(plan.clients_per_pass, case.batch))
    start = time.perf_counter()
    if changes and plan == case.plan:
        return {"same_as": "library"}
    try:
        with settings():
            best = float("inf")
            search = case.search(plan)
            if prepare:
                prepare(search)
            case.prepare(search)
            prepared = time.perf_counter() - start
            for _ in range(2):
                began = time.perf_counter()
                case.batched(search)
                best = min(best, time.perf_counter() - began)
            result = {
                "ms": round(1e3 * best / case.steps / case.batch, 4),
                "cost": round(search.costs.mean().item(), 6),
            }
            if search.costs.is_cuda:
                result["peak_gib"] = round(case.peak_bytes / 2**30, 2)
            return result | {"preparation_s": round(prepared, 1)}
    except Exception as error:  # whatever is wrong with one way, the others are worth knowing
        return {"error": f"{type(error).__name__}: {error}".partition("\n")[0][:200]}
    finally:
        case.target.to(memory_format=torch.contiguous_format)
        if torch.cuda.is_available():
            search = None
            torch.cuda.empty_cache()


if __name__ == "__main__":
    main()
