"""The waterfall picture: the whole observation, its hits, and the first candidates in detail.

Frequency rises to the right whatever the sign of the file's channel width; time runs down from the first spectrum.
Figures are drawn without pyplot, so no state is global and the same input gives the same bytes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from services.export.drawing import COLOURS, LOST, MARK, colour_limits, new_figure, plain_text, to_png
from services.export.mark_labels import join_labels
from services.export.provenance import utc_date
from services.export.waterfall import max_reduce, with_lost_marked
from shared.arrays import Power
from shared.header import Header
from shared.hits import Cutout
from shared.labels import RFI_OR_NOISE
from shared.results import HitRecord
from shared.telescopes import telescope_name
from shared.units import FREQUENCY_UNITS, TIME_UNITS, Unit, fitting_unit, frequency_text, time_text

LEFT, WIDTH = 0.055, 0.875  # of the waterfall, as parts of the figure's width
TOP = 0.865  # upper end of the waterfall, as a part of the figure's height
WATERFALL_COLUMNS = 700  # two pixels each, so that a tone of one channel is visible
PANEL_COLUMNS = 120
WIDEST_PANEL, PANEL_GAP = 0.28, 0.018
HIT_MARK = "#000000"
RFI_MARK = "#9a9a9a"
CHARACTER = 0.0062  # width of a character of a mark's label, as a part of the waterfall's
MAX_MARKS = 2000
MAX_PANELS = 6
# An axis is as long as so many of its unit, or more.
AXIS_UNITS, OFFSET_AXIS_UNITS = 5, 20
OFFSET_UNITS = FREQUENCY_UNITS[1:4]


@dataclass(frozen=True)
class Panel:
    """One candidate's record and its cut-out."""

    record: HitRecord
    cutout: Cutout


@dataclass(frozen=True)
class Picture:
    """Everything that is drawn: the whole observation, every hit, and the first candidates in detail.

    `waterfall` is float32 (rows, columns) with equally wide columns from the first channel to the last, and -inf where
    samples are lost.
    """

    header: Header
    title: str
    file_name: str
    waterfall: Power
    hits: Sequence[HitRecord]
    panels: Sequence[Panel]
    n_candidates: int = 0
    warnings: Sequence[str] = ()


def _rising(power: Power, header: Header) -> Power:
    """Return the columns in order of rising frequency."""
    return power[:, ::-1] if header.foff_mhz < 0 else power


def _show_waterfall(axes: Axes, picture: Picture, columns: int) -> Any:
    """Show the waterfall on `columns` columns: at most one per pixel, or columns would be skipped."""
    header, power = picture.header, picture.waterfall
    if power.shape[1] > columns:
        power = max_reduce(power, np.arange(power.shape[1] + 1, dtype=np.float64), columns)
    ends = sorted((header.frequency_hz(-0.5) / 1e6, header.frequency_hz(header.n_channels - 0.5) / 1e6))
    low, high = colour_limits(power)
    return axes.imshow(
        _rising(power, header),
        aspect="auto",
        interpolation="nearest",
        cmap=COLOURS,
        vmin=low,
        vmax=high,
        extent=(ends[0], ends[1], header.duration_s / _time_unit(header).size, 0.0),
    )


def _time_unit(header: Header) -> Unit:
    """Return the unit of the axes of time."""
    return fitting_unit(header.duration_s, TIME_UNITS, at_least=AXIS_UNITS)


def _ticks(axes: Axes, hits: Sequence[HitRecord], colour: str) -> None:
    """Draw a short line above the picture for each hit."""
    strongest = sorted(hits, key=lambda record: -record["snr"])[:MAX_MARKS]
    axes.plot(
        [record["frequency_hz"] / 1e6 for record in strongest],
        [1.012] * len(strongest),
        "|",
        color=colour,
        markersize=6,
        transform=axes.get_xaxis_transform(),
        clip_on=False,
    )


def _triangles(axes: Axes, panels: Sequence[Panel], height: float, size: int) -> None:
    axes.plot(
        [panel.record["frequency_hz"] / 1e6 for panel in panels],
        [height] * len(panels),
        "v",
        color=MARK,
        markersize=size,
        transform=axes.get_xaxis_transform(),
        clip_on=False,
    )


