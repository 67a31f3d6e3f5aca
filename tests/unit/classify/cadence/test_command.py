"""The command that finds events in hit tables."""

import json
import subprocess
import sys

import pandas as pd
import pytest

from services.classify.cadence.__main__ import main
from tests.unit.classify.cadence.test_turboseti_tables import HIP39826, table

PERIOD_DAYS = 318 / 86_400
FIRST_MJD = 57650.78


def row(number, drift_hz_s, snr, frequency_mhz):
    cells = (f"{number:03d}", *(f"{value:.6f}" for value in (drift_hz_s, snr, frequency_mhz, frequency_mhz)))
    return "\t".join((*cells, "5\t0\t0\t0.0\t0.0\t0\t1\t"))


@pytest.fixture
def tables(tmp_path):
    """Six tables: a line that drifts in the ON scans, and one in all scans."""
    paths = []
    for place in range(6):
        start_s = 318 * place
        rows = [row(1, 0.2, 40.0, 8419.9 + 0.2e-6 * start_s)]
        if place % 2 == 0:
            rows.append(row(2, -0.39, 25.0, 8419.3 - 0.39e-6 * start_s))
        source = "TARGET" if place % 2 == 0 else "TARGET_OFF"
        paths.append(tmp_path / f"scan_{place}.dat")
        paths[-1].write_text(table(*rows, source=source, mjd=f"{FIRST_MJD + place * PERIOD_DAYS:.9f}"))
    return paths


def test_events_are_printed_and_written(tables, tmp_path, capsys):
    csv, document = tmp_path / "events.csv", tmp_path / "events.json"
    main([*map(str, tables[::-1]), "--csv", str(csv), "--json", str(document)])
    printed = capsys.readouterr().out
    assert "1 event of 1 emitter; 1 track is no event." in printed
    assert "nothing could be measured" in printed
    (event,) = pd.read_csv(csv).to_dict("records")
    assert event["Freq"] == pytest.approx(8419.3, abs=1e-5)
    assert event["on_1_state"] == "listed"
    assert event["off_2_state"] == "silent"
    (rejected,) = json.loads(document.read_text())["rejected"]
    assert rejected["frequency_hz"] == pytest.approx(8419.9e6, abs=20)
    assert f"No event: {rejected['frequency_hz'] / 1e6:.6f} MHz." in printed


def test_drifts_of_old_tables_can_be_turned(tables, capsys):
    for path in tables:
        path.write_text(path.read_text().replace("\t-0.390000\t", "\t0.390000\t"))
    main([*map(str, tables)])
    assert "0 events" in capsys.readouterr().out
    for path in tables:
        path.write_text(path.read_text().replace("\t0.200000\t", "\t-0.200000\t"))
    main([*map(str, tables), "--flip-drift"])
    assert "1 event of 1 emitter" in capsys.readouterr().out


def test_roles_and_the_rule_can_be_stated(tables, capsys):
    main([*map(str, tables), "--roles", "bAbAbA"])
    assert "0 events" in capsys.readouterr().out
    tables[2].write_text(tables[2].read_text().replace("\t25.000000\t", "\t5.000000\t"))
    main([*map(str, tables), "--min-on", "2"])
    assert "1 event of 1 emitter" in capsys.readouterr().out
    main([*map(str, tables), "--snr", "26"])
    assert "0 events" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "words"),
    [(["--roles", "AB"], "2 letters for 6 tables"), (["--snr", "1"], "option --snr"), (["absent.dat"], "absent.dat")],
)
def test_what_can_not_be_done_ends_with_a_sentence(tables, more, words):
    with pytest.raises(SystemExit, match=words):
        main([*map(str, tables), *more])


def test_one_table_is_no_cadence(tables):
    with pytest.raises(SystemExit, match="2 to 64 scans"):
        main([str(tables[0])])


@pytest.mark.skipif(not HIP39826.exists(), reason="the real hit tables are not on this machine")
def test_real_tables(capsys, tmp_path):
    csv = tmp_path / "events.csv"
    main([*map(str, sorted(HIP39826.glob("*.dat"))), "--snr", "25", "--csv", str(csv)])
    events = pd.read_csv(csv)
    assert events["Freq"].between(1376, 1387).all()
    assert len(events) > 50
    assert events["family"].nunique() < 10
    assert "ON" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--snr", "2"], "The option --snr is not valid: Input should be greater than or equal to 5."),
        (["--snr", "nan"], "The option --snr is not valid: Input should be a finite number."),
        (["--min-on", "0"], "The option --min-on is not valid: Input should be greater than or equal to 1."),
        (["--max-drift-change", "2"], "The option --max-drift-change is not valid"),
        (["--csv", "/no/such/folder/events.csv"], "/no/such/folder/events.csv"),
    ],
)
def test_options_that_are_not_valid_are_named(tables, options, message):
    with pytest.raises(SystemExit) as refused:
        main([*map(str, tables), *options])
    assert message in str(refused.value.code)


def test_a_file_that_is_no_text_is_named(tables, tmp_path):
    picture = tmp_path / "scan.png"
    picture.write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(SystemExit) as refused:
        main([str(tables[0]), str(picture)])
    assert refused.value.code == "scan.png is no hit table: it is not text."


def test_a_reader_that_stops_reading_is_no_error(tables):
    command = [sys.executable, "-m", "services.classify.cadence", *map(str, tables)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait() == 0
