"""The pictures of a cadence: one event scan by scan, and all tracks on the band.

The scans of an event are drawn one below another on one frequency axis, which rises to the right whatever the sign of
the files' channel widths. Power is in units of each scan's own noise, and all panels have the same colours, so that a
signal of equal strength looks equal in all of them. The fitted track is dashed on either side of the signal and leaves
it visible.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from services.export.drawing import COLOURS, LOST, MARK, colour_limits, new_figure, plain_text, to_png
from services.export.mark_labels import join_labels
from services.export.provenance import utc_date
from services.export.waterfall import max_reduce, with_lost_marked
from shared.arrays import Floats, Power
from shared.cadence_document import CadenceDocument, EventRecord, ScanRecord, TrackInScan
from shared.hits import Cutout
from shared.units import FREQUENCY_UNITS, counted, fitting_unit

WIDTH_PX, PANEL_PX, HEAD_PX, FOOT_PX, GAP_PX = 1000, 110, 92, 56, 8
LEFT, RIGHT = 0.085, 0.70  # of the panels, as parts of the figure's width
COLUMNS = 615  # one for each pixel of a panel
OFFSET_UNITS = FREQUENCY_UNITS[1:4]
OFFSET_AXIS_UNITS = 5
# The dashed lines keep this part of the axis away from the signal, at least.
BESIDE = 0.025
NOTE_CHARACTERS = 46
REJECTED_MARK = "#9a9a9a"
OFF_ROWS = "#ececec"
CHARACTER = 0.008  # width of a character of a mark's label, as a part of the overview's axis
ROW_PX = 46


@dataclass(frozen=True)
class _Axis:
    """The frequency axis of all panels: offsets from `centre_hz`, Hz, in units of `scale` Hz called `unit`."""

    centre_hz: float
    low_hz: float
    high_hz: float
    unit: str
    scale: float

    @property
    def limits(self) -> tuple[float, float]:
        """Return the ends of the axis in its unit."""
        return self.low_hz / self.scale, self.high_hz / self.scale


def _edges_hz(scan: ScanRecord, cutout: Cutout) -> tuple[float, float]:
    """Return the lower and upper end of a cut-out, Hz."""
    first_hz, width_hz = scan["first_channel_hz"] or 0.0, scan["channel_width_hz"] or 0.0
    ends = [first_hz + (cutout.start_channel + edge) * width_hz for edge in (-0.5, cutout.power.shape[1] - 0.5)]
    return min(ends), max(ends)


def _axis(document: CadenceDocument, event: EventRecord, cutouts: Mapping[int, Cutout]) -> _Axis:
    """Return the axis that holds all cut-outs, or a kilohertz round the event if there are none."""
    centre_hz = event["frequency_hz"]
    edges = [_edges_hz(document.scans[index], cutout) for index, cutout in cutouts.items()]
    low_hz = min((low for low, _ in edges), default=centre_hz - 500) - centre_hz
    high_hz = max((high for _, high in edges), default=centre_hz + 500) - centre_hz
    unit = fitting_unit(high_hz - low_hz, OFFSET_UNITS, at_least=OFFSET_AXIS_UNITS)
    return _Axis(centre_hz, low_hz, high_hz, unit.name, unit.size)


def track_hz(event: EventRecord, times_s: Floats) -> Floats:
    """Return the frequency of a track, Hz, at times since the epoch, s."""
    drift, change = event["drift_rate"], event["drift_change_hz_s2"]
    found: Floats = event["frequency_hz"] + drift * times_s + 0.5 * change * times_s**2
    return found


def _drawn(cutout: Cutout, scan: ScanRecord) -> Power:
    """Return a cut-out with frequency rising to the right, at most one column per pixel, lost samples as -inf."""
    power = with_lost_marked(np.nan_to_num(cutout.power, nan=0.0, posinf=0.0, neginf=0.0))
    if (scan["channel_width_hz"] or 0.0) < 0:
        power = power[:, ::-1]
    if power.shape[1] <= COLUMNS:
        return power
    return max_reduce(power, np.arange(power.shape[1] + 1, dtype=np.float64), COLUMNS)


def _colours(pictures: Sequence[Power]) -> tuple[float, float]:
    """Return the colour limits of all panels: up to what the brightest hundredth of a panel's samples reach."""
    if not pictures:
        return 0.0, 1.0
    limits = [colour_limits(power) for power in pictures]
    bright = [np.percentile(power[np.isfinite(power)], 99.5) for power in pictures if np.isfinite(power).any()]
    low = float(np.median([low for low, _ in limits]))
    return low, max(low + 1e-6, float(np.median([high for _, high in limits])), *map(float, bright))


