"""The demo's tables compare simulated tones with hits."""

import io

import pytest
from rich.console import Console

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
def test_a_candidate_too_far_from_a_tone_does_not_match(channels, steps, is_found):
    scene, truth = voyager_1()
    header, row = scene.header, truth[2]
    frequency_hz = row["frequency_hz"] + channels * header.foff_hz
    drift_rate = row["drift_rate_hz_s"] + steps * header.drift_resolution_hz_s
    (comparison,) = compare(truth[2:3], [candidate(frequency_hz, drift_rate)], header)
    assert (comparison.found is not None) == is_found
    assert ("not found" in rendered(truth_table([comparison]))) != is_found


def test_candidates_are_shown_with_all_digits_and_no_markup():
    shown = rendered(candidates_table([candidate(8419297027.867, -0.377557, 1013.2)]))
    for text in ("8419.297028", "-0.3776", "1013.2", "NARROWBAND_DRIFTING", "0.50", "[bold]radar"):
        assert text in shown
