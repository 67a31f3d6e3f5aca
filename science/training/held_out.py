"""Held-out hits, from observations that setigen generates: its own noise, paths and profiles, through files.

Each kind of signal has a true shape and a true label. Kinds of `STRANGE` have no shape and test the novelty.
"""

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import setigen
from astropy import units

from science.training.observe import match, search
from science.training.signals import fewest_steps, log_uniform, occupied
from science.training.table import KINDS, NOISE_KIND, STRANGE, Tested
from services.classify.measurement import measure_hits
from shared.arrays import Floats, Power
from shared.events import SearchParameters
from shared.filterbank import LocalSource, read_block, read_header
from shared.header import Header

Rng = np.random.Generator

HZ, S = units.Hz, units.s
# Channel width (Hz), spectrum (s), spectra, channels, widest drift (Hz/s).
GRIDS = (
    (2.7939677238464355, 18.253611008, 16, 2**15, 4.0),
    (2.8421709430404007, 17.979848, 16, 2**15, 4.0),
    (2.7939677238464355, 18.253611008, 32, 2**15, 2.0),
    (1.3969838619232178, 1.431655765, 60, 2**15, 4.0),
)
SLOT_CHANNELS = 4096


def _profile(rng: Rng, low_hz: float, high_hz: float) -> Any:
    width = log_uniform(rng, low_hz, high_hz) * HZ
    return rng.choice([setigen.gaussian_f_profile, setigen.box_f_profile, setigen.lorentzian_f_profile])(width)


def _pulses(rng: Rng, times_s: Floats) -> Floats:
    """Return Gaussian pulses that fill at most 0.42 of the time and at least two spectra."""
    tsamp = float(times_s[1] - times_s[0])
    while True:
        period = log_uniform(rng, 4.0, 2.0 * len(times_s)) * tsamp
        profile = setigen.periodic_gaussian_t_profile(
            rng.uniform(0.1, 0.3) * period * S,
            period * S,
            phase=rng.uniform(0, period),
            pulse_direction="up",
            amplitude=1,
            level=0,
            seed=int(rng.integers(2**31)),
        )
        envelope = np.asarray(profile(times_s), float)
        if envelope.max() > 0.1 and envelope.max() < 0.7 * envelope.sum() and occupied(envelope) <= 0.42:
            return envelope


def _steady(rng: Rng, times_s: Floats) -> Any:
    if rng.random() < 0.5:
        return setigen.constant_t_profile(level=1)
    period = rng.uniform(0.3, 2.0) * float(times_s[-1])
    return setigen.sine_t_profile(period * S, phase=rng.uniform(0, period), amplitude=rng.uniform(0, 0.5), level=1)


def _drift(rng: Rng, least: float, most: float) -> float:
    return float(rng.choice([-1, 1])) * log_uniform(rng, least, most)