def _dashes(axes: Axes, event: EventRecord, scan: ScanRecord, axis: _Axis) -> None:
    """Draw the track on either side of the signal."""
    duration_s, start_s = scan["duration_s"] or 0.0, scan["start_s"] or 0.0
    times_s = np.linspace(0.0, duration_s, 33)
    places = (track_hz(event, start_s + times_s) - axis.centre_hz) / axis.scale
    low, high = axis.limits
    beside = max(BESIDE * (high - low), event["bandwidth_hz"] / axis.scale)
    for side in (-beside, beside):
        axes.plot(places + side, times_s, "--", color="white", linewidth=1.2, alpha=0.9)


def _number(value: float | None, error: float | None) -> str:
    if value is None:
        return "not measured"
    return f"{value:.1f}" if error is None else f"{value:.1f} ± {error:.1f}"


def note_of(track: TrackInScan, scan: ScanRecord) -> list[str]:
    """Return the lines beside a panel: SNR or limit, what the rule says, and when it was."""
    if track["snr"] is None:
        snr = {"outside": "outside the band", "lost": "samples lost", "missing": "no results"}.get(
            track["state"], "not measured"
        )
    elif track["is_present"]:
        snr = f"SNR {_number(track['snr'], track['snr_error'])}"
    else:
        snr = f"{_not_shown(track)}: SNR {_number(track['snr'], None)}"
        snr += "" if track["snr_limit"] is None else f", below {track['snr_limit']:.1f}"
    mjd = "" if scan["tstart_mjd"] is None else f"MJD {scan['tstart_mjd']:.5f}"
    return [snr, plain_text(scan["source_name"] or scan["file_name"], NOTE_CHARACTERS), mjd]


def _not_shown(track: TrackInScan) -> str:
    """Return what a scan says that doesn't show a track: nothing, if it would not show its whole strength."""
    limit = track["strength_ratio_limit"]
    return "says nothing" if limit is not None and limit >= 1 else "absent"


def _panel(figure: Figure, place: tuple[float, float, float, float], scan: ScanRecord, axis: _Axis) -> Axes:
    axes: Axes = figure.add_axes(place)
    axes.set_facecolor(LOST)
    axes.set_xlim(*axis.limits)
    axes.set_ylim(scan["duration_s"] or 1.0, 0.0)
    axes.tick_params(labelsize=8)
    name = f"{scan['role'].upper()} {scan['index'] + 1}"
    if scan["duration_s"] is None:
        axes.set_yticks([])
        axes.set_ylabel(name, fontsize=8)
    else:
        axes.set_ylabel(f"{name}\ntime (s)", fontsize=8)
    return axes


def _title(figure: Figure, document: CadenceDocument, event: EventRecord) -> None:
    height = figure.bbox.height
    source = plain_text(document.source_name or document.name, 60)
    figure.text(LEFT, 1 - 26 / height, source, fontsize=14, weight="bold", parse_math=False)
    verdict = event["classification"] if event["is_event"] else f"{event['classification']}, no event"
    figure.text(0.985, 1 - 26 / height, f"event {event['id']}", fontsize=12, ha="right")
    error = event["drift_rate_error"]
    drift = f"{event['drift_rate']:+.4f}" + ("" if error is None else f" ± {error:.4f}")
    snr = (
        "" if event["snr"] is None else f"    SNR {event['snr']:.1f} in {counted(event['on_scans_present'], 'ON scan')}"
    )
    text = f"{event['frequency_hz'] / 1e6:.6f} MHz    {drift} Hz/s{snr}    {verdict}"
    figure.text(LEFT, 1 - 48 / height, text, fontsize=10, parse_math=False)
    date = utc_date(document.epoch_mjd)
    when = f"{date[:19].replace('T', ' ')} UTC  (MJD {document.epoch_mjd:.5f})" if date else "date unknown"
    figure.text(LEFT, 1 - 68 / height, when, fontsize=9, color="#444444")


def draw_event(document: CadenceDocument, event: EventRecord, cutouts: Mapping[int, Cutout]) -> bytes:
    """Return the picture of one event as PNG.

    Parameters
    ----------
    document
        The cadence.
    event
        One of its events, or of its rejected tracks.
    cutouts
        By the index of the scan; a scan without one is drawn empty, with the reason beside it.
    """
    count = len(document.scans)
    height = HEAD_PX + count * (PANEL_PX + GAP_PX) + FOOT_PX
    figure = new_figure(WIDTH_PX, height)
    axis = _axis(document, event, cutouts)
    pictures = {index: _drawn(cutout, document.scans[index]) for index, cutout in cutouts.items()}
    low, high = _colours(list(pictures.values()))
    tracks = {track["scan"]: track for track in event["scans"]}
    image: Any = None
    for at, scan in enumerate(document.scans):
        bottom = height - HEAD_PX - (at + 1) * PANEL_PX - at * GAP_PX
        axes = _panel(figure, (LEFT, bottom / height, RIGHT - LEFT, PANEL_PX / height), scan, axis)
        if scan["index"] in pictures:
            ends = [(edge - axis.centre_hz) / axis.scale for edge in _edges_hz(scan, cutouts[scan["index"]])]
            image = axes.imshow(
                pictures[scan["index"]],
                aspect="auto",
                interpolation="nearest",
                cmap=COLOURS,
                vmin=low,
                vmax=high,
                extent=(ends[0], ends[1], scan["duration_s"] or 1.0, 0.0),
            )
            _dashes(axes, event, scan, axis)
            axes.set_xlim(*axis.limits)
        if at < count - 1:
            axes.set_xticklabels([])
        if scan["index"] in tracks:
            _write_note(figure, tracks[scan["index"]], scan, (bottom + PANEL_PX) / height)
    figure.axes[-1].set_xlabel(f"Offset from {axis.centre_hz / 1e6:.6f} MHz ({axis.unit})", fontsize=9)
    _title(figure, document, event)
    if image is not None:
        bar = figure.colorbar(image, cax=figure.add_axes((0.925, FOOT_PX / height, 0.012, 0.3)), extend="both")
        bar.set_label("σ of the scan's noise", fontsize=8)
        bar.ax.tick_params(labelsize=8)
    return to_png(figure)


