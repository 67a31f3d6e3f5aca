"""The drift rate that a transmitter at a constant frequency would show, if it were fixed in the sky or to the ground.

The telescope turns with the Earth and moves with it round the Sun, so the frequency of a transmitter that is fixed in
the sky changes by frequency / c * dv / dt, where v is the correction of radial velocities to the barycentre. One that
is fixed to the ground shows no drift.
"""

import warnings
from functools import lru_cache
from typing import NamedTuple

from shared.header import Header

LIGHT_M_S = 299_792_458.0
# The velocity is differentiated over so many seconds: rotation bends it by less than 1e-5 of its change.
STEP_S = 120.0
# Dates of observations, 1968 to 2132: another is a damaged header's, and the Earth's rotation is not known then.
DATES_MJD = (40_000.0, 100_000.0)
# A drift agrees with an expected one if it is no further off than so many errors.
AGREES_ERRORS = 3.0


class Site(NamedTuple):
    """Longitude (east) and latitude, degrees, and height, m."""

    longitude_deg: float
    latitude_deg: float
    height_m: float


# By SIGPROC's number of the telescope; a kilometre moves the drift by 2e-4 of it.
SITES = {
    1: Site(-66.7528, 18.3442, 497.0),  # Arecibo
    4: Site(148.2635, -32.9984, 415.0),  # Parkes
    5: Site(-2.3085, 53.2366, 78.0),  # Jodrell Bank (Lovell)
    6: Site(-79.8398, 38.4331, 807.0),  # Green Bank
    7: Site(74.0497, 19.0965, 587.0),  # GMRT
    8: Site(6.8828, 50.5247, 369.0),  # Effelsberg
    9: Site(-121.4733, 40.8178, 1019.0),  # ATA
    10: Site(9.2451, 39.4930, 671.0),  # Sardinia
    64: Site(21.4439, -30.7113, 1086.0),  # MeerKAT
}


# Any date would do.
J2000_MJD = 51_544.5


class Place(NamedTuple):
    """From where, and where to, an observation looked."""

    telescope_id: int
    ra_hours: float
    dec_deg: float


def place_of(header: Header | None) -> Place | None:
    """Return the place of an observation, None if its header lacks the position or the site is not known."""
    if header is None or header.ra_hours is None or header.dec_deg is None or header.telescope_id not in SITES:
        return None
    return Place(header.telescope_id, header.ra_hours, header.dec_deg)


@lru_cache(maxsize=256)
def sky_drift_per_hz(place: Place, mjd: float) -> float:
    """Return the drift rate of a transmitter fixed in the sky, in Hz/s for each Hz of its frequency.

    The tables of the Earth's rotation that come with astropy are used, and for later dates its uniform rotation:
    nothing is downloaded. This moves the drift by less than 1e-6 of itself.
    """
    # Importing astropy takes a second: programs that need no drift start without it.
    from astropy import units
    from astropy.coordinates import EarthLocation, SkyCoord
    from astropy.time import Time
    from astropy.utils import iers

    site = SITES[place.telescope_id]
    with (
        # It warns of dates after its tables.
        warnings.catch_warnings(action="ignore"),
        iers.conf.set_temp("auto_download", False),
        iers.conf.set_temp("auto_max_age", None),
        iers.conf.set_temp("iers_degraded_accuracy", "ignore"),
    ):
        location = EarthLocation.from_geodetic(
            site.longitude_deg * units.deg, site.latitude_deg * units.deg, site.height_m * units.m
        )
        target = SkyCoord(place.ra_hours * 15 * units.deg, place.dec_deg * units.deg)
        half_days = STEP_S / 2 / 86_400
        times = Time([mjd - half_days, mjd + half_days], format="mjd", scale="utc")
        velocity = target.radial_velocity_correction("barycentric", obstime=times, location=location)
        change_m_s2 = float((velocity[1] - velocity[0]).to_value(units.m / units.s)) / STEP_S
    return change_m_s2 / LIGHT_M_S


def warm_up() -> None:
    """Load what the first drift needs, astropy and its tables: a second of work."""
    sky_drift_per_hz(Place(next(iter(SITES)), 0.0, 0.0), J2000_MJD)


def origin_of(drift_hz_s: float, error_hz_s: float, sky_hz_s: float | None) -> str:
    """Return which origin a drift rate agrees with: `ground`, `sky`, `either`, `neither`; `unknown` without an error.

    Parameters
    ----------
    drift_hz_s, error_hz_s
        Of the track in the middle of the cadence.
    sky_hz_s
        What a transmitter fixed in the sky would show; None if it is not known.
    """
    if not error_hz_s < float("inf"):
        return "unknown"
    ground = abs(drift_hz_s) <= AGREES_ERRORS * error_hz_s
    sky = sky_hz_s is not None and abs(drift_hz_s - sky_hz_s) <= AGREES_ERRORS * error_hz_s
    if ground and sky:
        return "either"
    if ground:
        return "ground"
    return "sky" if sky else "neither"
