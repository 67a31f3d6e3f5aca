"""Pictures of a cadence show the signal where the track is, in every scan, whichever way the band runs."""

import io

import numpy as np
import pytest
from PIL import Image

from services.export.cadence_picture import (
    COLUMNS,
    GAP_PX,
    HEAD_PX,
    LEFT,
    PANEL_PX,
    WIDTH_PX,
    draw_event,
    draw_overview,
    note_of,
)
from services.export.drawing import COLOURS
from shared.hits import Cutout
from tests.unit.export.example_cadence import CHANNEL_WIDTH_HZ, N_SPECTRA, cutouts, document, in_scan

BRIGHTEST = np.array(COLOURS(1.0)[:3]) * 255


def pixels_of(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(float)


def bright_columns(pixels, index):
    """Return the columns of one panel, from its left edge, that have a pixel of the top of the colour map."""
    top = HEAD_PX + index * (PANEL_PX + GAP_PX)
    left = round(LEFT * WIDTH_PX)
    panel = pixels[top + 2 : top + PANEL_PX - 2, left : left + COLUMNS]
    return np.flatnonzero((np.abs(panel - BRIGHTEST) < 2).all(axis=2).any(axis=0))


def with_line(column, *, channels=200):
    """Return cut-outs of one band with a bright line in one channel of each."""
    power = np.random.default_rng(3).normal(size=(N_SPECTRA, channels)).astype(np.float32)
    power[:, column] = 60.0
    return {index: Cutout(power, 666_000) for index in range(5)}


@pytest.mark.parametrize("sign", [-1, 1])
def test_a_line_is_in_all_panels_at_the_same_place_and_frequency_rises_to_the_right(sign):
    drawn = document()
    for scan in drawn.scans[:5]:
        scan["channel_width_hz"] = sign * abs(CHANNEL_WIDTH_HZ)
    pixels = pixels_of(draw_event(drawn, drawn.events[0], with_line(40)))
    place = (40.5 if sign > 0 else 200 - 40.5) / 200 * COLUMNS
    for index in range(5):
        columns = bright_columns(pixels, index)
        assert len(columns) > 0
        assert np.abs(columns - place).max() <= COLUMNS / 200


def test_panels_of_different_bands_share_one_axis():
    drawn = document()
    shown = with_line(10)
    shown[2] = Cutout(shown[2].power, 666_000 + 200)
    pixels = pixels_of(draw_event(drawn, drawn.events[0], shown))
    # The channel width is negative, so channel 10 of 400 is near the right end, and channel 210 left of the middle.
    for index, place in ((0, 400 - 10.5), (2, 400 - 210.5)):
        columns = bright_columns(pixels, index)
        assert len(columns) > 0
        assert np.abs(columns - place / 400 * COLUMNS).max() <= COLUMNS / 200


def test_a_scan_without_data_is_drawn_empty_and_nothing_is_needed():
    drawn = document()
    for shown in (cutouts(), {}):
        assert pixels_of(draw_event(drawn, drawn.events[0], shown)).shape[1] == WIDTH_PX
    assert draw_event(drawn, drawn.rejected[0], cutouts()) != draw_event(drawn, drawn.events[0], cutouts())


def test_a_scan_that_would_not_show_the_signal_does_not_say_that_it_is_absent():
    (record,) = [one for one in document().scans if one["index"] == 1]
    for limit, text in ((0.2, "absent: SNR 0.3, below 3.3"), (1.4, "says nothing: SNR 0.3, below 3.3")):
        track = {**in_scan(record, 0.3, present=False), "strength_ratio_limit": limit}
        assert note_of(track, record)[0] == text


def test_the_same_input_gives_the_same_bytes():
    assert draw_event(document(), document().events[0], cutouts()) == draw_event(
        document(), document().events[0], cutouts()
    )
    assert draw_overview(document()) == draw_overview(document())


def test_the_overview_marks_events_in_the_scans_that_hold_them():
    pixels = pixels_of(draw_overview(document()))
    is_red = pixels[:, :, 0] - pixels[:, :, 1] > 60
    rows = np.flatnonzero(is_red.any(axis=1))
    # One mark in each of three ON scans, and the number of the event above them.
    runs = np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1)
    assert len(runs) == 4


@pytest.mark.parametrize("empty", ["events", "rejected", "both"])
def test_an_overview_without_tracks(empty):
    without = {name: [] for name in ("events", "rejected") if empty in (name, "both")}
    assert pixels_of(draw_overview(document().model_copy(update=without))).shape[1] == 1600
