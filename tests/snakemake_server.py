"""Runs Snakemake again and again, each time in a fork of this process, which has imported everything already.

It is asked for runs by lines of standard input, ``{"arguments": [...], "environment": {...}, "output": path}``, and
answers each by a line with its exit status.
"""

import json
import os
import sys
import traceback
from pathlib import Path

HOUSE = Path(__file__).parents[1]
sys.path.insert(0, str(HOUSE / "workflow"))

import snakemake.cli  # noqa: E402
import snakemake.report  # noqa: E402, F401

from semsim.config import study  # noqa: E402, F401
from semsim.config.code import Code  # noqa: E402


def prepare():
    """Load the plugins of Snakemake, and read the code of the library."""
    snakemake.cli.get_argument_parser()
    scripts = HOUSE / "workflow" / "scripts"
    Code(HOUSE / "workflow", scripts).digest(*scripts.glob("*.py"), *(HOUSE / "notebooks").glob("*.ipynb"))


def run(arguments, environment, output):
    """Run Snakemake as its command would; does not return."""
    status = 1
    try:
        os.environ.clear()
        os.environ.update(environment)
        file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for descriptor, ours in ((nothing, 0), (file, 1), (file, 2)):
            os.dup2(descriptor, ours)
        sys.argv = ["snakemake", *arguments]
        snakemake.cli.main()
        status = 0
    except SystemExit as stop:
        status = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    prepare()
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            run(**json.loads(line))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
