"""Emissions of any shape: a spectral profile that follows a track, with its own power in each spectrum.

A transmitter has four parts: a track (straight, curved, a satellite's pass, wandering), a profile in frequency (line,
Gaussian, Lorentzian, box), sidebands, and an envelope in time (pulses, fading). `tones` holds the simple case of a line
with constant drift and an exact SNR.
"""

import math
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from science.simulator.tones import smeared_response
from shared.arrays import Floats
from shared.header import Header

Profile = Literal["line", "gaussian", "lorentzian", "box"]

SPEED_OF_LIGHT_M_S = 299_792_458.0
_FAINTEST_WING_SNR = 0.05
_SHORTEST_REACH = 32
_LONGEST_REACH = 4096
_MOST_SUBSTEPS = 64


@dataclass(frozen=True)
class Emission:
    """One emission of an observation of T spectra.

    Attributes
    ----------
    track_hz : float64 (T + 1,)
        Frequency of its middle at the edges of the spectra; within a spectrum it moves linearly.
    snr : float
        SNR of a matched filter, sqrt(sum of power^2) with power in units of a sample's sigma. For a steady signal that
        fills its box, the search reports this SNR.
    profile : str
        Shape in frequency.
    width_hz : float
        Full width at half maximum, or width of the box; not used for a line.
    envelope : float64 (T,) or None
        Relative power of each spectrum; None for 1.
    sidebands : tuple of (float, float)
        Each (offset in Hz, power relative to the middle).
    self_noise : float
        If positive, each sample scatters like the mean of so many spectra of noise-like power.
    seed : int
        Of that scatter.
    """

    track_hz: Floats
    snr: float
    profile: Profile = "line"
    width_hz: float = 0.0
    envelope: Floats | None = None
    sidebands: tuple[tuple[float, float], ...] = field(default=())
    self_noise: float = 0.0
    seed: int = 0


def edge_times_s(header: Header) -> Floats:
    """Return the edges of the spectra in seconds from the middle of the first: float64 (T + 1,)."""
    times: Floats = (np.arange(header.n_spectra + 1, dtype=np.float64) - 0.5) * header.tsamp_s
    return times


def straight_track(header: Header, frequency_hz: float, drift_rate_hz_s: float = 0.0) -> Floats:
    """Return the track of a constant drift; `frequency_hz` is that in the middle of the first spectrum."""
    return frequency_hz + drift_rate_hz_s * edge_times_s(header)


def curved_track(
    header: Header, frequency_hz: float, drift_rate_hz_s: float, drift_change_hz_s2: float, turn_s: float = 0.0
) -> Floats:
    """Return a parabola: the drift is `drift_rate_hz_s` at `turn_s` and changes by `drift_change_hz_s2` per second."""
    t = edge_times_s(header) - turn_s
    return frequency_hz + drift_rate_hz_s * t + 0.5 * drift_change_hz_s2 * t**2


def pass_track(
    header: Header, frequency_hz: float, closest_s: float, distance_m: float, speed_m_s: float = 7_460.0
) -> Floats:
    """Return the Doppler curve of a satellite on a straight line, closest at `closest_s` at `distance_m`.

    f (1 - v_r / c) with v_r = v^2 t / sqrt(d^2 + v^2 t^2): an S that falls from +f v / c to -f v / c, steepest at the
    closest point with -f v^2 / (c d).
    """
    along = speed_m_s * (edge_times_s(header) - closest_s)
    radial = speed_m_s * along / np.sqrt(distance_m**2 + along**2)
    return frequency_hz * (1 - radial / SPEED_OF_LIGHT_M_S)


def wandering_track(header: Header, frequency_hz: float, step_hz: float, seed: int) -> Floats:
    """Return the track of a wandering oscillator: a random walk of `step_hz` rms from spectrum to spectrum."""
    steps = np.random.default_rng(seed).normal(0.0, step_hz, header.n_spectra + 1)
    track: Floats = frequency_hz + np.cumsum(steps) - steps[0]
    return track


