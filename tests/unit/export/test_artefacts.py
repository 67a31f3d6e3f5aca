"""Each format read back by the tools that people use gives the values of `results.json`."""

import hashlib
import io
import json
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from astropy.io.fits.scripts import fitscheck
from astropy.io.votable import parse
from astropy.table import QTable
from pyarrow import parquet

from services.export.columns import COLUMNS
from shared.object_keys import artefact_key
from tests.unit.export.jobs import LINES, VOYAGER, Job, make_header

NAMES = [column.name for column in COLUMNS]
AWKWARD = 'Ωmega, "quoted"  it\'s $x_1$ <b>&amp; 名'


def expected(files):
    """The rows as results.json has them, most interesting first."""
    results = json.loads(files["results.json"])
    rank = {hit["id"]: at for at, hit in enumerate(results["candidates"], start=1)}
    hits = sorted(results["raw_hits"], key=lambda hit: -hit["interestingness"])
    return [
        {"source_name": results["source_name"], "candidate_rank": rank.get(hit["id"], 0)}
        | {f"{name}_component": part for name, part in hit["interestingness_components"].items()}
        | hit["features"]
        | hit
        for hit in hits
    ]


def read_csv(content):
    return pd.read_csv(io.BytesIO(content), keep_default_na=False, na_values={n: [""] for n in numeric()})


def numeric():
    return [column.name for column in COLUMNS if column.kind != "text"]


READERS = {
    "catalog.fits": lambda content: QTable.read(io.BytesIO(content), format="fits"),
    "catalog.vot": lambda content: parse(io.BytesIO(content), verify="exception").get_first_table().to_table(),
    "catalog.parquet": lambda content: pd.read_parquet(io.BytesIO(content)),
    "catalog.csv": read_csv,
    "catalog.json": lambda content: pd.DataFrame(json.loads(content)["signals"], columns=NAMES),
}


def plain(value):
    """A cell as a Python object; None for what is masked, missing or NaN."""
    value = getattr(value, "value", value)
    if value is None or np.ma.is_masked(value):
        return None
    if isinstance(value, bytes):
        value = value.decode()
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and np.isnan(value) else value


@pytest.fixture(scope="module")
async def full():
    """Artefacts of an observation with hits."""
    job = Job()
    return await job.export(await job.finish(make_header(), [*VOYAGER, *LINES], source_name=AWKWARD))


@pytest.fixture(scope="module")
async def empty():
    """Artefacts of an observation without."""
    job = Job()
    return await job.export(await job.finish(make_header(), []))


@pytest.mark.parametrize("filename", READERS)
def test_every_value_comes_back(full, filename):
    table = READERS[filename](full[filename])
    rows = expected(full)
    assert list(table.columns) == NAMES
    assert len(table) == len(rows) == len(VOYAGER) + len(LINES)
    for column in COLUMNS:
        wanted = [row.get(column.name) for row in rows]
        if filename == "catalog.fits" and column.name == "source_name":
            # FITS text is ASCII.
            wanted = [AWKWARD.replace("Ω", "?").replace("名", "?")] * len(rows)
        got = [plain(value) for value in table[column.name]]
        if column.kind == "text":
            # No text is empty text, which astropy masks in FITS tables.
            wanted, got = ([value or "" for value in values] for values in (wanted, got))
        # Equal to the last bit: no tolerance.
        assert got == wanted, column.name


@pytest.mark.parametrize("filename", READERS)
def test_no_hits_leave_every_column(empty, filename):
    table = READERS[filename](empty[filename])
    assert len(table) == 0
    assert list(table.columns) == NAMES


def test_types_and_units_do_not_depend_on_the_number_of_hits(full, empty):
    assert parquet.read_schema(io.BytesIO(full["catalog.parquet"])).equals(
        parquet.read_schema(io.BytesIO(empty["catalog.parquet"]))
    )
    for files in (full, empty):
        tables = (READERS[name](files[name]) for name in ("catalog.fits", "catalog.vot"))
        for table in tables:
            units = [str(table[name].unit or "").replace(" ", "") for name in ("frequency_hz", "drift_rate", "snr")]
            assert units == ["Hz", "Hz/s", ""]
            assert table["channel"].dtype.kind == "i"
            assert table["curvature_hz_s2"].unit == "Hz/s2"


