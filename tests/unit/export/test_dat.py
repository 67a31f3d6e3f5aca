"""The `.dat` file is what turboSETI's own reader expects, with turboSETI's meaning of each field."""

import numpy as np
import pytest
from turbo_seti.find_event.find_event import read_dat

from services.export.dat import to_dat
from shared.units import sexagesimal
from tests.unit.export.jobs import make_header

SMALL = {"n_channels": 2**17, "coarse_channel_width": 2**16, "telescope_id": 64}
# What turboSETI 2.3.2 says of three tones in such a file, searched up to 1 Hz/s: index, coarse channel, drift rate,
# frequency, freq_start, freq_end.
TURBOSETI = {
    -2.7939677238464355e-06: (
        8421.386717353016,
        [
            (100, 0, 0.102043, 8421.386438, 8421.386717, 8421.385893),
            (20000, 0, 0.306128, 8421.330838, 8421.331386, 8421.330293),
            (30000, 1, -0.244902, 8421.119793, 8421.120340, 8421.119248),
        ],
    ),
    2.7939677238464355e-06: (
        1420.0,
        [
            (100, 0, 0.102043, 1420.000279, 1420.000000, 1420.000824),
            (20000, 0, 0.306128, 1420.055879, 1420.055332, 1420.056424),
            (30000, 1, -0.255106, 1420.266925, 1420.266377, 1420.267469),
        ],
    ),
}


def read(tmp_path, content):
    path = tmp_path / "hits.dat"
    path.write_bytes(content)
    return read_dat(str(path))


@pytest.mark.parametrize("foff_mhz", TURBOSETI)
async def test_fields_mean_what_they_mean_in_turboseti(job, tmp_path, foff_mhz):
    fch1_mhz, lines = TURBOSETI[foff_mhz]
    header = make_header(**SMALL, foff_mhz=foff_mhz, fch1_mhz=fch1_mhz)
    signals = [
        (coarse * 2**16 + index, round(drift / header.drift_rate_hz_s(1)), 60.0) for index, coarse, drift, *_ in lines
    ]
    event = await job.finish(header, signals)
    event = event.model_copy(update={"parameters": event.parameters.model_copy(update={"max_drift_rate_hz_s": 1.0})})
    table = read(tmp_path, (await job.export(event))["hits.dat"])
    fields = ["ChanIndx", "CoarseChanNum", "DriftRate", "Freq", "FreqStart", "FreqEnd"]
    np.testing.assert_allclose(table[fields].to_numpy(), np.array(lines), rtol=0, atol=1.1e-6)


async def test_every_hit_comes_back(job, header, signals, tmp_path):
    event = await job.finish(header, signals)
    files = await job.export(event)
    table = read(tmp_path, files["hits.dat"])
    channels, steps, snrs = (np.array(values) for values in zip(*sorted(signals), strict=True))
    assert table["TopHitNum"].tolist() == list(range(1, len(signals) + 1))
    assert table["ChanIndx"].tolist() == channels.tolist()
    # Frequencies are written to 1 Hz, drift rates to 1e-6 Hz/s.
    np.testing.assert_allclose(table["Freq"], header.fch1_mhz + channels * header.foff_mhz, rtol=0, atol=0.51e-6)
    np.testing.assert_allclose(table["DriftRate"], header.drift_rate_hz_s(1) * steps, rtol=0, atol=0.51e-6)
    np.testing.assert_allclose(table["SNR"], snrs / 4, rtol=0, atol=0.51e-6)
    assert set(table["FullNumHitsInRange"]) == {len(signals)}
    first = table.iloc[0]
    assert (first["FileID"], first["Source"], first["MJD"]) == ("voyager.h5", "VOYAGER1", "57650.782094907408")
    assert (first["RA"], first["DEC"]) == ("17h10m03.984s", "12d10m58.80s")
    assert float(first["DELTAF"]) == pytest.approx(header.foff_hz, abs=1e-6)
    assert float(first["DELTAT"]) == pytest.approx(header.tsamp_s, abs=1e-6)
    assert float(first["obs_length"]) == pytest.approx(header.duration_s, abs=1e-6)
    assert float(first["max_drift_rate"]) == event.parameters.max_drift_rate_hz_s


async def test_no_hits(job, header, tmp_path):
    files = await job.export(await job.finish(header, []))
    assert len(read(tmp_path, files["hits.dat"])) == 0
    lines = files["hits.dat"].decode("ascii").splitlines()
    assert len(lines) == 9
    assert all(line.startswith("#") for line in lines)


async def test_readers_can_read_any_name(job, signals, tmp_path):
    header = make_header(source_name="a:b c d é")
    event = await job.finish(header, signals)
    upload = event.upload.model_copy(update={"file_name": "my: file\t1.v2.fil"})
    table = read(tmp_path, (await job.export(event.model_copy(update={"upload": upload})))["hits.dat"])
    assert set(table["Source"]) == {"A_B C D _"}
    assert set(table["FileID"]) == {"my_ file_1.v2.h5"}
    assert len(table) == len(signals)


async def test_without_a_place_or_a_name_in_the_header(job, signals, tmp_path):
    header = make_header(source_name="", ra_hours=None, dec_deg=None)
    table = read(tmp_path, (await job.export(await job.finish(header, signals)))["hits.dat"])
    assert set(table["Source"]) == {"VOYAGER 1"}
    assert set(table["RA"]) == set(table["DEC"]) == {"unknown"}


async def test_a_wide_signal_is_where_its_middle_is(job, header, tmp_path):
    event = await job.finish(header, [])
    hit = {"channel": 1000, "width": 5, "steps": 0, "drift_rate": 0.0, "snr_turboseti": None}
    hit["frequency_hz"] = header.frequency_hz(1002)
    table = read(tmp_path, to_dat([hit], event, None))
    assert table["ChanIndx"].tolist() == [1002]
    assert np.isnan(table["SNR"][0])


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (17.167773333, "h", "17h10m03.98s"),
        (-5.05, "d", "-05d03m00.00s"),
        (-0.0001, "d", "-00d00m00.36s"),
        (59.999999999, "d", "60d00m00.00s"),
        (None, "d", "unknown"),
    ],
)
def test_sexagesimal(value, unit, text):
    assert sexagesimal(value, unit, 2) == text
