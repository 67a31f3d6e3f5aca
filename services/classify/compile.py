"""Compile the kernels into the on-disk cache: `python -m services.classify.compile`.

With a filled cache this only loads.
"""

from dataclasses import replace

import numpy as np

from services.classify.cadence.closing import close
from services.classify.cadence.document import Origin
from services.classify.cadence.joining import join
from services.classify.cadence.scans import Scan, ScanHits
from services.classify.classification import classify_observation
from services.classify.model import ShapeModel, load_model
from shared.cadence import CadenceParameters
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
    _compile_cadences()


def _compile_cadences() -> None:
    """Compile, or load, the kernels of cadences, by joining one hit of each of two scans."""
    one = np.ones(1)
    hits = ScanHits(np.zeros(1, np.int64), one, one, one, one, 20 * one, one)
    scans = [
        Scan(
            "on",
            f"{number}.h5",
            tstart_mjd=59000.0 + number,
            duration_s=16.0,
            tsamp_s=1.0,
            channel_width_hz=1.0,
            band_hz=(0.0, 9.0),
            hits=hits,
            job_id=str(number),
        )
        for number in range(2)
    ]
    off = replace(scans[1], role="off", file_name="2.h5", job_id="2", tstart_mjd=59002.0)
    close(join([*scans, off], CadenceParameters()), None, Origin("compile"))


if __name__ == "__main__":
    compile_kernels(load_model())
