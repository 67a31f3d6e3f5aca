"""Observations of every kind of sample, and a bucket in memory."""

import struct
from collections.abc import Mapping
from typing import Any

import numpy as np

from services.gateway.jobs.model import Job
from shared.content import Content
from shared.errors import ObjectChangedError, ObjectNotFoundError
from shared.filterbank import BlobSource, read_header
from tests.unit.shared.filterbank.files import fil, word

ETAG = '"one"'
# Bits and sign of samples, and IFs.
KINDS = [
    *((bits, False, ifs) for bits in (1, 2, 4, 8, 16, 32) for ifs in (1, 3)),
    *((bits, True, 2) for bits in (8, 16)),
]
SIGNED = word("signed") + struct.pack("<b", 1)


class Bucket:
    """Objects in memory; counts the reads, and how many there are at a time at most."""

    def __init__(self, objects: Mapping[str, bytes], etag: str | None = ETAG) -> None:
        self.objects = dict(objects)
        self.etag = etag
        self.reads: list[tuple[str, int, int]] = []

    async def content(self, key: str) -> Content | None:
        return Content(len(self.objects[key]), self.etag) if key in self.objects else None

    async def get(self, key: str) -> bytes:
        return await self.get_range(key, 0, 2**40)

    async def get_range(self, key: str, start: int, length: int, etag: str | None = None) -> bytes:
        if key not in self.objects:
            raise ObjectNotFoundError("gone")
        if etag not in (None, self.etag):
            raise ObjectChangedError("replaced")
        self.reads.append((key, start, length))
        return self.objects[key][start : start + length]

    async def get_range_into(self, key: str, start: int, buffer: memoryview, etag: str | None = None) -> int:
        raw = await self.get_range(key, start, len(buffer), etag)
        buffer[: len(raw)] = raw
        return len(raw)


def samples(bits, signed, shape, seed=7):
    """Return samples that use the whole range of their type."""
    rng = np.random.default_rng(seed)
    if bits == 32:
        return rng.gamma(51.0, size=shape).astype("<f4") * np.float32(1e7)
    low = -(2 ** (bits - 1)) if signed else 0
    kind = np.dtype(f"<{'i' if signed else 'u'}{max(1, bits // 8)}")
    return rng.integers(low, low + 2**bits, shape).astype(kind)


def packed_bits(power, bits):
    """Return the bytes in which samples are stored, low-order bits first."""
    if bits >= 8:
        return power.tobytes()
    per_byte = 8 // bits
    grouped = power.reshape(*power.shape[:-1], -1, per_byte)
    return np.bitwise_or.reduce(grouped << (bits * np.arange(per_byte)), axis=-1).astype(np.uint8).tobytes()


def observation(bits=32, signed=False, ifs=1, spectra=5, channels=64, **fields):
    """Return the samples (spectra, IFs, channels) of an observation, and its file."""
    power = samples(bits, signed, (spectra, ifs, channels))
    extra = SIGNED if signed else b""
    return power, fil(packed_bits(power, bits), extra, nbits=bits, nifs=ifs, nchans=channels, **fields)


async def header_of(raw):
    """Return the header that our reader finds in a file."""
    header, _ = await read_header(BlobSource(Bucket({"k": raw}), "k", "a.fil"))
    return header


def a_job(raw: bytes = b"", **fields):
    """Return a complete job of the file `k`."""
    known: dict[str, Any] = {
        "status": "complete",
        "completed_at": 5,
        "etag": ETAG,
        "results_key": "jobs/j-1/results.json",
    }
    return Job("j-1", "u", "k", "a.fil", "a", len(raw), 1_712_444_400_123, **(known | fields))
