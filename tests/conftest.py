"""What tests share."""

import contextlib
import io
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

# One thread each: tests are small and run beside each other (`make test`). It holds once PyTorch is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture
def gpu(monkeypatch):
    """The name of the GPU's device, on which tests compute in full float32 and each time alike, so as to be comparable.

    Tests that need it are marked `cuda`, and skipped where there is none.
    """
    import torch

    if not torch.cuda.is_available():
        pytest.skip("needs an NVIDIA GPU")
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)
    return "cuda"


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.cuda)])
def device(request):
    """The name of a device: what asks for it runs on the CPU and, where there is one, on a GPU."""
    return request.getfixturevalue("gpu") if request.param == "cuda" else request.param


@pytest.fixture(scope="session")
def house():
    """The root of the repository."""
    return Path(__file__).parents[1]


@pytest.fixture(scope="session")
def run_script(house):
    """Run a script of the workflow by its name, with arguments; return what `subprocess.run` would.

    It runs within this process, since a new one would import PyTorch first. An unexpected exception is not caught.
    """
    scripts = house / "workflow" / "scripts"

    def run(name, *arguments):
        command = [str(scripts / f"{name}.py"), *map(str, arguments)]
        output, errors, status = io.StringIO(), io.StringIO(), 0
        with (
            pytest.MonkeyPatch.context() as patch,
            contextlib.redirect_stdout(output),
            contextlib.redirect_stderr(errors),
        ):
            patch.setattr(sys, "argv", command)
            patch.syspath_prepend(scripts)
            try:
                runpy.run_path(command[0], run_name="__main__")
            except SystemExit as stop:
                status = stop.code or 0
                if isinstance(status, str):
                    print(status, file=sys.stderr)
                    status = 1
        return subprocess.CompletedProcess(command, status, output.getvalue(), errors.getvalue())

    return run


@pytest.fixture(scope="session")
def mirror():
    """The folder with local copies of real data sets; tests that need it are skipped where there is none."""
    folder = os.environ.get("SEMSIM_MIRROR")
    if not folder:
        pytest.skip("needs real data: set SEMSIM_MIRROR to a folder that holds cifar100.zip and others")
    return Path(folder).absolute()


@pytest.fixture(autouse=True)
def no_mirror_by_accident(request, monkeypatch):
    """Keep the mirror of whoever runs the tests out of those that do not ask for it."""
    if "mirror" not in request.fixturenames:
        monkeypatch.delenv("SEMSIM_MIRROR", raising=False)
