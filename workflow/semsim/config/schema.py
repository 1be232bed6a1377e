"""Files generated from the settings models: the JSON schema for editors and the tables of the manual.

``python -m semsim.config.schema`` writes both into ``config/``; ``--check`` reports whether they are up to date.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path

from semsim.attacks.clients import ClientSettings
from semsim.attacks.initialisation import INITIALISATIONS
from semsim.attacks.labels import LABELS
from semsim.attacks.objectives import OBJECTIVES
from semsim.attacks.priors import PRIORS
from semsim.attacks.settings import PRESETS, Attacker
from semsim.commandline import run
from semsim.config.settings import StudyAttack, StudyDataset, StudySettings, StudyTarget
from semsim.errors import SemsimError
from semsim.learned.settings import SemSimSettings, Variant
from semsim.observers.settings import ObserverSettings
from semsim.targets.architectures import ARCHITECTURES
from semsim.targets.defences import DEFENCES
from semsim.targets.recipe import TargetRecipe
from semsim.targets.settings import Normalisation, OwnNetwork
from semsim.targets.traits import ATTACK, CLIENT, KNOWLEDGE, TARGET
from semsim.validation import range_of, resolved, schema_of

SCHEMA, MANUAL = Path("config.schema.json"), Path("README.md")
SECTIONS = ("datasets", "training", "targets", "attacks", "attacker", "observers", "observer_training")
SECTIONS += ("semsim", "semsim_training", "classifier_training", "ablations")
"""Settings of a study that have tables of their own."""
MARKED = re.compile(r"(<!-- settings: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
WRITE = "python -m semsim.config.schema"


def json_schema() -> str:
    """Return the JSON schema of a study, as text."""
    about = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "A study"}
    return json.dumps(about | _untitled(schema_of(StudySettings)), indent=1, ensure_ascii=False) + "\n"


def _untitled(rules):
    """Drop the titles that repeat the names of settings."""
    if isinstance(rules, dict):
        return {name: _untitled(each) for name, each in rules.items() if name != "title" or isinstance(each, dict)}
    return [_untitled(each) for each in rules] if isinstance(rules, list) else rules


def tables() -> dict[str, str]:
    """Return the tables of the manual, in Markdown, by name."""
    evaluation = set(Variant.model_fields) - set(SemSimSettings.model_fields)
    return {
        "study": _table(StudySettings, without=SECTIONS),
        "datasets": _table(StudyDataset),
        "training": _table(TargetRecipe),
        "recipes": _recipes(),
        "targets": _table(StudyTarget),
        "architectures": _architectures(),
        "own_network": _table(OwnNetwork),
        "normalisation": _table(Normalisation),
        "gradient_defence": _defences(),
        "client": _table(ClientSettings),
        "presets": _two_columns("`preset`", "what it is", {name: part.summary for name, part in PRESETS.items()}),
        "attacks": _table(StudyAttack, first="preset", defaults=False),
        "attack_parts": _attack_parts(),
        "attacker": _table(Attacker),
        "observers": _table(ObserverSettings),
        "semsim": _table(SemSimSettings),
        "ablations": _table(Variant, without=set(Variant.model_fields) - evaluation),
    }


def _table(model, without=(), first=None, defaults=True):
    """Return a table of a model's settings."""
    schema = schema_of(model)
    names = [name for name in schema["properties"] if name not in without]
    rows = [["setting", *(["default"] if defaults else []), "values", "meaning"]]
    for name in sorted(names, key=lambda name: name != first):
        rules = schema["properties"][name]
        nullable = any(each.get("type") == "null" for each in rules.get("anyOf", []))
        default = [_default(name, rules, schema)] if defaults else []
        values = _values(resolved(rules, schema), schema)
        values += ", `null`" if nullable and values and defaults else ""
        rows.append([f"`{name}`", *default, values, _sentences(rules["description"])])
    return _markdown(rows)


def _defences():
    """Return a table of the gradient defences and their parameters."""
    rows = [["`kind`", "setting", "values", "meaning"]]
    for kind, model in DEFENCES.items():
        schema = schema_of(model)
        rows.append([f"`{kind}`", "", "", model.__doc__.strip().partition("\n")[0]])
        for name, rules in schema["properties"].items():
            if name not in ("kind", "scope"):
                rows.append(["", f"`{name}`", range_of(rules), _sentences(rules["description"])])
    scope = schema["properties"]["scope"]
    rows.append(["any", "`scope`", _values(scope, schema), _sentences(scope["description"])])
    return _markdown(rows)


