"""Which code a script runs, and a digest of it, so that a change to the library re-runs what it affects.

The digest of a script covers the script, the modules of the repository that it imports, those that they import, and the
data files that these read. Comments, docstrings and formatting do not count.
"""

from __future__ import annotations

import ast
import hashlib
import json
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from semsim.errors import SemsimError

if TYPE_CHECKING:
    import os

NAME = re.compile(r"(\w+(?:\.\w+)+)(?::\w+)?")
"""A string that may name a module, a package or a member: ``semsim.labels``, ``semsim.targets.networks:lenet``."""
PREFIX = re.compile(r"(\w+(?:\.\w+)+)\.")
"""Text before a value in an f-string that may name any module of a package: ``semsim.targets.``."""
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


class Import(NamedTuple):
    """What a piece of code may load.

    Attributes
    ----------
    name : str
        A module, a package or something in one; ``package.*`` stands for all modules of a package.
    in_function : bool
        Whether it is loaded only when a function is called.
    as_text : bool
        Whether the code names it in a string, as for data files of packages.
    """

    name: str
    in_function: bool
    as_text: bool = False


class Code:
    """The modules in some folders, and what each of them imports.

    Imports inside functions count. A string that names a module or package counts as an import of it, since that is how
    `importlib` is told what to load (``files("semsim.labels")``, or ``files(__name__)``); for a package, all data files
    in it count as well. If only a submodule of a package is imported, only the top-level imports of its ``__init__``
    count, so that ``semsim/__init__.py`` can offer the whole public interface.

    Parameters
    ----------
    *folders : path-like
        Where to look for modules. Packages installed elsewhere do not count.

    Examples
    --------
    >>> from importlib.resources import files
    >>> code = Code(files("semsim").parent)
    >>> sorted(path.name for path in code.files(files("semsim") / "seeds.py"))
    ['seeds.py']
    """

    def __init__(self, *folders: str | os.PathLike):
        self._folders = [Path(folder) for folder in folders]
        self._read = {}
        self._loaded = {}

    def digest(self, *paths: str | os.PathLike) -> str:
        """Return a digest of the code that scripts, modules or notebooks run.

        Parameters
        ----------
        *paths : path-like
            Files that end in ``.py`` or ``.ipynb``.

        Returns
        -------
        str
            Sixteen hexadecimal digits.

        Raises
        ------
        SemsimError
            If a file cannot be read or is not valid Python.
        """
        digests = sorted(self._file(path)[0] for path in self.files(*paths))
        return _sha256("".join(digests).encode())[:16]

    def files(self, *paths: str | os.PathLike) -> set[Path]:
        """Return the paths of all files that scripts, modules or notebooks depend on, including themselves."""
        waiting, seen = [(Path(path), True) for path in paths], set()
        while waiting:
            path, used = visit = waiting.pop()
            if visit not in seen:
                seen.add(visit)
                for each in self._file(path)[1]:
                    if used or not (each.in_function or each.as_text):
                        waiting += self._files_of(each)
        return {path for path, used in seen if used}

    def _file(self, path):
        """Return a digest of the content of a file, and its imports."""
        if path not in self._read:
            self._read[path] = _read_code(path, self._package(path)) if _is_code(path) else _read_data(path)
        return self._read[path]

    def _package(self, path):
        """Return the names of the packages that contain a file, from the outermost to the innermost."""
        inside = [path.relative_to(folder) for folder in self._folders if path.is_relative_to(folder)]
        return min((relative.parent.parts for relative in inside), key=len, default=())

    def _files_of(self, imported):
        """Return pairs of a file that an import loads, and whether more than its imports counts."""
        if imported not in self._loaded:
            self._loaded[imported] = [each for each in self._find(imported) if each[0].is_file()]
        return self._loaded[imported]

    def _find(self, imported):
        parts = imported.name.split(".")
        for folder in self._folders:
            # The longest part of the name that is a module or a package; what follows is a name inside.
            for depth in range(len(parts), 1 if imported.as_text else 0, -1):
                place = folder.joinpath(*parts[:depth])
                module = place.with_name(f"{place.name}.py")
                if not (place.is_dir() or module.is_file()):
                    continue
                yield from ((folder.joinpath(*parts[:above], "__init__.py"), False) for above in range(1, depth))
                yield from ((path, True) for path in (module, place / "__init__.py"))
                if parts[depth:] == ["*"]:
                    yield from ((path, True) for path in place.glob("*.py"))
                elif imported.as_text and depth == len(parts):
                    yield from ((path, True) for path in place.rglob("*") if path.suffix not in (".py", ".pyc"))
                return


