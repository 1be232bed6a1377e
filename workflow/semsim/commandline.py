"""What every script's `main` shares: settings given as JSON, and output and errors that people can read anywhere."""

from __future__ import annotations

import argparse
import codecs
import contextlib
import io
import json
import os
import sys
import warnings
from functools import partial
from typing import TYPE_CHECKING

from semsim.errors import FULL, SemsimError
from semsim.names import CONTROLS
from semsim.text import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

PLAIN = {"↑": "^", "↓": "v", "−": "-", "–": "-", "’": "'", "“": '"', "”": '"', "…": ".", "\u00a0": " "}
"""What stands for a character where the output's encoding lacks it: one each, so that columns stay aligned."""
ESCAPES = {code: escape for code, escape in CONTROLS.items() if chr(code) not in "\n\t"}
"""What stands for characters that a terminal would obey; lines and tabs are kept."""


def json_object(text: str) -> dict:
    """Parse a JSON object given as a command-line argument (an `argparse` type)."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise argparse.ArgumentTypeError(f"not valid JSON: {error}") from None
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError("expected a JSON object, such as '{\"steps\": 100}'")
    return value


def positive(text: str, most: int = 2**31) -> int:
    """Parse a whole number above 0 given as a command-line argument (an `argparse` type)."""
    if not text.isdecimal() or len(text) > 20 or not 1 <= int(text) <= most:
        raise argparse.ArgumentTypeError(f"{quoted(text)} is not a whole number above 0, at most {most:,}")
    return int(text)


def path(text: str) -> str:
    """Return a path given as a command-line argument (an `argparse` type); an empty one would be the working directory.

    Raises
    ------
    SemsimError
        One line, where argparse would also print how the command is used.
    """
    if not text:
        raise SemsimError("a path is empty. Name a file or a folder, or leave the option out.")
    return text


resamples = partial(positive, most=10**6)
"""Parse how often something is drawn (an `argparse` type); more take hours, and say no more."""


def say(sentence: str) -> None:
    """Write a sentence to standard error, where it does not mix with results."""
    print(sentence, file=sys.stderr)


def share_cores() -> None:
    """Let threads of PyTorch sleep while they wait for each other; it has to be called before PyTorch is imported.

    By default they spin. That is a little faster on cores of their own, and up to eight times slower where other
    processes, or threads that read files, want the same cores.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")


def _plain(error):
    """Replace what an encoding lacks (a handler of encoding errors)."""
    lacking = error.object[error.start : error.end]
    shown = (PLAIN.get(letter) or letter.encode("ascii", "backslashreplace").decode() for letter in lacking)
    return "".join(shown), error.end


codecs.register_error("semsim.plain", _plain)


def shown(text: str) -> str:
    r"""Return a text in which control characters are escapes, but for the ends of lines and tabs.

    Examples
    --------
    >>> print(shown("a\x1b[2J"))
    a\x1b[2J
    """
    return text.translate(ESCAPES)


class Shown:
    """A text stream that shows what is written to it: no character steers the terminal, and none is refused.

    Names of files, sets and classes reach the output in many places, and may hold anything. Lines and tabs are kept,
    and a carriage return that begins what is written, as progress bars need it.

    Parameters
    ----------
    stream : io.TextIOBase
        Everything but writing is left to it.
    """

    def __init__(self, stream):
        self._stream = stream

    def __getattr__(self, name):
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write a text, and return its length."""
        start = "\r" if text.startswith("\r") else ""
        encoding = self._stream.encoding or "utf-8"
        text_shown = start + shown(text.removeprefix(start))
        self._stream.write(text_shown.encode(encoding, "semsim.plain").decode(encoding))
        return len(text)

    def writelines(self, texts: Iterable[str]) -> None:
        """Write texts one after the other."""
        for text in texts:
            self.write(text)


@contextlib.contextmanager
def shown_output() -> Iterator[None]:
    """Let standard output and standard error be `Shown` inside the block; where one is closed, nothing is shown."""
    output, errors = (Shown(stream or io.StringIO()) for stream in (sys.stdout, sys.stderr))
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
        yield


_as_python_does = warnings.formatwarning


def _in_one_line(message, category, *place):
    """Write a warning for users without the line of code that gave it; others, such as deprecations, keep it."""
    return f"warning: {message}\n" if category is UserWarning else _as_python_does(message, category, *place)


def run(main: Callable[[], None]) -> None:
    """Call `main()`; turn what users can put right into one message and exit status 1.

    Any other exception is a defect of the program and keeps its traceback. What users are warned of is one line, too.
    """
    warnings.formatwarning = _in_one_line
    with shown_output():
        _run(main)


def _run(main):
    """Do what `run` does, on whatever output there is."""
    try:
        main()
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read the output, such as `head`, has enough of it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains when it ends
        sys.exit(1)
    except SemsimError as error:
        sys.exit(shown(f"error: {error}"))
    except OSError as error:
        if error.filename is None and error.errno not in FULL:
            raise
        advice = "Make room" if error.errno in FULL else "Correct the path or the permissions,"
        sys.exit(shown(f"error: {error.filename or 'output'}: {error.strerror}. {advice} or take another folder."))
    except KeyboardInterrupt:
        sys.exit("stopped")
