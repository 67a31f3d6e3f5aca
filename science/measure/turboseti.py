"""turboSETI's hits on the same files, in a process of its own: `python -m science.measure.turboseti FILE ...`.

Prints one line of JSON: for each file a list of (frequency MHz, drift Hz/s, SNR), as in its .dat file. It treats
a file as one coarse channel, and searches with the same threshold and drift range as Waterhole.
"""

import contextlib
import importlib.util
import json
import logging
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

REPOSITORY = Path(__file__).parents[2]
SNR_THRESHOLD = 10.0
MAX_DRIFT_HZ_S = 4.0
# Column of the .dat file.
DRIFT, SNR, FREQUENCY = 1, 2, 3


class OneNumber(np.ndarray):
    """An array of one number that can be formatted as a number."""

    def __int__(self) -> int:
        return int(self.item())


def mend() -> None:
    """Patch turboSETI 2.3.2, which formats an array of one number as a number; numpy 2 no longer does."""
    from turbo_seti.find_doppler import find_doppler

    class MaxVals(find_doppler.max_vals):  # type: ignore[misc] # turboSETI has no types
        def __init__(self) -> None:
            super().__init__()
            self.total_n_hits = np.zeros(1, np.uint32).view(OneNumber)

    find_doppler.max_vals = MaxVals


def is_installed() -> bool:
    """Return whether turboSETI is installed."""
    return importlib.util.find_spec("turbo_seti") is not None


def hits_of(paths: list[Path]) -> dict[str, list[list[float]]]:
    """Return turboSETI's hits in each file: (frequency MHz, drift Hz/s, SNR)."""
    command = [sys.executable, "-m", "science.measure.turboseti", *map(str, paths)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"turboSETI failed: {done.stderr.strip().splitlines()[-1:]}")
    hits: dict[str, list[list[float]]] = json.loads(done.stdout.splitlines()[-1])
    return hits


def _search(path: Path) -> list[list[float]]:
    from turbo_seti.find_doppler.find_doppler import FindDoppler

    with tempfile.TemporaryDirectory() as out:
        FindDoppler(
            str(path),
            max_drift=MAX_DRIFT_HZ_S,
            snr=SNR_THRESHOLD,
            out_dir=out,
            log_level_int=logging.ERROR,
            n_coarse_chan=1,
        ).search()
        lines = [line.split() for dat in Path(out).glob("*.dat") for line in dat.read_text().splitlines()]
    return [[float(line[k]) for k in (FREQUENCY, DRIFT, SNR)] for line in lines if line[0] != "#"]


def main() -> None:
    with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
        mend()
        found = {path: _search(Path(path)) for path in sys.argv[1:]}
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
