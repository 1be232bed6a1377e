"""The digest of the code that a script runs: what changes it, what does not, and that it misses nothing."""

import ast
import subprocess
import sys

import pytest

from semsim.config.code import Code
from semsim.errors import SemsimError

FILES = {
    "script.py": "from lib.stage.work import run\n\nrun()\n",
    "lib/__init__.py": "def __getattr__(name):\n    from lib import extra\n",
    "lib/extra.py": "x = 1\n",
    "lib/stage/__init__.py": "from lib.stage import registered\n",
    "lib/stage/registered.py": "x = 1\n",
    "lib/stage/work.py": """
def run():
    '''Run.'''
    from lib.base import read
    return read("round")
""",
    "lib/base.py": (
        "import json\nfrom importlib import import_module\nfrom importlib.resources import files\n"
        "from .shared import y\n\n\ndef read(kind):\n    import_module(f'lib.kinds.{kind}')\n"
        "    return (files('lib.pages') / 'page.html').read_text()\n"
    ),
    "lib/shared.py": "y = 1\n",
    "lib/kinds/round.py": "x = 1\n",
    "lib/pages/page.html": "<p>",
    "lib/later.py": "from lib.stage.work import run\n",
}
COUNTING = [name for name in FILES if name not in ("lib/__init__.py", "lib/stage/__init__.py", "lib/extra.py")]
COUNTING.remove("lib/later.py")


