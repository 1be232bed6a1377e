"""The report of an audit: one page, which begins with the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from semsim import __version__
from semsim.attacks.clients import ClientSettings
from semsim.attacks.settings import PRESETS
from semsim.auditing.findings import closest_attack, ended, judge, knowledge_table, no_better
from semsim.auditing.measures import GUESS, TOP1, own_scores
from semsim.html.blocks import Paragraph, Points, Table
from semsim.html.templates import page_templates
from semsim.learned.scales import CHANCE
from semsim.metrics import METRICS
from semsim.metrics.scales import without_twins
from semsim.names import printable
from semsim.scoring.page import small_picture
from semsim.scoring.summary import DIRECTIONS, number
from semsim.targets.models import count_parameters
from semsim.text import NO_BREAK, counted, listed, percent

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from semsim.auditing.audit import Audit
    from semsim.auditing.measures import Recognisable
    from semsim.scoring.measures import Measure
    from semsim.targets.models import Target

GUESS_LABEL = "class mean"
LIMITS = (
    "Finding little is no proof of safety: other attacks, more steps or better knowledge may find more.",
    "A guess is what someone could produce who knows the class and similar images, but not the gradient. An attack"
    " that is no better reveals nothing beyond that, whatever its pictures look like.",
)
ONE_IMAGE = (
    "The attacks see the gradient of one image at a time, with the model in eval mode. Clients that share one update"
    " for a batch usually reveal less about each image."
)
BATCHES = (
    "The reconstructions of a batch come in no particular order. They are matched with its originals by minimising the"
    " sum of squared errors, and so are those of the other batches with which they are compared."
)


def render_page(
    audit: Audit,
    target: Target,
    name: str,
    measures: Sequence[Measure],
    about: Sequence[str],
    paths: dict[str, list[Path]],
    recognisable: Recognisable,
) -> str:
    """Return the page as HTML; pictures are inside it.

    Parameters
    ----------
    audit : semsim.auditing.audit.Audit
    target : semsim.targets.models.Target
    name : str
        What the model is called.
    measures : sequence of semsim.scoring.measures.Measure
    about : sequence of str
        Remarks about their values.
    paths : dict of str to list of pathlib.Path
        The image files by attack; the first are the originals.
    recognisable : semsim.auditing.measures.Recognisable
    """
    measure = judge(audit.comparison, measures)
    return (
        page_templates("semsim.auditing")
        .get_template("audit.html.j2")
        .render(
            name=printable(name),
            answer=audit.answer,
            cards=_cards(audit, measure, paths),
            order=f"{measure.scale.label} by {closest_attack(audit.comparison, measure)}",
            chances=CHANCE.metric in audit.scores,
            pictures=len(paths),
            sections=_sections(audit, target, measures, about, recognisable),
            version=__version__,
        )
    )


def _cards(audit, measure, paths):
    """Return the originals with their reconstructions, those that leak most by the closest attack first."""
    own = own_scores(audit.scores)
    values = own.pivot(index="original", columns="attack", values=measure.name)
    known = CHANCE.metric in own
    chances = own.pivot(index="original", columns="attack", values=CHANCE.metric) if known else None
    closest = values[closest_attack(audit.comparison, measure)].to_numpy()
    order = np.argsort(-closest if measure.scale.higher_is_better else closest, kind="stable")
    (originals, files), *others = paths.items()
    status = audit.attacks.set_index(["attack", "original"])["status"]
    cards = []
    for place in order:
        row = audit.originals.iloc[place]
        shown = [
            {
                "picture": small_picture(files[place]),
                "name": "original",
                "value": printable(row["class"]).replace("_", " "),
                "chance": "",
            }
        ]
        for attack, images in others:
            diverged = attack != GUESS and status[attack, place] == "diverged"
            value = "diverged" if diverged else number(values.loc[place, attack])
            chance = percent(chances.loc[place, attack]) if known and not diverged else ""
            label = GUESS_LABEL if attack == GUESS else attack
            shown.append({"picture": small_picture(images[place]), "name": label, "value": value, "chance": chance})
        cards.append({"shown": shown, "source": printable(row["source"])})
    return cards


def _sections(audit, target, measures, about, recognisable):
    """Return the sections below the pictures: pairs of a title and its blocks."""
    return {
        "What each attack found": [
            *_results(audit, measures),
            *_recognised(recognisable),
            Points([*no_better(audit.comparison, audit.originals["client"].nunique()), *ended(audit.attacks)]),
        ],
        "What the attackers knew": list(_knowledge(audit, target)),
        "What was attacked": list(_model(audit, target)),
        "Limits": [Points([*LIMITS, ONE_IMAGE if audit.settings.client == ClientSettings() else BATCHES, *about])],
    }


def _results(audit, measures):
    """Yield the table of attacks and metrics."""
    rows = []
    tops = own_scores(audit.scores).groupby("attack", sort=False)[TOP1].mean()
    names = without_twins([measure.name for measure in measures])
    labels = {measure.name: measure.scale.axis_label for measure in measures if measure.name in names}
    comparison = audit.comparison[audit.comparison["metric"].isin(names)]
    for attack, lines in comparison.groupby("attack", sort=False):
        row = {"attack": attack}
        for line in lines.itertuples():
            share = f" ({line.closer} of {line.scored})" if line.scored else ""
            row[labels[line.metric]] = f"{number(line.median)}{share}".replace(" ", NO_BREAK)
        rows.append(row | {METRICS[TOP1].axis_label: percent(tops[attack]) if tops[attack] == tops[attack] else "–"})
    guess = comparison.drop_duplicates("metric").set_index("metric")["guess"]
    row = {labels[name]: number(value) for name, value in guess.items()}
    rows.append({"attack": GUESS_LABEL} | row | {METRICS[TOP1].axis_label: percent(tops[GUESS])})
    frame = pd.DataFrame(rows)
    caption = (
        "Medians over originals and, in brackets, how many reconstructions are closer to their originals than a guess:"
        " than the mean of the other images of the class and the same attack's reconstructions of other images. The"
        f" last column is the share that the model itself classifies as the original's class. {DIRECTIONS}"
    )
    yield Table(frame, caption, tuple(frame.columns)[1:])


def _recognised(recognisable):
    """Yield how many images annotators would recognise by each attack, and by a guess."""
    counts = {GUESS_LABEL if attack == GUESS else attack: said for attack, said in recognisable.counts.items() if said}
    if counts:
        yield Points([f"{attack}: {' '.join(sentences)}" for attack, sentences in counts.items()])


def _knowledge(audit, target):
    """Yield what the attackers knew, and which attacks were left out."""
    caption = "What each attack used. An attacker who knows less may find less."
    traits = {*target.traits, *audit.settings.client.traits}
    yield Table(pd.DataFrame(knowledge_table(audit.attacks, audit.settings.attacker, traits)), caption)
    if audit.left_out:
        yield Paragraph("Left out:")
        yield Points(list(audit.left_out))


def _model(audit, target):
    """Yield what the model is, and what clients share."""
    originals, spec = audit.originals, target.spec
    right = int((originals["predicted"] == originals["label"]).sum())
    norm, zeros = originals["gradient_norm"].median(), percent(originals["zero_share"].median())
    steps = listed([_steps(name, each.steps) for name, each in audit.presets.items()])
    yield Points(
        [
            f"{counted(count_parameters(target), 'parameters')}, {counted(spec['classes'], 'classes')}, images of"
            f" {spec['image_size']} pixels a side. {_normalisation(target)}",
            f"It classifies {right} of the {counted(len(originals), 'originals')} correctly.",
            f"Gradients have a median norm of {norm:.3g}, and {zeros} of their entries are zero.",
            f"What clients share: {_shared(audit.settings.client)}; defence: {audit.settings.shared}.",
            f"Steps: {steps}.",
        ]
    )


def _steps(preset, steps):
    """Say how many steps a preset took, and how many are published."""
    published = PRESETS[preset]().steps
    return f"{steps:,} by {preset}" + (f" (published: {published:,})" if steps < published else "")


def _shared(client):
    """Say what clients share for their images."""
    what = "the gradient" if client.local_steps == 1 else "one update"
    mode = "" if client.batchnorm == "train" else ", with the model in eval mode"
    return f"{what} ({client}){mode}"


def _normalisation(target):
    """Say how images are normalised."""
    mean, std = (values.flatten().tolist() for values in (target.mean, target.std))
    if mean == [0, 0, 0] and std == [1, 1, 1]:
        return "Images in [0, 1] enter it as they are."
    written = (", ".join(f"{value:.3g}" for value in values) for values in (mean, std))
    return "Images in [0, 1] are normalised per channel, with means {} and standard deviations {}.".format(*written)