def _mark_hits(figure: Figure, axes: Axes, picture: Picture) -> None:
    """Draw the marks above the picture, where they hide nothing."""
    left, right = axes.get_xlim()
    rfi = [record for record in picture.hits if record["classification"] in RFI_OR_NOISE]
    others = [record for record in picture.hits if record["classification"] not in RFI_OR_NOISE]
    _ticks(axes, rfi, RFI_MARK)
    _ticks(axes, others, HIT_MARK)
    _triangles(axes, picture.panels, 1.018, 6)
    places = [(panel.record["frequency_hz"] / 1e6 - left) / (right - left) for panel in picture.panels]
    for place, text in join_labels(places, CHARACTER):
        axes.annotate(
            text,
            (place, 1.0),
            xycoords="axes fraction",
            xytext=(0, 12),
            textcoords="offset points",
            color=MARK,
            fontsize=10,
            ha="center",
        )
    axes.set_xlim(left, right)
    legend = [
        ("▼ shown below", MARK, bool(picture.panels)),
        ("| hit", HIT_MARK, bool(others)),
        ("| RFI or noise", RFI_MARK, bool(rfi)),
        ("■ lost", LOST, not np.isfinite(picture.waterfall).all()),
    ]
    end = LEFT + WIDTH
    for text, colour, is_used in reversed(legend):
        if is_used:
            entry = figure.text(end, TOP + 0.045, text, fontsize=9, ha="right", color=colour)
            end = float(entry.get_window_extent().x0) / figure.bbox.width - 0.012


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _headings(figure: Figure, picture: Picture) -> None:
    header, right = picture.header, LEFT + WIDTH
    figure.text(LEFT, 0.962, plain_text(picture.title), fontsize=14, weight="bold", parse_math=False)
    counts = f"{_counted(len(picture.hits), 'hit')}, {_counted(picture.n_candidates, 'candidate')}"
    figure.text(right, 0.962, counts, fontsize=12, ha="right")
    date = utc_date(header.tstart_mjd)
    about = [
        plain_text(picture.file_name) if picture.file_name != picture.title else "",
        telescope_name(header.telescope_id) if header.telescope_id else "",
        f"{date[:19].replace('T', ' ')} UTC  (MJD {header.tstart_mjd:.5f})" if date else "date unknown",
        f"{header.n_spectra} × {time_text(header.tsamp_s, digits=6)}",
        f"{header.n_channels} × {frequency_text(abs(header.foff_hz), digits=6)}",
    ]
    figure.text(LEFT, 0.936, "    ".join(filter(None, about)), fontsize=10, color="#444444", parse_math=False)
    if picture.warnings:
        more = f"  (and {len(picture.warnings) - 1} more in results.json)" if len(picture.warnings) > 1 else ""
        note = f"Note: {plain_text(picture.warnings[0], 125)}{more}"
        figure.text(LEFT, TOP + 0.045, note, fontsize=9, color=MARK, parse_math=False)


def _main_axes(figure: Figure, picture: Picture, bottom: float) -> None:
    axes = figure.add_axes((LEFT, bottom, WIDTH, TOP - bottom))
    image = _show_waterfall(axes, picture, WATERFALL_COLUMNS)
    _mark_hits(figure, axes, picture)
    axes.ticklabel_format(axis="both", useOffset=False, style="plain")
    axes.set_xlabel("Frequency (MHz)")
    axes.set_ylabel(f"Time since start ({_time_unit(picture.header).name})")
    cax = figure.add_axes((LEFT + WIDTH + 0.01, bottom, 0.012, TOP - bottom))
    bar = figure.colorbar(image, cax=cax, extend="max")
    bar.set_label("Brightest channel (σ of the noise)")
    _headings(figure, picture)


def _shrink(cutout: Cutout) -> Power:
    power = with_lost_marked(np.nan_to_num(cutout.power, nan=0.0, posinf=0.0, neginf=0.0))
    if power.shape[1] <= PANEL_COLUMNS:
        return power
    return max_reduce(power, np.arange(power.shape[1] + 1, dtype=np.float64), PANEL_COLUMNS)


