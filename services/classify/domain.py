"""From the chunks' hits to one labelled, grouped and ranked list: pure rules."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from services.classify.kernels.features import Features, Track, measure
from services.classify.kernels.neighbours import clusters, comb_spacing, count_within
from services.classify.labels import (
    BROADBAND,
    CANDIDATE_ET,
    CHIRP,
    NARROWBAND_DRIFTING,
    PULSED,
    Evidence,
    Verdict,
    is_broad,
    label,
)
from services.classify.ranking import SET_ASIDE, components, interestingness
from shared.events import SearchParameters
from shared.header import Header
from shared.hits import ChunkHits, merge_hits

NEIGHBOUR_REACH_HZ = 5000.0
BROAD_GAP_HZ = 5000.0
SIDE_LOBE_CHANNELS = 256
SIDE_LOBE_RATIO = 0.1
LIKE_DRIFT_STEPS = 2.0  # hits this many steps of the drift grid apart drift alike
WORTH_A_LOOK = frozenset({CANDIDATE_ET, NARROWBAND_DRIFTING, PULSED, CHIRP})


@dataclass(frozen=True)
class ClassifiedHit:
    """One hit with everything known about it.

    `number` counts from 0 in order of channel and drift. `chunk` and `chunk_hit` say which entry of which hits object
    it is (its cut-out is there). `group` is the number of the strongest hit of the same emitter; its own if that is it.
    """

    number: int
    chunk: int
    chunk_hit: int
    values: npt.NDArray[np.void]
    features: Features
    neighbours: int
    evidence: Evidence
    verdict: Verdict
    group: int
    parts: dict[str, float]
    interestingness: float


@dataclass(frozen=True)
class _Merged:
    """Hits of all chunks, each emitter once; `chunk[i]` and `chunk_hit[i]` say where hit `i` is from."""

    hits: npt.NDArray[np.void]
    chunk: npt.NDArray[np.int64]
    chunk_hit: npt.NDArray[np.int64]


def _merge(chunks: Sequence[ChunkHits]) -> _Merged:
    hits = np.concatenate([chunk.hits for chunk in chunks])
    chunk = np.concatenate([np.full(len(c.hits), index, dtype=np.int64) for index, c in enumerate(chunks)])
    chunk_hit = np.concatenate([np.arange(len(c.hits), dtype=np.int64) for c in chunks])
    kept = merge_hits(hits, chunk)
    return _Merged(hits[kept], chunk[kept], chunk_hit[kept])


def _measure_all(header: Header, chunks: Sequence[ChunkHits], merged: _Merged) -> list[Features]:
    features = []
    for hit, chunk, index in zip(merged.hits, merged.chunk, merged.chunk_hit, strict=True):
        cutout = chunks[chunk].cutouts[index]
        track = Track(
            channel=int(hit["channel"]),
            steps=int(hit["steps"]),
            width=int(hit["width"]),
            n_spectra=header.n_spectra,
            foff_hz=header.foff_hz,
            tsamp_s=header.tsamp_s,
        )
        features.append(measure(cutout.power, cutout.start_channel, cutout.spectra_per_row, track))
    return features


def _gather_evidence(
    header: Header, parameters: SearchParameters, chunks: Sequence[ChunkHits], merged: _Merged, features: list[Features]
) -> list[Evidence]:
    hits = merged.hits
    resolution = header.drift_resolution_hz_s
    like = np.maximum(3 * hits["drift_rate_error_hz_s"], LIKE_DRIFT_STEPS * resolution)
    alike = count_within(hits["drift_rate_hz_s"], like)
    spacing = comb_spacing(
        hits["frequency_hz"],
        hits["drift_rate_hz_s"],
        hits["snr"],
        1.5 * abs(header.foff_hz),
        LIKE_DRIFT_STEPS * resolution,
    )
    return [
        Evidence(
            snr=float(hit["snr"]),
            snr_threshold=parameters.snr_threshold,
            frequency_hz=float(hit["frequency_hz"]),
            drift_rate_hz_s=float(hit["drift_rate_hz_s"]) + 0.0,
            drift_rate_error_hz_s=float(hit["drift_rate_error_hz_s"]),
            drift_resolution_hz_s=resolution,
            bandwidth_hz=float(hit["bandwidth_hz"]),
            channel_width_hz=abs(header.foff_hz),
            drift_channels_per_spectrum=abs(int(hit["steps"])) / (header.n_spectra - 1),
            n_rows=len(chunks[merged.chunk[i]].cutouts[merged.chunk_hit[i]].power),
            features=features[i],
            comb_spacing_hz=float(spacing[i]),
            hits_with_like_drift=int(alike[i]),
        )
        for i, hit in enumerate(hits)
    ]


def _with_emission_widths(evidence: list[Evidence]) -> tuple[list[Evidence], npt.NDArray[np.int64]]:
    """Broad hits close to each other are pieces of one emission: give each the width of the whole.

    Returns also the cluster's number per hit, -1 for hits that are not broad.
    """
    cluster = np.full(len(evidence), -1, dtype=np.int64)
    broad = np.array([i for i, e in enumerate(evidence) if is_broad(e)], dtype=np.int64)
    frequency = np.array([evidence[i].frequency_hz for i in broad])
    cluster[broad] = clusters(frequency, BROAD_GAP_HZ)
    widened = list(evidence)
    for i in broad:
        same = frequency[cluster[broad] == cluster[i]]
        width = float(same.max() - same.min()) + evidence[i].bandwidth_hz
        widened[i] = replace(evidence[i], emission_width_hz=width)
    return widened, cluster


def group_repeats(
    hits: npt.NDArray[np.void], spacing_hz: Sequence[float], broad_cluster: Sequence[int], like_drift_steps: float
) -> list[int]:
    """For each hit, the index of the strongest hit of the same emitter (its own index where that is it).

    Repeats are the teeth of one comb, the pieces of one broadband emission, and side lobes: within 256 channels of a
    hit at least ten times as strong, and drifting alike.
    """
    leader = list(range(len(hits)))
    heads: dict[tuple[str, float], int] = {}
    channel, steps, snr = hits["channel"], hits["steps"], hits["snr"]
    by_channel = np.argsort(channel, kind="stable")
    ordered = channel[by_channel]
    for i in np.argsort(-snr, kind="stable").tolist():
        near = by_channel[
            np.searchsorted(ordered, channel[i] - SIDE_LOBE_CHANNELS) : np.searchsorted(
                ordered, channel[i] + SIDE_LOBE_CHANNELS, side="right"
            )
        ]
        alike = np.abs(steps[near] - steps[i]) <= like_drift_steps
        masters = near[alike & (snr[near] * SIDE_LOBE_RATIO >= snr[i])]
        if broad_cluster[i] >= 0:
            leader[i] = heads.setdefault(("broad", broad_cluster[i]), i)
        elif spacing_hz[i] > 0:
            leader[i] = heads.setdefault(("comb", spacing_hz[i]), i)
        elif len(masters):
            leader[i] = leader[int(masters[np.argmax(snr[masters])])]
    return leader


def classify_observation(
    header: Header, parameters: SearchParameters, chunks: Sequence[ChunkHits]
) -> list[ClassifiedHit]:
    """Merge, measure, label, group and rank the hits of all chunks; in order of channel and drift."""
    merged = _merge(chunks)
    features = _measure_all(header, chunks, merged)
    plain = _gather_evidence(header, parameters, chunks, merged, features)
    evidence, cluster = _with_emission_widths(plain)
    verdicts = [label(item) for item in evidence]
    cluster = np.where([v.label == BROADBAND for v in verdicts], cluster, -1) if verdicts else cluster
    spacing = [item.comb_spacing_hz for item in evidence]
    groups = group_repeats(merged.hits, spacing, cluster.tolist(), LIKE_DRIFT_STEPS)
    neighbours = count_within(merged.hits["frequency_hz"], NEIGHBOUR_REACH_HZ)
    classified = []
    for i, (item, verdict) in enumerate(zip(evidence, verdicts, strict=True)):
        parts = components(item, verdict)
        classified.append(
            ClassifiedHit(
                number=i,
                chunk=int(merged.chunk[i]),
                chunk_hit=int(merged.chunk_hit[i]),
                values=merged.hits[i],
                features=features[i],
                neighbours=int(neighbours[i]),
                evidence=item,
                verdict=verdict,
                group=groups[i],
                parts=parts,
                interestingness=interestingness(parts),
            )
        )
    return classified


def ranked(hits: Sequence[ClassifiedHit]) -> list[ClassifiedHit]:
    """Most interesting first; equals in order of SNR, then of number."""
    return sorted(hits, key=lambda hit: (-hit.interestingness, -hit.evidence.snr, hit.number))


def filtered(hits: Sequence[ClassifiedHit]) -> list[ClassifiedHit]:
    """Without RFI and noise, and each emitter once: by the strongest of its hits that is neither.

    Side lobes of what is RFI are RFI, whatever they look like by themselves. `hits` is the whole list, as classified.
    """
    heads: dict[int, ClassifiedHit] = {}
    for hit in sorted(hits, key=lambda hit: (-hit.evidence.snr, hit.number)):
        if hit.verdict.label not in SET_ASIDE and not hits[hit.group].verdict.rfi_source:
            heads.setdefault(hit.group, hit)
    return sorted(heads.values(), key=lambda hit: hit.number)


def candidates(hits: Sequence[ClassifiedHit]) -> list[ClassifiedHit]:
    """What is left to look at, most interesting first: of the filtered hits, those that drift, pulse or chirp."""
    return ranked([hit for hit in filtered(hits) if hit.verdict.label in WORTH_A_LOOK])
