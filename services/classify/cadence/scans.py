"""The scans of a cadence with their hits, and which lists of scans are no cadence."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import hypot

import numpy as np

from services.classify.cadence.turboseti_tables import HitTable
from shared.arrays import Floats, Indices
from shared.cadence import Role
from shared.errors import PermanentError
from shared.header import Header
from shared.results import HitRecord, Results
from shared.tracks import SECONDS_PER_DAY

# Errors of hits of turboSETI's tables, which state none. Its paths through the Taylor tree leave the straight line by
# up to a channel, and it keeps the strongest path within 1 kHz: on the real tables of Voyager 1 (2020) and HIP 39826
# (2016), drifts are 1 to 4 steps off the line through the frequencies of three scans.
TABLE_ERROR_CHANNELS, TABLE_ERROR_STEPS = 2.0, 3.0
# A table doesn't say how far its scan goes beyond its hits: at least to the end of a coarse channel.
COARSE_HZ = 3e6
# The pointing of one source: from scan to scan it is the same to some seconds of arc; a beam at 1.4 GHz is 9 arcmin.
SAME_PLACE_DEG = 0.05
# Frequencies of scans that are so far apart in time can't be compared: a hundred days.
FAR_APART_DAYS = 100.0


@dataclass(frozen=True)
class ScanHits:
    """The hits of one scan, all arrays (n,). Frequencies are those in the middle of the first spectrum.

    `records` are the hits as `results.json` has them, in the same order; empty for hits of a table.
    """

    id: Indices
    frequency_hz: Floats
    frequency_error_hz: Floats
    drift_rate_hz_s: Floats
    drift_rate_error_hz_s: Floats
    snr: Floats
    bandwidth_hz: Floats
    records: Sequence[HitRecord] = ()

    def __len__(self) -> int:
        return len(self.id)


_NONE = np.empty(0)
NO_HITS = ScanHits(np.empty(0, np.int64), _NONE, _NONE, _NONE, _NONE, _NONE, _NONE)


@dataclass(frozen=True)
class Scan:
    """One scan. A scan without results has a `failure` and no hits.

    `index` is its place in order of time, `start_s` counts from the epoch of the cadence; both are set by `ordered`.
    `band_hz` are the lower and the upper end of its band. `header` is None for a scan of a table.
    """

    role: Role
    file_name: str
    source_name: str = ""
    job_id: str = ""
    tstart_mjd: float = 0.0
    duration_s: float = 0.0
    tsamp_s: float = 0.0
    channel_width_hz: float = 0.0
    band_hz: tuple[float, float] = (0.0, 0.0)
    hits: ScanHits = NO_HITS
    header: Header | None = None
    failure: str = ""
    warnings: tuple[str, ...] = ()
    index: int = 0
    start_s: float = 0.0

    @property
    def name(self) -> str:
        """The scan as sentences name it: its number counts from 1."""
        return f"scan {self.index + 1} ('{self.file_name}')"

    @property
    def has_results(self) -> bool:
        """Whether it was searched."""
        return not self.failure

    @property
    def drift_span_s(self) -> float:
        """Time from the middle of the first spectrum to that of the last, s."""
        return max(self.duration_s - self.tsamp_s, self.tsamp_s)

    @property
    def first_s(self) -> float:
        """Middle of the first spectrum, s since the epoch: the time of the frequencies of hits."""
        return self.start_s + self.tsamp_s / 2

    @property
    def middle_s(self) -> float:
        """Middle of the scan, s since the epoch."""
        return self.start_s + self.duration_s / 2

    @property
    def drift_step_hz_s(self) -> float:
        """Drift rate of one channel over the scan, Hz/s."""
        return abs(self.channel_width_hz) / self.drift_span_s


def source_of(results: Results) -> str:
    """Return the source of a scan: as the user named it, else as the header does, else the file's name."""
    # Where the user gives no name, that of the file stands for it.
    is_named = results.source_name != results.file_name
    return (results.source_name if is_named else results.observation.source_name) or results.file_name