def pulse_train(header: Header, period_s: float, on_s: float, first_s: float) -> Floats:
    """Return the part of each spectrum in which a pulse is on: float64 (T,).

    Pulses last `on_s` and repeat every `period_s`; one begins at `first_s`.
    """
    phase = edge_times_s(header) - first_s
    cycles = np.floor(phase / period_s)
    # Total duration of pulses since `first_s`.
    on_before = cycles * on_s + np.minimum(phase - cycles * period_s, on_s)
    share: Floats = np.diff(on_before) / header.tsamp_s
    return share


def fading(header: Header, depth: float, coherence_s: float, seed: int) -> Floats:
    """Return slow changes of power, float64 (T,): mean about 1, scatter `depth`, coherent over `coherence_s`."""
    rng = np.random.default_rng(seed)
    keep = math.exp(-header.tsamp_s / coherence_s)
    level = np.empty(header.n_spectra)
    state = rng.normal()
    for t in range(header.n_spectra):
        level[t] = state
        state = keep * state + math.sqrt(1 - keep**2) * rng.normal()
    return np.maximum(0.0, 1 + depth * level)


def _shape(profile: Profile, distance: Floats, width: float) -> Floats:
    """Return the power at `distance` channels from the middle, where it is 1; `width` is in channels, at least one."""
    if profile == "gaussian":
        return np.exp(-4 * math.log(2) * (distance / width) ** 2)
    if profile == "lorentzian":
        return 1 / (1 + (2 * distance / width) ** 2)
    # The edge of a box fills part of a channel.
    return np.clip(width / 2 - np.abs(distance) + 0.5, 0.0, 1.0)


def _reach(emission: Emission, width: float) -> int:
    """Return the number of channels to compute on either side of the middle."""
    if emission.profile == "line":
        wing = math.ceil(math.sqrt(max(emission.snr, 0.0) / _FAINTEST_WING_SNR) / math.pi) + _SHORTEST_REACH
        return min(wing, _LONGEST_REACH)
    return math.ceil({"gaussian": 2.0, "lorentzian": 8.0, "box": 0.6}[emission.profile] * width) + 2


def _row(emission: Emission, distance: Floats, move: float, width: float) -> Floats:
    """Return the mean profile over one spectrum in which the middle moves by `move` channels."""
    if emission.profile == "line":
        return smeared_response(distance, move)
    substeps = min(_MOST_SUBSTEPS, 1 + math.ceil(4 * abs(move) / width))
    places = ((np.arange(substeps) + 0.5) / substeps - 0.5) * move
    mean: Floats = np.mean([_shape(emission.profile, distance - place, width) for place in places], axis=0)
    return mean


def emission_power(header: Header, emission: Emission) -> tuple[int, Floats]:
    """Return (first channel, float64 (T, channels)): an emission in units of a sample's sigma.

    The region may reach beyond the file's channels.
    """
    edges = (emission.track_hz - header.frequency_hz(0)) / header.foff_hz
    middle, move = (edges[1:] + edges[:-1]) / 2, np.diff(edges)
    width = max(1.0, emission.width_hz / abs(header.foff_hz))
    lines = [(0.0, 1.0), *((offset / header.foff_hz, power) for offset, power in emission.sidebands)]
    reach = _reach(emission, width) + math.ceil(float(np.abs(move).max()))
    furthest = max(abs(offset) for offset, _ in lines)
    first = math.floor(float(edges.min()) - furthest) - reach
    channels = np.arange(first, math.ceil(float(edges.max()) + furthest) + reach + 1, dtype=np.float64)
    envelope = np.ones(header.n_spectra) if emission.envelope is None else emission.envelope
    power = np.zeros((header.n_spectra, len(channels)))
    for t in range(header.n_spectra):
        for offset, strength in lines:
            power[t] += envelope[t] * strength * _row(emission, channels - middle[t] - offset, float(move[t]), width)
    if emission.self_noise > 0:
        scatter = np.random.default_rng(emission.seed).standard_gamma(emission.self_noise, power.shape)
        power *= scatter / emission.self_noise
    total = math.sqrt(float(np.sum(power**2)))
    return first, power * (emission.snr / total if total > 0 else 0.0)
