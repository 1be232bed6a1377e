"""Seeds that depend on what is made, never on the order in which it is made."""

import hashlib


def seed_for(study_seed: int | str, *key: object) -> int:
    """Return the seed of one random thing.

    Parameters
    ----------
    study_seed : int
        The study's seed.
    *key : str or int
        The name of the thing, for instance ``("attack", dataset, target, attack, original)``.

    Returns
    -------
    int
        A seed in [0, 2**63), the same on every machine and for every shard, batch and number of cores.

    Examples
    --------
    >>> seed_for(1, "glyphs", 7) == seed_for(1, "glyphs", 7)
    True
    >>> seed_for(1, "glyphs", 7) == seed_for(1, "glyphs", 8)
    False
    """
    text = "\0".join(str(part) for part in (study_seed, *key))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1
