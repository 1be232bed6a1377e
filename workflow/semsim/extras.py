"""Packages that `pip install semsim` leaves to extras: how to get what is missing."""

from collections.abc import Iterator
from contextlib import contextmanager

from semsim.errors import SemsimError


@contextmanager
def needing(extra: str, what: str) -> Iterator[None]:
    """Say in one line what to install where the block imports a package that is not there.

    Parameters
    ----------
    extra : str
        The extra of `pyproject.toml` that brings the packages; empty for the core.
    what : str
        What needs them, such as ``"semsim label"``.

    Raises
    ------
    SemsimError
        In place of `ModuleNotFoundError`, except where a module of semsim itself is missing, which is a defect.

    Examples
    --------
    >>> with needing("score", "semsim score"):
    ...     import a_package_that_is_not_there
    Traceback (most recent call last):
        ...
    semsim.errors.SemsimError: semsim score needs: pip install 'semsim[score]'
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "semsim":
            raise
        package = f"'semsim[{extra}]'" if extra else "semsim"
        raise SemsimError(f"{what} needs: pip install {package}") from error
