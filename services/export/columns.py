"""The columns of the catalogue: names, units and descriptions for every format."""

from typing import Any

from shared.results import Results
from shared.table import Cells, Column, Contents, Kind, cells_of


def _feature(
    name: str, unit: str, ucd: str, description: str, *, kind: Kind = "number", key: str | None = None
) -> Column:
    """Return a column from a hit's `features`."""
    return Column(name, kind, unit, ucd, description, ("features", key or name))


def _component(name: str, description: str) -> Column:
    """Return a column from the components of a hit's interestingness."""
    return Column(f"{name}_component", "number", "", "stat.weight", description, ("interestingness_components", name))


COLUMNS = (
    Column("source_name", "text", "", "meta.id;src", "Name of the observation"),
    Column("frequency_hz", "number", "Hz", "em.freq;meta.main", "Centre of the signal, middle of the first spectrum"),
    Column("drift_rate", "number", "Hz/s", "arith.rate;em.freq", "Drift rate, sign as on the sky"),
    Column("snr", "number", "", "stat.snr", "Calibrated signal-to-noise ratio"),
    Column("classification", "text", "", "meta.code.class", "Label of the signal"),
    Column("interestingness", "number", "", "meta.code.qual", "How much it is worth a look, 0 to 1"),
    Column("confidence", "number", "", "stat.confidenceLevel", "How sure the label is, 0 to 1"),
    Column("rfi_source", "text", "", "meta.id.assoc", "Known service that it is put down to"),
    Column("source", "text", "", "meta.id;meta.software", "Search that found it"),
    Column("candidate_rank", "count", "", "stat.rank", "Place in the list of candidates from 1; 0 if not in it"),
    Column("frequency_error_hz", "number", "Hz", "stat.error;em.freq", "Standard error of frequency_hz"),
    Column("drift_rate_error", "number", "Hz/s", "stat.error", "Standard error of drift_rate"),
    Column("snr_error", "number", "", "stat.error", "Standard error of snr"),
    Column("snr_turboseti", "number", "", "stat.snr;stat.uncalib", "SNR as turboSETI defines it"),
    Column("bandwidth_hz", "number", "Hz", "spect.line.width", "Width without the smear of the drift"),
    Column("bandwidth_error_hz", "number", "Hz", "stat.error;spect.line.width", "Standard error of bandwidth_hz"),
    Column("channel", "count", "", "meta.number;instr.pixel", "First channel in the first spectrum, counted from 0"),
    Column("steps", "count", "", "meta.number", "Channels moved from the first spectrum to the last"),
    Column("width", "count", "", "meta.number;instr.pixel", "Channels of the box that holds the signal"),
    Column("chunk", "count", "", "meta.id.part", "Part of the observation that it was found in, from 0"),
    Column("if_index", "count", "", "meta.number", "IF (polarisation) in which it is strongest; empty for a sum"),
    Column("ifs", "text", "", "meta.id.part", "IFs that show it, strongest first; IF0+IF1 is a sum"),
    Column("id", "count", "", "meta.record", "Number of the hit, by channel and drift, from 0"),
    Column("group", "count", "", "meta.id.parent", "Id of the strongest hit of the same emitter"),
    Column("protected_band", "text", "", "meta.note", "Protected band that it lies in"),
    Column("shape", "text", "", "meta.code.class", "Label of the shape alone, before band and neighbours"),
    Column("novelty", "number", "", "stat.likelihood", "Share of known signals that are less strange, 0 to 1"),
    _component("snr", "Interestingness: part of the SNR, 0 to 1"),
    _component("drift", "Interestingness: part of the drift, 0 to 1"),
    _component("rfi_freedom", "Interestingness: part of freedom from RFI, 0 to 1"),
    _component("novelty", "Interestingness: part of novelty, 0 to 1"),
    _component("confidence", "Interestingness: part of confidence, 0 to 1"),
    _feature("occupancy", "", "stat.filling", "Part of the time that holds the signal, 0 to 1"),
    _feature("kurtosis", "", "stat.kurtosis", "Kurtosis of the power along the path"),
    Column("curvature_hz_s2", "number", "Hz/s2", "arith.rate", "Change of the drift rate; 0 if the path is straight"),
    _feature("comb_spacing_hz", "Hz", "em.freq;stat.interval", "Spacing of the comb that it is a tooth of; 0 if none"),
    _feature("hits_with_like_drift", "", "meta.number", "Other hits that drift alike", kind="count"),
    Column("false_alarms", "number", "", "stat.likelihood", "Hits of this SNR or above that noise alone would make"),
    Column("curvature_error_hz_s2", "number", "Hz/s2", "stat.error", "Standard error of curvature_hz_s2"),
    Column("curved_snr", "number", "", "stat.snr", "SNR along the parabola; as snr if the path is straight"),
)


HITS = Contents("HITS", "Narrowband signals found in one observation, most interesting first", COLUMNS)

# Fields that only the services need, to find a hit's cut-out.
_INTERNAL = frozenset({"chunk_hit"})
_FIRST = (
    "id",
    "frequency_hz",
    "drift_rate",
    "snr",
    "classification",
    "confidence",
    "rfi_source",
    "interestingness",
    "interestingness_components",
    "source",
)


def catalogue_columns(results: Results) -> Cells:
    """Return the cells of every hit, most interesting first; equals in the order of `raw_hits`."""
    rank = {record["id"]: at for at, record in enumerate(results.candidates, start=1)}
    ordered = sorted(results.raw_hits, key=lambda record: -record["interestingness"])
    cells = cells_of(COLUMNS, ordered)
    cells["source_name"] = [results.source_name] * len(ordered)
    cells["candidate_rank"] = [rank.get(record["id"], 0) for record in ordered]
    return cells


def classified_rows(results: Results) -> list[dict[str, Any]]:
    """Return every hit with its label and all other fields, in order of channel."""
    rows: list[dict[str, Any]] = []
    for hit in results.raw_hits:
        row: dict[str, Any] = {name: hit[name] for name in _FIRST}  # type: ignore[literal-required]
        row.update(hit)
        for name in _INTERNAL:
            row.pop(name, None)
        rows.append(row)
    return rows
