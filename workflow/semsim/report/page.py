"""The report as a single self-contained HTML page."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from semsim import __version__
from semsim.html.templates import page_templates
from semsim.report.sections import SECTIONS

if TYPE_CHECKING:
    from semsim.report.results import Results


def render_report(results: Results) -> str:
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
        section._asdict() | {"anchor": re.sub(r"\W+", "-", section.title.lower()).strip("-"), "blocks": blocks}
        for section in SECTIONS
        if (blocks := list(section.blocks(results)))
    ]
    template = page_templates("semsim.report").get_template("page.html.j2")
    return template.render(study=results.study, sections=sections, version=__version__)
