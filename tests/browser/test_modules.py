"""The dashboard's pure modules, called from Python: formats, changes of a list, paths."""

import pytest

DASH = "—"


@pytest.mark.parametrize(
    ("name", "args", "expected"),
    [
        # Two significant digits of an error below 3, one above; the value ends where its error does.
        ("frequency_text", [8419921045.94, 0.21], "8419.92104594 MHz"),
        ("frequency_text", [8419921045.94, 0.31], "8419.9210459 MHz"),
        ("frequency_text", [8419921045.94, 1.2], "8419.9210459 MHz"),
        ("frequency_text", [8419921045.94, 4.0], "8419.921046 MHz"),
        ("frequency_text", [8419921045.94], "8419.921046 MHz"),
        ("frequency_text", [None], DASH),
        ("drift_text", [-0.36735, 0.0123], "−0.367 Hz/s"),
        ("drift_text", [-0.36735, 0.2], "−0.37 Hz/s"),
        ("drift_text", [-0.0001, 0.05], "0.00 Hz/s"),
        ("drift_text", [1.2245], "1.224 Hz/s"),
        ("snr_text", [57.5527], "57.6"),
        ("snr_text", [5712.3], "5712"),
        ("number_text", [12.345, 5], "12"),
        ("number_text", [12.345, 0.04], "12.35"),
        ("size_text", [0], "0 B"),
        ("size_text", [1023], "1023 B"),
        ("size_text", [67109150], "64.0 MiB"),
        ("size_text", [1073741823], "1.0 GiB"),
        ("utc_text", [1712444400], "2024-04-06 23:00:00 UTC"),
        ("utc_text", [None], DASH),
        ("utc_text", [1e300], DASH),
        ("relative_text", [1000, 1003], "just now"),
        ("relative_text", [1000, 1059], "59 s ago"),
        ("relative_text", [1000, 8200], "2 h ago"),
        ("relative_text", [90000, 1000], "in 1 d"),
        ("relative_text", [90 * 86400, 100], "in 90 d"),
        ("when_text", [1712444400, 1712444580], "2024-04-06 23:00:00 UTC (3 min ago)"),
        ("duration_text", [2.14], "2.1 s"),
        ("duration_text", [0], "0 s"),
        ("count_text", [1234567], "1,234,567"),
        ("counted_text", [1, "job"], "1 job"),
        ("counted_text", [2000, "candidate"], "2,000 candidates"),
    ],
)
async def test_numbers_and_times_are_texts(javascript, name, args, expected):
    assert await javascript.call("format.js", name, *args) == expected


@pytest.mark.parametrize(
    ("path", "name", "params"),
    [
        ("/app/", "jobs", {}),
        ("/app", "jobs", {}),
        ("/app/keys", "keys", {}),
        ("/app/keys/", "keys", {}),
        ("/app/jobs/5e13", "job", {"id": "5e13"}),
        ("/app/cadences/5e13", "cadence", {"id": "5e13"}),
        ("/app/jobs", "not_found", {}),
        ("/app/jobs/1/2", "not_found", {}),
    ],
)
async def test_a_path_names_its_page(javascript, path, name, params):
    found = await javascript.run(
        "router.js", "(m, path) => [m.route_of(path).route.name, m.route_of(path).params]", path
    )
    assert found == [name, params]


@pytest.mark.parametrize(
    ("wanted", "goal"),
    [
        ("/app/jobs/1?hit=2", "/app/jobs/1?hit=2"),
        (None, "/app/"),
        ("/app/sign-in", "/app/"),
        ("/jobs", "/app/"),
        ("//evil.example/app/", "/app/"),
        ("https://evil.example/app/", "/app/"),
        ("/app/../docs", "/app/"),
        ("/app/%2e%2e/docs", "/app/"),
        ("/app/\\evil.example", "/app/"),
        ("javascript:alert(1)", "/app/"),
    ],
)
async def test_the_way_back_after_the_sign_in_stays_in_the_dashboard(javascript, wanted, goal):
    assert await javascript.call("router.js", "safe_return", wanted) == goal


def listed(*ids: int, next_cursor: str | None = None, total: int | None = None):
    """Return a list of jobs; the number is id, name and time."""
    items = [one(number) for number in ids]
    return {"items": items, "next_cursor": next_cursor, "total": len(ids) if total is None else total}


def one(number: int, **changes: str):
    return {
        "job_id": str(number),
        "status": "complete",
        "source_name": f"Star {number}",
        "filename": "x.fil",
        "created_at": number,
    } | changes