@pytest.fixture
def library(tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def digest(folder):
    return Code(folder).digest(folder / "script.py")


@pytest.mark.parametrize("name", FILES)
def test_a_file_counts_where_it_is_imported_named_or_read(library, name):
    before = digest(library)
    (library / name).write_text(FILES[name] + ("<p>" if name.endswith("html") else "\nz = 2\n"))
    assert (digest(library) != before) == (name in COUNTING)


def test_an_import_that_is_added_counts_with_what_it_imports(library):
    for name in ("lib/stage/work.py", "lib/stage/__init__.py"):  # in the second one, of the package that is passed by
        (library / name).write_text(FILES[name] + "import lib.later\n")
        assert library / "lib" / "later.py" in Code(library).files(library / "script.py")
        (library / name).write_text(FILES[name])


def test_what_a_package_hands_out_counts_for_those_who_ask_it(library):
    (library / "script.py").write_text("from lib import anything\n")
    assert library / "lib" / "extra.py" in Code(library).files(library / "script.py")


REWORDED = """
'''Another description of the module.'''

def run():
    '''Run it,

    at once.
    '''
    from lib.base import read  # only when it is called

    return (
        read('round')
    )
"""


def test_comments_docstrings_and_formatting_do_not_count(library):
    before = digest(library)
    (library / "lib" / "stage" / "work.py").write_text(REWORDED)
    assert digest(library) == before


def test_imports_for_type_checkers_do_not_count(library):
    before = digest(library)
    checked = "from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    from lib.later import run\n"
    (library / "lib" / "__init__.py").write_text(checked)
    assert digest(library) == before


@pytest.mark.parametrize(
    "code",
    [
        "if not TYPE_CHECKING:\n    from lib.later import run\n",
        "if TYPE_CHECKING:\n    import lib.extra\nelse:\n    from lib.later import run\n",
        "if typing.TYPE_CHECKING:\n    import lib.extra\nelif x:\n    from lib.later import run\n",
        "if x:\n    pass\nelif TYPE_CHECKING:\n    import lib.extra\nelse:\n    from lib.later import run\n",
    ],
)
def test_what_runs_where_types_are_not_checked_counts(library, code):
    shared = library / "lib" / "shared.py"
    shared.write_text(code)
    files = Code(library).files(library / "script.py")
    assert library / "lib" / "later.py" in files and library / "lib" / "extra.py" not in files
    before = digest(library)
    shared.write_text(code.replace("import run", "import run as go"))
    assert digest(library) != before


@pytest.mark.parametrize("asked", ["files(__name__)", "resources.files(__package__)", "files('lib.weights')"])
def test_data_that_a_package_reads_beside_itself_counts(library, asked):
    (library / "lib" / "weights" / "small").mkdir(parents=True)
    (library / "lib" / "weights" / "small" / "model.bin").write_bytes(b"0")
    (library / "lib" / "weights" / "__init__.py").write_text(f"def folders():\n    return list({asked}.iterdir())\n")
    unread = digest(library)
    (library / "lib" / "shared.py").write_text("from lib.weights import folders\n")
    read = digest(library)
    (library / "lib" / "weights" / "small" / "model.bin").write_bytes(b"1")
    assert len({unread, read, digest(library)}) == 3


def test_code_and_words_that_are_shown_count(library):
    before = digest(library)
    (library / "lib" / "shared.py").write_text("y = 'other'\n")
    assert digest(library) != before


def test_a_notebook_counts_by_its_code(library):
    cells = '{{"cells": [{{"cell_type": "markdown", "source": ["{}"]}}, {{"cell_type": "code", "source": ["{}"]}}]}}'
    digests = []
    for words, code in (("a", "import lib.shared"), ("b", "import lib.shared"), ("a", "import lib.extra")):
        (library / "notebook.ipynb").write_text(cells.format(words, code))
        digests.append(Code(library).digest(library / "notebook.ipynb"))
    assert digests[0] == digests[1] != digests[2]


def test_code_that_python_cannot_read_is_named(library):
    (library / "lib" / "shared.py").write_text("y = (\n")
    with pytest.raises(SemsimError, match=r"shared\.py: not valid Python"):
        digest(library)


@pytest.fixture(scope="module")
def repository(house):
    return Code(house / "workflow", house / "workflow" / "scripts")


LOADED = """
import importlib, sys
from pathlib import Path

sys.path.insert(0, sys.argv[1])


def own():
    files = {name: str(getattr(module, "__file__", "")) for name, module in list(sys.modules.items())}
    return {name for name, file in files.items() if file.startswith(sys.argv[2])}


for script in sorted(Path(sys.argv[1]).glob("*.py")):
    for name in own():
        del sys.modules[name]
    importlib.import_module(script.stem)
    print(script, *(sys.modules[name].__file__ for name in own()))
"""


def test_all_that_a_script_loads_is_in_its_digest(house, repository):
    workflow = house / "workflow"
    command = [sys.executable, "-c", LOADED, workflow / "scripts", workflow]
    lines = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    assert len(lines) == len(list((workflow / "scripts").glob("*.py")))
    for line in lines:
        script, *loaded = line.split()
        passed_by = {path for path in loaded if path.endswith("__init__.py")}
        assert {*loaded} - passed_by <= {str(path) for path in repository.files(script)}, script


def test_the_library_names_in_full_what_it_imports_by_name(house):
    # Else the digest could not know of it.
    for path in (house / "workflow" / "semsim").rglob("*.py"):
        nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        texts = [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
        if any(isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module") for node in nodes):
            assert [text for text in texts if text.startswith("semsim.")], path


@pytest.mark.parametrize(
    ("script", "module", "depends"),
    [
        ("attack.py", "attacks/priors.py", True),
        ("train_target.py", "attacks/priors.py", False),
        ("prepare_data.py", "attacks/priors.py", False),
        ("compute_metrics.py", "attacks/priors.py", False),
        ("train_target.py", "targets/networks.py", True),
        ("attack.py", "targets/torchvision_networks.py", True),
        ("prepare_data.py", "targets/networks.py", False),
        ("make_report.py", "html/base.html.j2", True),
        ("make_report.py", "learned/shipped/embedded/model.safetensors", True),
        ("attack.py", "learned/shipped/embedded/model.safetensors", False),
        ("learn_semsim.py", "learned/calibrating.py", True),
        ("try_semsim.py", "learned/calibrating.py", False),
    ],
)
def test_scripts_depend_on_what_they_run_and_no_more(house, repository, script, module, depends):
    workflow = house / "workflow"
    assert (workflow / "semsim" / module).is_file()
    assert (workflow / "semsim" / module in repository.files(workflow / "scripts" / script)) == depends
