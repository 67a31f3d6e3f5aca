"""turboSETI's events of cadences, in a process of its own: `python -m science.measure.turboseti_events SCANS ...`.

Each argument is the six files of a cadence, joined by commas. Prints one line of JSON: for each cadence a list of
(ON scan, frequency MHz, drift Hz/s, SNR), the rows that its `find_events` publishes with filter 3 ("in all ON scans, in
no OFF scan"). The search has the threshold and drift range of Waterhole; all else is turboSETI's default, so hits of
drift 0 are left out. Patched is only what `science.measure.turboseti.mend` names.
"""

import contextlib
import json
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from science.measure.turboseti import MAX_DRIFT_HZ_S, REPOSITORY, SNR_THRESHOLD, mend

FILTER = 3
# It searches on one core.
PROCESSES = 2
Rows = list[list[float]]


def events_of(cadences: Sequence[Sequence[Path]], processes: int = PROCESSES) -> list[Rows]:
    """Return turboSETI's rows of each cadence: (ON scan, frequency MHz, drift Hz/s, SNR)."""
    parts = [cadences[first::processes] for first in range(min(processes, len(cadences)))]
    with ThreadPoolExecutor(processes) as pool:
        found = list(pool.map(_events_of, parts))
    return [found[place % processes][place // processes] for place in range(len(cadences))]


def _events_of(cadences: Sequence[Sequence[Path]]) -> list[Rows]:
    joined = [",".join(map(str, scans)) for scans in cadences]
    command = [sys.executable, "-m", "science.measure.turboseti_events", *joined]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"turboSETI failed: {done.stderr.strip().splitlines()[-1:]}")
    rows: list[Rows] = json.loads(done.stdout.splitlines()[-1])
    return rows


def _events(scans: Sequence[str]) -> Rows:
    from turbo_seti.find_doppler.find_doppler import FindDoppler
    from turbo_seti.find_event.find_event import find_events

    with tempfile.TemporaryDirectory() as out:
        for path in scans:
            FindDoppler(
                path,
                max_drift=MAX_DRIFT_HZ_S,
                snr=SNR_THRESHOLD,
                out_dir=out,
                log_level_int=logging.ERROR,
                n_coarse_chan=1,
            ).search()
        tables = [str(Path(out) / Path(path).with_suffix(".dat").name) for path in scans]
        found = find_events(tables, SNR_cut=SNR_THRESHOLD, filter_threshold=FILTER)
    if found is None:
        return []
    columns = found[["Freq", "DriftRate", "SNR"]].astype(float).to_numpy().tolist()
    on_scans = [int(status.rsplit("_", 1)[1]) for status in found["status"]]
    return [[on, *row] for on, row in zip(on_scans, columns, strict=True)]


def main() -> None:
    with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
        mend()
        found = [_events(cadence.split(",")) for cadence in sys.argv[1:]]
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
