"""GET /session/oidc and its callback: a browser signs in at the issuer and comes back."""

import re
import uuid
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from typing import Any

import pytest
import structlog
from yarl import URL

from services.gateway.accounts.model import token_user_id
from tests.contract.gateway.document import check_answer
from tests.contract.gateway.issuer import AUDIENCE, CLIENT_ID, CLIENT_SECRET, NAME, PUBLIC_URL, Issuer, token
from tests.contract.gateway.parts import Account, Gateway

CALLBACK = "/session/oidc/callback"


@dataclass
class Person:
    """A person with a browser who signs in at the issuer."""

    gateway: Gateway
    issuer: Issuer
    subject: str = field(default_factory=lambda: f"auth0|{uuid.uuid4()}")
    cookies: dict[str, str] = field(default_factory=dict)
    asked: dict[str, str] = field(default_factory=dict)

    async def get(self, path: str, **more: str) -> tuple[int, str]:
        """Return the status and where the browser is sent."""
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items() if value), **more}
        async with self.gateway.client.get(path, headers=headers, allow_redirects=False) as response:
            content = await response.json() if response.content_type == "application/json" else await response.text()
            check_answer("GET", path, response.status, response.headers, content)
            for text in response.headers.getall("Set-Cookie", []):
                self.cookies |= {name: morsel.value for name, morsel in SimpleCookie(text).items()}
            return response.status, response.headers.get("Location", "")

    async def start(self, return_to: str = "") -> URL:
        """Go to the issuer. Return its address."""
        query = URL("/session/oidc").with_query({"return_to": return_to} if return_to else {})
        status, to = await self.get(str(query))
        assert status == 302
        self.asked = dict(URL(to).query)
        return URL(to)

    def code(self, **claims: Any) -> str:
        """Sign in at the issuer. Return the code that the browser brings back."""
        code = uuid.uuid4().hex
        claims = {"aud": CLIENT_ID, "nonce": self.asked["nonce"], **claims}
        self.issuer.codes[code] = (self.asked["code_challenge"], token(self.subject, **claims))
        return code

    async def come_back(self, **query: str) -> tuple[int, str]:
        """Return the status and where the browser is sent after it has come back from the issuer."""
        query = {"state": self.asked["state"], **query}
        return await self.get(str(URL(CALLBACK).with_query(query)), **{"Sec-Fetch-Site": "cross-site", **NAVIGATION})

    async def who(self) -> dict[str, Any]:
        headers = {"Cookie": f"waterhole_session={self.cookies.get('waterhole_session', '')}"}
        async with self.gateway.client.get("/session", headers=headers) as response:
            return dict(await response.json())


NAVIGATION = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


@pytest.fixture
def person(gateway: Gateway, issuer: Issuer) -> Person:
    issuer.token_status = 200
    return Person(gateway, issuer)


def failed(code: str) -> tuple[int, str]:
    return 303, f"/app/sign-in?error={code}"


async def test_the_issuer_is_asked_for_a_code_with_proofs(person: Person) -> None:
    url = await person.start()
    assert str(url).startswith(f"{NAME}/authorize?tenant=1&")
    assert {
        name: value for name, value in person.asked.items() if name not in {"state", "nonce", "code_challenge"}
    } == {
        "tenant": "1",
        "response_type": "code",
        "client_id": CLIENT_ID,
        "redirect_uri": f"{PUBLIC_URL}{CALLBACK}",
        "scope": "openid",
        "code_challenge_method": "S256",
    }
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", person.asked["code_challenge"])
    first = dict(person.asked)
    await person.start()
    assert all(first[name] != person.asked[name] for name in ("state", "nonce", "code_challenge"))


async def test_a_browser_signs_in_as_the_user_of_the_subjects_tokens(person: Person) -> None:
    await person.start("/app/jobs/7?hit=3&view=a,b")
    code = person.code()
    assert await person.come_back(code=code, iss=NAME) == (303, "/app/jobs/7?hit=3&view=a,b")
    session = await person.who()
    assert (session["signed_in_with"], session["name"], session["tier"]) == ("oidc", person.subject, "free")
    assert session["user_id"] == token_user_id(NAME, person.subject)
    form = person.issuer.exchanges[-1]
    assert (form["grant_type"], form["code"]) == ("authorization_code", code)
    assert form["redirect_uri"] == f"{PUBLIC_URL}{CALLBACK}"
    # A program with a token of the same subject is the same user.
    program = Account(person.gateway, session["user_id"], "", token=token(person.subject))
    assert (await program.ask("GET", "/usage"))[1]["user_id"] == session["user_id"]


