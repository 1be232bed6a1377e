"""Names that people give files, classes and themselves: how they compare, and how they are shown and shortened."""

import hashlib
import unicodedata
from collections.abc import Iterable

LONGEST_NAME = 500
"""Characters of a name in a table of people's; paths in folders are shorter."""
JOINERS = "\u200c\u200d"
"""Invisible characters with which some scripts are spelled, such as the name Shri in Sinhala."""
NO_VALUES = frozenset(
    ("", "na", "n/a", "<na>", "#na", "#n/a", "#n/a n/a", "nan", "-nan", "null", "none")
    + ("1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan")
)
"""What tables hold where there is no value, in small letters: as a name it would be lost when it is read again."""
_TURNING = (0x061C, 0x200E, 0x200F, 0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
CONTROLS = {code: repr(chr(code))[1:-1] for code in (*range(0x20), *range(0x7F, 0xA0), *_TURNING)}
"""Characters that a terminal obeys instead of showing them, and those that turn text around; and how they are shown."""


def encodable(name: object) -> str:
    r"""Return the name of a file as text that can be written everywhere: bytes that are not UTF-8 become escapes.

    Examples
    --------
    >>> print(encodable(b"caf\xe9.png".decode(errors="surrogateescape")))
    caf\xe9.png
    """
    return str(name).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def printable(name: object) -> str:
    r"""Return the name of a file, or what else people called something, as one line that a terminal only shows.

    Examples
    --------
    >>> print(printable("red\x1b[31m.png"))
    red\x1b[31m.png
    """
    return encodable(name).translate(CONTROLS)


def spelled_out(name: object) -> str:
    r"""Return the name of a file with all that is not ASCII as escapes, so that names which look alike do not.

    Examples
    --------
    >>> print(spelled_out("Zu\u0308rich.png"))
    Zu\u0308rich.png
    """
    return printable(name).encode("ascii", "backslashreplace").decode()


def composed(name: str) -> str:
    """Write a name so that it equals itself: Unicode spells accented letters in two ways, and systems prefer either.

    Examples
    --------
    >>> composed("Zu\\u0308rich") == "Z\\u00fcrich"
    True
    """
    return unicodedata.normalize("NFC", name)


def near_twins(names: Iterable[str]) -> list[str]:
    """Return the first names that people would take for one: they differ only in capitals, spaces or invisibly.

    Returns
    -------
    list of str
        Empty if there are none.

    Examples
    --------
    >>> near_twins(["a", "b", "A"]), near_twins(["Ann", "ann ", "b"]), near_twins(["a", "b", "a"])
    (['a', 'A'], ['Ann', 'ann '], [])
    """
    groups = {}
    for name in dict.fromkeys(names):
        groups.setdefault(likeness(name), []).append(name)
    return next((group for group in groups.values() if len(group) > 1), [])


def likeness(name: str) -> str:
    """Return what a name has in common with its near twins.

    Examples
    --------
    >>> likeness(" ann  A\\u0308 ") == likeness("Ann \\u00c4")
    True
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return " ".join("".join(letter for letter in folded if unicodedata.category(letter) != "Cf").split())


def is_visible(name: str) -> bool:
    """Return whether all characters of a name are seen, but for those with which a script is spelled."""
    return all(letter.isprintable() or letter in JOINERS for letter in name)


def why_no_name(name: str) -> str:
    """Return why a text cannot be a name in tables, or an empty text if it can.

    Examples
    --------
    >>> why_no_name("Ann"), why_no_name("none")
    ('', 'tables hold that for no value')
    """
    if name.strip().lower() in NO_VALUES:
        return "tables hold that for no value"
    if not is_visible(name):
        return "it has invisible characters"
    if len(name) > LONGEST_NAME:
        return f"it has more than {LONGEST_NAME} characters"
    if name[0] in "=+-@":
        return "spreadsheets would take it for a formula"
    return ""


def short_name(name: str, most: int = 80) -> str:
    """Shorten a name that is too long for a part of a path: its beginning, and a digest of it all.

    Examples
    --------
    >>> short_name("lenet"), short_name("my_net-build-" + 100 * "1", most=24)
    ('lenet', 'my_net-build-11-e91e63d6')
    """
    if len(name.encode()) <= most:
        return name
    digest = hashlib.blake2b(name.encode(), digest_size=4).hexdigest()
    return f"{name.encode()[: most - len(digest) - 1].decode(errors='ignore')}-{digest}"


def why_no_pseudonym(name: str) -> str:
    """Return why a text cannot be the name under which an annotator takes part, or an empty text if it can.

    E-mail addresses and formulas of spreadsheets cannot. In many scripts, vowels or accents are marks, not letters.

    Examples
    --------
    >>> why_no_pseudonym("Ann B."), why_no_pseudonym("\\u0e2a\\u0e21\\u0e2b\\u0e0d\\u0e34\\u0e07")
    ('', '')
    >>> why_no_pseudonym("ann@b.org")
    'A name has 1 to 40 letters, digits, spaces, dots, hyphens or underscores; the first is a letter or digit'
    """
    kinds = [unicodedata.category(letter)[0] for letter in name]
    fine = all(kind in "LMN" or letter in " .-_" + JOINERS for kind, letter in zip(kinds, name, strict=True))
    if not fine or not 1 <= len(name) <= 40 or not (kinds[0] in "LN" or name[0] == "_"):
        return (
            "A name has 1 to 40 letters, digits, spaces, dots, hyphens or underscores; the first is a letter or digit"
        )
    return why_no_name(name)
