"""The page templates and the environment that renders them."""

from __future__ import annotations

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined


def page_templates(*packages: str) -> Environment:
    """Return the shared page templates together with those of other packages, which may extend them.

    Parameters
    ----------
    *packages : str
        Packages with templates of their own, such as ``semsim.scoring``. They are searched first.

    Returns
    -------
    jinja2.Environment
        Escapes text; an undefined name is an error.
    """
    loaders = [PackageLoader(package, "") for package in (*packages, "semsim.html")]
    return Environment(loader=ChoiceLoader(loaders), autoescape=True, undefined=StrictUndefined, trim_blocks=True)
