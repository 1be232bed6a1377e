"""Typed settings: every stage defines its own, and all errors are reported at once, in sentences.

A field of `Settings` defines a setting completely: its type, default, range and meaning. Messages, the JSON schema for
editors and the tables of the manual are derived from it.
"""

import math
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import cache
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic_core import PydanticCustomError

from semsim.errors import SemsimError
from semsim.text import quoted, suggestion


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
        raise ValueError(f"{path!r} has a line break or another control character. Write it without.")
    return path


Place = Annotated[str, Field(min_length=1), AfterValidator(_check_place)]
"""The path of a file or folder."""
DEEPEST = 20
"""How many lists and sections may lie in each other; none needs as many."""
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
        If sections lie in each other too deeply, or there are too many values, as with aliases of aliases; if a number
        is not finite, a whole one is larger than any setting, or a text has half a character.
    """
    problems = []
    for number, (place, value) in enumerate(_values(settings)):
        where = ".".join(place) or "top level"
        if number == MOST_VALUES:
            refuse([f"there are more than {MOST_VALUES:,} values, aliases written out."], heading)
        if len(place) > DEEPEST:
            refuse([f"{'.'.join(place[:3])}: nested too deeply, or in itself. Write it out."], heading)
        if isinstance(value, dict) and any(_is_broken(name) for name in value):
            refuse([f"{where}: a name here has half a character, or is a huge number."], heading)
        if isinstance(value, str) and HALF.search(value):
            problems.append(f"{where}: {written(value)} has half a character. Write another text.")
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


def refuse(problems: Iterable[str], heading: str) -> None:
    """Raise one `SemsimError` that lists all problems, if there are any."""
    if problems := list(dict.fromkeys(problems)):
        raise SemsimError("\n  ".join([f"{heading}:", *problems]))


def sentences(error: ValidationError, model: type[Settings], settings: object) -> Iterator[str]:
    """Yield a sentence for each validation error: where it is, what is wrong, what is allowed.

    Parameters
    ----------
    error : pydantic.ValidationError
    model : type of Settings
    settings : object
        What was validated.
    """
    schema = schema_of(model)
    for each in error.errors(include_url=False):
        if _is_of_right_length(each):
            continue  # items that are wrong, which are told, do not count for pydantic
        place, section, rules = _walk(each["loc"], settings, schema)
        yield _sentence(each, place, section, rules)


def _is_of_right_length(error):
    if error["type"] not in ("too_short", "too_long"):
        return False
    least, most = (error["ctx"].get(f"{each}_length") for each in ("min", "max"))
    length = len(error["input"])
    return (least is None or length >= least) and (most is None or length <= most)


@cache
def schema_of(model: type[Settings]) -> dict:
    """Return a model's JSON schema; it is cached, so do not modify it."""
    return model.model_json_schema()


def _walk(location, settings, schema):
    """Return the place of a location, the schema of the section that contains it, and the schema of its value.

    Some parts of a location are not in the settings: the kind of a section, and a mark that the key itself is meant.
    """
    place, section, rules = [], {}, resolved(schema, schema)
    for part in location:
        kinds = rules.get("oneOf", [])
        written_part = _has(settings, part)
        if kinds and not written_part:
            rules = resolved(_kind(rules, part), schema)
        elif part == "[key]":
            place.pop()
        else:
            place.append(str(part))
            section, rules = rules, resolved(_inside(rules, part), schema)
            settings = settings[part] if written_part else None
    return place, section, rules


def _has(settings, part):
    if isinstance(settings, list | tuple):
        return isinstance(part, int) and part < len(settings)
    return isinstance(settings, dict) and part in settings


def _kind(rules, tag):
    """Return the schema of one of several kinds, tagged with its `kind` or with its model's name."""
    kinds = rules.get("discriminator", {}).get("mapping", {})
    named = [each for each in rules["oneOf"] if each.get("$ref") == kinds.get(tag, f"#/$defs/{tag}")]
    return [*named, *(each for each in rules["oneOf"] if "$ref" not in each)][0]


def _inside(rules, part):
    """Return the schema of one setting of a section, or of one entry."""
    if isinstance(part, int) and "items" in rules:
        return rules["items"]
    inside = rules.get("properties", {}).get(part) or rules.get("additionalProperties")
    return inside if isinstance(inside, dict) else {}


