"""Forced SNR, limit and strength of tracks in simulated scans."""

import numpy as np
import pytest

from science.measure.search import search, tone
from science.simulator import Scene, make_header, simulate
from science.simulator.tones import tone_power
from services.dedoppler.tracks.measurement import FOUND_SNR
from shared.tracks import LOST, MEASURED, OUTSIDE
from tests.unit.dedoppler.tracks.simulated import measure, moved, track_through, values

CHANNELS = 2**16
# How well a track is known: to less than one path, to a few of them, to many.
ERRORS = [(0.05, 0.1), (0.3, 0.5), (2.0, 2.0)]


def places_of(header, steps, seed):
    """Tones far from each other, anywhere in their channels: (channel, steps)."""
    rng = np.random.default_rng(seed)
    at = np.arange(1500, header.n_channels - 1500, 1500)
    return [
        (float(c), steps + float(s)) for c, s in zip(at + 50 * rng.random(len(at)), rng.random(len(at)), strict=True)
    ]


def scene(header, places, snr, seed=1):
    return simulate(Scene(header, tuple(tone(header, c, s, snr) for c, s in places), seed=seed))


@pytest.mark.parametrize(
    ("snr", "drift"), [(8.0, 0.0), (8.0, 0.02), (8.0, -4.0), (12.0, 0.4), (30.0, 0.0), (30.0, -1.0)]
)
def test_snr_is_unbiased_within_five_percent(snr, drift):
    """Of 320 tones each, however well the track is known; 300 tones show the mean to 0.06 sigma."""
    header, rng = make_header(2**17), np.random.default_rng(5)
    found = {errors: [] for errors in ERRORS}
    for seed in range(4):
        places = places_of(header, drift / header.drift_rate_hz_s(1), seed)
        power = scene(header, places, snr, seed)
        for errors in ERRORS:
            tracks = moved(track_through(header, places, *errors), header, rng, errors[0])
            found[errors].append(measure(power, header, tracks))
    for errors, measurements in found.items():
        every = [one for some in measurements for one in some]
        assert len(every) > 320
        got, stated = values(every, "snr"), values(every, "snr_error")
        assert np.mean(got) == pytest.approx(snr, rel=0.05), errors
        # Of the tones beyond three sigma of their track few show: medians tell the scatter of the others.
        scatter = 1.4826 * np.median(np.abs(got - np.median(got)))
        assert 0.6 < scatter / np.mean(stated) < 1.25, errors


@pytest.mark.parametrize("drift", [0.0, 0.4, -4.0])
def test_absent_signals_have_mean_zero_and_scatter_one(drift):
    header = make_header(2**17)
    steps = drift / header.drift_rate_hz_s(1)
    places = [(channel, steps) for channel in np.random.default_rng(2).uniform(2000, 2**17 - 2000, 1500)]
    found = measure(simulate(Scene(header, seed=3)), header, track_through(header, places))
    snr = values(found, "snr")
    # 1500 paths share few samples: their mean is known to 0.026 (fewer independent ones of wide boxes).
    assert np.mean(snr) == pytest.approx(0.0, abs=0.09)
    assert np.std(snr) == pytest.approx(1.0, abs=0.06)
    assert set(values(found, "trials")) == {1.0}
    strength = values(found, "strength_hz")
    assert np.mean(strength / values(found, "strength_error_hz")) == pytest.approx(0.0, abs=0.09)
    # Three sigma above what was measured, and never below three sigma.
    assert np.all(values(found, "snr_limit") >= np.maximum(snr, 0) + 3)


@pytest.mark.parametrize("snr", [5.0, 10.0])
def test_limits_hold(snr):
    """No more than 1 in 740 signals is above its limit at three sigma: of 340, at most 3."""
    header, above = make_header(2**17), 0
    for seed in range(4):
        places = places_of(header, 40.0, 10 + seed)
        found = measure(scene(header, places, snr, 10 + seed), header, track_through(header, places))
        above += int(np.sum(values(found, "snr_limit") < snr))
    assert above <= 3


@pytest.mark.parametrize("steps", [0.0, 37.0, -350.0])
def test_snr_is_that_of_the_hit(pool, steps):
    header = make_header(CHANNELS)
    places = places_of(header, steps, 4)
    power = scene(header, places, 20.0, 4)
    hits = search(power, header, pool).hits
    assert len(hits) == len(places)
    found = measure(power, header, track_through(header, places, 0.3, 0.5))
    difference = values(found, "snr") - hits["snr"]
    assert abs(np.mean(difference)) < 0.6
    assert np.std(difference) < 0.8
    # From the data, as the signals are there.
    off = (values(found, "frequency_hz") - hits["frequency_hz"]) / abs(header.foff_hz)
    assert np.abs(off).max() < 3
    assert np.all(values(found, "drift_rate_hz_s") == pytest.approx(hits["drift_rate_hz_s"], abs=0.06))