ALL = {"id_key": "job_id", "status": "", "q": ""}


async def changed(javascript, before, item, **rule: str):
    after = await javascript.call("parts/list_changes.js", "with_change", before, item, ALL | rule)
    return [(entry["job_id"], entry["status"]) for entry in after["items"]], after["total"]


async def test_a_new_entry_takes_its_place_by_time(javascript):
    before = listed(9, 5, 1)
    assert await changed(javascript, before, one(10)) == ([(str(n), "complete") for n in (10, 9, 5, 1)], 4)
    assert await changed(javascript, before, one(7)) == ([(str(n), "complete") for n in (9, 7, 5, 1)], 4)
    assert await changed(javascript, before, one(0)) == ([(str(n), "complete") for n in (9, 5, 1, 0)], 4)
    # Where more pages follow, an older entry is on one of them.
    before = listed(9, 5, next_cursor="x", total=7)
    assert await changed(javascript, before, one(1)) == ([("9", "complete"), ("5", "complete")], 8)


async def test_a_changed_entry_stays_or_leaves_as_the_filter_says(javascript):
    before = listed(9, 5)
    failed = one(5, status="failed")
    assert await changed(javascript, before, failed) == ([("9", "complete"), ("5", "failed")], 2)
    assert await changed(javascript, before, failed, status="complete") == ([("9", "complete")], 1)
    assert await changed(javascript, before, one(7), status="failed") == ([("9", "complete"), ("5", "complete")], 2)
    assert await changed(javascript, before, one(7), q="sTaR 7") == ([(str(n), "complete") for n in (9, 7, 5)], 3)
    assert await changed(javascript, before, one(7), q="star 8") == ([("9", "complete"), ("5", "complete")], 2)


async def test_a_removed_entry_leaves(javascript):
    after = await javascript.call("parts/list_changes.js", "without", listed(9, 5, total=60), "5", ALL)
    assert ([entry["job_id"] for entry in after["items"]], after["total"]) == (["9"], 59)
    after = await javascript.call("parts/list_changes.js", "without", listed(9, 5), "6", ALL)
    assert after["total"] == 2


async def test_stages_are_told_in_words(javascript):
    def text(**item):
        return javascript.call("parts/stages.js", "stage_text", item)

    progress = {"stage": "dedoppler", "done": 3, "total": 12}
    assert await text(status="processing", progress=progress) == "Searching for signals, 3 of 12"
    assert await text(status="processing", progress=progress | {"done": 0, "total": 1}) == "Searching for signals"
    # Of a stage that is done the next one has begun, as the job's page says.
    assert await text(status="processing", progress=progress | {"done": 12}) == "Labelling the hits"
    assert (
        await text(status="processing", progress=progress | {"stage": "ingest", "done": 12}) == "Searching for signals"
    )
    assert await text(status="processing", progress=progress | {"stage": "export", "done": 12}) == (
        "Writing the catalogues, 12 of 12"
    )
    assert await text(status="submitted") == "Waiting for its turn"


@pytest.mark.parametrize("name", ["constructor", "__proto__", "toString", "hasOwnProperty"])
async def test_names_that_every_object_has_are_no_choices(javascript, name):
    code = "(m, query) => m.{}(new URLSearchParams(query))"
    found = await javascript.run("triage/filters.js", code.format("filters_of"), f"sort={name}")
    assert (found["sort"], found["order"]) == ("interest", "descending")
    view = f"map={name}&statistic={name}&center_hz={name}&low=2"
    assert await javascript.run("waterfall/address_view.js", code.format("view_in"), view) == {"low": 2}
    view = "map=cividis&statistic=mean"
    found = await javascript.run("waterfall/address_view.js", code.format("view_in"), view)
    assert found == {"map": "cividis", "statistic": "mean"}


@pytest.mark.parametrize("mjd", [1e300, -1e300, 1e9, 1.7976931348623157e308])
async def test_a_header_that_states_no_possible_time_is_shown(javascript, mjd):
    assert (await javascript.call("waterfall/ticks.js", "utc_text", mjd, 0)).startswith("MJD ")
    observation = {
        "first_channel_hz": 1e9,
        "channel_width_hz": -2.8,
        "n_channels": 64,
        "n_spectra": 16,
        "spectrum_s": 18.3,
        "start_mjd": mjd,
        "n_bits": 32,
        "n_ifs": 1,
    }
    rows = dict(await javascript.call("job/observation.js", "observation_rows", observation))
    assert (rows["Start"], rows["Spectra"]) == (DASH, "16 of 18.3 s, 4 min 53 s in all")
