"""Typed settings: every stage defines its own, and all errors are reported at once, in sentences.

A field of `Settings` defines a setting completely: its type, default, range and meaning. Messages, the JSON schema for
editors and the tables of the manual are derived from it.
"""

import math
import re
from collections.abc import Callable, Collection
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic_core import PydanticCustomError

from semsim.errors import SemsimError, refuse
from semsim.validation import sentences, written


class Settings(BaseModel):
    """The base of all settings: strict, immutable, and without unknown fields."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


Checked = TypeVar("Checked", bound=Settings)
Item = TypeVar("Item")
Several = Annotated[tuple[Item, ...], Field(strict=False)]
"""A tuple, for which a list of YAML or JSON is accepted."""
ShareOfSteps = Annotated[float, Field(gt=0, lt=1)]
"""A point in training or in a search, as a fraction of its length."""
CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def _check_place(path):
    if CONTROL.search(path):
        raise ValueError(f"{path!r} has a line break or another control character. Remove it.")
    return path


Place = Annotated[str, Field(min_length=1), AfterValidator(_check_place)]
"""The path of a file or folder."""
DEEPEST = 20
"""How deeply lists and sections may be nested; nothing needs as much."""
MOST_VALUES = 100_000
"""Values, those of an alias counted wherever it stands: nine aliases of nine aliases are soon a billion."""
LARGEST = 2**32 - 1
"""The largest whole number of any setting; only seeds come near it."""
HALF = re.compile(r"[\ud800-\udfff]")
"""Half of a character in UTF-16, which YAML lets people write, and no file can hold."""


class OneOf:
    """Marks a string as a name in a registry, as in ``Annotated[str, OneOf(OBJECTIVES)]``.

    Parameters
    ----------
    registry : collection of str
        The names; those of a dict are its keys.
    """

    def __init__(self, registry: Collection[str]):
        self.registry = registry

    def __get_pydantic_core_schema__(self, source, handler):
        return handler.generate_schema(Annotated[source, AfterValidator(self._check)])

    def __get_pydantic_json_schema__(self, core_schema, handler):
        return handler(core_schema) | {"enum": list(self.registry)}

    def _check(self, name):
        if name not in self.registry:
            raise PydanticCustomError("one_of", "not known", {"known": list(self.registry)})
        return name


def checked_by(check: Callable[[Any], object]) -> AfterValidator:
    """Return a validator that calls a function on a value and reports the `SemsimError` that it raises."""

    def validate(value):
        try:
            check(value)
        except SemsimError as error:
            raise ValueError(str(error)) from None
        return value

    return AfterValidator(validate)


def with_defaults(model: type[Settings], name: str, **defaults: Any) -> type[Settings]:
    """Return a copy of a model with other defaults for some settings.

    Parameters
    ----------
    model : type of Settings
    name : str
        Of the new model.
    **defaults
        By setting.
    """
    fields = {setting: _field_like(model.model_fields[setting], default=value) for setting, value in defaults.items()}
    return create_model(name, __base__=model, __doc__=model.__doc__, __module__=model.__module__, **fields)


def changes_of(model: type[Settings]) -> type[Settings]:
    """Return a model of overrides: the same settings, each of them optional.

    The given ones are ``model_dump(exclude_unset=True)``. Rules that relate several settings apply to the result of the
    overrides, so they are not included.

    Parameters
    ----------
    model : type of Settings
    """
    fields = {
        setting: _field_like(field, default_factory=lambda: None)  # a default would be shown in the manual
        for setting, field in model.model_fields.items()
    }
    name = f"{model.__name__}Changes"
    return create_model(name, __base__=Settings, __doc__=model.__doc__, __module__=model.__module__, **fields)


def _field_like(field, **changes):
    """Return the definition of a field with some attributes changed."""
    parts = field.asdict()
    annotation, metadata = parts["annotation"], parts["metadata"]
    kept = {name: value for name, value in parts["attributes"].items() if name not in ("default", "default_factory")}
    return Annotated[(annotation, *metadata, Field(**kept, **changes))]


def validated(model: type[Checked], settings: object, heading: str) -> Checked:
    """Return checked settings, with all defaults.

    Parameters
    ----------
    model : type of Settings
    settings : object
        As read from YAML or JSON.
    heading : str
        What is not valid, such as "campaign.yaml is not valid"; it begins the message.

    Raises
    ------
    SemsimError
        With one line for each problem.
    """
    try:
        checked = model.model_validate(settings)
    except ValidationError as error:
        refuse(sentences(error, model, settings), heading)
    check_plain(settings, heading)
    return checked


def check_plain(settings: object, heading: str) -> None:
    """Refuse what no setting can be, whatever it is for.

    Parameters
    ----------
    settings : object
        As read from YAML or JSON.
    heading : str
        As for `validated`.

    Raises
    ------
    SemsimError
        If sections are nested too deeply, or there are too many values, as with aliases of aliases; if a number
        is not finite, a whole one is larger than any setting, or a text has an unpaired surrogate.
    """
    problems = []
    for number, (place, value) in enumerate(_values(settings)):
        where = ".".join(place) or "top level"
        if number == MOST_VALUES:
            refuse([f"there are more than {MOST_VALUES:,} values, aliases written out."], heading)
        if len(place) > DEEPEST:
            refuse([f"{'.'.join(place[:3])}: nested too deeply, or in itself. Write it out."], heading)
        if isinstance(value, dict) and any(_is_broken(name) for name in value):
            refuse([f"{where}: a name here has an unpaired surrogate, or is a huge number."], heading)
        if isinstance(value, str) and HALF.search(value):
            problems.append(
                f"{where}: {written(value)} has an unpaired surrogate (half a character). Choose another text."
            )
        if isinstance(value, float) and not math.isfinite(value):
            problems.append(f"{where}: {value} is not a finite number.")
        elif isinstance(value, int) and abs(value) > LARGEST:
            problems.append(f"{where}: this number is too large. No setting goes beyond {LARGEST:,}.")
    refuse(problems, heading)


def _values(value, place=()):
    """Yield the place of each value and the value; what is inside follows it."""
    yield place, value
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list | tuple) else ()
    for name, item in items:
        yield from _values(item, (*place, str(name)))


def _is_broken(name):
    """Tell whether a name cannot even be printed."""
    return bool(HALF.search(name)) if isinstance(name, str) else isinstance(name, int) and abs(name) > LARGEST