def _path_brightness(power: Power, drift_hz: float, start_hz: float, span_hz: float) -> float:
    """Return the 90th percentile over the rows of the brightest sample on the path.

    Colours follow it, so that a brighter neighbour does not set them. The path starts `start_hz` above the lower end of
    the panel, which is `span_hz` wide, and moves by `drift_hz`.
    """
    rows, columns = power.shape
    place = (start_hz + drift_hz * np.linspace(0, 1, rows)) / span_hz * columns
    at = np.clip(place.astype(np.int64)[:, None] + np.arange(-1, 2), 0, columns - 1)
    brightest = np.take_along_axis(power, at, axis=1).max(axis=1)
    return float(np.percentile(brightest[np.isfinite(brightest)], 90)) if np.isfinite(brightest).any() else 0.0


def _drift_lines(axes: Axes, header: Header, drift: float, half_width: float) -> None:
    """Draw two dashed lines on either side of the path, which show its slope and leave the signal visible."""
    size = _time_unit(header).size
    times = [0.5 * header.tsamp_s / size, (header.duration_s - 0.5 * header.tsamp_s) / size]
    for side in (-half_width, half_width):
        axes.plot([side, side + drift], times, "--", color="white", linewidth=1.1, alpha=0.85)


def _panel_axes(axes: Axes, number: int, panel: Panel, header: Header) -> None:
    record, cutout = panel.record, panel.cutout
    centre_hz, channels = record["frequency_hz"], cutout.power.shape[1]
    low_hz, high_hz = sorted(
        header.frequency_hz(cutout.start_channel + edge) - centre_hz for edge in (-0.5, channels - 0.5)
    )
    unit, scale = fitting_unit(high_hz - low_hz, OFFSET_UNITS, at_least=OFFSET_AXIS_UNITS)
    end = header.duration_s / _time_unit(header).size
    ends = (low_hz / scale, high_hz / scale)
    power = _rising(_shrink(cutout), header)
    low, high = colour_limits(power)
    drift_hz = record["drift_rate"] * (header.n_spectra - 1) * header.tsamp_s
    axes.imshow(
        power,
        aspect="auto",
        interpolation="nearest",
        cmap=COLOURS,
        vmin=low,
        vmax=max(high, _path_brightness(power, drift_hz, -low_hz, high_hz - low_hz)),
        extent=(*ends, end, 0.0),
    )
    beside = max(0.06 * (ends[1] - ends[0]), record["bandwidth_hz"] / scale)
    _drift_lines(axes, header, drift_hz / scale, beside)
    axes.set_xlim(*ends)
    axes.set_ylim(end, 0.0)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.ticklabel_format(axis="both", useOffset=False, style="plain")
    axes.tick_params(labelsize=8)
    axes.set_xlabel(f"Offset ({unit})", fontsize=9)
    axes.set_title(
        f"{number}:  {centre_hz / 1e6:.6f} MHz\n{record['drift_rate']:+.4f} Hz/s   SNR {record['snr']:.1f}\n"
        f"{record['classification']}",
        fontsize=9,
        parse_math=False,
    )


def _panels(figure: Figure, picture: Picture) -> None:
    count = len(picture.panels)
    width = min(WIDEST_PANEL, (WIDTH + 0.022 - (count - 1) * PANEL_GAP) / count)
    for at, panel in enumerate(picture.panels):
        axes = figure.add_axes((LEFT + at * (width + PANEL_GAP), 0.06, width, 0.30))
        _panel_axes(axes, at + 1, panel, picture.header)
        if at == 0:
            axes.set_ylabel(f"Time since start ({_time_unit(picture.header).name})", fontsize=9)
        else:
            axes.set_yticklabels([])


def draw(picture: Picture) -> bytes:
    """Return the whole picture, 1600 x 1000 pixels, as PNG."""
    figure = new_figure(1600, 1000)
    if picture.panels:
        _main_axes(figure, picture, bottom=0.48)
        _panels(figure, picture)
    else:
        _main_axes(figure, picture, bottom=0.12)
        note = (
            "No candidates: nothing is left to look at among the hits."
            if picture.hits
            else "No hit above the threshold."
        )
        figure.text(LEFT, 0.03, note, fontsize=12)
    return to_png(figure)


def draw_thumbnail(picture: Picture) -> bytes:
    """Return the waterfall alone with the candidates marked, 400 x 250 pixels, as PNG."""
    figure = new_figure(400, 250)
    axes = figure.add_axes((0.0, 0.0, 1.0, 0.94))
    _show_waterfall(axes, picture, 400)
    left, right = axes.get_xlim()
    _triangles(axes, picture.panels, 1.025, 5)
    axes.set_xlim(left, right)
    axes.set_axis_off()
    return to_png(figure)
