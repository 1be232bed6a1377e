"""Settings and their schemas: defaults, and what is wrong, in words that say where, what, and what is allowed."""

import copy
from functools import cache

import jsonschema
import yaml

from semsim.text import suggestion


@cache
def read_schema(path):
    """Return a JSON schema that is written as YAML. It is read once, and not to be changed."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def fill_defaults(settings, schema):
    """Fill in the defaults of `schema` itself, not of what it refers to: so overrides stay as short as they are."""
    for name, rules in schema.get("properties", {}).items():
        if "default" in rules:
            settings.setdefault(name, copy.deepcopy(rules["default"]))
        if isinstance(settings.get(name), dict):
            fill_defaults(settings[name], rules)
    if isinstance(schema.get("additionalProperties"), dict):
        for entry in settings.values():
            fill_defaults(entry, schema["additionalProperties"])


def problems_with(settings, schema):
    """Yield everything wrong with settings, each problem once.

    Parameters
    ----------
    settings : object
        As read from YAML.
    schema : dict
        A JSON schema; the descriptions in it become part of the sentences.

    Yields
    ------
    str
    """
    errors = jsonschema.Draft202012Validator(schema).iter_errors(settings)
    yield from dict.fromkeys(problem for error in errors for problem in _explained(error))


def _explained(error):
    """Yield what one schema error means: where, what is wrong, what is allowed."""
    where = ".".join(str(part) for part in error.absolute_path) or "top level"
    value, allowed, known = error.instance, error.validator_value, error.schema.get("properties", {})
    about = f" ({error.schema['description']})" if "description" in error.schema else ""
    if error.validator == "additionalProperties":
        for name in (name for name in value if name not in known):
            yield f"{where}: unknown setting {name!r}.{suggestion(name, known)} Known here: {', '.join(known)}."
    elif error.validator == "required":
        for name in (name for name in allowed if name not in value):
            yield f"{where}: {name!r} is missing ({known[name]['description']})."
    elif error.validator == "enum":
        yield f"{where}: {value!r} is not one of {', '.join(allowed)}.{suggestion(value, allowed)}{about}"
    elif error.validator in ("pattern", "not"):
        yield f"{where}: {value!r} cannot be used{about}."
    else:
        yield f"{where}: {error.message}{about}."