async def test_a_code_and_a_way_back_work_once(person: Person) -> None:
    await person.start()
    before, code = dict(person.cookies), person.code()
    assert (await person.come_back(code=code))[1] == "/app/"
    assert await person.come_back(code=code) == failed("sign_in_expired")
    person.cookies = before
    assert await person.come_back(code=code) == failed("sign_in_failed")


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"nonce": "x"}, "another sign-in"),
        ({"nonce": None}, "another sign-in"),
        ({"nonce": 7}, "another sign-in"),
        ({"aud": AUDIENCE}, "another audience"),
        ({"aud": [CLIENT_ID, AUDIENCE]}, "another client"),
        ({"aud": CLIENT_ID, "azp": AUDIENCE}, "another client"),
        ({"exp": 1}, "expired"),
        ({"iss": "https://another.example"}, "another issuer"),
        ({"kid": "rsa-9"}, "not signed with a key"),
    ],
)
async def test_other_id_tokens_are_refused(person: Person, claims: dict[str, Any], why: str) -> None:
    await person.start()
    with structlog.testing.capture_logs() as lines:
        assert await person.come_back(code=person.code(**claims)) == failed("sign_in_failed")
    assert why in next(line["error"] for line in lines if line["event"] == "issuer's answer refused")
    assert (await person.who())["signed_in"] is False


async def test_a_token_for_several_audiences_names_this_client(person: Person) -> None:
    await person.start()
    code = person.code(aud=[AUDIENCE, CLIENT_ID], azp=CLIENT_ID)
    assert (await person.come_back(code=code))[1] == "/app/"


async def test_only_the_browser_that_started_can_finish(person: Person, gateway: Gateway, issuer: Issuer) -> None:
    """A page that sends somebody the attacker's way back would sign them in as the attacker."""
    await person.start()
    code = person.code()
    victim = Person(gateway, issuer)
    victim.asked = person.asked
    assert await victim.come_back(code=code) == failed("sign_in_expired")
    await victim.start()
    assert await victim.come_back(code=code, state=person.asked["state"]) == failed("sign_in_expired")
    assert (await victim.who())["signed_in"] is False


async def test_a_stolen_code_is_of_no_use(person: Person, gateway: Gateway, issuer: Issuer) -> None:
    await person.start()
    stolen, thief = person.code(), Person(gateway, issuer)
    await thief.start()
    assert await thief.come_back(code=stolen) == failed("sign_in_failed")


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"error": "access_denied"}, "sign_in_denied"),
        ({"error": "<script>", "error_description": "x"}, "sign_in_failed"),
        ({"code": ""}, "sign_in_failed"),
        ({}, "sign_in_failed"),
        ({"code": "unknown"}, "sign_in_failed"),
        ({"code": "x", "iss": "https://another.example"}, "sign_in_failed"),
        ({"code": "x", "state": ""}, "sign_in_expired"),
        ({"code": "x", "state": "é\ud800".encode("utf-8", "surrogatepass").decode("latin-1")}, "sign_in_expired"),
    ],
)
async def test_every_failure_ends_at_the_sign_in_page(person: Person, query: dict[str, str], code: str) -> None:
    await person.start()
    assert await person.come_back(**query) == failed(code)


@pytest.mark.parametrize(
    ("status", "code"), [(400, "sign_in_failed"), (302, "temporarily_unavailable"), (500, "temporarily_unavailable")]
)
async def test_an_issuer_that_fails_ends_at_the_sign_in_page(person: Person, status: int, code: str) -> None:
    await person.start("/app/upload")
    person.issuer.token_status = status
    there = f"/app/sign-in?error={code}&return_to=%2Fapp%2Fupload"
    assert await person.come_back(code=person.code()) == (303, there)
    person.issuer.token_status = 200


async def test_an_old_or_tampered_attempt_is_refused(person: Person) -> None:
    await person.start()
    with person.gateway.clock.ahead(601):
        assert await person.come_back(code=person.code()) == failed("sign_in_expired")
    await person.start()
    head, body, signature = person.cookies["waterhole_sign_in"].split(".")
    for forged in (f"{head}.{body}.{signature[:-4]}AAAA", f"{head}.{body}.", "x", f"eyJhbGciOiJub25lIn0.{body}."):
        person.cookies["waterhole_sign_in"] = forged
        assert await person.come_back(code=person.code()) == failed("sign_in_expired")


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example/",
        "//evil.example/app/",
        "/\\evil.example/app/",
        "/app/../jobs",
        "/app/%2e%2e/docs",
        "/app//evil.example",
        "/app/\n//evil.example",
        "/app/x#//evil.example",
        "javascript:alert(1)",
        "/docs",
        "app/",
        "/app/" + "x" * 2000,
    ],
)
async def test_the_way_back_leads_to_the_dashboard_only(person: Person, elsewhere: str) -> None:
    await person.start(elsewhere)
    assert (await person.come_back(code=person.code()))[1] == "/app/"


async def test_other_pages_can_not_load_the_way_to_the_issuer(person: Person) -> None:
    assert await person.get("/session/oidc", **{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}) == (
        403,
        "",
    )


async def test_nothing_secret_of_a_sign_in_is_logged(
    person: Person, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with structlog.testing.capture_logs() as lines:
        await person.start()
        code = person.code()
        secrets = [code, person.issuer.codes[code][1], person.asked["state"], person.asked["nonce"], CLIENT_SECRET]
        secrets += person.cookies.values()
        await person.come_back(code=code)
        secrets += [value for value in person.cookies.values() if value]
        await person.start()
        await person.come_back(code="wrong-code-7f3a")
    told = f"{lines} {caplog.text} {capfd.readouterr()}"
    assert "signed in" in told
    for secret in [*secrets, "wrong-code-7f3a"]:
        assert secret not in told
