"""What tests share."""

import contextlib
import io
import json
import os
import runpy
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

# One thread each: tests are small and run beside each other (`make test`). It holds once PyTorch is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Pretrained networks of whoever runs the tests change which metrics there are: only tests that ask for them see them.
# Workers that run tests beside each other inherit what is set here, so what was set before is handed on to them.
if "SEMSIM_TESTS_FETCHED" not in os.environ:
    os.environ["SEMSIM_TESTS_FETCHED"] = json.dumps(
        {name: os.environ.get(name) for name in ("SEMSIM_CACHE", "TORCH_HOME")}
    )
FETCHED = json.loads(os.environ["SEMSIM_TESTS_FETCHED"])
os.environ |= dict.fromkeys(FETCHED, os.path.join(tempfile.gettempdir(), "semsim-tests-have-no-cache"))


@pytest.fixture
def fetched(monkeypatch):
    """Let a test find the pretrained networks that `semsim fetch` has brought; it is skipped where there are none."""
    from semsim.pretrained.weights import find_weights

    for name, value in FETCHED.items():
        monkeypatch.delenv(name) if value is None else monkeypatch.setenv(name, value)
    if not (find_weights("alexnet") and find_weights("vgg16")):
        pytest.skip("needs pretrained networks: semsim fetch")


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


def called(function, *command):
    """Call a function that reads `sys.argv` and may end the program; return what `subprocess.run` would.

    A process of its own would import PyTorch first. An unexpected exception is not caught.
    """
    output, errors, status = io.StringIO(), io.StringIO(), 0
    command = [str(word) for word in command]
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(output),
        contextlib.redirect_stderr(errors),
    ):
        patch.setattr(sys, "argv", command)
        try:
            function()
        except SystemExit as stop:
            status = stop.code or 0
            if isinstance(status, str):
                print(status, file=sys.stderr)
                status = 1
    return subprocess.CompletedProcess(command, status, output.getvalue(), errors.getvalue())


@pytest.fixture(scope="session")
def run_script(house):
    """Run a script of the workflow by its name, with arguments, within this process; return what `called` does."""
    scripts = house / "workflow" / "scripts"

    def run(name, *arguments):
        path = str(scripts / f"{name}.py")
        with pytest.MonkeyPatch.context() as patch:
            patch.syspath_prepend(scripts)
            return called(lambda: runpy.run_path(path, run_name="__main__"), path, *arguments)

    return run


@pytest.fixture
def semsim_in(monkeypatch):
    """Return a function that runs ``semsim`` in a folder, within this process, and returns status, output, errors."""
    from semsim.commands import main

    def in_folder(folder):
        monkeypatch.chdir(folder)

        def run(*words):
            done = called(main, "semsim", *words)
            return done.returncode, done.stdout, done.stderr

        return run

    return in_folder


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
