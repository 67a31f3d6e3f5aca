"""Files that the demo refuses before it starts anything, and its comparison with the simulated tones."""

import io
import json

import pytest
from rich.console import Console

from deploy.local.demo import DemoError, check_file, made_observation, report_truth
from science.simulator import voyager_1


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


def test_the_demo_fails_if_a_tone_is_missing(tmp_path):
    _, truth = voyager_1()
    hits = [
        {
            "frequency_hz": float(row["frequency_hz"]),
            "drift_rate": float(row["drift_rate_hz_s"]),
            "snr": float(row["snr"]),
        }
        for row in truth
    ]
    results, console = tmp_path / "results.json", Console(file=io.StringIO(), width=200)
    results.write_text(json.dumps({"raw_hits": hits}))
    report_truth(results, console)
    assert "All simulated tones were found." in console.file.getvalue()
    results.write_text(json.dumps({"raw_hits": hits[:2] + hits[3:]}))
    with pytest.raises(DemoError, match=r"not found: 8419\.297028 MHz\."):
        report_truth(results, console)


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
