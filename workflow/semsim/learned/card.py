"""The model card of a trained SemSim: what it learnt from, and how faithful it was on what it did not learn from."""

from semsim.learned.scales import LEARNED
from semsim.statistics.generalisation import EVERYTHING, areas, overall
from semsim.text import ANNOTATORS, FOLDS, counted, decimal, interval, listed

CARD = """# SemSim, trained by the study `{study}`

A distance between an image and its reconstruction that is small where annotators recognise what the reconstruction
shows. The annotators are **{annotators}**{warning}.

```python
from semsim import SemSim

metric = SemSim.from_pretrained("path/to/this/folder")
distances = metric(originals, reconstructions)  # RGB, [N, 3, H, W] in [0, 1]
```

## What it learnt from

- {pairs} on {datasets}, each labelled as recognised or not; {recognised} recognised by the majority
- Target models: {targets}
- Attacks: {attacks}
- Reconstructions are compared with {reference}
- Settings: {settings}
- Recipe: {recipe}

All labels were used; a fifth of the originals chose the epoch that was kept{why_not}.

## How faithful it is

The area under the ROC curve is the probability that a reconstruction that the majority recognised has a smaller
distance than one that it did not. Each number is the mean over data sets. It is of metrics that learnt with the same
settings, but from no original that they were measured on, and from nothing of what a row names.

{results}

## What to keep in mind

- It says what these annotators would say of images such as these. On other images, ask people (`semsim label`), or
  check it there before you rely on it.
- A small distance is a reason to worry. A large one is no proof of privacy: another attack may do better, and what
  cannot be recognised may still give something away.
{caveat}"""
WARNING = ": classifiers that stand in for people, so it predicts them, not people"


def model_card(study, kind, pairs, settings, recipe, generalisation, scales, why_not="", caveat=""):
    """Return the text of the card.

    Parameters
    ----------
    study : str
        Its name.
    kind : str
        Of the annotators.
    pairs : LabelledPairs
    settings : dict
        Of SemSim.
    recipe : semsim.targets.recipe.Recipe
    generalisation : pandas.DataFrame
        The table ``generalisation.csv`` of the study.
    scales : semsim.metrics.scales.Scales
        Of the hand-crafted metrics.
    why_not : str
        Why nothing was learnt; empty if it was.
    caveat : str
        What else to keep in mind, in sentences; may be empty.

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
        recognised=int((table["recognition_rate"] > 0.5).sum()),
        targets=names["target"],
        attacks=names["attack"],
        reference={"original": "the original", "attacked": "what was attacked"}[settings["reference"]],
        settings=_described(settings),
        recipe=_described(recipe.model_dump(mode="json")),
        why_not=f". **It did not learn:** {why_not}" if why_not else "",
        results=_results(generalisation, scales),
        caveat=f"- {caveat}\n" if caveat else "",
    )


def _described(settings):
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in settings.items())


def _results(generalisation, scales):
    """Return a table in Markdown: for each kind of folds, SemSim and the best other metric."""
    rows = areas(overall(generalisation)).dropna(subset="faithfulness")
    rows = rows[rows["exclusion"] == EVERYTHING]
    lines = ["| not learnt from | SemSim | best hand-crafted metric |", "| --- | --- | --- |"]
    for folds, group in rows.groupby("folds", sort=False):
        values = group.set_index("metric")
        hand_crafted = values.drop(index=list(LEARNED), errors="ignore")
        if "semsim" not in values.index or hand_crafted.empty:
            continue
        ours, best = values.loc["semsim"], hand_crafted.loc[hand_crafted["faithfulness"].idxmax()]
        texts = [
            f"{decimal(each['faithfulness'])} ({interval(each['faithfulness_low'], each['faithfulness_high'])})"
            for each in (ours, best)
        ]
        lines.append(f"| {FOLDS[folds]} | {texts[0]} | {scales[best.name].label}: {texts[1]} |")
    return "\n".join(lines)
