"""Band and shape must both agree."""

import pytest

from services.classify.bands import BANDS, agreeing_band, bands_at, protected_band


def agrees(mhz, *, width=0.0, broad=False, stationary=False, pulsed=False):
    band = agreeing_band(mhz * 1e6, emission_width_hz=width, broad=broad, stationary=stationary, pulsed=pulsed)
    return band.name if band else ""


def test_table_is_well_formed():
    for band in BANDS:
        assert band.low_mhz < band.high_mhz
        assert 0 < band.min_width_hz <= band.max_width_hz
    assert len({band.name for band in BANDS}) == len(BANDS)


def test_gps_band_needs_the_width_of_gps():
    assert agrees(1575.42, width=2e6, broad=True) == "GPS/Galileo L1"
    assert agrees(1575.42, width=1e3, broad=True) == ""
    assert agrees(1575.42, stationary=True) == ""


def test_fm_carrier_and_radar_pulses():
    assert agrees(100.1, stationary=True) == "FM radio"
    assert agrees(1330.0, pulsed=True) == "Air surveillance radar"
    assert agrees(1330.0, stationary=True) == ""


@pytest.mark.parametrize(("mhz", "name"), [(1420.4, "H I"), (1612.0, "OH")])
def test_protected_bands_name_no_interferer(mhz, name):
    assert protected_band(mhz * 1e6) == name
    assert agrees(mhz, width=1e6, broad=True, stationary=True, pulsed=True) == ""


def test_quiet_sky():
    assert bands_at(8419.3e6) == ()
    assert protected_band(8419.3e6) == ""
