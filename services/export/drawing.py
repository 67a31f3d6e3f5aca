"""What all pictures share: colours, the range that they span, texts that the font can draw, and the PNG itself."""

import io
from functools import cache

import numpy as np
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font

from shared.arrays import Power

DPI = 100
LOST = "#b4b4b4"
COLOURS = colormaps["viridis"].with_extremes(bad=LOST)
MARK = "#d62728"


@cache
def _drawable() -> frozenset[int]:
    """Return the code points that the font has."""
    return frozenset(get_font(findfont("DejaVu Sans")).get_charmap())


def plain_text(text: str, limit: int = 72) -> str:
    """Return text that the font can draw, short enough for one line."""
    clean = "".join(char if char.isprintable() and ord(char) in _drawable() else "?" for char in text)
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"


def colour_limits(power: Power) -> tuple[float, float]:
    """Return colour limits that don't depend on bright samples, even if these are a third of all.

    From the 5th percentile to the median plus ten sigma, where sigma is the median less the 16th percentile.
    """
    finite = power[np.isfinite(power)]
    if finite.size == 0:
        return 0.0, 1.0
    low, below, middle = (float(value) for value in np.percentile(finite, [5, 15.87, 50]))
    return low, max(middle + 10 * (middle - below), low + 1e-6)


def to_png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    # Without matplotlib's version in the metadata, the bytes depend on the drawing alone.
    figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    return buffer.getvalue()


def new_figure(width_px: int, height_px: int) -> Figure:
    figure = Figure(figsize=(width_px / DPI, height_px / DPI), dpi=DPI)
    FigureCanvasAgg(figure)
    return figure
