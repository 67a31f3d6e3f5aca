"""From the chunks' hits to one labelled, grouped and ranked list: pure rules."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from services.classify.evidence import Evidence, broad_limit_hz, model_rows
from services.classify.kernels.features import Features, Track, measure
from services.classify.kernels.neighbours import clusters, count_alike, count_within, find_combs, span_within
from services.classify.labels import Verdict, label
from services.classify.model import committed_model
from services.classify.ranking import components, interestingness
from shared.arrays import Floats, Hits, Indices
from shared.events import SearchParameters
from shared.header import Header
from shared.hits import ChunkHits, merge_hits
from shared.labels import BROADBAND, CANDIDATE_LABELS, RFI, RFI_OR_NOISE

NEIGHBOUR_REACH_HZ = 5000.0
BROAD_GAP_HZ = 5000.0
PIECE_SHARE = 0.5  # of the limit of broadband: so wide a hit may be a piece of an emission
PLACE_HZ = 500.0  # hits nearer than this are one place
SIDE_LOBE_CHANNELS, SIDE_LOBE_RATIO = 256, 0.1
WIDE_CHANNELS, RAGGED_EDGE_RATIO = 16, 0.5
LIKE_DRIFT_STEPS = 2.0  # hits this many steps of the drift grid apart drift alike


@dataclass(frozen=True)
class ClassifiedHit:
    """One hit with everything known about it.

    `number` counts from 0 in order of channel and drift. `chunk` and `chunk_hit` say which entry of which hits object
    it is (its cut-out is there). `group` is the number of the strongest hit of the same emitter; its own if that is it.
    """

    number: int
    chunk: int
    chunk_hit: int
    values: Hits
    features: Features
    neighbours: int
    evidence: Evidence
    verdict: Verdict
    group: int
    parts: dict[str, float]
    interestingness: float


@dataclass(frozen=True)
class Gathered:
    """Hits of all chunks, each emitter once, and all that is known of them.

    `chunk[i]` and `chunk_hit[i]` say where hit `i` is from. `pieces[i]` numbers the broad emission that it may be a
    piece of, -1 for a hit that is not broad.
    """

    hits: Hits
    chunk: Indices
    chunk_hit: Indices
    evidence: list[Evidence]
    pieces: Indices


def _measure_all(
    header: Header, chunks: Sequence[ChunkHits], hits: Hits, places: Sequence[tuple[int, int]]
) -> list[Features]:
    features = []
    for hit, (chunk, index) in zip(hits, places, strict=True):
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


def gather(header: Header, parameters: SearchParameters, chunks: Sequence[ChunkHits]) -> Gathered:
    """Merge the chunks' hits and measure each, by itself and among the others; in order of channel and drift."""
    every = np.concatenate([chunk.hits for chunk in chunks])
    chunk = np.concatenate([np.full(len(c.hits), index, dtype=np.int64) for index, c in enumerate(chunks)])
    chunk_hit = np.concatenate([np.arange(len(c.hits), dtype=np.int64) for c in chunks])
    kept = merge_hits(every, chunk)
    hits, chunk, chunk_hit = every[kept], chunk[kept], chunk_hit[kept]
    places = list(zip(chunk.tolist(), chunk_hit.tolist(), strict=True))
    features = _measure_all(header, chunks, hits, places)
    resolution = header.drift_resolution_hz_s
    like = np.maximum(3 * hits["drift_rate_error_hz_s"], LIKE_DRIFT_STEPS * resolution)
    place = clusters(hits["frequency_hz"], PLACE_HZ)
    alike = count_alike(hits["drift_rate_hz_s"], like, place, hits["snr"])
    span = span_within(hits["drift_rate_hz_s"], like, hits["frequency_hz"])
    combs = find_combs(
        hits["frequency_hz"],
        hits["drift_rate_hz_s"],
        hits["snr"],
        np.maximum(1.5 * abs(header.foff_hz), hits["bandwidth_hz"] / 10),
        like,
    )
    pieces = _pieces(header, hits)
    width = _emission_widths(hits, pieces, combs.spacing_hz)
    evidence = [
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
            n_rows=len(chunks[places[i][0]].cutouts[places[i][1]].power),
            features=features[i],
            emission_width_hz=float(width[i]),
            comb_spacing_hz=float(combs.spacing_hz[i]),
            comb_teeth=int(combs.teeth[i]),
            hits_with_like_drift=int(alike[i]),
            like_drift_span_hz=float(span[i]),
        )
        for i, hit in enumerate(hits)
    ]
    return Gathered(hits, chunk, chunk_hit, evidence, pieces)


def _pieces(header: Header, hits: Hits) -> Indices:
    """Wide hits close to each other are pieces of one emission: its number per hit, -1 for narrow hits."""
    pieces = np.full(len(hits), -1, dtype=np.int64)
    wide = np.flatnonzero(hits["bandwidth_hz"] > PIECE_SHARE * broad_limit_hz(abs(header.foff_hz)))
    pieces[wide] = clusters(hits["frequency_hz"][wide], BROAD_GAP_HZ)
    return pieces


