"""What `compile_kernels` compiles is all that a job needs: no job waits for the compiler."""

import json
import subprocess
import sys
from pathlib import Path

# In a process of its own, where nothing else has compiled anything.
PROGRAM = """
import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from services.dedoppler.compile import compile_kernels
from services.dedoppler.kernels import conditioning, pictures, refine
from services.dedoppler.kernels import width_trial as ladder
from services.dedoppler.kernels import percentiles as ranks
from tests.unit.dedoppler.scenes import Scene, make_header, search, simulate, tone


def counts():
    kernels = [vars(module) for module in (conditioning, ladder, pictures, ranks, refine)]
    return {name: len(k.signatures) for names in kernels for name, k in names.items() if hasattr(k, "signatures")}


with ThreadPoolExecutor(2) as pool:
    compile_kernels(pool)
    before = counts()
    hits = 0
    for n_channels, n_spectra, fields in [
        (2**18, 16, {"coarse_channel_width": 2**18, "has_dc_spike": True}),
        (2**18 + 1000, 3, {}),
        (2**16, 16, {"coarse_channel_width": 2**12}),
        (2**12, 300, {"tsamp_s": 0.9}),
        (2**12, 2, {"n_bits": 8}),
        (5000, 16, {"foff_mhz": 2.8e-6}),
        (64 * 300, 16, {"coarse_channel_width": 64, "foff_mhz": -2.8e-3, "tsamp_s": 1.0}),
        (16, 16, {}),
        (1, 2, {}),
    ]:
        header = make_header(n_channels, n_spectra, **fields)
        power = simulate(Scene(header, (tone(header, n_channels // 3, 0, 60.0),)))
        if n_channels > 100:
            power[1, : n_channels // 9] = 0.0
        hits += len(search(power, header, pool).hits)
    print(json.dumps({"before": before, "after": counts(), "hits": hits}))
"""


def test_nothing_is_compiled_after_the_start():
    root = Path(__file__).parents[3]
    run = subprocess.run([sys.executable, "-c", PROGRAM], cwd=root, capture_output=True, text=True, timeout=250)
    assert run.returncode == 0, run.stderr
    told = json.loads(run.stdout)
    assert told["hits"] >= 7
    assert told["after"] == told["before"]
    # The kernels that jobs call are all there.
    for name in ("tile_statistics", "dead_channels", "normalise", "blank_tiles", "repair_spikes", "search_rung"):
        assert told["before"][name] > 0, name
    for name in ("refine", "box_statistic", "blank_track", "restore_track", "waterfall", "time_sum", "best_raw_path"):
        assert told["before"][name] > 0, name
    for name in ("_between", "inner_moments"):
        assert told["before"][name] > 0, name
