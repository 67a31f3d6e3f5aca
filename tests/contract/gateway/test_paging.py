"""GET /jobs, one page at a time."""

from typing import Any
from urllib.parse import urlencode

import pytest

from tests.contract.gateway.parts import Account, Gateway, account, classified, code


@pytest.fixture(scope="module")
async def user(gateway: Gateway) -> Account:
    return await account(gateway)


@pytest.fixture(scope="module")
async def made(user: Account) -> list[str]:
    """Return jobs, newest first, every other one complete."""
    key = await user.upload()
    jobs = [await user.start(key) for _ in range(7)]
    for job_id in jobs[::2]:
        await user.gateway.worker_events.handle(classified(user.gateway, job_id))
    # Submitted in the same instant, so that their order must come from another field.
    await user.gateway.store.database["jobs"].update_many(
        {"_id": {"$in": jobs[2:5]}}, {"$set": {"submitted_ms": user.gateway.clock() - 3_600_000}}
    )
    status, listed = await user.ask("GET", "/jobs")
    assert status == 200
    return [job["job_id"] for job in listed]


async def pages(user: Account, path: str) -> list[list[str]]:
    """Return the ids on each page, following the links."""
    found = []
    while path:
        status, jobs, headers = await user.answer("GET", path)
        assert status == 200
        found.append([job["job_id"] for job in jobs])
        path = next_of(headers)
        assert len(found) < 20
    return found


def next_of(headers: Any) -> str:
    """Return the path of the next page."""
    if "Link" not in headers:
        assert "X-Next-Cursor" not in headers
        return ""
    target, relation = headers["Link"].split("; ")
    assert relation == 'rel="next"'
    assert headers["X-Next-Cursor"] in target
    return str(target.strip("<>"))


@pytest.mark.parametrize("limit", [1, 2, 3, 6, 7, 50, 100])
async def test_pages_together_form_the_list(user: Account, made: list[str], limit: int) -> None:
    found = await pages(user, f"/jobs?limit={limit}")
    assert [job_id for page in found for job_id in page] == made
    assert all(len(page) == limit for page in found[:-1])
    assert 1 <= len(found[-1]) <= limit


async def test_pages_of_one_status(user: Account, made: list[str]) -> None:
    complete = [job_id for page in await pages(user, "/jobs?status=complete&limit=3") for job_id in page]
    submitted = [job_id for page in await pages(user, "/jobs?limit=1&status=submitted") for job_id in page]
    assert (len(complete), len(submitted)) == (4, 3)
    assert sorted([*complete, *submitted], key=made.index) == made
    assert await pages(user, "/jobs?status=failed") == [[]]


async def test_new_and_deleted_jobs_do_not_shift_the_next_page(user: Account, made: list[str]) -> None:
    _, first, headers = await user.answer("GET", "/jobs?limit=3")
    new = await user.start(await user.upload())
    cursor = headers["X-Next-Cursor"]
    await user.ask("DELETE", f"/jobs/{new}")
    newer = await user.start(await user.upload())
    _, second, _ = await user.answer("GET", f"/jobs?limit=2&cursor={cursor}")
    assert [job["job_id"] for job in [*first, *second]] == made[:5]
    await user.ask("DELETE", f"/jobs/{newer}")


async def test_a_cursor_shows_no_jobs_of_other_users(user: Account, made: list[str]) -> None:
    _, _, headers = await user.answer("GET", "/jobs?limit=1")
    other = await account(user.gateway)
    assert await other.ask("GET", f"/jobs?cursor={headers['X-Next-Cursor']}") == (200, [])


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("status=", "invalid_status"),
        ("status=done", "invalid_status"),
        ("status=removed", "invalid_status"),
        ("cursor=", "invalid_cursor"),
        ("cursor=abc", "invalid_cursor"),
        ("cursor=%00", "invalid_cursor"),
        ("cursor=%C3%A9", "invalid_cursor"),
        ("cursor=eyIkbmUiOjF9", "invalid_cursor"),
        ("cursor=OTk5OTk5OTk5OTk5OTk5OTk5OTphYmM", "invalid_cursor"),
        ("limit=%D9%A3", "invalid_limit"),
        ("limit=1_0", "invalid_limit"),
        ("q=%00", "invalid_q"),
        ("q=" + 101 * "x", "invalid_q"),
    ],
)
async def test_invalid_parameters_are_refused(user: Account, query: str, expected: str) -> None:
    assert code(await user.ask("GET", f"/jobs?{query}")) == (400, expected)


NAMES = [
    "Voyager_1.fil",
    "voyager_2.fil",
    "100%_(a+b).fil",
    "[x]*?^$|{2}.h5",
    "HÄUSER ñ.fil",
    "日本.h5",
    "a\\b & c.fil",
]


@pytest.fixture(scope="module")
async def named(gateway: Gateway) -> tuple[Account, dict[str, str]]:
    """Return a user with jobs of these names, and the id of each."""
    user = await account(gateway)
    key = await user.upload()
    jobs = {name: await user.start(key, filename=name, source_name=f"Source {n}") for n, name in enumerate(NAMES)}
    return user, jobs


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("VOYAGER", NAMES[:2]),
        ("r_1.F", NAMES[:1]),
        ("source 3", NAMES[3:4]),
        ("Source", NAMES),
        ("(A+b)", NAMES[2:3]),
        ("[x]*?^$|{2}", NAMES[3:4]),
        ("häuser Ñ", NAMES[4:5]),
        ("本", NAMES[5:6]),
        ("\\b & ", NAMES[6:7]),
        (".*", []),
        ("$", NAMES[3:4]),
        ("%", NAMES[2:3]),
        ("fil1", []),
        ("", NAMES),
    ],
)
async def test_a_text_is_found_in_names_as_it_is(
    named: tuple[Account, dict[str, str]], text: str, expected: list[str]
) -> None:
    user, jobs = named
    status, found, headers = await user.answer("GET", f"/jobs?{urlencode({'q': text})}")
    assert (status, headers["X-Total-Count"]) == (200, str(len(expected)))
    assert [job["job_id"] for job in found] == [jobs[name] for name in reversed(expected)]


async def test_pages_of_a_text_and_a_status_state_how_many_there_are(named: tuple[Account, dict[str, str]]) -> None:
    user, jobs = named
    path, seen = "/jobs?q=SOURCE&status=submitted&limit=2", []
    while path:
        _, found, headers = await user.answer("GET", path)
        assert headers["X-Total-Count"] == "7"
        seen += [job["job_id"] for job in found]
        path = next_of(headers)
    assert seen == list(jobs.values())[::-1]
    assert (await user.answer("GET", "/jobs?q=source&status=failed"))[2]["X-Total-Count"] == "0"


async def test_cadences_are_found_by_their_name_and_by_their_scans(gateway: Gateway) -> None:
    user = await account(gateway)
    keys = [await user.upload(name=f"HIP_{number}.fil") for number in range(2)]
    for name in ("First (1)", "Second"):
        scans = [{"file_key": key, "role": "on", "source_name": f"Off of {name}"} for key in keys]
        status, _ = await user.ask("POST", "/cadences", {"name": name, "scans": scans})
        assert status == 202
    for text, count in (("first (", 1), ("hip_1.FIL", 2), ("of second", 1), ("d", 1), ("nothing", 0)):
        status, found, headers = await user.answer("GET", f"/cadences?{urlencode({'q': text})}")
        assert (status, len(found), headers["X-Total-Count"]) == (200, count, str(count))
    _, found, headers = await user.answer("GET", "/cadences?limit=1&q=hip")
    assert (found[0]["name"], headers["X-Total-Count"]) == ("Second", "2")
