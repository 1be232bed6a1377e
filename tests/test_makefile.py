"""The Makefile: what each target runs is a script that a shell can read, and `make help` names each."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

MAKEFILE = Path(__file__).parent.parent / "Makefile"
TARGETS = re.search(r"^\.PHONY: (.*)$", MAKEFILE.read_text(), re.MULTILINE)[1].split()

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="needs make")


@pytest.mark.parametrize("target", TARGETS)
def test_a_shell_can_read_what_a_target_runs(target, house):
    """Make's functions end an argument at a comma, which cuts `${run%,*}` in two."""
    shown = subprocess.run(["make", "--dry-run", target], cwd=house, capture_output=True, text=True)
    assert shown.returncode == 0, shown.stderr
    read = subprocess.run(["sh", "-n"], input=shown.stdout, capture_output=True, text=True)
    assert (read.returncode, read.stderr) == (0, "")


def test_help_names_every_target(house):
    text = subprocess.run(["make", "-s", "help"], cwd=house, capture_output=True, text=True).stdout
    named = set(re.findall(r"\bmake ([\w-]+)", text)) | {"study", "help"}  # `make` alone is the first
    assert not set(TARGETS) - named
