"""Which hits belong to the same emitter, and what follows for their labels."""

from services.classify.selection import filtered


def test_side_lobe_of_rfi_is_rfi_of_the_same_source(classify, header, observation):
    fm = header.model_copy(update={"fch1_mhz": 100.0})
    observation.header = fm
    hits = classify(fm, observation.chunk([(5000, 0, 900.0, {}), (5060, 2, 15.0, {"rows": [1] * 7 + [0] * 9})]))
    assert [(h.verdict.label, h.verdict.rfi_source) for h in hits] == [("RFI_TERRESTRIAL", "FM radio")] * 2
    assert "Belongs to hit 0." in hits[1].verdict.reasons
    assert filtered(hits) == []


def test_side_lobe_goes_with_its_main_lobe(classify, header, observation):
    hits = classify(header, observation.chunk([(5000, 30, 900.0, {}), (5060, 30, 15.0, {}), (5120, 12, 15.0, {})]))
    assert [h.group for h in hits] == [0, 0, 2]
