"""What a catalogue states about its observation and about how it was made: one list for every format."""

import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.metadata import version

from shared.events import ObservationClassified
from shared.results import NoiseRecord, Results
from shared.telescopes import telescope_name

SOFTWARE = f"Waterhole {version('waterhole')}"
MJD_EPOCH = datetime(1858, 11, 17, tzinfo=UTC)
LAST_MJD = 2_973_483  # the end of the year 9999


@dataclass(frozen=True)
class Fact:
    """One fact: `keyword` is its name in FITS (at most 8 characters), `name` its name in other formats."""

    keyword: str
    name: str
    value: str | float | int
    unit: str
    ucd: str
    description: str


@dataclass(frozen=True)
class Provenance:
    """The facts about one catalogue, and the warnings of the job."""

    facts: Sequence[Fact]
    warnings: Sequence[str]

    def values(self) -> dict[str, str | float | int]:
        """Return the values by name."""
        return {fact.name: fact.value for fact in self.facts}


def utc_date(mjd: float) -> str | None:
    """Return the ISO date and time (UTC, to the millisecond) of a modified Julian date, or None if it is no date."""
    if not 0 < mjd < LAST_MJD:
        return None
    return (MJD_EPOCH + timedelta(days=mjd)).isoformat(timespec="milliseconds").removesuffix("+00:00")


def _over_chunks(reduce: Callable[[list[float]], float], values: Iterable[float | None]) -> float | None:
    """Reduce the chunks' values to one, or None if no chunk has one."""
    known = [value for value in values if value is not None]
    return float(reduce(known)) if known else None


def fact(keyword: str, name: str, value: str | float | None, unit: str, ucd: str, description: str) -> tuple[Fact, ...]:
    """Return a fact in a tuple, which is empty if the value is not known."""
    if value is None or value == "" or (isinstance(value, float) and not math.isfinite(value)):
        return ()
    return (Fact(keyword, name, value, unit, ucd, description),)


def _of_the_file(event: ObservationClassified, input_sha256: str | None) -> tuple[Fact, ...]:
    upload = event.upload
    origin = "SHA-256 of that file" if upload.sha256 is None else "SHA-256 of that file, as its owner stated"
    return (
        *fact("CREATOR", "software", SOFTWARE, "", "meta.id;meta.software", "software that made this"),
        *fact("INFILE", "file_name", upload.file_name, "", "meta.id;meta.file", "observation searched"),
        *fact("INSIZE", "file_size", upload.file_size, "byte", "phys.size;meta.file", "size of that file"),
        *fact("INSHA256", "input_sha256", input_sha256, "", "meta.checksum;meta.file", origin),
    )


