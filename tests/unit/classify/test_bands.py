"""Band and shape must both agree."""

import pytest

from services.classify.bands import BANDS, PROTECTED_MHZ, Appearance, agreeing_band, bands_at, protected_band


def agrees(mhz, *, width=3.0, emission=0.0, drift=0.0, broad=False, pulsed=False, comb=0.0):
    seen = Appearance(width, max(width, emission), drift, broad, pulsed, comb)
    band = agreeing_band(mhz * 1e6, seen)
    return band.name if band else ""


def test_table_is_well_formed():
    for band in BANDS:
        assert band.low_mhz < band.high_mhz
        assert 0 < band.widths_hz[0] <= band.widths_hz[1]
        assert band.lines_hz is None or 0 < band.lines_hz[0] < band.lines_hz[1]
        assert band.category in ("terrestrial", "satellite")
        assert band.region
    assert len({band.name for band in BANDS}) == len(BANDS)


def test_broad_emission_needs_the_width_of_the_service():
    assert agrees(1575.42, width=600, emission=2e6, broad=True) == "GPS/Galileo L1"
    assert agrees(1575.42, width=600, emission=1e3, broad=True) == ""
    # No emission is wider than its band.
    assert agrees(100.0, width=600, emission=1e8, broad=True) == ""


def test_code_lines_are_a_comb_of_whole_kilohertz():
    assert agrees(1575.42, width=100, comb=1000.0) == "GPS/Galileo L1"
    assert agrees(1575.42, width=100, comb=2004.0, drift=0.7) == "GPS/Galileo L1"
    assert agrees(1575.42, width=100, comb=1300.0) == ""
    assert agrees(1575.42, width=100) == ""
    assert agrees(1575.42, width=3, comb=1000.0) == ""


def test_a_narrow_drifting_tone_between_satellites_is_not_attributed_to_them():
    assert agrees(1620.0, width=300, drift=-3.0) == "Iridium"
    assert agrees(1620.0, width=3, drift=-3.0) == ""
    # Faster than any orbit's Doppler at that frequency.
    assert agrees(1620.0, width=300, drift=2000.0) == ""


def test_carriers_do_not_drift():
    assert agrees(100.1) == "FM radio"
    assert agrees(1540.0) == "Inmarsat"
    assert agrees(100.1, drift=0.5) == ""
    assert agrees(1330.0) == ""


def test_bursts_that_last_milliseconds_are_not_narrow():
    assert agrees(1330.0, width=200, pulsed=True) == "Air surveillance radar"
    assert agrees(1330.0, width=3, pulsed=True) == ""


@pytest.mark.parametrize(("mhz", "name"), [(1420.4, "H I"), (1612.0, "OH"), (1665.4, "OH")])
def test_protected_bands_name_no_interferer(mhz, name):
    assert protected_band(mhz * 1e6) == name
    assert agrees(mhz, width=600, emission=1e6, broad=True, pulsed=True) == ""
    assert agrees(mhz) == ""


def test_quiet_sky():
    assert bands_at(8419.3e6) == ()
    assert protected_band(8419.3e6) == ""


EDGES = sorted(
    {edge for band in BANDS for edge in (band.low_mhz, band.high_mhz)}
    | {edge for _, low, high in PROTECTED_MHZ for edge in (low, high)}
)


@pytest.mark.parametrize("edge", EDGES)
@pytest.mark.parametrize("beside_mhz", [-0.001, 0.0, 0.001])
def test_bands_are_looked_up_as_the_tables_say(edge, beside_mhz):
    frequency_hz = (edge + beside_mhz) * 1e6
    mhz = frequency_hz / 1e6
    assert bands_at(frequency_hz) == tuple(band for band in BANDS if band.low_mhz <= mhz <= band.high_mhz)
    named = [name for name, low, high in PROTECTED_MHZ if low <= mhz <= high]
    assert protected_band(frequency_hz) == (named or [""])[0]


@pytest.mark.parametrize("frequency_hz", [0.0, 1.0, 1e12])
def test_far_from_all_bands_there_are_none(frequency_hz):
    assert (bands_at(frequency_hz), protected_band(frequency_hz)) == ((), "")
