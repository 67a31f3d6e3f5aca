"""Hits of ON scans become tracks, each hit in one, and the tracks are what is measured."""

import numpy as np
import pytest

from services.classify.cadence.joining import join, tracks_of
from services.classify.cadence.scans import failed_scan
from shared.cadence import CadenceParameters
from shared.errors import PermanentError
from tests.unit.classify.cadence.example_scans import CHANNEL_HZ, Emitter, cadence, scan

ONE = Emitter(8420.123e6, -0.35, -5e-5, (20.0, 0.0, 21.0, 0.0, 19.0, 0.0))
PARAMETERS = CadenceParameters()


def test_one_emitter_is_one_track_with_its_values():
    joined = join(cadence([ONE], rng=np.random.default_rng(1)), PARAMETERS)
    assert joined.association.members.tolist() == [[0, 1, 2]]
    fits = joined.association.fits
    off = fits.value[0] - np.array(ONE[:3])
    errors = np.sqrt(np.diagonal(fits.covariance[0]))
    assert np.all(np.abs(off) < 4 * errors)
    assert errors[0] < 5
    assert fits.degrees_of_freedom.tolist() == [4]


def test_every_hit_above_the_threshold_is_in_exactly_one_track():
    rng = np.random.default_rng(2)
    emitters = [
        Emitter(f, d, c, tuple(np.where(rng.random(6) < 0.7, 15.0, 0.0)))
        for f, d, c in zip(
            rng.uniform(8419.1e6, 8421.9e6, 300),
            rng.uniform(-4, 4, 300),
            rng.uniform(-1e-4, 1e-4, 300),
            strict=True,
        )
    ]
    joined = join(cadence(emitters, rng=rng), PARAMETERS)
    members = joined.association.members[joined.association.members >= 0]
    assert len(members) == sum(len(on.hits) for on in joined.ons)
    assert len(np.unique(members)) == len(members)


def test_hits_below_the_threshold_start_no_track_but_join_one():
    weak = Emitter(8420.5e6, 0.2, 0.0, (8.0, 0.0, 8.0, 0.0, 8.0, 0.0))
    assert len(join(cadence([weak]), PARAMETERS)) == 0
    joined = join(cadence([weak._replace(snr=(8.0, 0.0, 12.0, 0.0, 8.0, 0.0))]), PARAMETERS)
    assert joined.association.members.tolist() == [[0, 1, 2]]


def test_the_result_does_not_depend_on_the_order_of_the_scans():
    scans = cadence([ONE, ONE._replace(frequency_hz=8420.9e6, drift_hz_s=1.2)], rng=np.random.default_rng(3))
    one, other = join(scans, PARAMETERS), join(scans[::-1], PARAMETERS)
    assert [item.file_name for item in one.scans] == [item.file_name for item in other.scans]
    np.testing.assert_array_equal(one.association.fits.value, other.association.fits.value)
    assert tracks_of(one).to_bytes() == tracks_of(other).to_bytes()


def test_tracks_have_the_ids_of_their_places_and_views_that_hold_them():
    joined = join(cadence([ONE, ONE._replace(frequency_hz=8420.9e6)]), PARAMETERS)
    tracks = tracks_of(joined, most_views=1)
    assert tracks.tracks["id"].tolist() == [0, 1]
    assert tracks.epoch_mjd == joined.scans[0].tstart_mjd
    seen = np.flatnonzero(tracks.tracks["view_high_hz"])
    assert len(seen) == 1
    row = tracks.tracks[seen[0]]
    assert row["view_high_hz"] - row["view_low_hz"] >= 200 * CHANNEL_HZ
    last = row["frequency_hz"] + row["drift_rate_hz_s"] * 1880 + row["drift_change_hz_s2"] * 1880**2 / 2
    assert row["view_low_hz"] < last < row["view_high_hz"]


def test_a_scan_without_results_is_left_out_and_said():
    scans = [*cadence([ONE])[:5], failed_scan("off", "5.h5", "'5.h5' is empty. Upload it again.")]
    joined = join(scans, PARAMETERS)
    assert len(joined) == 1
    assert "Scan 6 ('5.h5') has no results and was left out: '5.h5' is empty. Upload it again." in joined.warnings


def test_a_cadence_without_on_scans_is_refused():
    with pytest.raises(PermanentError, match="No scan is ON"):
        join([scan(0, "off", []), scan(1, "off", [])], PARAMETERS)
