"""The columns of a cadence's events: turboSETI's event columns first, then Waterhole's, then those of each scan.

Of turboSETI's columns, those of a hit are of the first ON scan that holds the event, and a row is one event, where
turboSETI has a row for each hit of it. `in_n_ons` counts the other ON scans that hold it, and `RFI_in_range` the OFF
scans that do, as there.
"""

import math
from collections.abc import Sequence
from typing import Any

from shared.cadence_document import CadenceDocument, EventRecord, ScanRecord, TrackInScan
from shared.table import Cells, Column, Contents
from shared.units import sexagesimal

TURBOSETI_COLUMNS = (
    Column("TopHitNum", "count", "", "meta.record", "Place among the hits of the scan, from 1, as in its hits.dat"),
    Column("DriftRate", "number", "Hz/s", "arith.rate;em.freq", "Drift rate in the first ON scan that holds it"),
    Column("SNR", "number", "", "stat.snr", "Calibrated SNR in that scan"),
    Column("Freq", "number", "MHz", "em.freq", "Frequency at the start of that scan"),
    Column("ChanIndx", "count", "", "meta.number;instr.pixel", "Channel within its coarse channel, from 0"),
    Column("FreqStart", "number", "MHz", "em.freq;stat.max", "Start of the range that the event covers"),
    Column("FreqEnd", "number", "MHz", "em.freq;stat.min", "End of that range"),
    Column("CoarseChanNum", "count", "", "meta.number", "Coarse channel, from 0"),
    Column("FullNumHitsInRange", "count", "", "meta.number", "Hits of that scan"),
    Column("FileID", "text", "", "meta.id;meta.file", "File of that scan"),
    Column("Source", "text", "", "meta.id;src", "Source in its header"),
    Column("MJD", "number", "d", "time.start;obs", "Its start"),
    Column("RA", "text", "", "pos.eq.ra", "Right ascension in its header"),
    Column("DEC", "text", "", "pos.eq.dec", "Declination in its header"),
    Column("DELTAT", "number", "s", "time.resolution", "Time per spectrum"),
    Column("DELTAF", "number", "Hz", "spect.resolution", "Channel width, signed"),
    Column("obs_length", "number", "s", "time.duration;obs.exposure", "Length of that scan"),
    Column("Hit_ID", "text", "", "meta.id", "Source and id of the event"),
    Column("status", "text", "", "meta.code", "Place of that scan among the ON scans, as turboSETI writes it"),
    Column("in_n_ons", "count", "", "meta.number", "Other ON scans that hold it"),
    Column("RFI_in_range", "count", "", "meta.number", "OFF scans that hold it: none"),
    Column("delta_t", "number", "s", "time.interval", "From the start of the first ON scan to that of this one"),
)

OWN_COLUMNS = (
    Column("id", "count", "", "meta.record;meta.main", "Number of the event, best first, from 1"),
    Column("family", "count", "", "meta.id.parent", "Number of its family: the emitter that it belongs to"),
    Column("frequency_hz", "number", "Hz", "em.freq;meta.main", "Frequency of the fitted track at the epoch"),
    Column("frequency_error_hz", "number", "Hz", "stat.error;em.freq", "Standard error of frequency_hz"),
    Column("drift_rate", "number", "Hz/s", "arith.rate;em.freq", "Drift rate of the fitted track at the epoch"),
    Column("drift_rate_error", "number", "Hz/s", "stat.error", "Standard error of drift_rate"),
    Column("drift_change_hz_s2", "number", "Hz/s2", "arith.rate", "Change of the drift rate along the track"),
    Column("drift_change_error_hz_s2", "number", "Hz/s2", "stat.error", "Standard error of drift_change_hz_s2"),
    Column("bandwidth_hz", "number", "Hz", "spect.line.width", "Width without the smear of the drift"),
    Column("chi_squared", "number", "", "stat.fit.chi2", "Of the hits about the track"),
    Column("degrees_of_freedom", "count", "", "stat.fit.dof", "Of the fit"),
    Column("snr", "number", "", "stat.snr", "Signal-to-noise ratio in all ON scans together"),
    Column("on_scans", "count", "", "meta.number", "ON scans of the cadence"),
    Column("on_scans_present", "count", "", "meta.number", "ON scans that hold it"),
    Column("off_scans", "count", "", "meta.number", "OFF scans of the cadence"),
    Column("classification", "text", "", "meta.code.class", "Label of the signal"),
    Column("interestingness", "number", "", "meta.code.qual", "How much it is worth a look, 0 to 1"),
    Column("rfi_source", "text", "", "meta.id.assoc", "Known service that it is put down to"),
    Column("bands", "text", "", "meta.note", "Known services of its band"),
    Column("protected_band", "text", "", "meta.note", "Protected band that it lies in"),
    Column("sky_drift_rate", "number", "Hz/s", "arith.rate", "Drift that a constant transmitter in the sky would show"),
    Column("drift_origin", "text", "", "meta.note", "What its drift agrees with"),
    Column("look_alikes", "text", "", "meta.id.cross", "Ids of tracks elsewhere in the band with the same drift"),
    Column("reasons", "text", "", "meta.note", "Why it is labelled so"),
)


