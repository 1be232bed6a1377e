"""Fitting chances to labels, on originals that SemSim was not trained on.

In each fold, SemSim gives the distances of held-out reconstructions, and ridge regression on its embeddings of the
other originals gives the difficulty of the held-out ones. A logistic regression turns both into a chance. It is tested
on each fold after fitting it to the held-out distances of the others; those come from metrics that may have seen the
tested originals, which three coefficients cannot remember. The calibration in the weights is fitted to all folds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from scipy.optimize import minimize
from sklearn.linear_model import RidgeCV

from semsim.io.tables import KEYS
from semsim.labels.recognition import missing_triplets
from semsim.learned.calibration import Calibration
from semsim.learned.difficulty import PENALTIES, predict_difficulty, rows_of
from semsim.learned.folds import WITHIN, kind_of_folds, make_folds
from semsim.learned.pairs import originals_of
from semsim.statistics.calibration import CHANCE, brier_scores, measure_deviation
from semsim.statistics.content import EMBEDDING, NOTHING
from semsim.statistics.crossing import RATE
from semsim.statistics.recalibration import shares

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from semsim.learned.metric import SemSim
    from semsim.learned.pairs import LabelledPairs

AT_ONCE = 256
"""Images that are embedded at a time."""
OUTERMOST = 0.05
"""Share of the originals of a data set that lie outside its radius."""
FEWEST_IN_RADIUS = 3
"""Originals of a data set below which its radius is not known, and everything counts as near."""
PRIOR = 1e-3
"""Precision of a normal prior on coefficients: it keeps them finite where a distance tells everything apart."""
TRIED = [*KEYS, RATE, "folds", "exclusion", "part", "semsim", "predicted", "difficulty", CHANCE]


def embed_images(metric: SemSim, images: np.ndarray) -> np.ndarray:
    """Return SemSim's embeddings of uint8 images, float [N, D]."""
    with torch.inference_mode():
        parts = [metric.embed(part.to(metric.device).float() / 255) for part in torch.from_numpy(images).split(AT_ONCE)]
    return torch.cat(parts).cpu().numpy().astype(float)


def fit_chance(distances: np.ndarray, difficulty: np.ndarray, rates: np.ndarray) -> np.ndarray:
    """Fit a logistic regression of recognition on distance and difficulty.

    A larger distance or difficulty never makes recognition likelier, and a difficulty, which is in log-odds, counts at
    most once: predicted from few originals it is nearly the same for all, and its accidents would be blown up.

    Parameters
    ----------
    distances, difficulty, rates : numpy.ndarray
        [N]; rates in [0, 1].

    Returns
    -------
    numpy.ndarray
        [3], as `Calibration.coefficients`.
    """
    design = np.stack([np.ones(len(rates)), distances, difficulty], 1)

    def loss(values):
        logits = design @ values
        # The negative log-likelihood, log(1 + exp(logit)) - rate * logit, without overflow.
        total = (np.logaddexp(0, logits) - rates * logits).sum() + PRIOR * (values**2).sum() / 2
        return total, design.T @ (shares(logits) - rates) + PRIOR * values

    bounds = [(None, None), (None, 0), (-1, 0)]
    return minimize(loss, np.zeros(3), jac=True, method="L-BFGS-B", bounds=bounds).x


def try_calibration(
    pairs: LabelledPairs,
    distances: pd.DataFrame,
    difficulty: np.ndarray | None,
    exclusions: Iterable[str],
    parts: int,
    seed: int,
    metric_of: Callable[[str, int], SemSim],
) -> pd.DataFrame:
    """Predict the chance of being recognised for all that was held out, with and without the difficulty.

    Parameters
    ----------
    pairs : LabelledPairs
    distances : pandas.DataFrame
        Of SemSim on held-out data: exclusion, part, dataset, target, attack, original, semsim.
    difficulty : numpy.ndarray, optional
        Of the originals in the order of `originals_of`, in log-odds; NaN where it is not known. It stems from all
        labels of an original, also those under a held-out target model or attack; that of a tested original is never
        read.
    exclusions, parts, seed
        As for `semsim.learned.folds.make_folds`; `WITHIN` is among them.
    metric_of : callable
        Returns SemSim as it was trained without an exclusion and one part of the originals.

    Returns
    -------
    pandas.DataFrame
        A row a held-out reconstruction and way to predict: dataset, target, attack, original, recognition_rate, folds,
        exclusion, part, semsim, predicted (difficulty of the original, from its embedding; 0 if there are too few to
        learn from), difficulty (`NOTHING` or `EMBEDDING`: whether it was used) and chance; NaN where there was nothing
        to learn from.
    """
    originals, images = originals_of(pairs)
    row_of = rows_of(originals, pairs.table)
    unknown = np.full(len(originals), np.nan) if difficulty is None else difficulty
    tried = []
    for exclusion in exclusions:
        for fold in make_folds(pairs.table, exclusion, parts, seed):
            training = np.isin(np.arange(len(originals)), row_of[fold.training])
            embeddings = embed_images(metric_of(exclusion, fold.part), images)
            predicted = predict_difficulty(embeddings, unknown, training)[row_of[fold.test]]
            rows = pairs.table.loc[fold.test, [*KEYS, RATE]].assign(place=np.flatnonzero(fold.test))
            about = {"folds": kind_of_folds(exclusion), "exclusion": exclusion, "part": fold.part}
            tried.append((fold, rows.assign(**about, predicted=predicted)))
    keys = ["exclusion", "part", *KEYS]
    table = pd.concat([rows for _, rows in tried], ignore_index=True)
    table = table.merge(distances[[*keys, "semsim"]], on=keys, how="left", validate="1:1")
    table["predicted"] = 0.0 if table["predicted"].isna().any() else table["predicted"]
    held_out = table[table["exclusion"] == WITHIN].set_index("place").sort_index()
    found, start = [], 0
    for fold, rows in tried:
        test = table.iloc[start : start + len(rows)]
        start += len(rows)
        for source in (NOTHING, EMBEDDING):
            chances = _chances(held_out[fold.training], test, used=source == EMBEDDING)
            found.append(test.assign(difficulty=source, **{CHANCE: chances}))
    return pd.concat(found, ignore_index=True)[TRIED]


