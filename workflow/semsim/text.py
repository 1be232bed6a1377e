"""The words for what tables name in short, and how numbers are written in sentences and figures."""

import difflib
import re

ANNOTATORS = {
    "human": "human annotators",
    "vision-language-model": "vision-language models",
    "simulated": "simulated annotators",
}
"""What annotators of each kind are called, always."""
LEVELS = {"models": "target models", "reconstructions": "reconstructions", "originals": "within one original"}
"""The levels at which a metric can be faithful: means of target models; all reconstructions; those of one original."""
STATISTICS = {
    "spearman": "Spearman's ρ",
    "kendall": "Kendall's τ",
    "pearson": "Pearson's r",
    "auc": "area under the ROC curve",
}
REFERENCE_LABELS = {"attacked": "against what was attacked", "original": "against the original"}
FOLDS = {
    "within": "originals",
    "dataset": "originals and data set",
    "target": "originals and target model",
    "architecture": "originals and architecture",
    "defence": "originals and defence",
    "attack": "originals and attack",
}
"""What a learned metric did not learn from, by the kind of folds."""
NO_BREAK = "\u00a0"


def percent(share):
    """Write a share of 1 in percent; the number and its sign stay on one line."""
    return f"{100 * share:.1f}{NO_BREAK}%"


def decimal(value, signed=False):
    """Write a number with two decimals and a true minus sign.

    Examples
    --------
    >>> decimal(-0.5), decimal(-0.001), decimal(0.25, signed=True)
    ('−0.50', '0.00', '+0.25')
    """
    rounded = round(float(value), 2) + 0.0  # no minus before a zero
    return f"{rounded:{'+' if signed and rounded else ''}.2f}".replace("-", "−")


def interval(low, high, write=decimal):
    """Write a 95 % interval.

    Examples
    --------
    >>> interval(-0.1, 0.25).replace(NO_BREAK, " ")
    '95 % interval −0.10 to 0.25'
    """
    return f"95{NO_BREAK}% interval {write(low)} to {write(high)}"


def p_value(p):
    """Write a p value with two digits.

    Examples
    --------
    >>> p_value(0.034), p_value(0.0002), p_value(1.0)
    ('p = 0.034', 'p < 0.001', 'p = 1')
    """
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"


def listed(names):
    """Join names as a sentence does.

    Examples
    --------
    >>> listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"])
    ('a', 'a and b', 'a, b and c')
    """
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def first_few(names, most=5):
    """Join the first names of a list, and count the others.

    Examples
    --------
    >>> first_few(["a", "b"]), first_few(list("abcdefg"))
    ('a, b', 'a, b, c, d, e and 2 more')
    """
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{', '.join(names[:most])}{more}"


def counted(count, plural):
    """Write a number of things whose name ends in a plural s.

    Examples
    --------
    >>> counted(1, "data sets"), counted(8400, "pairs")
    ('1 data set', '8,400 pairs')
    """
    return f"{count:,} {plural.removesuffix('s') if count == 1 else plural}"


def variant_label(name):
    """Write what a variant of SemSim changes as people do.

    Examples
    --------
    >>> variant_label("semsim"), variant_label("backbone-vgg3+label_share-0.3")
    ('as the study has it', 'backbone vgg3, label share 0.3')
    """
    return "as the study has it" if name == "semsim" else re.sub("[-_]", " ", name).replace("+", ", ")


def at_level(level):
    """Write at which level a statistic is taken.

    Examples
    --------
    >>> at_level("models"), at_level("originals")
    ('over target models', 'within one original')
    """
    return {"models": "over target models", "reconstructions": "over all reconstructions"}.get(level, LEVELS[level])


def sentence_case(text):
    """Write a text with a capital letter at its beginning, and leave the others alone."""
    return text[0].upper() + text[1:]


def kind_of(table):
    """Return what the annotators of a table are called, who are of one kind."""
    (kind,) = table["kind"].unique()
    return ANNOTATORS[kind]


def suggestion(word, known):
    """Return a question if a word is close to a known one, else nothing.

    Examples
    --------
    >>> suggestion("glyph", ["glyphs", "letters"])
    " Did you mean 'glyphs'?"
    """
    close = difflib.get_close_matches(str(word), known, n=1, cutoff=0.5)
    return f" Did you mean {close[0]!r}?" if close else ""


def text_table(columns):
    """Write texts in columns for a terminal, the first one to the left and the others to the right.

    Parameters
    ----------
    columns : dict of str to sequence of str
        The columns' texts by their names, which become the first line.

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
