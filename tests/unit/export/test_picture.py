"""The picture shows the tones where they are, whichever way the band runs."""

import io

import numpy as np
import pytest
from PIL import Image

from services.export.domain import Panel, Picture
from services.export.picture import draw, draw_thumbnail
from shared.hits import Cutout


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
    return Picture(header, "title $x", power, [record] * panels, [Panel(record, cutout)] * panels)


def brightest_column(png):
    """Column of the thumbnail whose pixels are reddest and greenest: the top of the colour map is yellow."""
    pixels = np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(float)[40:, :, :]
    return int(np.argmax((pixels[:, :, 0] + pixels[:, :, 1]).mean(axis=0)))


@pytest.mark.parametrize(("foff", "expected"), [(-2.8e-6, 599), (2.8e-6, 100)])
def test_frequency_rises_to_the_right(header, foff, expected):
    band = header.model_copy(update={"foff_mhz": foff})
    assert abs(brightest_column(draw_thumbnail(picture_of(band, 100))) - expected * 400 / 700) <= 1


@pytest.mark.parametrize("panels", [0, 1, 6])
def test_same_input_same_bytes(header, panels):
    picture = picture_of(header, 100, panels=panels)
    assert draw(picture) == draw(picture)
    assert draw_thumbnail(picture) == draw_thumbnail(picture)


def test_an_empty_constant_or_masked_waterfall_can_be_drawn(header):
    for value in (0.0, np.nan):
        flat = Picture(header, "", np.full((16, 700), value, np.float32), [], [])
        assert Image.open(io.BytesIO(draw(flat))).size == (1600, 1000)