class _Signals:
    """Draws setigen's arguments (path, envelope, profile) and the SNR for each kind of signal in one frame."""

    def __init__(self, rng: Rng, frame: Any, max_drift_hz_s: float) -> None:
        self.rng, self.frame, self.max_drift = rng, frame, max_drift_hz_s
        self.step = frame.df / ((frame.tchans - 1) * frame.dt)
        self.span = frame.tchans * frame.dt

    def draw(self, kind: str, hz: float) -> tuple[Any, Any, Any, float]:
        """Return path, envelope, profile and matched SNR of a signal of some kind at `hz`."""
        draw: Callable[[float], tuple[Any, Any, Any, float]] = getattr(self, kind)
        return draw(hz)

    def _least_drift(self, width_hz: float, snr: float) -> float:
        """Return the drift (Hz/s) from which a signal counts as drifting."""
        return fewest_steps(width_hz / self.frame.df + 1, snr) * float(self.step)

    def _line(self) -> Any:
        return _profile(self.rng, 0.8 * self.frame.df, 1.2 * self.frame.df)

    def candidate(self, hz: float) -> tuple[Any, Any, Any, float]:
        drift = _drift(self.rng, 6 * self.step, 0.9 * self.max_drift)
        profile = setigen.gaussian_f_profile(self.frame.df * HZ)
        return setigen.constant_path(hz * HZ, drift * HZ / S), 1, profile, log_uniform(self.rng, 40, 600)

    def drifting(self, hz: float) -> tuple[Any, Any, Any, float]:
        snr = log_uniform(self.rng, 12, 300)
        width = log_uniform(self.rng, 6 * self.frame.df, 250.0)
        least = self._least_drift(width, snr)
        if least > 0.8 * self.max_drift:
            width, snr = 6 * self.frame.df, 100.0
            least = self._least_drift(width, snr)
        path = setigen.constant_path(hz * HZ, _drift(self.rng, least, 0.9 * self.max_drift) * HZ / S)
        return path, _steady(self.rng, self.frame.ts), _profile(self.rng, width, 1.01 * width), snr

    def stationary(self, hz: float) -> tuple[Any, Any, Any, float]:
        path = setigen.constant_path(hz * HZ, 0.0 * HZ / S)
        if self.rng.random() < 0.4:
            spread = self.rng.uniform(0.2, 1.0) * self.frame.df
            path = setigen.simple_rfi_path(
                hz * HZ, 0.0 * HZ / S, spread * HZ, spread_type="uniform", seed=int(self.rng.integers(2**31))
            )
        profile = self._line() if self.rng.random() < 0.6 else _profile(self.rng, 2 * self.frame.df, 250.0)
        return path, _steady(self.rng, self.frame.ts), profile, log_uniform(self.rng, 12, 800)

    fm_carrier = tv_carrier = inmarsat = stationary

    def broad(self, hz: float) -> tuple[Any, Any, Any, float]:
        envelope = _steady(self.rng, self.frame.ts)
        if self.rng.random() < 0.3:
            envelope = _pulses(self.rng, self.frame.ts)
        path = setigen.constant_path(hz * HZ, self.rng.uniform(-0.5, 0.5) * HZ / S)
        return path, envelope, _profile(self.rng, 750.0, 3500.0), log_uniform(self.rng, 40, 2000)

    def pulsed(self, hz: float) -> tuple[Any, Any, Any, float]:
        drift = 0.0 if self.rng.random() < 0.4 else self.rng.uniform(-0.9, 0.9) * self.max_drift
        profile = self._line() if self.rng.random() < 0.6 else _profile(self.rng, 2 * self.frame.df, 150.0)
        path = setigen.constant_path(hz * HZ, drift * HZ / S)
        return path, _pulses(self.rng, self.frame.ts), profile, log_uniform(self.rng, 14, 600)

    def radar(self, hz: float) -> tuple[Any, Any, Any, float]:
        path = setigen.constant_path(hz * HZ, 0.0 * HZ / S)
        profile = setigen.gaussian_f_profile(log_uniform(self.rng, 150.0, 300.0) * HZ)
        return path, _pulses(self.rng, self.frame.ts), profile, log_uniform(self.rng, 40, 600)

    def chirp(self, hz: float) -> tuple[Any, Any, Any, float]:
        sag = log_uniform(self.rng, 4.0, 60.0) * self.frame.df
        path = setigen.squared_path(hz * HZ, float(self.rng.choice([-1, 1])) * 8 * sag / self.span**2 * HZ / S)
        return path, _steady(self.rng, self.frame.ts), self._line(), log_uniform(self.rng, 20, 800)

    def glitch(self, hz: float) -> tuple[Any, Any, Any, float]:
        envelope = np.zeros(self.frame.tchans)
        envelope[self.rng.integers(self.frame.tchans)] = 1.0
        profile = self._line() if self.rng.random() < 0.6 else _profile(self.rng, 2 * self.frame.df, 200.0)
        return setigen.constant_path(hz * HZ, 0.0 * HZ / S), envelope, profile, log_uniform(self.rng, 14, 600)

    def iridium(self, hz: float) -> tuple[Any, Any, Any, float]:
        drift = _drift(self.rng, 0.4 * self.max_drift, 0.9 * self.max_drift)
        profile = setigen.gaussian_f_profile(log_uniform(self.rng, 150.0, 330.0) * HZ)
        return setigen.constant_path(hz * HZ, drift * HZ / S), 1, profile, log_uniform(self.rng, 100, 800)

    def sine(self, hz: float) -> tuple[Any, Any, Any, float]:
        """Draw a tone whose frequency oscillates two to four times."""
        period = self.span / self.rng.uniform(2, 4)
        amplitude = self.rng.uniform(6, 20) * self.frame.df
        path = setigen.sine_path(hz * HZ, 0.0 * HZ / S, period * S, amplitude * HZ)
        return path, 1, self._line(), log_uniform(self.rng, 60, 800)

    def hops(self, hz: float) -> tuple[Any, Any, Any, float]:
        """Draw a tone that jumps to another channel in each spectrum."""
        spread = self.rng.uniform(10, 30) * self.frame.df
        path = setigen.simple_rfi_path(
            hz * HZ, 0.0 * HZ / S, spread * HZ, spread_type="uniform", seed=int(self.rng.integers(2**31))
        )
        return path, 1, self._line(), log_uniform(self.rng, 60, 800)

    def sweep(self, hz: float) -> tuple[Any, Any, Any, float]:
        """Draw a tone that drifts faster than the search covers."""
        drift = _drift(self.rng, 1.3 * self.max_drift, 3 * self.max_drift)
        return setigen.constant_path(hz * HZ, drift * HZ / S), 1, self._line(), log_uniform(self.rng, 150, 1500)

    def walk(self, hz: float) -> tuple[Any, Any, Any, float]:
        """Draw a random walk of several channels from spectrum to spectrum."""
        path = setigen.simple_rfi_path(
            hz * HZ,
            0.0 * HZ / S,
            self.rng.uniform(3, 8) * self.frame.df * HZ,
            spread_type="normal",
            rfi_type="random_walk",
            seed=int(self.rng.integers(2**31)),
        )
        return path, 1, self._line(), log_uniform(self.rng, 60, 800)


