"""Synthetic hits objects: gamma noise, tones of known shape, cut-outs as the search leaves them."""

from typing import Any

import numpy as np
import pytest

from services.classify.classification import classify_observation
from services.classify.model import load_model
from shared.events import SearchParameters
from shared.header import Header
from shared.hits import HIT_DTYPE, ChunkHits, ChunkNoise, Cutout


class Observation:
    """Builds hits and cut-outs on the grid of the Voyager 1 observation."""

    def __init__(self, header: Header, seed: int = 1) -> None:
        self.header = header
        self.rng = np.random.default_rng(seed)

    def cutout(self, channel, steps, snr, *, width=1, rows=None, bow=0, margin=40):
        """Noise with a tone of total SNR `snr` along the path; `rows` masks spectra, `bow` bends the path."""
        n_spectra = self.header.n_spectra
        start = channel + min(0, steps) - margin
        power = self.rng.normal(size=(n_spectra, abs(steps) + 2 * margin + width))
        u = np.arange(n_spectra) / (n_spectra - 1)
        offset = np.rint(steps * u).astype(int) + np.rint(bow * (6 * u * u - 6 * u + 1)).astype(int)
        on = np.ones(n_spectra) if rows is None else np.asarray(rows, float)
        for t in range(n_spectra):
            at = channel - start + offset[t]
            power[t, at : at + width] += on[t] / on.sum() * snr * np.sqrt(n_spectra * width)
        return Cutout(power.astype(np.float32), int(start))

    def hit(self, channel, steps, snr, *, width=1, bandwidth_hz=None):
        """One row of HIT_DTYPE."""
        h, width_hz = self.header, abs(self.header.foff_hz)
        row = np.zeros(1, HIT_DTYPE)
        row["channel"], row["steps"], row["width"] = channel, steps, width
        row["snr"], row["snr_error"], row["snr_turboseti"] = snr, 1.0, snr / 4
        row["frequency_hz"] = h.frequency_hz(channel + (width - 1) / 2)
        row["frequency_error_hz"] = width_hz / 2
        row["drift_rate_hz_s"] = h.drift_rate_hz_s(steps)
        row["drift_rate_error_hz_s"] = h.drift_resolution_hz_s / 2
        row["bandwidth_hz"] = bandwidth_hz if bandwidth_hz is not None else width * width_hz
        row["bandwidth_error_hz"] = width_hz
        return row

    def chunk(self, signals, **extra):
        """A hits object; `signals` are (channel, steps, snr, keyword arguments of `cutout`)."""
        hits = [
            self.hit(c, n, s, **{k: v for k, v in more.items() if k in ("width", "bandwidth_hz")})
            for c, n, s, more in signals
        ]
        cuts = [
            self.cutout(c, n, s, **{k: v for k, v in more.items() if k != "bandwidth_hz"}) for c, n, s, more in signals
        ]
        return ChunkHits(
            hits=np.concatenate(hits) if hits else np.empty(0, HIT_DTYPE),
            cutouts=cuts,
            channels=None,
            noise=ChunkNoise(sigma=1.0, level=float("nan")),
            waterfall=np.zeros((4, 8), np.float32),
            **extra,
        )


@pytest.fixture(scope="session")
def model():
    return load_model()


@pytest.fixture
def classify(model):
    """Classify the chunks of an observation with the default parameters."""

    def classified(header, *chunks):
        return classify_observation(header, SearchParameters(), chunks, model)

    return classified


@pytest.fixture
def header():
    return Header(
        file_format="fil",
        n_spectra=16,
        n_channels=2**20,
        n_ifs=1,
        n_bits=32,
        fch1_mhz=8421.386717353016,
        foff_mhz=-2.7939677238464355e-06,
        tsamp_s=18.253611008,
        tstart_mjd=57650.78209490741,
        source_name="Voyager1",
        telescope_id=6,
    )


@pytest.fixture
def observation(header):
    return Observation(header)


VOYAGER: list[tuple[int, int, float, dict[str, Any]]] = [
    (739820, 36, 121.0, {}),
    (739933, 39, 126.0, {}),
    (747929, 37, 1013.0, {}),
    (755923, 38, 119.0, {}),
    (756037, 39, 129.0, {}),
]


@pytest.fixture
def voyager(observation):
    """The five tones of Voyager 1 among three lines that do not drift."""
    return observation.chunk([*VOYAGER, (10000, 0, 14.0, {}), (400000, 0, 300.0, {}), (800500, 1, 25.0, {})])
