"""Simulated cadences through the services: every emitter is one event, interference is none, and SNRs are unbiased."""

import numpy as np
import pytest
import structlog

from science.measure import cadence_emitters, cadence_interference
from science.measure.cadence_emitters import CLEAR, FAINT_IN_ONE, LEAKING, OFFS, ONS
from science.measure.cadences import quiet_logs
from services.classify.cadence.presence import threshold
from shared.cadence import CadenceParameters

EMITTERS, SEED = 60, 3
OFF_SNR = CadenceParameters().off_snr


@pytest.fixture(scope="module", autouse=True)
def _quiet():
    quiet_logs()
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="module")
def found(pool):
    return cadence_emitters.measure(EMITTERS, SEED, pool, lambda _: None)


def test_emitters_in_all_on_scans_are_one_event_each(found):
    clear = found.rows[found.rows["kind"] == CLEAR]
    assert len(clear) == 24
    assert clear["is_event"].all()
    assert (clear["tracks"] == 1).all()
    assert found.false_events == 0


def test_an_emitter_that_is_faint_in_one_on_scan_is_measured_there(found):
    """No hit is listed there, but the samples show it: surely three sigma above the SNR of presence."""
    faint = found.rows[found.rows["kind"] == FAINT_IN_ONE]
    weakest = faint["true_snr"][:, ONS].min(axis=1)
    assert faint["is_event"][weakest >= 6.5].all()
    # Of 12; 0.96 of 100 in the long run (docs/benchmarks.md).
    assert faint["is_event"].sum() >= 10


def test_measured_snrs_are_true(found):
    true, snr = found.rows["true_snr"][:, ONS], found.rows["snr"][:, ONS]
    good = np.isfinite(snr)
    assert good.sum() > 150
    assert np.median(snr[good] / true[good]) == pytest.approx(1.0, abs=0.05)
    # Each scatters by 1.
    assert np.std((snr - true)[good]) == pytest.approx(1.0, abs=0.25)


def test_leakage_is_measured_and_rules_out(found):
    leaking = found.rows[(found.rows["kind"] == LEAKING) & (found.rows["tracks"] > 0)]
    true, snr = leaking["true_snr"][:, OFFS], leaking["snr"][:, OFFS]
    assert np.mean((snr - true)[true >= 2]) == pytest.approx(0.0, abs=0.6)
    assert not leaking["is_event"][(true >= OFF_SNR + 3.5).any(axis=1)].any()


def test_clean_off_scans_measure_nothing(found):
    """With one path the mean is 0; with several, few exceed what one path would."""
    true, snr, trials = (found.rows[name][:, OFFS] for name in ("true_snr", "snr", "trials"))
    clean = (true == 0) & np.isfinite(snr)
    one = clean & (trials == 1)
    assert one.sum() > 20
    assert abs(snr[one].mean()) <= 3 / np.sqrt(one.sum())
    # 2.3 % are expected, 3.4 of 144.
    assert (snr[clean] >= threshold(2.0, trials[clean])).sum() <= 9


def test_stated_probabilities_come_true(found):
    """Of leaking emitters, whose part in the OFF scans is spread evenly as the rule supposes."""
    leaking = found.rows[found.rows["kind"] == LEAKING]
    stated = leaking["probability"][:, OFFS]
    holds = leaking["true_snr"][:, OFFS] >= 0.05 * leaking["true_snr"][:, :1]
    known = np.isfinite(stated)
    scatter = np.sqrt((stated[known] * (1 - stated[known])).sum())
    assert abs(holds[known].sum() - stated[known].sum()) <= 3 * scatter + 1


def test_interference_is_no_event(pool):
    """But for transmitters that happen to be on in all ON scans and off in all OFF scans."""
    counted = cadence_interference.measure(8, 11, pool, lambda _: None)
    assert counted.hits > 1000
    assert counted.events == counted.of_chance <= counted.chance
    assert counted.events < counted.cadences
