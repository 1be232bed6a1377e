"""Audit a model: attack it with the gradients that it would share, and see what they give away.

The model is a Python file and the function in it that builds the network, which is called with `classes` and
`image_size` if it accepts them (net.py:build); a network from torchvision or timm (torchvision:resnet18); or one of the
project's. Without --weights, its weights are random. Images are in one folder per class, DIR/cats/7.png; if the model
knows more classes, --classes names a text file with all of them, one per line, in the order of its outputs.

A balanced sample of the images is attacked, each with its own gradient or, with --client, as clients share it: in
batches, after several local steps, with BatchNorm in train mode. Nothing is trained. The command first says how long
this takes; if that would be more than --minutes, searches are shortened, and the report says so. To resume after an
interruption, run the same command again.
"""

from __future__ import annotations

import argparse
import json
import re
from contextlib import contextmanager

from semsim.commandline import json_object, path, positive, share_cores
from semsim.errors import SemsimError

EXAMPLES = """examples:
  semsim audit --model net.py:build --weights w.safetensors --images photos --out audit
  semsim audit --model torchvision:resnet18 --images photos --image-size 32 --originals 8 --out audit
  semsim audit --model net.py --weights w.pt --images photos --out audit --attacker labels=false --client batch=8

The folder then has report.html, tables (originals.csv, attacks.csv, scores.csv, comparison.csv) and all images.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``semsim audit`` to its parser."""
    parser.epilog = EXAMPLES
    parser.add_argument(
        "--model", type=path, required=True, metavar="MODEL", help="FILE.py:FUNCTION, or torchvision:NAME"
    )
    parser.add_argument(
        "--weights", type=path, metavar="FILE", help="its state dict: .safetensors, or .pt with only tensors"
    )
    parser.add_argument(
        "--images", type=path, required=True, metavar="DIR", help="a folder or .zip file with CLASS/IMAGE"
    )
    parser.add_argument(
        "--out", type=path, required=True, metavar="DIR", help="the folder to write, new or of the same audit"
    )
    parser.add_argument(
        "--classes", type=path, metavar="FILE", help="names of the model's classes, one per line (the folders')"
    )
    parser.add_argument("--image-size", type=positive, metavar="N", help="crop and resize images to N pixels per side")
    parser.add_argument("--mean", type=_three, metavar="R,G,B", help="of the channels that the model expects (0,0,0)")
    parser.add_argument("--std", type=_three, metavar="R,G,B", help="their standard deviation (1,1,1)")
    parser.add_argument("--last", metavar="NAME", help="name of the last layer, if it cannot be detected")
    parser.add_argument("--originals", type=positive, metavar="N", help="how many images are attacked (32, or fewer)")
    parser.add_argument("--attacks", type=_names, metavar="NAMES", help="such as invertgrad,idlg (those that apply)")
    parser.add_argument("--steps", type=positive, metavar="N", help="of each attack (2000, or fewer)")
    parser.add_argument(
        "--minutes",
        type=float,
        metavar="N",
        help="how long attacks may take (20); otherwise, steps or originals are reduced",
    )
    parser.add_argument(
        "--attacker", type=_setting, nargs="+", metavar="NAME=false", help="what attackers do not know: labels=false"
    )
    parser.add_argument(
        "--client", type=_setting, nargs="+", metavar="NAME=VALUE", help="batch=8 local_steps=4 batchnorm=train"
    )
    parser.add_argument("--defence", type=json_object, metavar="JSON", help='such as {"kind": "prune", "share": 0.9}')
    parser.add_argument("--seed", type=int, metavar="N", help="of the sample and the attacks (1)")
    parser.add_argument("--memory-gib", type=float, metavar="N", help="memory for searches at once (2 or more)")
    parser.add_argument("--semsim", type=path, metavar="FOLDER", default="embedded", help="SemSim's weights (embedded)")
    parser.add_argument("--pretrained", type=path, metavar="FOLDER", help="folder to search first for LPIPS's network")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where networks run (auto)")
    parser.add_argument("--yes", action="store_true", help="continue, however long it takes")
    parser.set_defaults(carry_out=audit)


def _names(text):
    return [name.strip() for name in text.split(",") if name.strip()]


