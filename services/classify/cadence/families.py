"""Which tracks are one emitter: lines on one raster, lines that share one drift history, pieces of one emission."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from services.classify.cadence.association import Association
from services.classify.cadence.lines import Lines
from services.classify.cadence.scans import Scan
from shared.arrays import Flags, Floats, Indices
from shared.cadence_document import FamilyKind

# Chi squared of two values (drift rate and its change) up to which two histories are alike: 1 in 1,000 alike pairs is
# beyond.
ALIKE = 13.8
# Lines of one transmitter share a drift history within its band: 1e-4 of the frequency, 138 kHz at L band.
REACH = 1e-4
CHANCE = 0.01
# So many neighbours in frequency are compared.
NEIGHBOURS = 64
# A comb: at least so many lines, each at a multiple of the spacing from another; multiples up to this are tried.
COMB_LINES, COMB_MULTIPLES = 5, 8
# How many rasters of different spacing are looked for in one scan.
COMB_SPACINGS = 8
# A spacing is one if so many times as many pairs have it as pairs at random would.
COMB_EXCESS = 5.0
# Closer lines can't be told from one another by their distance: this many errors of it.
COMB_ERRORS = 3.0


@dataclass(frozen=True)
class Families:
    """The emitters. `of_track` (n,) is the family of each track: the lowest place of a track in it.

    `spacing_hz` and `kind` are by family; a family that is neither comb nor history is single.
    """

    of_track: Indices
    spacing_hz: dict[int, float]
    kind: dict[int, FamilyKind]


@dataclass
class _Groups:
    """Union-find over tracks."""

    parent: Indices = field(default_factory=lambda: np.empty(0, np.int64))

    def root(self, place: int) -> int:
        while self.parent[place] != place:
            self.parent[place] = self.parent[self.parent[place]]
            place = int(self.parent[place])
        return place

    def join(self, one: int, other: int) -> None:
        one, other = self.root(one), self.root(other)
        if one != other:
            self.parent[max(one, other)] = min(one, other)


def families_of(association: Association, lines: Lines, scans: Sequence[Scan], is_moving: Flags) -> Families:
    """Group the tracks of a cadence into emitters.

    Parameters
    ----------
    association : Association
        The tracks, in order of frequency.
    lines : Lines
        The hits that they were joined from: those of the ON scans.
    scans : sequence of Scan
        The ON scans, in the order of `lines`.
    is_moving : uint8 (n,)
        Whether a track drifts by more than its error. Lines that stand still share no history: all others do so too.
    """
    n = len(association.members)
    groups = _Groups(np.arange(n))
    shared: list[int] = []
    for one, other in _alike_pairs(association, scans, is_moving):
        groups.join(one, other)
        shared.append(one)
    for one, other in _same_emission(association, lines, scans):
        groups.join(one, other)
        shared.append(one)
    combs: list[tuple[int, float]] = []
    for scan in range(len(scans)):
        for track, other, spacing in _comb_pairs(association, lines, scan):
            groups.join(track, other)
            combs.append((track, spacing))
    of_track = np.array([groups.root(place) for place in range(n)], np.int64)
    kind: dict[int, FamilyKind] = {int(of_track[one]): "drift_history" for one in shared}
    spacings: dict[int, list[float]] = {}
    for track, spacing in combs:
        spacings.setdefault(int(of_track[track]), []).append(spacing)
    kind |= dict.fromkeys(spacings, "comb")
    return Families(of_track, {family: _usual(found) for family, found in spacings.items()}, kind)


def _usual(spacings: list[float]) -> float:
    """Return the spacing that most pairs of lines have; of equally frequent ones the smallest."""
    values, counts = np.unique(np.round(spacings, 1), return_counts=True)
    return float(values[np.argmax(counts)])


def _middle_s(scans: Sequence[Scan]) -> float:
    return float(np.mean([scan.middle_s for scan in scans])) if scans else 0.0


@dataclass(frozen=True)
class Histories:
    """Drift rate and its change in the middle of the cadence, (n, 2), with covariance (n, 2, 2), per Hz of frequency.

    A transmitter that moves shifts all its lines in proportion to their frequencies.
    """

    value: Floats
    covariance: Floats

    def unlike(self, one: Indices, other: Indices) -> Floats:
        """Return chi squared, two values, of the difference between tracks."""
        off = self.value[one] - self.value[other]
        both = self.covariance[one] + self.covariance[other]
        determinant = both[:, 0, 0] * both[:, 1, 1] - both[:, 0, 1] ** 2
        squares = (
            off[:, 0] ** 2 * both[:, 1, 1] - 2 * off[:, 0] * off[:, 1] * both[:, 0, 1] + off[:, 1] ** 2 * both[:, 0, 0]
        )
        chi2: Floats = squares / np.maximum(determinant, 1e-300)
        return chi2


def histories(association: Association, middle_s: float) -> Histories:
    """Return the drift histories of tracks, seen from the middle of the cadence."""
    fits = association.fits
    rows = np.array([[0.0, 1.0, middle_s], [0.0, 0.0, 1.0]])
    frequency = np.abs(fits.value[:, 0]).clip(1.0)
    value = fits.value @ rows.T / frequency[:, None]
    return Histories(value, rows @ fits.covariance @ rows.T / (frequency**2)[:, None, None])


def _alike_pairs(association: Association, scans: Sequence[Scan], is_moving: Flags) -> Iterator[tuple[int, int]]:
    """Yield pairs of tracks near each other with hits in several scans that share a drift history.

    Where tracks are many, some drift alike by chance. Drifts are taken to spread evenly up to the fastest twentieth,
    and a pair counts only if so near a track with so like a drift is to be expected less than `CHANCE` times.
    """
    several = (association.members >= 0).sum(axis=1) > 1
    places = np.flatnonzero(several & (is_moving != 0))
    history = histories(association, _middle_s(scans))
    frequency = association.fits.value[:, 0]
    if len(places) < 2:
        return
    fastest = np.quantile(np.abs(history.value[places, 0]), 0.95)
    low, high = min(scan.band_hz[0] for scan in scans), max(scan.band_hz[1] for scan in scans)
    density = len(places) / (high - low)
    for step in range(1, min(NEIGHBOURS, len(places) - 1) + 1):
        one, other = places[:-step], places[step:]
        near = frequency[other] - frequency[one] <= REACH * np.abs(frequency[one])
        one, other = one[near], other[near]
        error = np.sqrt(history.covariance[one, 0, 0] + history.covariance[other, 0, 0])
        like = np.sqrt(ALIKE) * error / np.maximum(fastest, np.abs(history.value[one, 0]))
        chance = 2 * density * (frequency[other] - frequency[one]) * np.minimum(like, 1.0)
        alike = (history.unlike(one, other) <= ALIKE) & (chance <= CHANCE)
        yield from zip(one[alike].tolist(), other[alike].tolist(), strict=True)


def _track_of_hit(association: Association, n_hits: int) -> Indices:
    """Return the track of each hit, -1 for none."""
    of_hit = np.full(n_hits, -1, np.int64)
    track, scan = np.nonzero(association.members >= 0)
    of_hit[association.members[track, scan]] = track
    return of_hit


def _same_emission(association: Association, lines: Lines, scans: Sequence[Scan]) -> Iterator[tuple[int, int]]:
    """Yield pairs of tracks whose hits in one scan are pieces of one emission: their results say so, or they touch."""
    kernel = lines.kernel
    of_hit = _track_of_hit(association, len(kernel.middle_hz))
    for number, scan in enumerate(scans):
        start, stop = int(kernel.first[number]), int(kernel.first[number + 1])
        hits, tracks = lines.place[start:stop], of_hit[start:stop]
        yield from _of_groups(scan, hits, tracks)
        middle, width = kernel.middle_hz[start:stop], scan.hits.bandwidth_hz[hits]
        for step in range(1, min(4, len(hits) - 1) + 1):
            touch = middle[step:] - middle[:-step] <= (width[step:] + width[:-step]) / 2 + abs(scan.channel_width_hz)
            pairs = np.stack([tracks[:-step], tracks[step:]], axis=1)[touch]
            yield from ((int(one), int(other)) for one, other in pairs if one >= 0 and other >= 0)


def _of_groups(scan: Scan, hits: Indices, tracks: Indices) -> Iterator[tuple[int, int]]:
    """Yield the pairs of tracks whose hits the results of a scan give to one emitter."""
    if not scan.hits.records:
        return
    first_of: dict[int, int] = {}
    for hit, track in zip(hits.tolist(), tracks.tolist(), strict=True):
        if track >= 0:
            first = first_of.setdefault(scan.hits.records[hit]["group"], track)
            if first != track:
                yield first, track


def _comb_pairs(association: Association, lines: Lines, scan: int) -> Iterator[tuple[int, int, float]]:
    """Yield pairs of tracks whose hits in a scan are lines of one comb, and its spacing.

    Lines of a comb drift alike, and lie a multiple of its spacing apart within the errors of both. The spacing is the
    smallest distance that pairs of neighbours have much more often than at random.
    """
    kernel = lines.kernel
    start, stop = int(kernel.first[scan]), int(kernel.first[scan + 1])
    tracks = _track_of_hit(association, len(kernel.middle_hz))[start:stop]
    inside = np.flatnonzero(tracks >= 0)
    tracks, hits = tracks[inside], inside + start
    pairs = _like_pairs(kernel.middle_hz[hits], kernel.drift_hz_s[hits], kernel.drift_variance[hits])
    apart = kernel.middle_hz[hits[pairs[:, 1]]] - kernel.middle_hz[hits[pairs[:, 0]]]
    error = np.sqrt(kernel.middle_variance[hits[pairs[:, 0]]] + kernel.middle_variance[hits[pairs[:, 1]]])
    for _ in range(COMB_SPACINGS):
        spacing = _commonest(apart, error)
        if spacing is None:
            return
        spacing = _refined(apart, error, spacing)
        multiple = np.rint(apart / spacing)
        on_raster = (np.abs(apart - multiple * spacing) <= COMB_ERRORS * error) & (multiple >= 1)
        linked = on_raster & (multiple <= COMB_MULTIPLES) & (spacing > 4 * COMB_ERRORS * error)
        yield from _large_groups(pairs[linked], tracks, spacing)
        apart, error, pairs = apart[~on_raster], error[~on_raster], pairs[~on_raster]


def _refined(apart: Floats, error: Floats, spacing: float) -> float:
    """Return a spacing by least squares over the pairs at its multiples: first the nearest ones, then more."""
    most = 1
    while most <= COMB_MULTIPLES:
        multiple = np.rint(apart / spacing)
        on_raster = (np.abs(apart - multiple * spacing) <= COMB_ERRORS * error) & (multiple >= 1) & (multiple <= most)
        if on_raster.any():
            chosen = multiple[on_raster]
            spacing = float((apart[on_raster] * chosen).sum() / (chosen**2).sum())
        most *= 2
    return spacing


def _like_pairs(middle_hz: Floats, drift: Floats, variance: Floats) -> npt.NDArray[np.int64]:
    """Return pairs of neighbours in frequency (m, 2) whose drifts agree within their errors."""
    found = [np.empty((0, 2), np.int64)]
    for step in range(1, min(NEIGHBOURS, len(middle_hz) - 1) + 1):
        off = drift[step:] - drift[:-step]
        alike = np.flatnonzero(off**2 <= COMB_ERRORS**2 * (variance[step:] + variance[:-step]))
        found.append(np.stack([alike, alike + step], axis=1))
    return np.concatenate(found)


def _commonest(apart: Floats, error: Floats) -> float | None:
    """Return the smallest distance that pairs have much more often than at random; None if there is none."""
    if len(apart) < COMB_LINES:
        return None
    width = max(float(np.median(error)) * 2, 1e-9)
    # Distances are spread over so much at random; those of a comb with few lines missing are its first multiples.
    reach = float(np.quantile(apart, 0.5))
    near = apart[(apart <= reach) & (apart > 4 * COMB_ERRORS * error)]
    if len(near) < COMB_LINES:
        return None
    bins = np.rint(near / width).astype(np.int64)
    distance, count = np.unique(bins, return_counts=True)
    # A peak may lie on the border of two bins.
    both = count + np.where(np.append(np.diff(distance), 0) == 1, np.append(count[1:], 0), 0)
    at_random = 2 * len(near) * width / reach
    enough = both >= max(COMB_LINES, COMB_EXCESS * at_random, both.max() / 2)
    if not enough.any():
        return None
    smallest = distance[np.argmax(enough)] * width
    spacing: float = float(np.median(near[np.abs(near - smallest - width / 2) <= 1.5 * width]))
    return spacing


def _large_groups(pairs: npt.NDArray[np.int64], tracks: Indices, spacing: float) -> Iterator[tuple[int, int, float]]:
    """Yield the pairs, as tracks, that belong to groups of enough lines."""
    groups = _Groups(np.arange(len(tracks)))
    for one, other in pairs.tolist():
        groups.join(one, other)
    roots = np.array([groups.root(one) for one in pairs[:, 0].tolist()], np.int64)
    members = np.unique(pairs)
    sizes = np.bincount(np.array([groups.root(one) for one in members.tolist()], np.int64), minlength=len(tracks))
    for (one, other), root in zip(pairs.tolist(), roots.tolist(), strict=True):
        if sizes[root] >= COMB_LINES:
            yield int(tracks[one]), int(tracks[other]), spacing
