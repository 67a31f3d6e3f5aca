"""The waterfall picture: the whole observation, its hits, and the first candidates close up.

Frequency rises to the right whatever the sign of the file's channel width; time runs down from the first spectrum.
Figures are drawn without pyplot, so nothing is global and the same input gives the same bytes.
"""

import io
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font
from matplotlib.ticker import MaxNLocator

from services.export.domain import MAX_PANELS, Panel, Picture, max_reduce
from shared.header import Header
from shared.hits import Cutout

DPI = 100
TOP = 0.89  # upper end of the waterfall, as a part of the figure's height
WATERFALL_COLUMNS = 700  # two pixels each: a tone of one channel is a line that one can see
PANEL_COLUMNS = 120
COLOURS = "viridis"
MARK = "#d62728"
OTHER_MARK = "#7f7f7f"
LABEL_GAP = 0.025  # marks closer than this part of the width share one label
MAX_MARKS = 2000


@cache
def _drawable() -> frozenset[int]:
    """Code points that the font has."""
    return frozenset(get_font(findfont("DejaVu Sans")).get_charmap())


def _plain(text: str, limit: int = 72) -> str:
    """What the font can draw, short enough for one line."""
    clean = "".join(char if char.isprintable() and ord(char) in _drawable() else "?" for char in text)
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"


def _limits(power: npt.NDArray[np.float32]) -> tuple[float, float]:
    """Colour limits that a few bright samples don't move: from the 5th percentile to the median plus 8 robust sigma."""
    finite = power[np.isfinite(power)]
    if finite.size == 0:
        return 0.0, 1.0
    low, middle, high = (float(value) for value in np.percentile(finite, [5, 50, 84.13]))
    return low, max(middle + 8 * (high - middle), low + 1e-6)


def _rising(power: npt.NDArray[np.float32], header: Header) -> npt.NDArray[np.float32]:
    """Columns in the order of rising frequency."""
    return power[:, ::-1] if header.foff_mhz < 0 else power


def _show_waterfall(axes: Axes, picture: Picture) -> Any:
    header = picture.header
    ends = sorted((header.frequency_hz(-0.5) / 1e6, header.frequency_hz(header.n_channels - 0.5) / 1e6))
    low, high = _limits(picture.waterfall)
    return axes.imshow(
        _rising(picture.waterfall, header),
        aspect="auto",
        interpolation="nearest",
        cmap=COLOURS,
        vmin=low,
        vmax=high,
        extent=(ends[0], ends[1], header.duration_s, 0.0),
    )


def _shared_labels(places: Sequence[float]) -> list[tuple[float, str]]:
    """Numbers (from 1) of the marks at `places` (0..1), joined where they would overlap, with where to write them."""
    groups: list[list[tuple[float, int]]] = []
    for place, number in sorted((place, number) for number, place in enumerate(places, start=1)):
        if groups and place - groups[-1][0][0] < LABEL_GAP:
            groups[-1].append((place, number))
        else:
            groups.append([(place, number)])
    return [
        (sum(place for place, _ in group) / len(group), ",".join(str(n) for n in sorted(n for _, n in group)))
        for group in groups
    ]


def _mark_hits(figure: Figure, axes: Axes, picture: Picture) -> None:
    """Marks stand above the picture, so that they hide nothing."""
    if not picture.hits:
        return
    above = axes.get_xaxis_transform()
    strongest = sorted(picture.hits, key=lambda record: -record["snr"])[:MAX_MARKS]
    axes.plot(
        [record["frequency_hz"] / 1e6 for record in strongest],
        [1.012] * len(strongest),
        "|",
        color=OTHER_MARK,
        markersize=6,
        transform=above,
        clip_on=False,
    )
    frequencies = [panel.record["frequency_hz"] / 1e6 for panel in picture.panels]
    axes.plot(frequencies, [1.018] * len(frequencies), "v", color=MARK, markersize=6, transform=above, clip_on=False)
    legend = "▼ numbered below     | any hit" if picture.panels else "| any hit"
    figure.text(0.93, TOP + 0.04, legend, fontsize=9, ha="right", color=OTHER_MARK)
    left, right = axes.get_xlim()
    for place, text in _shared_labels([(frequency - left) / (right - left) for frequency in frequencies]):
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


def _main_axes(figure: Figure, picture: Picture, bottom: float) -> None:
    axes = figure.add_axes((0.055, bottom, 0.875, TOP - bottom))
    image = _show_waterfall(axes, picture)
    _mark_hits(figure, axes, picture)
    axes.ticklabel_format(axis="x", useOffset=False, style="plain")
    axes.set_xlabel("Frequency (MHz)")
    axes.set_ylabel("Time (s)")
    bar = figure.colorbar(image, cax=figure.add_axes((0.94, bottom, 0.012, TOP - bottom)))
    bar.set_label("Power (σ)")
    header = picture.header
    if picture.warnings:
        more = f"  (and {len(picture.warnings) - 1} more in results.json)" if len(picture.warnings) > 1 else ""
        note = f"Note: {_plain(picture.warnings[0], 130)}{more}"
        figure.text(0.055, TOP + 0.045, note, fontsize=9, color=MARK, parse_math=False)
    figure.text(0.055, 0.965, _plain(picture.title), fontsize=14, weight="bold", parse_math=False)
    figure.text(
        0.94,
        0.967,
        f"MJD {header.tstart_mjd:.5f}   {header.n_spectra} × {header.tsamp_s:.6g} s   "
        f"{header.n_channels} × {abs(header.foff_hz):.6g} Hz   {len(picture.hits)} hits",
        fontsize=10,
        ha="right",
        parse_math=False,
    )


