"""Scans with hits of emitters on known tracks, as the search lists them."""

from typing import NamedTuple

import numpy as np

from services.classify.cadence.scans import Scan, ScanHits
from shared.header import Header

TSAMP_S, CHANNEL_HZ, N_SPECTRA = 18.253611008, 2.7939677238464355, 16
SPACING_S = 318.0
BAND_HZ = (8419e6, 8422e6)
MJD = 59046.92634259259


class Emitter(NamedTuple):
    """f(t) = frequency + drift t + change t^2 / 2, t from the start of the first scan; SNR in each scan (0: absent)."""

    frequency_hz: float
    drift_hz_s: float
    change_hz_s2: float
    snr: tuple[float, ...]


def header(*, foff_hz=-CHANNEL_HZ, telescope_id=6, ra_hours=17.16, dec_deg=12.2, mjd=MJD):
    first = BAND_HZ[1] if foff_hz < 0 else BAND_HZ[0]
    return Header(
        file_format="h5",
        n_spectra=N_SPECTRA,
        n_channels=int((BAND_HZ[1] - BAND_HZ[0]) / CHANNEL_HZ),
        n_ifs=1,
        n_bits=32,
        fch1_mhz=first / 1e6,
        foff_mhz=foff_hz / 1e6,
        tsamp_s=TSAMP_S,
        tstart_mjd=mjd,
        telescope_id=telescope_id,
        ra_hours=ra_hours,
        dec_deg=dec_deg,
    )


def scan(place, role, emitters, *, rng=None, foff_hz=-CHANNEL_HZ, start_s=None, records=False, more=()):
    """One scan; frequencies and drifts scatter by their stated errors if `rng` is given.

    `more` are hits on no track: frequency, drift rate and SNR.
    """
    start = SPACING_S * place if start_s is None else start_s
    duration = N_SPECTRA * TSAMP_S
    span, first = duration - TSAMP_S, start + TSAMP_S / 2
    rows = []
    for emitter in emitters:
        snr = emitter.snr[place]
        if snr <= 0:
            continue
        middle, slope = first + span / 2, CHANNEL_HZ / span
        middle_error, drift_error = 0.3 * CHANNEL_HZ, 0.6 * slope
        draw = rng.normal(size=2) if rng is not None else np.zeros(2)
        f, d, c = emitter.frequency_hz, emitter.drift_hz_s, emitter.change_hz_s2
        drift = d + c * middle + drift_error * draw[0]
        at = f + d * middle + c * (middle**2 / 2 + span**2 / 24) + middle_error * draw[1] - drift * span / 2
        rows.append((at, np.hypot(middle_error, drift_error * span / 2), drift, drift_error, snr))
    rows += [(f, CHANNEL_HZ, d, 0.6 * CHANNEL_HZ / span, snr) for f, d, snr in more]
    table = np.array(rows, np.float64).reshape(-1, 5)
    hits = ScanHits(
        id=np.arange(len(table)),
        frequency_hz=table[:, 0],
        frequency_error_hz=table[:, 1],
        drift_rate_hz_s=table[:, 2],
        drift_rate_error_hz_s=table[:, 3],
        snr=table[:, 4],
        bandwidth_hz=np.full(len(table), CHANNEL_HZ),
        records=[record(number, snr) for number, snr in enumerate(table[:, 4])] if records else (),
    )
    return Scan(
        role=role,
        file_name=f"{place}.h5",
        source_name="target" if role == "on" else "elsewhere",
        job_id=f"job-{place}",
        tstart_mjd=MJD + start / 86_400,
        duration_s=duration,
        tsamp_s=TSAMP_S,
        channel_width_hz=foff_hz,
        band_hz=BAND_HZ,
        hits=hits,
        header=header(foff_hz=foff_hz, mjd=MJD + start / 86_400, dec_deg=12.2 if role == "on" else 15.2),
    )


def record(number, snr, classification="NARROWBAND_DRIFTING", rfi_source=""):
    """The fields of a hit of `results.json` that the rule reads."""
    return {
        "id": number,
        "snr": snr,
        "classification": classification,
        "rfi_source": rfi_source,
        "group": number,
        "novelty": 0.5,
        "interestingness_components": {"confidence": 0.97},
    }


def cadence(emitters, *, roles="AbAbAb", rng=None, **more):
    """Scans in order of time: A is ON, b is OFF."""
    return [
        scan(place, "on" if letter == "A" else "off", emitters, rng=rng, **more) for place, letter in enumerate(roles)
    ]
