"""The checksum is that of the whole object, for any size of the reads, of which at most two are in memory."""

import hashlib

import pytest

from services.export.digest import sha256_of
from shared.errors import ObjectNotFoundError

DATA = bytes(range(251)) * 5


class Uploads:
    def __init__(self, data):
        self.data, self.asked = data, []

    async def get_range(self, key, start, length):
        if key != "k":
            raise ObjectNotFoundError(key)
        self.asked.append((start, length))
        return self.data[start : start + length]


@pytest.mark.parametrize("size", [0, 1, 99, 100, 101, 200, 1255])
async def test_equals_the_checksum_of_the_whole(size):
    uploads = Uploads(DATA[:size])
    assert await sha256_of(uploads, "k", read_bytes=100) == hashlib.sha256(DATA[:size]).hexdigest()
    assert uploads.asked == [(100 * n, 100) for n in range(size // 100 + 1)]


async def test_a_missing_object():
    with pytest.raises(ObjectNotFoundError):
        await sha256_of(Uploads(b""), "other")
