"""Tones in files that both Waterhole and turboSETI search."""

from collections.abc import Callable
from concurrent.futures import Executor
from pathlib import Path

import numpy as np

from science.measure import turboseti
from science.measure.recovery import header_of, injected
from science.measure.search import search
from science.simulator import Scene, Tone, simulate, write_fil, write_h5
from shared.header import Header

N_CHANNELS = 2**18
# turboSETI deletes weaker hits within 800 channels of a stronger one.
GAP_CHANNELS = 2000
SNRS = (8.0, 10.0, 11.0, 12.5, 15.0, 20.0, 30.0, 50.0, 100.0)
# On flat noise turboSETI's SNR is larger by this factor, because its spread leaves out the tails.
TURBOSETI_SNR_UNIT = 1.267
# A hit belongs to a tone within this distance of its first frequency, plus half of its smear.
NEAR_CHANNELS = 3.0

ROW_DTYPE = np.dtype(
    [
        ("n_bits", int),
        ("snr", float),
        ("drift_rate_hz_s", float),
        ("ours", float),  # stated SNR over true, NaN where it is not found
        ("ours_drift_off", float),
        ("turboseti", float),
        ("turboseti_drift_off", float),
    ]
)


def _match(
    frequency_hz: np.ndarray, drift: np.ndarray, snr: np.ndarray, true_hz: float, true_drift: float, reach_hz: float
) -> tuple[float, float]:
    """Return (SNR, drift error) of the strongest hit within reach of a tone; NaN if there is none."""
    near = np.flatnonzero(np.abs(frequency_hz - true_hz) <= reach_hz)
    if not len(near):
        return np.nan, np.nan
    i = near[np.argmax(snr[near])]
    return float(snr[i]), float(drift[i] - true_drift)


def compare(folder: Path, pool: Executor, tell: Callable[[str], None]) -> np.ndarray:
    """Return ROW_DTYPE of every tone in files of each of `SNRS`, and of 8 bits at SNR 20.

    turboSETI's SNRs are converted to the calibrated unit; they are NaN if it is not installed.
    """
    plan = [(32, snr) for snr in SNRS] + [(8, 20.0)]
    paths, all_rows, truths = [], [], []
    for k, (n_bits, snr) in enumerate(plan):
        header = header_of(n_bits=n_bits, n_channels=N_CHANNELS)
        tones, _, drifts = injected(header, snr, 900 + k, gap=GAP_CHANNELS)
        power = simulate(Scene(header, tuple(tones), seed=900 + k))
        # Its reader of .fil casts 8 bits and overflows in sums; so does that of .h5.
        path = folder / f"{n_bits}_bits_snr_{snr:g}.{'fil' if n_bits == 8 else 'h5'}"
        (write_fil if n_bits == 8 else write_h5)(path, header, power)
        hits = search(power, header, pool).hits
        rows = np.full(len(tones), np.nan, ROW_DTYPE)
        rows["n_bits"], rows["snr"], rows["drift_rate_hz_s"] = n_bits, snr, drifts
        for row, one in zip(rows, tones, strict=True):
            found, off = _match(hits["frequency_hz"], hits["drift_rate_hz_s"], hits["snr"], *_place(header, one))
            row["ours"], row["ours_drift_off"] = found / snr, off
        paths.append(path)
        all_rows.append(rows)
        truths.append((header, tones, snr))
        tell(path.name)
    if turboseti.is_installed():
        tell("turboSETI")
        theirs = turboseti.hits_of(paths)
        for path, rows, (header, tones, snr) in zip(paths, all_rows, truths, strict=True):
            table = np.array(theirs[str(path)]).reshape(-1, 3)
            for row, one in zip(rows, tones, strict=True):
                found, off = _match(table[:, 0] * 1e6, table[:, 1], table[:, 2], *_place(header, one))
                row["turboseti"], row["turboseti_drift_off"] = found / TURBOSETI_SNR_UNIT / snr, off
    return np.concatenate(all_rows)


def _place(header: Header, one: Tone) -> tuple[float, float, float]:
    """Return (frequency, drift rate, reach in Hz) of a tone."""
    smear = abs(one.drift_rate_hz_s) * header.tsamp_s
    return one.frequency_hz, one.drift_rate_hz_s, NEAR_CHANNELS * abs(header.foff_hz) + smear / 2
