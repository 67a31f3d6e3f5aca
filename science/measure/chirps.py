"""Tones whose drift rate changes: how many are found, with what SNR and curvature."""

from concurrent.futures import Executor

import numpy as np

from science.measure.search import search
from science.simulator import Scene, make_header, simulate
from science.simulator.emissions import Emission, curved_track

N_CHANNELS, SPACING = 2**18, 4000
NUMBER = 60
CHIRP_DTYPE = np.dtype(
    [
        ("bend_channels", float),  # distance of the track from its chord in the middle, with sign
        ("hits", int),  # listed within 100 channels of its start
        ("snr_ratio", float),  # `curved_snr` over the true one
        ("straight_ratio", float),  # `snr` over the true one
        ("curved", bool),  # whether the hit has a curvature
        ("curvature_pull", float),  # (stated - true curvature) / stated error
    ]
)


def chirps(
    n_spectra: int, snr: float, most_bend: float, seed: int, pool: Executor, *, search_chirps: bool
) -> np.ndarray:
    """Return a row of `CHIRP_DTYPE` for each of `NUMBER` tones of one SNR, with bends up to `most_bend` channels."""
    header = make_header(N_CHANNELS, n_spectra)
    span_s = (n_spectra - 1) * header.tsamp_s
    rng = np.random.default_rng(seed)
    rows, emissions, truth = np.zeros(NUMBER, CHIRP_DTYPE), [], []
    for k in range(NUMBER):
        bend = rng.uniform(-most_bend, most_bend)
        curvature, drift = -8 * bend * header.foff_hz / span_s**2, rng.uniform(-3.0, 3.0)
        start_hz = header.frequency_hz(SPACING * (k + 1) + rng.random())
        emissions.append(Emission(curved_track(header, start_hz, drift - curvature * span_s / 2, curvature), snr))
        truth.append((start_hz, curvature))
        rows[k]["bend_channels"] = bend
    power = simulate(Scene(header, seed=seed, emissions=tuple(emissions)))
    hits = search(power, header, pool, chirps=search_chirps).hits
    for row, (start_hz, curvature) in zip(rows, truth, strict=True):
        near = hits[np.abs(hits["frequency_hz"] - start_hz) < 100 * abs(header.foff_hz)]
        row["hits"] = len(near)
        if len(near) == 0:
            row["snr_ratio"] = row["straight_ratio"] = row["curvature_pull"] = np.nan
            continue
        best = near[np.argmax(near["curved_snr"])]
        row["snr_ratio"], row["straight_ratio"] = best["curved_snr"] / snr, best["snr"] / snr
        row["curved"] = best["curvature_hz_s2"] != 0
        row["curvature_pull"] = (best["curvature_hz_s2"] - curvature) / best["curvature_error_hz_s2"]
    return rows
