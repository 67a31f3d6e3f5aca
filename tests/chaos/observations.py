"""The observations of a chaos run: small ones of one to some thirty chunks, and files that are none."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from science.simulator import Scene, Tone, make_header, spectra, write_fil
from shared.header import Header

SPECTRA = 16
# Of one chunk, overlap included: so even these files fall into several.
MAX_CHUNK_SAMPLES = 2**16


@dataclass(frozen=True)
class Observation:
    """A file to analyze; one that is malformed is to be refused."""

    path: Path
    is_malformed: bool = False

    @property
    def name(self) -> str:
        """What it is called."""
        return self.path.name


def sound_observations(folder: Path, exponents: Iterable[int]) -> list[Observation]:
    """Files of so many channels, as powers of 2, with some tones each: 2^11 make 1 chunk, 2^16 some 30."""
    return [_sound(folder, exponent) for exponent in exponents]


def malformed_observations(folder: Path) -> list[Observation]:
    """A text, a header that is cut off, and a file without samples."""
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
    """One tone in about every 2,000 channels, of either drift."""
    starts = range(700, header.n_channels - 700, 2_100)
    return tuple(
        Tone(header.frequency_hz(start), 0.02 * (number % 7 - 3), 25.0 + number) for number, start in enumerate(starts)
    )
