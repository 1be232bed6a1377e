"""What protection costs: at which epsilon annotators begin to recognise something, and how accurate models are
there."""

from __future__ import annotations

import pandas as pd

from semsim.statistics.protection import HIDDEN, limits_of_epsilon, noise_levels
from semsim.text import ANNOTATORS, interval, percent, significant


def protection_findings(protection: pd.DataFrame) -> list[str]:
    """Say for each differentially private network at which epsilon something is recognised, and what hiding costs.

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
        below = f"no noise level tried reliably keeps recognition by {who} below {share}, down to {_epsilon(smallest)}"
    else:
        limit = percent(hidden["high"])
        below = f"{who} recognise less than {share} up to {_epsilon(hidden)}; the upper limit there is {limit}"
    if seen is None:
        above = f". More than {share} is not established at any epsilon, up to {_epsilon(largest)}"
    else:
        above = f". They recognise more from {_epsilon(seen)}; the lower limit there is {percent(seen['low'])}"
    yield f"{where}, {below}{above}."
    if hidden is not None:
        without = f"; without defence, it is {_accuracy(undefended.iloc[0])}" if len(undefended) else ""
        yield f"With that noise, the accuracy of {architecture} on {dataset} is {_accuracy(hidden)}{without}."


def _epsilon(level):
    """Return the epsilons of a level of noise: of one gradient, and of the training if that is private."""
    training = "" if pd.isna(level["epsilon"]) else f" (of the training: {significant(level['epsilon'])})"
    return f"ε = {significant(level['epsilon_shared'])}{training}"


def _accuracy(row):
    return f"{percent(row['accuracy'])} ({interval(row['accuracy_low'], row['accuracy_high'], percent)})"
