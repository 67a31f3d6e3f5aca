"""The waterfall of a job of the whole stack: what the page saves against the file that was uploaded."""

import asyncio
import csv
import io
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest

from science.simulator import Scene, Tone, make_header, simulate, write_fil
from tests.browser.accessibility import check_accessibility

CHANNEL, DRIFT_HZ_S = 40_000, -0.3
HEADER_END = b"HEADER_END"


@pytest.fixture(scope="module")
async def searched(client, tmp_path_factory):
    """Return a header, its samples, and the id of the job that searched them."""
    header = make_header(2**16, source_name="Waterfall")
    tone = Tone(header.frequency_hz(CHANNEL), DRIFT_HZ_S, snr=80.0)
    power = simulate(Scene(header, tones=(tone,)))
    path = tmp_path_factory.mktemp("observation") / "waterfall.fil"
    write_fil(path, header, power)
    job_id = await client.analyze(await client.upload(path), path.name)
    async with asyncio.timeout(200):
        while not (job := await client.job(job_id)).get("exports_ready"):
            assert job["status"] != "failed", job
            await asyncio.sleep(0.2)
    return header, power, job_id


async def test_the_waterfall_of_a_job_shows_the_samples_of_the_file(page, stack, searched, screenshot, tmp_path):
    header, power, job_id = searched
    await page.goto(await stack.sign_in_link())
    await page.get_by_role("heading", name="Jobs").first.wait_for()
    await page.goto(f"{stack.url}/app/jobs/{job_id}")
    await page.locator(".waterfall canvas[data-state=settled]").wait_for()
    await page.get_by_role("button", name="Next hit").click()
    await page.get_by_role("button", name="Show the selected hit").click()
    await page.get_by_text("Drawn from single channels").wait_for()
    await page.locator(".waterfall canvas[data-state=settled]").wait_for()
    await screenshot(page, "job_waterfall_dark")
    await check_accessibility(page)
    asked = []
    page.on("request", lambda request: "format=fil" in request.url and asked.append(request.url))
    files = {}
    for name in ("Values shown (CSV)", "Samples (.fil)"):
        async with page.expect_download() as coming:
            await page.get_by_role("button", name=name).click()
        await (await coming.value).save_as(tmp_path / "saved")
        files[name] = (tmp_path / "saved").read_bytes()
    # The file holds the samples of the observation, bit for bit.
    content, query = files["Samples (.fil)"], parse_qs(urlsplit(asked[0]).query)
    start, stop = (int(query[f"{name}_channel"][0]) for name in ("start", "stop"))
    saved = np.frombuffer(content[content.index(HEADER_END) + len(HEADER_END) :], "<f4").reshape(16, stop - start)
    np.testing.assert_array_equal(saved, power[:, start:stop])
    # The values are these in units of the noise: of mean 0 and sigma 1 beside the tone, which lies on its track.
    lines = files["Values shown (CSV)"].decode().splitlines()
    rows = list(csv.DictReader(io.StringIO("\n".join(lines[2:]))))
    centres_hz = np.array([(float(row["from_hz"]) + float(row["to_hz"])) / 2 for row in rows])
    sigmas = np.array([[float(value) for value in list(row.values())[4:]] for row in rows]).T
    track_hz = header.frequency_hz(CHANNEL) + DRIFT_HZ_S * header.tsamp_s * np.arange(16)
    brightest_hz = centres_hz[sigmas.argmax(axis=1)]
    # A track lies in two channels where it crosses from one to the next.
    assert (np.abs(brightest_hz - track_hz) < 1.5 * abs(header.foff_hz)).all()
    beside = np.abs(centres_hz - track_hz[:, None]) > 20 * abs(header.foff_hz)
    # 6,000 samples: their mean is known to 0.013, and the level of the band that was taken off to about as much.
    assert abs(sigmas[beside].mean()) < 0.06
    assert sigmas[beside].std() == pytest.approx(1, abs=0.06)
