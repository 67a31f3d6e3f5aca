"""Samples of an observation over HTTP: every kind of file, caches, what is refused, and an upload that is gone."""

import io

import numpy as np
import pandas as pd
import pytest

from services.gateway.observations.spectra_formats import MAX_RAW_BYTES
from shared.filterbank import LocalSource, read_block, read_header
from shared.object_keys import artefact_key
from shared.results import Observation
from shared.strict_json import strict_json
from tests.contract.gateway.observed import fetch, observed_job
from tests.contract.gateway.parts import HEADER, Account, Gateway
from tests.unit.gateway.observations.example_observations import KINDS, header_of, observation, packed_bits

FOFF = 2.7939677238464355e-06


@pytest.mark.parametrize("foff", [FOFF, -FOFF])
@pytest.mark.parametrize(("bits", "signed", "ifs"), KINDS)
async def test_samples_are_those_of_the_file(alice: Account, tmp_path, bits, signed, ifs, foff) -> None:
    power, raw = observation(bits, signed, ifs, foff=foff)
    header = await header_of(raw)
    url = f"/jobs/{await observed_job(alice, raw, header)}/spectra?start_channel=13&stop_channel=50"
    answer = await fetch(alice, url)
    assert answer.status == 200
    start, stop = int(answer.headers["X-Start-Channel"]), int(answer.headers["X-Stop-Channel"])
    assert start <= 13 < 50 <= stop
    stated = [answer.headers[name] for name in ("X-Sample-Bits", "X-Sample-Signed", "X-Ifs", "X-Spectra")]
    assert stated == [str(bits), str(int(signed)), str(ifs), "5"]
    assert answer.body == packed_bits(power[:, :, start:stop], bits)

    file = await fetch(alice, f"{url}&format=fil")
    path = tmp_path / "selection.fil"
    path.write_bytes(file.body)
    assert file.headers["Content-Disposition"] == f'attachment; filename="channels_{start}_{stop}.fil"'
    found, warnings = await read_header(LocalSource(path))
    assert (warnings, found.n_channels, found.tstart_mjd) == ((), stop - start, header.tstart_mjd)
    assert found.frequency_hz(0) == pytest.approx(header.frequency_hz(start), abs=1e-4)
    for if_index in range(ifs):
        block = await read_block(LocalSource(path), found, 0, stop - start, if_index)
        np.testing.assert_array_equal(block, power[:, if_index, start:stop].astype(np.float32))

    table = pd.read_csv(io.BytesIO((await fetch(alice, f"{url}&format=csv")).body))
    np.testing.assert_array_equal(table["power"].to_numpy().astype(power.dtype), power[:, :, 13:50].ravel())


async def test_a_large_selection_is_streamed_whole(alice: Account) -> None:
    power, raw = observation(spectra=16, channels=2**17)
    job_id = await observed_job(alice, raw, await header_of(raw))
    url = f"/jobs/{job_id}/spectra?start_channel=3&stop_channel=131000&format=fil"
    answer = await fetch(alice, url)
    assert int(answer.headers["Content-Length"]) == len(answer.body) > MAX_RAW_BYTES
    assert answer.body.endswith(power[:, :, 3:131_000].tobytes())
    head = await fetch(alice, url, "HEAD")
    assert (head.headers["Content-Length"], head.body) == (answer.headers["Content-Length"], b"")


@pytest.mark.parametrize("form", ["raw", "fil", "csv"])
async def test_clients_keep_answers(alice: Account, bob: Account, form: str) -> None:
    _, raw = observation()
    url = f"/jobs/{await observed_job(alice, raw, await header_of(raw))}/spectra?format={form}"
    etag = (await fetch(alice, url)).headers["ETag"]
    again = await fetch(alice, url, If_None_Match=etag)
    assert (again.status, again.body) == (304, b"")
    other = await fetch(bob, url, If_None_Match=etag)
    assert (other.status, other.code) == (403, "job_of_another_user")


@pytest.mark.parametrize(
    ("query", "status", "expected"),
    [
        ("start_channel=-1", 400, "invalid_channels"),
        ("start_channel=NaN", 400, "invalid_channels"),
        ("stop_channel=65", 400, "invalid_channels"),
        ("stop_channel=" + "9" * 400, 400, "invalid_channels"),
        ("start_channel=7&stop_channel=7", 400, "invalid_channels"),
        ("start_channel=8&stop_channel=7", 400, "invalid_channels"),
        ("format=png", 400, "invalid_format"),
        ("format=../raw", 400, "invalid_format"),
        ("spectrum=1", 400, "unknown_parameter"),
    ],
)
async def test_other_requests_are_refused(alice: Account, query: str, status: int, expected: str) -> None:
    _, raw = observation()
    answer = await fetch(alice, f"/jobs/{await observed_job(alice, raw, await header_of(raw))}/spectra?{query}")
    assert (answer.status, answer.code) == (status, expected)


async def test_answers_are_bounded(alice: Account) -> None:
    _, raw = observation(spectra=16, channels=2**15)
    url = f"/jobs/{await observed_job(alice, raw, await header_of(raw))}/spectra"
    for form in ("raw", "csv"):
        answer = await fetch(alice, f"{url}?format={form}")
        assert (answer.status, answer.code) == (400, "range_too_large")


async def test_an_upload_that_is_gone_or_another_is_not_read(gateway: Gateway, alice: Account) -> None:
    _, raw = observation()
    key = await alice.upload(raw, "a.fil")
    job_id = await observed_job(alice, raw, await header_of(raw), key=key)
    await gateway.storage.uploads.put(key, raw[::-1])
    for path in ("raw", "fil", "csv"):
        answer = await fetch(alice, f"/jobs/{job_id}/spectra?format={path}")
        assert (answer.status, answer.code) == (404, "observation_gone")
    await gateway.storage.uploads.delete(key)
    assert (await fetch(alice, f"/jobs/{job_id}/spectra")).code == "observation_gone"


async def test_files_of_which_channels_cannot_be_read_are_told_of(alice: Account) -> None:
    job_id = await observed_job(alice, b"data", HEADER.model_copy(update={"file_format": "h5"}), "a.h5")
    answer = await fetch(alice, f"/jobs/{job_id}/spectra")
    assert (answer.status, answer.code) == (409, "spectra_not_readable")
    open_job = await alice.analyze()
    assert (await fetch(alice, f"/jobs/{open_job}/spectra")).code == "spectra_not_readable"


async def test_a_job_of_an_early_version_keeps_its_header_in_its_results(gateway: Gateway, alice: Account) -> None:
    power, raw = observation()
    header = await header_of(raw)
    job_id = await observed_job(alice, raw, header)
    await gateway.store.jobs._jobs.update_one({"_id": job_id}, {"$unset": {"observation": ""}})
    results = strict_json({"job_id": job_id, "observation": Observation(**header.model_dump()).model_dump()})
    await gateway.storage.results.put(artefact_key(job_id, "results.json"), results)
    assert "observation" not in (await alice.ask("GET", f"/jobs/{job_id}"))[1]
    answer = await fetch(alice, f"/jobs/{job_id}/spectra?stop_channel=9")
    assert answer.body == power[:, :, :9].tobytes()
