"""The header Idempotency-Key of a request."""

from aiohttp import web
from pydantic import BaseModel

from services.gateway.jobs.errors import BadIdempotencyKeyError
from services.gateway.jobs.idempotency import RequestKey

IDEMPOTENCY_HEADER = "Idempotency-Key"


def request_key(request: web.Request, user_id: str, body: BaseModel) -> RequestKey | None:
    """Return the idempotency key of a request, or None if it has none.

    Raises
    ------
    BadIdempotencyKeyError
        The key is empty, longer than 255 characters, not printable ASCII, or sent twice.
    """
    keys = request.headers.getall(IDEMPOTENCY_HEADER, [])
    if not keys:
        return None
    if len(keys) > 1:
        raise BadIdempotencyKeyError
    return RequestKey.of(user_id, keys[0], body.model_dump(mode="json", exclude_none=True))