def _is_code(path):
    return path.suffix in (".py", ".ipynb")


def _read_data(path):
    return _sha256(path.read_bytes()), ()


def _read_code(path, package):
    try:
        text = path.read_text(encoding="utf-8")
        return _parsed(_code_of_notebook(text) if path.suffix == ".ipynb" else text, package)
    except OSError as error:
        raise SemsimError(f"{path}: cannot read this code ({error.strerror}).") from None
    except (SyntaxError, ValueError) as error:
        raise SemsimError(f"{path}: not valid Python: {error}") from None


@cache  # by the text, not the path: tests plan many copies of the workflow in one process
def _parsed(text, package):
    """Return a digest of code, and its imports."""
    tree = ast.parse(text)
    imports = tuple(dict.fromkeys(_take_apart(tree, package)))
    return _sha256(ast.unparse(tree).encode()), imports


def _code_of_notebook(text):
    return "\n".join("".join(cell["source"]) for cell in json.loads(text)["cells"] if cell["cell_type"] == "code")


def _take_apart(tree, package):
    """Remove docstrings and blocks for type checkers from code, and yield its imports."""
    waiting = [(tree, False)]
    while waiting:
        node, in_function = waiting.pop()
        in_function = in_function or isinstance(node, FUNCTIONS)
        for block in ("body", "orelse", "finalbody"):
            if isinstance(statements := getattr(node, block, None), list):
                setattr(node, block, [run for statement in statements for run in _run_of(statement)])
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, in_function) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            within = [*base, *filter(None, [node.module])]
            yield from (Import(".".join([*within, alias.name]), in_function) for alias in node.names)
        elif _is_files_of_own_package(node) and package:
            yield Import(".".join(package), in_function, as_text=True)
        elif _is_text(node) and (named := NAME.fullmatch(node.value)):
            yield Import(named[1], in_function, as_text=True)
        elif isinstance(node, ast.JoinedStr) and (named := PREFIX.fullmatch(_beginning(node))):
            yield Import(f"{named[1]}.*", in_function, as_text=True)
        waiting += [(child, in_function) for child in ast.iter_child_nodes(node)]


def _run_of(statement):
    """Return the statements that run of one: none of a docstring, the other branch of what is for type checkers."""
    if isinstance(statement, ast.If):
        if isinstance(statement.test, ast.Name | ast.Attribute) and _last_name(statement.test) == "TYPE_CHECKING":
            return [run for each in statement.orelse for run in _run_of(each)]
    elif isinstance(statement, ast.Expr) and _is_text(statement.value):
        return []
    return [statement]


def _is_files_of_own_package(node):
    """Tell whether code asks for the data files of the package that it is in: ``files(__name__)``."""
    return (
        isinstance(node, ast.Call)
        and _last_name(node.func) == "files"
        and [ast.unparse(argument) for argument in node.args] in (["__name__"], ["__package__"])
    )


def _last_name(node):
    return ast.unparse(node).rpartition(".")[2]


def _beginning(joined):
    """Return the text before the first value of an f-string."""
    first = joined.values[0] if joined.values else None
    return first.value if _is_text(first) else ""


def _is_text(node):
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _sha256(content):
    return hashlib.sha256(content).hexdigest()
