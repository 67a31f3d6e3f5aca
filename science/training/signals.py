"""The training observations: grids of real products, and signals drawn in Hz, Hz/s, s and SNR.

The shapes are defined by what is simulated, with a gap between neighbouring shapes (nothing is drawn where the
difference is a matter of convention):

- NARROWBAND_STATIONARY: at most 350 Hz (6 channels) wide, moves by under 0.7 channel in all. Also modulated carriers
  with side lobes, and oscillators that wander by a third of a channel.
- NARROWBAND_DRIFTING: as wide, moves by at least 3 channels, and by enough to differ from no drift.
- BROADBAND: at least 700 Hz and 12 channels wide: steady or in bursts, noise-like or not, flat or peaked.
- PULSED: narrow, spread over at most 0.42 of the time, at least two spectra.
- CHIRP: narrow, its track bends away from its chord by at least three channels and its own width.
- NOISE: a glitch in one spectrum, and everything that the search reports where no emission is.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from science.simulator import emissions as sim
from science.simulator.emissions import Emission
from science.simulator.scene import Scene, make_header, pfb_bandpass
from services.classify.evidence import broad_limit_hz, drift_scatter_steps
from shared.arrays import Floats
from shared.header import Header
from shared.labels import BROADBAND, CHIRP, NARROWBAND_DRIFTING, NARROWBAND_STATIONARY, NOISE, PULSED, SHAPES

Rng = np.random.Generator


@dataclass(frozen=True)
class Grid:
    """A product's channel width (Hz), time per spectrum (s) and spectra; channels simulated, and drifts searched."""

    foff_hz: float
    tsamp_s: float
    n_spectra: int
    n_channels: int
    max_drift_hz_s: float
    weight: float


GRIDS = (
    Grid(-2.7939677, 18.253611, 16, 2**16, 4.0, 5.0),
    Grid(-2.8421709, 17.979848, 16, 2**16, 4.0, 2.0),
    Grid(2.9304332, 17.400960, 16, 2**16, 4.0, 2.0),
    Grid(-2.7939677, 18.253611, 15, 2**16, 2.0, 1.0),
    Grid(-2.7939677, 18.253611, 17, 2**16, 10.0, 1.0),
    Grid(-2.7939677, 18.253611, 32, 2**16, 2.0, 1.5),
    Grid(-1.3969838, 1.431656, 32, 2**16, 10.0, 2.0),
    Grid(-1.3969838, 1.431656, 60, 2**16, 4.0, 2.0),
    Grid(-2.7939677, 18.253611, 60, 2**15, 1.0, 1.0),
    Grid(-1.3969838, 1.431656, 150, 2**15, 2.0, 0.7),
    Grid(-2.7939677, 18.253611, 4, 2**16, 4.0, 0.5),
    Grid(-2.7939677, 18.253611, 8, 2**16, 4.0, 0.5),
    Grid(-2860.0, 1.073742, 60, 2**15, 4.0, 1.0),
)
FEWEST_SPECTRA_FOR_TIME = 8
SLOT_CHANNELS, COARSE_CHANNELS = 4096, 2**20
SNR_RANGE = (6.0, 1500.0)
THRESHOLDS = (10.0, 8.0, 5.5)
SCATTERS_FROM_NONE = 7.5  # times the drift's scatter: the smallest drift that is drawn as drifting


@dataclass(frozen=True)
class Observation:
    """A scene to simulate and the search's parameters; `truths[i]` is the shape of `scene.emissions[i]`."""

    scene: Scene
    truths: tuple[str, ...]
    snr_threshold: float
    max_drift_hz_s: float


def log_uniform(rng: Rng, low: float, high: float) -> float:
    """Draw a number whose logarithm is uniform."""
    return float(np.exp(rng.uniform(np.log(low), np.log(max(high, low * 1.0001)))))


def _narrow_profile(rng: Rng, header: Header, widest_hz: float = 350.0) -> dict[str, Any]:
    """Draw profile and width of a narrow signal; half of them are plain lines."""
    channel = abs(header.foff_hz)
    widest = min(widest_hz, 6 * channel) if channel > 50 else widest_hz
    if rng.random() < 0.5 or widest <= channel:
        return {"profile": "line"}
    return {"profile": rng.choice(["gaussian", "lorentzian", "box"]), "width_hz": log_uniform(rng, channel, widest)}


