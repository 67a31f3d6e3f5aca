"""Where the bytes of a file come from."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from shared.errors import ObjectNotFoundError


class Source(Protocol):
    """A file that is read in byte ranges."""

    @property
    def name(self) -> str:
        """The file's name, for messages."""

    async def size(self) -> int:
        """Return the bytes of the whole file."""

    async def read(self, start: int, length: int) -> bytes:
        """Return `length` bytes from byte `start`; fewer if the file ends before."""

    async def read_into(self, start: int, buffer: memoryview) -> int:
        """Fill `buffer` (writable) from byte `start`; return how many bytes, fewer if the file ends before."""


class Objects(Protocol):
    """The methods of a bucket that a `BlobSource` calls; `shared.blobs.Blobs` has them."""

    async def size(self, key: str) -> int | None:
        """Return the bytes of an object, or None if it does not exist."""

    async def get_range(self, key: str, start: int, length: int) -> bytes:
        """Return `length` bytes from byte `start`; fewer if the object ends before."""

    async def get_range_into(self, key: str, start: int, buffer: memoryview) -> int:
        """Fill `buffer` from byte `start`; return how many bytes, fewer if the object ends before."""


@dataclass(frozen=True)
class LocalSource:
    """A file on disk."""

    path: Path

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.name

    async def size(self) -> int:
        """Return the bytes of the file.

        Raises
        ------
        OSError
            The file can't be opened.
        """
        return (await asyncio.to_thread(self.path.stat)).st_size

    async def read(self, start: int, length: int) -> bytes:
        """Return a range of the file.

        Raises
        ------
        OSError
            The file can't be read.
        """
        return await asyncio.to_thread(self._read, start, length)

    async def read_into(self, start: int, buffer: memoryview) -> int:
        """Read a range of the file into `buffer`; return how many bytes.

        Raises
        ------
        OSError
            The file can't be read.
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
    """An object in a bucket. `name` is the name of the uploaded file."""

    blobs: Objects
    key: str
    name: str

    async def size(self) -> int:
        """Return the bytes of the object.

        Raises
        ------
        ObjectNotFoundError
            The object is not in storage.
        TransientError
            Storage is unavailable.
        """
        size = await self.blobs.size(self.key)
        if size is None:
            raise ObjectNotFoundError(
                f"The uploaded file {self.name!r} is no longer in storage; upload it again and start a new analysis."
            )
        return size

    async def read(self, start: int, length: int) -> bytes:
        """Return a range of the object.

        Raises
        ------
        ObjectNotFoundError
            The object is not in storage.
        TransientError
            Storage is unavailable.
        """
        return await self.blobs.get_range(self.key, start, length)

    async def read_into(self, start: int, buffer: memoryview) -> int:
        """Read a range of the object into `buffer`; return how many bytes.

        Raises
        ------
        ObjectNotFoundError
            The object is not in storage.
        TransientError
            Storage is unavailable.
        """
        return await self.blobs.get_range_into(self.key, start, buffer)
