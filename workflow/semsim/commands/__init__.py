"""The command line ``semsim``: one module of this package for each command.

A module says in its docstring what the command does, and has `add_arguments(parser)`, which sets the default
`carry_out`: a function of the parsed arguments. Everything slow is imported inside that function.

Here, too, imports are inside functions, so that Ctrl-C during the first second also prints a single line.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

COMMANDS = {"score": "score", "compare": "score", "audit": "attack,score", "label": "label", "fetch": "score"}
"""The modules, in the order in which the help lists them, and the extra that each needs."""


def main() -> None:
    """Run ``semsim``: errors that users can correct end in one line and exit status 1."""
    try:
        from semsim.commandline import run
    except KeyboardInterrupt:
        sys.exit("stopped")
    run(_main)


def _main():
    from semsim.extras import needing

    arguments = build_parser().parse_args()
    with needing(COMMANDS[arguments.command], f"semsim {arguments.command}"):
        arguments.carry_out(arguments)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    import argparse
    from importlib import import_module

    parser = argparse.ArgumentParser(
        prog="semsim",
        description="Could a person recognise an image that was reconstructed from a model's gradients?",
        epilog="semsim COMMAND --help explains a command. The study itself is run by make or snakemake.",
    )
    commands = parser.add_subparsers(title="commands", dest="command", metavar="COMMAND", required=True)
    for name in COMMANDS:
        module = import_module(f"semsim.commands.{name}")
        summary, _, description = module.__doc__.partition("\n\n")
        command = commands.add_parser(
            name,
            help=summary[0].lower() + summary[1:].rstrip("."),
            description=f"{summary}\n\n{description}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(command)
    return parser
