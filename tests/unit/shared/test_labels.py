"""The sets of labels contain the nine labels according to their meaning."""

from shared.labels import CANDIDATE_LABELS, LABELS, RFI, RFI_OR_NOISE, SHAPES


def test_every_label_is_in_the_sets_of_its_meaning():
    assert len(LABELS) == len(set(LABELS)) == 9
    assert set(SHAPES) == set(LABELS) - RFI - {"CANDIDATE_ET"}
    assert {"RFI_TERRESTRIAL", "RFI_SATELLITE"} == RFI
    assert {*RFI, "NOISE"} == RFI_OR_NOISE
    assert {"CANDIDATE_ET", "NARROWBAND_DRIFTING", "PULSED", "CHIRP"} == CANDIDATE_LABELS
