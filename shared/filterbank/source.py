"""Where the bytes of a file come from."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from shared.errors import ObjectNotFoundError


class Source(Protocol):
    """A file that can be read in ranges."""

    @property
    def name(self) -> str:
        """File name for messages."""

    async def size(self) -> int:
        """Bytes of the whole file."""

    async def read(self, start: int, length: int) -> bytes:
        """`length` bytes from byte `start`; fewer where the file ends."""

    async def read_into(self, start: int, buffer: memoryview) -> int:
        """Fill `buffer` (writable bytes) from byte `start`; returns how many, fewer where the file ends."""


class Objects(Protocol):
    """What a `BlobSource` needs of a bucket (`shared.blobs.Blobs` has it)."""

    async def size(self, key: str) -> int | None:
        """Bytes of an object, or None where there is none."""

    async def get_range(self, key: str, start: int, length: int) -> bytes:
        """`length` bytes from byte `start`; fewer where the object ends."""

    async def get_range_into(self, key: str, start: int, buffer: memoryview) -> int:
        """Fill `buffer` from byte `start`; returns how many bytes, fewer where the object ends."""


@dataclass(frozen=True)
class LocalSource:
    """A file on disk."""

    path: Path

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.name

    async def size(self) -> int:
        """Bytes of the file.

        Raises:
            OSError: the file can't be reached.
        """
        return (await asyncio.to_thread(self.path.stat)).st_size

    async def read(self, start: int, length: int) -> bytes:
        """A range of the file.

        Raises:
            OSError: the file can't be read.
        """
        return await asyncio.to_thread(self._read, start, length)

    async def read_into(self, start: int, buffer: memoryview) -> int:
        """A range of the file, read to where it is wanted.

        Raises:
            OSError: the file can't be read.
        """
        return await asyncio.to_thread(self._read_into, start, buffer)

    def _read(self, start: int, length: int) -> bytes:
        with self.path.open("rb") as file:
            file.seek(start)
            return file.read(length)

    def _read_into(self, start: int, buffer: memoryview) -> int:
        with self.path.open("rb", buffering=0) as file:
            file.seek(start)
            filled = 0
            while filled < len(buffer) and (part := file.readinto(buffer[filled:])):
                filled += part
            return filled


@dataclass(frozen=True)
class BlobSource:
    """An object in a bucket; `name` is the name that its owner knows it by."""

    blobs: Objects
    key: str
    name: str

    async def size(self) -> int:
        """Bytes of the object.

        Raises:
            ObjectNotFoundError: it is not, or no longer, in storage.
            TransientError: storage is out of reach.
        """
        size = await self.blobs.size(self.key)
        if size is None:
            raise ObjectNotFoundError(
                f"The uploaded file {self.name!r} is no longer in storage; upload it again and start a new analysis."
            )
        return size

    async def read(self, start: int, length: int) -> bytes:
        """A range of the object.

        Raises:
            ObjectNotFoundError: the object is not in storage.
            TransientError: storage is out of reach.
        """
        return await self.blobs.get_range(self.key, start, length)

    async def read_into(self, start: int, buffer: memoryview) -> int:
        """A range of the object, read to where it is wanted.

        Raises:
            ObjectNotFoundError: the object is not in storage.
            TransientError: storage is out of reach.
        """
        return await self.blobs.get_range_into(self.key, start, buffer)
