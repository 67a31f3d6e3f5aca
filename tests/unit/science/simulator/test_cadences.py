"""The tones of a simulated cadence lie on its emitters' tracks."""

import pytest

from science.simulator.cadences import BL_SCAN_PERIOD_S, Emitter, SimulatedCadence, demo_cadence
from science.simulator.scene import make_header

HEADER = make_header(2**16, source_name="HIP1", tstart_mjd=59000.0)


def cadence(**emitter):
    values = {"frequency_hz": 8.42e9, "drift_rate_hz_s": -0.3, "snr": 20.0} | emitter
    return SimulatedCadence(HEADER, (Emitter("one", **values),))


def test_the_tone_of_each_scan_is_on_the_track():
    change = 5e-5
    for scan, scene in enumerate(cadence(drift_change_hz_s2=change, off_fraction=1.0).scenes()):
        (tone,) = scene.tones
        middle_s = scan * BL_SCAN_PERIOD_S + HEADER.duration_s / 2
        assert tone.drift_rate_hz_s == pytest.approx(-0.3 + change * middle_s)
        at_middle = tone.frequency_hz + tone.drift_rate_hz_s * (HEADER.duration_s - HEADER.tsamp_s) / 2
        assert at_middle == pytest.approx(8.42e9 - 0.3 * middle_s + change * middle_s**2 / 2, abs=1e-6)


def test_snr_follows_the_role_unless_a_scan_has_its_own():
    scenes = cadence(off_fraction=0.25, snrs={2: 7.0}).scenes()
    assert [scene.tones[0].snr for scene in scenes] == [20.0, 5.0, 7.0, 5.0, 20.0, 5.0]
    assert [len(scene.tones) for scene in cadence().scenes()] == [1, 0, 1, 0, 1, 0]


def test_scans_differ_in_time_source_place_and_noise():
    scenes = cadence().scenes()
    headers = [scene.header for scene in scenes]
    assert [header.source_name for header in headers] == ["HIP1", "HIP1_OFF"] * 3
    times = [(header.tstart_mjd - 59000.0) * 86400 for header in headers]
    assert times == pytest.approx([scan * BL_SCAN_PERIOD_S for scan in range(6)], abs=1e-3)
    assert headers[0].dec_deg != headers[1].dec_deg
    assert len({scene.seed for scene in scenes}) == 6


def test_all_emitters_of_the_demo_stay_in_the_band():
    made = demo_cadence()
    low, high = made.header.band_hz
    for scene in made.scenes():
        for tone in scene.tones:
            end_hz = tone.frequency_hz + tone.drift_rate_hz_s * made.header.duration_s
            assert low + 1000 < min(tone.frequency_hz, end_hz)
            assert max(tone.frequency_hz, end_hz) < high - 1000
