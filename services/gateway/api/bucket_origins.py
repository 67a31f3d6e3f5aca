"""Tell the buckets which web pages may use presigned URLs.

Browsers only let a page send a file to S3, and read the answer, if the bucket's CORS rules allow it. Rules that others
have made for the bucket stay. A presigned URL is a credential by itself, and no page can guess one.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import structlog

from services.gateway.api.same_origin import origin_of
from services.gateway.settings import Settings
from shared.blobs import Storage
from shared.cors_rules import PageRule
from shared.errors import PermanentError, TransientError

logger = structlog.get_logger(__name__)

ANY = "*"
RETRY_S = 30.0


class BucketOrigins:
    """Sets the CORS rules of both buckets, once S3 answers."""

    def __init__(self, settings: Settings, storage: Storage) -> None:
        self._origins = tuple(page_origins(settings))
        self._storage = storage

    async def run(self, stop: asyncio.Event) -> None:
        """Set the rules. Retry until S3 answers or `stop` is set."""
        while self._origins and not stop.is_set():
            try:
                await self.set()
            except TransientError as error:
                logger.warning("origins of pages not set", error=error.message)
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), RETRY_S)
                continue
            except PermanentError as error:
                # Not every server has such rules, and not every key may change them.
                hint = "allow PUT (exposing ETag) on uploads and GET on results yourself, and set bucket_origins to []"
                logger.warning("origins of pages refused", code=error.code, error=error.message, hint=hint)
            return

    async def set(self) -> None:
        """Set the rules.

        Raises
        ------
        TransientError
            S3 is unavailable.
        PermanentError
            The server has no such rules, or the key may not change them.
        """
        # Without the ETag of each part, a page can't complete a multipart upload.
        uploads = PageRule(self._origins, ("PUT",), ("ETag",))
        results = PageRule(self._origins, ("GET", "HEAD"), ("ETag", "Content-Length", "Content-Range"))
        for bucket, rule in ((self._storage.uploads, uploads), (self._storage.results, results)):
            if await bucket.allow_pages(rule):
                logger.info("origins of pages set", bucket=bucket.bucket, origins=list(self._origins))


def page_origins(settings: Settings) -> Sequence[str]:
    """Return the origins of pages that may use presigned URLs; none if the rules are somebody else's."""
    if settings.bucket_origins is not None:
        return settings.bucket_origins
    return [origin_of(settings.public_url)] if settings.public_url is not None else [ANY]
