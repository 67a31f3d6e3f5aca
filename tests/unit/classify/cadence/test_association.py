"""Hits join along smooth tracks within their errors, also in combs and for any list of scans."""

import numpy as np
import pytest

from services.classify.cadence.association import associate, hits_on_tracks
from services.classify.cadence.lines import lines_of
from services.classify.cadence.scans import ordered
from services.classify.cadence.track_fit import bounds_of
from shared.cadence import CadenceParameters
from tests.unit.classify.cadence.example_scans import Emitter, cadence

BOUNDS = bounds_of(CadenceParameters())


def ons_of(scans):
    return [scan for scan in ordered(scans) if scan.role == "on"]


def joined(scans):
    ons = ons_of(scans)
    lines = lines_of(ons, 10.0)
    return associate(lines, BOUNDS), lines, ons


def comb(rng, spacing_hz, lines=60):
    drift, change = rng.uniform(-2, 2), rng.uniform(-8e-5, 8e-5)
    return [
        Emitter(8420e6 + spacing_hz * k, drift, change, tuple(np.where(rng.random(6) < 0.85, 15.0, 0.0)))
        for k in range(lines)
    ]


@pytest.mark.parametrize(("spacing_hz", "most_wrong"), [(10.0, 0.02), (20.0, 0.0), (50.0, 0.0), (1000.0, 0.0)])
def test_lines_of_a_comb_find_their_own_partners(spacing_hz, most_wrong):
    wrong = total = 0
    for seed in range(3):
        rng = np.random.default_rng(seed)
        emitters = comb(rng, spacing_hz)
        found, lines, ons = joined(cadence(emitters, rng=rng))
        listed = [[k for k, line in enumerate(emitters) if line.snr[scan.index] > 0] for scan in ons]
        for members in found.members:
            teeth = {listed[on][lines.place[hit]] for on, hit in enumerate(members.tolist()) if hit >= 0}
            wrong += len(teeth) > 1
            total += 1
    assert wrong <= most_wrong * total


def test_a_strong_change_of_drift_is_followed_up_to_the_bound_and_not_beyond():
    for change, tracks in ((9e-5, 1), (-9e-5, 1), (6e-4, 3)):
        emitter = Emitter(8420.5e6, 1.0, change, (20.0,) * 6)
        assert len(joined(cadence([emitter]))[0].members) == tracks


def test_a_hit_off_the_track_is_not_joined():
    emitter = Emitter(8420.5e6, 1.0, 0.0, (20.0, 0, 20.0, 0, 0, 0))
    scans = cadence([emitter])
    stray = cadence([emitter._replace(frequency_hz=8420.5e6 + 200, snr=(0, 0, 0, 0, 20.0, 0))])
    scans[4] = stray[4]
    members = joined(scans)[0].members
    assert sorted((row >= 0).sum() for row in members) == [1, 2]


@pytest.mark.parametrize("roles", ["AbAbAb", "AbAcAd", "bAbAbA", "AAAbbb", "AbbAbA", "AbA"])
def test_any_order_of_scans_is_joined(roles):
    emitter = Emitter(8420.5e6, -0.7, 4e-5, (20.0,) * 6)
    found, _, ons = joined(cadence([emitter], roles=roles))
    assert (found.members >= 0).sum() == len(ons)
    assert len(found.members) == 1


def test_twenty_scans_with_gaps_are_one_track():
    rng = np.random.default_rng(4)
    snr = tuple(np.where(rng.random(40) < 0.6, 14.0, 0.0))
    emitter = Emitter(8420.5e6, -0.3, 1e-6, snr)
    found, _, ons = joined(cadence([emitter], roles="Ab" * 20, rng=rng))
    assert len(found.members) == 1
    assert (found.members >= 0).sum() == sum(len(on.hits) for on in ons)


def test_off_hits_on_a_track_are_told_from_those_beside_it():
    emitter = Emitter(8420.5e6, -0.7, 4e-5, (20.0, 11.0, 20.0, 0.0, 20.0, 0.0))
    beside = Emitter(8420.5e6 + 60, -0.7, 4e-5, (0.0, 0.0, 0.0, 500.0, 0.0, 0.0))
    scans = ordered(cadence([emitter, beside]))
    found, _, _ = joined(scans)
    off = lines_of([scan for scan in scans if scan.role == "off"], 10.0)
    assert [hits_on_tracks(off, place, found.fits).tolist() for place in range(3)] == [[0], [-1], [-1]]


def test_the_band_may_run_up_or_down():
    emitter = Emitter(8420.5e6, -0.7, 4e-5, (20.0,) * 6)
    down = joined(cadence([emitter]))[0].fits.value
    up = joined(cadence([emitter], foff_hz=2.7939677238464355))[0].fits.value
    np.testing.assert_allclose(up, down, rtol=1e-12, atol=1e-9)


def test_shifting_all_frequencies_shifts_the_tracks():
    rng = np.random.default_rng(9)
    emitters = [Emitter(rng.uniform(8419.5e6, 8420.5e6), rng.uniform(-2, 2), 0.0, (15.0,) * 6) for _ in range(40)]
    moved = [emitter._replace(frequency_hz=emitter.frequency_hz + 1e6) for emitter in emitters]
    one, other = joined(cadence(emitters))[0], joined(cadence(moved))[0]
    np.testing.assert_array_equal(one.members, other.members)
    np.testing.assert_allclose(one.fits.value + np.array([1e6, 0, 0]), other.fits.value, rtol=1e-12, atol=1e-8)


def test_drift_of_the_other_sign_is_the_mirrored_band():
    rng = np.random.default_rng(10)
    emitters = [Emitter(rng.uniform(8419.5e6, 8421.5e6), rng.uniform(-2, 2), 5e-5, (15.0,) * 6) for _ in range(40)]
    mirror = [Emitter(16841e6 - line.frequency_hz, -line.drift_hz_s, -line.change_hz_s2, line.snr) for line in emitters]
    one, other = joined(cadence(emitters))[0], joined(cadence(mirror))[0]
    np.testing.assert_allclose(
        np.array([16841e6, 0, 0]) - one.fits.value[::-1], other.fits.value, rtol=1e-12, atol=1e-8
    )
