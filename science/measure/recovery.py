"""Injection and recovery: tones of known frequency, drift and SNR in gamma noise, and their hits.

Each scene has its own seed. Tones are so far apart that their tracks do not meet. One in eight does not drift, one in
eight drifts at an end of the range, the others at random in between. If the scene is cut into chunks, their edges lie
within three channels of the start of a tone.
"""

from collections.abc import Iterable
from concurrent.futures import Executor

import numpy as np

from science.measure.search import chunk_plan, search, tone
from science.simulator import Scene, Tone, make_header, simulate
from shared.arrays import Hits
from shared.header import Header

MAX_DRIFT_HZ_S = 4.0
FOFF_MHZ = 2.7939677238464355e-06
N_CHANNELS = 2**17
# At least as long as the widest tracks and the space between them need.
GAP_CHANNELS = 500
TONES_PER_CHUNK = 24

# Figures of each injected tone; NaN if no hit is at its place.
RECOVERY_DTYPE = np.dtype(
    [
        ("drift_rate_hz_s", float),
        ("snr", float),
        ("snr_ratio", float),  # stated over true
        ("frequency_pull", float),  # (stated - true) / stated error
        ("drift_pull", float),
        ("found", bool),
        ("on_grid", bool),  # drifts by whole steps, so that the stated drift may be exactly right
    ]
)


def header_of(n_spectra: int = 16, foff_sign: int = -1, n_bits: int = 32, n_channels: int = N_CHANNELS) -> Header:
    """Return a high-resolution header; with more than 32 spectra it lasts as long as with 16."""
    fields = {"tsamp_s": 273.804 / (n_spectra - 1)} if n_spectra > 32 else {}
    return make_header(n_channels, n_spectra, foff_mhz=foff_sign * FOFF_MHZ, n_bits=n_bits, **fields)


def injected(
    header: Header, snr: float, seed: int, gap: int = GAP_CHANNELS
) -> tuple[list[Tone], np.ndarray, np.ndarray]:
    """Return tones, their channels and drift rates; tracks are `gap` channels apart, minus up to 200 at random."""
    reach = header.max_drift_steps(MAX_DRIFT_HZ_S)
    spacing = 2 * reach + gap
    rng = np.random.default_rng([seed, 77])
    channels = np.arange(reach + GAP_CHANNELS, header.n_channels - reach - GAP_CHANNELS, spacing, dtype=float)
    channels += rng.uniform(-100, 100, len(channels))
    drifts = rng.uniform(-MAX_DRIFT_HZ_S, MAX_DRIFT_HZ_S, len(channels))
    drifts[::8] = 0.0
    end = header.drift_resolution_hz_s * reach
    drifts[1::8] = end * rng.choice([-1, 1], len(drifts[1::8]))
    tones = [
        tone(header, channel, drift / header.drift_rate_hz_s(1), snr)
        for channel, drift in zip(channels, drifts, strict=True)
    ]
    return tones, channels, drifts


def _hits(header: Header, power: np.ndarray, channels: np.ndarray, seed: int, chunked: bool, pool: Executor) -> Hits:
    if not chunked:
        return search(power, header, pool, max_drift=MAX_DRIFT_HZ_S).hits
    rng = np.random.default_rng([seed, 78])
    at = channels[TONES_PER_CHUNK // 2 :: TONES_PER_CHUNK]
    edges = [0, *(np.rint(at).astype(int) + rng.integers(-3, 4, len(at))), header.n_channels]
    parts = [search(power, header, pool, chunk=chunk).hits for chunk in chunk_plan(header, edges, MAX_DRIFT_HZ_S)]
    return np.concatenate(parts)


def recover(
    header: Header, snr: float, seed: int, pool: Executor, *, chunked: bool = False, gap: int = GAP_CHANNELS
) -> tuple[np.ndarray, int]:
    """Return RECOVERY_DTYPE of each injected tone, and the number of hits that are at no tone's place.

    A hit is at a tone's place if its frequency is within two channels and half of the smear of the true one.
    """
    tones, channels, drifts = injected(header, snr, seed, gap)
    hits = _hits(header, simulate(Scene(header, tuple(tones), seed=seed)), channels, seed, chunked, pool)
    rows, used = np.full(len(tones), np.nan, RECOVERY_DTYPE), set()
    rows["drift_rate_hz_s"], rows["snr"], rows["found"] = drifts, snr, False
    rows["on_grid"] = np.arange(len(tones)) % 8 <= 1
    for row, one in zip(rows, tones, strict=True):
        if not len(hits):
            break
        i = int(np.argmin(np.abs(hits["frequency_hz"] - one.frequency_hz)))
        hit, off = hits[i], hits["frequency_hz"][i] - one.frequency_hz
        smear = abs(one.drift_rate_hz_s) * header.tsamp_s / abs(header.foff_hz)
        if abs(off) > (2 + smear / 2) * abs(header.foff_hz):
            continue
        used.add(i)
        row["found"] = True
        row["snr_ratio"] = hit["snr"] / snr
        row["frequency_pull"] = off / hit["frequency_error_hz"]
        row["drift_pull"] = (hit["drift_rate_hz_s"] - one.drift_rate_hz_s) / hit["drift_rate_error_hz_s"]
    return rows, len(hits) - len(used)


def recover_all(headers: Iterable[Header], snr: float, first_seed: int, pool: Executor) -> tuple[np.ndarray, int]:
    """Run `recover` on one scene per header, every other one in chunks, and join the results."""
    parts = [recover(header, snr, first_seed + k, pool, chunked=k % 2 == 1) for k, header in enumerate(headers)]
    return np.concatenate([rows for rows, _ in parts]), sum(strangers for _, strangers in parts)


def pulls(rows: np.ndarray, name: str) -> np.ndarray:
    """Return (stated - true) / stated error of the recovered tones, without those that drift by whole steps."""
    recovered: np.ndarray = rows[name][rows["found"] & ~rows["on_grid"]]
    return recovered


def within_three(rows: np.ndarray, name: str) -> float:
    """Return the share of the pulls within ±3."""
    return float(np.mean(np.abs(pulls(rows, name)) <= 3))
