"""Averages consecutive spectra of one chunk, in the pieces in which they are read.

Lost samples are found before anything is averaged, so a lost sample takes nothing but itself out of an average.
"""

import math
from concurrent.futures import Executor
from dataclasses import replace
from typing import TypeVar

import numpy as np

from services.dedoppler.kernels import averaging as kernels
from services.dedoppler.noise.lost_samples import mark_lost_samples
from services.dedoppler.slices import slices
from services.dedoppler.threads import together
from shared.arrays import Power
from shared.averaging import averaged_header
from shared.header import Header
from shared.hits import ChunkHits, Cutout, GainChange, Gap

CHANNELS_PER_TASK = 2**12
Box = TypeVar("Box", Gap, GainChange)
# Samples of a piece.
PIECE_SAMPLES = 2**23


def spectra_per_piece(header: Header) -> int:
    """Return how many spectra to read at a time; it depends on the file alone, not on the part that a chunk reads."""
    return max(1, PIECE_SAMPLES // header.n_channels)


class Averages:
    """The averages of one chunk, to which spectra are added in their order."""

    def __init__(self, header: Header, spectra: int, n_channels: int, pool: Executor) -> None:
        """Prepare to average.

        Parameters
        ----------
        header : Header
            Of the whole file.
        spectra : int
            Spectra of an average.
        n_channels : int
            Channels that the chunk reads.
        pool : Executor
            Threads to work on.
        """
        self._header = header
        self._spectra = spectra
        self._pool = pool
        shape = averaged_header(header, spectra).n_spectra, n_channels
        self._total = np.zeros(shape)
        self._number = np.zeros(shape, np.int32)
        self._added = 0

    def add(self, power: Power) -> None:
        """Add the next spectra, float32 (rows, channels); lost samples are set to NaN in place."""
        mark_lost_samples(power, self._header, self._pool)
        first = self._added
        together(
            self._pool,
            lambda low, high: kernels.add_spectra(
                power[:, low:high], first, self._spectra, self._total[:, low:high], self._number[:, low:high]
            ),
            slices(0, power.shape[1], CHANNELS_PER_TASK),
        )
        self._added += len(power)

    def power(self) -> Power:
        """Return the averages, float32 (averages, channels): NaN where less than half of the samples are there."""
        out = np.empty(self._total.shape, np.float32)
        fewest = (self._spectra + 1) // 2
        together(
            self._pool,
            lambda low, high: kernels.means(
                self._total[:, low:high], self._number[:, low:high], fewest, out[:, low:high]
            ),
            slices(0, out.shape[1], CHANNELS_PER_TASK),
        )
        return out


def averages(power: Power, header: Header, spectra: int, pool: Executor) -> Power:
    """Return the averages of a chunk that is in memory; lost samples of `power` are set to NaN in place.

    Parameters
    ----------
    power : float32 (T, channels)
        Raw power of all spectra.
    header : Header
        Of the whole file.
    spectra : int
        Spectra of an average.
    pool : Executor
        Threads to work on.
    """
    found = Averages(header, spectra, power.shape[1], pool)
    for low, high in slices(0, len(power), spectra_per_piece(header)):
        found.add(power[low:high])
    return found.power()


def per_spectrum(found: ChunkHits, spectra: int, header: Header) -> ChunkHits:
    """Return what was found in averages of `spectra` spectra in terms of the spectra, which `header` describes.

    A path passes the middle of the first average half an average after the middle of the first spectrum, a sixteenth of
    a channel away at most, so channels and steps stay. Frequencies move to the first spectrum; noise, cut-outs
    and waterfall are in units of one spectrum.
    """
    hits = found.hits.copy()
    hits["frequency_hz"] -= hits["drift_rate_hz_s"] * (spectra - 1) / 2 * header.tsamp_s
    root = np.float32(math.sqrt(spectra))
    cutouts = [
        Cutout(cutout.power / root, cutout.start_channel, cutout.spectra_per_row * spectra) for cutout in found.cutouts
    ]
    noise = found.noise
    if noise.sigma is not None:
        noise = replace(noise, sigma=noise.sigma * math.sqrt(spectra))
    averages_there = averaged_header(header, spectra).n_spectra

    def of_spectra(box: Box) -> Box:
        # The last average has what is left over.
        stop = header.n_spectra if box.stop_spectrum == averages_there else box.stop_spectrum * spectra
        return replace(box, start_spectrum=box.start_spectrum * spectra, stop_spectrum=stop)

    noise = replace(
        noise,
        gaps=tuple(of_spectra(replace(gap, samples=gap.samples * spectra)) for gap in noise.gaps),
        gain_changes=tuple(of_spectra(change) for change in noise.gain_changes),
        lost_elsewhere=None if noise.lost_elsewhere is None else noise.lost_elsewhere * spectra,
    )
    return replace(found, hits=hits, cutouts=cutouts, noise=noise, waterfall=found.waterfall / root)
