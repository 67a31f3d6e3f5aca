"""The files of a simulated cadence."""

from collections.abc import Sequence
from pathlib import Path

from science.simulator import Scene, spectra, write_h5


def write(scans: Sequence[Scene], folder: Path, name: str) -> list[Path]:
    """Write the scans of a cadence as HDF5 files."""
    paths = [folder / f"{name}_{scan}.h5" for scan in range(len(scans))]
    for path, scene in zip(paths, scans, strict=True):
        write_h5(path, scene.header, spectra(scene))
    return paths
