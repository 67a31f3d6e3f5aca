"""The waterfall of a job over HTTP: parts of it, caches, and who may not see it."""

import uuid

import pytest

from services.gateway.api.immutable import CACHE_CONTROL
from tests.contract.gateway.observed import fetch, observed_job
from tests.contract.gateway.parts import Account, Gateway, classified
from tests.unit.gateway.observations.example_pyramids import EDGES, HEADER, MANIFEST, ROWS, WINDOWS, Pyramids

FACTOR = MANIFEST.factors[0]
PATHS = ("", f"/levels/{FACTOR}", "/noise", "/samples")


@pytest.fixture(scope="module")
async def pyramids(gateway: Gateway, alice: Account) -> Pyramids:
    """Return the pyramids of a job of alice's."""
    job_id = await observed_job(alice, b"data", HEADER)
    made = Pyramids(job_id)
    for key, content in made.objects.items():
        await gateway.storage.results.put(key, content)
    return made


async def test_the_grid_says_how_to_read_the_parts(alice: Account, pyramids: Pyramids) -> None:
    status, grid = await alice.ask("GET", f"/jobs/{pyramids.job_id}/waterfall")
    assert status == 200
    assert (grid["chunk_edges"], grid["factors"], grid["rows"]) == (list(EDGES), list(MANIFEST.factors), ROWS)
    assert grid["sigma_relative"] == pytest.approx(0.25)


async def test_levels_noise_and_windows_are_those_of_the_objects(alice: Account, pyramids: Pyramids) -> None:
    path = f"/jobs/{pyramids.job_id}/waterfall"
    for statistic in ("max", "mean"):
        answer = await fetch(alice, f"{path}/levels/{FACTOR}?statistic={statistic}")
        levels = [pyramids.levels[chunk, statistic, FACTOR].tobytes() for chunk in range(3)]
        assert (answer.status, answer.body) == (200, b"".join(levels))
    cut = await fetch(alice, f"{path}/levels/{FACTOR}?start_channel=4100&stop_channel=4120&statistic=mean")
    assert cut.body == pyramids.levels[1, "mean", FACTOR][4 // FACTOR : -(-24 // FACTOR)].tobytes()
    noise = await fetch(alice, f"{path}/noise")
    assert noise.body == b"".join(pyramids.noise[chunk].tobytes() for chunk in range(3))
    window = WINDOWS[0][0]
    samples = await fetch(alice, f"{path}/samples?start_channel={window.start}&stop_channel={window.stop}")
    assert samples.body[16:] == pyramids.windows[0][0].tobytes()


@pytest.mark.parametrize("path", PATHS)
async def test_clients_keep_answers_and_get_them_compressed(alice: Account, pyramids: Pyramids, path: str) -> None:
    url = f"/jobs/{pyramids.job_id}/waterfall{path}"
    first = await fetch(alice, url, Accept_Encoding="identity")
    assert first.status == 200
    assert first.headers["Cache-Control"] == CACHE_CONTROL
    assert "Content-Encoding" not in first.headers
    again = await fetch(alice, url, If_None_Match=first.headers["ETag"])
    assert (again.status, again.body, again.headers["ETag"]) == (304, b"", first.headers["ETag"])
    # The client of the tests unpacks what is compressed.
    zipped = await fetch(alice, url, Accept_Encoding="gzip")
    assert zipped.body == first.body
    assert (await fetch(alice, url, "HEAD")).headers["ETag"] == first.headers["ETag"]


@pytest.mark.parametrize("path", PATHS)
async def test_another_user_sees_nothing_even_of_what_is_known(
    alice: Account, bob: Account, pyramids: Pyramids, path: str
) -> None:
    url = f"/jobs/{pyramids.job_id}/waterfall{path}"
    etag = (await fetch(alice, url)).headers["ETag"]
    for headers in ({}, {"If_None_Match": etag}, {"If_None_Match": "*"}):
        answer = await fetch(bob, url, **headers)
        assert (answer.status, answer.code) == (403, "job_of_another_user")
        assert "ETag" not in answer.headers
        assert answer.headers["Cache-Control"] == "no-store"
    unknown = await fetch(alice, f"/jobs/{uuid.uuid4()}/waterfall{path}")
    assert (unknown.status, unknown.code) == (404, "job_not_found")
    nobody = Account(alice.gateway, "", "sk_live_wrong")
    assert (await fetch(nobody, url)).code == "invalid_api_key"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        *((f"start_channel={bad}", "invalid_channels") for bad in ("-1", "NaN", "1e3", "inf", "9" * 400, "10000", "")),
        *((f"stop_channel={bad}", "invalid_channels") for bad in ("0", "10001", "-5", "99999999999999999999")),
        ("start_channel=5&stop_channel=5", "invalid_channels"),
        ("start_channel=6&stop_channel=5", "invalid_channels"),
        ("start_channel=1&start_channel=2", "repeated_parameter"),
        ("channel=1", "unknown_parameter"),
    ],
)
async def test_other_ranges_are_refused(alice: Account, pyramids: Pyramids, query: str, expected: str) -> None:
    for path in PATHS[1:]:
        answer = await fetch(alice, f"/jobs/{pyramids.job_id}/waterfall{path}?{query}")
        assert (answer.status, answer.code) == (400, expected)


@pytest.mark.parametrize("factor", ["0", "-16", "17", "16.0", "NaN", "9" * 400, "%2e%2e", "16%2F..%2Fnoise"])
async def test_other_levels_are_refused(alice: Account, pyramids: Pyramids, factor: str) -> None:
    answer = await fetch(alice, f"/jobs/{pyramids.job_id}/waterfall/levels/{factor}")
    assert answer.status == 404
    assert answer.code in {"unknown_level", "not_found"}


async def test_other_statistics_are_refused(alice: Account, pyramids: Pyramids) -> None:
    answer = await fetch(alice, f"/jobs/{pyramids.job_id}/waterfall/levels/{FACTOR}?statistic=median")
    assert (answer.status, answer.code) == (400, "invalid_statistic")


async def test_jobs_without_a_waterfall_say_so(gateway: Gateway, alice: Account) -> None:
    job_id = await alice.analyze()
    for path in PATHS:
        answer = await fetch(alice, f"/jobs/{job_id}/waterfall{path}")
        assert (answer.status, answer.code) == (404, "no_waterfall")
    await gateway.worker_events.handle(classified(gateway, job_id))
    status, body = await alice.ask("GET", f"/jobs/{job_id}/waterfall")
    assert (status, body["error"]["code"]) == (404, "no_waterfall")
    assert "Analyze the observation again" in body["error"]["message"]


async def test_a_deleted_job_has_none(gateway: Gateway, alice: Account) -> None:
    job_id = await observed_job(alice, b"data", HEADER)
    for key, content in Pyramids(job_id).objects.items():
        await gateway.storage.results.put(key, content)
    url = f"/jobs/{job_id}/waterfall/levels/{FACTOR}"
    etag = (await fetch(alice, url)).headers["ETag"]
    assert (await alice.ask("DELETE", f"/jobs/{job_id}"))[0] == 200
    gone = await fetch(alice, url, If_None_Match=etag)
    assert (gone.status, gone.code) == (404, "job_not_found")
    assert await gateway.storage.results.list_keys(f"jobs/{job_id}/") == []