def _write_note(figure: Figure, track: TrackInScan, scan: ScanRecord, top: float) -> None:
    """Write what is known of the event in one scan beside its panel."""
    line = 17 / figure.bbox.height
    # Red is for what counts: the signal in an ON scan, or what rules the event out.
    colours = [MARK if track["is_present"] else "#000000", "#444444", "#444444"]
    for number, (text, colour) in enumerate(zip(note_of(track, scan), colours, strict=True), start=1):
        figure.text(RIGHT + 0.015, top - number * line, text, fontsize=9, color=colour, parse_math=False)


def draw_overview(document: CadenceDocument) -> bytes:
    """Return all tracks on the band as PNG: a mark in each scan that holds them, with the first events numbered."""
    count = len(document.scans)
    height = HEAD_PX + count * ROW_PX + FOOT_PX
    figure = new_figure(1600, height)
    axes = figure.add_axes((0.1, FOOT_PX / height, 0.88, count * ROW_PX / height))
    _draw_rows(axes, document)
    low, high = _band_mhz(document)
    for tracks, colour in ((document.rejected, REJECTED_MARK), (document.events, MARK)):
        places = [
            (track["frequency_hz"] / 1e6, scan["scan"])
            for track in tracks
            for scan in track["scans"]
            if scan["is_present"]
        ]
        axes.plot([x for x, _ in places], [y for _, y in places], "|", color=colour, markersize=24, markeredgewidth=1.2)
    axes.set_xlim(low, high)
    events = document.events[:20]
    marks = [(event["frequency_hz"] / 1e6 - low) / (high - low) for event in events]
    for place, text in join_labels(marks, CHARACTER):
        axes.annotate(
            text,
            (place, 1.0),
            xycoords="axes fraction",
            xytext=(0, 4),
            textcoords="offset points",
            color=MARK,
            fontsize=10,
            ha="center",
        )
    axes.ticklabel_format(axis="x", useOffset=False, style="plain")
    axes.set_xlabel("Frequency (MHz)")
    summary = document.summary
    title = plain_text(document.source_name or document.name, 60)
    figure.text(0.1, 1 - 26 / height, title, fontsize=14, weight="bold", parse_math=False)
    counts = (
        f"events: {summary.events} of {counted(summary.families, 'emitter')}    candidates: {summary.candidates}    "
        f"rejected tracks: {summary.rejected}"
    )
    figure.text(0.98, 1 - 26 / height, counts, fontsize=12, ha="right")
    legend = f"red: events    grey: rejected tracks ({len(document.rejected)} strongest)    shaded: OFF scans"
    figure.text(0.1, 1 - 50 / height, legend, fontsize=9, color="#444444")
    return to_png(figure)


def _draw_rows(axes: Axes, document: CadenceDocument) -> None:
    """Label the rows of the overview, one per scan, and shade those of OFF scans."""
    names = []
    for scan in document.scans:
        names.append(f"{scan['role'].upper()} {scan['index'] + 1}")
        if scan["role"] == "off":
            axes.axhspan(scan["index"] - 0.5, scan["index"] + 0.5, color=OFF_ROWS, zorder=0)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_yticks(range(len(names)), names)


def _band_mhz(document: CadenceDocument) -> tuple[float, float]:
    """Return the ends of the band that any scan covers, MHz; of hit lists without headers, that of the tracks."""
    lows = [scan["lowest_frequency_hz"] for scan in document.scans]
    highs = [scan["highest_frequency_hz"] for scan in document.scans]
    tracks = [track["frequency_hz"] for track in (*document.events, *document.rejected)]
    low = min([value for value in lows if value is not None], default=min(tracks, default=0.0))
    high = max([value for value in highs if value is not None], default=max(tracks, default=1e6))
    return (low / 1e6, high / 1e6) if high > low else (low / 1e6 - 0.5, low / 1e6 + 0.5)
