"""The document `events.json` and the summary that the API shows."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

import numpy as np

from services.classify.bands import bands_at, protected_band
from services.classify.cadence.explanations import explained
from services.classify.cadence.families import Families, Histories
from services.classify.cadence.interest import components, interest
from services.classify.cadence.joining import Joined, strongest_hits
from services.classify.cadence.observed import STATES, Observed
from services.classify.cadence.scans import Scan
from services.classify.cadence.sentences import family_sentence, rejections, scan_sentence
from services.classify.cadence.sky_drift import DATES_MJD, origin_of, place_of, sky_drift_per_hz
from services.classify.cadence.verdict import MOST_REJECTED, Judgement, middle_s
from shared.arrays import Indices
from shared.cadence import MAX_TOP_EVENTS, CadenceSummary, TopEvent
from shared.cadence_document import (
    CadenceDocument,
    EventRecord,
    FamilyKind,
    FamilyRecord,
    ScanRecord,
    TrackInScan,
)
from shared.event_fields import MAX_NAME, plain_sentence
from shared.labels import CANDIDATE_ET
from shared.results import HitRecord, measured
from shared.tracks import SECONDS_PER_DAY

# The summary is part of an event and of every answer that shows the cadence.
MAX_SUMMARY_WARNINGS = 20


@dataclass(frozen=True)
class Origin:
    """Whose cadence it is: its id and name, and how long it took, s."""

    job_id: str
    name: str = ""
    processing_time_seconds: float = 0.0


@dataclass(frozen=True)
class Verdicts:
    """Everything that was found of the tracks of a cadence."""

    joined: Joined
    seen: Observed
    judgement: Judgement
    families: Families
    history: Histories


def document(found: Verdicts, origin: Origin, more_warnings: Sequence[str]) -> CadenceDocument:
    """Return everything that is known of a cadence: events best first, then rejected tracks by strength.

    The `id` of a track is its place in this order, from 1; those that are not listed have one too. A family's is that
    of its first track.
    """
    joined, judgement = found.joined, found.judgement
    strongest = strongest_hits(joined.association, joined.lines, joined.ons)
    is_event = judgement.is_event
    sky = _sky_drift_per_hz(joined) if is_event.any() else None
    shown = judgement.rejected[:MOST_REJECTED]
    events = [_event(found, track, strongest[track], sky) for track in np.flatnonzero(is_event).tolist()]
    events.sort(key=lambda event: (-event["interestingness"], -(event["snr"] or 0.0), event["track"]))
    order = np.concatenate([np.array([event["track"] for event in events], np.int64), judgement.rejected])
    ids = np.empty(len(joined), np.int64)
    ids[order] = np.arange(1, len(joined) + 1)
    warnings = [*more_warnings, *joined.warnings, *_warnings(found, len(shown))]
    not_events = [_event(found, track, strongest[track], sky) for track in shown.tolist()]
    listed = order[: len(events) + len(shown)]
    warnings = [plain_sentence(text) for text in warnings]
    family_ids = np.full(len(joined), len(joined) + 1, np.int64)
    np.minimum.at(family_ids, found.families.of_track, ids)
    numbered = [_numbered(event, ids, family_ids) for event in events]
    return CadenceDocument(
        job_id=origin.job_id,
        name=origin.name,
        source_name=joined.ons[0].source_name,
        epoch_mjd=joined.epoch_mjd,
        parameters=joined.parameters,
        scans=[_scan_record(scan) for scan in joined.scans],
        events=numbered,
        rejected=[_numbered(event, ids, family_ids) for event in not_events],
        families=_family_records(found, listed, ids, family_ids),
        warnings=warnings,
        summary=_summary(found, numbered, origin, warnings),
        processing_time_seconds=origin.processing_time_seconds,
    )


def _warnings(found: Verdicts, shown: int) -> list[str]:
    joined, judgement = found.joined, found.judgement
    warnings = []
    searched = [scan for scan in joined.scans if scan.has_results]
    if len(joined) and not found.seen.is_measured.any():
        warnings.append(
            "There are no samples, so nothing could be measured: a scan without a hit may still hold the signal."
        )
    wanted = joined.parameters.min_on_scans
    if wanted is not None and wanted > len(joined.ons):
        warnings.append(
            f"An event must be in {wanted} ON scans, but {len(joined.ons)} of {len(searched)} scans with results are "
            "ON: there can be no event. Lower min_on_scans."
        )
    rejected = int((~judgement.is_event).sum())
    if rejected > shown:
        warnings.append(f"{rejected} tracks are no events; the {shown} strongest of them are listed.")
    return warnings


def _sky_drift_per_hz(joined: Joined) -> float | None:
    """Return the drift of a transmitter fixed in the sky, per Hz; None if the site or the position is not known."""
    place = next((place for scan in joined.ons if (place := place_of(scan.header)) is not None), None)
    if place is None or not DATES_MJD[0] <= joined.epoch_mjd <= DATES_MJD[1]:
        return None
    return sky_drift_per_hz(place, joined.epoch_mjd + middle_s(joined) / SECONDS_PER_DAY)


def _record_of(joined: Joined, hit: Indices) -> HitRecord | None:
    records = joined.ons[int(hit[0])].hits.records
    return records[int(hit[1])] if records else None


def _event(found: Verdicts, track: int, hit: Indices, sky_per_hz: float | None) -> EventRecord:
    """Return one track as the document shows it."""
    joined, judgement = found.joined, found.judgement
    fits, record = joined.association.fits, _record_of(joined, hit)
    why = explained(joined, found.families, found.history, judgement, track, record)
    parts = components(joined, found.families, judgement, track, why, record)
    frequency, drift, change = (float(value) for value in fits.value[track])
    errors = np.sqrt(np.diagonal(fits.covariance[track]))
    sky = None if sky_per_hz is None else sky_per_hz * frequency
    return {
        "id": 0,
        "track": track,
        "is_event": bool(judgement.is_event[track]),
        "family": int(found.families.of_track[track]),
        "frequency_hz": frequency,
        "frequency_error_hz": measured(float(errors[0])),
        "drift_rate": drift + 0.0,
        "drift_rate_error": measured(float(errors[1])),
        "drift_change_hz_s2": change + 0.0,
        "drift_change_error_hz_s2": measured(float(errors[2])),
        "bandwidth_hz": float(joined.bandwidth_hz[track]),
        "chi_squared": measured(float(fits.chi_squared[track])),
        "degrees_of_freedom": int(fits.degrees_of_freedom[track]),
        "snr": measured(float(judgement.snr[track])),
        "on_scans": len(joined.ons),
        "on_scans_present": int(judgement.on_present[track]),
        "off_scans": sum(scan.role == "off" and scan.has_results for scan in joined.scans),
        "off_scans_present": int(judgement.off_present[track]),
        "classification": why.label,
        "interestingness": interest(parts),
        "interestingness_components": {name: measured(value) for name, value in parts.items()},
        "rfi_source": why.rfi_source[:MAX_NAME],
        "bands": [band.name for band in bands_at(frequency)],
        "protected_band": protected_band(frequency),
        "sky_drift_rate": sky,
        "ground_drift_rate": 0.0,
        "drift_origin": origin_of(float(judgement.drift_hz_s[track]), float(judgement.drift_error_hz_s[track]), sky),
        "look_alikes": why.look_alikes,
        "reasons": [*rejections(joined, found.seen, judgement, track), *why.reasons],
        "scans": [_in_scan(found, track, scan) for scan in joined.scans],
    }


def _numbered(event: EventRecord, ids: Indices, family_ids: Indices) -> EventRecord:
    """Return a track with the ids of itself, of its family and of its look-alikes in the place of their numbers."""
    return {
        **event,
        "id": int(ids[event["track"]]),
        "family": int(family_ids[event["family"]]),
        "look_alikes": ids[np.array(event["look_alikes"], np.int64)].tolist(),
    }


def _in_scan(found: Verdicts, track: int, scan: Scan) -> TrackInScan:
    """Return one track in one scan as the document shows it."""
    seen, judgement, at = found.seen, found.judgement, scan.index
    hit = int(seen.hit[track, at])

    def value(name: str) -> float | None:
        return measured(float(getattr(seen, name)[track, at]))

    def judged_value(name: str) -> float | None:
        return measured(float(getattr(judgement, name)[track, at]))

    return {
        "scan": at,
        "role": scan.role,
        "state": STATES[seen.state[track, at]],
        "is_present": bool(judgement.present[track, at]),
        "hit": int(scan.hits.id[hit]) if hit >= 0 else None,
        "snr": value("snr"),
        "snr_error": value("snr_error"),
        "snr_limit": value("snr_limit"),
        "strength_ratio": judged_value("ratio"),
        "strength_ratio_error": judged_value("ratio_error"),
        "strength_ratio_limit": judged_value("ratio_limit"),
        "presence_probability": judged_value("probability"),
        "frequency_hz": value("frequency_hz"),
        "frequency_error_hz": value("frequency_error_hz"),
        "predicted_frequency_hz": value("predicted_hz"),
        "drift_rate": value("drift_rate_hz_s"),
        "drift_rate_error": value("drift_rate_error_hz_s"),
        "sentence": scan_sentence(found.joined, seen, judgement, track, scan),
    }


def _scan_record(scan: Scan) -> ScanRecord:
    header, known = scan.header, scan.has_results
    return {
        "index": scan.index,
        "role": scan.role,
        "job_id": scan.job_id,
        "file_name": scan.file_name,
        "source_name": scan.source_name,
        "tstart_mjd": scan.tstart_mjd if known else None,
        "start_s": scan.start_s if known else None,
        "duration_s": scan.duration_s if known else None,
        "channel_width_hz": scan.channel_width_hz if known else None,
        "lowest_frequency_hz": measured(scan.band_hz[0]) if known else None,
        "highest_frequency_hz": measured(scan.band_hz[1]) if known else None,
        "first_channel_hz": header.frequency_hz(0) if header else None,
        "n_channels": header.n_channels if header else None,
        "n_spectra": header.n_spectra if header else None,
        "tsamp_s": scan.tsamp_s if known else None,
        "coarse_channel_width": header.coarse_channel_width if header else None,
        "ra_hours": header.ra_hours if header else None,
        "dec_deg": header.dec_deg if header else None,
        "telescope_id": header.telescope_id if header else None,
        "hits": len(scan.hits),
        "failure": scan.failure,
    }


def _family_records(found: Verdicts, listed: Indices, ids: Indices, family_ids: Indices) -> list[FamilyRecord]:
    """Return the families of the listed tracks: most events first, then the largest."""
    joined, families, judgement = found.joined, found.families, found.judgement
    order = np.argsort(families.of_track, kind="stable")
    numbers, starts = np.unique(families.of_track[order], return_index=True)
    members_of = dict(zip(numbers.tolist(), np.split(order, starts)[1:], strict=True))
    frequency = joined.association.fits.value[:, 0]
    strength = np.where(np.isfinite(judgement.snr), judgement.snr, joined.snr)
    records: list[FamilyRecord] = []
    for family in np.unique(families.of_track[listed]).tolist():
        members = members_of[family]
        events = int(judgement.is_event[members].sum())
        strongest = int(members[np.argmax(strength[members])])
        kind: FamilyKind = families.kind.get(family, "single")
        spacing = families.spacing_hz.get(family)
        records.append(
            {
                "id": int(family_ids[family]),
                "kind": kind,
                "members": np.sort(ids[members]).tolist(),
                "events": events,
                "strongest": int(ids[strongest]),
                "lowest_frequency_hz": float(frequency[members].min()),
                "highest_frequency_hz": float(frequency[members].max()),
                "spacing_hz": spacing,
                "drift_rate": measured(float(judgement.drift_hz_s[strongest])),
                "sentence": family_sentence(kind, len(members), events, spacing),
            }
        )
    return sorted(records, key=lambda record: (-record["events"], -len(record["members"]), record["id"]))


def _summary(found: Verdicts, events: Sequence[EventRecord], origin: Origin, warnings: Sequence[str]) -> CadenceSummary:
    is_event, of_track = found.judgement.is_event, found.families.of_track
    return CadenceSummary(
        events=len(events),
        families=len(np.unique(of_track[is_event])),
        candidates=sum(event["classification"] == CANDIDATE_ET for event in events),
        rejected=int((~is_event).sum()),
        processing_time_seconds=origin.processing_time_seconds,
        top_events=tuple(
            _top_event(event, int((of_track == of_track[event["track"]]).sum())) for event in events[:MAX_TOP_EVENTS]
        ),
        warnings=tuple(warnings[:MAX_SUMMARY_WARNINGS]),
    )


def _top_event(event: EventRecord, family_size: int) -> TopEvent:
    snr = event["snr"]
    return TopEvent(
        id=event["id"],
        frequency_hz=event["frequency_hz"],
        drift_rate=event["drift_rate"],
        snr=snr if snr is not None and isfinite(snr) else 0.0,
        on_scans=event["on_scans_present"],
        classification=event["classification"],
        interestingness=event["interestingness"],
        family_size=family_size,
        rfi_source=event["rfi_source"],
    )