def _add(frame: Any, drawn: tuple[Any, Any, Any, float], hz: float) -> tuple[int, Floats]:
    """Add a signal of a matched SNR to the frame; return its first channel in the file, and its power in sigma."""
    path, envelope, profile, snr = drawn
    reach = SLOT_CHANNELS / 2 * frame.df
    added = frame.add_signal(
        path,
        envelope,
        profile,
        bounding_f_range=(hz - reach, hz + reach),
        doppler_smearing=not getattr(path, "__qualname__", "").startswith("simple_rfi_path"),
    )
    scale = snr * frame.noise_std / np.sqrt(np.sum(added**2))
    frame.data += added * (scale - 1)
    columns = np.flatnonzero(added.any(axis=0))
    low, high = int(columns[0]), int(columns[-1]) + 1
    # Frequency falls with the file's channels and rises with the frame's.
    return frame.fchans - high, (added[:, low:high] * scale / frame.noise_std)[:, ::-1]


async def _read(path: Path) -> tuple[Header, Power]:
    source = LocalSource(path)
    header, _ = await read_header(source)
    return header, await read_block(source, header, 0, header.n_channels)


def _saved_and_read(frame: Any) -> tuple[Header, Power]:
    """Write the frame to a file and read it as a user's observation is read."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "held_out.fil"
        frame.save_fil(str(path))
        return asyncio.run(_read(path))


def _plan(rng: Rng) -> tuple[list[str], tuple[float, float, int, int, float], float]:
    """Return the kinds of signals in one observation, its grid, and the frequency of its first channel, MHz."""
    first = str(rng.choice([*KINDS, *STRANGE]))
    kind = KINDS.get(first, KINDS["chirp"])
    grid = GRIDS[int(rng.choice(kind.grids))]
    low, high = kind.bands_mhz[int(rng.integers(len(kind.bands_mhz)))]
    alike = [name for name, other in KINDS.items() if other.bands_mhz == kind.bands_mhz]
    alike += STRANGE if first in STRANGE else ()
    if grid is GRIDS[3]:
        alike = [name for name in alike if 3 in KINDS.get(name, kind).grids]
    kinds = [first, *rng.choice(alike, grid[3] // SLOT_CHANNELS - 1)]
    return [str(name) for name in kinds], grid, float(rng.uniform(low, high))


def observe_held_out(number: int) -> list[Tested]:
    """Return the hits of one observation; every sixth holds noise alone and is searched at a low threshold."""
    rng = np.random.default_rng([number, 1977])
    kinds, (df, dt, tchans, fchans, max_drift), mhz = _plan(rng)
    empty = number % 6 == 0
    frame = setigen.Frame(
        fchans=fchans, tchans=tchans, df=df * HZ, dt=dt * S, fch1=mhz * units.MHz, mjd=57650.0, seed=number
    )
    frame.add_noise(x_mean=10)
    signals, placed = _Signals(rng, frame, max_drift), []
    for slot, kind in enumerate([] if empty else kinds):
        hz = frame.get_frequency(int((slot + rng.uniform(0.35, 0.65)) * SLOT_CHANNELS))
        placed.append(_add(frame, signals.draw(kind, hz), hz))
    header, power = _saved_and_read(frame)
    parameters = SearchParameters(snr_threshold=5.5 if empty else 10.0, max_drift_rate_hz_s=max_drift)
    found = search(power, header, parameters)
    measured = measure_hits(header, parameters, [found])
    owners = match(measured.hits, placed, header.n_spectra)
    brightest: dict[int, float] = {}
    for hit, owner in zip(measured.hits, owners, strict=True):
        if owner is not None:
            brightest[owner] = max(brightest.get(owner, 0.0), float(hit["snr"]))
    return [
        Tested(item, kinds[owner] if owner >= 0 else NOISE_KIND, bool(hit["snr"] == brightest[owner]), number)
        for item, hit, owner in zip(measured.evidence, measured.hits, owners, strict=True)
        if owner is not None and (owner < 0 or hit["snr"] >= 0.5 * brightest[owner])
    ]
