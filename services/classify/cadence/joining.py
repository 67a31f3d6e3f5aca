"""Before the measurement: which hits of the ON scans are one track, and what is to be measured."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from services.classify.cadence.association import Association, associate
from services.classify.cadence.lines import Lines, lines_of
from services.classify.cadence.scans import Scan, check, epoch_mjd, ordered
from services.classify.cadence.track_fit import bounds_of
from shared.arrays import Floats, Indices
from shared.cadence import CadenceParameters
from shared.cadence_events import MAX_TRACKS
from shared.tracks import TRACK_DTYPE, TrackList

# Tracks that get pictures: those that are most likely to be events.
MOST_VIEWS = 50
# A picture shows at least so many channels of the finest ON scan, and so much of the track's range beside it.
VIEW_CHANNELS, VIEW_MARGIN = 200, 0.25


@dataclass(frozen=True)
class Joined:
    """A cadence whose hits are joined.

    `scans` are in order of time, each with its place. `ons` are those that were joined, `lines` their hits, and
    `association` the tracks in order of frequency: the place of a track is its id. `bandwidth_hz`, `snr` (n,) are those
    of the strongest hit of each track.
    """

    scans: Sequence[Scan]
    parameters: CadenceParameters
    ons: Sequence[Scan]
    lines: Lines
    association: Association
    bandwidth_hz: Floats
    snr: Floats
    warnings: Sequence[str]

    @property
    def epoch_mjd(self) -> float:
        """Start of the first scan with results, from which the times of tracks count."""
        return epoch_mjd(self.scans)

    def __len__(self) -> int:
        return len(self.association.members)


def join(scans: Sequence[Scan], parameters: CadenceParameters) -> Joined:
    """Join the hits of the ON scans of a cadence into tracks.

    Parameters
    ----------
    scans
        All scans with their roles, in any order; those without results too (`scans.failed_scan`).
    parameters
        The rule that the user chose.

    Returns
    -------
    Joined
        The scans in order of time, and the tracks.

    Raises
    ------
    PermanentError
        The scans are no cadence, or have too many hits; the message names the scans.
    """
    in_order = ordered(scans)
    warnings = [*check(in_order), *_failures(in_order)]
    ons = [scan for scan in in_order if scan.role == "on" and scan.has_results]
    lines = lines_of(ons, parameters.snr_threshold)
    association = associate(lines, bounds_of(parameters))
    if len(association.members) > MAX_TRACKS:
        association, warning = _strongest(association, lines, ons)
        warnings.append(warning)
    strongest = strongest_hits(association, lines, ons)
    snr = np.array([ons[on].hits.snr[hit] for on, hit in strongest.tolist()], np.float64)
    bandwidth = np.array([ons[on].hits.bandwidth_hz[hit] for on, hit in strongest.tolist()], np.float64)
    return Joined(in_order, parameters, ons, lines, association, bandwidth, snr, warnings)


def strongest_hits(association: Association, lines: Lines, ons: Sequence[Scan]) -> Indices:
    """Return for each track (n, 2) the place among the ON scans, and in the hits of that scan, of its strongest hit."""
    members = association.members
    snr = np.concatenate([*(scan.hits.snr[_places(lines, on)] for on, scan in enumerate(ons)), [-np.inf]])
    on = np.argmax(snr[members], axis=1) if len(members) else np.empty(0, np.int64)
    hit = lines.place[members[np.arange(len(members)), on]]
    return np.stack([on, hit], axis=1)


def _places(lines: Lines, on: int) -> Indices:
    return lines.place[lines.kernel.first[on] : lines.kernel.first[on + 1]]


def _strongest(association: Association, lines: Lines, ons: Sequence[Scan]) -> tuple[Association, str]:
    """Return the tracks with most hits, of equally many the strongest, as many as can be measured."""
    strongest = strongest_hits(association, lines, ons)
    snr = np.array([ons[on].hits.snr[hit] for on, hit in strongest.tolist()])
    size = (association.members >= 0).sum(axis=1)
    kept = np.sort(np.lexsort((-snr, -size))[:MAX_TRACKS])
    fits = association.fits
    left = replace(
        association,
        members=association.members[kept],
        fits=replace(
            fits,
            value=fits.value[kept],
            covariance=fits.covariance[kept],
            chi_squared=fits.chi_squared[kept],
            degrees_of_freedom=fits.degrees_of_freedom[kept],
        ),
    )
    return left, (
        f"The hits make {len(size)} tracks; the {MAX_TRACKS} with most hits were kept. Choose a higher SNR threshold."
    )


def _failures(scans: Sequence[Scan]) -> list[str]:
    return [
        f"{scan.name[:1].upper()}{scan.name[1:]} has no results and was left out: {scan.failure}"
        for scan in scans
        if not scan.has_results
    ]


def needed_on_scans(joined: Joined) -> int:
    """Return in how many ON scans an event must be: as stated, else in all that have results."""
    return joined.parameters.min_on_scans or len(joined.ons)


def tracks_of(joined: Joined, most_views: int = MOST_VIEWS) -> TrackList:
    """Return the tracks as they are measured: `id` is the place of a track in `joined`.

    The tracks that are most likely to be events, those with most hits and of these the strongest, get a view: the band
    that holds the track over all scans.
    """
    fits = joined.association.fits
    tracks = np.zeros(len(joined), TRACK_DTYPE)
    tracks["id"] = np.arange(len(joined))
    for place, name in enumerate(("frequency_hz", "drift_rate_hz_s", "drift_change_hz_s2")):
        tracks[name] = fits.value[:, place]
    tracks["covariance"] = fits.covariance
    tracks["bandwidth_hz"] = joined.bandwidth_hz
    size = (joined.association.members >= 0).sum(axis=1)
    shown = np.lexsort((np.arange(len(joined)), -joined.snr, -size))[:most_views]
    tracks["view_low_hz"][shown], tracks["view_high_hz"][shown] = _views(joined, shown)
    return TrackList(joined.epoch_mjd, tracks)


def _views(joined: Joined, shown: Indices) -> tuple[Floats, Floats]:
    """Return the lower and upper ends of the bands that hold some tracks over all scans, with a margin."""
    searched = [scan for scan in joined.scans if scan.has_results]
    times = np.array([time for scan in searched for time in (scan.start_s, scan.start_s + scan.duration_s)])
    value = joined.association.fits.value[shown]
    frequency = value[:, :1] + value[:, 1:2] * times + value[:, 2:] * times**2 / 2
    low, high = frequency.min(axis=1), frequency.max(axis=1)
    channel = min(abs(scan.channel_width_hz) for scan in joined.ons)
    width = np.maximum((high - low) * (1 + 2 * VIEW_MARGIN), VIEW_CHANNELS * channel)
    width = np.maximum(width, 4 * joined.bandwidth_hz[shown])
    return (low + high - width) / 2, (low + high + width) / 2
