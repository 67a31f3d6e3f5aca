"""Trees are read and evaluated as LightGBM does."""

from importlib import resources

import lightgbm
import numpy as np
import pytest

from science.training.fit import PARAMETERS, grow
from science.training.fit import Table as TrainingTable
from services.classify.evidence import MODEL_FEATURES
from services.classify.kernels.trees import parse, raw_scores, softmax
from services.classify.model import load_model

STUMP = """tree
num_class=2
feature_names=a b

Tree=0
num_leaves=2
split_feature=1
threshold=0.5
decision_type=0
left_child=-1
right_child=-2
leaf_value=10 20

Tree=1
num_leaves=1
leaf_value=7

end of trees
"""


def random_rows(seed, count=3000):
    """Rows that reach over all thresholds, with zeros and repeated values among them."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(count, len(MODEL_FEATURES))) * rng.choice([0.1, 1.0, 10.0], (count, 1))
    rows[rng.random(rows.shape) < 0.1] = 0.0
    return rows


def plain(trees, row):
    """One row through all trees, node by node."""
    scores = np.zeros(trees.n_classes)
    for i in range(len(trees.feature)):
        node = 0 if trees.left[i, 0] != trees.right[i, 0] or trees.left[i, 0] >= 0 else -1
        while node >= 0:
            goes_left = row[trees.feature[i, node]] <= trees.threshold[i, node]
            node = trees.left[i, node] if goes_left else trees.right[i, node]
        scores[i % trees.n_classes] += trees.value[i, ~node]
    return scores


def test_a_stump_by_hand():
    trees = parse(STUMP)
    assert (trees.n_classes, trees.features) == (2, ("a", "b"))
    rows = np.array([[9.0, 0.5], [9.0, 0.6], [0.0, np.nan], [0.0, np.inf], [0.0, -np.inf]])
    assert raw_scores(trees, rows).tolist() == [[10, 7], [20, 7], [10, 7], [20, 7], [10, 7]]


def test_no_rows():
    assert raw_scores(parse(STUMP), np.empty((0, 2))).shape == (0, 2)


@pytest.mark.parametrize(("kind", "word"), [("1", "categorical"), ("8", "missing")])
def test_other_splits_are_refused(kind, word):
    with pytest.raises(ValueError, match=word):
        parse(STUMP.replace("decision_type=0", f"decision_type={kind}"))


def test_committed_trees_equal_a_plain_loop():
    trees = load_model().trees
    rows = random_rows(1, 50)
    np.testing.assert_allclose(raw_scores(trees, rows), [plain(trees, row) for row in rows], atol=1e-12)


def training_table(seed=5, count=900):
    rows = random_rows(seed, count)
    truth = (rows[:, 3] > 0) * 3 + (rows[:, 7] > rows[:, 1]) + (rows[:, 9] > 5)
    return TrainingTable(rows, truth.astype(np.int64))


def test_equal_to_lightgbm():
    text = grow(training_table(), rounds=20)
    booster = lightgbm.Booster(model_str=text)
    for rows in (random_rows(2), np.where(random_rows(3) > 3, np.nan, random_rows(3))):
        np.testing.assert_allclose(
            softmax(raw_scores(parse(text), rows)), np.asarray(booster.predict(rows)), rtol=0, atol=1e-9
        )


def test_the_committed_model_is_what_lightgbm_reads():
    text = (resources.files("services.classify.model") / "shapes.txt").read_text()
    booster = lightgbm.Booster(model_str=text)
    rows = random_rows(4)
    np.testing.assert_allclose(
        softmax(raw_scores(load_model().trees, rows)), np.asarray(booster.predict(rows)), rtol=0, atol=1e-9
    )


def test_training_again_gives_the_same_text():
    table = training_table()
    assert PARAMETERS["deterministic"]
    assert grow(table, rounds=8) == grow(table, rounds=8)
    assert grow(table, rounds=8) != grow(training_table(seed=6), rounds=8)
