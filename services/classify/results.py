"""The shape of `results.json` and of the summary that the API shows."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from services.classify.bands import bands_at, protected_band
from services.classify.domain import ClassifiedHit, candidates, filtered
from services.classify.labels import UNKNOWN_P
from services.classify.model import committed_model
from shared.events import ChunkSearched, ResultsSummary, TopCandidate
from shared.hits import ChunkHits

FORMAT_VERSION = 1
SEARCH = "width_ladder"
MAX_TOP_CANDIDATES = 20


def _finite(value: Any) -> Any:
    """The same, with null for what strict JSON can't say (NaN, infinity)."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def to_json(document: Any) -> bytes:
    """Strict JSON; the same content gives the same bytes; floats keep all their digits."""
    return json.dumps(_finite(document), indent=1, allow_nan=False, ensure_ascii=False).encode()


def hit_record(hit: ClassifiedHit) -> dict[str, Any]:
    """One hit as `results.json` shows it. Frequencies in Hz, drift rates in Hz/s (sky sign)."""
    # Adding zero turns -0.0 (no drift, in a band that runs down) into 0.0.
    values = {name: hit.values[name].item() + 0 for name in hit.values.dtype.names or ()}
    return {
        "id": hit.number,
        "frequency_hz": values.pop("frequency_hz"),
        "frequency_error_hz": values.pop("frequency_error_hz"),
        "drift_rate": values.pop("drift_rate_hz_s"),
        "drift_rate_error": values.pop("drift_rate_error_hz_s"),
        "snr": values.pop("snr"),
        "snr_error": values.pop("snr_error"),
        **values,
        "classification": hit.verdict.label,
        "confidence": hit.verdict.confidence,
        "shape": hit.verdict.shape,
        "shape_probabilities": hit.verdict.probabilities,
        "novelty": hit.verdict.novelty,
        "reasons": list(hit.verdict.reasons),
        "interestingness": hit.interestingness,
        "interestingness_components": hit.parts,
        "rfi_source": hit.verdict.rfi_source,
        "bands": [band.name for band in bands_at(hit.evidence.frequency_hz)],
        "protected_band": protected_band(hit.evidence.frequency_hz),
        "source": SEARCH,
        "group": hit.group,
        "chunk": hit.chunk,
        "chunk_hit": hit.chunk_hit,
        "features": {
            **asdict(hit.features),
            "emission_width_hz": hit.evidence.emission_width_hz,
            "comb_spacing_hz": hit.evidence.comb_spacing_hz,
            "comb_teeth": hit.evidence.comb_teeth,
            "hits_within_5_khz": hit.neighbours,
            "hits_with_like_drift": hit.evidence.hits_with_like_drift,
            "like_drift_span_hz": hit.evidence.like_drift_span_hz,
        },
    }


def summary_of(hits: Sequence[ClassifiedHit], processing_time_seconds: float) -> ResultsSummary:
    """What the API shows of a finished job."""
    chosen = candidates(hits)
    return ResultsSummary(
        raw_hits=len(hits),
        filtered_hits=len(filtered(hits)),
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
                source=SEARCH,
            )
            for hit in chosen[:MAX_TOP_CANDIDATES]
        ),
    )


def results_document(
    event: ChunkSearched, chunks: Sequence[ChunkHits], hits: Sequence[ClassifiedHit], processing_time_seconds: float
) -> dict[str, Any]:
    """Everything that is known of an observation, for `results.json`.

    `raw_hits` lists every hit; `filtered_hits` and `candidates` list whole records of what is left (see `domain`).
    """
    header = event.header
    edges = sorted((header.frequency_hz(-0.5), header.frequency_hz(header.n_channels - 0.5)))
    warnings = [*event.warnings, *(warning for chunk in chunks for warning in chunk.warnings)]
    return {
        "format_version": FORMAT_VERSION,
        "job_id": event.job_id,
        "source_name": event.upload.source_name,
        "file_name": event.upload.file_name,
        "observation": {
            **header.model_dump(mode="json"),
            "lowest_frequency_hz": edges[0],
            "highest_frequency_hz": edges[1],
            "duration_s": header.duration_s,
            "drift_resolution_hz_s": header.drift_resolution_hz_s,
        },
        "parameters": event.parameters.model_dump(mode="json"),
        "noise": [{"chunk": index, **chunk.statistics()} for index, chunk in enumerate(chunks)],
        "labels": {
            "model": committed_model().version,
            "hits_unlike_training": sum(hit.verdict.novelty > 1 - UNKNOWN_P for hit in hits),
        },
        "warnings": list(dict.fromkeys(warnings)),
        "summary": summary_of(hits, processing_time_seconds).model_dump(mode="json"),
        "processing_time_seconds": processing_time_seconds,
        "raw_hits": [hit_record(hit) for hit in hits],
        "filtered_hits": [hit_record(hit) for hit in filtered(hits)],
        "candidates": [hit_record(hit) for hit in candidates(hits)],
    }
