"""The checksum is that of the whole object, for any size of the reads, of which at most two are in memory."""

import hashlib

import pytest

from services.export.digest import sha256_of
from shared.errors import ObjectChangedError, ObjectNotFoundError
from shared.filterbank import BlobSource
from tests.unit.export.jobs import MemoryBlobs

DATA = bytes(range(251)) * 5


class Recording:
    name = "o.fil"

    def __init__(self, data):
        self.data, self.asked = data, []

    async def read(self, start, length):
        self.asked.append((start, length))
        return self.data[start : start + length]


@pytest.mark.parametrize("size", [0, 1, 99, 100, 101, 200, 1255])
async def test_equals_the_checksum_of_the_whole(size):
    source = Recording(DATA[:size])
    assert await sha256_of(source, read_bytes=100) == hashlib.sha256(DATA[:size]).hexdigest()
    assert source.asked == [(100 * n, 100) for n in range(size // 100 + 1)]


async def test_a_missing_object():
    with pytest.raises(ObjectNotFoundError):
        await sha256_of(BlobSource(MemoryBlobs(), "k", "o.fil"))


async def test_a_replaced_object():
    blobs = MemoryBlobs()
    await blobs.put("k", b"accepted")
    source = await BlobSource(blobs, "k", "o.fil").pinned()
    assert await sha256_of(source) == hashlib.sha256(b"accepted").hexdigest()
    await blobs.put("k", b"replaced")
    with pytest.raises(ObjectChangedError):
        await sha256_of(source)