def resolved(rules: dict, schema: dict) -> dict:
    """Resolve the references of a part of a schema, and drop null from a choice between one type and null."""
    while True:
        own = {name: rules[name] for name in ("description", "default") if name in rules}
        choices = [choice for choice in rules.get("anyOf", []) if choice.get("type") != "null"]
        if "$ref" in rules:
            model = schema["$defs"][rules["$ref"].rpartition("/")[2]]
            rules = {name: each for name, each in model.items() if name != "description"} | own
        elif len(choices) == 1:
            rules = choices[0] | own
        else:
            return rules


TYPES = {
    "int_type": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "string_type": "text",
    "string_unicode": "text",
    "list_type": "a list",
    "tuple_type": "a list",
}
"""What was expected, by the type of a validation error; a section of settings otherwise."""


def _sentence(error, place, section, rules):
    """Return one validation error as a sentence."""
    kind, value, context = error["type"], error["input"], error.get("ctx", {})
    where, above = (".".join(parts) or "top level" for parts in (place, place[:-1]))
    about = f" ({rules['description'].partition('. ')[0]})" if rules.get("description") else ""
    match kind:
        case "extra_forbidden":
            name, known = place[-1], list(section.get("properties", {}))
            return f"{above}: unknown setting {name!r}.{suggestion(name, known)} Known here: {', '.join(known)}."
        case "missing":
            return f"{above}: {place[-1]!r} is missing{about}."
        case "union_tag_not_found" if isinstance(value, dict):
            tag, known = _kinds(rules)
            return f"{where}: {tag!r} is missing: one of {', '.join(known)}."
        case "union_tag_invalid":
            tag, known = _kinds(rules)
            return _not_one_of(f"{where}.{tag}", context["tag"], known, "")
        case "one_of":
            return _not_one_of(where, value, context["known"], about)
        case "literal_error":
            return _not_one_of(where, value, rules.get("enum") or [rules["const"]], about)
        case "value_error":
            return f"{where}: {context['error']}"
        case "string_pattern_mismatch":
            return f"{where}: {written(value)} cannot be used{about}."
        case "greater_than" | "greater_than_equal" | "less_than" | "less_than_equal":
            return f"{where}: {written(value)} is out of range, {range_of(rules)}{about}."
        case "too_short" | "too_long" | "string_too_short" | "string_too_long":
            return f"{where}: {written(value)} is not of the right length, {length_of(rules)}{about}."
    return f"{where}: {written(value)} is not {TYPES.get(kind, 'a section of settings')}{about}."


def _not_one_of(where, value, known, about):
    return f"{where}: {written(value)} is not one of {', '.join(map(str, known))}.{suggestion(value, known)}{about}"


def _kinds(rules):
    """Return the setting that selects the kind, and the kinds."""
    return rules["discriminator"]["propertyName"], list(rules["discriminator"]["mapping"])


def written(value: object) -> str:
    """Return a value roughly as written in a settings file, truncated if it is long."""
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else quoted(value)


def range_of(rules: dict) -> str:
    """Return the range of a number from its JSON schema; empty if it has none.

    Examples
    --------
    >>> range_of({"minimum": 0}), range_of({"exclusiveMinimum": 0, "maximum": 1}), range_of({"type": "number"})
    ('0 or more', 'above 0, up to 1', '')
    """
    least, above = rules.get("minimum"), rules.get("exclusiveMinimum")
    most, below = rules.get("maximum"), rules.get("exclusiveMaximum")
    if least is not None and most is not None:
        return f"from {least:g} to {most:g}"
    if above is not None and below is not None:
        return f"between {above:g} and {below:g}"
    low = f"{least:g} or more" if least is not None else f"above {above:g}" if above is not None else ""
    high = f"up to {most:g}" if most is not None else f"below {below:g}" if below is not None else ""
    if least is not None and high:
        return f"from {least:g} to {high}"
    return ", ".join(part for part in (low, high) if part)


def length_of(rules: dict) -> str:
    """Return the allowed length of a text or a list from its JSON schema; empty if it has none.

    Examples
    --------
    >>> length_of({"minLength": 1, "maxLength": 80}), length_of({"minProperties": 1})
    ('1 to 80 characters', 'at least 1 entry')
    """
    for suffix, one, more in (
        ("Length", "character", "characters"),
        ("Items", "entry", "entries"),
        ("Properties", "entry", "entries"),
    ):
        least, most = rules.get(f"min{suffix}"), rules.get(f"max{suffix}")
        if most is not None:
            return f"{most} {more}" if least == most else f"{least or 0} to {most} {more}"
        if least is not None:
            return f"at least {least} {one if least == 1 else more}"
    return ""
