"""How errors of the S3 client are translated."""

import aiohttp
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ParamValidationError

from shared.blobs.errors import RangeBeyondEndError, translated
from shared.errors import ObjectNotFoundError, PermanentError, TransientError


def client_error(code: str, status: int) -> ClientError:
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "GetObject")


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (client_error("NoSuchKey", 404), ObjectNotFoundError),
        (client_error("404", 404), ObjectNotFoundError),
        (client_error("NoSuchBucket", 404), TransientError),
        (client_error("InternalError", 500), TransientError),
        (client_error("SlowDown", 503), TransientError),
        (client_error("TooManyRequests", 429), TransientError),
        (client_error("RequestTimeout", 400), TransientError),
        (client_error("AccessDenied", 403), PermanentError),
        (client_error("InvalidArgument", 400), PermanentError),
        (client_error("InvalidRange", 416), RangeBeyondEndError),
        (EndpointConnectionError(endpoint_url="http://nowhere"), TransientError),
        (ParamValidationError(report="bad key"), PermanentError),
        (aiohttp.ClientPayloadError("cut off"), TransientError),
        (ConnectionResetError(), TransientError),
        (TimeoutError(), TransientError),
    ],
)
def test_client_errors_become_waterhole_errors(raised, expected):
    with pytest.raises(expected) as caught, translated("a/key"):
        raise raised
    assert type(caught.value) is expected
    assert caught.value.__cause__ is raised


def test_other_errors_are_unchanged():
    with pytest.raises(ZeroDivisionError), translated("a/key"):
        _ = 1 / 0
