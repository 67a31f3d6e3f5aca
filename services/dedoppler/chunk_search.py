"""The search of one chunk: from raw power to hits with errors, cut-outs, noise statistics and a waterfall."""

import math
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import replace

import numpy as np

from services.dedoppler.averaging import averages, per_spectrum
from services.dedoppler.cutouts import cutout, fit_in_memory, stronger_neighbours
from services.dedoppler.false_alarms import expected_false_hits
from services.dedoppler.hit_values import box_values, own_hits, wide_values
from services.dedoppler.kernels.gains import scale_spectra
from services.dedoppler.noise.conditioning import Conditioned, condition
from services.dedoppler.noise.emissions import WideEmission
from services.dedoppler.noise.gaps import find_gaps, gain_changes
from services.dedoppler.noise.scratch import Scratch
from services.dedoppler.noise.wide_structure import restore, take_off_wide_structure
from services.dedoppler.pyramid import ChunkPyramid, Track
from services.dedoppler.search.boxes import MOST_BOXES, Box, Region, Search
from services.dedoppler.search.matched_snr import MatchedSnr
from services.dedoppler.search.width_trials import WidthTrial, plan_width_trials, widest_box
from services.dedoppler.turboseti_snr import add_turboseti_snr
from services.dedoppler.waterfall import waterfall, waterfall_shape
from shared.arrays import Flags, Hits, Power
from shared.averaging import averaged_header, spectra_per_average
from shared.events import Chunk, SearchParameters
from shared.header import Header
from shared.hits import HIT_DTYPE, ChunkHits, ChunkNoise, Cutout, Gap


def search_chunk(
    power: Power,
    header: Header,
    chunk: Chunk,
    parameters: SearchParameters,
    pool: Executor,
    scratch: Scratch,
    pyramid: ChunkPyramid | None = None,
) -> ChunkHits:
    """Search one chunk of an observation.

    Parameters
    ----------
    power : float32 (T, channels)
        Raw power of the channels [read_start_channel, read_stop_channel) of the chunk; lost samples are set to NaN.
        Where the search averages spectra (`shared.averaging`), these are all spectra or the averages of them.
    header : Header
        Of the whole file.
    chunk : Chunk
        Which channels were read, and in which of them hits are reported.
    parameters : SearchParameters
        Threshold and drift range.
    pool : Executor
        Threads to work on; the result does not depend on their number.
    scratch : Scratch
        Memory that consecutive searches share.
    pyramid : ChunkPyramid or None
        Receives the zoomable waterfall, if one is wanted.

    Returns
    -------
    ChunkHits
        Hits in order of channel and drift.
    """
    per_average = spectra_per_average(header, parameters.max_drift_rate_hz_s)
    grid = averaged_header(header, per_average)
    if len(power) != grid.n_spectra:
        power = averages(power, header, per_average, pool)
    found = _search(power, grid, chunk, parameters, pool, scratch, pyramid)
    return found if per_average == 1 else per_spectrum(found, per_average, header)


def _search(
    power: Power,
    header: Header,
    chunk: Chunk,
    parameters: SearchParameters,
    pool: Executor,
    scratch: Scratch,
    pyramid: ChunkPyramid | None,
) -> ChunkHits:
    """Search one chunk on the grid of `header`, which is that of `power`."""
    max_steps = header.max_drift_steps(parameters.max_drift_rate_hz_s)
    trials = plan_width_trials(header.n_spectra, max_steps)
    pad = max_steps + 2 * widest_box(trials)
    conditioned = condition(power, header, chunk.read_start_channel, pad, pool, scratch)
    if conditioned is None:
        return _nothing(header, chunk)
    region = Region(pad, pad + power.shape[1])
    emissions, flattened = take_off_wide_structure(
        conditioned.x, conditioned.stretches, widest_box(trials), max_steps, pool, conditioned.crowded
    )
    boxes, cut_short = _boxes(conditioned, power, region, trials, parameters, pool)
    strong = [emission for emission in emissions if emission.snr >= parameters.snr_threshold]
    own = [emission for emission in strong if not any(is_wing(emission, box) for box in boxes)]
    hits, is_wide = _hit_table(boxes, own, pad, header, chunk)
    if len(hits):
        add_turboseti_snr(hits, power, header, chunk, pool)
    hits["false_alarms"] = expected_false_hits(hits, header, parameters.max_drift_rate_hz_s, conditioned.noise)
    fit = fit_in_memory(hits, len(conditioned.x), chunk)
    hits, is_wide, cut_short = hits[fit], is_wide[fit], cut_short or not fit.all()
    warnings = []
    if cut_short:
        warnings.append(
            f"Channels {chunk.start_channel} to {chunk.stop_channel - 1} hold more signals than one search takes "
            f"(limit {MOST_BOXES}, or 128 MiB of cut-outs); the {len(hits)} strongest are listed."
        )
    found = ChunkHits(
        hits=hits,
        cutouts=_cutouts(hits, is_wide, emissions, conditioned, chunk, parameters.snr_threshold),
        channels=chunk.channels,
        ifs=chunk.ifs,
        noise=_with_places(conditioned, power, chunk),
        waterfall=waterfall(conditioned, header, chunk, pool),
        warnings=warnings,
    )
    if pyramid is not None:
        pyramid.fill(conditioned, flattened, _tracks([*boxes, *strong], chunk.read_start_channel - pad), pool)
    scratch.give_back(conditioned.x)
    return found


