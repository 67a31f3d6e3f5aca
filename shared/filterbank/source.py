"""Where the bytes of a file come from."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from shared.content import Content
from shared.errors import ObjectChangedError, ObjectNotFoundError


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

    async def content(self, key: str) -> Content | None:
        """Return the size and ETag that an object has now, or None if it does not exist."""

    async def get_range(self, key: str, start: int, length: int, etag: str | None = None) -> bytes:
        """Return `length` bytes from byte `start`; raise `ObjectChangedError` if the ETag is another."""

    async def get_range_into(self, key: str, start: int, buffer: memoryview, etag: str | None = None) -> int:
        """Fill `buffer` from byte `start`, return how many bytes; raise `ObjectChangedError` if the ETag is another."""


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
    """An uploaded file in a bucket, as it was when its job was accepted.

    `name` is the name of the uploaded file. With an `etag` or a `file_size`, only an object that has them is read: its
    owner may replace the object while the upload URL is valid. Without them any object is read.
    """

    blobs: Objects
    key: str
    name: str
    etag: str | None = None
    file_size: int | None = None

    async def pinned(self) -> "BlobSource":
        """Return this file with its ETag: the one that it has, or else the one that the object has now.

        Raises
        ------
        ObjectNotFoundError
            The object is not in storage.
        ObjectChangedError
            The object is not of the stated size.
        TransientError
            Storage is unavailable.
        """
        return self if self.etag is not None else replace(self, etag=(await self._content()).etag)

    async def size(self) -> int:
        """Return the bytes of the object.

        Raises
        ------
        ObjectNotFoundError
            The object is not in storage.
        ObjectChangedError
            The object was replaced.
        TransientError
            Storage is unavailable.
        """
        return (await self._content()).size

    async def read(self, start: int, length: int) -> bytes:
        """Return a range of the object.

        Raises
        ------
        ObjectNotFoundError
            The object is not in storage.
        ObjectChangedError
            The object was replaced.
        TransientError
            Storage is unavailable.
        """
        with self._named():
            return await self.blobs.get_range(self.key, start, length, self.etag)

    async def read_into(self, start: int, buffer: memoryview) -> int:
        """Read a range of the object into `buffer`; return how many bytes.

        Raises
        ------
        ObjectNotFoundError
            The object is not in storage.
        ObjectChangedError
            The object was replaced.
        TransientError
            Storage is unavailable.
        """
        with self._named():
            return await self.blobs.get_range_into(self.key, start, buffer, self.etag)

    async def _content(self) -> Content:
        content = await self.blobs.content(self.key)
        if content is None:
            raise self._removed()
        if self.etag not in (None, content.etag) or self.file_size not in (None, content.size):
            raise self._replaced()
        return content

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Raise errors that name the file, since users do not know the object's key."""
        try:
            yield
        except ObjectNotFoundError as error:
            raise self._removed() from error
        except ObjectChangedError as error:
            raise self._replaced() from error

    def _removed(self) -> ObjectNotFoundError:
        return ObjectNotFoundError(
            f"The uploaded file {self.name!r} is no longer in storage; upload it again and start a new analysis."
        )

    def _replaced(self) -> ObjectChangedError:
        return ObjectChangedError(
            f"The file {self.name!r} was replaced while it was analyzed. Upload it again and start a new analysis."
        )
