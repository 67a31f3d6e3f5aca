"""What catalogues say of their observation."""

import re

import pytest
from astropy import units
from astropy.io.votable.ucd import check_ucd
from astropy.time import Time

from services.export.provenance import provenance_of, utc_date
from shared.results import Results
from tests.unit.export.jobs import make_header


@pytest.mark.parametrize("mjd", [57650.78209490741, 41317.0, 60000.999999999])
def test_dates_are_those_of_astropy(mjd):
    assert abs(Time(utc_date(mjd), scale="utc").mjd - mjd) < 0.0011 / 86400


@pytest.mark.parametrize("mjd", [0.0, -5.0, 1e7])
def test_no_date_where_the_header_has_none(mjd):
    assert utc_date(mjd) is None


async def provenance(job, header, **changes):
    event = await job.finish(header, [])
    noise = [
        {"level": 1.0, "sigma": 0.1, "lost_fraction": 0.0, "dead_channels": 1.0},
        {"level": 3.0, "sigma": 0.3, "lost_fraction": 0.5, "dead_channels": 2.0},
        {"level": None, "lost_fraction": 1.0},
    ]
    return provenance_of(event, Results.model_construct(**{"noise": noise, "warnings": ["w"]} | changes), "abc")


async def test_facts(job, header):
    known = await provenance(job, header)
    values = known.values()
    assert known.warnings == ("w",)
    assert values["software"].startswith("Waterhole ")
    assert (values["telescope"], values["telescope_id"]) == ("GBT", 6)
    assert (values["input_sha256"], values["file_name"], values["file_size"]) == ("abc", "voyager.fil", 1024)
    assert values["ra_deg"] == pytest.approx(257.5166, abs=1e-6)
    assert values["date_obs"].startswith("2016-09-19T18:46:13")
    assert values["highest_frequency_hz"] - values["lowest_frequency_hz"] == pytest.approx(2**20 * 2.7939677, rel=1e-6)
    assert (values["snr_threshold"], values["max_drift_rate_hz_s"]) == (10.0, 4.0)
    assert (values["noise_level"], values["noise_sigma"]) == (2.0, 0.2)
    assert (values["lost_fraction"], values["dead_channels"]) == (0.5, 3)


async def test_unknown_facts_are_left_out(job):
    unknown = make_header(ra_hours=None, dec_deg=None, tstart_mjd=0.0, source_name="", telescope_id=0)
    values = (await provenance(job, unknown, noise=[{}])).values()
    assert not {"ra_deg", "dec_deg", "equinox", "date_obs", "tstart_mjd", "header_source_name"} & set(values)
    assert not {"noise_level", "noise_sigma", "lost_fraction", "dead_channels"} & set(values)
    assert values["telescope"] == "unknown"


async def test_facts_are_legal_in_every_format(job, header):
    facts = (await provenance(job, header)).facts
    for fact in facts:
        assert re.fullmatch(r"[A-Z][A-Z0-9-]{1,7}", fact.keyword)
        assert check_ucd(fact.ucd, check_controlled_vocabulary=True)
        assert units.Unit(fact.unit, format="fits", parse_strict="raise") == units.Unit(fact.unit)
        # `KEYWORD = <20 characters> / [unit] text` fits on a card.
        assert isinstance(fact.value, str) or len(fact.unit) + len(fact.description) <= 44
    assert len({fact.keyword for fact in facts}) == len({fact.name for fact in facts}) == len(facts)
