"""The content of a simulated observation, and its spectra."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from science.simulator.emissions import Emission, emission_power
from science.simulator.tones import Tone, tone_power
from shared.arrays import Floats, Power
from shared.header import GREEN_BANK_TELESCOPE_ID, Header

BL_FCH1_MHZ = 8421.386717353016
BL_FOFF_MHZ = -2.7939677238464355e-06
BL_TSAMP_S = 18.253611008
BL_AVERAGED_SPECTRA = 51


def make_header(n_channels: int, n_spectra: int = 16, **fields: Any) -> Header:
    """Return the header of Breakthrough Listen's high-resolution product at Green Bank, with `fields` replaced.

    By default there are no coarse channels and no DC spikes: set `coarse_channel_width` and `has_dc_spike`.
    """
    defaults: dict[str, Any] = {
        "file_format": "fil",
        "n_ifs": 1,
        "n_bits": 32,
        "fch1_mhz": BL_FCH1_MHZ,
        "foff_mhz": BL_FOFF_MHZ,
        "tsamp_s": BL_TSAMP_S,
        "tstart_mjd": 57650.78209490741,
        "source_name": "Simulated",
        "ra_hours": 17.167773333,
        "dec_deg": 12.183,
        "telescope_id": GREEN_BANK_TELESCOPE_ID,
    }
    return Header(n_channels=n_channels, n_spectra=n_spectra, **(defaults | fields))


@dataclass(frozen=True)
class Scene:
    """An observation to simulate.

    Tones add their power without the scatter that the power of a real tone has.

    Attributes
    ----------
    header : Header
        Grid of channels and spectra.
    tones : tuple of Tone
        Lines of constant drift.
    mean : float
        Mean of the noise, raw units.
    averaged_spectra : float
        Shape of the gamma distribution of the noise.
    bandpass : float64 (channels,) or None
        Gain of noise and signals; None for 1.
    dc_spike : float
        DC spike of each coarse channel, in units of the mean.
    seed : int
        Of the noise.
    emissions : tuple of Emission
        Signals of other shapes.
    """

    header: Header
    tones: tuple[Tone, ...] = ()
    mean: float = 100.0
    averaged_spectra: float = BL_AVERAGED_SPECTRA
    bandpass: Floats | None = None
    dc_spike: float = 30.0
    seed: int = 1
    emissions: tuple[Emission, ...] = ()

    @property
    def sigma(self) -> float:
        """Return the standard deviation of a sample where the gain is 1."""
        return float(self.mean / np.sqrt(self.averaged_spectra))


def _add_within(row: Power, first: int, values: Floats) -> None:
    """Add `values` to `row` from channel `first` on; ignore values beyond the row's ends."""
    low, high = max(first, 0), min(first + len(values), len(row))
    if low < high:
        row[low:high] += values[low - first : high - first].astype(np.float32)


def _quantised(row: Power, header: Header) -> Power:
    if header.n_bits >= 32:
        return row
    lowest = -(2 ** (header.n_bits - 1)) if header.signed else 0
    return np.clip(np.rint(row), lowest, lowest + 2**header.n_bits - 1, out=row)


def spectra(scene: Scene) -> Iterator[Power]:
    """Yield the spectra one at a time, each float32 (channels,), so that only one is in memory.

    Spectrum `t` depends only on the seed and on `t`. With fewer than 32 bits the values are rounded and clipped.
    """
    header = scene.header
    signals = [tone_power(header, tone) for tone in scene.tones]
    signals += [emission_power(header, emission) for emission in scene.emissions]
    scale = np.float32(scene.mean / scene.averaged_spectra)
    width = header.coarse_channel_width
    for t in range(header.n_spectra):
        rng = np.random.default_rng([scene.seed, t])
        row = rng.standard_gamma(scene.averaged_spectra, header.n_channels, dtype=np.float32)
        row *= scale
        for first, power in signals:
            _add_within(row, first, power[t] * scene.sigma)
        if scene.bandpass is not None:
            row *= scene.bandpass.astype(np.float32)
        if header.has_dc_spike and width:
            row[width // 2 :: width] += np.float32(scene.dc_spike * scene.mean)
        yield _quantised(row, header)


def simulate(scene: Scene) -> Power:
    """Return the whole observation: float32 (T, channels)."""
    data = np.empty((scene.header.n_spectra, scene.header.n_channels), np.float32)
    for t, row in enumerate(spectra(scene)):
        data[t] = row
    return data


def pfb_bandpass(n_channels: int, coarse_channel_width: int, depth: float = 0.5, edge: float = 0.06) -> Floats:
    """Return the gain of a polyphase filter bank, float64 (channels,).

    It is flat in each coarse channel and falls by `depth` over the part `edge` of its width at either end.
    """
    place = (np.arange(n_channels) % coarse_channel_width + 0.5) / coarse_channel_width
    to_edge = np.minimum(place, 1 - place) / edge
    return 1 - depth * np.where(to_edge < 1, 0.5 * (1 + np.cos(np.pi * np.minimum(to_edge, 1))), 0.0)