def _shrink(cutout: Cutout) -> npt.NDArray[np.float32]:
    power = np.nan_to_num(cutout.power, nan=0.0, posinf=0.0, neginf=0.0)
    if power.shape[1] <= PANEL_COLUMNS:
        return power
    return max_reduce(power, np.arange(power.shape[1] + 1, dtype=np.float64), PANEL_COLUMNS)


def _drift_lines(axes: Axes, panel: Panel, header: Header, half_width_hz: float) -> None:
    """Two dashed lines on either side of the path: they show its slope and leave the signal free."""
    end_s = (header.n_spectra - 1) * header.tsamp_s
    drift_hz = panel.record["drift_rate"] * end_s
    middle_s = 0.5 * header.tsamp_s
    for side in (-half_width_hz, half_width_hz):
        axes.plot([side, side + drift_hz], [middle_s, middle_s + end_s], "--", color="white", linewidth=1.1, alpha=0.85)


def _panel_axes(axes: Axes, number: int, panel: Panel, header: Header) -> None:
    record, cutout = panel.record, panel.cutout
    channels = cutout.power.shape[1]
    centre_hz = record["frequency_hz"]
    ends = sorted(
        (
            header.frequency_hz(cutout.start_channel - 0.5) - centre_hz,
            header.frequency_hz(cutout.start_channel + channels - 0.5) - centre_hz,
        )
    )
    power = _rising(_shrink(cutout), header)
    low, high = _limits(power)
    axes.imshow(
        power,
        aspect="auto",
        interpolation="nearest",
        cmap=COLOURS,
        vmin=low,
        vmax=max(high, float(np.percentile(power, 99.5))),
        extent=(ends[0], ends[1], header.duration_s, 0.0),
    )
    beside_hz = max(0.06 * (ends[1] - ends[0]), record["bandwidth_hz"])
    _drift_lines(axes, panel, header, beside_hz)
    axes.set_xlim(*ends)
    axes.set_ylim(header.duration_s, 0.0)
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.tick_params(labelsize=8)
    axes.set_xlabel("Offset (Hz)", fontsize=9)
    axes.set_title(
        f"{number}:  {centre_hz / 1e6:.6f} MHz\n{record['drift_rate']:+.4f} Hz/s   SNR {record['snr']:.1f}\n"
        f"{record['classification']}",
        fontsize=9,
        parse_math=False,
    )


def _to_png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    # Without matplotlib's version in it, the bytes depend on what is drawn alone.
    figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    return buffer.getvalue()


def _figure(width_px: int, height_px: int) -> Figure:
    figure = Figure(figsize=(width_px / DPI, height_px / DPI), dpi=DPI)
    FigureCanvasAgg(figure)
    return figure


def draw(picture: Picture) -> bytes:
    """The whole picture, 1600 x 1000 pixels, as PNG."""
    figure = _figure(1600, 1000)
    if picture.panels:
        _main_axes(figure, picture, bottom=0.50)
        gap, width = 0.018, (0.875 + 0.022 - 5 * 0.018) / MAX_PANELS
        for at, panel in enumerate(picture.panels):
            axes = figure.add_axes((0.055 + at * (width + gap), 0.06, width, 0.29))
            _panel_axes(axes, at + 1, panel, picture.header)
            if at == 0:
                axes.set_ylabel("Time (s)", fontsize=9)
            else:
                axes.set_yticklabels([])
    else:
        _main_axes(figure, picture, bottom=0.12)
        note = "No hit is left to look at." if picture.hits else "No hit above the threshold."
        figure.text(0.055, 0.03, note, fontsize=12)
    return _to_png(figure)


def draw_thumbnail(picture: Picture) -> bytes:
    """The waterfall alone with the candidates marked, 400 x 250 pixels, as PNG."""
    figure = _figure(400, 250)
    axes = figure.add_axes((0.0, 0.0, 1.0, 0.94))
    _show_waterfall(axes, picture)
    left, right = axes.get_xlim()
    frequencies = [panel.record["frequency_hz"] / 1e6 for panel in picture.panels]
    axes.plot(
        frequencies,
        [1.025] * len(frequencies),
        "v",
        color=MARK,
        markersize=5,
        transform=axes.get_xaxis_transform(),
        clip_on=False,
    )
    axes.set_xlim(left, right)
    axes.set_axis_off()
    return _to_png(figure)


def _record(frequency_hz: float) -> Mapping[str, Any]:
    return {"frequency_hz": frequency_hz, "drift_rate": 0.0, "snr": 1.0, "classification": "NOISE", "bandwidth_hz": 1.0}


def warm_up() -> None:
    """Draw a small picture, so that fonts and colours are loaded before the first job."""
    header = Header(
        file_format="fil", n_spectra=2, n_channels=8, n_ifs=1, n_bits=32, fch1_mhz=1.0, foff_mhz=1e-6, tsamp_s=1.0
    )
    power = np.zeros((2, 8), np.float32)
    panel = Panel(_record(1e6), Cutout(power, 0))
    picture = Picture(header, "", power, [panel.record], [panel])
    draw(picture)
    draw_thumbnail(picture)
