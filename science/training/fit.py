"""Training: boosted trees by LightGBM, a temperature that calibrates them, and clusters of known signals."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import lightgbm
import numpy as np

from science.training.observe import Labelled
from services.classify.evidence import MODEL_FEATURES, NOVELTY_FEATURES, model_rows
from services.classify.kernels.novelty import distances
from services.classify.kernels.trees import parse, raw_scores, softmax
from shared.arrays import Floats, Indices
from shared.labels import SHAPES

ROUNDS = 60
PARAMETERS: dict[str, Any] = {
    "objective": "multiclass",
    "num_class": len(SHAPES),
    "num_leaves": 12,
    "learning_rate": 0.12,
    "min_data_in_leaf": 20,
    "lambda_l2": 1.0,
    "use_missing": False,
    "seed": 1420,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbose": -1,
}
# The lines of the text that are needed to evaluate the trees, here or in LightGBM.
KEPT = {
    *("version", "num_class", "num_tree_per_iteration", "label_index", "max_feature_idx", "objective"),
    *("feature_names", "feature_infos", "num_leaves", "num_cat", "split_feature", "threshold", "decision_type"),
    *("left_child", "right_child", "leaf_value", "is_linear", "shrinkage"),
}
CLUSTERS, FEWEST_IN_CLUSTER, CLUSTER_PASSES = 6, 60, 30
LEAST_SPREAD, SHRINKAGE = 0.03, 0.1
SHARES = (1.0, 0.9, 0.7, 0.5, 0.3, 0.2, 0.1, 0.05, 0.03, 0.02, 0.01)
DIGITS = 6


@dataclass(frozen=True)
class Table:
    """Rows of the model's numbers, (hits, features), and the index in `SHAPES` of each one's true shape."""

    rows: Floats
    truth: Indices


def table_of(hits: Sequence[Labelled]) -> Table:
    """Return the rows and true shapes of labelled hits."""
    truth = np.array([SHAPES.index(hit.truth) for hit in hits], np.int64)
    return Table(model_rows([hit.evidence for hit in hits]), truth)


def _slim(text: str) -> str:
    """Return the model's text without the lines that only training uses."""
    kept = []
    for line in text.split("end of trees")[0].splitlines():
        key = line.split("=", 1)[0]
        if key in KEPT or line == "tree" or key == "Tree":
            kept.append(("\n" if key == "Tree" else "") + line)
    return "\n".join(kept) + "\n\nend of trees\n"


def grow(table: Table, rounds: int = ROUNDS) -> str:
    """Train the trees with equal total weight per shape; return LightGBM's text, which the same data reproduce."""
    counts = np.bincount(table.truth, minlength=len(SHAPES))
    weight = (len(table.truth) / (len(SHAPES) * np.maximum(counts, 1)))[table.truth]
    data = lightgbm.Dataset(table.rows, table.truth, weight=weight, feature_name=list(MODEL_FEATURES))
    booster = lightgbm.train(PARAMETERS, data, num_boost_round=rounds)
    return _slim(booster.model_to_string())


def temperature_of(scores: Floats, truth: Indices) -> float:
    """Return the temperature that makes the true shapes most probable."""
    tried = np.geomspace(0.3, 3.0, 200)
    at = np.arange(len(truth))
    loss = [-float(np.mean(np.log(softmax(scores / t)[at, truth] + 1e-12))) for t in tried]
    return float(tried[int(np.argmin(loss))])


def _means(rows: Floats, count: int, rng: np.random.Generator) -> Indices:
    """Return the cluster number of each row, by k-means in units of the rows' spread."""
    scaled = rows / np.maximum(rows.std(axis=0), LEAST_SPREAD)
    centres = scaled[rng.choice(len(scaled), count, replace=False)]
    number = np.zeros(len(rows), np.int64)
    for _ in range(CLUSTER_PASSES):
        away = ((scaled[:, None, :] - centres[None]) ** 2).sum(axis=2)
        number = np.argmin(away, axis=1)
        centres = np.stack(
            [scaled[number == k].mean(axis=0) if (number == k).any() else c for k, c in enumerate(centres)]
        )
    return number


def clusters_of(table: Table) -> tuple[Floats, Floats]:
    """Return centres (n, d) and whitening matrices (n, d, d) of the clusters of each shape's training hits."""
    rng = np.random.default_rng(1612)
    shape = table.rows[:, -len(NOVELTY_FEATURES) :]
    centres, whitening = [], []
    for k in range(len(SHAPES)):
        own = shape[table.truth == k]
        number = _means(own, min(CLUSTERS, max(1, len(own) // FEWEST_IN_CLUSTER)), rng)
        for cluster in np.unique(number):
            members = own[number == cluster]
            if len(members) < len(NOVELTY_FEATURES) + 2:
                continue
            spread = np.cov(members.T)
            floor = SHRINKAGE * np.diag(np.diag(spread)) + LEAST_SPREAD**2 * np.eye(spread.shape[0])
            centres.append(members.mean(axis=0))
            whitening.append(np.linalg.inv(np.linalg.cholesky((1 - SHRINKAGE) * spread + floor)))
    return np.stack(centres), np.stack(whitening)


def known_distances(distance: Floats, predicted: Indices) -> dict[str, list[float]]:
    """Return for each predicted shape the distances beyond which the `SHARES` of its hits lie."""
    known = {}
    for k, name in enumerate(SHAPES):
        own = distance[predicted == k]
        quantiles = np.quantile(own, 1 - np.array(SHARES))
        # Strictly rising, as `p_values` interpolates between them.
        known[name] = (np.maximum.accumulate(quantiles) + 1e-6 * np.arange(len(SHARES))).tolist()
    return known


def _short(values: Any) -> Any:
    """Return nested lists of numbers rounded to six digits."""
    if isinstance(values, np.ndarray | list | tuple):
        return [_short(value) for value in values]
    return float(f"{float(values):.{DIGITS}g}")


def learn(training: Sequence[Labelled], calibration: Sequence[Labelled]) -> tuple[str, dict[str, Any]]:
    """Return the contents of the model's two files: LightGBM's text, and the facts without provenance."""
    table, other = table_of(training), table_of(calibration)
    text = grow(table)
    scores = raw_scores(parse(text), other.rows)
    centres, whitening = clusters_of(table)
    away = distances(other.rows[:, -len(NOVELTY_FEATURES) :], centres, whitening)
    facts = {
        "classes": list(SHAPES),
        "temperature": _short(temperature_of(scores, other.truth)),
        "shares": list(SHARES),
        "known_distances": {k: _short(v) for k, v in known_distances(away, np.argmax(scores, axis=1)).items()},
        "centres": _short(centres),
        "whitening": _short(whitening),
    }
    return text, facts