def scan_of_results(results: Results, role: Role) -> Scan:
    """Return a scan from the results of its job."""
    header, records = results.observation, results.raw_hits
    channel, step = abs(header.foff_hz), header.drift_resolution_hz_s

    def column(name: str, unknown: float) -> Floats:
        values = [record.get(name) for record in records]
        return np.array([unknown if value is None else value for value in values], np.float64)

    hits = ScanHits(
        id=np.array([record["id"] for record in records], np.int64),
        frequency_hz=column("frequency_hz", np.nan),
        frequency_error_hz=column("frequency_error_hz", channel),
        drift_rate_hz_s=column("drift_rate", np.nan),
        drift_rate_error_hz_s=column("drift_rate_error", step),
        snr=column("snr", np.nan),
        bandwidth_hz=column("bandwidth_hz", channel),
        records=records,
    )
    return Scan(
        role=role,
        file_name=results.file_name,
        source_name=source_of(results),
        job_id=results.job_id,
        tstart_mjd=header.tstart_mjd,
        duration_s=header.duration_s,
        tsamp_s=header.tsamp_s,
        channel_width_hz=header.foff_hz,
        band_hz=header.band_hz,
        hits=hits,
        header=Header(**{name: getattr(header, name) for name in Header.model_fields}),
    )


def scan_of_table(table: HitTable, role: Role) -> Scan:
    """Return a scan from a hit table, which states neither errors nor the band: that of its hits is taken."""
    channel, n = abs(table.channel_width_hz), len(table.snr)
    span_s = max(table.duration_s - table.tsamp_s, table.tsamp_s)
    hits = ScanHits(
        id=table.number,
        frequency_hz=table.frequency_hz,
        frequency_error_hz=np.full(n, TABLE_ERROR_CHANNELS * channel),
        drift_rate_hz_s=table.drift_rate_hz_s,
        drift_rate_error_hz_s=np.full(n, TABLE_ERROR_STEPS * channel / span_s),
        snr=table.snr,
        bandwidth_hz=np.full(n, channel),
    )
    ends = (-np.inf, np.inf)
    if n:
        ends = (float(table.frequency_hz.min()) - COARSE_HZ, float(table.frequency_hz.max()) + COARSE_HZ)
    return Scan(
        role=role,
        file_name=table.file_name,
        source_name=table.source_name,
        tstart_mjd=table.tstart_mjd,
        duration_s=table.duration_s,
        tsamp_s=table.tsamp_s,
        channel_width_hz=table.channel_width_hz,
        band_hz=ends,
        hits=hits,
        warnings=table.warnings,
    )


def failed_scan(role: Role, file_name: str, failure: str, *, source_name: str = "", job_id: str = "") -> Scan:
    """Return a scan that has no results; `failure` is the sentence that says why."""
    return Scan(role=role, file_name=file_name, source_name=source_name, job_id=job_id, failure=failure)


def ordered(scans: Sequence[Scan]) -> list[Scan]:
    """Return the scans in order of time, with their places and starts; those without results follow, as given.

    The epoch of the cadence is the start of the first.
    """
    searched = sorted(
        (scan for scan in scans if scan.has_results),
        key=lambda scan: (scan.tstart_mjd, scan.role != "on", scan.file_name, scan.job_id),
    )
    failed = [scan for scan in scans if not scan.has_results]
    epoch = epoch_mjd(searched)
    return [
        replace(scan, index=index, start_s=(scan.tstart_mjd - epoch) * SECONDS_PER_DAY if scan.has_results else 0.0)
        for index, scan in enumerate([*searched, *failed])
    ]


def epoch_mjd(scans: Sequence[Scan]) -> float:
    """Return the start of the first scan with results, 0 if there is none."""
    return min((scan.tstart_mjd for scan in scans if scan.has_results), default=0.0)


def check(scans: Sequence[Scan]) -> list[str]:
    """Return warnings about the list of scans, which is in order of time.

    Raises
    ------
    PermanentError
        The scans are no cadence; the message names them.
    """
    searched = [scan for scan in scans if scan.has_results]
    ons = [scan for scan in searched if scan.role == "on"]
    if not ons:
        raise _refusal(
            "None of the ON scans has results, so there is nothing to look for. Add an ON scan that can be searched."
            if any(scan.role == "on" for scan in scans)
            else "No scan is ON, so there is nothing to look for. Give at least one scan the role 'on'."
        )
    _refuse_repeats(searched)
    if len(ons) > 1 and not any(_overlap(one.band_hz, ons[0].band_hz) for one in ons[1:]):
        names = ", ".join(f"{scan.name}: {_band_text(scan)}" for scan in ons)
        raise _refusal(f"The frequencies of the ON scans don't overlap ({names}). Choose scans of one band.")
    return [*_warnings(searched, ons), *(text for scan in searched for text in scan.warnings)]


