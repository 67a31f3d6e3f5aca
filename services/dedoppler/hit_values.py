"""Rows of the table of hits, from boxes and wide emissions."""

import math
from collections.abc import Sequence

import numpy as np

from services.dedoppler.noise.emissions import WideEmission
from services.dedoppler.search.boxes import Box
from services.dedoppler.search.chirps import FEWEST_SPECTRA
from services.dedoppler.uncertainties import bandwidth_channels, bend_error, errors_of, spectra_inside
from shared.arrays import Hits
from shared.events import Chunk
from shared.header import Header
from shared.hits import HIT_DTYPE

Values = tuple[float, ...]


def own_hits(values: Sequence[Values], chunk: Chunk) -> Hits:
    """Return the hits that start in the chunk's own channels, in the order given."""
    hits = np.array(values, HIT_DTYPE) if values else np.empty(0, HIT_DTYPE)
    own: Hits = hits[(hits["channel"] >= chunk.start_channel) & (hits["channel"] < chunk.stop_channel)]
    return own


def box_values(box: Box, channel: int, header: Header) -> Values:
    """Return the hit of a box, field by field as in `HIT_DTYPE`, without turboSETI's SNR and the false alarms.

    `channel` and `width` leave out the part of a box below the file's first channel.
    """
    bandwidth = bandwidth_channels(box.width, box.steps, header.n_spectra)
    errors = errors_of(box.snr, box.width, bandwidth)
    inside = spectra_inside(channel + (box.width - 1) / 2, box.steps, header.n_spectra, header.n_channels)
    first = max(channel, 0)
    width_hz, step_hz_s = abs(header.foff_hz), header.drift_resolution_hz_s
    values = {
        "channel": first,
        "steps": box.steps,
        "width": box.width - (first - channel),
        "snr": box.snr,
        "snr_error": errors.snr,
        "snr_turboseti": np.nan,
        "frequency_hz": header.frequency_hz(channel + (box.width - 1) / 2),
        "frequency_error_hz": errors.channel * width_hz,
        "drift_rate_hz_s": header.drift_rate_hz_s(box.steps),
        "drift_rate_error_hz_s": errors.steps * step_hz_s * (header.n_spectra - 1) / max(1, inside - 1),
        "bandwidth_hz": bandwidth * width_hz,
        "bandwidth_error_hz": errors.width * width_hz,
        "false_alarms": np.nan,
        **_curvature(box, header),
    }
    return tuple(values[name] for name in HIT_DTYPE.names or ())


def _curvature(box: Box, header: Header) -> dict[str, float]:
    """Return the fields of the parabola: f'' = -8 (distance from the chord) foff / (time from first to last)^2.

    A straight track has a curvature of 0 with its error, which is infinite where there are too few spectra to tell.
    """
    track, n_spectra = box.track, header.n_spectra
    bandwidth = bandwidth_channels(track.width, track.steps, n_spectra)
    per_channel = -8 * header.foff_hz / ((n_spectra - 1) * header.tsamp_s) ** 2
    error = bend_error(box.best_snr, track.width, bandwidth, n_spectra) if n_spectra >= FEWEST_SPECTRA else math.inf
    return {
        # Adding zero turns -0.0 into 0.0.
        "curvature_hz_s2": track.bend / 2 * per_channel + 0.0,
        "curvature_error_hz_s2": error * abs(per_channel),
        "curved_snr": box.best_snr,
    }


def wide_values(emission: WideEmission, channel: int, header: Header) -> Values:
    """Return the hit of an emission wider than any box; it begins at `channel` in the first spectrum."""
    width_hz, step_hz_s = abs(header.foff_hz), header.drift_resolution_hz_s
    values = {
        "channel": channel,
        "steps": emission.steps,
        "width": emission.width,
        "snr": emission.snr,
        "snr_error": emission.snr_error,
        "snr_turboseti": np.nan,
        "frequency_hz": header.frequency_hz(channel + (emission.width - 1) / 2),
        "frequency_error_hz": emission.column_error * width_hz,
        "drift_rate_hz_s": header.drift_rate_hz_s(emission.steps),
        "drift_rate_error_hz_s": emission.steps_error * step_hz_s,
        "bandwidth_hz": bandwidth_channels(emission.width, emission.steps, header.n_spectra) * width_hz,
        "bandwidth_error_hz": emission.width_error * width_hz,
        "false_alarms": np.nan,
        "curvature_hz_s2": 0.0,
        "curvature_error_hz_s2": np.inf,
        "curved_snr": emission.snr,
    }
    return tuple(values[name] for name in HIT_DTYPE.names or ())
