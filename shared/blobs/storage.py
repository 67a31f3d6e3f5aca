"""The connection to S3."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass

import aioboto3
from botocore.config import Config

from shared.blobs.bucket import Blobs
from shared.range_requests import RangeRequests
from shared.settings import ServiceSettings


@dataclass(frozen=True)
class Storage:
    """The two buckets."""

    uploads: Blobs
    results: Blobs

    async def check(self) -> None:
        """Raise unless both buckets answer."""
        await self.uploads.check()
        await self.results.check()


@asynccontextmanager
async def open_storage(settings: ServiceSettings) -> AsyncIterator[Storage]:
    """Connect to S3."""
    session = aioboto3.Session(
        aws_access_key_id=settings.s3_access_key.get_secret_value() if settings.s3_access_key else None,
        aws_secret_access_key=settings.s3_secret_key.get_secret_value() if settings.s3_secret_key else None,
        region_name=settings.s3_region,
    )
    config = Config(
        signature_version="s3v4",
        s3={"addressing_style": "path"} if settings.s3_endpoint else None,
        max_pool_connections=32,
        connect_timeout=5,
        read_timeout=60,
        retries={"max_attempts": 3, "mode": "standard"},
        # Servers other than Amazon S3 may not support the newer checksum headers.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    public_endpoint = settings.s3_public_endpoint or settings.s3_endpoint
    async with (
        session.client("s3", endpoint_url=settings.s3_endpoint, config=config) as client,
        session.client("s3", endpoint_url=public_endpoint, config=config) as presigner,
    ):
        with closing(RangeRequests()) as ranges:
            yield Storage(
                uploads=Blobs(client, presigner, settings.uploads_bucket, ranges),
                results=Blobs(client, presigner, settings.results_bucket, ranges),
            )
