"""The nine labels that a hit can have, and the sets of labels that rules and pictures use.

`services.classify.labels` defines when a hit gets which label.
"""

NARROWBAND_DRIFTING = "NARROWBAND_DRIFTING"
NARROWBAND_STATIONARY = "NARROWBAND_STATIONARY"
BROADBAND = "BROADBAND"
PULSED = "PULSED"
CHIRP = "CHIRP"
RFI_TERRESTRIAL = "RFI_TERRESTRIAL"
RFI_SATELLITE = "RFI_SATELLITE"
NOISE = "NOISE"
CANDIDATE_ET = "CANDIDATE_ET"

LABELS = (
    NARROWBAND_DRIFTING,
    NARROWBAND_STATIONARY,
    BROADBAND,
    PULSED,
    CHIRP,
    RFI_TERRESTRIAL,
    RFI_SATELLITE,
    NOISE,
    CANDIDATE_ET,
)
# The labels that describe the form of a signal alone, in the order in which the model numbers its classes.
SHAPES = (NARROWBAND_DRIFTING, NARROWBAND_STATIONARY, BROADBAND, PULSED, CHIRP, NOISE)

RFI = frozenset({RFI_TERRESTRIAL, RFI_SATELLITE})
# Hits with these labels are left out of the filtered hits, and are no candidates.
RFI_OR_NOISE = RFI | {NOISE}
# A filtered hit with one of these labels is a candidate.
CANDIDATE_LABELS = frozenset({CANDIDATE_ET, NARROWBAND_DRIFTING, PULSED, CHIRP})