def test_an_empty_json_catalogue_lists_no_signals(empty):
    assert json.loads(empty["catalog.json"])["signals"] == json.loads(empty["classified.json"])["signals"] == []


def test_parquet_fields_say_what_they_are(full):
    field = parquet.read_schema(io.BytesIO(full["catalog.parquet"])).field("drift_rate")
    assert field.metadata[b"unit"] == b"Hz/s"
    assert field.metadata[b"ucd"] == b"arith.rate;em.freq"
    assert field.metadata[b"description"] == b"Drift rate, sign as on the sky"


def test_votable_carries_the_facts(full):
    table = parse(io.BytesIO(full["catalog.vot"]), verify="exception").get_first_table()
    facts = {param.name: param for param in table.params}
    assert facts["fch1_mhz"].value == make_header().fch1_mhz
    assert (facts["telescope"].value, facts["ra_deg"].unit, facts["ra_deg"].ucd) == ("GBT", "deg", "pos.eq.ra")
    assert {field.name: field.ucd for field in table.fields} == {column.name: column.ucd for column in COLUMNS}


def test_identifiers_in_the_votable_are_unique(full):
    elements = ElementTree.fromstring(full["catalog.vot"]).iter()
    ids = [name for name in (element.get("ID") for element in elements) if name is not None]
    assert len(ids) == len(set(ids)) > len(COLUMNS)


def test_fits_keywords(full):
    header = make_header()
    with fits.open(io.BytesIO(full["catalog.fits"]), checksum=True) as hdus:
        hdus.verify("exception")
        table = hdus["HITS"]
        # Nothing of variable length, which some readers don't know.
        assert table.header["PCOUNT"] == 0
        for hdu in hdus:
            keywords = hdu.header
            assert (keywords["SOURCE"], keywords["TELESCOP"], keywords["TELID"]) == ("Voyager1", "GBT", 6)
            # To the last bit.
            assert (keywords["FCH1"], keywords["FOFF"]) == (header.fch1_mhz, header.foff_mhz)
            assert keywords["MJD-OBS"] == header.tstart_mjd
            assert keywords["DATE-OBS"] == "2016-09-19T18:46:13.000"
            assert (hdu.verify_checksum(), hdu.verify_datasum()) == (1, 1)
        for at, column in enumerate(COLUMNS, start=1):
            assert table.header[f"TUCD{at}"] == column.ucd
            assert table.header[f"TCOMM{at}"] == column.description
            assert table.header.get(f"TUNIT{at}", "") == column.unit


async def test_fitscheck_finds_nothing(job, header, signals, tmp_path):
    files = await job.export(await job.finish(header, signals, source_name="it's " * 30))
    path = tmp_path / "catalog.fits"
    path.write_bytes(files["catalog.fits"])
    assert fitscheck.main(["--compliance", str(path)]) == 0
    path.write_bytes(files["catalog.fits"].replace(b"NARROW", b"NORROW"))
    assert fitscheck.main([str(path)]) == 1


async def test_exporting_twice_gives_the_same_checksums(job, header, signals):
    event = await job.finish(header, signals)
    first, again = await job.export(event), await job.export(event)
    assert {name: hashlib.sha256(body).hexdigest() for name, body in first.items()} == {
        name: hashlib.sha256(body).hexdigest() for name, body in again.items()
    }


async def test_a_field_that_is_missing_or_null_is_an_empty_cell(job, header, signals):
    event = await job.finish(header, signals[:1])
    key = artefact_key(event.job_id, "results.json")
    results = json.loads(job.blobs.objects[key])
    for records in (results["raw_hits"], results["candidates"]):
        for hit in records:
            hit["snr_turboseti"] = None
            hit["features"] = {}
    job.blobs.objects[key] = json.dumps(results).encode()
    files = await job.export(event)
    for filename, read in READERS.items():
        table = read(files[filename])
        for name in ("snr_turboseti", "occupancy", "hits_with_like_drift"):
            assert plain(table[name][0]) is None, (filename, name)
