"""Quality of labels, probabilities and novelty on held-out hits."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from science.training.table import KINDS, NOTHING, STRANGE, Tested
from services.classify.evidence import model_rows
from services.classify.labels import UNKNOWN_P, label
from services.classify.model import ShapeModel
from shared.labels import LABELS

LEAST_SNR = 15.0
SNR_EDGES = (0.0, 10.0, 15.0, 30.0, 100.0, 1e9)
RELIABILITY_EDGES = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0001)


def scores_of(names: Sequence[str], truth: Sequence[str], predicted: Sequence[str]) -> dict[str, Any]:
    """Return confusion matrix (rows: truth), precision, recall and F1 per class, and the mean of the F1s."""
    confusion = np.zeros((len(names), len(names)), int)
    np.add.at(confusion, ([names.index(name) for name in truth], [names.index(name) for name in predicted]), 1)
    right = np.diag(confusion)
    recall = right / np.maximum(confusion.sum(axis=1), 1)
    precision = right / np.maximum(confusion.sum(axis=0), 1)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    return {
        "names": list(names),
        "confusion": confusion.tolist(),
        "precision": precision.tolist(),
        "recall": recall.tolist(),
        "f1": f1.tolist(),
        "macro_f1": float(f1.mean()),
    }


def reliability_of(stated: npt.NDArray[np.float64], right: npt.NDArray[np.bool_]) -> dict[str, Any]:
    """Return bins of stated probability with the share that was right, and their mean difference."""
    bins, error = [], 0.0
    for low, high in pairwise(RELIABILITY_EDGES):
        inside = (stated >= low) & (stated < high)
        if not inside.any():
            continue
        mean, share = float(stated[inside].mean()), float(right[inside].mean())
        bins.append({"from": low, "to": min(high, 1.0), "hits": int(inside.sum()), "stated": mean, "right": share})
        error += abs(mean - share) * inside.sum() / len(stated)
    return {"bins": bins, "expected_calibration_error": float(error)}


def evaluate(model: ShapeModel, tested: Sequence[Tested]) -> dict[str, Any]:
    """Return all figures of the model card; classes are scored on each emitter's strongest hit of SNR 15 or more."""
    shapes = model.shapes(model_rows([hit.evidence for hit in tested]))
    verdicts = [label(hit.evidence, shape) for hit, shape in zip(tested, shapes, strict=True)]
    kinds = [KINDS.get(hit.kind, NOTHING) for hit in tested]
    known = np.array([hit.kind not in STRANGE for hit in tested])
    snr = np.array([hit.evidence.snr for hit in tested])
    right = np.array([shape.name == kind.shape for shape, kind in zip(shapes, kinds, strict=True)])
    told = np.array([shape.novelty_p < UNKNOWN_P for shape in shapes])
    scored = np.flatnonzero(known & (snr >= LEAST_SNR) & [hit.strongest for hit in tested])
    stated = np.array([shape.probabilities[shape.name] for shape in shapes])
    return {
        "hits": len(tested),
        "observations": len({hit.observation for hit in tested}),
        "shapes": scores_of(model.classes, [kinds[i].shape for i in scored], [shapes[i].name for i in scored]),
        "labels": scores_of(LABELS, [kinds[i].label for i in scored], [verdicts[i].label for i in scored]),
        "accuracy_by_snr": [
            {"from": low, "to": high, "hits": int(inside.sum()), "right": float(right[inside].mean())}
            for low, high in pairwise(SNR_EDGES)
            if (inside := known & (snr >= low) & (snr < high)).any()
        ],
        "reliability": reliability_of(stated[known], right[known]),
        "novelty": {
            "told_of_known": float(told[known].mean()),
            "told_of_strange": {
                kind: {"hits": int(own.sum()), "told": float(told[own].mean()) if own.any() else 0.0}
                for kind in STRANGE
                if (own := np.array([hit.kind == kind for hit in tested])) is not None
            },
        },
    }
