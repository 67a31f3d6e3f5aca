"""Compile the kernels into the on-disk cache: `python -m services.dedoppler.compile`.

It searches small observations as jobs do, and measures a track as cadences do, so that every kernel is compiled for
exactly the types and memory layouts that they use. With a filled cache this only loads.
"""

from concurrent.futures import Executor, ThreadPoolExecutor

import numpy as np

from services.dedoppler.averaging import CHANNELS_PER_TASK as AVERAGED_PER_TASK
from services.dedoppler.chunk_search import search_chunk
from services.dedoppler.kernels import lost_samples
from services.dedoppler.noise.blocks import TILE_SAMPLES
from services.dedoppler.noise.conditioning import CHANNELS_PER_TASK
from services.dedoppler.noise.scratch import Scratch
from services.dedoppler.pyramid import ChunkPyramid
from services.dedoppler.threads import ThisThread
from services.dedoppler.tracks.measurement import measure_window
from services.dedoppler.tracks.prediction import ScanGrid
from services.dedoppler.tracks.windows import plan_track, plan_windows
from shared.events import Chunk, ChunkPlan, SearchParameters
from shared.header import GREEN_BANK_TELESCOPE_ID, Header
from shared.tracks import TRACK_DTYPE
from shared.waterfall import Manifest


def _header(n_channels: int, n_spectra: int) -> Header:
    return Header(
        file_format="fil",
        n_spectra=n_spectra,
        n_channels=n_channels,
        n_ifs=1,
        n_bits=32,
        fch1_mhz=1420.0,
        foff_mhz=-2.8e-6,
        # Short enough for many spectra to be averaged.
        tsamp_s=18.0 if n_spectra == 8 else 0.01,
        telescope_id=GREEN_BANK_TELESCOPE_ID,
        coarse_channel_width=n_channels,
        has_dc_spike=True,
    )


def _search(n_channels: int, first_own: int, pool: Executor, scratch: Scratch, n_spectra: int = 8) -> None:
    header = _header(n_channels, n_spectra)
    power = np.random.default_rng(1).gamma(51.0, 1.0, (n_spectra, n_channels)).astype(np.float32)
    power[:, n_channels // 4] += 100.0
    # A wide emission, where there is room for one.
    power[:, n_channels // 2 : n_channels // 2 + 600] *= 1.5
    power[2, : n_channels // 8] = 0.0
    # In one half of the spectra: what the search for chirps begins with.
    power[:4, 5 * n_channels // 8] += 29.0
    # A gain that changes with time.
    power[5] *= 3.0
    # Samples of few bits are equal often enough for this.
    lost_samples.repeats_by_value(power, 0, n_channels, *np.zeros((2, 1), np.int64))
    chunk = Chunk(
        index=0,
        count=1,
        start_channel=first_own,
        stop_channel=n_channels,
        read_start_channel=0,
        read_stop_channel=n_channels,
    )
    parameters = SearchParameters(max_drift_rate_hz_s=4.0, chirps=True)
    plan = ChunkPlan(n_channels=n_channels, count=1, stride_channels=n_channels, parts=1, overlap_channels=0)
    pyramid = ChunkPyramid(Manifest.of(header, parameters.max_drift_rate_hz_s, plan, power.nbytes), plan.chunk(0))
    search_chunk(power, header, chunk, parameters, pool, scratch, pyramid)


def _measure_a_track() -> None:
    """Measure a track, as an event of a cadence asks for; what a window needs beside is compiled by the search."""
    header = _header(2**13, 8)
    track = np.zeros((), TRACK_DTYPE)
    track["frequency_hz"], track["covariance"] = header.frequency_hz(2000), np.eye(3)
    grid = ScanGrid.of(header, 1, header.tstart_mjd)
    plans = [plan_track(track, grid)]
    for lost in (0, 1):
        for window in plan_windows(plans, header.n_spectra):
            power = np.random.default_rng(2).gamma(51.0, 1.0, (8, window.stop - window.first)).astype(np.float32)
            power[: 8 * lost, 2000 - window.first - 300 : 2000 - window.first + 300] = np.nan
            measure_window(power, grid, window, plans, 1, ThisThread())


def compile_kernels(pool: Executor, scratch: Scratch) -> None:
    """Compile, or load, every kernel that a job may use."""
    # The slices of a single task are contiguous, those of several are not: two layouts.
    _search(CHANNELS_PER_TASK // 32, 0, pool, scratch)
    # The same goes for a chunk that reads more channels than it owns.
    _search(2 * CHANNELS_PER_TASK, 8, pool, scratch)
    # Spectra of so few channels are measured several at a time, and then one by one.
    _search(TILE_SAMPLES // 4, 0, pool, scratch)
    # Many spectra: averages of two, 300 of them, whose paths share lines.
    _search(16, 0, pool, scratch, n_spectra=600)
    _search(AVERAGED_PER_TASK + 16, 0, pool, scratch, n_spectra=600)
    _measure_a_track()


if __name__ == "__main__":
    with ThreadPoolExecutor(2) as threads:
        compile_kernels(threads, Scratch())
