"""The wording of what tables abbreviate, and how numbers and lists are written in sentences and figures."""

import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

REPLAYED = "replayed"
"""Answers of people about the paper's reconstructions, taken as answers about a study's own."""
ANNOTATORS = {
    "human": "human annotators",
    "vision-language-model": "vision-language models",
    "simulated": "simulated annotators",
    REPLAYED: "people shown the paper's reconstructions",
}
"""What annotators of each kind are called, always."""
LEVELS = {
    "originals": "within one original",
    "cells": "within one target model and attack",
    "models": "between target models",
    "reconstructions": "over all reconstructions",
}
"""Levels at which faithfulness is measured, in order: the same content, the same attack on one model, means of target
models under an attack, and all reconstructions, which mixes these."""
STATISTICS = {
    "spearman": "Spearman's ρ",
    "kendall": "Kendall's τ",
    "pearson": "Pearson's r",
    "auc": "area under the ROC curve",
}
REFERENCE_LABELS = {"attacked": "against the attacked image", "original": "against the original"}
WITHIN = "within"
"""The kind of folds that hold out only originals: training and test data have the same distribution."""
FOLDS = {
    WITHIN: "originals",
    "dataset": "originals and data set",
    "target": "originals and target model",
    "targets": "originals and target models",
    "architecture": "originals and architecture",
    "defence": "originals and defence",
    "attack": "originals and attack",
}
"""What is held out when a learned metric is trained, by the kind of folds."""
NO_BREAK = "\u00a0"


def arrow(higher_is_better: bool) -> str:
    """Return the arrow that gives the direction of better reconstructions."""
    return "↑" if higher_is_better else "↓"


def axis_label(label: str, unit: str, higher_is_better: bool) -> str:
    """Return the label of a metric's axis: name, unit and the direction of better reconstructions.

    Examples
    --------
    >>> axis_label("PSNR", "dB", True).replace(NO_BREAK, " "), axis_label("MSE", "", False).replace(NO_BREAK, " ")
    ('PSNR (dB) ↑', 'MSE ↓')
    """
    return f"{label}{f' ({unit})' if unit else ''}{NO_BREAK}{arrow(higher_is_better)}"


def percent(share: float) -> str:
    """Write a share between 0 and 1 as a percentage; the number and its sign stay on one line."""
    return f"{100 * share:.1f}{NO_BREAK}%"


def whole_percent(share: float) -> str:
    """Write a share between 0 and 1 as a percentage without decimals."""
    return f"{100 * share:.0f}{NO_BREAK}%"


def ranged(low: float, high: float, write: Callable[[float], str] = percent) -> str:
    """Write the ends of a range, or one of them where they look the same.

    Examples
    --------
    >>> ranged(0.1, 0.25, decimal), ranged(0.101, 0.102, decimal)
    ('0.10 to 0.25', '0.10')
    """
    ends = dict.fromkeys((write(low), write(high)))
    return " to ".join(ends)


def left_out(value: str) -> str:
    """Name a value that was left out; among defences, none is one."""
    return "no defence" if value == "none" else value


def decimal(value: float, signed: bool = False) -> str:
    """Write a number with two decimals and a true minus sign.

    Examples
    --------
    >>> decimal(-0.5), decimal(-0.001), decimal(0.25, signed=True)
    ('−0.50', '0.00', '+0.25')
    """
    rounded = round(float(value), 2) + 0.0  # no minus before a zero
    return f"{rounded:{'+' if signed and rounded else ''}.2f}".replace("-", "−")


def significant(value: float) -> str:
    """Write a number above 0 with three significant digits, none of them as a power.

    Examples
    --------
    >>> significant(0.01234), significant(12.34), significant(83930.2)
    ('0.0123', '12.3', '83,900')
    """
    rounded = float(f"{value:.3g}")
    return f"{rounded:,.0f}" if rounded >= 100 else f"{rounded:.3g}"


def interval(low: float, high: float, write: Callable[[float], str] = decimal) -> str:
    """Write a 95 % interval.

    Examples
    --------
    >>> interval(-0.1, 0.25).replace(NO_BREAK, " ")
    '95 % interval −0.10 to 0.25'
    """
    return f"95{NO_BREAK}% interval {write(low)} to {write(high)}"


def duration(seconds: float) -> str:
    """Write a duration in seconds, minutes or hours, with two digits or all before the point.

    Examples
    --------
    >>> duration(0.234), duration(95), duration(5400), duration(1e7)
    ('0.23 s', '1.6 min', '1.5 h', '2,778 h')
    """
    return _in_units(seconds, {"h": 3600, "min": 60, "s": 1})


