"""What a YAML file gets wrong against its schema, in words that say where, what, and what is allowed."""

import difflib

import jsonschema


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


def suggestion(word, known):
    """Return a question such as " Did you mean 'glyphs'?" if a word is close to a known one, else nothing."""
    close = difflib.get_close_matches(str(word), known, n=1, cutoff=0.5)
    return f" Did you mean {close[0]!r}?" if close else ""
