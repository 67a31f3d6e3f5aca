"""From the chunks' hits objects to one list of hits, each measured by itself and among the others."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from services.classify.evidence import Evidence, widest_narrow_hz
from services.classify.kernels.alignment import Track
from services.classify.kernels.features import Features, measure, rows_inside
from services.classify.kernels.neighbours import clusters, count_alike, find_combs, span_within
from services.classify.polarisations import merge_ifs
from shared.arrays import Floats, Hits, Indices
from shared.events import SearchParameters
from shared.header import Header
from shared.hits import WIDE_CHANNELS, ChunkHits, Cutout
from shared.narrowband import why_unsuited
from shared.polarisations import Ifs

# Wide hits nearer than this are pieces of one emission: 5 kHz, or two channels where these are wider.
BROAD_GAP_HZ, BROAD_GAP_CHANNELS = 5000.0, 2
PIECE_SHARE = 0.5  # of the limit of broadband: a hit at least so wide may be a piece of an emission
PLACE_HZ = 500.0  # hits nearer than this are one place
CHANNEL_MEASURES = (
    "bend_channels",
    "row_width_channels",
    "wobble_channels",
    "lean_channels",
    "straightness_residual_channels",
)
LIKE_DRIFT_STEPS = 2.0  # drifts that differ by at most so many steps of the drift grid are alike
# A job lists at most so many hits, the strongest: a band with more of them is full of interference.
MOST_HITS = 10_000

CutoutsOf = Callable[[int], Sequence[Cutout]]


@dataclass(frozen=True)
class MeasuredHits:
    """Hits of all chunks in order of channel and drift, each emitter once, and all that is known of them.

    `chunk[i]` and `chunk_hit[i]` say in which hits object hit `i` is, and where in it. `broad_emission[i]` numbers the
    broad emission that hit `i` may be a piece of; -1 for a hit that is not wide. `seen_in_ifs[i]` are the IFs that show
    it, strongest first; for a sum the IFs of the sum.
    """

    hits: Hits
    chunk: Indices
    chunk_hit: Indices
    evidence: list[Evidence]
    broad_emission: Indices
    seen_in_ifs: list[Ifs]


def measure_hits(
    header: Header,
    parameters: SearchParameters,
    chunks: Sequence[ChunkHits],
    *,
    most: int = MOST_HITS,
    cutouts_of: CutoutsOf | None = None,
) -> MeasuredHits:
    """Merge the chunks' hits and measure the strongest, chunk by chunk.

    Parameters
    ----------
    header
        Of the whole observation.
    parameters
        Those of the search.
    chunks
        What was found in each chunk, in order.
    most
        Largest number of hits to keep.
    cutouts_of
        Returns the cut-outs of the chunk of an index; by default those in `chunks`. It is called once for each chunk
        with hits that are kept, so not all cut-outs of a large observation have to be in memory.
    """
    every = np.concatenate([chunk.hits for chunk in chunks])
    chunk = np.concatenate([np.full(len(c.hits), index, dtype=np.int64) for index, c in enumerate(chunks)])
    chunk_hit = np.concatenate([np.arange(len(c.hits), dtype=np.int64) for c in chunks])
    kept, seen_in_ifs = merge_ifs(every, chunk, [c.ifs for c in chunks], most)
    hits, chunk, chunk_hit = every[kept], chunk[kept], chunk_hit[kept]
    # Each search of an IF counted its own.
    hits["false_alarms"] *= max(1, len({c.ifs for c in chunks}))
    features, n_rows = _measure_cutouts(
        header, hits, chunk, chunk_hit, cutouts_of or (lambda index: chunks[index].cutouts)
    )
    resolution = header.drift_resolution_hz_s
    tolerance = np.maximum(3 * hits["drift_rate_error_hz_s"], LIKE_DRIFT_STEPS * resolution)
    place = clusters(hits["frequency_hz"], PLACE_HZ)
    alike = count_alike(hits["drift_rate_hz_s"], tolerance, place, hits["snr"])
    span = span_within(hits["drift_rate_hz_s"], tolerance, hits["frequency_hz"])
    combs = find_combs(
        hits["frequency_hz"],
        hits["drift_rate_hz_s"],
        hits["snr"],
        _tooth_tolerance_hz(header, hits),
        tolerance,
    )
    broad_emission = _broad_emissions(header, hits)
    among: dict[str, Floats | Indices] = {
        "emission_width_hz": _emission_widths(hits, broad_emission, combs.spacing_hz),
        "comb_spacing_hz": combs.spacing_hz,
        "comb_teeth": combs.teeth,
        "hits_with_like_drift": alike,
        "like_drift_span_hz": span,
    }
    evidence = _evidence(header, parameters, hits, features, n_rows, among)
    return MeasuredHits(hits, chunk, chunk_hit, evidence, broad_emission, seen_in_ifs)


def _evidence(
    header: Header,
    parameters: SearchParameters,
    hits: Hits,
    features: Sequence[Features],
    n_rows: Sequence[int],
    among: Mapping[str, Floats | Indices],
) -> list[Evidence]:
    """Return all that is known of each hit; `among` is what follows from the other hits, by the fields' names."""
    # Column by column: taken from the array hit by hit, ten thousand hits take several times as long.
    own = {name: hits[name].tolist() for name in hits.dtype.names or ()}
    columns = [values.tolist() for values in among.values()]
    channel_width_hz, moves = abs(header.foff_hz), header.n_spectra - 1
    resolution, suits_narrowband = header.drift_resolution_hz_s, not why_unsuited(header)
    return [
        Evidence(
            snr=own["snr"][i],
            snr_threshold=parameters.snr_threshold,
            frequency_hz=own["frequency_hz"][i],
            drift_rate_hz_s=own["drift_rate_hz_s"][i] + 0.0,
            drift_rate_error_hz_s=own["drift_rate_error_hz_s"][i],
            drift_resolution_hz_s=resolution,
            bandwidth_hz=own["bandwidth_hz"][i],
            channel_width_hz=channel_width_hz,
            drift_channels_per_spectrum=abs(own["steps"][i]) / moves,
            n_rows=n_rows[i],
            features=features[i],
            suits_narrowband=suits_narrowband,
            false_alarms=own["false_alarms"][i],
            curve_gain=own["curved_snr"][i] / own["snr"][i] if own["curvature_hz_s2"][i] else 1.0,
            **dict(zip(among, values, strict=True)),
        )
        for i, values in enumerate(zip(*columns, strict=True))
    ]


