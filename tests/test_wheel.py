"""The wheel: it is whole, and works where nothing else of the repository is.

Here it is unpacked, and other packages come from the environment of the tests. ``tests/wheel/run.sh`` installs it into
fresh environments, with the packages that it asks for and no others.
"""

import os
import shutil
import subprocess
import sys
import zipfile

import pytest

HEAVY = {"torchvision", "pandas", "pydantic", "lazy_loader", "scipy", "sklearn", "matplotlib", "PIL", "tqdm", "yaml"}
"""Packages that SemSim does without."""


@pytest.fixture(scope="module")
def wheel(house, tmp_path_factory):
    """The wheel, built from a copy: neither what an earlier build left is in it, nor is anything left behind."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(house / name, folder / name)
    library = folder / "workflow" / "semsim"
    shutil.copytree(house / "workflow" / "semsim", library, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*command, "--wheel-dir", folder / "built", folder], check=True, timeout=200)
    [path] = (folder / "built").glob("*.whl")
    return path


@pytest.fixture(scope="module")
def site(wheel, tmp_path_factory):
    """The folder of an unpacked wheel."""
    folder = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


@pytest.fixture
def python(site, tmp_path):
    """Run Python in an empty folder, with the wheel as the only semsim; return its output."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "SEMSIM"))}
    environment |= {"PYTHONPATH": str(site), "PYTHONSAFEPATH": "1"}

    def run(*arguments, status=0):
        command = [sys.executable, *map(str, arguments)]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=200)
        assert done.returncode == status and "Traceback" not in done.stderr, done.stderr
        return done.stdout if status == 0 else done.stderr

    return run


def test_the_wheel_holds_every_file_of_the_package(house, wheel):
    library = house / "workflow"
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if not name.startswith("semsim-")}
    files = [path for path in (library / "semsim").rglob("*") if path.is_file() and path.suffix != ".pyc"]
    assert packed == {path.relative_to(library).as_posix() for path in files}
    assert "semsim/py.typed" in packed and "semsim/learned/shipped/embedded/model.safetensors" in packed
    assert "semsim/observers/shipped/glyphs/observer-1.safetensors" in packed
    assert "semsim/learned/starts/glyphs-letters-mnist.safetensors" in packed


def test_the_repository_is_out_of_sight(python, site):
    assert python("-c", "import semsim; print(*semsim.__path__)") == f"{site / 'semsim'}\n"


def loaded(python, code):
    """The top-level modules that Python has loaded after some code."""
    report = "import sys; print(*{name.partition('.')[0] for name in sys.modules})"
    return set(python("-c", f"{code}\n{report}").splitlines()[-1].split())


def test_the_metric_loads_its_core_alone(python):
    use = "from semsim import SemSim; SemSim.from_pretrained('embedded')"
    loads = loaded(python, use) - loaded(python, "import torch")
    known = {"semsim", "safetensors", *sys.stdlib_module_names}
    assert not loads & HEAVY and not {name for name in loads - known if not name.startswith("_")}


@pytest.mark.parametrize(
    "words", [[], ["score"], ["compare"], ["audit"], ["label"], ["label", "new"], ["label", "serve"], ["fetch"]]
)
def test_help_comes_at_once(python, words):
    code = f"import sys\nsys.argv = {['semsim', *words, '--help']}\nfrom semsim.commands import main"
    loads = loaded(python, f"{code}\ntry:\n    main()\nexcept SystemExit:\n    pass")
    assert "argparse" in loads and not loads & (HEAVY | {"torch", "numpy", "safetensors"})


@pytest.mark.parametrize(
    ("code", "missing", "message"),
    [
        ("sys.argv = ['semsim', 'score', 'a', 'b']; main()", "pandas", "semsim score needs: {}'semsim[score]'"),
        ("sys.argv = ['semsim', 'compare', 'a', 'b']; main()", "PIL", "semsim compare needs: {}'semsim[score]'"),
        (
            "sys.argv = ['semsim', 'audit', '--model', 'a', '--images', 'b', '--out', 'c']; main()",
            "pydantic",
            "semsim audit needs: {}'semsim[attack,score]'",
        ),
        ("sys.argv = ['semsim', 'fetch']; main()", "platformdirs", "semsim fetch needs: {}'semsim[score]'"),
        ("sys.argv = ['semsim', 'label', 'serve', 'a']; main()", "uvicorn", "semsim label needs: {}'semsim[label]'"),
        ("run(lambda: semsim.score)", "pandas", "semsim.score needs: {}'semsim[score]'"),
        ("run(lambda: semsim.reconstruct)", "lazy_loader", "semsim.reconstruct needs: {}'semsim[attack]'"),
        ("run(lambda: semsim.MeanSemSim)", "torchmetrics", "semsim.MeanSemSim needs: {}'semsim[score]'"),
    ],
)
def test_a_missing_extra_is_named_in_one_line(python, code, missing, message):
    before = f"import sys; sys.modules[{missing!r}] = None; import semsim"
    before += "; from semsim.commands import main; from semsim.commandline import run"
    assert python("-c", f"{before}\n{code}", status=1) == f"error: {message.format('pip install ')}\n"


@pytest.mark.parametrize("part", ["score", "attack", "audit", "label"])
def test_people_can_use_it(python, house, part):
    assert python(house / "tests" / "wheel" / "use.py", part) == f"{part}: fine\n"
