"""The held-out hits as a table: the kinds of signals, and the file format of the table."""

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
    """A kind of signal: its true shape and label, the bands (MHz) where it is placed, and the grids it is drawn on."""

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
# Signals whose shape the model does not know.
STRANGE = ("sine", "hops", "walk", "sweep")
NOTHING = Kind(NOISE, NOISE)

# Every grid of the table suits a search for narrowband signals. False alarms decide who is a candidate, not the label;
# and its chirps bend more than the cut-out hides.
_LEFT_OUT = ("features", "suits_narrowband", "false_alarms", "curve_gain")
_NUMBERS = [field.name for field in fields(Evidence) if field.name not in _LEFT_OUT]
_FEATURES = [field.name for field in fields(Features)]
_WHOLE = frozenset(["n_rows", "comb_teeth", "hits_with_like_drift"])
# Bits dropped from a float32 leave four digits, which compress well.
_DROPPED_BITS = 9


@dataclass(frozen=True)
class Tested:
    """A hit, its kind of signal, whether it is the signal's strongest hit, and the observation's number."""

    evidence: Evidence
    kind: str
    strongest: bool
    observation: int


def _rounded(values: Sequence[Any]) -> np.ndarray:
    bits = np.asarray(values, np.float32).view(np.uint32)
    half = np.uint32(1 << (_DROPPED_BITS - 1))
    return ((bits + half) & ~np.uint32((1 << _DROPPED_BITS) - 1)).view(np.float32)


def to_bytes(hits: Sequence[Tested]) -> bytes:
    """Return the table as `.npz` with four digits per number; the same hits give the same bytes."""
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
    """Read a table that `to_bytes` wrote."""
    with np.load(io.BytesIO(raw), allow_pickle=False) as archive:
        columns = {name: archive[name].tolist() for name in archive.files}
    return [_tested(columns, i) for i in range(len(columns["kind"]))]


def _tested(columns: dict[str, list[Any]], i: int) -> Tested:
    features = Features(**{name: columns[f"f_{name}"][i] for name in _FEATURES})
    numbers: dict[str, Any] = {name: int(columns[name][i]) if name in _WHOLE else columns[name][i] for name in _NUMBERS}
    return Tested(
        Evidence(features=features, **numbers),
        columns["kind"][i].decode(),
        columns["strongest"][i],
        columns["observation"][i],
    )