def _tracks(found: Sequence[Box | WideEmission], to_channel: int) -> list[Track]:
    """Return where signals are, also those that another chunk lists."""
    return [
        Track(
            to_channel + one.column + min(0, one.steps),
            to_channel + one.column + max(0, one.steps) + one.width,
            one.snr,
        )
        for one in found
    ]


def _boxes(
    conditioned: Conditioned,
    power: Power,
    region: Region,
    trials: tuple[WidthTrial, ...],
    parameters: SearchParameters,
    pool: Executor,
) -> tuple[list[Box], bool]:
    """Search with weighted spectra; afterwards `conditioned.x` is without weights again."""
    x, pad, weighting = conditioned.x, conditioned.pad, conditioned.spectra.weighting
    matched_snr = MatchedSnr(x, power, pad, weighting) if weighting or conditioned.noise.lost_fraction else None
    if weighting is not None:
        scale_spectra(x, pad, weighting.edges, weighting.weight.astype(np.float32))
    threshold = parameters.snr_threshold
    found = Search(x, region, trials, threshold, pool, matched_snr, chirps=parameters.chirps).boxes()
    if weighting is not None:
        weight = np.where(weighting.weight > 0, weighting.weight, 1.0)
        scale_spectra(x, pad, weighting.edges, (1 / weight).astype(np.float32))
    return found


def _with_places(conditioned: Conditioned, power: Power, chunk: Chunk) -> ChunkNoise:
    """Return the noise with the places, in the chunk's own channels, of lost samples and of gains."""
    first, spectra, noise = chunk.read_start_channel, conditioned.spectra, conditioned.noise
    own = chunk.start_channel - first, chunk.stop_channel - first
    if noise.lost_fraction:
        gaps, elsewhere = find_gaps(power, *own, first)
        noise = replace(noise, gaps=gaps, lost_elsewhere=elsewhere)
    return replace(noise, gain_changes=gain_changes(spectra.gain, np.clip(spectra.edges, *own), first))


def _nothing(header: Header, chunk: Chunk) -> ChunkHits:
    n_channels = chunk.stop_channel - chunk.start_channel
    everything = Gap(chunk.start_channel, chunk.stop_channel, 0, header.n_spectra, header.n_spectra * n_channels)
    return ChunkHits(
        hits=np.empty(0, HIT_DTYPE),
        cutouts=[],
        channels=chunk.channels,
        ifs=chunk.ifs,
        noise=ChunkNoise(lost_fraction=1.0, lost_elsewhere=0, gaps=(everything,)),
        waterfall=np.zeros(waterfall_shape(header.n_spectra, n_channels, chunk.count), np.float32),
    )


def is_wing(emission: WideEmission, box: Box) -> bool:
    """Return whether an emission is no more than what a very strong line within it leaks.

    Beyond a distance of d channels an unwindowed transform leaks 1 / (pi^2 d) of a line's power, both sides together.
    The wings that pass for an emission begin at about a sixteenth of its width.
    """
    apart = (2 * emission.column + emission.steps + emission.width) - (2 * box.column + box.steps + box.width)
    leaked = box.snr * math.sqrt(box.width) / (math.pi**2 * emission.width / 16)
    return abs(apart) < emission.width and emission.snr * math.sqrt(emission.width) < leaked


def _hit_table(
    boxes: Sequence[Box], emissions: Sequence[WideEmission], pad: int, header: Header, chunk: Chunk
) -> tuple[Hits, Flags]:
    """Return the hits that start in the chunk's own channels, by channel and drift, and which are wide emissions."""
    to_channel = chunk.read_start_channel - pad
    narrow = own_hits([box_values(box, box.column + to_channel, header) for box in boxes], chunk)
    wide = own_hits([wide_values(one, one.column + to_channel, header) for one in emissions], chunk)
    hits = np.concatenate([narrow, wide])
    is_wide: Flags = (np.arange(len(hits)) >= len(narrow)).astype(np.uint8)
    order = np.lexsort((hits["steps"], hits["channel"]))
    return hits[order], is_wide[order]


def _cutouts(
    hits: Hits,
    is_wide: Flags,
    emissions: Sequence[WideEmission],
    conditioned: Conditioned,
    chunk: Chunk,
    snr_threshold: float,
) -> list[Cutout]:
    """Return the cut-outs of lines without the wide emissions, and of these; then `conditioned.x` has them again."""
    narrow = np.flatnonzero(is_wide == 0).tolist()
    lines = hits[narrow]
    cutouts = {
        i: cutout(hits[i], conditioned, chunk, stronger_neighbours(lines, k, snr_threshold))
        for k, i in enumerate(narrow)
    }
    for emission in reversed(emissions):
        restore(conditioned.x, emission)
    cutouts |= {i: cutout(hits[i], conditioned, chunk) for i in np.flatnonzero(is_wide).tolist()}
    return [cutouts[i] for i in range(len(hits))]
