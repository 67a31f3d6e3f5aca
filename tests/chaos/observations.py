"""Observations of a chaos run: small files of 1 to about 30 chunks, and malformed files."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from science.simulator import Scene, Tone, make_header, spectra, write_fil
from shared.header import Header

SPECTRA = 16
# Samples of one chunk, overlap included. The limit is low, so that small files have several chunks.
MAX_CHUNK_SAMPLES = 2**16


@dataclass(frozen=True)
class Observation:
    """A file to analyze. A job on a malformed file must fail."""

    path: Path
    is_malformed: bool = False

    @property
    def name(self) -> str:
        """Return the name of the file."""
        return self.path.name


def sound_observations(folder: Path, exponents: Iterable[int]) -> list[Observation]:
    """Return files of 2^exponent channels with some tones each. 2^11 channels make 1 chunk, 2^16 about 30."""
    return [_sound(folder, exponent) for exponent in exponents]


def malformed_observations(folder: Path) -> list[Observation]:
    """Return a text file, a file with a truncated header, and an HDF5 signature followed by text."""
    whole = _sound(folder, 11).path.read_bytes()
    contents = {
        "text.fil": b"I am no observation.\n" * 20,
        "cut_header.fil": whole[:40],
        "text.h5": b"\x89HDF\r\n\x1a\n" + b"nothing that HDF5 knows" * 20,
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return [Observation(folder / name, is_malformed=True) for name in contents]


def _sound(folder: Path, exponent: int) -> Observation:
    path = folder / f"channels_2_{exponent}.fil"
    if not path.exists():
        header = make_header(2**exponent, SPECTRA)
        write_fil(path, header, spectra(Scene(header, tuple(_tones(header)), seed=exponent)))
    return Observation(path)


def _tones(header: Header) -> Sequence[Tone]:
    """Return one tone per 2,100 channels, with positive and negative drift rates."""
    starts = range(700, header.n_channels - 700, 2_100)
    return tuple(
        Tone(header.frequency_hz(start), 0.02 * (number % 7 - 3), 25.0 + number) for number, start in enumerate(starts)
    )
