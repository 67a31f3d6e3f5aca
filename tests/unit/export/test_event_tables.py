"""The tables of events: turboSETI's columns first, every format with the same cells, the same bytes each time."""

import io

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits, votable
from pyarrow import parquet

from services.export.cadence_artefacts import render_event_tables
from services.export.cadence_provenance import cadence_provenance
from shared.event_columns import TURBOSETI_COLUMNS, contents_of, event_cells
from tests.unit.export.example_cadence import DRIFT_HZ_S, FREQUENCY_HZ, document, track_hz

# The names of turboSETI 2.3.2's event table, in its order, without those that a reader of the table can't need: the
# largest drift rate of the search, which differs from scan to scan.
TURBOSETI = [
    "TopHitNum",
    "DriftRate",
    "SNR",
    "Freq",
    "ChanIndx",
    "FreqStart",
    "FreqEnd",
    "CoarseChanNum",
    "FullNumHitsInRange",
    "FileID",
    "Source",
    "MJD",
    "RA",
    "DEC",
    "DELTAT",
    "DELTAF",
    "obs_length",
    "Hit_ID",
    "status",
    "in_n_ons",
    "RFI_in_range",
    "delta_t",
]


@pytest.fixture(scope="module")
def files():
    return {file.format.name: file.body for file in render_event_tables(document())}


def test_turboseti_s_columns_come_first(files):
    table = pd.read_csv(io.BytesIO(files["csv"]))
    assert table.columns[: len(TURBOSETI)].tolist() == TURBOSETI == [column.name for column in TURBOSETI_COLUMNS]
    (row,) = table.to_dict("records")
    assert (row["Source"], row["Hit_ID"], row["status"]) == ("VOYAGER-1", "VOYAGER-1_1", "on_table_1")
    assert (row["in_n_ons"], row["RFI_in_range"], row["delta_t"]) == (2, 0, 0.0)
    assert (row["TopHitNum"], row["FullNumHitsInRange"], row["FileID"]) == (2, 3, "scan_0.h5")
    assert row["Freq"] == FREQUENCY_HZ / 1e6
    assert row["FreqStart"] == FREQUENCY_HZ / 1e6
    assert row["FreqEnd"] == pytest.approx(track_hz(4 * 318.0 + 16 * 18.253611008) / 1e6, rel=1e-12)
    assert (row["RA"], row["DEC"]) == ("17h12m39.600s", "12d24m14.40s")
    # The channel as its frequency says: (8421.386717353016 - 8419.5427) MHz in channels of 2.794 Hz are 659,999.5.
    assert (row["ChanIndx"], row["CoarseChanNum"]) == (660_000, 0)


def test_then_come_ours_and_those_of_each_scan(files):
    (row,) = pd.read_csv(io.BytesIO(files["csv"])).to_dict("records")
    assert (row["frequency_hz"], row["drift_rate"]) == (FREQUENCY_HZ, DRIFT_HZ_S)
    assert [row[f"{name}_snr"] for name in ("on_1", "off_2", "on_3", "off_4", "on_5")] == [25.0, 0.4, 22.0, -0.7, 28.0]
    assert np.isnan(row["off_6_snr"])
    assert [row[f"{name}_state"] for name in ("on_1", "off_2", "off_6")] == ["hit", "measured", "missing"]
    assert row["off_2_snr_limit"] == pytest.approx(3.4)
    assert (row["look_alikes"], row["bands"]) == (2, "X band")


def test_every_format_has_the_same_cells(files):
    cells = event_cells(document())
    columns = contents_of(document()).columns
    assert len({column.name for column in columns}) == len(columns)
    binary = fits.open(io.BytesIO(files["fits"]))["EVENTS"]
    xml = votable.parse_single_table(io.BytesIO(files["votable"]))
    arrow = parquet.read_table(io.BytesIO(files["parquet"])).to_pydict()
    assert arrow == {name: list(values) for name, values in cells.items()}
    assert binary.columns.names == [field.name for field in xml.fields] == list(arrow)
    for column in columns:
        if column.kind == "number" and cells[column.name][0] is not None:
            assert binary.data[column.name][0] == xml.array[column.name][0] == cells[column.name][0]


def test_facts_name_the_scans_and_the_rule(files):
    header = fits.open(io.BytesIO(files["fits"]))["EVENTS"].header
    assert (header["NSCANS"], header["NON"], header["NOFF"], header["MINON"]) == (6, 3, 3, 3)
    assert (header["ROLE2"], header["FILE2"]) == ("off", "scan_1.h5")
    assert (header["NEVENT"], header["NREJECT"]) == (1, 1)
    assert "Scan 6 has no results" in str(header["COMMENT"])
    assert all(len(fact.keyword) <= 8 for fact in cadence_provenance(document()).facts)


def test_the_same_document_gives_the_same_bytes(files):
    assert {file.format.name: file.body for file in render_event_tables(document())} == files


def test_tables_without_events_have_their_columns():
    empty = document().model_copy(update={"events": []})
    files = {file.format.name: file.body for file in render_event_tables(empty)}
    table = pd.read_csv(io.BytesIO(files["csv"]))
    assert (len(table), table.columns[0]) == (0, "TopHitNum")
    assert len(fits.open(io.BytesIO(files["fits"]))["EVENTS"].data) == 0


def test_an_event_of_hit_lists_alone_has_empty_cells_where_nothing_is_known():
    drawn = document()
    for scan in drawn.scans:
        scan["first_channel_hz"] = scan["channel_width_hz"] = None
    for track in drawn.events[0]["scans"]:
        track["hit"] = track["snr"] = None
    (row,) = pd.read_csv(io.BytesIO(render_event_tables(drawn)[0].body)).to_dict("records")
    assert np.isnan(row["TopHitNum"])
    assert np.isnan(row["ChanIndx"])
    assert row["Freq"] == FREQUENCY_HZ / 1e6
