"""The document `results.json` and the summary that the API shows, from the classified hits."""

from collections.abc import Sequence
from dataclasses import asdict

from services.classify.bands import bands_at, protected_band
from services.classify.classification import ClassifiedHit
from services.classify.labels import UNKNOWN_P
from services.classify.measurement import MOST_HITS
from services.classify.noise_warnings import noise_warnings
from services.classify.selection import candidates, filtered
from shared.event_fields import plain_sentence
from shared.events import ChunkSearched, ResultsSummary, TopCandidate
from shared.hits import HIT_DTYPE, ChunkHits
from shared.results import (
    DEDOPPLER_SEARCH,
    FeaturesRecord,
    GainChangeRecord,
    GapRecord,
    HitRecord,
    ModelUse,
    NoiseRecord,
    Observation,
    Results,
    measured,
)

_FIELDS = HIT_DTYPE.names or ()
MAX_TOP_CANDIDATES = 20
# The summary is part of an event and of every answer that shows the job.
MAX_SUMMARY_WARNINGS = 20


def features_record(hit: ClassifiedHit) -> FeaturesRecord:
    """Return the measures of one hit as `results.json` shows them."""
    own, evidence = hit.features, hit.evidence
    return {
        "path_snr": measured(own.path_snr),
        "occupancy": measured(own.occupancy),
        "presence": measured(own.presence),
        "peak_fraction": measured(own.peak_fraction),
        "kurtosis": measured(own.kurtosis),
        "fwhm_hz": measured(own.fwhm_hz),
        "window_fill": measured(own.window_fill),
        "edge_sharpness": measured(own.edge_sharpness),
        "side_share": measured(own.side_share),
        "curvature_gain": measured(own.curvature_gain),
        "curvature_hz_s2": measured(own.curvature_hz_s2),
        "bend_channels": measured(own.bend_channels),
        "row_width_channels": measured(own.row_width_channels),
        "wobble_channels": measured(own.wobble_channels),
        "lean_channels": measured(own.lean_channels),
        "straightness_residual_channels": measured(own.straightness_residual_channels),
        "emission_width_hz": measured(evidence.emission_width_hz),
        "comb_spacing_hz": measured(evidence.comb_spacing_hz),
        "comb_teeth": evidence.comb_teeth,
        "hits_within_5_khz": hit.neighbours,
        "hits_with_like_drift": evidence.hits_with_like_drift,
        "like_drift_span_hz": measured(evidence.like_drift_span_hz),
    }


def hit_record(hit: ClassifiedHit) -> HitRecord:
    """Return one hit as `results.json` shows it."""
    # Adding zero turns -0.0 (no drift, in a band that runs down) into 0.0.
    values = {name: value + 0 for name, value in zip(_FIELDS, hit.values.item(), strict=True)}
    verdict = hit.verdict
    return {
        "id": hit.number,
        "frequency_hz": values["frequency_hz"],
        "frequency_error_hz": measured(values["frequency_error_hz"]),
        "drift_rate": values["drift_rate_hz_s"],
        "drift_rate_error": measured(values["drift_rate_error_hz_s"]),
        "snr": values["snr"],
        "snr_error": measured(values["snr_error"]),
        "channel": values["channel"],
        "steps": values["steps"],
        "width": values["width"],
        "snr_turboseti": measured(values["snr_turboseti"]),
        "bandwidth_hz": values["bandwidth_hz"],
        "bandwidth_error_hz": measured(values["bandwidth_error_hz"]),
        "false_alarms": measured(values["false_alarms"]),
        "curvature_hz_s2": measured(values["curvature_hz_s2"]),
        "curvature_error_hz_s2": measured(values["curvature_error_hz_s2"]),
        "curved_snr": measured(values["curved_snr"]),
        "classification": verdict.label,
        "confidence": measured(verdict.confidence),
        "shape": verdict.shape,
        "shape_probabilities": {name: measured(p) for name, p in verdict.probabilities.items()},
        "novelty": measured(verdict.novelty),
        "reasons": list(verdict.reasons),
        "interestingness": hit.interestingness,
        "interestingness_components": {name: measured(value) for name, value in hit.parts.items()},
        "rfi_source": verdict.rfi_source,
        "bands": [band.name for band in bands_at(hit.evidence.frequency_hz)],
        "protected_band": protected_band(hit.evidence.frequency_hz),
        "source": DEDOPPLER_SEARCH,
        "group": hit.group,
        "chunk": hit.chunk,
        "chunk_hit": hit.chunk_hit,
        "if_index": hit.if_index,
        "ifs": hit.ifs_text,
        "features": features_record(hit),
    }


