"""What is in a simulated observation, and its spectra."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from science.simulator.emissions import Emission, emission_power
from science.simulator.tones import FloatArray, Tone, tone_power
from shared.arrays import Power
from shared.header import GREEN_BANK_TELESCOPE_ID, Header

BL_FCH1_MHZ = 8421.386717353016
BL_FOFF_MHZ = -2.7939677238464355e-06
BL_TSAMP_S = 18.253611008
BL_AVERAGED_SPECTRA = 51


def make_header(n_channels: int, n_spectra: int = 16, **fields: Any) -> Header:
    """Header of the high-resolution product of Breakthrough Listen at Green Bank, with `fields` replaced.

    There are coarse channels and DC spikes only where `coarse_channel_width` and `has_dc_spike` say so.
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

    Noise is gamma-distributed with `averaged_spectra` as its shape and `mean` as its mean. `bandpass` (n_channels) is
    the gain that noise and tones share. The DC spike of each coarse channel is `dc_spike` times the mean.
    Tones add their power without the noise of their own that a real one has. `emissions` are signals of other shapes.
    """

    header: Header
    tones: tuple[Tone, ...] = ()
    mean: float = 100.0
    averaged_spectra: float = BL_AVERAGED_SPECTRA
    bandpass: FloatArray | None = None
    dc_spike: float = 30.0
    seed: int = 1
    emissions: tuple[Emission, ...] = ()

    @property
    def sigma(self) -> float:
        """Standard deviation of a sample where the gain is 1."""
        return float(self.mean / np.sqrt(self.averaged_spectra))


def _add_within(row: Power, first: int, values: FloatArray) -> None:
    """Add `values` to `row` from channel `first` on, leaving out what lies beyond the row's ends."""
    low, high = max(first, 0), min(first + len(values), len(row))
    if low < high:
        row[low:high] += values[low - first : high - first].astype(np.float32)


def _quantised(row: Power, header: Header) -> Power:
    if header.n_bits >= 32:
        return row
    lowest = -(2 ** (header.n_bits - 1)) if header.signed else 0
    return np.clip(np.rint(row), lowest, lowest + 2**header.n_bits - 1, out=row)


def spectra(scene: Scene) -> Iterator[Power]:
    """Make the spectra one at a time, each float32 of (n_channels,), so that memory stays at one spectrum.

    Spectrum `t` depends on the seed and on `t` alone. With fewer than 32 bits the values are rounded and clipped.
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
    """Make the whole observation: float32 of (n_spectra, n_channels)."""
    data = np.empty((scene.header.n_spectra, scene.header.n_channels), np.float32)
    for t, row in enumerate(spectra(scene)):
        data[t] = row
    return data


def pfb_bandpass(n_channels: int, coarse_channel_width: int, depth: float = 0.5, edge: float = 0.06) -> FloatArray:
    """Gain of a polyphase filter bank: flat in each coarse channel, down by `depth` over `edge` of it at its ends."""
    place = (np.arange(n_channels) % coarse_channel_width + 0.5) / coarse_channel_width
    to_edge = np.minimum(place, 1 - place) / edge
    return 1 - depth * np.where(to_edge < 1, 0.5 * (1 + np.cos(np.pi * np.minimum(to_edge, 1))), 0.0)
