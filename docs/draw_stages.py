"""Draw the stages of the study: `make dag`, or `snakemake all human_study --rulegraph | python docs/draw_stages.py`.

A stage is a file of workflow/rules/; what it needs comes from Snakemake's graph of rules, and its place from that.
"""

import argparse
import re
import sys
import textwrap
from pathlib import Path

RULES = Path(__file__).parents[1] / "workflow" / "rules"
RULE = re.compile(r"^ *(?:rule|checkpoint|use rule \w+ as) (\w+)", re.MULTILINE)
NODE = re.compile(r'^\s*(\d+)\[label = "(\w+)"', re.MULTILINE)
EDGE = re.compile(r"^\s*(\d+) -> (\d+)", re.MULTILINE)
WIDTH, BOX, HEIGHT, GAP = 760, 232, 70, 28
"""In pixels; three boxes fit beside each other."""
COLOURS = ("#e8f1fb", "#2b6cb0", "#1a202c", "#4a5568", "#718096")
"""Of boxes, their borders, names of stages, names of rules, and arrows."""


def read_stages(graph):
    """Return what a graph of rules, in Graphviz's language, says about stages.

    Returns
    -------
    dict of str to list of str
        The rules of each stage, in the order of their file.
    dict of str to set of str
        The stages that each one needs, without those that another one needs in turn.
    """
    file_of = {rule: path.stem for path in RULES.glob("*.smk") for rule in RULE.findall(path.read_text("utf-8"))}
    stage_of = {number: file_of[rule] for number, rule in NODE.findall(graph) if rule in file_of}
    drawn = {rule for _, rule in NODE.findall(graph)}
    rules = {
        stage: [rule for rule in file_of if file_of[rule] == stage and rule in drawn] for stage in stage_of.values()
    }
    needs = {stage: set() for stage in rules}
    for before, after in EDGE.findall(graph):
        if before in stage_of and after in stage_of and stage_of[before] != stage_of[after]:
            needs[stage_of[after]].add(stage_of[before])
    direct = {
        stage: {each for each in needed if not any(each in _all_needs(needs, other) for other in needed)}
        for stage, needed in needs.items()
    }
    return rules, direct


def _all_needs(needs, stage):
    """Return the stages that one needs, and those that these need in turn."""
    return needs[stage].union(*(_all_needs(needs, each) for each in needs[stage]))


def _rows(needs):
    """Return the centre of each stage, row by row: below what it needs, or else right above its user."""

    def depth(stage):
        return 1 + max(map(depth, needs[stage]), default=-1)

    row_of = {stage: depth(stage) or min(depth(user) for user in needs if stage in needs[user]) - 1 for stage in needs}
    rows, at = [], {}
    for row in range(1 + max(row_of.values())):
        stages = sorted(stage for stage in needs if row_of[stage] == row)
        centres = {stage: _mean([at[each] for each in needs[stage]], WIDTH / 2) for stage in stages}
        stages.sort(key=lambda stage: (bool(needs[stage]), centres[stage]))
        if len(stages) > 1:
            left = (WIDTH - (len(stages) - 1) * (BOX + GAP)) / 2
            centres = {stage: left + column * (BOX + GAP) for column, stage in enumerate(stages)}
        at |= centres
        rows.append(centres)
    return rows


def _mean(values, default):
    return sum(values) / len(values) if values else default


def draw(rules, needs):
    """Return the picture of stages and what they need, as SVG."""
    fill, border, bold, plain, grey = COLOURS
    rows = _rows(needs)
    places = {stage: (x, 10 + row * (HEIGHT + GAP)) for row, stages in enumerate(rows) for stage, x in stages.items()}
    height = len(rows) * (HEIGHT + GAP) - GAP + 20
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" text-anchor="middle"'
        ' font-family="Helvetica, Arial, sans-serif">',
        "<title>The stages of the study, their rules, and what each one needs</title>",
        '<defs><marker id="tip" markerWidth="6" markerHeight="6" refX="6" refY="3" orient="auto">',
        f'<path d="M0,0 L6,3 L0,6 z" fill="{grey}"/></marker></defs>',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for stage, (x, y) in places.items():
        for above, top in sorted(places[each] for each in needs[stage]):
            top += HEIGHT
            bend = max(GAP, (y - top) / 2)
            lines.append(
                f'<path d="M{above:g},{top} C{above:g},{top + bend:g} {x:g},{y - bend:g} {x:g},{y}" fill="none"'
                f' stroke="{grey}" stroke-width="1.5" marker-end="url(#tip)"/>'
            )
    for stage, (x, y) in places.items():
        title, names = stage.replace("_", " "), textwrap.wrap(" · ".join(rules[stage]), 40)
        first = y + HEIGHT / 2 - 7 * len(names) + 5
        lines += [
            f'<rect x="{x - BOX / 2:g}" y="{y}" width="{BOX}" height="{HEIGHT}" rx="8"'
            f' fill="{fill}" stroke="{border}"/>',
            f'<text x="{x:g}" y="{first:g}" font-size="15" font-weight="bold" fill="{bold}">{title}</text>',
        ]
        for line in names:
            first += 14
            lines.append(f'<text x="{x:g}" y="{first:g}" font-size="10.5" fill="{plain}">{line.strip(" ·")}</text>')
    return "\n".join([*lines, "</svg>", ""])


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).with_name("stages.svg"), help="to write (%(default)s)"
    )
    arguments = parser.parse_args()
    arguments.out.write_text(draw(*read_stages(sys.stdin.read())), encoding="utf-8")


if __name__ == "__main__":
    main()
