"""Compare the attack on a client's batch with that on as many clients of one image: one line for each kind of client.

Both are InvertGrad from random starts, in turns and warmed up, in one process. Of each the fastest round counts:
``single`` and ``batch`` are milliseconds (on a CPU, of its own time) for one step of one image, and ``ratio`` is the
second over the first.

    OMP_NUM_THREADS=1 python benchmarks/clients.py

On one core of a busy machine, where a ratio differs by a fifth from run to run (`--clients 2`):

    target model  client                                                 method   single    batch  ratio
    lenet         batch of 8                                           captured    2.129    2.463   1.16
    lenet         batch of 8, BatchNorm in train mode                  captured    1.925    2.298   1.19
    lenet         batch of 8, 4 local steps at 0.01                  vectorised   14.078    9.801   0.70
    convnet3      batch of 8                                           captured    4.316    4.066   0.94
    convnet3      batch of 8, BatchNorm in train mode                  captured    7.162    6.744   0.94
    resnet20      batch of 8                                           captured   38.858   30.675   0.79
"""

import argparse
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

# Name: width.
TARGETS = {"lenet": None, "convnet3": 16, "resnet20": 1}
CLASSES, IMAGE_SIZE, STEPS = 100, 32, 5


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=8, help="images of a client (8)")
    parser.add_argument("--clients", type=int, default=4, help="clients that are attacked at once (4)")
    parser.add_argument("--rounds", type=int, default=7, help="rounds of which the fastest counts (7)")
    parser.add_argument("--only", nargs="+", choices=TARGETS, default=TARGETS, help="target models (all)")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    arguments = parser.parse_args()
    device = choose_device(arguments.device)
    kinds = [{}, {"batchnorm": "train"}, {"local_steps": 4}]
    clients = [ClientSettings(batch=arguments.batch, **kind) for kind in kinds]
    print(f"{'target model':14}{'client':50}{'method':>11}{'single':>9}{'batch':>9}{'ratio':>7}", flush=True)
    with progress_bar(len(arguments.only) * len(clients), "clients", unit="case") as bar:
        for name in arguments.only:
            for client in clients:
                method, milliseconds = compare(name, client, arguments, device)
                single, batch = milliseconds
                print(f"{name:14}{client!s:50}{method:>11}{single:9.3f}{batch:9.3f}{batch / single:7.2f}", flush=True)
                bar.update()


def compare(name, client, arguments, device):
    """Return how updates of this client are computed, and the times of single images and of batches."""
    torch.manual_seed(0)
    target = build_target(name, CLASSES, IMAGE_SIZE, TARGETS[name]).to(device).eval()
    images = arguments.clients * client.batch
    alone = client.model_copy(update={"batch": 1})
    searches = [make_search(target, alone, images), make_search(target, client, arguments.clients)]
    best = [float("inf")] * 2
    for _ in range(arguments.rounds):
        for place, search in enumerate(searches):
            best[place] = min(best[place], seconds(search))
    return searches[1].plan.method, [1000 * each / STEPS / images for each in best]


def make_search(target, client, clients):
    """Return a search for the images of some clients."""
    generator = torch.Generator().manual_seed(1)
    coarse = torch.rand(clients * client.batch, 3, 8, 8, generator=generator)
    images = functional.interpolate(coarse, size=IMAGE_SIZE, mode="bilinear").to(target.mean.device)
    labels = torch.randint(CLASSES, (len(images),), generator=generator).to(images.device)
    batches = images.unflatten(0, (clients, -1)), labels.unflatten(0, (clients, -1))
    plan = plan_updates(target, client, images.device)
    observed = shared_updates(target, plan, *batches, GradientDefence(), list(range(clients)))
    seeds = torch.arange(len(images)).view(clients, -1).tolist()
    return Search(target, observed, batches[1], seeds, attack_settings("invertgrad"), plan)


def seconds(search):
    """Return how long some steps take."""
    clock = time.perf_counter if search.costs.is_cuda else time.process_time
    start = clock()
    for _ in range(STEPS):
        search.advance()
    search.costs.cpu()  # so that a GPU is done
    return clock() - start


if __name__ == "__main__":
    main()
