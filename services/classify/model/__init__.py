"""The trained model of signal shapes: `shapes.txt` (trees) and `shapes.json` (calibration, novelty, provenance).

`python -m science.training` writes both. They are read once, with numpy alone.
"""

import json
from dataclasses import dataclass
from importlib import resources
from typing import Any

import numpy as np

from services.classify.evidence import MODEL_FEATURES, NOVELTY_FEATURES
from services.classify.kernels.novelty import distances, p_values
from services.classify.kernels.trees import Trees, parse, raw_scores, softmax
from shared.arrays import Floats

TREES_FILE, FACTS_FILE = "shapes.txt", "shapes.json"


@dataclass(frozen=True)
class Shape:
    """What the model says of one hit: its most probable shape and the probability of each.

    `novelty_p` is the share of known signals of that shape that lie at least as far from the training data.
    """

    name: str
    probabilities: dict[str, float]
    novelty_p: float


@dataclass(frozen=True)
class ShapeModel:
    """Trees with the temperature that calibrates them, and clusters of known signals in the space of shapes.

    `known` holds, for each class, the distances at which `shares` of its known signals lie farther out.
    """

    classes: tuple[str, ...]
    trees: Trees
    temperature: float
    centres: Floats
    whitening: Floats
    shares: Floats
    known: dict[str, Floats]
    version: str

    def probabilities(self, rows: Floats) -> Floats:
        """Return calibrated probabilities, (rows, classes), for rows of `MODEL_FEATURES`."""
        return softmax(raw_scores(self.trees, rows) / self.temperature)

    def shapes(self, rows: Floats) -> list[Shape]:
        """Return the shape of each row."""
        chances = self.probabilities(rows)
        names = [self.classes[k] for k in np.argmax(chances, axis=1)] if len(rows) else []
        away = distances(rows[:, -len(NOVELTY_FEATURES) :], self.centres, self.whitening)
        novelty_p = self._novelty_p(names, away)
        return [
            Shape(name, dict(zip(self.classes, chance, strict=True)), p)
            for name, chance, p in zip(names, chances.tolist(), novelty_p.tolist(), strict=True)
        ]

    def _novelty_p(self, names: list[str], distance: Floats) -> Floats:
        """Return the share of known signals of each row's shape that lie at least as far out."""
        shape, found = np.array(names, dtype=str), np.empty(len(names))
        for name in set(names):
            own = shape == name
            found[own] = p_values(distance[own], self.known[name], self.shares)
        return found


def from_text(trees: str, facts: dict[str, Any]) -> ShapeModel:
    """Make a model from the contents of its two files.

    Raises
    ------
    ValueError
        It was trained on other features than this version measures.
    """
    parsed = parse(trees)
    if parsed.features != MODEL_FEATURES or tuple(facts["classes"]) != tuple(facts["known_distances"]):
        raise ValueError("The model was trained on other features or classes; run python -m science.training.")
    return ShapeModel(
        classes=tuple(facts["classes"]),
        trees=parsed,
        temperature=float(facts["temperature"]),
        centres=np.array(facts["centres"]),
        whitening=np.array(facts["whitening"]),
        shares=np.array(facts["shares"]),
        known={name: np.array(values) for name, values in facts["known_distances"].items()},
        version=facts["version"],
    )


def load_model() -> ShapeModel:
    """Read the model of this version of the software.

    Raises
    ------
    ValueError
        It was trained on other features than this version measures.
    """
    here = resources.files(__name__)
    facts = json.loads((here / FACTS_FILE).read_text(encoding="utf-8"))
    return from_text((here / TREES_FILE).read_text(encoding="utf-8"), facts)
