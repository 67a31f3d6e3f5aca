"""turboSETI beside us, where it is installed: `tests.bench.turboseti` as a child process."""

import importlib.util
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from deploy.local.servers import REPOSITORY


@dataclass(frozen=True)
class Measured:
    """What a run of turboSETI came to."""

    seconds: list[float]
    hits: int
    peak_mb: float


def is_installed() -> bool:
    """Whether there is a turboSETI to compare with."""
    return importlib.util.find_spec("turbo_seti") is not None


def run(path: Path, warm: Path, *, what: str, max_drift: float, partitions: int = 1, runs: int = 1) -> Measured:
    """Let turboSETI search a file; `warm` is a small one that it compiles its kernels with."""
    command = [sys.executable, "-m", "tests.bench.turboseti", str(path), "--warm", str(warm), "--what", what]
    command += ["--max-drift", str(max_drift), "--partitions", str(partitions), "--runs", str(runs)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"turboSETI failed: {done.stderr.strip().splitlines()[-1:]}")
    return Measured(**json.loads(done.stdout.splitlines()[-1]))
