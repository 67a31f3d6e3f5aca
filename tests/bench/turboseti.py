"""Run turboSETI on one file in its own process: `python -m tests.bench.turboseti FILE --max-drift 4`.

The command prints one line of JSON: the seconds of each run, the number of hits and the peak resident memory. For a
fair comparison, only the time that turboSETI itself spends on the work counts:

- `search`: its `search_coarse_channel` for each coarse channel, on one core, with the data already in memory. This
  covers its statistics, tree, hit search and .dat file, the same work as `search_chunk` (noise, search, cut-outs).
- `file`: its `FindDoppler.search()`, from the file to the .dat file, in one process or two. The two processes have
  started and compiled their kernels before, and dask gives them one coarse channel at a time.

Starting Python, importing and compiling do not count. The kernels are compiled on a small file before.
"""

import argparse
import contextlib
import json
import logging
import os
import re
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

# Set before numpy and numba are loaded, so that each process uses one thread.
for variable in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = "1"

from science.measure.turboseti import mend  # noqa: E402


class Loaded:
    """Returns a coarse channel's data as turboSETI's own loader does, but from memory."""

    def __init__(self, channel, precision):
        from turbo_seti.find_doppler.find_doppler import load_the_data

        self._loaded = load_the_data(channel, precision)

    def get(self):
        return self._loaded


def finder(path, arguments, out):
    """Return turboSETI's object for a search of `path`."""
    from turbo_seti.find_doppler.find_doppler import FindDoppler

    found = FindDoppler(
        str(path), max_drift=arguments.max_drift, snr=arguments.snr, out_dir=out, log_level_int=logging.WARNING
    )
    # Its search() does this first.
    found.data_handle.header["max_drift_rate"] = found.max_drift
    return found


def search_s(path, arguments, out):
    """Return the seconds to search every coarse channel, with the data in memory."""
    from turbo_seti.find_doppler.find_doppler import search_coarse_channel

    find = finder(path, arguments, out)
    took = 0.0
    for channel in find.data_handle.cchan_list:
        loaded = Loaded(channel, find.kernels.precision)
        began = time.perf_counter()
        search_coarse_channel(channel, find, dataloader=loaded)
        took += time.perf_counter() - began
    return took


def file_s(path, arguments, out):
    """Return the seconds from the file to the .dat file."""
    began = time.perf_counter()
    finder(path, arguments, out).search(n_partitions=arguments.partitions)
    return time.perf_counter() - began


def compile_kernels(path, arguments):
    """Import and patch turboSETI and compile its kernels. Each process runs this once."""
    mend()
    with tempfile.TemporaryDirectory() as out, quiet():
        search_s(path, arguments, out)


@contextlib.contextmanager
def quiet():
    """Discard turboSETI's output, because standard output must contain only the line of JSON."""
    with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
        yield


def peak_mb():
    """Return the peak resident memory of this process, MB."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) / 1000


def hits_of(out):
    """Return the number of rows in all .dat files."""
    lines = [line for dat in Path(out).glob("*.dat") for line in dat.read_text().splitlines()]
    return sum(not line.startswith("#") for line in lines)


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.bench.turboseti")
    parser.add_argument("path", type=Path)
    parser.add_argument(
        "--warm", type=Path, help="small file with the same number of spectra, on which the kernels are compiled"
    )
    parser.add_argument("--what", choices=("search", "file"), default="search")
    parser.add_argument("--max-drift", type=float, default=4.0)
    parser.add_argument("--snr", type=float, default=10.0)
    parser.add_argument("--partitions", type=int, default=1)
    parser.add_argument("--runs", type=int, default=1)
    arguments = parser.parse_args()
    work = search_s if arguments.what == "search" else file_s
    with contextlib.ExitStack() as stack:
        if arguments.partitions > 1:
            import dask

            pool = stack.enter_context(ProcessPoolExecutor(arguments.partitions))
            stack.enter_context(dask.config.set(pool=pool, chunksize=1, num_workers=arguments.partitions))
            list(pool.map(compile_kernels, *zip(*[(arguments.warm, arguments)] * arguments.partitions, strict=True)))
        else:
            compile_kernels(arguments.warm, arguments)
        times, hits = [], 0
        for _ in range(arguments.runs):
            out = stack.enter_context(tempfile.TemporaryDirectory())
            with quiet():
                times.append(work(arguments.path, arguments, out))
            hits = hits_of(out)
    json.dump({"seconds": times, "hits": hits, "peak_mb": peak_mb()}, sys.stdout)


if __name__ == "__main__":
    main()