def _of_scan(scan: ScanRecord) -> tuple[Column, ...]:
    """Return the columns of one scan, whose names begin with its role and its place in time."""
    name, place = f"{scan['role']}_{scan['index'] + 1}", f"{scan['role'].upper()} scan {scan['index'] + 1}"
    return (
        Column(f"{name}_snr", "number", "", "stat.snr", f"SNR along the track in {place}"),
        Column(f"{name}_snr_error", "number", "", "stat.error", "Its standard error"),
        Column(f"{name}_snr_limit", "number", "", "stat.snr;stat.max", "Its upper limit at three sigma"),
        Column(f"{name}_ratio", "number", "", "arith.ratio", f"Power in {place} in units of that in the ON scans"),
        Column(f"{name}_ratio_limit", "number", "", "arith.ratio;stat.max", "Its upper limit at three sigma"),
        Column(f"{name}_state", "text", "", "meta.code", "hit, measured, listed, silent, outside, lost or missing"),
    )


def contents_of(document: CadenceDocument) -> Contents:
    """Return the columns of a cadence: those of every scan follow the others, in order of time."""
    of_scans = (column for scan in document.scans for column in _of_scan(scan))
    return Contents("EVENTS", "Events of one cadence, best first", (*TURBOSETI_COLUMNS, *OWN_COLUMNS, *of_scans))


def event_cells(document: CadenceDocument) -> Cells:
    """Return the cells of every event, in the order of the document."""
    rows = [_row(document, event) for event in document.events]
    return {column.name: [row.get(column.name) for row in rows] for column in contents_of(document).columns}


def _row(document: CadenceDocument, event: EventRecord) -> dict[str, Any]:
    row: dict[str, Any] = {column.name: event.get(column.name) for column in OWN_COLUMNS}
    row |= {name: _joined(row[name]) for name in ("bands", "look_alikes", "reasons")}
    for track in event["scans"]:
        name = f"{track['role']}_{track['scan'] + 1}"
        row |= {f"{name}_{key}": track[key] for key in ("snr", "snr_error", "snr_limit", "state")}
        row |= {f"{name}_ratio": track["strength_ratio"], f"{name}_ratio_limit": track["strength_ratio_limit"]}
    return row | _turboseti_row(document, event)


def _joined(values: Sequence[Any] | None) -> str:
    return "; ".join(map(str, values or ()))


def _turboseti_row(document: CadenceDocument, event: EventRecord) -> dict[str, Any]:
    """Return turboSETI's columns of an event: empty where a header does not say."""
    ons = [track for track in event["scans"] if track["role"] == "on"]
    held = [track for track in ons if track["is_present"]]
    if not held:
        return {}
    track = held[0]
    scan = document.scans[track["scan"]]
    starts = [document.scans[one["scan"]]["start_s"] for one in ons]
    first_s = min([start for start in starts if start is not None], default=None)
    hit = track["hit"]
    return {
        "TopHitNum": None if hit is None else hit + 1,
        "DriftRate": track["drift_rate"],
        "SNR": track["snr"],
        "Freq": _mhz(track["frequency_hz"]),
        **_channel(scan, track),
        **_range(event, document),
        "FullNumHitsInRange": scan["hits"],
        "FileID": scan["file_name"],
        "Source": scan["source_name"].upper(),
        "MJD": scan["tstart_mjd"],
        "RA": sexagesimal(scan["ra_hours"], "h", 3),
        "DEC": sexagesimal(scan["dec_deg"], "d", 2),
        "DELTAT": scan["tsamp_s"],
        "DELTAF": scan["channel_width_hz"],
        "obs_length": scan["duration_s"],
        "Hit_ID": f"{scan['source_name'].upper()}_{event['id']}",
        "status": f"on_table_{ons.index(track) + 1}",
        "in_n_ons": len(held) - 1,
        "RFI_in_range": event["off_scans_present"],
        "delta_t": None if scan["start_s"] is None or first_s is None else scan["start_s"] - first_s,
    }


def _mhz(hz: float | None) -> float | None:
    return None if hz is None else hz / 1e6


def _channel(scan: ScanRecord, track: TrackInScan) -> dict[str, int]:
    """Return the channel within its coarse channel, and the coarse channel."""
    first_hz, width_hz, at_hz = scan["first_channel_hz"], scan["channel_width_hz"], track["frequency_hz"]
    if first_hz is None or not width_hz or at_hz is None:
        return {}
    channel = math.floor((at_hz - first_hz) / width_hz + 0.5)
    coarse, index = divmod(channel, scan["coarse_channel_width"] or scan["n_channels"] or channel + 1)
    return {"ChanIndx": index, "CoarseChanNum": coarse}


def _range(event: EventRecord, document: CadenceDocument) -> dict[str, float | None]:
    """Return the ends of the range that the track covers over all scans, higher first as turboSETI writes it."""
    spans = [(scan["start_s"], scan["duration_s"]) for scan in document.scans]
    times = [start + (length or 0.0) * end for start, length in spans if start is not None for end in (0, 1)]
    drift, change = event["drift_rate"], event["drift_change_hz_s2"]
    found = [event["frequency_hz"] + drift * time + change * time**2 / 2 for time in times]
    return {"FreqStart": _mhz(max(found, default=None)), "FreqEnd": _mhz(min(found, default=None))}
