"""The report as a single self-contained HTML page."""

import re

from semsim import __version__
from semsim.html.templates import page_templates
from semsim.report.sections import SECTIONS


def render_report(results):
    """Return the report of a study.

    Parameters
    ----------
    results : semsim.report.results.Results

    Returns
    -------
    str
        An HTML document with embedded pictures; it makes no requests.

    Raises
    ------
    SemsimError
        If a table or figure that a section needs is missing.
    """
    sections = [
        {"title": title, "anchor": re.sub(r"\W+", "-", title.lower()), "blocks": list(function(results))}
        for title, function in SECTIONS
    ]
    template = page_templates("semsim.report").get_template("page.html.j2")
    return template.render(study=results.study, sections=sections, version=__version__)
