"""Hit tables as turboSETI and programs like it have written them over the years are read, and bad ones are refused."""

from pathlib import Path

import numpy as np
import pytest

from services.classify.cadence.turboseti_tables import BadTableError, read_table, read_tables

HIP39826 = Path(__file__).parents[5] / "shared" / "data" / "cadence" / "hip39826"

RULE = "# --------------------------"
LABELS = (
    "Top_Hit_# \tDrift_Rate \tSNR \tUncorrected_Frequency \tCorrected_Frequency \tIndex \tfreq_start \tfreq_end \t"
    "SEFD \tSEFD_freq \tCoarse_Channel_Number \tFull_number_of_hits \t"
)
NEW_FIELDS = "\tmax_drift_rate:   4.000000\tobs_length: 292.057776"
ROW = (
    "001\t -0.392226\t 30.612128\t   8419.319368\t   8419.319368\t739933\t   8419.321\t   8419.317\t0.0\t 0.0\t0\t858\t"
)
AT_REST = "002\t -0.000000\t 245.5\t   8419.297028\t   8419.297028\t747929\t   8419.29\t   8419.29\t0.0\t 0.0\t0\t858\t"


def table(*rows, source="Voyager1", more=NEW_FIELDS, labels=LABELS, mjd="57650.782094907408"):
    lines = [
        f"{RULE} o --------------------------",
        "# File ID: Voyager1.h5 ",
        f"{RULE} o --------------------------",
        f"# Source:{source}",
        f"# MJD: {mjd}\tRA: 17h10m03.984s\tDEC: 12d10m58.8s",
        f"# DELTAT:  18.253611\tDELTAF(Hz):  -2.793968{more}",
        RULE,
        f"# {labels}",
        RULE,
        *rows,
    ]
    return "\n".join(lines) + "\n"


def test_a_table_of_today():
    found = read_table(table(ROW, AT_REST), "a.dat")
    assert (found.source_name, found.tstart_mjd, found.tsamp_s) == ("Voyager1", 57650.782094907408, 18.253611)
    assert (found.channel_width_hz, found.duration_s, found.max_drift_rate_hz_s) == (-2.793968, 292.057776, 4.0)
    assert found.drift_step_hz_s == pytest.approx(2.793968 / 292.057776)
    assert found.frequency_hz.tolist() == pytest.approx([8419319368.0, 8419297028.0], rel=1e-15)
    assert found.drift_rate_hz_s.tolist() == [-0.392226, 0.0]
    assert not np.signbit(found.drift_rate_hz_s[1])
    assert (found.snr.tolist(), found.number.tolist()) == ([30.612128, 245.5], [1, 2])
    assert found.channel.tolist() == [739933, 747929]
    assert found.warnings == ()


def test_an_old_header_has_no_length():
    found = read_table(table(ROW, more=""), "old.dat")
    assert found.duration_s == pytest.approx(16 * 18.253611)
    assert found.max_drift_rate_hz_s is None
    assert found.warnings == ("old.dat doesn't say how long the scan was. 16 spectra are assumed.",)


def test_the_last_of_several_tables_is_read():
    text = table(ROW) + table(source="empty") + table(ROW, AT_REST, source="last")
    assert [(one.source_name, len(one.snr)) for one in read_tables(text, "a.dat")] == [
        ("Voyager1", 1),
        ("empty", 0),
        ("last", 2),
    ]
    found = read_table(text, "a.dat")
    assert found.source_name == "last"
    assert found.warnings == ("a.dat holds 3 tables, with 1, 0, 2 hits. The last one was read.",)


def test_a_table_without_hits():
    found = read_table(table(), "empty.dat")
    assert len(found.snr) == len(found.frequency_hz) == 0


def test_row_numbers_before_the_first_column():
    plain = read_table(table(ROW, AT_REST), "a.dat")
    numbered = read_table(table(f"0\t{ROW}", f"1\t{AT_REST}", labels=f"\t{LABELS}"), "a.dat")
    assert numbered.frequency_hz.tolist() == plain.frequency_hz.tolist()
    assert numbered.snr.tolist() == plain.snr.tolist()


def test_a_header_that_names_one_column_less_than_there_are_values():
    labels = LABELS.replace("SEFD \tSEFD_freq", "SEFD_freq").replace(" ", "")
    found = read_table(table(ROW, labels=labels, mjd="59256.76695601852"), "bliss.dat")
    assert (found.frequency_hz.tolist(), found.channel.tolist()) == ([8419319368.0], [739933])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no hit table"),
        ("a,b\n1,2\n", "no hit table"),
        (table(ROW, mjd="soon"), "no MJD"),
        (table(ROW, mjd="1e"), "MJD is '1e'"),
        (table(ROW).replace("DELTAF", "DELTA"), r"no DELTAF\(Hz\)"),
        (table(ROW).replace("DELTAT:  18.253611", "DELTAT:  0.0"), "DELTAT is 0.0 s"),
        (table(ROW[:40]), "line 10: 4 values"),
        (table(ROW.replace("30.612128", "nan")), "line 10: SNR is 'nan'"),
        (table(ROW.replace("30.612128", "thirty")), "line 10: SNR is 'thirty'"),
    ],
)
def test_what_is_no_table_is_refused(text, words):
    with pytest.raises(BadTableError, match=words) as refused:
        read_table(text, "broken.dat")
    assert str(refused.value).startswith("broken.dat")


@pytest.mark.skipif(not HIP39826.exists(), reason="the real hit tables are not on this machine")
def test_real_tables():
    found = [read_table(path.read_text(), path.name) for path in sorted(HIP39826.glob("*.dat"))]
    assert [len(one.snr) for one in found] == [4702, 4284, 5506, 3898, 4332, 3855]
    gaps_s = np.diff([one.tstart_mjd for one in found]) * 86400
    assert np.allclose(gaps_s, 333, atol=0.5)
    assert any(np.allclose(row, (1380.929370e6, -0.541914), atol=(2, 1e-3)) for row in pairs(found[0]))


def pairs(one):
    return zip(one.frequency_hz, one.drift_rate_hz_s, strict=True)
