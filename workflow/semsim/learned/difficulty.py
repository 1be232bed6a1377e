"""How difficult an original is, predicted before anyone has labelled it, and the chance that annotators recognise it.

A metric compares two images; whether people recognise a reconstruction also depends on what the original shows. That is
predicted from the original's class, or from the features of its clear image, by ridge regression on originals that were
labelled. A logistic regression on a metric and this difficulty gives the chance of being recognised.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from semsim.io.tables import KEYS
from semsim.labels.recognition import missing_triplets
from semsim.learned.folds import WITHIN, make_folds
from semsim.statistics.baselines import ORIGINAL_ONLY, add_baselines
from semsim.statistics.content import CLASS, IMAGE, NO_METRIC, NOTHING, OTHER_MODELS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sklearn.pipeline import Pipeline

LABELLED_ORIGINAL = ["dataset", "kind", "original"]
"""Columns that identify an original as labelled by annotators of one kind."""
PENALTIES = np.logspace(-2, 4, 13)
"""Of the ridge regression; the best is chosen by leaving out one original at a time."""
INNER = 5
"""Parts of the training originals in which their own difficulty is predicted as that of new ones."""
FEWEST = 2 * INNER
"""Training originals below which nothing is predicted."""
PARTS = 5
"""Parts of the originals, each of which is predicted from the others."""


def class_features(originals: pd.DataFrame) -> np.ndarray:
    """Return which class each original is of, as features.

    Ridge regression on them predicts the mean difficulty of the class, drawn towards the average where few were seen.

    Parameters
    ----------
    originals : pandas.DataFrame
        dataset, label (the true class).

    Returns
    -------
    numpy.ndarray
        0 or 1, [originals, classes].
    """
    return pd.get_dummies(originals["dataset"].astype(str) + " " + originals["label"].astype(str)).to_numpy(dtype=float)


def image_features(originals: pd.DataFrame, described: pd.DataFrame) -> np.ndarray:
    """Return what a classifier sees in each clear original, as features of about the same scale.

    Parameters
    ----------
    originals : pandas.DataFrame
        dataset, original.
    described : pandas.DataFrame
        dataset, original, and what `semsim.learned.classifier.describe_images` returns.

    Returns
    -------
    numpy.ndarray
        [originals, features].
    """
    seen = originals[["dataset", "original"]].merge(described, on=["dataset", "original"], how="left", validate="1:1")
    return StandardScaler().fit_transform(seen.drop(columns=["dataset", "original"]))


def predict_difficulty(features: np.ndarray, difficulty: np.ndarray, training: np.ndarray) -> np.ndarray:
    """Predict how difficult originals are, each from others.

    Parameters
    ----------
    features : numpy.ndarray
        [originals, features].
    difficulty : numpy.ndarray
        [originals], in log-odds, as `semsim.statistics.crossed_effects.measure_difficulty` returns it. Only that of
        training originals is read.
    training : numpy.ndarray
        bool [originals].

    Returns
    -------
    numpy.ndarray
        [originals]: of training originals by the others among them, in `INNER` parts; of the rest by all of them. NaN
        if fewer than `FEWEST` were labelled.
    """
    known = training & np.isfinite(difficulty)
    predicted = np.full(len(features), np.nan)
    if known.sum() < FEWEST:
        return predicted
    ridge, parts = RidgeCV(PENALTIES), KFold(INNER, shuffle=True, random_state=0)
    predicted[known] = cross_val_predict(ridge, features[known], difficulty[known], cv=parts)
    predicted[~known] = ridge.fit(features[known], difficulty[known]).predict(features[~known])
    return predicted


def learn_chance(table: pd.DataFrame, columns: Sequence[str]) -> Pipeline | None:
    """Learn the chance that an annotator recognises a reconstruction from some of its columns.

    Parameters
    ----------
    table : pandas.DataFrame
        A row a reconstruction: recognition_rate in [0, 1], and the columns, which are finite.
    columns : sequence of str
        Such as a metric, and the predicted difficulty of the original.

    Returns
    -------
    sklearn.pipeline.Pipeline or None
        Its `predict_proba(table[columns])[:, 1]` is the chance; None if the majority recognised all, or none.
    """
    if missing_triplets(table):
        return None
    rates = table["recognition_rate"].to_numpy()
    twice = np.concatenate([table[[*columns]].to_numpy(dtype=float)] * 2)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    shares = {"logisticregression__sample_weight": np.concatenate([rates, 1 - rates])}
    return model.fit(twice, np.repeat([1, 0], len(rates)), **shares)


def try_difficulty(
    table: pd.DataFrame,
    originals: pd.DataFrame,
    features: Mapping[str, np.ndarray],
    metrics: Mapping[str, Sequence[str]],
    seed: int,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Predict what annotators recognise from metrics, with and without the difficulty of the original, in folds.

    Parameters
    ----------
    table : pandas.DataFrame
        A row a reconstruction, by annotators of one kind: dataset, target, attack, original, recognition_rate and the
        columns of metrics.
    originals : pandas.DataFrame
        A row an original: dataset, kind, original, label, difficulty.
    features : mapping of str to numpy.ndarray
        [originals, features] of each source of difficulty (`semsim.statistics.content.SOURCES`).
    metrics : mapping of str to sequence of str
        The columns that are used together, by the name of their combination.
    seed : int
        Of the folds.

    Returns
    -------
    trials : pandas.DataFrame
        dataset, target, attack, original, recognition_rate, metric (one of `metrics`, or `NO_METRIC`), difficulty
        (where that of the original is taken from: `NOTHING`, a source of `features`, or `OTHER_MODELS`, its recognition
        rate under the other target models, which nobody has beforehand) and chance, of being recognised; NaN where
        there was nothing to learn from.
    predicted : pandas.DataFrame
        dataset, kind, original, and the difficulty predicted for each by the fold that is not trained on it, by source.
    """
    table = add_baselines(table.reset_index(drop=True)).rename(columns={ORIGINAL_ONLY: OTHER_MODELS})
    row_of = rows_of(originals, table)
    difficulty, held_out = originals["difficulty"].to_numpy(dtype=float), {}
    found = []
    parts = min(PARTS, table.groupby("dataset")["original"].nunique().min())
    for fold in make_folds(table, WITHIN, parts, seed):
        training = np.isin(np.arange(len(originals)), row_of[fold.training])
        tested = np.unique(row_of[fold.test])
        known = table
        for source, each in features.items():
            predicted = predict_difficulty(each, difficulty, training)
            held_out.setdefault(source, np.full(len(originals), np.nan))[tested] = predicted[tested]
            known = known.assign(**{source: predicted[row_of]})
        for name, columns in {NO_METRIC: (), **metrics}.items():
            for source in (NOTHING, *features, OTHER_MODELS):
                used = [*columns, *([] if source == NOTHING else [source])]
                if used:
                    chances = predict_chances(known[fold.training], known[fold.test], used)
                    about = {"metric": name, "difficulty": source, "chance": chances}
                    found.append(known.loc[fold.test, [*KEYS, "recognition_rate"]].assign(**about))
    return pd.concat(found, ignore_index=True), originals[LABELLED_ORIGINAL].assign(**held_out)


