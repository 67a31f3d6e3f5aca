"""Requests of other pages are refused, as far as browsers tell."""

import pytest
from aiohttp.test_utils import make_mocked_request

from services.gateway.api.errors import ApiError
from services.gateway.api.same_origin import SameOrigin, origin_of

HERE = "waterhole.example:8080"


def is_accepted(same_origin: SameOrigin, method: str, **headers: str) -> bool:
    named = {"Host": HERE, **{name.replace("_", "-"): value for name, value in headers.items()}}
    try:
        same_origin.require(make_mocked_request(method, "/jobs", headers=named))
    except ApiError as error:
        return error.answer.code != "cross_site_request"
    return True


@pytest.mark.parametrize(
    ("origin", "accepted"),
    [
        (f"http://{HERE}", True),
        (f"https://{HERE}", True),
        (f"HTTP://{HERE.upper()}", True),
        ("http://waterhole.example", False),
        ("http://waterhole.example:8081", False),
        (f"http://evil.example/{HERE}", False),
        (f"http://{HERE}.evil.example", False),
        (HERE, False),
        ("null", False),
        ("", False),
        ("http://[", False),
    ],
)
def test_without_a_public_url_the_origin_has_the_host_of_the_request(origin: str, accepted: bool) -> None:
    assert is_accepted(SameOrigin(None), "POST", Origin=origin) is accepted


def test_without_a_host_no_origin_is_our_own() -> None:
    assert not is_accepted(SameOrigin(None), "POST", Host="", Origin="")


def test_with_a_public_url_the_origin_is_that_one() -> None:
    same_origin = SameOrigin("https://Waterhole.example/")
    assert is_accepted(same_origin, "POST", Origin="https://waterhole.example")
    assert not is_accepted(same_origin, "POST", Origin=f"http://{HERE}")
    assert not is_accepted(same_origin, "POST", Origin="http://waterhole.example")
    assert origin_of("HTTPS://A.example:8443/app/") == "https://a.example:8443"


def test_programs_state_neither_and_are_accepted() -> None:
    for method in ("GET", "POST", "DELETE"):
        assert is_accepted(SameOrigin(None), method)


@pytest.mark.parametrize(
    ("method", "site", "mode", "accepted"),
    [
        ("POST", "same-origin", "cors", True),
        ("POST", "same-site", "cors", False),
        ("POST", "cross-site", "cors", False),
        ("POST", "cross-site", "navigate", False),
        ("POST", "none", "navigate", False),
        ("GET", "same-origin", "cors", True),
        ("GET", "none", "navigate", True),
        ("GET", "cross-site", "navigate", True),
        ("GET", "cross-site", "no-cors", False),
        ("GET", "same-site", "websocket", False),
        ("HEAD", "cross-site", "cors", False),
    ],
)
def test_the_site_of_the_page_counts(method: str, site: str, mode: str, accepted: bool) -> None:
    assert is_accepted(SameOrigin(None), method, Sec_Fetch_Site=site, Sec_Fetch_Mode=mode) is accepted
