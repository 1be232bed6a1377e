"""The library's structure: imports run one way, from room to room, and nothing reads above the package."""

import ast

import pytest

ROOMS = [
    *("errors", "seeds", "text", "progress", "compat", "commandline", "registry", "settings", "io", "html"),
    *("data", "targets", "attacks", "pretrained", "metrics", "labels", "observers", "statistics", "learned", "defects"),
    *("config", "results", "figures", "findings", "report", "labelling", "scoring", "commands"),
]
"""Top-level modules and packages in the order in which they build on each other."""
GROUND = ("errors", "seeds", "text", "progress", "commandline", "registry")
"""What everything may import, because it costs nothing."""


def modules(library):
    """Pairs of a module's path and its name within the package, such as ``attacks.engine``."""
    for path in sorted(library.rglob("*.py")):
        parts = path.relative_to(library).with_suffix("").parts
        yield path, ".".join(parts if parts[-1] != "__init__" else parts[:-1])


def imported(path):
    """The names of everything that a module imports, inside functions as well, with the line."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module, node.lineno
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


@pytest.fixture(scope="module")
def library(house):
    return house / "workflow" / "semsim"


def test_every_module_is_in_a_room(library):
    rooms = {name.partition(".")[0] for _, name in modules(library)} - {""}
    assert rooms == set(ROOMS)


def test_imports_run_one_way(library):
    backwards = []
    for path, name in modules(library):
        if not name:
            continue  # the package itself hands out what users ask it for
        room = name.partition(".")[0]
        for module, line in imported(path):
            parts = module.split(".")
            known = parts[0] == "semsim" and len(parts) > 1 and parts[1] in ROOMS
            if known and ROOMS.index(parts[1]) > ROOMS.index(room):
                backwards.append(f"{path.relative_to(library)}:{line} imports {module}")
    assert not backwards, "\n".join(backwards)


def test_the_ground_imports_neither_pandas_nor_torch(library):
    heavy = {
        name: module
        for path, name in modules(library)
        if name.partition(".")[0] in GROUND
        for module, _ in imported(path)
        if module.partition(".")[0] in ("numpy", "pandas", "torch", "scipy", "matplotlib")
    }
    assert not heavy


def test_the_library_does_not_look_above_its_own_folder(library):
    assert not [str(path) for path, _ in modules(library) if "__file__" in path.read_text(encoding="utf-8")]
