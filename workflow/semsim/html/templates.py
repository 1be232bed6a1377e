"""The templates of pages, and how they are filled in."""

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined


def page_templates(*packages):
    """Return the templates of the report, and before them those of other packages, which may build on them.

    Parameters
    ----------
    *packages : str
        Such as ``semsim.scoring``.

    Returns
    -------
    jinja2.Environment
        Text is escaped; a name that a template is not given is an error.
    """
    loaders = [PackageLoader(package, "") for package in (*packages, "semsim.html")]
    return Environment(loader=ChoiceLoader(loaders), autoescape=True, undefined=StrictUndefined, trim_blocks=True)
