"""What an audit found, in sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from semsim.auditing.settings import FEWEST_CLIENTS
from semsim.metrics.summaries import labels_known
from semsim.scoring.measures import SEMSIM
from semsim.scoring.summary import number
from semsim.targets.traits import KNOWLEDGE
from semsim.text import counted, listed, percent, sentence_case

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    import pandas as pd

    from semsim.attacks.settings import Attacker
    from semsim.auditing.measures import Recognisable
    from semsim.scoring.measures import Measure

MANY_ZEROS = 0.9
"""Share of zero entries from which a gradient is said to have many."""
ONLY_WITH = {
    "running_statistics": {"batchnorm"},
    "batch_statistics": {"batchnorm", "batchnorm_train"},
    "public_images": {"public_images"},  # which an audit does not give to attackers
}
"""The traits without which there is nothing of this kind to know."""


def judge(comparison: pd.DataFrame, measures: Sequence[Measure]) -> Measure:
    """Return the metric that orders attacks and originals: SemSim, or else the first one that has values."""
    valued = set(comparison.loc[comparison["scored"] > 0, "metric"])
    known = {measure.name: measure for measure in measures if measure.name in valued} or {m.name: m for m in measures}
    return known.get(SEMSIM) or next(iter(known.values()))


def better_attacks(comparison: pd.DataFrame) -> list[str]:
    """Return the attacks that are better than a guess by any metric, in order."""
    return [attack for attack, rows in comparison.groupby("attack", sort=False) if rows["better"].any()]


def closest_attack(comparison: pd.DataFrame, measure: Measure) -> str:
    """Return the attack whose median is closest to the originals by a metric, of those that are better than a guess."""
    better = better_attacks(comparison) or list(comparison["attack"])
    rows = comparison[(comparison["metric"] == measure.name) & comparison["attack"].isin(better)]
    medians = rows.set_index("attack")["median"]
    ordered = medians.sort_values(ascending=not measure.scale.higher_is_better, na_position="last", kind="stable")
    return ordered.index[0]


def answer(
    originals: pd.DataFrame, comparison: pd.DataFrame, measures: Sequence[Measure], recognisable: Recognisable
) -> list[str]:
    """Return the sentences with which the report begins.

    Parameters
    ----------
    originals, comparison
        As in `semsim.auditing.audit.Audit`.
    measures : sequence of semsim.scoring.measures.Measure
    recognisable : semsim.auditing.measures.Recognisable

    Returns
    -------
    list of str
    """
    measure = judge(comparison, measures)
    best = closest_attack(comparison, measure)
    row = comparison[(comparison["attack"] == best) & (comparison["metric"] == measure.name)].iloc[0]
    label = measure.scale.label
    better, sentences = better_attacks(comparison), []
    if better:
        verb = "show" if len(better) > 1 else "shows"
        sentences.append(f"The gradients leak: {listed(better)} {verb} more of these images than could be guessed.")
    elif (clients := originals["client"].nunique()) < FEWEST_CLIENTS:
        sentences.append(
            f"Telling whether an attack shows more than could be guessed takes {FEWEST_CLIENTS} clients or more, and"
            f" this audit attacked {clients}."
        )
    else:
        sentences.append(
            "None of the attacks shows more of these images than could be guessed, within the steps that they ran."
        )
    if row["scored"]:
        sentences.append(
            f"{best} comes closest. By {label}, {row['closer']} of its {counted(int(row['scored']), 'reconstructions')}"
            f" {'is' if row['closer'] == 1 else 'are'} closer to the original than the mean image of the class and its"
            " reconstructions of other images."
            f" The median is {number(row['median'])}; that of mean images is {number(row['guess'])}."
        )
    sentences += converged(originals)
    if counts := recognisable.counts.get(best):
        return [*sentences, *counts, *recognisable.doubts]
    return [
        *sentences,
        "These are distances, not chances: they do not tell how many of the images a person would recognise.",
    ]


def converged(originals: pd.DataFrame) -> list[str]:
    """Say if the model has converged so far that gradients vanish, or has many zero gradients."""
    vanished, count = int(originals["vanished"].sum()), len(originals)
    sentences = []
    if vanished:
        norm = originals.loc[originals["vanished"], "gradient_norm"].median()
        zeros = originals.loc[originals["vanished"], "zero_share"].median()
        sentences.append(
            f"The model has converged on {vanished} of {counted(count, 'images')}: the probability that it assigns to"
            f" their classes rounds to 1, so their gradients vanish (median norm {norm:.1e}, {percent(zeros)} of the"
            " entries are zero), and searches find little in what is left. That is no protection: gradients of earlier"
            " rounds, and of images that it does not know, give away more."
        )
    elif originals["zero_share"].median() >= MANY_ZEROS:
        zeros = percent(originals["zero_share"].median())
        sentences.append(f"In the median gradient, {zeros} of the entries are zero, so attacks see only a part.")
    return sentences


def no_better(comparison: pd.DataFrame, clients: int) -> list[str]:
    """Name the attacks that are no better than a guess by any metric; none where there are too few clients to tell."""
    if clients < FEWEST_CLIENTS:
        return []
    sentences = []
    for attack, rows in comparison.groupby("attack", sort=False):
        if not rows["better"].any():
            closest = rows.loc[rows["closer"].idxmax()]
            sentences.append(
                f"{attack} is no better than a guess: by no metric are its reconstructions closer to their originals"
                " than the mean image of the class and its reconstructions of other images, beyond chance (at best"
                f" {closest['closer']} of {closest['scored']})."
            )
    return sentences


def ended(attacks: pd.DataFrame) -> list[str]:
    """Say which attacks were given the labels, how many the others found, and how many searches diverged."""
    by_attack = attacks.groupby("attack", sort=False)
    right = labels_known(attacks).groupby(attacks["attack"], sort=False).sum()
    count = by_attack.size().iloc[0]
    given = [attack for attack, known in by_attack["knowledge"].first().items() if "labels" in known.split()]
    found = [f"{number} ({attack})" for attack, number in right.drop(given).items()]
    sentences = [f"The true labels were given to {listed(given)}."] if given else []
    if found:
        sentences.append(f"Of {counted(count, 'labels')}, the gradient gave attackers {listed(found)}.")
    for attack, rows in by_attack:
        if diverged := int((rows["status"] == "diverged").sum()):
            sentences.append(f"{diverged} of {counted(count, 'searches')} of {attack} diverged; they are not scored.")
    return sentences


def knowledge_table(attacks: pd.DataFrame, attacker: Attacker, traits: Collection[str]) -> dict[str, list[str]]:
    """Return what each attack made use of, as columns of texts: one row per piece of knowledge that there is.

    Parameters
    ----------
    attacks : pandas.DataFrame
        With a column ``knowledge``, as in a study.
    attacker : semsim.attacks.settings.Attacker
    traits : collection of str
        Of the model and its clients: without BatchNorm layers, there are no statistics of them to know.
    """
    used = attacks.groupby("attack", sort=False)["knowledge"].first().str.split()
    there = [name for name in KNOWLEDGE if name in used.sum() or {*traits} >= ONLY_WITH.get(name, set())]
    return {
        "What an attacker may know": [sentence_case(KNOWLEDGE[name]) for name in there],
        "allowed here": ["no" if name in attacker.forbidden else "yes" for name in there],
        **{attack: ["used" if name in names else "–" for name in there] for attack, names in used.items()},
    }