def _sidebands(rng: Rng, header: Header, width_hz: float) -> tuple[tuple[float, float], ...]:
    """Draw sidebands of an amplitude- or frequency-modulated carrier, apart from it; none in three of four cases."""
    if rng.random() < 0.75:
        return ()
    channel = abs(header.foff_hz)
    offset = log_uniform(rng, max(15 * channel, 3 * width_hz), max(400 * channel, 6 * width_hz))
    strength = log_uniform(rng, 0.02, 0.5)
    orders = (1,) if rng.random() < 0.6 else (1, 2, 3)
    return tuple((sign * k * offset, strength / k) for k in orders for sign in (-1, 1))


def _steady(rng: Rng, header: Header, seed: int) -> dict[str, Any]:
    """Draw an envelope without gaps: constant, or fading by up to 0.5."""
    if rng.random() < 0.5:
        return {}
    depth = rng.uniform(0.05, 0.5)
    return {"envelope": sim.fading(header, depth, log_uniform(rng, 1.0, 30.0) * header.tsamp_s, seed)}


def fewest_steps(width_channels: float, snr: float) -> float:
    """Return the steps of the drift grid from which a drift differs from none."""
    return max(3.0, SCATTERS_FROM_NONE * drift_scatter_steps(width_channels, snr))


def _drifting(rng: Rng, header: Header, hz: float, snr: float, max_drift: float, seed: int) -> Emission | None:
    profile = _narrow_profile(rng, header)
    width = profile.get("width_hz", 0.0) / abs(header.foff_hz) + 1
    least = fewest_steps(width, snr) * header.drift_resolution_hz_s
    if least > 0.9 * max_drift:
        return None
    drift = float(rng.choice([-1, 1])) * log_uniform(rng, least, 0.98 * max_drift)
    track = sim.straight_track(header, hz, drift)
    return Emission(
        track,
        snr,
        sidebands=_sidebands(rng, header, profile.get("width_hz", 0.0)),
        **profile,
        **_steady(rng, header, seed),
    )


def _stationary(rng: Rng, header: Header, hz: float, snr: float, max_drift: float, seed: int) -> Emission:
    track = sim.straight_track(header, hz, rng.uniform(-0.7, 0.7) * header.drift_resolution_hz_s)
    if rng.random() < 0.3:
        step = 0.33 * abs(header.foff_hz) / np.sqrt(header.n_spectra)
        track = sim.wandering_track(header, hz, step, seed)
    profile = _narrow_profile(rng, header)
    return Emission(
        track,
        snr,
        sidebands=_sidebands(rng, header, profile.get("width_hz", 0.0)),
        **profile,
        **_steady(rng, header, seed),
    )


def _broadband(rng: Rng, header: Header, hz: float, snr: float, max_drift: float, seed: int) -> Emission:
    channel = abs(header.foff_hz)
    limit = broad_limit_hz(channel)
    width = log_uniform(rng, max(1.4 * limit, 12 * channel), max(8 * limit, 40 * channel))
    drift = 0.0 if rng.random() < 0.6 else rng.uniform(-1, 1) * min(1.0, max_drift)
    envelope = None
    if rng.random() < 0.4:
        on = log_uniform(rng, 1.0, header.n_spectra) * header.tsamp_s
        envelope = sim.pulse_train(
            header, 2 * header.duration_s, on, rng.uniform(0, header.duration_s - header.tsamp_s)
        )
    noisy = 51.0 if rng.random() < 0.5 else 0.0
    # The power of a wide emission is spread over many channels, so strong ones are common.
    return Emission(
        sim.straight_track(header, hz, drift),
        snr * 3,
        profile=rng.choice(["gaussian", "box", "lorentzian"]),
        width_hz=width,
        envelope=envelope,
        self_noise=noisy,
        seed=seed,
    )


def occupied(envelope: Floats) -> float:
    """Return the share of the time over which power is spread: (sum p)^2 / (N sum p^2)."""
    return float(envelope.sum() ** 2 / (len(envelope) * np.sum(envelope**2))) if envelope.any() else 0.0


def pulses(rng: Rng, header: Header) -> Floats:
    """Draw an envelope of pulses, or of one burst, that fills at most 0.42 of the time and at least two spectra."""
    while True:
        period = log_uniform(rng, 2.5, 2 * header.n_spectra) * header.tsamp_s
        on = rng.uniform(0.08, 0.4) * period
        envelope = sim.pulse_train(header, period, on, rng.uniform(-period, period))
        if envelope.any() and envelope.max() < 0.7 * envelope.sum() and occupied(envelope) <= 0.42:
            return envelope


def _pulsed(rng: Rng, header: Header, hz: float, snr: float, max_drift: float, seed: int) -> Emission | None:
    if header.n_spectra < FEWEST_SPECTRA_FOR_TIME:
        return None
    drift = 0.0 if rng.random() < 0.4 else rng.uniform(-1, 1) * max_drift * 0.9
    track = sim.straight_track(header, hz, drift)
    return Emission(track, snr, envelope=pulses(rng, header), **_narrow_profile(rng, header, 200.0))


