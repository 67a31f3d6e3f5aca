"""Hits are assigned to the emissions that were simulated."""

import numpy as np

from science.training.observe import match


def test_a_hit_belongs_to_the_emission_that_explains_it():
    hits = np.zeros(4, [("channel", int), ("steps", int), ("width", int), ("snr", float)])
    hits["channel"], hits["width"], hits["snr"] = [10, 100, 50, 5000], 2, [40.0, 40.0, 40.0, 6.0]
    power = np.zeros((16, 4))
    power[:, :2] = 40.0 / np.sqrt(16 * 2) * 16 * 2 / (16 * 2)
    weak = power / 4
    placed = [(10, power), (100, weak)]
    # Of the second hit its emission explains a quarter; the third is near to others, the last near to none.
    assert match(hits, placed, 16) == [0, None, None, -1]