@pytest.mark.parametrize("foff_sign", [-1, 1])
def test_frequency_drift_and_offset_have_the_sign_of_the_sky(foff_sign):
    header = make_header(2**14, foff_mhz=foff_sign * 2.7939677238464355e-06)
    power = scene(header, [(8000.0, 60.0)], 60.0)
    # Two channels and a step off.
    (one,) = measure(power, header, track_through(header, [(7998.0, 61.0)], 2.0, 2.0))
    assert one.values["frequency_hz"] == pytest.approx(header.frequency_hz(8000.0), abs=1.5 * 2.8)
    assert one.values["drift_rate_hz_s"] == pytest.approx(header.drift_rate_hz_s(60.0), abs=0.015)
    assert one.values["offset_hz"] == pytest.approx(1.5 * header.foff_hz, abs=1.0 * 2.8)
    assert one.values["frequency_error_hz"] < 2.0 * 2.8
    assert one.values["snr"] > FOUND_SNR


@pytest.mark.parametrize("bend", [-3.0, 2.0])
def test_a_parabola_is_followed(bend):
    header = make_header(2**14, 60, tsamp_s=5.0)
    u = np.arange(60) / 59 - 0.5
    power = simulate(Scene(header))
    centre = 8000 + 20 * u + 4 * bend * u**2
    power[np.arange(60), np.floor(centre + 0.5).astype(int)] += 2.0 * 100 / np.sqrt(51)
    place = (8000 - 10 + bend, 20.0)
    (curved,) = measure(power, header, track_through(header, [place], bend=bend))
    (straight,) = measure(power, header, track_through(header, [(place[0] - bend, 20.0)]))
    assert curved.values["snr"] == pytest.approx(2.0 * np.sqrt(60), abs=3.5)
    assert straight.values["snr"] < 0.5 * curved.values["snr"]


@pytest.mark.parametrize("steps", [0.0, 100.0])
def test_strength_is_the_power_in_any_resolution_and_length(steps):
    """One emitter in scans of three resolutions and two lengths: the strength is its power over the noise per Hz."""
    strengths = []
    for n_spectra, tsamp, width in [
        (16, 18.253611008, 2.79397),
        (60, 1.2, 2.79397),
        (16, 9.0, 11.17588),
        (280, 1.0, 1.3969),
    ]:
        averaged = width * tsamp
        header = make_header(2**15, n_spectra, tsamp_s=tsamp, foff_mhz=-width * 1e-6)
        drift = header.drift_rate_hz_s(steps / 16)
        places = [
            (float(c) + k / 17, drift / header.drift_rate_hz_s(1)) for k, c in enumerate(range(3000, 30000, 1500))
        ]
        tones = []
        for c, s in places:
            one = tone(header, c, s, 1.0)
            _, power = tone_power(header, one)
            # The emitter has 5 times the noise's power per Hz in its whole line.
            scale = 5.0 * np.sqrt(tsamp / width) / power.sum(axis=1).mean()
            tones.append(tone(header, c, s, scale))
        scan = simulate(Scene(header, tuple(tones), averaged_spectra=averaged))
        found = measure(scan, header, track_through(header, places, 0.1, 0.2))
        strengths.append(np.mean(values(found, "strength_hz")))
        assert np.mean(values(found, "strength_error_hz")) < 0.5 * strengths[-1]
    assert strengths == pytest.approx([5.0] * len(strengths), rel=0.08)


def test_gain_and_bits_of_a_scan_do_not_matter():
    header = make_header(2**14)
    places = [(4000.3, 20.0), (9000.6, 0.0)]
    power = scene(header, places, 25.0)
    tracks = track_through(header, places)
    (snr, strength) = (values(measure(power, header, tracks), name) for name in ("snr", "strength_hz"))
    louder = measure(power * np.float32(1e6), header, tracks)
    assert values(louder, "snr") == pytest.approx(snr, rel=1e-3)
    assert values(louder, "strength_hz") == pytest.approx(strength, rel=1e-3)
    few = make_header(2**14, n_bits=8)
    assert values(measure(np.rint(power), few, tracks), "snr") == pytest.approx(snr, abs=0.4)


