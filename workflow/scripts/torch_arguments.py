"""The arguments that scripts share which run networks."""

from argparse import ArgumentParser, Namespace

import torch

from semsim.targets.device import choose_device


def add_torch_arguments(parser: ArgumentParser) -> None:
    """Add the arguments that `device_of` needs."""
    parser.add_argument("--device", default="auto", metavar="D", help="auto, cpu or cuda (default: auto)")
    parser.add_argument(
        "--threads", type=int, default=1, metavar="N", help="CPU threads of PyTorch, on which results may depend (1)"
    )


def device_of(arguments: Namespace) -> torch.device:
    """Return the device to run on, and let PyTorch use as many threads as it may."""
    torch.set_num_threads(arguments.threads)
    return choose_device(arguments.device)
