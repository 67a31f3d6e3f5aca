"""The parts of a multipart upload: which are stored, and URLs for those that are missing."""

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

from services.gateway.api import answers
from services.gateway.api.upload_names import part_length
from services.gateway.jobs.ports import UploadsBucket
from shared.blobs import StoredPart

# Signing keeps the processor busy: after so many URLs, other requests get their turn.
SIGNED_AT_ONCE = 50


@dataclass(frozen=True)
class PartPlan:
    """How a file is cut: into `count` parts of `part_size` bytes, but for the last one; of `size` bytes, if known."""

    count: int
    part_size: int
    size: int | None

    def length(self, number: int) -> int | None:
        """Return the bytes of part `number`, from 1; None for the last one of a file of unknown size."""
        if self.size is None:
            return self.part_size if number < self.count else None
        return part_length(self.size, self.part_size, number)

    def stored(self, listed: Iterable[StoredPart]) -> list[StoredPart]:
        """Return the parts that are stored completely, in order.

        A part that was sent twice is listed once or twice, by the server. The last one counts.
        """
        last: dict[int, StoredPart] = {}
        for part in listed:
            known = last.get(part.number)
            if known is None or (part.modified_s, self._fits(part)) >= (known.modified_s, self._fits(known)):
                last[part.number] = part
        return [part for _, part in sorted(last.items()) if self._fits(part)]

    def _fits(self, part: StoredPart) -> bool:
        return part.number <= self.count and self.length(part.number) in (None, part.size)


async def part_urls(
    uploads: UploadsBucket, key: str, upload_id: str, plan: PartPlan, *, numbers: Sequence[int], expires_s: int
) -> list[answers.PartUrl]:
    """Return URLs for parts of an upload.

    Raises
    ------
    TransientError
        The credentials that sign can't be had.
    """
    parts = []
    for done, number in enumerate(numbers, 1):
        url = await uploads.presign_part(key, upload_id, number, expires_s=expires_s, length=plan.length(number))
        parts.append(answers.PartUrl(part_number=number, url=url))
        if done % SIGNED_AT_ONCE == 0:
            await asyncio.sleep(0)
    return parts


def chosen(plan: PartPlan, asked: Collection[int] | None, stored: Iterable[StoredPart] = ()) -> list[int]:
    """Return the numbers of the missing parts that a client asked for; of all missing ones if it named none."""
    there = {part.number for part in stored}
    is_wanted: Callable[[int], bool] = set(asked).__contains__ if asked is not None else lambda _: True
    return [number for number in range(1, plan.count + 1) if number not in there and is_wanted(number)]
