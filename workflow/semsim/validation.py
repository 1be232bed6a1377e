"""Errors of settings in sentences: where each is, what is wrong, and what is allowed."""

from collections.abc import Iterator
from functools import cache

from pydantic import BaseModel, ValidationError

from semsim.text import quoted, suggestion


def sentences(error: ValidationError, model: type[BaseModel], settings: object) -> Iterator[str]:
    """Yield a sentence for each validation error: where it is, what is wrong, what is allowed.

    Parameters
    ----------
    error : pydantic.ValidationError
    model : type of pydantic.BaseModel
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
def schema_of(model: type[BaseModel]) -> dict:
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
