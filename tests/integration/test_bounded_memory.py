"""Test that a worker's memory depends on the chunk size only, not on the size of the file or the number of chunks.

Each case runs in a new process, which prints its peak memory (VmHWM) after a small file and after a large one.
"""

import os
import subprocess
import sys
from pathlib import Path

import h5py
import hdf5plugin
import numpy as np
import pytest

from deploy.local.servers import REPOSITORY
from science.simulator import make_header, write_fil

CHANNELS = 2**16
SPECTRA = 16
BLOCK_MB = CHANNELS * SPECTRA * 4 / 1e6
FEW, MANY = 8, 32
HDF5_OPTIONS = {
    "h5": {},
    "bitshuffle": hdf5plugin.Bitshuffle(nelems=0, cname="lz4"),
    "lzf": {"compression": "lzf"},
}

PEAK = """
import re, sys
from pathlib import Path
def peak_mb():
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) / 1000
"""
READ = """
import asyncio
from shared.filterbank import LocalSource, read_block, read_header
async def read(path):
    source = LocalSource(Path(path))
    header, _ = await read_header(source)
    for start in range(0, header.n_channels, CHANNELS):
        await read_block(source, header, start, min(start + CHANNELS + 500, header.n_channels))
for path in sys.argv[1:]:
    asyncio.run(read(path))
    print(peak_mb())
"""
SEARCH = """
import asyncio
from concurrent.futures import ThreadPoolExecutor
import numpy as np
from services.dedoppler.handlers import Handler
from services.dedoppler.noise.scratch import Scratch
from shared.filterbank import LocalSource, read_block, read_header
from shared.logs import configure_logs
from tests.bench.files import Forgetful, chunks_ready
configure_logs("test", "WARNING")
async def search(path, pool):
    source = LocalSource(Path(path))
    header, _ = await read_header(source)
    async def read_power(event):
        return await read_block(source, header, event.chunk.read_start_channel, event.chunk.read_stop_channel)
    handler = Handler(read_power, Forgetful(), pool, Scratch())
    await asyncio.gather(*(handler.handle(event) for event in chunks_ready(header, "", "", 0)))
with ThreadPoolExecutor(2) as pool:
    for path in sys.argv[1:]:
        asyncio.run(search(path, pool))
        print(peak_mb())
"""


def peaks_mb(program: str, *paths: Path) -> list[float]:
    code = f"{PEAK}CHANNELS = {CHANNELS}\n{program}"
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, paths)],
        cwd=REPOSITORY,
        # One allocator arena per thread would add noise of one or two blocks.
        env=os.environ | {"MALLOC_ARENA_MAX": "2"},
        capture_output=True,
        text=True,
        check=True,
    )
    return [float(line) for line in done.stdout.split()]


def write(path: Path, n_blocks: int, kind: str) -> Path:
    """Write a file of `n_blocks * CHANNELS` channels. Every second spectrum has the samples in reverse order."""
    n_bits = 8 if kind == "8 bits" else 32
    header = make_header(n_blocks * CHANNELS, SPECTRA, coarse_channel_width=CHANNELS, n_bits=n_bits)
    row = np.random.default_rng(0).gamma(51.0, size=CHANNELS).astype("<f4")
    if kind in HDF5_OPTIONS:
        with h5py.File(path, "w") as file:
            shape = (SPECTRA, 1, header.n_channels)
            data = file.create_dataset("data", shape, "<f4", chunks=(1, 1, CHANNELS), **HDF5_OPTIONS[kind])
            data.attrs.update({"fch1": header.fch1_mhz, "foff": header.foff_mhz, "tsamp": header.tsamp_s})
            for t in range(SPECTRA):
                data[t, 0] = np.tile(row[:: 1 - t % 2 * 2], n_blocks)
    else:
        write_fil(path, header, (np.tile(row[:: 1 - t % 2 * 2], n_blocks) for t in range(SPECTRA)))
    return path


@pytest.mark.parametrize("kind", ["fil", "8 bits", *HDF5_OPTIONS])
def test_reading_a_file_four_times_as_large_needs_no_more_memory(tmp_path: Path, kind: str) -> None:
    few, many = peaks_mb(READ, write(tmp_path / "few", FEW, kind), write(tmp_path / "many", MANY, kind))
    assert many - few < 2 * BLOCK_MB < (MANY - FEW) * BLOCK_MB / 4


def test_searching_four_times_as_many_chunks_needs_no_more_memory(tmp_path: Path) -> None:
    few, many = peaks_mb(SEARCH, write(tmp_path / "few", FEW, "fil"), write(tmp_path / "many", MANY, "fil"))
    assert many - few < (MANY - FEW) * BLOCK_MB / 4
