"""What is known that may explain an event: services, combs, look-alikes elsewhere in the band."""

from dataclasses import dataclass

import numpy as np

from services.classify.bands import Appearance, Band, agreeing_band, bands_at
from services.classify.cadence.families import ALIKE, Families, Histories
from services.classify.cadence.joining import Joined
from services.classify.cadence.verdict import Judgement
from services.classify.labels import MAX_DRIFT_PER_HZ
from shared.arrays import Indices
from shared.labels import (
    CANDIDATE_ET,
    NARROWBAND_DRIFTING,
    NARROWBAND_STATIONARY,
    RFI,
    RFI_SATELLITE,
    RFI_TERRESTRIAL,
)
from shared.narrowband import NARROW_HZ
from shared.results import HitRecord

# Look-alikes are listed up to this number, the strongest first.
MOST_LOOK_ALIKES = 20
# There are look-alikes if more tracks than three times those that chance brings drift alike. Chance is counted among
# drifts that differ by up to ten times as much.
CHANCE_FACTOR, CHANCE_WIDTH, ALIKE_ERRORS = 3.0, 10.0, 3.0


@dataclass(frozen=True)
class Explained:
    """The label of a track, the service it is attributed to, and sentences on what may explain it."""

    label: str
    rfi_source: str
    look_alikes: list[int]
    reasons: list[str]


def explained(
    joined: Joined, families: Families, history: Histories, judgement: Judgement, track: int, record: HitRecord | None
) -> Explained:
    """Return what may explain a track.

    An event is CANDIDATE_ET if nothing known explains it and its strongest hit is a narrow signal.

    Parameters
    ----------
    joined, families, history, judgement
        Of all tracks.
    track
        The place of the track.
    record
        Its strongest hit, None for a hit of a table.
    """
    frequency_hz = float(joined.association.fits.value[track, 0])
    drift = 0.0 if judgement.stands_still[track] else float(judgement.drift_hz_s[track])
    label, source = _of_hit(record, drift)
    if label == NARROWBAND_STATIONARY and drift:
        # Over a cadence a drift is known ten times as well as in one scan.
        label = NARROWBAND_DRIFTING
    family = int(families.of_track[track])
    band = _band(joined, families, track, frequency_hz, drift)
    if label not in RFI and band is not None:
        label, source = RFI_SATELLITE if band.category == "satellite" else RFI_TERRESTRIAL, band.name
    alike = look_alikes(families, history, judgement, joined, track)
    reasons = list(_reasons(frequency_hz, drift, source))
    if families.kind.get(family) == "comb":
        reasons.append("It is one line of a comb.")
    in_off = [other for other in alike.tolist() if judgement.off_present[other]]
    if in_off:
        at = joined.association.fits.value[in_off[0], 0] / 1e6
        reasons.append(
            f"{len(in_off)} of its {len(alike)} look-alikes, such as that at {at:.6f} MHz, "
            f"{'is' if len(in_off) == 1 else 'are'} in OFF scans."
        )
    if label == CANDIDATE_ET and (reasons or not judgement.is_event[track]):
        label = NARROWBAND_DRIFTING
    elif label == NARROWBAND_DRIFTING and judgement.is_event[track] and not reasons:
        label = CANDIDATE_ET
    return Explained(label, source, alike.tolist(), reasons)


def _of_hit(record: HitRecord | None, drift_hz_s: float) -> tuple[str, str]:
    if record is not None:
        return record["classification"], record["rfi_source"]
    return (NARROWBAND_DRIFTING if drift_hz_s else NARROWBAND_STATIONARY), ""


def _band(joined: Joined, families: Families, track: int, frequency_hz: float, drift_hz_s: float) -> Band | None:
    """Return the service whose band and shape both agree with a track."""
    width = float(joined.bandwidth_hz[track])
    spacing = families.spacing_hz.get(int(families.of_track[track]), 0.0)
    seen = Appearance(width, width, drift_hz_s, broad=width > NARROW_HZ, pulsed=False, comb_spacing_hz=spacing)
    return agreeing_band(frequency_hz, seen)


def _reasons(frequency_hz: float, drift_hz_s: float, source: str) -> list[str]:
    reasons = [f"{source} transmits here, and the shape agrees."] if source else []
    if not source:
        reasons += [
            f"{band.name} has its band here, with carriers."
            if band.carriers
            else f"{band.name} has its band here, with lines that drift."
            for band in bands_at(frequency_hz)
            if band.carriers or band.moving
        ]
    if abs(drift_hz_s) > MAX_DRIFT_PER_HZ * abs(frequency_hz):
        reasons.append(f"It drifts by more than {MAX_DRIFT_PER_HZ * 1e9:g} nHz/s per Hz, the most of a planet.")
    return reasons


def look_alikes(families: Families, history: Histories, judgement: Judgement, joined: Joined, track: int) -> Indices:
    """Return the tracks of other families that share the drift history of a track, the strongest first.

    Only tracks with hits in several scans, which drift, are compared: the drift within one scan is not known well
    enough, and what stands still is alike everywhere. None are returned where chance explains their number.
    """
    members = joined.association.members
    if judgement.stands_still[track] or (members[track] >= 0).sum() < 2:
        return np.empty(0, np.int64)
    several = (members >= 0).sum(axis=1) > 1
    others = np.flatnonzero(several & ~judgement.stands_still & (families.of_track != families.of_track[track]))
    alike = others[history.unlike(others, np.full(len(others), track)) <= ALIKE]
    off = np.abs(history.value[others, 0] - history.value[track, 0])
    error = np.sqrt(history.covariance[others, 0, 0] + history.covariance[track, 0, 0])
    near, around = int((off <= ALIKE_ERRORS * error).sum()), int((off <= ALIKE_ERRORS * CHANCE_WIDTH * error).sum())
    if len(alike) <= CHANCE_FACTOR * (around - near) / (CHANCE_WIDTH - 1):
        return np.empty(0, np.int64)
    order = np.lexsort((alike, -np.nan_to_num(judgement.snr[alike], nan=-np.inf)))
    return alike[order][:MOST_LOOK_ALIKES]