def size_in_bytes(count: float) -> str:
    """Write a number of bytes in units of 1024, with two digits or all before the point.

    Examples
    --------
    >>> size_in_bytes(500), size_in_bytes(60e6), size_in_bytes(5e9)
    ('0.49 KiB', '57 MiB', '4.7 GiB')
    """
    return _in_units(count, {"GiB": 2**30, "MiB": 2**20, "KiB": 2**10})


def _in_units(value, units):
    """Write a value in the largest unit that is not larger, or the smallest one."""
    unit = next((unit for unit, length in units.items() if value >= length), list(units)[-1])
    number = value / units[unit]
    return f"{f'{number:,.0f}' if number >= 10 else f'{number:.2g}'} {unit}"


def p_value(p: float) -> str:
    """Write a p value with two digits.

    Examples
    --------
    >>> p_value(0.034), p_value(0.0002), p_value(1.0)
    ('p = 0.034', 'p < 0.001', 'p = 1')
    """
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"


def listed(names: Sequence[str]) -> str:
    """Join names as in a sentence.

    Examples
    --------
    >>> listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"])
    ('a', 'a and b', 'a, b and c')
    """
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def first_few(names: Sequence[str], most: int = 5) -> str:
    """Join the first names of a list, and count the rest.

    Examples
    --------
    >>> first_few(["a", "b"]), first_few(list("abcdefg"))
    ('a, b', 'a, b, c, d, e and 2 more')
    """
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{', '.join(names[:most])}{more}"


def counted(count: int, plural: str) -> str:
    """Write a count and the noun that it counts, whose plural ends in s, or in sses.

    Examples
    --------
    >>> counted(1, "data sets"), counted(1, "classes"), counted(8400, "pairs")
    ('1 data set', '1 class', '8,400 pairs')
    """
    singular = plural.removesuffix("es" if plural.endswith("sses") else "s")
    return f"{count:,} {singular if count == 1 else plural}"


def variant_label(name: str) -> str:
    """Write in words what a variant of SemSim changes.

    Examples
    --------
    >>> variant_label("semsim"), variant_label("backbone-vgg3+label_share-0.3")
    ("the study's settings", 'backbone vgg3, label share 0.3')
    """
    return "the study's settings" if name == "semsim" else re.sub("[-_]", " ", name).replace("+", ", ")


def sentence_case(text: str) -> str:
    """Capitalise the first letter of a text and leave the rest alone."""
    return text[0].upper() + text[1:]


def kind_of(table: Any) -> str:
    """Return what the annotators of a table are called; all of them are of one kind."""
    (kind,) = table["kind"].unique()
    return ANNOTATORS[kind]


def quoted(value: object, most: int = 80) -> str:
    """Write a value as Python does, shortened if it is long.

    Examples
    --------
    >>> quoted("a"), quoted([1, 2, 3], most=5), quoted(10**5000)
    ("'a'", '[1, 2...', 'a huge number')
    """
    try:
        text = repr(value)
    except ValueError:  # Python writes no more than some thousands of digits
        return "a huge number"
    return text if len(text) <= most else f"{text[:most]}..."


def suggestion(word: object, known: Iterable[str]) -> str:
    """Return a question if a word is close to a known one, else nothing.

    Examples
    --------
    >>> suggestion("glyph", ["glyphs", "letters"])
    " Did you mean 'glyphs'?"
    """
    close = difflib.get_close_matches(str(word), known, n=1, cutoff=0.5)
    return f" Did you mean {close[0]!r}?" if close else ""


def shortened(text: str, most: int = 60) -> str:
    """Cut the middle out of a text that is too long for a message.

    Examples
    --------
    >>> shortened("a name"), shortened(100 * "ab", most=9)
    ('a name', 'abab…abab')
    """
    half = (most - 1) // 2
    return text if len(text) <= most else f"{text[:half]}…{text[-half:]}"


def text_table(columns: Mapping[str, Sequence[str]]) -> str:
    """Write texts in columns for a terminal, the first one left-aligned and the others right-aligned.

    Parameters
    ----------
    columns : dict of str to sequence of str
        The text of each column by its name; the names become the first line.

    Examples
    --------
    >>> print(text_table({"set": ["a", "long"], "mean": ["0.5", "10.25"]}))
    set    mean
    a       0.5
    long  10.25
    """
    widths = {name: max(len(name), *map(len, values)) for name, values in columns.items()}
    rows = [dict(zip(columns, columns, strict=True))]
    rows += [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    first = next(iter(columns))
    return "\n".join(
        "  ".join(f"{row[name]:{'<' if name == first else '>'}{width}}" for name, width in widths.items()).rstrip()
        for row in rows
    )
