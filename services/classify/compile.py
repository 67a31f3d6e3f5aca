"""Compile the kernels into the on-disk cache: `python -m services.classify.compile`.

With a filled cache this only loads.
"""

import numpy as np

from services.classify.classification import classify_observation
from services.classify.model import ShapeModel, load_model
from shared.events import SearchParameters
from shared.header import Header
from shared.hits import HIT_DTYPE, ChunkHits, ChunkNoise, Cutout


def compile_kernels(model: ShapeModel) -> None:
    """Compile, or load, every kernel that a job may use, by classifying one hit."""
    header = Header(
        file_format="fil", n_spectra=16, n_channels=256, n_ifs=1, n_bits=32, fch1_mhz=1.0, foff_mhz=1e-6, tsamp_s=1.0
    )
    power = np.zeros((header.n_spectra, 100), np.float32)
    power[:, 50] = 10.0
    hits = np.zeros(1, HIT_DTYPE)
    for name in HIT_DTYPE.names or ():
        hits[name] = 1
    hits["channel"], hits["steps"] = 50, 0
    chunk = ChunkHits(hits, [Cutout(power, 0)], None, ChunkNoise(), power)
    # As a job reads it: arrays in a hits object can't be written to, and kernels are compiled anew for such arrays.
    stored = ChunkHits.from_bytes(chunk.to_bytes())
    classify_observation(header, SearchParameters(), [stored], model)


if __name__ == "__main__":
    compile_kernels(load_model())