def _three(text):
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != 3:
        raise argparse.ArgumentTypeError(f"{text!r} is not three numbers, such as 0.5,0.5,0.5")
    return numbers


def _setting(text):
    """Parse NAME=VALUE, where VALUE is a number, true, false or text."""
    name, given, value = text.partition("=")
    if not name or not given:
        raise argparse.ArgumentTypeError(f"{text!r} is not a setting, such as labels=false")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _section(pairs, option):
    """Return settings by their names; none of them is given twice."""
    names = [name for name, _ in pairs]
    if twice := [name for name in names if names.count(name) > 1]:
        raise SemsimError(f"--{option}: {twice[0]} is given twice. Leave one of them out.")
    return dict(pairs)


SETTINGS = ("originals", "attacks", "steps", "minutes", "defence", "seed", "memory_gib")
"""Options that are settings of `semsim.auditing.settings.AuditSettings` of the same names."""


SECTIONS = ("attacker", "client")
"""Options of which each NAME=VALUE is a setting of a section."""
PLACE = re.compile(rf"^  ({'|'.join((*SETTINGS, *SECTIONS))})(?:\.([a-z]\w*))?[\w.]*:", re.MULTILINE)
"""How messages about settings begin, each on its own line: with the place of a setting."""


@contextmanager
def _in_words_of_options():
    """Let errors that are raised within name options in place of settings."""
    try:
        yield
    except SemsimError as error:
        message = PLACE.sub(lambda found: f"  {' '.join([_option(found[1]), found[2] or '']).strip()}:", str(error))
        raise SemsimError(re.sub(r"\bmemory_gib\b", _option("memory_gib"), message)) from None


def _option(setting):
    return f"--{setting.replace('_', '-')}"


@_in_words_of_options()
def audit(arguments: argparse.Namespace) -> None:
    """Attack, measure, write the report, and print the answer."""
    share_cores()
    from pathlib import Path

    from semsim.attacks.arguments import checked_client
    from semsim.auditing.audit import carry_out
    from semsim.auditing.network import build_model
    from semsim.auditing.sample import read_classes, read_sample
    from semsim.auditing.settings import AuditSettings
    from semsim.names import printable
    from semsim.settings import validated
    from semsim.targets.device import choose_device

    if Path(arguments.images).resolve() in Path(arguments.out).resolve().parents:
        raise SemsimError("--out: lies in --images, so its pictures would be read as images. Choose another folder.")
    given = {name: getattr(arguments, name) for name in SETTINGS if getattr(arguments, name) is not None}
    given |= {name: _section(getattr(arguments, name) or [], name) for name in SECTIONS}
    settings = validated(AuditSettings, given, "The audit is not valid")
    device = choose_device(arguments.device)
    classes = read_classes(arguments.classes) if arguments.classes else None
    sample = read_sample(arguments.images, settings.most_originals, settings.seed, arguments.image_size, classes)
    normalisation = {"mean": arguments.mean, "std": arguments.std}
    target = build_model(
        arguments.model,
        len(sample.classes),
        sample.images.shape[-1],
        arguments.weights,
        **normalisation,
        last=arguments.last,
        seed=settings.seed,
    )
    target, _, _ = checked_client(target, sample.images, sample.labels, device)
    weights = Path(arguments.weights).name if arguments.weights else "random weights"
    name = f"{Path(arguments.model).name} with {weights}"

    def confirm(seconds):
        if seconds > 60 * settings.minutes and not arguments.yes:
            _ask(seconds, settings.minutes)

    result = carry_out(
        target, sample, arguments.out, settings, arguments.semsim, arguments.pretrained, name, confirm=confirm
    )
    print("\n".join([*result.answer, "", f"Compare the pictures: {printable(result.report)}"]))


def _ask(seconds, minutes):
    """Let whoever started a long run decide whether it begins."""
    import sys

    from semsim.text import duration

    if sys.stdin.isatty():
        print("Go on? [y/N] ", end="", file=sys.stderr, flush=True)
        if sys.stdin.readline().strip().lower() in ("y", "yes"):
            return
        raise SemsimError("stopped before anything was written.")
    raise SemsimError(
        f"about {duration(seconds)} is more than --minutes {minutes:g}. Continue with --yes, or use fewer --originals,"
        " --steps or --attacks."
    )