def _of_the_observation(event: ObservationClassified) -> tuple[Fact, ...]:
    header = event.header
    edges_hz = sorted((header.frequency_hz(-0.5), header.frequency_hz(header.n_channels - 0.5)))
    ra_deg = None if header.ra_hours is None else header.ra_hours * 15
    date = utc_date(header.tstart_mjd)
    mjd = None if date is None else header.tstart_mjd
    return (
        *fact("OBJECT", "source_name", event.upload.source_name, "", "meta.id;src", "name of the observation"),
        *fact("SOURCE", "header_source_name", header.source_name, "", "meta.id;src", "name in the file's header"),
        *fact("TELESCOP", "telescope", telescope_name(header.telescope_id), "", "instr.tel", "telescope"),
        *fact("TELID", "telescope_id", header.telescope_id, "", "meta.id;instr.tel", "SIGPROC's number of it"),
        *fact("RA", "ra_deg", ra_deg, "deg", "pos.eq.ra", "right ascension"),
        *fact("DEC", "dec_deg", header.dec_deg, "deg", "pos.eq.dec", "declination"),
        *fact("EQUINOX", "equinox", None if ra_deg is None else 2000.0, "yr", "time.epoch", "of RA and DEC"),
        *fact("TIMESYS", "time_system", "UTC", "", "time.epoch", "time scale"),
        *fact("DATE-OBS", "date_obs", date, "", "time.start;obs", "start of the first spectrum"),
        *fact("MJD-OBS", "tstart_mjd", mjd, "d", "time.start;obs", "start of the first spectrum"),
        *fact("TSTART", "header_tstart_mjd", header.tstart_mjd, "d", "time.start;obs", "as the file's header says"),
        *fact("EXPOSURE", "duration_s", header.duration_s, "s", "time.duration;obs.exposure", "first to last spectrum"),
        *fact("FCH1", "fch1_mhz", header.fch1_mhz, "MHz", "em.freq", "centre of the first channel"),
        *fact("FOFF", "foff_mhz", header.foff_mhz, "MHz", "em.freq", "channel width, signed"),
        *fact("FREQMIN", "lowest_frequency_hz", edges_hz[0], "Hz", "em.freq;stat.min", "lower end of the band"),
        *fact("FREQMAX", "highest_frequency_hz", edges_hz[1], "Hz", "em.freq;stat.max", "upper end of the band"),
        *fact("NCHANS", "n_channels", header.n_channels, "", "meta.number", "fine channels"),
        *fact("NSPECTRA", "n_spectra", header.n_spectra, "", "meta.number", "spectra"),
        *fact("NIFS", "n_ifs", header.n_ifs, "", "meta.number", "IFs (polarisations) in the file"),
        *fact("NBITS", "n_bits", header.n_bits, "bit", "meta.number", "bits of a sample"),
        *fact("TSAMP", "tsamp_s", header.tsamp_s, "s", "time.resolution", "time per spectrum"),
    )


def _of_the_search(event: ObservationClassified, noise: Sequence[NoiseRecord]) -> tuple[Fact, ...]:
    parameters, header, summary = event.parameters, event.header, event.summary
    level = _over_chunks(statistics.median, (chunk.get("level") for chunk in noise))
    sigma = _over_chunks(statistics.median, (chunk.get("sigma") for chunk in noise))
    lost = _over_chunks(statistics.fmean, (chunk.get("lost_fraction") for chunk in noise))
    dead = _over_chunks(sum, (chunk.get("dead_channels") for chunk in noise))
    return (
        *fact("SNRMIN", "snr_threshold", parameters.snr_threshold, "", "stat.snr;stat.min", "threshold of the search"),
        *fact("MAXDRIFT", "max_drift_rate_hz_s", parameters.max_drift_rate_hz_s, "Hz/s", "arith.rate;em.freq", "range"),
        *fact("DRIFTRES", "drift_resolution_hz_s", header.drift_resolution_hz_s, "Hz/s", "arith.rate", "one channel"),
        *fact("NRAW", "raw_hits", summary.raw_hits, "", "meta.number", "hits above the threshold: the rows"),
        *fact("NFILTER", "filtered_hits", summary.filtered_hits, "", "meta.number", "without RFI and repeats"),
        *fact("NCAND", "candidates", summary.candidates, "", "meta.number", "candidates"),
        *fact("NCHUNKS", "chunks", event.chunk_count, "", "meta.number", "parts searched one by one"),
        *fact("NOISELVL", "noise_level", level, "", "instr.det.noise;stat.mean", "mean power, median over chunks"),
        *fact("NOISESIG", "noise_sigma", sigma, "", "instr.det.noise;stat.median", "scatter, median over chunks"),
        *fact("LOSTFRAC", "lost_fraction", lost, "", "stat.filling", "part of the samples left out, mean"),
        *fact("NDEAD", "dead_channels", None if dead is None else int(dead), "", "meta.number", "dead channels, sum"),
    )


def provenance_of(event: ObservationClassified, results: Results, input_sha256: str | None) -> Provenance:
    """Return the facts about an observation and its search, without any that differ when it is analyzed again.

    `input_sha256` is that of the uploaded file, None if it is not known.
    """
    facts = (
        *_of_the_file(event, input_sha256),
        *_of_the_observation(event),
        *_of_the_search(event, results.noise),
    )
    return Provenance(facts, tuple(results.warnings))
