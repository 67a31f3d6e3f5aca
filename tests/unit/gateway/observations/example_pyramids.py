"""Pyramids of random codes, as dedoppler lays them out."""

import numpy as np
import numpy.typing as npt

from shared.chunks import ChunkPlan
from shared.header import Header
from shared.object_keys import waterfall_key, waterfall_manifest_key, waterfall_samples_key
from shared.waterfall import Manifest, pack_windows

HEADER = Header(
    file_format="fil", n_spectra=16, n_channels=10_000, n_ifs=2, n_bits=32, fch1_mhz=1400.0, foff_mhz=1e-6, tsamp_s=1.0
)
# Three chunks of 4096, 4096 and 1808 channels, for each of two IFs.
PLAN = ChunkPlan(n_channels=10_000, count=6, stride_channels=4096, parts=1, overlap_channels=10, searches=((0,), (1,)))
MANIFEST = Manifest.of(HEADER, 4.0, PLAN, 640_000)
EDGES = (0, 4096, 8192, 10_000)
ROWS = MANIFEST.rows
# Windows round hits, and their chunks.
WINDOWS = {0: [range(100, 400), range(1000, 1200), range(4000, 4096)], 2: [range(8192, 8300)]}


def codes(seed: int, *shape: int) -> npt.NDArray[np.uint8]:
    """Return random codes."""
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


class Pyramids:
    """Random pyramids, and their objects."""

    def __init__(self, job_id: str = "j-1") -> None:
        self.job_id = job_id
        self.levels: dict[tuple[int, str, int], npt.NDArray[np.uint8]] = {}
        self.noise: dict[int, npt.NDArray[np.float32]] = {}
        self.windows: dict[int, list[npt.NDArray[np.uint8]]] = {}
        self.objects: dict[str, bytes] = {}
        for chunk in range(MANIFEST.chunks_of_one_search):
            layout, parts = MANIFEST.layout(chunk), list[bytes]()
            pairs = layout.columns(MANIFEST.noise_factor)
            sigma = np.full(pairs, 0.25 * (chunk + 1))
            self.noise[chunk] = np.stack([np.full(pairs, 2.0), sigma], axis=1).astype("<f4")
            parts.append(self.noise[chunk].tobytes())
            for statistic, more in (("max", 1), ("mean", 0)):
                for factor in MANIFEST.factors:
                    level = codes(chunk * factor + more, layout.columns(factor), ROWS + more)
                    self.levels[chunk, statistic, factor] = level
                    parts.append(level.tobytes())
            self.objects[waterfall_key(job_id, chunk)] = b"".join(parts)
        for chunk, windows in WINDOWS.items():
            self.windows[chunk] = [codes(window.start, len(window), ROWS) for window in windows]
            content = pack_windows(windows, ROWS) + b"".join(part.tobytes() for part in self.windows[chunk])
            self.objects[waterfall_samples_key(job_id, chunk)] = content
        self.objects[waterfall_manifest_key(job_id)] = MANIFEST.model_dump_json().encode()
