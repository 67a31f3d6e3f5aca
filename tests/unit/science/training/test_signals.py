"""Signals are drawn as their shapes are defined."""

import numpy as np

from science.training.signals import draw_observation, occupied
from shared.labels import BROADBAND, CHIRP, NARROWBAND_DRIFTING, NOISE, PULSED, SHAPES


def test_signals_are_drawn_as_their_shapes_are_defined():
    seen = set()
    for seed in range(40):
        observation = draw_observation(seed)
        header = observation.scene.header
        for emission, truth in zip(observation.scene.emissions, observation.truths, strict=True):
            seen.add(truth)
            middle = (emission.track_hz[1:] + emission.track_hz[:-1]) / 2
            chord = np.linspace(middle[0], middle[-1], len(middle))
            moved = abs(middle[-1] - middle[0]) / abs(header.foff_hz)
            if truth == PULSED:
                assert occupied(emission.envelope) <= 0.42
                assert emission.envelope.max() < 0.7 * emission.envelope.sum()
            elif truth == BROADBAND:
                assert emission.width_hz >= max(700, 12 * abs(header.foff_hz)) * 0.999
            elif truth == NOISE:
                assert np.count_nonzero(emission.envelope) == 1
            elif truth == CHIRP:
                assert np.abs(middle - chord).max() >= 2.5 * abs(header.foff_hz)
            elif truth == NARROWBAND_DRIFTING:
                assert moved >= 2.99
            else:
                assert moved <= 2.0
            assert truth == BROADBAND or emission.width_hz <= max(350.0, 6 * abs(header.foff_hz)) * 1.001
    assert seen == set(SHAPES)
