"""Observations for the benchmarks: coarse channels of noise with a few tones each, made spectrum by spectrum."""

import numpy as np
from rich.console import Console
from rich.progress import track

from science.simulator import Scene, Tone, make_header, spectra
from shared.header import Header

COARSE_CHANNEL = 2**20
TONES_PER_COARSE_CHANNEL = 3


def scene(n_coarse: int, width: int = COARSE_CHANNEL) -> Scene:
    """Return 16 spectra of `n_coarse` coarse channels on Voyager 1's grid: tones of SNR 20 to 100, up to 4 Hz/s."""
    header = make_header(n_coarse * width, coarse_channel_width=width, has_dc_spike=True)
    rng = np.random.default_rng(n_coarse)
    tones = []
    for coarse in range(n_coarse):
        channels = coarse * width + width * rng.uniform(0.1, 0.9, TONES_PER_COARSE_CHANNEL)
        tones += [Tone(header.frequency_hz(channel), rng.uniform(-4, 4), rng.uniform(20, 100)) for channel in channels]
    return Scene(header, tuple(tones))


def shown_spectra(made: Scene, console: Console, doing: str):
    """Yield the spectra of a scene and show progress."""
    return track(spectra(made), doing, total=made.header.n_spectra, console=console, transient=True)


def gigabytes(header: Header) -> float:
    """Return the size of the samples in gigabytes."""
    return header.n_spectra * header.n_channels * header.n_bits / 8e9


def size_name(header: Header) -> str:
    """Return the size in words, such as `16 x 2^20`."""
    return f"{header.n_spectra} x 2^{header.n_channels.bit_length() - 1}"
