"""The environments: conda files, lock and project agree, and every rule finds what it imports."""

import ast
import importlib.metadata
import json
import re
import sys
import tomllib
from functools import cache

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ENVIRONMENTS = ("analysis", "data", "notebook", "torch")
PART_OF = {"pydantic_core": "pydantic"}
"""Modules whose distribution comes with another one, which asks for its exact version."""


def exact_pins(requirements):
    """The versions by package of lines such as ``numpy==2.4.6``; anything less exact fails."""
    pins = [re.fullmatch(r"([\w.-]+)==([\w.]+)", line).groups() for line in requirements]
    return {canonicalize_name(name): version for name, version in pins}


@pytest.fixture(scope="module")
def lock(house):
    lines = (house / "requirements.txt").read_text().splitlines()
    return exact_pins(line for line in lines if not line.startswith("#"))


@cache
def environment(house, name):
    return yaml.safe_load((house / "envs" / f"{name}.yaml").read_text())


def pins_of(house, name):
    [packages] = [part["pip"] for part in environment(house, name)["dependencies"] if isinstance(part, dict)]
    return exact_pins(packages)


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_environment_has_the_versions_of_the_lock(house, lock, name):
    pins = pins_of(house, name)
    assert pins == {package: lock[package] for package in pins}


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_conda_itself_only_gives_python_and_pip(house, name):
    file = environment(house, name)
    assert file["channels"] == ["conda-forge", "nodefaults"]
    assert [part for part in file["dependencies"] if isinstance(part, str)] == ["python =3.11", "pip"]


def test_torch_is_in_one_environment(house):
    assert [name for name in ENVIRONMENTS if "torch" in pins_of(house, name)] == ["torch"]


@cache
def requirements(house):
    """What the project asks for: by extra, the distributions with their versions; "" is the core."""
    project = tomllib.loads((house / "pyproject.toml").read_text())["project"]
    groups = {"": project["dependencies"], **project["optional-dependencies"]}
    return {extra: list(map(Requirement, lines)) for extra, lines in groups.items()}


def packages_of(house, extra):
    """The distributions that an extra brings, with those of the extras that it names and of the core."""
    packages = set() if extra == "" else packages_of(house, "")
    for requirement in requirements(house)[extra]:
        if requirement.name == "semsim":
            packages = packages.union(*(packages_of(house, name) for name in requirement.extras))
        else:
            packages.add(canonicalize_name(requirement.name))
    return packages


def test_lock_has_what_the_project_asks_for(house, lock):
    for requirement in [each for group in requirements(house).values() for each in group if each.name != "semsim"]:
        assert Version(lock[canonicalize_name(requirement.name)]) in requirement.specifier, requirement


def test_the_core_is_what_the_metric_needs(house):
    assert packages_of(house, "") == {"numpy", "safetensors", "torch", "torchvision"}


def test_the_lock_holds_all_extras(house):
    assert all(packages_of(house, extra) <= packages_of(house, "dev") for extra in requirements(house))


def test_lock_leaves_the_build_of_torch_to_pip(lock):
    assert not [package for package in lock if package.startswith(("nvidia", "cuda", "triton"))]


def rules(house):
    """The text of every rule that runs in an environment, with the environment's name."""
    for stage in sorted((house / "workflow" / "rules").glob("*.smk")):
        for rule in re.split(r"^ *(?=rule |checkpoint )", stage.read_text(), flags=re.MULTILINE)[1:]:
            yield re.search(r'envs/(\w+)\.yaml"', rule).group(1), rule


def scripts_by_environment(house):
    """Pairs of an environment and a script that a rule runs in it."""
    return {(name, script) for name, rule in rules(house) for script in re.findall(r'script\(\s*"(\w+)\.py"', rule)}


def imports(code, in_functions=False):
    """The names of the modules that code imports when it is loaded, or also those that its functions import."""
    waiting = list(ast.parse(code).body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            waiting += node.orelse
        elif in_functions or not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            waiting += ast.iter_child_nodes(node)


def packages_loaded(house, code, in_functions=False):
    """The distributions that code loads, itself (in its functions, too, if asked for) and through the library."""
    library = house / "workflow" / "semsim"
    distributions = importlib.metadata.packages_distributions()
    waiting, seen, packages = list(imports(code, in_functions)), set(), set()
    while waiting:
        top, *rest = waiting.pop().split(".")
        beside = house / "workflow" / "scripts" / f"{top}.py"
        if beside.is_file():
            waiting += imports(beside.read_text())
            continue
        if top != "semsim":
            if top not in sys.stdlib_module_names:
                packages.add(canonicalize_name(PART_OF.get(top) or distributions[top][0]))
            continue
        parts = [library.joinpath(*rest[:depth]) for depth in range(len(rest) + 1)]
        for file in [path for part in parts for path in (part / "__init__.py", part.with_suffix(".py"))]:
            if file not in seen and file.is_file():
                seen.add(file)
                waiting += imports(file.read_text())
    return packages


def test_every_script_is_run_by_a_rule(house):
    commands = {path.stem for path in (house / "workflow" / "scripts").glob("*.py") if "run(main)" in path.read_text()}
    assert {script for _, script in scripts_by_environment(house)} == commands


def test_rules_find_what_their_scripts_import(house):
    missing = {
        (name, script): lacking
        for name, script in scripts_by_environment(house)
        if (
            lacking := packages_loaded(house, (house / "workflow" / "scripts" / f"{script}.py").read_text())
            - pins_of(house, name).keys()
        )
    }
    assert not missing


def test_rules_run_nothing_but_scripts(house):
    # What else they would run, nobody would look for in their environments.
    assert [rule for _, rule in rules(house) if "script(" not in rule] == []


@pytest.mark.parametrize(
    ("extra", "modules"),
    [
        ("", ["learned.metric", "targets.torchvision_networks"]),
        (
            "score",
            ["commands.score", "commands.compare", "scoring.score", "learned.torchmetric", "pretrained.networks"],
        ),
        ("attack", ["attacks.reconstruct"]),
        ("attack score", ["commands.audit", "auditing.audit"]),
        ("label", ["commands.label"]),
    ],
)
def test_extras_bring_what_their_modules_import(house, extra, modules):
    for module in modules:
        code = house.joinpath("workflow", "semsim", *module.split(".")).with_suffix(".py").read_text()
        optional = {"torch-fidelity"} if module == "pretrained.networks" else set()  # of metrics of whole sets
        brought = set().union(*(packages_of(house, each) for each in extra.split() or [""]))
        assert packages_loaded(house, code, in_functions=True) - optional <= brought, module


def test_downloads_find_what_they_import(house):
    code = (house / "workflow" / "semsim" / "data" / "download.py").read_text()  # which is imported only when needed
    assert {"pooch", "requests", "filelock"} <= packages_loaded(house, code) <= pins_of(house, "data").keys()


def test_notebooks_find_what_they_import(house):
    for path in sorted((house / "notebooks").glob("*.ipynb")):
        cells = [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]
        packages = packages_loaded(house, "\n".join("".join(cell["source"]) for cell in cells))
        assert not packages - pins_of(house, "notebook").keys(), path.name
