"""The hits of scans as the association and the fit see them: straight lines, known best in the middle of a scan."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from services.classify.cadence.scans import Scan
from services.classify.kernels.chains import ScanLines
from shared.arrays import Flags, Floats, Indices


@dataclass(frozen=True)
class Lines:
    """The hits of some scans, scan after scan, each in order of frequency.

    `place` is the index of each in its scan's `hits`; `starts` says which are at least as strong as the threshold.
    """

    kernel: ScanLines
    place: Indices
    starts: Flags


@dataclass(frozen=True)
class _OfScan:
    place: Indices
    middle_hz: Floats
    middle_variance: Floats
    drift_hz_s: Floats
    drift_variance: Floats
    log_strength: Floats


def lines_of(scans: Sequence[Scan], snr_threshold: float) -> Lines:
    """Return the hits of some scans as lines, with times in seconds since the epoch of the cadence."""
    parts = [_of_scan(scan) for scan in scans]
    counts = [len(part.place) for part in parts]
    kernel = ScanLines(
        first=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        time_s=np.array([scan.middle_s for scan in scans], np.float64),
        # Half the variance of times spread evenly over the span.
        bow_s2=np.array([scan.drift_span_s**2 / 24 for scan in scans], np.float64),
        **{
            name: _joined([getattr(part, name) for part in parts])
            for name in _OfScan.__annotations__
            if name != "place"
        },
        expected_hz=np.empty((sum(counts), 0)),
    )
    snr = _joined([scan.hits.snr[part.place] for scan, part in zip(scans, parts, strict=True)])
    place = np.concatenate([part.place for part in parts]) if parts else np.empty(0, np.int64)
    return Lines(kernel, place, (snr >= snr_threshold).astype(np.uint8))


def _joined(parts: Sequence[Floats]) -> Floats:
    return np.concatenate(parts) if parts else np.empty(0)


def _of_scan(scan: Scan) -> _OfScan:
    """Return the hits of one scan as lines.

    The stated errors of frequency (at the first spectrum) and drift belong to one straight line: the variance in the
    middle is that at the first spectrum minus (drift error * half the span)^2, and doesn't depend on that of the
    drift. Both have a floor, for errors are often stated too small: a third of a channel, and one drift step over
    sqrt(12), the scatter of a value within its step.
    """
    hits, half = scan.hits, scan.drift_span_s / 2
    middle = hits.frequency_hz + hits.drift_rate_hz_s * half
    good = np.flatnonzero(np.isfinite(middle) & np.isfinite(hits.snr))
    place = good[np.argsort(middle[good], kind="stable")]
    drift_variance = hits.drift_rate_error_hz_s**2 + scan.drift_step_hz_s**2 / 12
    variance = hits.frequency_error_hz**2 - (hits.drift_rate_error_hz_s * half) ** 2
    strength = strength_hz(scan, hits.snr, hits.bandwidth_hz)
    return _OfScan(
        place=place,
        middle_hz=middle[place],
        middle_variance=np.maximum(variance, (scan.channel_width_hz / 3) ** 2)[place],
        drift_hz_s=hits.drift_rate_hz_s[place],
        drift_variance=drift_variance[place],
        log_strength=np.log(np.maximum(strength, 1e-30))[place],
    )


def strength_hz(scan: Scan, snr: Floats, bandwidth_hz: Floats) -> Floats:
    """Return the power of signals in units of the noise's power per Hz, from their SNR.

    Over a bandwidth b and a time t the noise's power scatters by b / sqrt(b t), so an SNR is strength / sqrt(b / t).
    """
    width = np.maximum(bandwidth_hz, abs(scan.channel_width_hz))
    strength: Floats = snr * np.sqrt(width / max(scan.duration_s, 1e-12))
    return strength
