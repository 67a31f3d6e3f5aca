"""From shape, band and neighbours to a label: each rule by itself."""

from dataclasses import replace

import pytest

from services.classify.evidence import MODEL_FEATURES, NOVELTY_FEATURES, Evidence, drift_limit_hz_s, model_row
from services.classify.kernels.features import Features
from services.classify.labels import candidate_conditions, drifts_with_far_hits, label
from services.classify.model import Shape

STEADY = Features(
    path_snr=60.0,
    occupancy=0.97,
    presence=1.0,
    peak_fraction=0.08,
    kurtosis=-0.5,
    fwhm_hz=3.0,
    window_fill=0.06,
    edge_sharpness=0.99,
    side_share=0.05,
    curvature_gain=1.0,
    curvature_hz_s2=0.0,
    bend_channels=0.0,
    row_width_channels=1.0,
    wobble_channels=0.2,
    lean_channels=0.1,
    straightness_residual_channels=0.3,
)
TONE = Evidence(
    snr=60.0,
    snr_threshold=10.0,
    frequency_hz=8.42e9,
    drift_rate_hz_s=0.3,
    drift_rate_error_hz_s=0.006,
    drift_resolution_hz_s=0.0102,
    bandwidth_hz=2.8,
    channel_width_hz=2.8,
    drift_channels_per_spectrum=2.0,
    n_rows=16,
    features=STEADY,
)


def shape(name="NARROWBAND_DRIFTING", probability=0.98, p=0.4):
    return Shape(name, {name: probability, "NOISE" if name != "NOISE" else "PULSED": 1 - probability}, p)


def test_the_clean_tone_is_a_candidate():
    verdict = label(TONE, shape())
    assert (verdict.label, verdict.rfi_source, verdict.confidence) == ("CANDIDATE_ET", "", 0.98)
    assert verdict.novelty == pytest.approx(0.6)
    assert verdict.reasons == ("Shape: NARROWBAND_DRIFTING (0.98).",)


@pytest.mark.parametrize(
    ("change", "condition"),
    [
        ({"snr": 19.0}, "SNR"),
        ({"snr": 60.0, "snr_threshold": 35.0}, "SNR"),
        ({"bandwidth_hz": 12.0}, "3 channels"),
        ({"n_rows": 3}, "stretches"),
        ({"features": replace(STEADY, presence=0.875)}, "stretches"),
        ({"features": replace(STEADY, occupancy=0.69)}, "steady"),
        ({"features": replace(STEADY, curvature_gain=1.2)}, "straight"),
        ({"features": replace(STEADY, straightness_residual_channels=3.5)}, "straight"),
        ({"curve_gain": 1.25}, "straight"),
        ({"drift_rate_hz_s": 0.015}, "told from none"),
        ({"drift_rate_hz_s": 2000.0}, "200 nHz"),
        ({"comb_spacing_hz": 100.0, "comb_teeth": 6}, "comb"),
        ({"hits_with_like_drift": 10}, "10 other"),
        ({"hits_with_like_drift": 3, "like_drift_span_hz": 2e6}, "1 MHz"),
        ({"frequency_hz": 1.54e9}, "carriers"),
    ],
)
def test_each_condition_of_a_candidate_counts(change, condition):
    changed = replace(TONE, **change)
    missing = [text for text, met in candidate_conditions(changed, shape()).items() if not met]
    assert len(missing) == 1
    assert condition in missing[0]
    verdict = label(changed, shape())
    assert verdict.label == "NARROWBAND_DRIFTING"
    assert verdict.reasons[-1] == f"Not CANDIDATE_ET, for it lacks: {missing[0]}."


@pytest.mark.parametrize(("given", "condition"), [(shape(probability=0.85), "sure"), (shape(p=0.005), "knows")])
def test_the_model_must_be_sure_and_know_the_shape(given, condition):
    missing = [text for text, met in candidate_conditions(TONE, given).items() if not met]
    assert len(missing) == 1
    assert condition in missing[0]


def test_a_hit_without_support_in_its_cutout_is_noise():
    verdict = label(replace(TONE, features=replace(STEADY, path_snr=3.0)), shape())
    assert (verdict.label, verdict.shape) == ("NOISE", "NOISE")
    assert verdict.reasons == ("Shape: NOISE by rule.", "Its cut-out holds an SNR of 3.0 only.")


def test_novelty_lowers_confidence_and_is_reported():
    confidences = [label(TONE, shape(p=p)).confidence for p in (1.0, 0.01, 0.005, 1e-6)]
    assert confidences == pytest.approx([0.98, 0.98, 0.49, 0.98e-4])
    told = label(TONE, shape("CHIRP", p=0.001))
    assert told.label == "CHIRP"
    assert "Unlike what the model knows (fewer than 0.001 of signals are as strange)." in told.reasons


def test_band_and_shape_give_a_source():
    still = replace(TONE, frequency_hz=1.54e9, drift_rate_hz_s=0.0)
    verdict = label(still, shape("NARROWBAND_STATIONARY"))
    assert (verdict.label, verdict.rfi_source) == ("RFI_SATELLITE", "Inmarsat")
    assert verdict.shape == "NARROWBAND_STATIONARY"
    drifting = label(replace(TONE, frequency_hz=1.54e9), shape())
    assert (drifting.label, drifting.rfi_source) == ("NARROWBAND_DRIFTING", "")
    assert "Inmarsat has its band here, but its emissions look different." in drifting.reasons