def _tooth_tolerance_hz(header: Header, hits: Hits) -> Floats:
    """Return how far from its place a tooth of a comb may seem to lie: three errors of the distance of two."""
    error = 3 * np.sqrt(2.0) * hits["frequency_error_hz"]
    tolerance: Floats = np.maximum(np.maximum(1.5 * abs(header.foff_hz), hits["bandwidth_hz"] / 10), error)
    return tolerance


def _measure_cutouts(
    header: Header, hits: Hits, chunk: Indices, chunk_hit: Indices, cutouts_of: CutoutsOf
) -> tuple[list[Features], list[int]]:
    """Return the measures of each hit's cut-out, and its rows in the band; the cut-outs of one chunk are in memory."""
    found: dict[int, tuple[Features, int]] = {}
    boxes = list(zip(hits["channel"].tolist(), hits["steps"].tolist(), hits["width"].tolist(), strict=True))
    places = chunk_hit.tolist()
    for index in np.unique(chunk).tolist():
        cutouts = cutouts_of(index)
        for at in np.flatnonzero(chunk == index).tolist():
            found[at] = _measure_cutout(header, cutouts[places[at]], *boxes[at])
    return [found[at][0] for at in range(len(hits))], [found[at][1] for at in range(len(hits))]


def _measure_cutout(header: Header, cutout: Cutout, channel: int, steps: int, width: int) -> tuple[Features, int]:
    """Measure one hit, given its box, and count the rows of its track that are inside.

    A wide emission is measured on sums of neighbouring channels, which show its shape as well.
    """
    joined = max(1, width // WIDE_CHANNELS)
    start = -(-cutout.start_channel // joined)
    power = cutout.power
    if joined > 1:
        first = start * joined - cutout.start_channel
        columns = (power.shape[1] - first) // joined
        power = power[:, first : first + columns * joined].reshape(len(power), columns, joined).sum(axis=2)
        power /= np.float32(np.sqrt(joined))
    track = Track(
        channel=channel // joined,
        steps=round(steps / joined),
        width=width // joined,
        n_spectra=header.n_spectra,
        foff_hz=header.foff_hz * joined,
        tsamp_s=header.tsamp_s,
    )
    features = measure(power, start, cutout.spectra_per_row, track)
    low, high = rows_inside(power, start, cutout.spectra_per_row, track)
    if joined > 1:
        features = replace(features, **{name: joined * getattr(features, name) for name in CHANNEL_MEASURES})
    return features, high - low


def _broad_emissions(header: Header, hits: Hits) -> Indices:
    """Number the emissions that wide hits close to each other are pieces of; -1 for narrow hits."""
    number = np.full(len(hits), -1, dtype=np.int64)
    channel_hz = abs(header.foff_hz)
    wide = np.flatnonzero(hits["bandwidth_hz"] > PIECE_SHARE * widest_narrow_hz(channel_hz))
    number[wide] = clusters(hits["frequency_hz"][wide], max(BROAD_GAP_HZ, BROAD_GAP_CHANNELS * channel_hz))
    return number


def _emission_widths(hits: Hits, broad_emission: Indices, comb_hz: Floats) -> Floats:
    """Return the width of the emission or comb that each hit belongs to, lowest hit to highest, Hz; 0 for none."""
    width = np.zeros(len(hits))
    for belongs, number in ((broad_emission >= 0, broad_emission), (comb_hz > 0, comb_hz)):
        for value in np.unique(number[belongs]):
            own = np.flatnonzero(belongs & (number == value))
            frequency = hits["frequency_hz"][own]
            width[own] = float(np.ptp(frequency)) + float(hits["bandwidth_hz"][own].max())
    return width
