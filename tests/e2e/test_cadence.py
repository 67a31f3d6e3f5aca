"""Test a whole cadence: upload six scans through the REST API, and download its events and pictures."""

import asyncio
import json

import aiohttp
import pandas as pd
import pytest
from astropy.table import QTable
from PIL import Image

from science.simulator import spectra, write_fil
from science.simulator.cadences import demo_cadence
from shared.formats import CADENCE_FORMATS, event_picture
from tests.e2e.jobs import give_verdict, reviewed_table

PATIENCE_S = 240
TOLERANCE_HZ = 20.0
N_CHANNELS = 2**17


async def until_exported(client, cadence_id):
    """Poll a cadence until it has failed, or is complete with all its files. Return it."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            found = await client.cadence(cadence_id)
            if found["status"] == "failed" or found["exports_ready"]:
                return found
            await asyncio.sleep(0.05)


@pytest.fixture(scope="module")
def simulated():
    return demo_cadence(N_CHANNELS)


@pytest.fixture(scope="module")
async def keys(client, simulated, tmp_path_factory):
    """Upload the six scans; their names don't say which are OFF, but their sources do."""
    folder, found = tmp_path_factory.mktemp("cadence"), []
    for place, scene in enumerate(simulated.scenes()):
        path = folder / f"scan_{place}.fil"
        write_fil(path, scene.header, spectra(scene))
        found.append(await client.upload(path))
    return found


@pytest.fixture(scope="module")
async def cadence(client, keys):
    scans = [{"file_key": key, "filename": f"scan_{place}.fil"} for place, key in enumerate(keys)]
    # In another order than that of time.
    return await until_exported(client, await client.start_cadence(scans[::-1], "A simulated cadence"))


@pytest.fixture(scope="module")
async def files(client, cadence, tmp_path_factory):
    folder = tmp_path_factory.mktemp("events")
    pictures = [event_picture(event["id"]).name for event in cadence["results"]["top_events"]]
    names = [*CADENCE_FORMATS, *pictures]
    paths = await asyncio.gather(*(client.download_cadence(cadence["cadence_id"], name, folder) for name in names))
    return dict(zip(names, paths, strict=True))


@pytest.fixture(scope="module")
def document(files):
    return json.loads(files["json"].read_text())


def of_emitter(emitter, tracks):
    return [track for track in tracks if abs(track["frequency_hz"] - emitter.frequency_hz) <= TOLERANCE_HZ]


def test_it_is_complete_and_its_roles_were_proposed(cadence):
    assert cadence["status"] == "complete"
    assert [scan["role"] for scan in cadence["scans"]] == ["on", "off"] * 3
    assert [scan["filename"] for scan in cadence["scans"]] == [f"scan_{place}.fil" for place in range(6)]
    assert {scan["status"] for scan in cadence["scans"]} == {"complete"}
    assert cadence["progress"] == {"stage": "export", "done": 1, "total": 1}


def test_each_emitter_is_judged_rightly_and_is_one_event(document, simulated):
    for emitter in simulated.emitters:
        assert len(of_emitter(emitter, document["events"])) == (emitter.off_fraction == 0), emitter.name
        assert len(of_emitter(emitter, document["rejected"])) == (emitter.off_fraction > 0), emitter.name
    assert len(document["events"]) == sum(emitter.off_fraction == 0 for emitter in simulated.emitters)


def test_every_scan_was_measured(document, simulated):
    (event,) = of_emitter(simulated.emitters[0], document["events"])
    assert [scan["state"] for scan in event["scans"]] == ["hit", "measured"] * 3
    for scan in event["scans"]:
        expected = 30.0 if scan["role"] == "on" else 0.0
        assert abs(scan["snr"] - expected) < 5 * scan["snr_error"]
        assert scan["sentence"].endswith(".")
    leak = simulated.emitters[-1]
    (track,) = of_emitter(leak, document["rejected"])
    ratios = [scan["strength_ratio"] for scan in track["scans"] if scan["role"] == "off"]
    assert ratios == pytest.approx([leak.off_fraction] * 3, abs=0.06)
    assert "OFF" in " ".join(track["reasons"])


def test_a_comb_is_one_family(document, simulated):
    families = {of_emitter(one, document["events"])[0]["family"] for one in simulated.emitters if "comb" in one.name}
    assert len(families) == 1
    (family,) = [one for one in document["families"] if one["id"] in families]
    assert family["kind"] == "comb"
    assert family["spacing_hz"] == pytest.approx(1250.0, abs=2.0)


def test_tables_agree(files, document):
    table = pd.read_csv(files["csv"])
    assert table.columns[:4].tolist() == ["TopHitNum", "DriftRate", "SNR", "Freq"]
    assert table["id"].tolist() == [event["id"] for event in document["events"]]
    assert QTable.read(files["fits"])["frequency_hz"].value.tolist() == table["frequency_hz"].tolist()
    assert pd.read_parquet(files["parquet"])["id"].tolist() == table["id"].tolist()


async def test_tables_state_verdicts_on_events(stack, cadence, files):
    path = f"/cadences/{cadence['cadence_id']}"
    await give_verdict(stack, f"{path}/verdicts/1", "candidate", "")
    rows = await reviewed_table(stack, path)
    assert [(row["id"], row["verdict"]) for row in rows if row["verdict"]] == [("1", "candidate")]
    assert [row["frequency_hz"] for row in rows] == pd.read_csv(files["csv"], dtype=str)["frequency_hz"].tolist()


def test_pictures_are_pictures(files):
    for name, path in files.items():
        if name not in CADENCE_FORMATS or name == "overview":
            with Image.open(path) as picture:
                assert picture.size[0] in (1000, 1600)


async def test_its_jobs_are_jobs_and_may_be_scans_of_another_cadence(client, cadence):
    jobs = [scan["job_id"] for scan in cadence["scans"]]
    assert (await client.job(jobs[0]))["status"] == "complete"
    scans = [{"job_id": job, "role": role} for job, role in zip(jobs, ["on", "off"] * 3, strict=True)]
    again = await until_exported(client, await client.start_cadence(scans, "The same scans", min_on_scans=2))
    assert again["status"] == "complete"
    assert again["results"]["events"] == cadence["results"]["events"]


async def test_a_scan_that_can_not_be_searched_is_left_out_with_a_sentence(client, keys, tmp_path):
    path = tmp_path / "broken.fil"
    path.write_text("I am no observation.\n" * 10)
    scans = [
        {"file_key": keys[0], "role": "on", "filename": "a.fil"},
        {"file_key": await client.upload(path), "role": "off", "filename": "broken.fil"},
        {"file_key": keys[2], "role": "on", "filename": "c.fil"},
    ]
    found = await until_exported(client, await client.start_cadence(scans))
    assert found["status"] == "complete"
    assert any("broken.fil" in warning for warning in found["results"]["warnings"])
    assert [scan["status"] for scan in found["scans"]] == ["complete", "complete", "failed"]


async def test_a_deleted_cadence_is_gone_and_its_jobs_stay(stack, client, keys):
    scans = [{"file_key": keys[place], "role": role} for place, role in ((0, "on"), (1, "off"))]
    cadence = await until_exported(client, await client.start_cadence(scans))
    async with aiohttp.ClientSession(headers={"x-api-key": stack.api_key}) as http:
        url = f"{stack.url}/cadences/{cadence['cadence_id']}"
        async with http.delete(url) as response:
            assert response.status < 300
        async with http.get(url) as response:
            assert response.status == 404
    assert (await client.job(cadence["scans"][0]["job_id"]))["status"] == "complete"
