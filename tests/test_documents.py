"""Documents for people: short where they should be, and every link leads somewhere."""

import re
import subprocess
import sys

import pytest

LINK = re.compile(r"\]\((?!https?://)([^)#\s]*)(?:#([^)\s]+))?\)")
CODE = re.compile(r"```.*?```", re.DOTALL)


def anchors(path):
    """Return the anchors of a document's headings, as GitHub makes them."""
    text = CODE.sub("", path.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_readme_stays_short(house):
    assert len((house / "README.md").read_text(encoding="utf-8").split()) < 1200


@pytest.mark.parametrize(
    "name",
    ["README.md", "docs/results.md", "docs/workflow.md", "docs/extending.md", "docs/audit.md", "annotations/README.md"],
)
def test_every_link_leads_somewhere(house, name):
    document = house / name
    links = LINK.findall(CODE.sub("", document.read_text(encoding="utf-8")))
    assert links
    for path, anchor in links:
        target = document.parent / path if path else document
        assert target.exists(), f"{name}: {path}"
        if anchor:
            assert anchor in anchors(target), f"{name}: {path}#{anchor}"


def test_the_code_of_the_readme_runs(house):
    readme = (house / "README.md").read_text(encoding="utf-8")
    ((code, shown),) = re.findall(r"^```python\n(.*?)^```\n\n```\n(.*?)^```$", readme, re.DOTALL | re.MULTILINE)
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert re.sub(r"[\d.e-]+", "#", ran.stdout).split() == re.sub(r"[\d.e-]+", "#", shown).split()
    # The last digits differ between machines. Other weights of SemSim differ by more.
    values, printed = ([float(each) for each in re.findall(r"\d\.?[\d.e-]*", text)] for text in (ran.stdout, shown))
    assert values == pytest.approx(printed, rel=0.05, abs=2e-3)
