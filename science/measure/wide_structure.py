"""Scenes with structure wider than any box: hits expected and found, and the SNR of the line in each."""

from concurrent.futures import Executor

import numpy as np

from science.measure.search import search, tone
from science.simulator import Scene, make_header, simulate
from science.simulator.emissions import Emission, straight_track
from science.simulator.scene import pfb_bandpass
from services.classify.classification import classify_observation
from services.classify.model import load_model
from shared.events import SearchParameters

CHANNELS, DRIFT_HZ_S = 2**17, -0.38
# Each line's matched SNR; it lies beside a notch, near a roll-off, or on an emission.
LINE_SNR = 100.0


def scenes() -> dict[str, tuple[Scene, int]]:
    """Return the scenes by name, and the number of hits that are right. The first line of each has `LINE_SNR`."""
    header, channel = make_header(CHANNELS), np.arange(CHANNELS)
    track = straight_track(header, header.frequency_hz(CHANNELS // 2), DRIFT_HZ_S)
    line = tone(header, CHANNELS // 2 + 18, DRIFT_HZ_S / header.drift_rate_hz_s(1), LINE_SNR)
    inner = tone(header, CHANNELS // 2 + 700, DRIFT_HZ_S / header.drift_rate_hz_s(1), LINE_SNR)
    notch = np.clip(np.minimum(np.abs(channel - 20_000), np.abs(channel - 60_000)) / 1000, 0, 1)
    notch[20_000:60_001] = 0.0
    steep = make_header(CHANNELS, coarse_channel_width=2**14)
    return {
        "modulated carrier of 20 kHz": (Scene(header, (line,), emissions=(Emission(track, 1000.0, "box", 2e4),)), 2),
        "soft emission of 20 kHz": (Scene(header, (line,), emissions=(Emission(track, 3000.0, "gaussian", 2e4),)), 2),
        "notch with soft flanks": (Scene(header, (line,), bandpass=notch), 1),
        "roll-off by 95 % in 2 % of a coarse channel": (
            Scene(steep, (inner,), bandpass=pfb_bandpass(CHANNELS, 2**14, 0.95, 0.02)),
            1,
        ),
    }


def lines(pool: Executor) -> list[tuple[str, str, str]]:
    """Return rows of the table: what, found, asked."""
    rows = []
    for name, (scene, expected) in scenes().items():
        found = search(simulate(scene), scene.header, pool)
        hits = classify_observation(scene.header, SearchParameters(), [found], load_model())
        at = int(
            np.argmin(
                np.abs(found.hits["frequency_hz"] - scene.tones[0].frequency_hz) + 1e9 * (found.hits["width"] > 8)
            )
        )
        ratio = float(found.hits["snr"][at]) / LINE_SNR
        labels = ", ".join(sorted({hit.verdict.label for hit in hits}))
        rows.append(
            (
                f"Hits, line's SNR / matched, labels: {name}",
                f"{len(hits)}, {ratio:.3f}, {labels}",
                f"{expected}, 1 ± 0.05",
            )
        )
    return rows