def with_predictions(difficulty: pd.DataFrame, predicted: pd.DataFrame) -> pd.DataFrame:
    """Add from_class and from_image, predicted by `try_difficulty`, to a table of originals; NaN where none is."""
    named = {f"from_{source}": predicted.get(source, np.nan) for source in (CLASS, IMAGE)}
    return difficulty.merge(predicted[LABELLED_ORIGINAL].assign(**named), on=LABELLED_ORIGINAL, how="left")


def rows_of(originals: pd.DataFrame, table: pd.DataFrame) -> np.ndarray:
    """Return for each row of a table the place of its data set and original among those of `originals`."""
    places = pd.MultiIndex.from_frame(originals[["dataset", "original"]])
    return places.get_indexer(pd.MultiIndex.from_frame(table[["dataset", "original"]]))


def predict_chances(training: pd.DataFrame, test: pd.DataFrame, columns: Sequence[str]) -> np.ndarray:
    """Return the chances, by `learn_chance`, of the rows of a test that have all columns; NaN for the others."""
    chances = np.full(len(test), np.nan)
    known = test[columns].notna().all(axis=1).to_numpy()
    model = learn_chance(training.dropna(subset=columns), columns) if known.any() else None
    if model is not None:
        chances[known] = model.predict_proba(test.loc[known, columns].to_numpy(dtype=float))[:, 1]
    return chances
