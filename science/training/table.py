"""The held-out hits as a table: what kinds of signals there are, and how the table is kept in the repository."""

import io
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from services.classify.evidence import Evidence
from services.classify.kernels.features import Features
from shared.labels import (
    BROADBAND,
    CANDIDATE_ET,
    CHIRP,
    NARROWBAND_DRIFTING,
    NARROWBAND_STATIONARY,
    NOISE,
    PULSED,
    RFI_SATELLITE,
    RFI_TERRESTRIAL,
)


@dataclass(frozen=True)
class Kind:
    """A kind of signal: shape and label in truth, the bands (MHz) it is put in, and which grids show it."""

    shape: str
    label: str
    bands_mhz: tuple[tuple[float, float], ...] = ((3050.0, 4950.0), (5900.0, 9800.0))
    grids: tuple[int, ...] = (0, 1, 2, 3)


NOISE_KIND = "nothing"
KINDS = {
    "candidate": Kind(NARROWBAND_DRIFTING, CANDIDATE_ET, grids=(0, 1, 2)),
    "drifting": Kind(NARROWBAND_DRIFTING, NARROWBAND_DRIFTING),
    "stationary": Kind(NARROWBAND_STATIONARY, NARROWBAND_STATIONARY),
    "broad": Kind(BROADBAND, BROADBAND),
    "pulsed": Kind(PULSED, PULSED),
    "chirp": Kind(CHIRP, CHIRP),
    "glitch": Kind(NOISE, NOISE),
    "fm_carrier": Kind(NARROWBAND_STATIONARY, RFI_TERRESTRIAL, ((88.0, 107.0),)),
    "tv_carrier": Kind(NARROWBAND_STATIONARY, RFI_TERRESTRIAL, ((471.0, 615.0),)),
    "radar": Kind(PULSED, RFI_TERRESTRIAL, ((1255.0, 1395.0), (2705.0, 2990.0))),
    "inmarsat": Kind(NARROWBAND_STATIONARY, RFI_SATELLITE, ((1526.0, 1558.0),)),
    "iridium": Kind(NARROWBAND_DRIFTING, RFI_SATELLITE, ((1619.0, 1626.0),), grids=(0, 1, 2)),
}
# Signals of no shape that the model knows.
STRANGE = ("sine", "hops", "walk", "sweep")
NOTHING = Kind(NOISE, NOISE)

_NUMBERS = [field.name for field in fields(Evidence) if field.name != "features"]
_FEATURES = [field.name for field in fields(Features)]
_WHOLE = frozenset(["n_rows", "comb_teeth", "hits_with_like_drift"])
# Four digits are enough, and compress well.
_DROPPED_BITS = 9


@dataclass(frozen=True)
class Tested:
    """A hit, the kind of signal that it is of, whether it is its strongest, and the observation's number."""

    evidence: Evidence
    kind: str
    strongest: bool
    observation: int


def _rounded(values: Sequence[Any]) -> np.ndarray:
    bits = np.asarray(values, np.float32).view(np.uint32)
    half = np.uint32(1 << (_DROPPED_BITS - 1))
    return ((bits + half) & ~np.uint32((1 << _DROPPED_BITS) - 1)).view(np.float32)


def to_bytes(hits: Sequence[Tested]) -> bytes:
    """The table as `.npz`, numbers rounded to four digits; the same hits give the same bytes."""
    columns: dict[str, np.ndarray] = {
        name: _rounded([getattr(hit.evidence, name) for hit in hits]) for name in _NUMBERS
    }
    columns |= {f"f_{name}": _rounded([getattr(hit.evidence.features, name) for hit in hits]) for name in _FEATURES}
    columns["kind"] = np.array([hit.kind for hit in hits], dtype="S12")
    columns["strongest"] = np.array([hit.strongest for hit in hits], dtype=bool)
    columns["observation"] = np.array([hit.observation for hit in hits], dtype=np.int16)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **columns)  # type: ignore[arg-type]
    return buffer.getvalue()


def from_bytes(raw: bytes) -> list[Tested]:
    """Read what `to_bytes` wrote."""
    with np.load(io.BytesIO(raw), allow_pickle=False) as archive:
        columns = {name: archive[name].tolist() for name in archive.files}
    return [_tested(columns, i) for i in range(len(columns["kind"]))]


def _tested(columns: dict[str, list[Any]], i: int) -> Tested:
    features = Features(**{name: columns[f"f_{name}"][i] for name in _FEATURES})
    numbers = {name: int(columns[name][i]) if name in _WHOLE else columns[name][i] for name in _NUMBERS}
    return Tested(
        Evidence(features=features, **numbers),
        columns["kind"][i].decode(),
        columns["strongest"][i],
        columns["observation"][i],
    )
