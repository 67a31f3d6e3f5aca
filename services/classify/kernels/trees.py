"""Boosted trees, read from LightGBM's text format and evaluated without LightGBM.

It supports what the labels' model uses: several classes and numeric splits (`value <= threshold` goes left). A NaN
counts as 0, as in LightGBM if no value was missing in training.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numba import njit

from shared.arrays import Floats, Indices

_CATEGORICAL_BIT = 1
_MISSING_BITS = 0b1100


@dataclass(frozen=True)
class Trees:
    """All trees, padded to one size; tree `i` votes for class `i % n_classes`.

    `feature`, `threshold`, `left`, `right` are (trees, nodes); a child >= 0 is a node, a child `c` < 0 the leaf `~c`.
    `value` is (trees, leaves).
    """

    n_classes: int
    features: tuple[str, ...]
    feature: Indices
    threshold: Floats
    left: Indices
    right: Indices
    value: Floats


def _blocks(text: str) -> Iterator[dict[str, str]]:
    """Yield the header and each tree as keys and values."""
    for block in text.split("end of trees")[0].split("\nTree="):
        yield dict(line.split("=", 1) for line in block.splitlines() if "=" in line)


def parse(text: str) -> Trees:
    """Read a model that LightGBM saved as text.

    Raises
    ------
    ValueError
        It has categorical splits, or splits with rules for missing values.
    """
    header, *blocks = _blocks(text)
    nodes = max(int(block["num_leaves"]) for block in blocks) - 1
    shape = len(blocks), max(nodes, 1)
    feature, left, right = np.zeros(shape, np.int64), np.full(shape, -1), np.full(shape, -1)
    threshold, value = np.zeros(shape), np.zeros((shape[0], shape[1] + 1))
    for i, block in enumerate(blocks):
        value[i, : int(block["num_leaves"])] = [float(word) for word in block["leaf_value"].split()]
        if int(block["num_leaves"]) == 1:
            continue
        n = int(block["num_leaves"]) - 1
        if any(int(word) & (_CATEGORICAL_BIT | _MISSING_BITS) for word in block["decision_type"].split()):
            raise ValueError(f"Tree {i} has categorical splits or rules for missing values; numeric splits only.")
        feature[i, :n] = [int(word) for word in block["split_feature"].split()]
        threshold[i, :n] = [float(word) for word in block["threshold"].split()]
        left[i, :n] = [int(word) for word in block["left_child"].split()]
        right[i, :n] = [int(word) for word in block["right_child"].split()]
    names = tuple(header["feature_names"].split())
    return Trees(int(header["num_class"]), names, feature, threshold, left, right, value)


def raw_scores(trees: Trees, rows: Floats) -> Floats:
    """Return the sum of the leaves' values per class, (rows, classes), for rows of (rows, features)."""
    clean = np.nan_to_num(np.ascontiguousarray(rows), nan=0.0, posinf=np.inf, neginf=-np.inf)
    scores = np.zeros((len(clean), trees.n_classes))
    _add_votes(clean, _Nodes(trees.feature, trees.threshold, trees.left, trees.right), trees.value, scores)
    return scores


class _Nodes(NamedTuple):
    """The splits of all trees, each (trees, nodes); see `Trees`."""

    feature: Indices
    threshold: Floats
    left: Indices
    right: Indices


@njit(cache=True, nogil=True)
def _add_votes(rows: Floats, nodes: _Nodes, value: Floats, scores: Floats) -> None:
    """Follow every row down every tree and add the leaf's value to the tree's class."""
    for row in range(len(rows)):
        for tree in range(len(value)):
            node = 0
            while node >= 0:
                goes_left = rows[row, nodes.feature[tree, node]] <= nodes.threshold[tree, node]
                node = nodes.left[tree, node] if goes_left else nodes.right[tree, node]
            scores[row, tree % scores.shape[1]] += value[tree, ~node]


def softmax(scores: Floats) -> Floats:
    """Return probabilities from scores, along the last axis."""
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    shares: Floats = powers / powers.sum(axis=-1, keepdims=True)
    return shares
