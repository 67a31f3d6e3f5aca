"""The committed model on the committed held-out hits, and training as the model card describes it."""

import json
from collections import Counter
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from science.training import card, table
from science.training.__main__ import CARD, HELD_OUT, differences
from science.training.fit import grow, table_of
from science.training.held_out import observe_held_out
from science.training.metrics import evaluate
from science.training.observe import observe_seed
from services.classify.model import FACTS_FILE, TREES_FILE, from_text, load_model
from shared.labels import LABELS, SHAPES

MODEL = resources.files("services.classify.model")


@pytest.fixture(scope="module")
def facts():
    return json.loads((MODEL / FACTS_FILE).read_text())


@pytest.fixture(scope="module")
def held_out():
    return table.from_bytes(HELD_OUT.read_bytes())


@pytest.fixture(scope="module")
def metrics(held_out):
    return evaluate(load_model(), held_out)


def test_the_committed_figures_match_the_committed_model(facts, metrics):
    assert json.loads(json.dumps(metrics)) == facts["held_out"]
    assert CARD.read_text() == card.render(facts)


@pytest.mark.parametrize(("part", "names"), [("labels", LABELS), ("shapes", SHAPES)])
def test_labels_are_right_on_signals_of_another_generator(metrics, part, names):
    scores = metrics[part]
    assert scores["names"] == list(names)
    assert min(sum(row) for row in scores["confusion"]) >= 50
    assert scores["macro_f1"] >= 0.95
    assert min(scores["recall"]) >= 0.9


def test_probabilities_are_reliable_and_unknown_signals_are_reported(metrics):
    assert metrics["reliability"]["expected_calibration_error"] < 0.03
    assert metrics["novelty"]["told_of_known"] < 0.04
    told = {name: kind["told"] for name, kind in metrics["novelty"]["told_of_strange"].items()}
    assert told["hops"] > 0.9
    assert np.mean(list(told.values())) > 0.5


def test_the_files_are_small():
    assert len((MODEL / TREES_FILE).read_bytes()) < 500_000
    assert len((MODEL / FACTS_FILE).read_bytes()) < 150_000
    assert HELD_OUT.stat().st_size < 300_000


def test_a_model_with_other_features_is_refused(facts):
    text = (MODEL / TREES_FILE).read_text()
    with pytest.raises(ValueError, match="other features"):
        from_text(text.replace("occupancy", "emptiness"), facts)


def test_observing_and_training_again_give_the_same_model():
    seeds = (1, 2, 3, 5)
    once, again = ([hit for seed in seeds for hit in observe_seed(seed)] for _ in range(2))
    assert once == again
    assert len({hit.truth for hit in once}) >= 5
    assert grow(table_of(once), rounds=4) == grow(table_of(again), rounds=4)


def test_the_model_is_as_good_on_hits_of_the_current_search(held_out):
    """Observe new hits and classify them. The table's hits come from the search at the time of training."""
    numbers = sorted({hit.observation for hit in held_out})[:6]
    made = [hit for number in numbers for hit in observe_held_out(number)]
    kept = [hit for hit in held_out if hit.observation in numbers]
    # The same signals are found. A signal may have fewer hits than before: one emission is one hit.
    found, found_then = (Counter(hit.observation for hit in hits if hit.strongest) for hits in (made, kept))
    assert found == found_then
    assert len(made) <= len(kept)
    # A wrong measurement in any feature would lower this to a half or less.
    right = [row["right"] for row in evaluate(load_model(), made)["accuracy_by_snr"] if row["from"] >= 15]
    assert min(right) >= 0.9


def test_a_retrained_model_is_compared_within_the_tolerance(metrics):
    assert differences(metrics, metrics) == []
    worse = json.loads(json.dumps(metrics))
    worse["labels"]["macro_f1"] -= 0.02
    worse["shapes"]["recall"][3] -= 0.1
    assert len(differences(worse, metrics)) == 2


def test_the_paths_of_the_trainer_are_in_this_repository():
    assert Path(__file__).parents[2] / "docs" / "model-card.md" == CARD
