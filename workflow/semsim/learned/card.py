"""The model card of a trained SemSim: what it was trained on, and how faithful it is on held-out data."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from semsim.labels.recognition import MAJORITY
from semsim.learned.scales import BEST, LEARNED
from semsim.pretrained.weights import NETWORKS
from semsim.statistics.calibration import difficulty_used
from semsim.statistics.generalisation import EVERYTHING, areas, overall
from semsim.text import ANNOTATORS, FOLDS, counted, decimal, interval, listed

if TYPE_CHECKING:
    import pandas as pd

    from semsim.learned.calibration import Calibration
    from semsim.learned.pairs import LabelledPairs
    from semsim.learned.settings import SemSimSettings
    from semsim.targets.recipe import Recipe

CARD = """# SemSim, trained by the study `{study}`

A distance between an image and its reconstruction that is small where annotators recognise what the reconstruction
shows. The annotators are **{annotators}**{warning}.

```python
from semsim import SemSim

metric = SemSim.from_pretrained("path/to/this/folder")
distances = metric(originals, reconstructions)  # RGB, [N, 3, H, W] in [0, 1]
```

## Training data

- {pairs} on {datasets}, each labelled as recognised or not; {recognised} recognised by the majority
- Target models: {targets}
- Attacks: {attacks}
- Reconstructions are compared with {reference}
- Settings: {settings}
- Recipe: {recipe}

All labels were used; a fifth of the originals served to choose the epoch that was kept{why_not}.

## How faithful it is

The area under the ROC curve is the probability that, of two reconstructions of one original, the one that the majority
recognised has the smaller distance, averaged over originals and data sets. Each row is for metrics trained with the
same settings, but without what was held out. The best hand-crafted metric is chosen on the training data.

{results}

## Chances

{chances}

## Limitations

- It predicts what these annotators would say about images like these. For other images, collect labels from people
  (`semsim label`) and check the metric against them before you rely on it.
- A small distance is a reason to worry. A large distance is no proof of privacy: another attack may do better, and an
  image that cannot be recognised may still reveal something.
{backbone}{caveat}"""
CHANCES = """`metric.chances` gives the chance that one annotator recognises a reconstruction. It is based on
{basis},
with distances from metrics that had not seen the original. Per unit
of distance, the log-odds change by {distance}. {difficulty}

{table}

The Brier score is the mean squared error of the chances, over single labels. The calibration error is the mean
distance of chance and rate in ten groups. The slope is 1 for calibrated chances, and below 1 for too extreme ones."""
BACKBONE = """- It compares images in the features of {label}, trained on {data} ({licence}). The weights of that
  network are not in this folder: `semsim fetch` brings them.
"""
USED = "Per unit of the difficulty of the original,\npredicted from its embedding, they change by {}."
NOT_USED = """The difficulty of the original,
predicted from its embedding, did not lower the Brier score on held-out originals and is not used."""
HEAD = ("held out", "Brier score", "of the mean rate alone", "calibration error", "slope")
WARNING = ": classifiers that stand in for people, so it predicts their labels, not those of people"


def model_card(
    study: str,
    kind: str,
    pairs: LabelledPairs,
    settings: SemSimSettings,
    recipe: Recipe,
    generalisation: pd.DataFrame,
    calibration: Calibration | None = None,
    errors: pd.DataFrame | None = None,
    why_not: str = "",
    caveat: str = "",
) -> str:
    """Return the text of the card.

    Parameters
    ----------
    study : str
        Its name.
    kind : str
        The kind of annotators.
    pairs : LabelledPairs
    settings : semsim.learned.settings.SemSimSettings
    recipe : semsim.targets.recipe.Recipe
    generalisation : pandas.DataFrame
        The table ``generalisation.csv`` of the study.
    calibration : semsim.learned.calibration.Calibration or None
        The one that its weights carry.
    errors : pandas.DataFrame
        The table ``semsim_calibration.csv`` of the study.
    why_not : str
        Why it was not trained; empty if it was.
    caveat : str
        Further limitations, in sentences; may be empty.

    Returns
    -------
    str
        Markdown.
    """
    table = pairs.table
    names = {key: listed([f"`{name}`" for name in table[key].unique()]) for key in ("dataset", "target", "attack")}
    return CARD.format(
        study=study,
        annotators=ANNOTATORS[kind],
        warning=WARNING if kind == "simulated" else "",
        pairs=counted(len(table), "reconstructions"),
        datasets=names["dataset"],
        recognised=int((table["recognition_rate"] > MAJORITY).sum()),
        targets=names["target"],
        attacks=names["attack"],
        reference={"original": "the original", "attacked": "the attacked image"}[settings.reference],
        settings=_described(settings.model_dump(mode="json", exclude={"evaluation"})),
        recipe=_described(recipe.model_dump(mode="json")),
        why_not=f". **It was not trained:** {why_not}" if why_not else "",
        results=_results(generalisation),
        chances=described_chances(calibration, errors) if calibration else "These weights carry no calibration.",
        backbone=_described_backbone(settings),
        caveat=f"- {caveat}\n" if caveat else "",
    )


def _described_backbone(settings):
    """Say what a pretrained backbone is, and where it is to be had; nothing of others, which come with the weights."""
    if not settings.pretrained:
        return ""
    network = NETWORKS[settings.backbone]
    return BACKBONE.format(label=network.label, data=network.data, licence=network.licence)


def _described(settings):
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in settings.items())


def _results(generalisation):
    """Return a table in Markdown: for each kind of folds, SemSim and the best hand-crafted metric."""
    rows = areas(overall(generalisation))
    rows = rows[rows["exclusion"] == EVERYTHING]
    lines = [f"| held out | {LEARNED['semsim'].label} | {LEARNED[BEST].label.lower()} |", "| --- | --- | --- |"]
    for folds, group in rows.groupby("folds", sort=False):
        values = group.set_index("metric")
        if not {"semsim", BEST} <= set(values.index):
            continue
        texts = [_estimate(values.loc[name]) for name in ("semsim", BEST)]
        lines.append(f"| {FOLDS[folds]} | {texts[0]} | {texts[1]} |")
    return "\n".join(lines)


def _estimate(row):
    """Write the faithfulness of a row with its interval."""
    if math.isnan(row["faithfulness"]):
        return "undefined"
    return f"{decimal(row['faithfulness'])} ({interval(row['faithfulness_low'], row['faithfulness_high'])})"


def described_chances(calibration: Calibration, errors: pd.DataFrame) -> str:
    """Return what the card says of a calibration, in Markdown.

    Parameters
    ----------
    calibration : semsim.learned.calibration.Calibration
    errors : pandas.DataFrame
        The table ``semsim_calibration.csv`` of the study.
    """
    rows = errors[(errors["dataset"] == EVERYTHING) & (errors["difficulty"] == difficulty_used(errors))]
    lines = [f"| {' | '.join(HEAD)} |", "|" + " --- |" * len(HEAD)]
    for row in rows.dropna(subset="brier").itertuples():
        brier = f"{decimal(row.brier)} ({interval(row.brier_low, row.brier_high)})"
        slope = f"{decimal(row.slope)} ({interval(row.slope_low, row.slope_high)})"
        lines.append(f"| {FOLDS[row.folds]} | {brier} | {decimal(row.constant)} | {decimal(row.error)} | {slope} |")
    _, of_distance, of_difficulty = calibration.coefficients.tolist()
    difficulty = USED.format(decimal(of_difficulty)) if of_difficulty else NOT_USED
    return CHANCES.format(
        basis=calibration, distance=decimal(of_distance), difficulty=difficulty, table="\n".join(lines)
    )
