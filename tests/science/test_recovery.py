"""Injection and recovery: tones of known frequency, drift and SNR in gamma noise, and what the search says of them.

A tone is recovered if a hit lies within one and a half channels and three of its stated errors of the true frequency.
Every scene has its own seed, tones about 2590 channels apart, random sub-channel phases and drifts within 4 Hz/s.
"""

import numpy as np
import pytest

from tests.unit.dedoppler.scenes import Scene, make_header, search, simulate, tone

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")

N_CHANNELS = 2**18
TONES_PER_SCENE = 100


def inject(seed, snr, **fields):
    """(header, power, true channels, true steps) of one scene."""
    header = make_header(N_CHANNELS, **fields)
    rng = np.random.default_rng([seed, 77])
    channels = 1500 + 2590 * np.arange(TONES_PER_SCENE) + rng.uniform(-500, 500, TONES_PER_SCENE)
    steps = rng.uniform(-4, 4, TONES_PER_SCENE) / header.drift_resolution_hz_s
    tones = tuple(tone(header, channel, n, snr) for channel, n in zip(channels, steps, strict=True))
    return header, simulate(Scene(header, tones, seed=seed)), channels, steps


def recover(pool, seeds, snr, **fields):
    """Fields of the recovered tones' hits beside the truth, the number of tones, and of hits that are no tone."""
    rows, n_tones, n_strangers = [], 0, 0
    for seed in seeds:
        header, power, channels, steps = inject(seed, snr, **fields)
        hits = search(power, header, pool).hits
        found = set()
        for channel, n in zip(channels, steps, strict=True):
            frequency_hz = header.frequency_hz(channel)
            i = int(np.argmin(np.abs(hits["frequency_hz"] - frequency_hz)))
            off = hits["frequency_hz"][i] - frequency_hz
            if abs(off) <= 1.5 * abs(header.foff_hz) + 3 * hits["frequency_error_hz"][i]:
                found.add(i)
                drift_off = hits["drift_rate_hz_s"][i] - header.drift_rate_hz_s(n)
                rows.append(
                    (
                        off / hits["frequency_error_hz"][i],
                        drift_off / hits["drift_rate_error_hz_s"][i],
                        hits["snr"][i] / snr,
                    )
                )
        n_tones += len(channels)
        n_strangers += len(hits) - len(found)
    frequency, drift, ratio = np.array(rows).T
    return frequency, drift, ratio, n_tones, n_strangers


def test_recovery_at_snr_15(pool):
    """500 tones: at least 99 % of them, and nothing else above the threshold of 10."""
    frequency, drift, ratio, n_tones, n_strangers = recover(pool, range(5), 15.0)
    assert n_tones == 500
    assert len(ratio) >= 0.99 * n_tones
    assert n_strangers == 0
    assert np.median(ratio) == pytest.approx(1.0, abs=0.05)
    assert np.mean(np.abs(drift) <= 3) >= 0.97
    assert np.mean(np.abs(frequency) <= 3) >= 0.97


def test_recovery_near_the_threshold(pool):
    """At a true SNR of 12.5 noise takes one in 160 below the threshold of 10."""
    _, drift, ratio, n_tones, n_strangers = recover(pool, range(10, 12), 12.5)
    assert len(ratio) >= 0.97 * n_tones
    assert n_strangers == 0
    assert np.mean(np.abs(drift) <= 3) >= 0.97


@pytest.mark.parametrize("snr", [25.0, 100.0, 1000.0])
def test_recovery_of_clear_tones(pool, snr):
    """All of them; tones so near each other spoil each other's noise by 2 % of SNR."""
    frequency, drift, ratio, n_tones, n_strangers = recover(pool, range(20, 22), snr)
    assert len(ratio) == n_tones
    assert n_strangers == 0
    assert np.median(ratio) == pytest.approx(1.0, abs=0.05)
    assert np.mean(np.abs(drift) <= 3) >= 0.97
    assert np.mean(np.abs(frequency) <= 3) >= 0.97


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"foff_mhz": 2.7939677238464355e-06}, id="rising band"),
        pytest.param({"n_bits": 8}, id="8 bits"),
        pytest.param({"n_spectra": 15, "tsamp_s": 19.6}, id="15 spectra"),
        pytest.param({"n_spectra": 17, "tsamp_s": 17.1}, id="17 spectra"),
        pytest.param({"n_spectra": 60, "tsamp_s": 4.64}, id="60 spectra"),
    ],
)
def test_recovery_in_other_files(pool, fields):
    """The same duration and drifts at SNR 15 on other grids."""
    frequency, drift, ratio, n_tones, n_strangers = recover(pool, [30], 15.0, **fields)
    assert len(ratio) >= 0.98 * n_tones
    assert n_strangers == 0
    assert np.median(ratio) == pytest.approx(1.0, abs=0.05)
    assert np.mean(np.abs(drift) <= 3) >= 0.97
    assert np.mean(np.abs(frequency) <= 3) >= 0.97


def test_stated_errors_are_neither_too_small_nor_too_large(pool):
    """Over 300 tones of SNR 25 the scatter in units of the stated errors is about 1, and of SNR about 1 as well."""
    frequency, drift, ratio, _, _ = recover(pool, range(40, 43), 25.0)
    assert 0.4 <= np.std(frequency) <= 1.1
    assert 0.4 <= np.std(drift) <= 1.1
    assert 0.7 <= np.std(ratio * 25.0) <= 1.3