def test_a_scans_gain_that_changes_is_taken_out():
    header = make_header(2**15)
    places = places_of(header, 20.0, 6)
    power = scene(header, places, 25.0)
    tracks = track_through(header, places)
    steady = values(measure(power, header, tracks), "snr")
    power[5:9] *= 3.0
    changed = values(measure(power, header, tracks), "snr")
    assert np.mean(changed / steady) == pytest.approx(0.98, abs=0.04)


def test_lost_samples_lower_the_coverage_and_not_the_signal():
    header = make_header(2**15)
    places = places_of(header, 20.0, 7)
    power = scene(header, places, 30.0)
    tracks = track_through(header, places)
    whole = measure(power.copy(), header, tracks)
    power[3:7] = np.nan
    power[9] = 0.0
    found = measure(power, header, tracks)
    assert values(found, "coverage") == pytest.approx(11 / 16, abs=0.01)
    assert np.mean(values(found, "snr") / values(whole, "snr")) == pytest.approx(np.sqrt(11 / 16), abs=0.02)
    assert np.mean(values(found, "strength_hz") / values(whole, "strength_hz")) == pytest.approx(1, abs=0.03)
    assert np.mean(values(found, "strength_error_hz") / values(whole, "strength_error_hz")) > 1.05
    power[:] = np.nan
    assert {one.values["state"] for one in measure(power, header, tracks)} == {LOST}


def test_states():
    header = make_header(2**14, coarse_channel_width=2**14, has_dc_spike=True)
    power = simulate(Scene(header))
    power[:, 3000:3100] = 0.0
    places = [
        (5000.0, 0.0),
        (3050.0, 10.0),
        (8192.0, 0.0),
        (-300.0, 0.0),
        (-40.0, 80.0),
        (16400.0, 900.0),
        (8100.0, 180.0),
    ]
    found = measure(power, header, track_through(header, places))
    assert values(found, "state").tolist() == [MEASURED, LOST, LOST, OUTSIDE, MEASURED, OUTSIDE, MEASURED]
    coverage = values(found, "coverage")
    assert coverage[[0, 1, 2, 3]].tolist() == [1, 0, 0, 0]
    # Its smear alone reaches into the band.
    assert 0 < coverage[5] < 0.02
    assert coverage[4] == pytest.approx(0.5, abs=0.07)
    assert 0.9 < coverage[6] < 1.0
    unmeasured = [one.values for one in found if one.values["state"] != MEASURED]
    assert all(np.isnan(one[name]) for one in unmeasured for name in ("snr", "snr_limit", "strength_hz"))
    assert all(np.isfinite(one["frequency_hz"]) for one in unmeasured)


def test_an_emission_is_measured_over_its_width():
    header = make_header(2**15)
    power = simulate(Scene(header))
    for start in range(3000, 30_000, 3000):
        power[:, start : start + 40] += 0.9 * 100 / np.sqrt(51)
    expected = 0.9 * np.sqrt(16 * 40)
    places = [(start + 19.5, 0.0) for start in range(3000, 30_000, 3000)]
    wide = measure(power, header, track_through(header, places, 0.3, 0.3, bandwidth=40.0))
    assert np.mean(values(wide, "snr")) == pytest.approx(expected, rel=0.07)
    narrow = measure(power, header, track_through(header, places, 0.3, 0.3))
    assert np.mean(values(narrow, "snr")) < 0.4 * expected


def test_cutouts_show_the_view_in_units_of_the_noise():
    header = make_header(2**14, 100, tsamp_s=3.0)
    power = scene(header, [(8000.0, 20.0)], 80.0)
    tracks = track_through(header, [(8000.0, 20.0), (12_000.0, 0.0)])
    tracks[0]["view_low_hz"], tracks[0]["view_high_hz"] = sorted(header.frequency_hz(c) for c in (7950, 8070))
    shown, none = measure(power, header, tracks)
    assert none.cutout is None
    cutout = shown.cutout
    assert (cutout.start_channel, cutout.spectra_per_row, cutout.power.shape) == (7950, 2, (50, 121))
    assert cutout.power[:, 100:].std() == pytest.approx(1 / np.sqrt(2), abs=0.05)
    assert np.argmax(cutout.power[0]) == pytest.approx(50, abs=1)
    assert np.argmax(cutout.power[-1]) == pytest.approx(70, abs=1)
