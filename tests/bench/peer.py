"""Run turboSETI in a child process, `tests.bench.turboseti`, if it is installed."""

import importlib.util
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from deploy.local.servers import REPOSITORY


@dataclass(frozen=True)
class Measured:
    """Seconds, number of hits and peak memory of turboSETI."""

    seconds: list[float]
    hits: int
    peak_mb: float


def is_installed() -> bool:
    """Return whether turboSETI is installed."""
    return importlib.util.find_spec("turbo_seti") is not None


def run(path: Path, warm: Path, *, what: str, max_drift: float, partitions: int = 1, runs: int = 1) -> Measured:
    """Search a file with turboSETI; `warm` is a small file on which it compiles its kernels first."""
    command = [sys.executable, "-m", "tests.bench.turboseti", str(path), "--warm", str(warm), "--what", what]
    command += ["--max-drift", str(max_drift), "--partitions", str(partitions), "--runs", str(runs)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"turboSETI failed: {done.stderr.strip().splitlines()[-1:]}")
    return Measured(**json.loads(done.stdout.splitlines()[-1]))
