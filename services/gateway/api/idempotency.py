"""The header Idempotency-Key of a request."""

from aiohttp import web
from pydantic import BaseModel

from services.gateway.jobs.idempotency import RequestKey

IDEMPOTENCY_HEADER = "Idempotency-Key"


def request_key(request: web.Request, user_id: str, body: BaseModel) -> RequestKey | None:
    """Return the idempotency key of a request, or None if it has none.

    Raises
    ------
    BadIdempotencyKeyError
        The key is empty, longer than 255 characters, or not printable ASCII.
    """
    key = request.headers.get(IDEMPOTENCY_HEADER)
    if key is None:
        return None
    return RequestKey.of(user_id, key, body.model_dump(mode="json", exclude_none=True))