def _refuse_repeats(searched: Sequence[Scan]) -> None:
    for one, other in combinations(searched, 2):
        same_time = one.tstart_mjd == other.tstart_mjd and one.duration_s == other.duration_s
        same_job = one.job_id and one.job_id == other.job_id
        same_file = same_time and one.band_hz == other.band_hz and one.file_name == other.file_name
        same_hits = same_time and len(one.hits) > 0 and _same(one.hits, other.hits)
        if same_job or same_file or same_hits:
            raise _refusal(f"{_first_upper(one.name)} and {other.name} are one scan. List each scan once.")


def _same(one: ScanHits, other: ScanHits) -> bool:
    return np.array_equal(one.frequency_hz, other.frequency_hz) and np.array_equal(one.snr, other.snr)


def _warnings(searched: Sequence[Scan], ons: Sequence[Scan]) -> Iterator[str]:
    offs = [scan for scan in searched if scan.role == "off"]
    if len(ons) == 1:
        yield "There is one ON scan only, so nothing shows that a signal comes back."
    if not offs:
        yield "There is no OFF scan with results, so nothing shows that a signal is absent elsewhere."
    yield from _other_sources(ons, offs)
    for scan in searched:
        if scan is not ons[0] and not _overlap(scan.band_hz, ons[0].band_hz):
            yield (
                f"The frequencies of {scan.name}, {_band_text(scan)}, don't overlap those of {ons[0].name}, "
                f"{_band_text(ons[0])}: it says nothing about their hits."
            )
    for one, other in combinations(ons, 2):
        shared_s = one.start_s + one.duration_s - other.start_s
        if shared_s > max(one.tsamp_s, other.tsamp_s) and _overlap(one.band_hz, other.band_hz):
            yield f"{_first_upper(one.name)} and {other.name} are both ON and overlap in time by {shared_s:.0f} s."
    if searched[-1].tstart_mjd - searched[0].tstart_mjd > FAR_APART_DAYS:
        days = searched[-1].tstart_mjd - searched[0].tstart_mjd
        yield (
            f"{_first_upper(searched[0].name)} and {searched[-1].name} are {days:.0f} days apart: no drift can be "
            "followed over such a gap."
        )


def _other_sources(ons: Sequence[Scan], offs: Sequence[Scan]) -> Iterator[str]:
    first = ons[0]
    for scan in ons[1:]:
        if not _same_place(first, scan):
            yield (
                f"The ON scans are not of the same source: {first.name} is of '{first.source_name}', {scan.name} of "
                f"'{scan.source_name}'."
            )
    for scan in offs:
        if first.header and scan.header and _away_deg(first.header, scan.header) < SAME_PLACE_DEG:
            yield f"{_first_upper(scan.name)} is OFF, but points where {first.name} does."


def _same_place(one: Scan, other: Scan) -> bool:
    """Return whether two scans are of one source, by their positions where both have one, else by name."""
    if one.header and other.header:
        away = _away_deg(one.header, other.header)
        if np.isfinite(away):
            return away <= SAME_PLACE_DEG
    names = {scan.source_name.strip().casefold() for scan in (one, other)}
    return len(names - {""}) < 2


def _away_deg(one: Header, other: Header) -> float:
    """Return the distance of two positions on the sky, degrees; infinite if one of them is not known."""
    ra, dec = (one.ra_hours, other.ra_hours), (one.dec_deg, other.dec_deg)
    if ra[0] is None or ra[1] is None or dec[0] is None or dec[1] is None:
        return float("inf")
    across = ((ra[0] - ra[1] + 12) % 24 - 12) * 15 * float(np.cos(np.radians((dec[0] + dec[1]) / 2)))
    return hypot(across, dec[0] - dec[1])


def _overlap(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return one[0] < other[1] and other[0] < one[1]


def _band_text(scan: Scan) -> str:
    return f"{scan.band_hz[0] / 1e6:.3f} to {scan.band_hz[1] / 1e6:.3f} MHz"


def _first_upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def _refusal(message: str) -> PermanentError:
    return PermanentError(message, code="bad_cadence")
