"""A tone that leaves the band after a few spectra: its drift within three stated errors, and not called a pulse."""

import pytest

from science.measure.search import search, tone
from science.simulator import Scene, make_header, simulate
from services.classify.classification import classify_observation
from services.classify.model import load_model
from shared.events import SearchParameters
from shared.labels import PULSED

N_CHANNELS = 2**15


@pytest.mark.parametrize(("steps", "spectra"), [(390, 2), (390, 4), (390, 8), (-390, 4), (200, 3), (-200, 3), (100, 4)])
def test_its_drift_is_within_its_errors_and_it_is_no_pulse(pool, steps, spectra):
    header = make_header(N_CHANNELS)
    start = (N_CHANNELS if steps > 0 else 0) - spectra * steps / 15
    found = search(simulate(Scene(header, (tone(header, start, steps, 200.0),), seed=1)), header, pool)
    (hit,) = classify_observation(header, SearchParameters(), [found], load_model())
    drift, error = hit.values["drift_rate_hz_s"], hit.values["drift_rate_error_hz_s"]
    assert abs(drift - header.drift_rate_hz_s(steps)) <= 3 * error
    assert error <= 0.1 * abs(drift)
    assert hit.verdict.shape != PULSED
