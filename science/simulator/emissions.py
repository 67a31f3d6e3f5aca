"""Emissions of any shape: a spectral profile that follows a track, with its own power in each spectrum.

Transmitters are put together from four things: a track (straight, bent, a satellite's pass, wandering), a profile in
frequency (a line, a hump, a flat box), sidebands, and an envelope in time (pulses, fading). `tones` holds the plain
case of a line with constant drift and an exact SNR.
"""

import math
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from science.simulator.tones import FloatArray, smeared_response
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

    `track_hz` (T + 1,) is the frequency of its middle at the edges of the spectra; within a spectrum it moves linearly.
    `snr` is that of a matched filter, sqrt(sum of power^2) with power in units of a sample's sigma: for a steady signal
    that fills its box, what the search reports. `width_hz` is the full width at half maximum, or of the box; a line has
    none. `envelope` (T,) is the relative power of each spectrum, `sidebands` are (offset in Hz, power relative to the
    middle). With `self_noise` > 0 each sample scatters like the mean of so many spectra of noise-like power (from
    `seed`).
    """

    track_hz: FloatArray
    snr: float
    profile: Profile = "line"
    width_hz: float = 0.0
    envelope: FloatArray | None = None
    sidebands: tuple[tuple[float, float], ...] = field(default=())
    self_noise: float = 0.0
    seed: int = 0


def edge_times_s(header: Header) -> FloatArray:
    """Edges of the spectra, s, from the middle of the first: (T + 1,)."""
    times: FloatArray = (np.arange(header.n_spectra + 1, dtype=np.float64) - 0.5) * header.tsamp_s
    return times


def straight_track(header: Header, frequency_hz: float, drift_rate_hz_s: float = 0.0) -> FloatArray:
    """A constant drift; `frequency_hz` holds in the middle of the first spectrum."""
    return frequency_hz + drift_rate_hz_s * edge_times_s(header)


def curved_track(
    header: Header, frequency_hz: float, drift_rate_hz_s: float, drift_change_hz_s2: float, turn_s: float = 0.0
) -> FloatArray:
    """A parabola: the drift is `drift_rate_hz_s` at `turn_s` and changes by `drift_change_hz_s2` each second."""
    t = edge_times_s(header) - turn_s
    return frequency_hz + drift_rate_hz_s * t + 0.5 * drift_change_hz_s2 * t**2


def pass_track(
    header: Header, frequency_hz: float, closest_s: float, distance_m: float, speed_m_s: float = 7_460.0
) -> FloatArray:
    """The Doppler curve of a satellite that flies by on a straight line, nearest at `closest_s` at `distance_m`.

    f (1 - v_r / c) with v_r = v^2 t / sqrt(d^2 + v^2 t^2): an S that falls from +f v / c to -f v / c, steepest at the
    nearest point with -f v^2 / (c d).
    """
    along = speed_m_s * (edge_times_s(header) - closest_s)
    radial = speed_m_s * along / np.sqrt(distance_m**2 + along**2)
    return frequency_hz * (1 - radial / SPEED_OF_LIGHT_M_S)


def wandering_track(header: Header, frequency_hz: float, step_hz: float, seed: int) -> FloatArray:
    """An oscillator that wanders: a random walk of `step_hz` rms from spectrum to spectrum."""
    steps = np.random.default_rng(seed).normal(0.0, step_hz, header.n_spectra + 1)
    track: FloatArray = frequency_hz + np.cumsum(steps) - steps[0]
    return track


def pulse_train(header: Header, period_s: float, on_s: float, first_s: float) -> FloatArray:
    """Share of each spectrum in which a pulse of `on_s` every `period_s` is on; one begins at `first_s`. (T,)."""
    phase = edge_times_s(header) - first_s
    cycles = np.floor(phase / period_s)
    # Time that pulses were on since the one at `first_s` began.
    on_before = cycles * on_s + np.minimum(phase - cycles * period_s, on_s)
    share: FloatArray = np.diff(on_before) / header.tsamp_s
    return share


def fading(header: Header, depth: float, coherence_s: float, seed: int) -> FloatArray:
    """Slow changes of power, mean about 1, relative scatter `depth`, that forget themselves in `coherence_s`. (T,)."""
    rng = np.random.default_rng(seed)
    keep = math.exp(-header.tsamp_s / coherence_s)
    level = np.empty(header.n_spectra)
    state = rng.normal()
    for t in range(header.n_spectra):
        level[t] = state
        state = keep * state + math.sqrt(1 - keep**2) * rng.normal()
    return np.maximum(0.0, 1 + depth * level)


def _shape(profile: Profile, distance: FloatArray, width: float) -> FloatArray:
    """Power at `distance` channels from the middle, 1 there; `width` in channels, at least one."""
    if profile == "gaussian":
        return np.exp(-4 * math.log(2) * (distance / width) ** 2)
    if profile == "lorentzian":
        return 1 / (1 + (2 * distance / width) ** 2)
    # A box's edge fills a channel in part.
    return np.clip(width / 2 - np.abs(distance) + 0.5, 0.0, 1.0)


def _reach(emission: Emission, width: float) -> int:
    """Channels beside the middle to compute."""
    if emission.profile == "line":
        wing = math.ceil(math.sqrt(max(emission.snr, 0.0) / _FAINTEST_WING_SNR) / math.pi) + _SHORTEST_REACH
        return min(wing, _LONGEST_REACH)
    return math.ceil({"gaussian": 2.0, "lorentzian": 8.0, "box": 0.6}[emission.profile] * width) + 2


def _row(emission: Emission, distance: FloatArray, move: float, width: float) -> FloatArray:
    """Mean profile over one spectrum in which the middle moves by `move` channels."""
    if emission.profile == "line":
        return smeared_response(distance, move)
    substeps = min(_MOST_SUBSTEPS, 1 + math.ceil(4 * abs(move) / width))
    places = ((np.arange(substeps) + 0.5) / substeps - 0.5) * move
    mean: FloatArray = np.mean([_shape(emission.profile, distance - place, width) for place in places], axis=0)
    return mean


def emission_power(header: Header, emission: Emission) -> tuple[int, FloatArray]:
    """Power in units of a sample's sigma: (first channel, array of (T, channels)); it may reach beyond the file."""
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
