"""`python -m science.training`: simulate, search, train, calibrate, test on setigen's signals, write."""

import argparse
import contextlib
import hashlib
import io
import json
import logging
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

from science.training import card, fit, table
from science.training.held_out import observe_held_out
from science.training.metrics import evaluate
from science.training.observe import Labelled, observe_seed
from services.classify.model import FACTS_FILE, TREES_FILE, from_text

ROOT = Path(__file__).parents[2]
MODEL = ROOT / "services" / "classify" / "model"
HELD_OUT = ROOT / "tests" / "data" / "labels" / "held_out.npz"
CARD = ROOT / "docs" / "model-card.md"

TRAINING = range(1, 701)
CALIBRATION = range(10_001, 10_201)
TESTED = range(20_001, 20_361)
PACKAGES = ("lightgbm", "numpy", "numba", "setigen")
# Retraining on another machine or with other versions of the packages may differ by this much.
F1_TOLERANCE, RECALL_TOLERANCE = 0.01, 0.04

T = TypeVar("T")


def _quietly(work: Callable[[int], T], seed: int) -> T:
    """Call `work` without the messages that setigen's file writer prints."""
    logging.disable(logging.INFO)
    with contextlib.redirect_stdout(io.StringIO()):
        return work(seed)


def _held_out(seed: int) -> list[table.Tested]:
    return _quietly(observe_held_out, seed)


def _all(pool: ProcessPoolExecutor, work: Callable[[int], list[T]], seeds: Iterable[int]) -> list[T]:
    return [hit for hits in pool.map(work, seeds, chunksize=4) for hit in hits]


def build(training: Sequence[Labelled], calibration: Sequence[Labelled], tested: bytes) -> tuple[str, dict[str, Any]]:
    """Return the contents of the model's two files, with figures and provenance."""
    text, facts = fit.learn(training, calibration)
    facts["version"] = hashlib.sha256(text.encode()).hexdigest()[:12]
    model = from_text(text, facts)
    facts["trained"] = {
        "training_observations": len(TRAINING),
        "training_hits": len(training),
        "calibration_observations": len(CALIBRATION),
        "calibration_hits": len(calibration),
        "trees": len(model.trees.feature),
        "leaves": fit.PARAMETERS["num_leaves"],
        "versions": {name: version(name) for name in PACKAGES},
    }
    facts["held_out"] = evaluate(model, table.from_bytes(tested))
    return text, facts


def differences(new: dict[str, Any], old: dict[str, Any]) -> list[str]:
    """Return the held-out figures that differ by more than the tolerance, as lines for people."""
    found = []
    for part in ("shapes", "labels"):
        if abs(new[part]["macro_f1"] - old[part]["macro_f1"]) > F1_TOLERANCE:
            found.append(f"{part}: macro F1 {new[part]['macro_f1']:.4f}, was {old[part]['macro_f1']:.4f}")
        for name, one, other in zip(new[part]["names"], new[part]["recall"], old[part]["recall"], strict=True):
            if abs(one - other) > RECALL_TOLERANCE:
                found.append(f"{part}: recall of {name} {one:.4f}, was {other:.4f}")
    return found


def _write(text: str, facts: dict[str, Any], tested: bytes) -> None:
    HELD_OUT.parent.mkdir(parents=True, exist_ok=True)
    HELD_OUT.write_bytes(tested)
    (MODEL / TREES_FILE).write_text(text, encoding="utf-8")
    (MODEL / FACTS_FILE).write_text(json.dumps(facts) + "\n", encoding="utf-8")
    CARD.write_text(card.render(facts), encoding="utf-8")


def main() -> None:
    """Train a model, and write it or compare it with the committed one."""
    parser = argparse.ArgumentParser(prog="python -m science.training", description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare with the committed model instead of writing")
    parser.add_argument(
        "--processes", type=int, default=os.cpu_count() or 1, help="number of observations made at the same time"
    )
    options = parser.parse_args()
    with ProcessPoolExecutor(options.processes) as pool:
        print(f"Simulating and searching {len(TRAINING) + len(CALIBRATION)} observations ...", flush=True)
        training, calibration = _all(pool, observe_seed, TRAINING), _all(pool, observe_seed, CALIBRATION)
        print(f"Simulating (setigen) and searching {len(TESTED)} observations ...", flush=True)
        tested = table.to_bytes(_all(pool, _held_out, TESTED))
    text, facts = build(training, calibration, tested)
    held_out = facts["held_out"]
    print(
        f"Held-out macro F1: labels {held_out['labels']['macro_f1']:.4f}, shapes {held_out['shapes']['macro_f1']:.4f}"
    )
    if not options.check:
        _write(text, facts, tested)
        print(f"Wrote the model, {HELD_OUT.relative_to(ROOT)} and {CARD.relative_to(ROOT)}.")
        return
    committed = json.loads((MODEL / FACTS_FILE).read_text(encoding="utf-8"))["held_out"]
    if found := differences(held_out, committed):
        raise SystemExit("The retrained model differs from the committed one:\n" + "\n".join(found))
    print("The retrained model's figures are those of the committed one.")


if __name__ == "__main__":
    main()
