"""Idempotency keys: a request that is repeated with its key starts no second job."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.gateway.jobs.errors import BadIdempotencyKeyError

_KEY = re.compile(r"[\x20-\x7e]{1,255}")


@dataclass(frozen=True)
class RequestKey:
    """A user's idempotency key, with the digest of the body that came with it."""

    user_id: str
    key: str
    body_digest: str

    @classmethod
    def of(cls, user_id: str, key: str, content: Mapping[str, Any]) -> "RequestKey":
        """Return the key of a request.

        Parameters:
            user_id: The user who sent the request.
            key: The key as the user sent it.
            content: The fields of the body. Their order does not matter.

        Raises
        ------
        BadIdempotencyKeyError
            The key is empty, longer than 255 characters, or not printable ASCII.
        """
        if not _KEY.fullmatch(key):
            raise BadIdempotencyKeyError
        # The digest covers the parsed fields, not the bytes: white space and field order do not make a new request.
        canonical = json.dumps(content, sort_keys=True)
        return cls(user_id, key, hashlib.sha256(canonical.encode()).hexdigest())

    @property
    def document_id(self) -> str:
        """An id for this user and key, of a length and alphabet that every store accepts."""
        return hashlib.sha256(f"{self.user_id}/{self.key}".encode()).hexdigest()
