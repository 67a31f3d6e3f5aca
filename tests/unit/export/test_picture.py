"""The picture shows the tones where they are, whichever way the band runs."""

import io
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

from services.export import picture as picture_module
from services.export.picture import COLOURS, LOST, WATERFALL_COLUMNS, Panel, Picture, draw, draw_thumbnail
from services.export.waterfall import ChunkPart, assemble
from shared.hits import Cutout
from tests.unit.export.jobs import make_header

# Of the waterfall in the whole picture: left and right edge, and a stretch of rows well inside, pixels.
LEFT, RIGHT, ROWS = 88, 1488, slice(200, 480)
BRIGHTEST = np.array(COLOURS(1.0)[:3]) * 255


def picture_of(header, column, *, panels=0):
    power = np.random.default_rng(1).gumbel(2.8, 0.3, (16, 700)).astype(np.float32)
    power[:, column] = 60.0
    record = {
        "frequency_hz": header.frequency_hz(header.n_channels * (column + 0.5) / 700),
        "drift_rate": -0.4,
        "snr": 60.0,
        "classification": "CANDIDATE_ET",
        "bandwidth_hz": 2.8,
    }
    cutout = Cutout(np.random.default_rng(2).normal(size=(16, 100)).astype(np.float32), 1000)
    shown = [Panel(record, cutout)] * panels
    return Picture(header, "title $x", "file.fil", power, [record] * panels, shown, n_candidates=panels)