def _chances(training, test, used):
    """Return the chances [N] of a test, learned from held-out distances; NaN if there is nothing to learn."""
    if missing_triplets(training):
        return np.full(len(test), np.nan)
    average, of_distance, of_difficulty = fit_chance(training["semsim"], training["predicted"] * used, training[RATE])
    return shares(average + of_distance * test["semsim"] + of_difficulty * test["predicted"] * used)


def fit_calibration(
    metric: SemSim,
    pairs: LabelledPairs,
    tried: pd.DataFrame,
    difficulty: np.ndarray | None,
    facts: dict,
    resamples: int,
    seed: int,
) -> Calibration | None:
    """Fit the calibration of a metric that learned from all labels.

    The difficulty is used if that lowered the Brier score on held-out originals: few originals teach little about it.

    Parameters
    ----------
    metric : SemSim
    pairs, difficulty
        As for `try_calibration`.
    tried : pandas.DataFrame
        What that returned.
    facts : dict
        annotators and labels; the other facts of `Calibration` are added.
    resamples, seed
        As for `semsim.statistics.calibration.measure_deviation`.

    Returns
    -------
    Calibration or None
        None where there was nothing to learn from.
    """
    held_out = tried[tried["exclusion"] == WITHIN]
    if held_out[CHANCE].isna().any():
        return None
    briers = brier_scores(held_out).groupby(held_out["difficulty"]).mean()
    used = briers[EMBEDDING] < briers[NOTHING]
    held_out = held_out[held_out["difficulty"] == (EMBEDDING if used else NOTHING)]
    originals, images = originals_of(pairs)
    embeddings = embed_images(metric, images)
    about = {"reconstructions": len(pairs), "originals": len(originals), "image_size": int(images.shape[-1])}
    names = [str(name) for name in originals["dataset"].unique()]
    calibration = Calibration(facts | about | {"datasets": names}, embeddings.shape[1])
    values = {
        "coefficients": fit_chance(held_out["semsim"], held_out["predicted"] * used, held_out[RATE]),
        "deviation": measure_deviation(held_out, resamples, seed).covariance,
    }
    if used:
        known = np.isfinite(difficulty)
        ridge = RidgeCV(PENALTIES).fit(embeddings[known], difficulty[known])
        values |= {"direction": ridge.coef_, "offset": ridge.intercept_}
    values["centres"], values["radii"] = places_of(embeddings, originals["dataset"].to_numpy(), names)
    for name, value in values.items():
        getattr(calibration, name).copy_(torch.as_tensor(value))
    return calibration


def places_of(embeddings: np.ndarray, datasets: np.ndarray, names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return where the embeddings of each data set lie.

    Each embedding is measured from the mean of the others, as new ones are measured from the mean of all.

    Parameters
    ----------
    embeddings : numpy.ndarray
        [originals, D].
    datasets : numpy.ndarray
        [originals], the data set of each.
    names : list of str
        The data sets.

    Returns
    -------
    centres, radii : numpy.ndarray
        [datasets, D] and [datasets].
    """
    centres, radii = [], []
    for name in names:
        own = embeddings[datasets == name]
        centre = own.mean(0)
        centres.append(centre)
        if len(own) < FEWEST_IN_RADIUS:
            radii.append(np.finfo(np.float32).max)
        else:
            away = np.linalg.norm(own - centre, axis=1) * len(own) / (len(own) - 1)
            radii.append(np.quantile(away, 1 - OUTERMOST, method="higher"))
    return np.stack(centres), np.array(radii)
