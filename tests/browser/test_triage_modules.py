"""The pure modules of the triage, called from Python: tables, filters, pieces of pictures, the order of saves."""

import csv
import io
import random
import struct

import pytest

from tests.browser.hits import catalogue

ROWS = [
    {"id": 0, "frequency_hz": 8.4e9, "drift_rate_hz_s": -0.3, "snr": 20, "label": "A", "interestingness": 0.9},
    {"id": 1, "frequency_hz": 8.5e9, "drift_rate_hz_s": 0.0, "snr": None, "label": "B", "interestingness": 0.8},
    {"id": 2, "frequency_hz": 8.6e9, "drift_rate_hz_s": 0.5, "snr": 50, "label": "A", "interestingness": 0.8},
    {"id": 12, "frequency_hz": 8.7e9, "drift_rate_hz_s": 1.5, "snr": 50, "label": "B", "interestingness": 0.1},
]
MORE = {"group": 0, "known": "", "protected_band": "", "text": "narrowband gps"}
SHOWN = """(m, rows, given, query) => m.filtered_rows(rows, m.filters_of(new URLSearchParams(query)),
  new Map(Object.entries(given).map(([id, one]) => [Number(id), one]))).map((row) => row.id)"""


async def test_tables_are_read_as_pythons_csv_module_reads_them(javascript):
    draw = random.Random(3)
    cells = ["", "a", "1.5", 'say "hi"', "x,y", "two\nlines", "é", '"', ",", "''"]
    table = [[draw.choice(cells) for _ in range(5)] for _ in range(200)]
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(table)
    assert await javascript.call("triage/csv.js", "csv_lines", buffer.getvalue()) == table
    text = catalogue(30)
    found = await javascript.call("triage/rows.js", "rows_of", "job", text)
    expected = list(csv.DictReader(io.StringIO(text)))
    assert [row["frequency_hz"] for row in found] == [float(row["frequency_hz"]) for row in expected]
    assert [row["label"] for row in found] == [row["classification"] for row in expected]
    assert [row["steps"] for row in found] == [int(row["steps"]) for row in expected]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", [0, 1, 2, 12]),
        ("label=A", [0, 2]),
        ("min_snr=21", [2, 12]),
        ("min_drift=-0.1&max_drift=0.5", [1, 2]),
        ("min_mhz=8450&max_mhz=8600", [1, 2]),
        ("min_interest=0.8", [0, 1, 2]),
        ("verdict=none", [0, 1, 12]),
        ("verdict=any", [2]),
        ("verdict=rfi", [2]),
        ("verdict=unsure", []),
        ("text=GPS", [0, 1, 2, 12]),
        ("text=beam", [2]),
        ("text=12", [12]),
        # What is no number, and what is no column, count as not given.
        ("min_snr=x&group=&sort=no_such", [0, 1, 2, 12]),
        ("sort=frequency", [0, 1, 2, 12]),
        ("sort=-frequency", [12, 2, 1, 0]),
        # Equal ones keep the catalogue's order; what is not known comes last in both directions.
        ("sort=snr", [0, 2, 12, 1]),
        ("sort=-snr", [2, 12, 0, 1]),
    ],
)
async def test_rows_pass_the_filters_of_the_address(javascript, query, expected):
    rows = [row | MORE for row in ROWS]
    given = {"2": {"verdict": "rfi", "note": "Beam 4"}}
    assert await javascript.run("triage/filters.js", SHOWN, rows, given, query) == expected


@pytest.mark.parametrize(
    ("selected", "by", "expected"),
    [(0, 1, 1), (12, 1, 12), (0, -1, 0), (None, 1, 0), (None, -1, 0), (99, 1, 0), (1, 2, 12)],
)
async def test_steps_end_at_the_ends(javascript, selected, by, expected):
    assert await javascript.call("triage/filters.js", "stepped", ROWS, selected, by) == expected
    assert await javascript.call("triage/filters.js", "stepped", [], selected, by) is None


async def test_a_piece_of_the_waterfall_is_cut_out_of_its_windows(javascript):
    rows, windows = 3, [(100, 4), (110, 2)]
    head = struct.pack("<I", 2) + b"".join(struct.pack("<QI", *one) for one in windows)
    code = {
        channel: [channel, channel + 1, channel + 2]
        for first, count in windows
        for channel in range(first, first + count)
    }
    raw = head + b"".join(bytes(code[channel]) for channel in code)
    script = """(m, raw, rows, span) => { const codes = m.codes_of(new Uint8Array(raw).buffer, rows, span);
      return codes && Array.from(codes); }"""
    found = await javascript.run("triage/cutout_samples.js", script, list(raw), rows, {"start": 102, "stop": 112})
    expected = [code[channel][row] if channel in code else 0 for row in range(rows) for channel in range(102, 112)]
    assert found == expected
    nothing = await javascript.run("triage/cutout_samples.js", script, list(raw), rows, {"start": 200, "stop": 203})
    assert nothing is None
    hit = {"channel": 50, "steps": -30, "width": 2}
    assert await javascript.call("triage/cutout_samples.js", "span_of", hit, 60) == {"start": 4, "stop": 60}


async def test_the_last_verdict_is_the_last_that_is_saved(javascript):
    # The first save takes until it is let go; meanwhile two more verdicts are given on the same hit.
    script = """async (m) => {
      const saves = [];
      let let_go;
      const gate = new Promise((resolve) => { let_go = resolve; });
      const store = new m.VerdictStore({
        read: async () => new Map(), tell: () => {},
        save: async (id, one) => { saves.push(one?.verdict ?? null); if (saves.length === 1) await gate; },
      });
      await store.load();
      for (const verdict of ["rfi", "unsure", "candidate"]) store.give(7, { verdict, note: "" });
      const shown = store.state.by_id.get(7).verdict;
      let_go();
      await new Promise((resolve) => store.subscribe((state) => state.saving === 0 && resolve()));
      const undone = [1, 2, 3, 4].map(() => store.undo()?.verdict?.verdict ?? null);
      await new Promise((resolve) => store.subscribe((state) => state.saving === 0 && resolve()));
      return { saves, shown, undone, left: store.get(7) ?? null };
    }"""
    found = await javascript.run("triage/verdict_store.js", script)
    assert found["shown"] == "candidate"
    # What was overtaken while the first was on its way is not sent.
    assert found["saves"][:2] == ["rfi", "candidate"]
    assert found["undone"] == ["unsure", "rfi", None, None]
    assert found["left"] is None
    assert found["saves"][-1] is None


async def test_a_view_shows_the_whole_track(javascript):
    hit = {"frequency_hz": 8.4e9, "drift_rate_hz_s": -4.0}
    assert await javascript.call("job/hit_view.js", "around_hit", hit, 300, None) == {
        "center_hz": 8.4e9 - 600,
        "width_hz": 3600,
    }
    steady = hit | {"drift_rate_hz_s": 0}
    for present_hz, width_hz in ((None, 2000), (500, 500), (1e6, 2000)):
        found = await javascript.call("job/hit_view.js", "around_hit", steady, 300, present_hz)
        assert found == {"center_hz": 8.4e9, "width_hz": width_hz}
