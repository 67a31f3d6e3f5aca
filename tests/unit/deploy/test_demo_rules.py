"""What the demo refuses before anything starts, and how it compares with the truth."""

import io
import json

import pytest
from rich.console import Console

from deploy.local.demo import DemoError, check_file, made_observation, report_truth
from deploy.local.demo_tables import candidates_table, compare, truth_table
from science.simulator import voyager_1


def candidate(frequency_hz: float, drift_rate: float, snr: float = 100.0) -> dict:
    return {
        "frequency_hz": frequency_hz,
        "drift_rate": drift_rate,
        "snr": snr,
        "classification": "NARROWBAND_DRIFTING",
        "interestingness": 0.5,
        "rfi_source": "[bold]radar",
        "source": "matched_filter",
    }


def rendered(table) -> str:
    console = Console(file=io.StringIO(), width=200)
    console.print(table)
    return console.file.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("none.fil", None, "There is no file"),
        ("notes.txt", b"x", "must end in .fil or .h5"),
        ("empty.h5", b"", "is empty"),
    ],
)
def test_bad_files_are_refused_in_a_sentence_that_names_them(tmp_path, name, content, sentence):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DemoError, match=sentence) as caught:
        check_file(path)
    assert name in str(caught.value)


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(DemoError, match="is not a file"):
        check_file(tmp_path)


@pytest.mark.parametrize("name", ["a.fil", "A.H5"])
def test_good_files_pass(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"x")
    assert check_file(path) is None


def test_each_tone_is_matched_with_its_own_candidate():
    scene, truth = voyager_1()
    header = scene.header
    shifted = [candidate(row["frequency_hz"] + header.foff_hz, row["drift_rate_hz_s"], row["snr"]) for row in truth]
    comparisons = compare(truth, shifted[::-1], header)
    assert [one.found["frequency_hz"] for one in comparisons] == [one["frequency_hz"] for one in shifted]
    assert [one.channel_difference for one in comparisons] == pytest.approx([1.0] * len(truth), abs=1e-3)
    assert "not found" not in rendered(truth_table(comparisons))


@pytest.mark.parametrize(
    ("channels", "steps", "is_found"), [(3.9, 0, True), (4.1, 0, False), (0, 1.9, True), (0, 2.1, False)]
)
def test_what_is_too_far_off_is_not_the_tone(channels, steps, is_found):
    scene, truth = voyager_1()
    header, row = scene.header, truth[2]
    frequency_hz = row["frequency_hz"] + channels * header.foff_hz
    drift_rate = row["drift_rate_hz_s"] + steps * header.drift_resolution_hz_s
    (comparison,) = compare(truth[2:3], [candidate(frequency_hz, drift_rate)], header)
    assert (comparison.found is not None) == is_found
    assert ("not found" in rendered(truth_table([comparison]))) != is_found


def test_the_demo_fails_if_a_tone_is_missing(tmp_path):
    _, truth = voyager_1()
    hits = [candidate(float(row["frequency_hz"]), float(row["drift_rate_hz_s"]), float(row["snr"])) for row in truth]
    results, console = tmp_path / "results.json", Console(file=io.StringIO(), width=200)
    results.write_text(json.dumps({"raw_hits": hits}))
    report_truth(results, console)
    assert "Every tone that was put into the observation was found." in console.file.getvalue()
    results.write_text(json.dumps({"raw_hits": hits[:2] + hits[3:]}))
    with pytest.raises(DemoError, match=r"not found: 8419\.297028 MHz\."):
        report_truth(results, console)


def test_candidates_are_shown_with_all_digits_and_no_markup():
    shown = rendered(candidates_table([candidate(8419297027.867, -0.377557, 1013.2)]))
    for text in ("8419.297028", "-0.3776", "1013.2", "NARROWBAND_DRIFTING", "0.50", "[bold]radar"):
        assert text in shown


def test_observation_is_made_once_for_each_version(tmp_path, monkeypatch):
    written = []

    def write(path, header, data):
        written.append(path)
        path.write_bytes(b"observation")

    monkeypatch.setattr("deploy.local.demo.write_fil", write)
    (tmp_path / "voyager_1-outdated.fil").write_bytes(b"old")
    console = Console(file=io.StringIO())
    first = made_observation(tmp_path, console)
    assert made_observation(tmp_path, console) == first
    assert len(written) == 1
    assert list(tmp_path.iterdir()) == [first]