def noise_record(index: int, chunk: ChunkHits) -> NoiseRecord:
    """Return the noise of one chunk as `results.json` shows it."""
    record: NoiseRecord = {"chunk": index}
    for name, value in chunk.statistics().items():
        record[name] = measured(value)  # type: ignore[literal-required]  # both are made of the same names
    if chunk.noise.gaps:
        record["gaps"] = [GapRecord(**asdict(gap)) for gap in chunk.noise.gaps]  # type: ignore[typeddict-item]
    if chunk.noise.gain_changes:
        record["gain_changes"] = [
            GainChangeRecord(**asdict(change))  # type: ignore[typeddict-item]
            for change in chunk.noise.gain_changes
        ]
    return record


def _summary(
    hits: Sequence[ClassifiedHit],
    chosen: Sequence[ClassifiedHit],
    n_filtered: int,
    processing_time_seconds: float,
    warnings: Sequence[str],
) -> ResultsSummary:
    return ResultsSummary(
        raw_hits=len(hits),
        filtered_hits=n_filtered,
        candidates=len(chosen),
        processing_time_seconds=processing_time_seconds,
        top_candidates=tuple(
            TopCandidate(
                frequency_hz=hit.evidence.frequency_hz,
                drift_rate=hit.evidence.drift_rate_hz_s,
                snr=hit.evidence.snr,
                classification=hit.verdict.label,
                interestingness=hit.interestingness,
                rfi_source=hit.verdict.rfi_source,
                source=DEDOPPLER_SEARCH,
            )
            for hit in chosen[:MAX_TOP_CANDIDATES]
        ),
        warnings=tuple(map(plain_sentence, warnings[:MAX_SUMMARY_WARNINGS])),
    )


def _left_out(chunks: Sequence[ChunkHits], most: int) -> list[str]:
    """Return a warning if hits were left out."""
    found = sum(len(chunk.hits) for chunk in chunks)
    if found <= most:
        return []
    return [
        f"The search found {found} signals; only the {most} strongest are listed. Raise snr_threshold to list fewer."
    ]


def results_document(
    event: ChunkSearched,
    chunks: Sequence[ChunkHits],
    hits: Sequence[ClassifiedHit],
    *,
    model_version: str,
    processing_time_seconds: float,
    most: int = MOST_HITS,
) -> Results:
    """Return everything that is known of an observation.

    Parameters
    ----------
    event
        Any of the job's events.
    chunks
        What was found in each chunk, in order.
    hits
        All hits of the chunks, in order of their number.
    model_version
        Of the model that labelled them.
    processing_time_seconds
        From the acceptance of the job to now.
    most
        Largest number of hits that were kept.
    """
    kept, chosen = filtered(hits), candidates(hits)
    records = [hit_record(hit) for hit in hits]
    every = [
        *event.warnings,
        *(warning for chunk in chunks for warning in chunk.warnings),
        *noise_warnings(event.header, [chunk.noise for chunk in chunks], [chunk.ifs for chunk in chunks]),
        *_left_out(chunks, most),
    ]
    warnings = list(dict.fromkeys(every))
    # The records are made above, of values that are measured here: checking them again would take half of the time.
    return Results.model_construct(
        job_id=event.job_id,
        source_name=event.upload.source_name,
        file_name=event.upload.file_name,
        observation=Observation(**event.header.model_dump()),
        parameters=event.parameters,
        noise=[noise_record(index, chunk) for index, chunk in enumerate(chunks)],
        labels=ModelUse(
            model=model_version,
            hits_unlike_training=sum(hit.verdict.novelty > 1 - UNKNOWN_P for hit in hits),
        ),
        warnings=warnings,
        summary=_summary(hits, chosen, len(kept), processing_time_seconds, warnings),
        processing_time_seconds=processing_time_seconds,
        raw_hits=records,
        filtered_hits=[records[hit.number] for hit in kept],
        candidates=[records[hit.number] for hit in chosen],
    )
