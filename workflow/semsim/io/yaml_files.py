"""YAML that people write: bounded, without duplicate keys, and with the line of what is wrong in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from semsim.errors import SemsimError
from semsim.io.texts import read_verbatim
from semsim.settings import DEEPEST, MOST_VALUES

if TYPE_CHECKING:
    import os

MOST_BYTES = 2**20
LONGEST_KEY = 80
"""Characters of a key that a message quotes."""
LONGEST_REASON = 400
"""Characters of an error of PyYAML, which quotes names as long as they are."""


def read_yaml(path: str | os.PathLike) -> object:
    """Return the content of a YAML file: text, numbers, lists, dictionaries and the like.

    Raises
    ------
    SemsimError
        If the file cannot be read, is too large, nested too deeply or not valid, or sets one key twice.
    """
    text = read_verbatim(path, "YAML", MOST_BYTES)
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        _Check(path, loader).visit(node)
        return loader.construct_document(node)
    except RecursionError:
        raise SemsimError(f"{path}: nested too deeply.") from None
    # What PyYAML lets through of tags that do not suit their value: `!!int x`, `!!bool x`, dates such as 2000-13-01.
    except (yaml.YAMLError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise SemsimError(f"{path}: not valid YAML: {reason[:LONGEST_REASON]}") from None


class _Check:
    """Refuses what a file has too much of, before objects are made of it."""

    def __init__(self, path, loader):
        self.path, self.loader, self.values = path, loader, 0

    def visit(self, node, place=()):
        self.values += 1
        if self.values > MOST_VALUES:
            raise SemsimError(f"{self.path}: more than {MOST_VALUES:,} values, aliases written out.")
        if len(place) > DEEPEST:
            raise SemsimError(f"{self.path}: {'.'.join(place[:3])}: nested too deeply, or in itself. Write it out.")
        if isinstance(node, yaml.MappingNode):
            self.refuse_duplicates(node)
            for key, value in node.value:
                self.visit(value, (*place, str(key.value)[:LONGEST_KEY]))
        elif isinstance(node, yaml.SequenceNode):
            for number, item in enumerate(node.value):
                self.visit(item, (*place, str(number)))

    def refuse_duplicates(self, node):
        first = {}
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag.rpartition(":")[2] not in ("merge", "value"):
                name = self.loader.construct_object(key)
                if name in first:
                    raise SemsimError(
                        f"{self.path}, line {_line(key)}: {key.value[:LONGEST_KEY]!r} is set again, after line"
                        f" {_line(first[name])}. Remove one of the two."
                    )
                first[name] = key


def _line(node):
    return node.start_mark.line + 1
