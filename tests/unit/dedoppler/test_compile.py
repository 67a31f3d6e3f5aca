"""`compile_kernels` compiles everything that a job needs, so no job waits for the compiler."""

import json
import subprocess
import sys
from pathlib import Path

KERNELS = [
    *("conditioning." + name for name in ("tile_statistics", "normalise", "blank_tiles")),
    "conditioning.repair_spikes",
    *("lost_samples." + name for name in ("chance_equality", "repeats_by_value", "mark_lost", "runs_across")),
    *("lost_samples." + name for name in ("spectra_with_samples", "dead_channels")),
    *("gaps." + name for name in ("lost_spectra", "lost_channels", "gap_boxes")),
    *("gains." + name for name in ("scale_spectra", "spectrum_moments", "standardise_spectra", "path_profile")),
    "pair_sums.pair_sums",
    *("upper_bound." + name for name in ("quantised", "drift_groups", "may_exceed")),
    *("width_trial." + name for name in ("halved", "search_width_trial")),
    *("refine." + name for name in ("refine", "box_statistic")),
    *("curves." + name for name in ("bend_track", "extend", "blank_track", "restore_track")),
    "false_alarms.hits_per_channel",
    *("pictures." + name for name in ("waterfall", "time_sum", "best_raw_path")),
    *("averaging." + name for name in ("add_spectra", "means")),
    *("segment_sums." + name for name in ("best_per_start", "local_maxima")),
    *("percentiles." + name for name in ("_between", "inner_moments")),
    *("track_paths." + name for name in ("best_box", "best_path", "samples_along")),
]
# In a process of its own, where nothing else has compiled anything.
PROGRAM = """
import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from services.dedoppler.compile import compile_kernels
from services.dedoppler.kernels import averaging, conditioning, curves, false_alarms, gains, gaps, lost_samples
from services.dedoppler.kernels import pair_sums, percentiles, pictures, refine, segment_sums, track_paths
from services.dedoppler.kernels import upper_bound, width_trial
from services.dedoppler.noise.scratch import Scratch
from science.measure.search import search, tone
from science.simulator import Scene, make_header, simulate
from tests.unit.dedoppler.tracks.simulated import measure, track_through


def counts():
    modules = averaging, conditioning, curves, false_alarms, gains, gaps, lost_samples, pair_sums, percentiles
    modules += pictures, refine, segment_sums, track_paths, upper_bound, width_trial
    return {
        f"{k.__module__.rsplit('.', 1)[1]}.{name}": len(k.signatures)
        for module in modules
        for name, k in vars(module).items()
        if hasattr(k, "signatures")
    }


with ThreadPoolExecutor(2) as pool:
    compile_kernels(pool, Scratch())
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
        (64, 1100, {}),
        (5000, 600, {"tsamp_s": 0.01}),
        (1, 2, {}),
    ]:
        header = make_header(n_channels, n_spectra, **fields)
        power = simulate(Scene(header, (tone(header, n_channels // 3, 0, 60.0),)))
        if n_channels > 100:
            power[1, : n_channels // 9] = 0.0
            power[n_spectra // 2] *= 2.0
        hits += len(search(power.copy(), header, pool).hits)
        if n_spectra < 512:
            places = [(n_channels / 3, 0.0), (n_channels / 2, 5.0)]
            measure(power, header, track_through(header, places, 1.0, 1.0, bandwidth=5.0))
    print(json.dumps({"before": before, "after": counts(), "hits": hits}))
"""


def test_nothing_is_compiled_after_the_start():
    root = Path(__file__).parents[3]
    run = subprocess.run([sys.executable, "-c", PROGRAM], cwd=root, capture_output=True, text=True, timeout=250)
    assert run.returncode == 0, run.stderr
    counted = json.loads(run.stdout)
    assert counted["hits"] >= 7
    assert counted["after"] == counted["before"]
    # Every kernel that jobs call is among them.
    for kernel in KERNELS:
        assert counted["before"][kernel] > 0, kernel
