"""Registries list the parts of one kind, such as priors, by name.

A decorator on a function or class adds it; settings, their schema and the manual are derived from the registry.
This module has no dependencies, so that a configuration can be checked without PyTorch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Part:
    """A named function or class, with its requirements.

    Attributes
    ----------
    name : str
    function : callable
        Calling the part calls it.
    needs : frozenset of str
        Traits without which it cannot work (`semsim.targets.traits.TRAITS`).
    """

    name: str
    function: Callable
    needs: frozenset[str] = frozenset()

    def __call__(self, *arguments, **settings):
        return self.function(*arguments, **settings)

    @property
    def summary(self) -> str:
        """The first line of its docstring."""
        return (self.function.__doc__ or "").strip().partition("\n")[0]


class Registry(Mapping):
    """Parts of one kind by name, in the order in which they were added.

    Parameters
    ----------
    part : type, optional
        `Part`, or a subclass with more attributes.

    Examples
    --------
    >>> SHAPES = Registry()
    >>> @SHAPES.register()
    ... def square(side):
    ...     "The area of a square."
    ...     return side**2
    >>> SHAPES["square"](3), SHAPES["square"].summary, list(SHAPES)
    (9, 'The area of a square.', ['square'])
    """

    def __init__(self, part: type[Part] = Part):
        self._part = part
        self._parts: dict[str, Part] = {}

    def register(self, name: str | None = None, *, needs: Iterable[str] = (), **about: Any) -> Callable:
        """Return a decorator that adds a function or class, by default under its own name in lower case."""

        def add(function):
            key = name or function.__name__.lower()
            if key in self._parts:
                raise ValueError(f"'{key}' is taken by {self._parts[key].function}")
            self._parts[key] = self._part(key, function, frozenset(needs), **about)
            return function

        return add

    def __getitem__(self, name: str) -> Part:
        return self._parts[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._parts)

    def __len__(self) -> int:
        return len(self._parts)
