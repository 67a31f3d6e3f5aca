"""Test that a job is about the file that was accepted, though its upload URL stays valid for an hour."""

import asyncio
import os
import signal

import aiohttp
import pytest

from science.simulator import Scene, make_header, spectra, write_fil
from shared.events import CHUNK_READY, decode
from tests.e2e.jobs import until_done
from tests.e2e.test_killed_workers import listening


@pytest.fixture
def files(tmp_path):
    """Write two observations of the same size, and one that is larger."""
    paths = []
    for name, channels, seed in (("accepted", 2**17, 1), ("as_large", 2**17, 2), ("larger", 2**18, 3)):
        header = make_header(channels, 8)
        paths.append(tmp_path / f"{name}.fil")
        write_fil(paths[-1], header, spectra(Scene(header, seed=seed)))
    return paths


@pytest.mark.parametrize("replacement", [1, 2], ids=["as large", "larger"])
async def test_a_file_that_is_replaced_in_the_middle_of_its_job_fails_it(stack, client, files, replacement):
    accepted, other = files[0], files[replacement]
    async with aiohttp.ClientSession() as http:
        async with http.post(
            f"{stack.url}/upload-url", json={"filename": "o.fil"}, headers={"x-api-key": stack.api_key}
        ) as response:
            target = await response.json()

        async def put(path):
            async with http.put(target["upload_url"], data=path.read_bytes()) as response:
                assert response.status == 200

        await put(accepted)
        dedoppler = stack.pid_of("dedoppler")
        os.kill(dedoppler, signal.SIGSTOP)
        try:
            async with listening(stack, CHUNK_READY) as consumer, asyncio.timeout(60):
                job_id = await client.analyze(target["file_key"], "o.fil")
                while decode((await consumer.getone()).value).job_id != job_id:
                    pass
                await put(other)
        finally:
            os.kill(dedoppler, signal.SIGCONT)
        job = await until_done(client, job_id)
        assert (job["status"], job["file_size"]) == ("failed", accepted.stat().st_size)
        assert job["error"] == (
            "The file 'o.fil' was replaced while it was analyzed. Upload it again and start a new analysis."
        )
        assert job["error_detail"] == {"code": "file_replaced", "stage": "dedoppler"}
        again = await until_done(client, await client.analyze(target["file_key"], "o.fil"))
        assert (again["status"], again["file_size"]) == ("complete", other.stat().st_size)