def _chirp(rng: Rng, header: Header, hz: float, snr: float, max_drift: float, seed: int) -> Emission | None:
    channel = abs(header.foff_hz)
    if header.n_spectra < FEWEST_SPECTRA_FOR_TIME or channel > 50:
        return None
    profile = _narrow_profile(rng, header, 60.0)
    width = profile.get("width_hz", 0.0) / channel + 1
    sag = log_uniform(rng, 3 + width, 80.0)  # channels from the chord: a quarter of the bend
    span = header.n_spectra * header.tsamp_s
    change = float(rng.choice([-1, 1])) * 8 * sag * channel / span**2
    turn = rng.uniform(0, span)
    if rng.random() < 0.25:
        # The Doppler curve of a satellite at its closest approach, slowed to the drifts that are searched.
        distance = log_uniform(rng, 8e5, 4e7)
        track = sim.pass_track(header, hz, turn, distance, speed_m_s=np.sqrt(max_drift * 3e8 * distance / hz))
        bend = float(np.abs(track - np.linspace(track[0], track[-1], len(track))).max())
        if not 3 + width <= bend / channel <= 80:
            track = sim.curved_track(header, hz, 0.0, change, turn)
    else:
        track = sim.curved_track(header, hz, rng.uniform(-0.6, 0.6) * max_drift, change, turn)
    return Emission(track, snr, **profile, **_steady(rng, header, seed))


def _glitch(rng: Rng, header: Header, hz: float, snr: float, max_drift: float, seed: int) -> Emission | None:
    if header.n_spectra < FEWEST_SPECTRA_FOR_TIME:
        return None
    envelope = np.zeros(header.n_spectra)
    envelope[rng.integers(header.n_spectra)] = 1.0
    profile = _narrow_profile(rng, header)
    return Emission(sim.straight_track(header, hz), max(snr, 12.0), envelope=envelope, **profile)


DRAW = {
    NARROWBAND_DRIFTING: _drifting,
    NARROWBAND_STATIONARY: _stationary,
    BROADBAND: _broadband,
    PULSED: _pulsed,
    CHIRP: _chirp,
    NOISE: _glitch,
}


def _part_of_a_coarse_channel(rng: Rng, n_channels: int) -> Floats:
    """Draw the gain over a part of a coarse channel of 2^20 fine ones: in half of the cases its edge."""
    first = 0 if rng.random() < 0.5 else int(rng.integers(COARSE_CHANNELS - n_channels))
    return pfb_bandpass(COARSE_CHANNELS, COARSE_CHANNELS, depth=0.5)[first : first + n_channels]


def draw_observation(seed: int) -> Observation:
    """Draw one observation: a grid, a bandpass, a number of bits, and a signal in most of its slots."""
    rng = np.random.default_rng([seed, 20161122])
    weights = np.array([grid.weight for grid in GRIDS])
    grid = GRIDS[rng.choice(len(GRIDS), p=weights / weights.sum())]
    bits = int(rng.choice([32, 8, 16], p=[0.6, 0.3, 0.1]))
    header = make_header(
        grid.n_channels,
        grid.n_spectra,
        fch1_mhz=float(rng.uniform(1100, 9000)),
        foff_mhz=grid.foff_hz / 1e6,
        tsamp_s=grid.tsamp_s,
        n_bits=bits,
    )
    bandpass = _part_of_a_coarse_channel(rng, grid.n_channels) if rng.random() < 0.5 else None
    found, truths = [], []
    for slot in range(grid.n_channels // SLOT_CHANNELS):
        shape = str(rng.choice(SHAPES))
        hz = header.frequency_hz((slot + rng.uniform(0.3, 0.7)) * SLOT_CHANNELS)
        snr = log_uniform(rng, *SNR_RANGE)
        emission = DRAW[shape](rng, header, hz, snr, grid.max_drift_hz_s, seed * 1000 + slot)
        if emission is not None:
            found.append(emission)
            truths.append(shape)
    threshold = float(rng.choice(THRESHOLDS, p=[0.6, 0.25, 0.15]))
    shape_of_noise = float(rng.choice([51.0, 102.0]))
    scene = Scene(
        header, averaged_spectra=shape_of_noise, bandpass=bandpass, seed=seed, emissions=tuple(found), mean=100.0
    )
    return Observation(scene, tuple(truths), threshold, grid.max_drift_hz_s)
