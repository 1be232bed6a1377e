"""The library's structure: imports run one way, from room to room, and nothing reads above the package."""

import ast
from importlib.util import resolve_name

import pytest

import semsim

ROOMS = [
    *(
        "errors",
        "extras",
        "seeds",
        "names",
        "text",
        "progress",
        "compat",
        "commandline",
        "registry",
        "validation",
        "settings",
        "io",
        "timing",
        "html",
    ),
    *("data", "targets", "attacks", "pretrained", "metrics", "labels", "observers", "statistics", "learned", "defects"),
    *("config", "results", "figures", "findings", "report", "labelling", "scoring", "auditing", "commands"),
]
"""Top-level modules and packages in the order in which they build on each other."""
GROUND = ("errors", "extras", "seeds", "names", "text", "progress", "commandline", "registry")
"""What everything may import, because it costs nothing."""


def modules(library):
    """Pairs of a module's path and its name within the package, such as ``attacks.engine``."""
    for path in sorted(library.rglob("*.py")):
        parts = path.relative_to(library).with_suffix("").parts
        yield path, ".".join(parts if parts[-1] != "__init__" else parts[:-1])


def imported(path, package):
    """The full names of everything that a module imports, inside functions and by name as well, with the line.

    `package` is the one that it is in, such as ``semsim.attacks``.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = list(ast.walk(tree))
    names = {}
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                names[alias.asname or alias.name.partition(".")[0]] = alias.asname and alias.name
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            base = resolve_name("." * node.level + (node.module or ""), package) if node.level else node.module
            yield base, node.lineno
            yield from ((at_home(f"{base}.{alias.name}"), node.lineno) for alias in node.names)
        elif isinstance(node, ast.Call) and (name := named(node)):
            yield resolve_name(name, package), node.lineno
    for node in nodes:  # `import semsim`, and then `semsim.score`
        if isinstance(node, ast.Attribute):
            first, _, rest = ast.unparse(node).partition(".")
            if first in names:
                yield at_home(f"{names[first] or first}.{rest}"), node.lineno


LOADERS = ("import_module", "load", "__import__")
"""Functions of `importlib` and `lazy_loader`, and Python's own, that import what a text names."""


def named(call):
    """The module of the library that a call loads by its name, or the beginning of its name; else nothing."""
    first = call.args[0] if call.args else None
    if isinstance(first, ast.JoinedStr) and first.values:
        first = first.values[0]
    text = first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else ""
    loads = ast.unparse(call.func).rpartition(".")[2] in LOADERS
    return text.rstrip(".") if loads and text.startswith(("semsim.", ".")) else ""


def at_home(name):
    """What the package hands out lies in another module."""
    package, _, inside = name.partition(".")
    home = semsim._HOMES.get(inside.partition(".")[0]) if package == "semsim" else None
    return f"{home[0]}.{inside}" if home else name


def upward(library):
    """The imports of later rooms, in sentences."""
    for path, name in modules(library):
        if not name:
            continue  # the package itself hands out what users ask it for
        room = name.partition(".")[0]
        package = ".".join(["semsim", *path.relative_to(library).parent.parts])
        for module, line in imported(path, package):
            parts = module.split(".")
            known = parts[0] == "semsim" and len(parts) > 1 and parts[1] in ROOMS
            if known and ROOMS.index(parts[1]) > ROOMS.index(room):
                yield f"{path.relative_to(library)}:{line} imports {module}"


@pytest.fixture(scope="module")
def library(house):
    return house / "workflow" / "semsim"


def test_every_module_is_in_a_room(library):
    rooms = {name.partition(".")[0] for _, name in modules(library)} - {""}
    assert rooms == set(ROOMS)


def test_imports_run_one_way(library):
    backwards = list(upward(library))
    assert not backwards, "\n".join(backwards)


@pytest.mark.parametrize(
    "code",
    [
        "from semsim.learned import metric",
        "from semsim import learned",
        "import semsim.learned.metric as m",
        "def f():\n    from semsim import SemSim",
        "import semsim\nsemsim.score",
        "import semsim as s\ndef f():\n    return s.learned.metric.SemSim()",
        "from ..learned.metric import SemSim",
        "from .. import learned",
        "from .. import SemSim",
        "import importlib\nimportlib.import_module('semsim.learned.metric')",
        "from importlib import import_module\nimport_module(f'semsim.learned.{name}')",
        "import importlib\nimportlib.import_module('..learned', __package__)",
        "import lazy_loader\nlazy_loader.load('semsim.learned.metric')",
    ],
)
def test_no_import_of_a_later_room_slips_through(tmp_path, code):
    (tmp_path / "attacks").mkdir()
    (tmp_path / "attacks" / "engine.py").write_text(code)
    assert [line for line in upward(tmp_path) if line.startswith("attacks/engine.py:")]


def test_imports_of_earlier_rooms_and_of_the_own_one_pass(tmp_path):
    for name in ("attacks/engine.py", "attacks/__init__.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(
            "import importlib, lazy_loader, semsim\nfrom . import objectives\nfrom .labels import known\n"
            "from ..targets import models\nfrom semsim import reconstruct, __version__\nsemsim.reconstruct\n"
            "importlib.import_module(f'semsim.attacks.{name}')\ntorch = lazy_loader.load('torch')\njson.load(file)\n"
        )
    assert not list(upward(tmp_path))


def test_the_ground_imports_neither_pandas_nor_torch(library):
    heavy = {
        name: module
        for path, name in modules(library)
        if name.partition(".")[0] in GROUND
        for module, _ in imported(path, "semsim")
        if module.partition(".")[0] in ("numpy", "pandas", "torch", "scipy", "matplotlib")
    }
    assert not heavy


def test_the_library_does_not_look_above_its_own_folder(library):
    assert not [str(path) for path, _ in modules(library) if "__file__" in path.read_text(encoding="utf-8")]


def public_functions(node):
    """Yield the functions of a module or class whose names are public, and those of its public classes."""
    for each in node.body:
        if isinstance(each, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not each.name.startswith("_"):
            yield from public_functions(each) if isinstance(each, ast.ClassDef) else [each]


def test_public_functions_say_their_types(library):
    """The package is marked as typed, for type checkers of those who use it."""
    silent = []
    for path, _ in modules(library):
        for function in public_functions(ast.parse(path.read_text(encoding="utf-8"))):
            given = function.args
            arguments = [each for each in (*given.args, *given.kwonlyargs) if each.arg not in ("self", "cls")]
            if function.returns is None or any(each.annotation is None for each in arguments):
                silent.append(f"{path.relative_to(library)} {function.name}")
    assert not silent, "\n".join(silent)