def _recipes():
    """Return a table of the defaults that differ between recipes."""
    sections = [name for name in SECTIONS if name.endswith("training")]
    defaults = {
        section: schema_of(StudySettings.model_fields[section].annotation)["properties"] for section in sections
    }
    rows = [["setting", *(f"`{section}`" for section in sections)]]
    for name in TargetRecipe.model_fields:
        values = [_default(name, defaults[section][name], {}) for section in sections]
        if len(set(values)) > 1:
            rows.append([f"`{name}`", *values])
    return _markdown(rows)


def _architectures():
    """Return a table of the project's architectures."""
    rows = [["`architecture`", "what it is", "default `width`", "images"]]
    for name, each in ARCHITECTURES.items():
        sizes = f"multiples of {each.multiple_of} pixels" if each.multiple_of > 1 else ""
        rows.append([f"`{name}`", each.about, str(each.default_width or ""), sizes])
    return _markdown(rows)


def _attack_parts():
    """Return a table of the parts of attacks."""
    rows = [["setting", "value", "what it is", "needs"]]
    parts = {"objective": OBJECTIVES, "initialisation": INITIALISATIONS, "label": LABELS, "priors": PRIORS}
    for setting, registry in parts.items():
        for name, part in registry.items():
            needs = [(TARGET | CLIENT | KNOWLEDGE | ATTACK)[need] for need in sorted(part.needs)]
            rows.append([f"`{setting}`", f"`{name}`", part.summary, ", ".join(needs)])
    return _markdown(rows)


def _two_columns(left, right, rows):
    return _markdown([[left, right], *([f"`{name}`", text] for name, text in rows.items())])


def _sentences(description):
    return description[0].upper() + description[1:] + "." if description else ""


def _default(name, rules, schema):
    if name in schema.get("required", []):
        return "required"
    value = rules.get("default", {})
    return (
        "`null`"
        if value is None
        else f"`{json.dumps(value)}`"
        if isinstance(value, list | dict | bool)
        else f"`{value}`"
    )


def _values(rules, schema):
    """Return the allowed values of a setting, in a few words."""
    if "enum" in rules:
        return ", ".join(f"`{name}`" for name in rules["enum"])
    for choices in ("oneOf", "anyOf"):
        if choices in rules:
            values = [_values(resolved(each, schema), schema) for each in rules[choices]]
            return " or ".join(filter(None, dict.fromkeys(values)))
    match rules.get("type"):
        case "integer" | "number":
            number = "whole number" if rules["type"] == "integer" else "number"
            return f"{number}, {range_of(rules)}" if range_of(rules) else number
        case "boolean":
            return "`true`, `false`"
        case "array":
            items = rules.get("items") or (rules.get("prefixItems") or [{}])[0]
            return f"list: {_values(resolved(items, schema), schema)}"
        case "object":
            return "section"
        case "string" if "pattern" not in rules:
            return "text"
    return ""


def _markdown(rows):
    header, *others = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    return "\n".join("| " + " | ".join(row) + " |" for row in (header, ["---"] * len(header), *others)) + "\n"


def filled(manual: str) -> str:
    """Return the text of a manual with its tables up to date: between ``<!-- settings: NAME -->`` and ``<!-- end -->``.

    Raises
    ------
    SemsimError
        If a table has no place in the manual, or a place has no table.
    """
    known = tables()
    places = [name for _, name, _ in MARKED.findall(manual)]
    if sorted(places) != sorted(known):
        raise SemsimError(f"{MANUAL} has places for {', '.join(places)}, but there are {', '.join(known)}.")
    return MARKED.sub(lambda found: f"{found[1]}\n{known[found[2]]}\n{found[3]}", manual)


def main() -> None:
    """Write the files, or check them."""
    parser = argparse.ArgumentParser(prog="semsim.config.schema", description=__doc__.partition(":")[0] + ".")
    parser.add_argument("--folder", type=Path, default=Path("config"), metavar="DIR", help="where they are (config)")
    parser.add_argument("--check", action="store_true", help="write nothing, but fail if something is out of date")
    arguments = parser.parse_args()
    schema, manual = arguments.folder / SCHEMA, arguments.folder / MANUAL
    contents = {schema: json_schema(), manual: filled(manual.read_text(encoding="utf-8"))}
    for path, text in contents.items():
        if arguments.check and (not path.exists() or path.read_text(encoding="utf-8") != text):
            raise SemsimError(f"{path} is out of date with the settings models. Run: {WRITE}")
        if not arguments.check:
            path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    run(main)