def test_a_protected_band_is_reported_and_names_no_source():
    verdict = label(replace(TONE, frequency_hz=1.4204e9, drift_rate_hz_s=0.05), shape())
    assert verdict.rfi_source == ""
    assert "In a band protected for radio astronomy (H I)." in verdict.reasons


def test_noise_has_no_source_whatever_the_band():
    assert label(replace(TONE, frequency_hz=1.54e9), shape("NOISE")).rfi_source == ""


def test_a_stationary_comb_is_terrestrial_and_a_drifting_one_is_not():
    comb = replace(TONE, comb_spacing_hz=1000.0, comb_teeth=7)
    still = label(replace(comb, drift_rate_hz_s=0.0), shape("NARROWBAND_STATIONARY"))
    assert (still.label, still.rfi_source) == ("RFI_TERRESTRIAL", "")
    assert "One of 7 lines 1000.0 Hz apart." in still.reasons
    assert label(comb, shape()).label == "NARROWBAND_DRIFTING"


def test_drifts_alike_far_apart():
    assert not drifts_with_far_hits(replace(TONE, hits_with_like_drift=2, like_drift_span_hz=5e6))
    assert not drifts_with_far_hits(replace(TONE, hits_with_like_drift=9, like_drift_span_hz=1e5))
    assert drifts_with_far_hits(replace(TONE, hits_with_like_drift=3, like_drift_span_hz=5e6))


def test_the_row_has_no_units():
    """A grid of channels half as wide and spectra half as long, with everything else in proportion, is the same row."""
    wide = replace(TONE, channel_width_hz=200.0, bandwidth_hz=600.0, features=replace(STEADY, fwhm_hz=800.0))
    half = replace(
        wide,
        channel_width_hz=100.0,
        bandwidth_hz=300.0,
        drift_rate_hz_s=0.15,
        drift_rate_error_hz_s=0.003,
        drift_resolution_hz_s=0.0051,
        features=replace(STEADY, fwhm_hz=400.0),
    )
    assert model_row(wide) == pytest.approx(model_row(half))
    assert len(model_row(wide)) == len(MODEL_FEATURES)
    assert MODEL_FEATURES[-len(NOVELTY_FEATURES) :] == NOVELTY_FEATURES


def test_a_drift_differs_from_none_beyond_three_errors_and_a_step():
    assert drift_limit_hz_s(replace(TONE, drift_rate_error_hz_s=0.1)) == pytest.approx(0.3)
    assert drift_limit_hz_s(replace(TONE, drift_rate_error_hz_s=0.001)) == pytest.approx(0.0102 * 1.01)


@pytest.mark.parametrize(
    ("channel_hz", "channels", "shape_by_model", "expected"),
    [
        (4e6, 4, "NARROWBAND_STATIONARY", "BROADBAND"),
        (4e6, 1, "NARROWBAND_DRIFTING", "BROADBAND"),
        (4e6, 4, "PULSED", "BROADBAND"),
        (4e6, 4, "CHIRP", "BROADBAND"),
        (4e6, 4, "NOISE", "NOISE"),
        (2860.0, 3, "NARROWBAND_STATIONARY", "NARROWBAND_STATIONARY"),
        (2860.0, 4, "NARROWBAND_STATIONARY", "BROADBAND"),
        (100.0, 5, "PULSED", "PULSED"),
        (100.0, 6, "PULSED", "BROADBAND"),
        (2.8, 200, "NARROWBAND_DRIFTING", "NARROWBAND_DRIFTING"),
    ],
)
def test_narrow_is_judged_in_hz(channel_hz, channels, shape_by_model, expected):
    """Check the rule on wide channels; on fine ones the model knows 500 Hz."""
    row = replace(STEADY, row_width_channels=float(channels))
    hit = replace(TONE, channel_width_hz=channel_hz, bandwidth_hz=channels * channel_hz, features=row)
    assert label(hit, shape(shape_by_model)).shape == expected


def test_the_reason_says_how_wide_a_hit_is_and_the_probability_is_that_of_no_noise():
    hit = replace(TONE, channel_width_hz=4e6, bandwidth_hz=16e6)
    verdict = label(hit, shape("PULSED", 0.9))
    assert "It is 16 MHz wide, in channels of 4 MHz; narrow is up to 500 Hz." in verdict.reasons
    assert verdict.shape_probability == pytest.approx(0.9)


def test_bursts_of_whole_channels_are_still_bursts_of_their_service():
    hit = replace(TONE, frequency_hz=1.3e9, channel_width_hz=4e6, bandwidth_hz=60e6, drift_rate_hz_s=0.0)
    assert label(hit, shape("PULSED")).rfi_source == "Air surveillance radar"
    assert label(hit, shape("NARROWBAND_STATIONARY")).rfi_source == ""


def test_a_bent_tone_on_wide_channels_stays_a_chirp():
    """Check that the width in single rows counts: the box of a chirp holds its bend."""
    hit = replace(TONE, channel_width_hz=2860.0, bandwidth_hz=6 * 2860.0)
    assert label(hit, shape("CHIRP")).shape == "CHIRP"