def _emission_widths(hits: Hits, pieces: Indices, comb_hz: Floats) -> Floats:
    """Width of the emission of which a hit is a piece or a tooth, from its lowest hit to its highest; 0 for none."""
    width = np.zeros(len(hits))
    for belongs, number in ((pieces >= 0, pieces), (comb_hz > 0, comb_hz)):
        for value in np.unique(number[belongs]):
            own = np.flatnonzero(belongs & (number == value))
            frequency = hits["frequency_hz"][own]
            width[own] = float(np.ptp(frequency)) + float(hits["bandwidth_hz"][own].max())
    return width


def _masters(hits: Hits, i: int, near: Indices, like_steps: float) -> Indices:
    """Of the hits `near`, those of which hit `i` is a side lobe or a ragged edge."""
    snr, width = hits["snr"], hits["width"]
    alike = np.abs(hits["steps"][near] - hits["steps"][i]) <= np.maximum(like_steps, width[near] / 8)
    away = np.abs(hits["channel"][near] + width[near] / 2 - hits["channel"][i] - width[i] / 2)
    lobe = snr[near] * SIDE_LOBE_RATIO >= snr[i]
    edge = (width[near] >= WIDE_CHANNELS) & (away <= width[near]) & (snr[near] * RAGGED_EDGE_RATIO >= snr[i])
    masters: Indices = near[alike & (lobe | edge)]
    return masters


def group_repeats(
    hits: Hits, spacing_hz: Sequence[float], broad_cluster: Sequence[int], like_drift_steps: float
) -> list[int]:
    """For each hit, the index of the strongest hit of the same emitter (its own index where that is it).

    Repeats are the teeth of one comb, the pieces of one broadband emission, side lobes (within 256 channels of a hit at
    least ten times as strong) and ragged edges (within the width of a wide hit at least twice as strong); the last two
    drift as their master does.
    """
    leader = list(range(len(hits)))
    heads: dict[tuple[str, float], int] = {}
    channel, snr = hits["channel"], hits["snr"]
    by_channel = np.argsort(channel, kind="stable")
    ordered = channel[by_channel]
    for i in np.argsort(-snr, kind="stable").tolist():
        near = by_channel[
            np.searchsorted(ordered, channel[i] - SIDE_LOBE_CHANNELS) : np.searchsorted(
                ordered, channel[i] + SIDE_LOBE_CHANNELS, side="right"
            )
        ]
        masters = _masters(hits, i, near, like_drift_steps)
        if broad_cluster[i] >= 0:
            leader[i] = heads.setdefault(("broad", broad_cluster[i]), i)
        elif spacing_hz[i] > 0:
            leader[i] = heads.setdefault(("comb", spacing_hz[i]), i)
        elif len(masters):
            leader[i] = leader[int(masters[np.argmax(snr[masters])])]
    return leader


def _as_their_leaders(verdicts: list[Verdict], groups: Sequence[int]) -> list[Verdict]:
    """What belongs to an emitter of RFI is RFI of the same source, whatever it looks like by itself."""
    return [
        replace(
            verdict,
            label=verdicts[group].label,
            rfi_source=verdicts[group].rfi_source,
            reasons=(*verdict.reasons, f"Belongs to hit {group}."),
        )
        if verdicts[group].label in RFI and verdict.label not in RFI
        else verdict
        for verdict, group in zip(verdicts, groups, strict=True)
    ]


def classify_observation(
    header: Header, parameters: SearchParameters, chunks: Sequence[ChunkHits]
) -> list[ClassifiedHit]:
    """Merge, measure, label, group and rank the hits of all chunks; in order of channel and drift."""
    gathered = gather(header, parameters, chunks)
    evidence = gathered.evidence
    shapes = committed_model().shapes(model_rows(evidence))
    verdicts = [label(item, shape) for item, shape in zip(evidence, shapes, strict=True)]
    broad = np.array([verdict.shape == BROADBAND for verdict in verdicts], dtype=bool)
    pieces = np.where(broad, gathered.pieces, -1)
    spacing = [item.comb_spacing_hz for item in evidence]
    groups = group_repeats(gathered.hits, spacing, pieces.tolist(), LIKE_DRIFT_STEPS)
    verdicts = _as_their_leaders(verdicts, groups)
    neighbours = count_within(gathered.hits["frequency_hz"], NEIGHBOUR_REACH_HZ)
    classified = []
    for i, (item, verdict) in enumerate(zip(evidence, verdicts, strict=True)):
        parts = components(item, verdict)
        classified.append(
            ClassifiedHit(
                number=i,
                chunk=int(gathered.chunk[i]),
                chunk_hit=int(gathered.chunk_hit[i]),
                values=gathered.hits[i],
                features=item.features,
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
    """Without RFI and noise, and each emitter once: by the strongest of its hits that is neither."""
    heads: dict[int, ClassifiedHit] = {}
    for hit in sorted(hits, key=lambda hit: (-hit.evidence.snr, hit.number)):
        if hit.verdict.label not in RFI_OR_NOISE:
            heads.setdefault(hit.group, hit)
    return sorted(heads.values(), key=lambda hit: hit.number)


def candidates(hits: Sequence[ClassifiedHit]) -> list[ClassifiedHit]:
    """What is left to look at, most interesting first: of the filtered hits, those that drift, pulse or chirp."""
    return ranked([hit for hit in filtered(hits) if hit.verdict.label in CANDIDATE_LABELS])