def pixels_of(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(float)


def bright_columns(pixels):
    """Columns whose every pixel has the colour of the top of the colour map."""
    return np.flatnonzero((np.abs(pixels - BRIGHTEST) < 2).all(axis=(0, 2)))


@pytest.mark.parametrize(("foff", "expected"), [(-2.8e-6, 599), (2.8e-6, 100)])
def test_frequency_rises_to_the_right(header, foff, expected):
    band = header.model_copy(update={"foff_mhz": foff})
    thumbnail = bright_columns(pixels_of(draw_thumbnail(picture_of(band, 100)))[40:])
    assert np.abs(thumbnail - expected * 400 / 700).max() <= 1
    whole = bright_columns(pixels_of(draw(picture_of(band, 100, panels=1)))[ROWS, LEFT:RIGHT])
    assert whole.tolist() == [2 * expected, 2 * expected + 1]


@pytest.mark.parametrize("bin_", [3, 777, 1234, 2044])
def test_a_tone_of_one_channel_is_seen_in_picture_and_thumbnail(bin_):
    """The chunk's waterfall holds the brightest of 512 channels in each of its 2048 bins."""
    header = make_header(foff_mhz=2.8e-6)
    chunk = np.full((16, 2048), 3.0, np.float32)
    chunk[:, bin_] = 30.0
    waterfall = assemble([ChunkPart(range(2**20), chunk, {})], WATERFALL_COLUMNS)
    picture = Picture(header, "", "", waterfall, [], [])
    for png, window, width in ((draw(picture), (ROWS, slice(LEFT, RIGHT)), 1400), (draw_thumbnail(picture), (), 400)):
        pixels = pixels_of(png)[window] if window else pixels_of(png)[40:]
        seen = bright_columns(pixels)
        assert len(seen) >= 1
        assert np.abs((seen + 0.5) / width - (bin_ + 0.5) / 2048).max() < 1.5 / 400


def test_a_brighter_neighbour_does_not_hide_the_candidate(header):
    """Colours of a panel are set by the signal, not by the brightest line in it."""
    power = np.random.default_rng(3).normal(size=(16, 100)).astype(np.float32)
    power[:, 60] = 12.0
    power[:, 80:84] = 1000.0
    record = picture_of(header, 0, panels=1).hits[0] | {"frequency_hz": header.frequency_hz(1060), "drift_rate": 0.0}
    picture = replace(picture_of(header, 0), panels=[Panel(record, Cutout(power, 1000))])
    panel = pixels_of(draw(picture))[700:900, LEFT : LEFT + 448]
    places = (bright_columns(panel) + 0.5) / 448
    # The band falls, so channel 60 of 100 is at 39.5 % of the width, and the neighbours at 16 to 20 %.
    assert ((places > 0.385) & (places < 0.405)).any()
    assert ((places > 0.16) & (places < 0.2)).any()
    assert ((places < 0.21) | ((places > 0.385) & (places < 0.405))).all()


@pytest.mark.parametrize("panels", [0, 1, 6])
def test_same_input_same_bytes(header, panels):
    picture = picture_of(header, 100, panels=panels)
    assert draw(picture) == draw(picture)
    assert draw_thumbnail(picture) == draw_thumbnail(picture)


def test_lost_samples_are_grey_and_do_not_set_the_colours(header, monkeypatch):
    """A third of the band and one spectrum are lost; the rest looks as if nothing were lost."""
    rng = np.random.default_rng(4)
    noise, narrow = rng.gumbel(2.8, 0.3, (16, 2100)).astype("f4"), rng.normal(size=(16, 100)).astype("f4")
    narrow[:, 50] = 20.0
    record = picture_of(header, 0, panels=1).hits[0] | {"frequency_hz": header.frequency_hz(1050), "drift_rate": 0.0}

    def pixels(waterfall, cutout):
        power = assemble([ChunkPart(range(2**20), waterfall, {})], WATERFALL_COLUMNS)
        return pixels_of(draw(Picture(header, "", "", power, [], [Panel(record, Cutout(cutout, 1000))])))

    whole = pixels(noise, narrow)
    holed, holed_narrow = noise.copy(), narrow.copy()
    holed[:, 300:1002] = holed[12] = holed_narrow[12] = holed_narrow[:, 70:80] = 0.0
    seen = pixels(holed, holed_narrow)
    grey = (np.abs(seen - np.array(to_rgb(LOST)) * 255) < 2).all(axis=2)
    # The band falls, so channels 300 to 1001 of 2100 are at 0.523 to 0.857 of the width.
    assert np.flatnonzero(grey[ROWS, LEFT:RIGHT].all(axis=0)).tolist() == list(range(732, 1200))
    assert grey[140:500, 300].sum() == pytest.approx(385 / 16, abs=1)
    assert grey[650:930, LEFT + 5].sum() == pytest.approx(300 / 16, abs=1)
    # The same colours within a twentieth of their range: the limits are percentiles of fewer samples.
    assert np.abs(seen - whole)[ROWS, LEFT : LEFT + 700].mean() < 255 / 20
    text = "■ lost"
    lost = Picture(header, "", "", np.full((16, 700), -np.inf, np.float32), [], [])
    assert text in texts_of(monkeypatch, lost)[0]
    assert text not in texts_of(monkeypatch, picture_of(header, 100))[0]


@pytest.mark.parametrize("value", [0.0, np.nan, -np.inf])
def test_an_empty_constant_or_masked_waterfall_can_be_drawn(header, value):
    flat = Picture(header, "", "", np.full((16, 700), value, np.float32), [], [])
    assert Image.open(io.BytesIO(draw(flat))).size == (1600, 1000)


def test_names_that_the_font_lacks_or_that_look_like_formulas_can_be_drawn(header, recwarn):
    names = {"title": "名 $x_1$ \\frac {", "file_name": "\x00\n" + "long" * 100, "warnings": ["$", "second"]}
    fields = {"waterfall": np.zeros((2, 700), np.float32), "hits": [], "panels": []}
    assert Image.open(io.BytesIO(draw(Picture(header, **names, **fields)))).size == (1600, 1000)
    assert len(recwarn) == 0


def texts_of(monkeypatch, picture):
    """Draw a picture; return all its texts, and the ends of the time axis."""
    figures = []
    monkeypatch.setattr(picture_module, "to_png", lambda figure: figures.append(figure) or b"")
    draw(picture)
    axes = figures[0].axes
    labels = [text for axis in axes for text in (axis.get_xlabel(), axis.get_ylabel(), axis.get_title())]
    return [text.get_text() for text in figures[0].texts] + labels, [axis.get_ylim() for axis in axes]


def test_a_pulsar_product_is_drawn_in_mhz_and_ms(header, monkeypatch):
    pulsar = header.model_copy(
        update={"foff_mhz": -4.0, "fch1_mhz": 4032.0, "n_channels": 832, "tsamp_s": 5e-4, "n_spectra": 2048}
    )
    texts, ends = texts_of(monkeypatch, picture_of(pulsar, 100))
    assert any("2048 × 500 µs    832 × 4 MHz" in text for text in texts)
    assert "Time since start (ms)" in texts
    assert ends[0] == (1024.0, 0.0)


@pytest.mark.parametrize(
    ("foff_mhz", "tsamp_s", "offset", "time"),
    [
        (-2.8e-6, 18.25, "Offset (Hz)", "Time since start (s)"),
        (-400e-6, 60.0, "Offset (kHz)", "Time since start (min)"),
        (-0.4, 1200.0, "Offset (MHz)", "Time since start (h)"),
    ],
)
def test_the_axes_have_units_that_fit(header, monkeypatch, foff_mhz, tsamp_s, offset, time):
    band = header.model_copy(update={"foff_mhz": foff_mhz, "fch1_mhz": 1e6, "tsamp_s": tsamp_s, "n_spectra": 16})
    texts, ends = texts_of(monkeypatch, picture_of(band, 100, panels=1))
    assert {offset, time} <= set(texts)
    # The panel shows the same time as the waterfall.
    assert ends[0] == ends[-1]
