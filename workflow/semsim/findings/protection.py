"""What protection costs: from which epsilon on annotators recognise something, and how accurate models are there."""

from __future__ import annotations

import pandas as pd

from semsim.statistics.protection import HIDDEN, limits_of_epsilon, noise_levels
from semsim.text import ANNOTATORS, interval, percent, significant


def protection_findings(protection: pd.DataFrame) -> list[str]:
    """Say for each differentially private network from which epsilon on something is recognised, and what that costs.

    Parameters
    ----------
    protection : pandas.DataFrame
        The table of protection, of annotators of one kind.

    Returns
    -------
    list of str
        Empty if no target model is defended so.
    """
    return [sentence for network in noise_levels(protection) for sentence in _of_network(*network)]


def _of_network(keys, levels, undefended):
    """Yield what is known about one network, from its smallest epsilon to its largest."""
    dataset, architecture, augmentation = keys
    network = architecture if augmentation == "none" else f"{architecture} with augmentation {augmentation}"
    hidden, seen = limits_of_epsilon(levels)
    where, share = f"On {dataset}, from one gradient of {network}", percent(HIDDEN)
    who, smallest, largest = ANNOTATORS[levels["kind"].iloc[0]], levels.iloc[0], levels.iloc[-1]
    if hidden is None:
        below = f"no noise that was tried surely keeps recognition by {who} below {share}, down to {_epsilon(smallest)}"
    else:
        limit = percent(hidden["high"])
        below = f"{who} recognise less than {share} up to {_epsilon(hidden)}, by an upper limit of {limit}"
    if seen is None:
        above = f"; more than {share} is not shown at any epsilon, up to {_epsilon(largest)}"
    else:
        above = f", and more from {_epsilon(seen)} on, by a lower limit of {percent(seen['low'])}"
    yield f"{where}, {below}{above}."
    if hidden is not None:
        without = f", and {_accuracy(undefended.iloc[0])} without defence" if len(undefended) else ""
        yield f"With that noise, {architecture} names {_accuracy(hidden)} of the held-out images of {dataset}{without}."


def _epsilon(level):
    """Return the epsilons of a level of noise: of one gradient, and of the training if that is private."""
    training = "" if pd.isna(level["epsilon"]) else f" (of the training: {significant(level['epsilon'])})"
    return f"ε = {significant(level['epsilon_shared'])}{training}"


def _accuracy(row):
    return f"{percent(row['accuracy'])} ({interval(row['accuracy_low'], row['accuracy_high'], percent)})"
