"""Read many damaged filterbank files: `python -m tests.fuzz.mutate_filterbank --first 0 --count 1000`.

File number `n` is a valid file of either format with damage that depends only on `n`, so `--first n --count 1` repeats
a failure. The readers must refuse each file with a `BadObservationError` or return an array of the shape in its header,
within the limits on time and memory. Otherwise the process ends with an error or by a signal. Standard error names the
current file. Standard output is JSON with the numbers of files refused and read.
"""

import argparse
import asyncio
import json
import random
import re
import resource
import signal
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np

from shared.errors import BadObservationError
from shared.filterbank import LocalSource, read_block, read_header
from shared.filterbank.hdf5 import process
from shared.logs import configure_logs
from tests.unit.shared.filterbank.files import BITSHUFFLE, POWER, fil, h5, keyword

SECONDS_PER_FILE = 60
# Processor time of the HDF5 child process.
CPU_S = 2
# Limits on resident memory and address space, in addition to the memory of the process before it reads files.
RESIDENT_BYTES = 200 * 2**20
ADDRESS_BYTES = 4 * 2**30
# A damaged header that passes for a valid one may state a very large number of channels. The read stops here.
MOST_CHANNELS_READ = 2**20

CUBE = POWER[:, np.newaxis]
BYTES = POWER.astype("u1")
SOUND = {
    "fil": fil(),
    "fil, 8 bits": fil(BYTES, nbits=8),
    "fil, 2 bits, 2 IFs": fil(BYTES[:, :32], nbits=2, nifs=2),
    "fil, long header": fil(extra=keyword("rawdatafile", "x" * 5000) + keyword("nsamples", 6)),
    "h5": h5(),
    "h5, latest": h5(libver="latest", options={"chunks": (1, 1, 64)}),
    "h5, 2-D": h5(POWER),
    "h5, bitshuffle": h5(options={"chunks": (1, 1, 50), **BITSHUFFLE}),
    "h5, bitshuffle, big-endian": h5(CUBE.astype(">f8"), options={"chunks": (2, 1, 64), **BITSHUFFLE}),
    "h5, gzip": h5(options={"chunks": (4, 1, 30), "compression": "gzip", "shuffle": True, "fletcher32": True}),
    "h5, lzf": h5(CUBE.astype("<i2"), options={"chunks": (6, 1, 64), "compression": "lzf"}),
}
TELLING = (0, 1, 2, 7, 8, 16, 127, 128, 255, 256, 65535, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**64 - 1)


def damaged(number: int) -> tuple[str, bytes]:
    """Return the kind and the bytes of file `number`."""
    chance = random.Random(number)
    kind = chance.choice(list(SOUND))
    raw = bytearray(SOUND[kind])
    for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
        chance.choice((flip, overwrite, overwrite, cut, insert, swap))(chance, raw)
    return kind, bytes(raw)


def place(chance: random.Random, raw: bytearray) -> int:
    """Return a random offset. Half of them are in the first kilobyte, which contains the header."""
    return chance.randrange(max(1, min(len(raw), 1024) if chance.random() < 0.5 else len(raw)))


def flip(chance: random.Random, raw: bytearray) -> None:
    if raw:
        raw[place(chance, raw)] ^= 1 << chance.randrange(8)


def overwrite(chance: random.Random, raw: bytearray) -> None:
    """Overwrite 1 to 8 bytes with a boundary value."""
    at, size = place(chance, raw), chance.choice((1, 2, 4, 8))
    raw[at : at + size] = (chance.choice(TELLING) % 256**size).to_bytes(size, chance.choice(("little", "big")))


def cut(chance: random.Random, raw: bytearray) -> None:
    at = place(chance, raw)
    del raw[at : at + chance.choice((1, 4, 8, 100, len(raw)))]


def insert(chance: random.Random, raw: bytearray) -> None:
    at = place(chance, raw)
    raw[at:at] = chance.randbytes(chance.choice((1, 4, 8, 100)))


def swap(chance: random.Random, raw: bytearray) -> None:
    """Copy some bytes to another offset."""
    source, target, size = place(chance, raw), place(chance, raw), chance.choice((4, 8, 64))
    raw[target : target + size] = raw[source : source + size]


async def is_read(path: Path) -> bool:
    """Return True if a file is read, False if it is refused."""
    source = LocalSource(path)
    try:
        header, _ = await read_header(source)
        stop = min(header.n_channels, MOST_CHANNELS_READ)
        start = max(0, stop - 50)
        block = await read_block(source, header, start, stop)
    except BadObservationError:
        return False
    assert block.shape == (header.n_spectra, stop - start)
    assert block.dtype == np.float32
    return True


def status_bytes(field: str) -> int:
    found = re.search(rf"{field}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


async def read_all(first: int, count: int, path: Path) -> Counter[bool]:
    """Read `count` files from `first` on and return how many were read (True) and refused (False)."""
    for raw in SOUND.values():
        path.write_bytes(raw)
        assert await is_read(path)
    resident, limit = status_bytes("VmRSS"), status_bytes("VmSize") + ADDRESS_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    outcomes: Counter[bool] = Counter()
    for number in range(first, first + count):
        kind, raw = damaged(number)
        sys.stderr.write(f"file {number} ({kind})\n")
        path.write_bytes(raw)
        # Reset the peak of the resident memory.
        Path("/proc/self/clear_refs").write_text("5")
        # The alarm ends this process if a read hangs.
        signal.alarm(SECONDS_PER_FILE)
        outcomes[await is_read(path)] += 1
        signal.alarm(0)
        taken = status_bytes("VmHWM") - resident
        if taken > RESIDENT_BYTES:
            sys.exit(f"file {number} ({kind}) used {taken / 1e6:.0f} MB")
    return outcomes


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.mutate_filterbank")
    parser.add_argument("--first", type=int, default=0, help="number of the first file (default: 0)")
    parser.add_argument("--count", type=int, default=1000, help="number of files (default: 1000)")
    arguments = parser.parse_args()
    configure_logs("fuzz", "WARNING")
    # Without this limit, files that make the library loop would take most of the time.
    process.CPU_S = CPU_S
    with tempfile.TemporaryDirectory() as folder:
        outcomes = asyncio.run(read_all(arguments.first, arguments.count, Path(folder) / "damaged.h5"))
    sys.stdout.write(json.dumps({"read": outcomes[True], "refused": outcomes[False]}) + "\n")


if __name__ == "__main__":
    main()
