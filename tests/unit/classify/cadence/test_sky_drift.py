"""The drift of a transmitter fixed in the sky is that of Earth's rotation and orbit."""

import numpy as np
import pytest

from services.classify.cadence.sky_drift import SITES, Place, origin_of, place_of, sky_drift_per_hz
from tests.unit.classify.cadence.example_scans import header

VOYAGER = Place(6, 17.167773333, 12.183)


def test_voyager_drifts_nearly_as_a_source_fixed_in_the_sky():
    # 2016: the carrier at 8419.297 MHz was measured at -0.3776 Hz/s (Voyager 1 itself moves evenly).
    drift = sky_drift_per_hz(VOYAGER, 57650.78209490741 + 150 / 86_400) * 8419.297e6
    assert drift == pytest.approx(-0.3776, abs=0.02)


def test_rotation_gives_the_most_of_it_at_the_equator():
    # At the meridian the acceleration is omega^2 R cos(latitude) cos(declination), 0.0339 m/s^2 at the equator; the
    # orbit adds at most 0.006 m/s^2.
    latitude = np.radians(SITES[6].latitude_deg)
    drifts = [sky_drift_per_hz(Place(6, hour, 0.0), 59000.0) for hour in np.arange(0, 24, 0.5)]
    rotation = 0.0339 * np.cos(latitude) / 299_792_458
    assert -min(drifts) == pytest.approx(rotation, abs=0.0062 / 299_792_458)


def test_dates_beyond_the_tables_need_no_download():
    assert np.isfinite(sky_drift_per_hz(VOYAGER, 66000.0))


def test_the_place_needs_a_known_site_and_a_position():
    assert place_of(header()) == Place(6, 17.16, 12.2)
    assert place_of(header(telescope_id=99)) is None
    assert place_of(header(ra_hours=None)) is None
    assert place_of(None) is None


@pytest.mark.parametrize(
    ("drift", "error", "sky", "origin"),
    [
        (0.001, 0.001, -0.4, "ground"),
        (-0.399, 0.001, -0.4, "sky"),
        (-0.2, 0.001, -0.4, "neither"),
        (-0.2, 0.5, -0.4, "either"),
        (-0.4, 0.001, None, "neither"),
        (0.0, 0.001, None, "ground"),
        (0.0, float("inf"), -0.4, "unknown"),
        (0.0, float("nan"), -0.4, "unknown"),
    ],
)
def test_origins(drift, error, sky, origin):
    assert origin_of(drift, error, sky) == origin
