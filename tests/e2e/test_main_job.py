"""Test a whole job: upload an observation through the REST API, download hits, labels, catalogues and pictures."""

import asyncio
import csv
import json

import numpy as np
import pandas as pd
import pytest
from astropy import units
from astropy.table import QTable
from PIL import Image

from deploy.local.demo_tables import compare
from science.simulator import voyager_1
from shared.formats import FORMATS
from tests.e2e.jobs import give_verdict, reviewed_table, submit, until_done


@pytest.fixture(scope="module")
async def job(client, voyager_fil):
    return await until_done(client, await submit(client, voyager_fil))


@pytest.fixture(scope="module")
async def files(client, job, tmp_path_factory):
    folder = tmp_path_factory.mktemp("artefacts")
    paths = await asyncio.gather(*(client.download(job["job_id"], name, folder) for name in FORMATS))
    return dict(zip(FORMATS, paths, strict=True))


def test_job_summarizes_its_results(job):
    assert job["status"] == "complete"
    assert job["file_size"] > 50 * 2**20
    assert job["completed_at"] >= job["created_at"]
    results = job["results"]
    assert results["raw_hits"] >= results["filtered_hits"] >= results["candidates"] >= 1
    assert results["processing_time_seconds"] > 0
    top = results["top_candidates"]
    assert [one["interestingness"] for one in top] == sorted((one["interestingness"] for one in top), reverse=True)


def test_every_tone_is_found_at_its_place(files):
    scene, truth = voyager_1()
    hits = json.loads(files["json"].read_text())["raw_hits"]
    for one in compare(truth, hits, scene.header):
        assert one.found is not None
        assert abs(one.channel_difference) <= 1
        assert abs(one.found["drift_rate"] - one.drift_rate_hz_s) <= one.found["drift_rate_error"]
        assert one.found["snr"] == pytest.approx(one.snr, rel=0.05)
    assert len(hits) == len(truth)


def test_catalogues_agree(files):
    results = json.loads(files["json"].read_text())
    table = pd.read_csv(files["csv"])
    catalogue = json.loads(files["catalog_json"].read_text())["signals"]
    labelled = json.loads(files["classified"].read_text())["signals"]
    assert len(table) == len(catalogue) == len(labelled) == len(results["raw_hits"])
    assert list(table.columns[:6]) == [
        "source_name",
        "frequency_hz",
        "drift_rate",
        "snr",
        "classification",
        "interestingness",
    ]
    np.testing.assert_array_equal(table["frequency_hz"], [row["frequency_hz"] for row in catalogue])
    assert sorted(table["classification"]) == sorted(row["classification"] for row in labelled)


def test_fits_opens_in_astropy_with_units(files):
    fits, table = QTable.read(files["fits"]), pd.read_csv(files["csv"])
    assert fits["frequency_hz"].unit == units.Hz
    assert fits["drift_rate"].unit == units.Hz / units.s
    np.testing.assert_array_equal(fits["frequency_hz"].value, table["frequency_hz"])
    np.testing.assert_array_equal(fits["snr"], table["snr"])


def test_pictures_have_their_sizes_and_colours(files):
    with Image.open(files["waterfall"]) as picture, Image.open(files["waterfall_thumb"]) as thumbnail:
        assert picture.size == (1600, 1000)
        assert thumbnail.size == (400, 250)
        assert len(np.unique(np.asarray(picture.convert("RGB")).reshape(-1, 3), axis=0)) > 100


async def test_text_file_fails_with_an_error_sentence(client, tmp_path):
    path = tmp_path / "x.fil"
    path.write_text("I am no observation.\n" * 10)
    job = await until_done(client, await submit(client, path))
    assert job["status"] == "failed"
    assert "x.fil" in job["error"]
    assert job["error"].endswith(".")
    assert job["error_detail"]["stage"] == "ingest"
    assert "results" not in job


async def test_catalogues_state_verdicts_and_nothing_else_changes(stack, client, job, files):
    path, note = f"/jobs/{job['job_id']}", 'Same drift in beam 4, "again"'
    await give_verdict(stack, f"{path}/verdicts/2", "rfi", note)
    rows = await reviewed_table(stack, path)
    assert {row["id"]: (row["verdict"], row["verdict_note"]) for row in rows if row["verdict"]} == {"2": ("rfi", note)}
    with files["csv"].open() as first:
        plain = list(csv.DictReader(first))
    assert [{name: row[name] for name in plain[0]} for row in rows] == plain
    await give_verdict(stack, f"{path}/verdicts/2", "unsure", "")
    again = await reviewed_table(stack, path)
    assert [row["verdict"] for row in again if row["verdict"]] == ["unsure"]
    assert await client.job(job["job_id"]) == job
