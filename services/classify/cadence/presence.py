"""What a measured SNR says: is the signal there, and how sure is that."""

from math import log, pi, sqrt

import numpy as np
import numpy.typing as npt

from shared.arrays import Floats

# The part of the strength in the ON scans that counts as the signal being there: a source in the beam of an OFF scan
# gives about 1, a side lobe of the beam (-20 to -30 dB) a hundredth or less.
LEAST_PART = 0.05
# Parts of the strength that are held possible, all alike.
MOST_PART, PARTS = 1.5, 301
# Standard errors; a probability moves by less than 1e-15 of itself beyond.
FAR = 8.0


def threshold(snr: float, trials: Floats) -> Floats:
    """Return what SNR the strongest of `trials` paths needs to be as unlikely in noise as `snr` on a single one.

    The chance that Gaussian noise exceeds z is about exp(-z^2 / 2) / (z sqrt(2 pi)), within 10 % above z = 3. Equating
    it for one path with `trials` times it gives z^2 = snr^2 + 2 ln(trials) - 2 ln(z / snr), which converges in a few
    steps.
    """
    many = np.maximum(np.nan_to_num(trials, nan=1.0), 1.0)
    found = np.full(many.shape, float(snr))
    for _ in range(8):
        found = np.sqrt(np.maximum(snr**2 + 2 * np.log(many) - 2 * np.log(found / snr), snr**2))
    return found


def normal_density(z: Floats) -> Floats:
    """Return the density of the normal distribution."""
    density: Floats = np.exp(-z * z / 2) / sqrt(2 * pi)
    return density


def normal_below(z: Floats) -> Floats:
    """Return the chance of a normal value below z, within 8e-8 (Abramowitz and Stegun 1964, 26.2.17)."""
    t = 1 / (1 + 0.2316419 * np.abs(z))
    series = t * (0.319381530 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))))
    above = normal_density(np.abs(z)) * series
    return np.where(z >= 0, 1 - above, above)


def shown_together(snr: Floats, trials: Floats, use: npt.NDArray[np.bool_], least: float) -> npt.NDArray[np.bool_]:
    """Return where several scans together are as unlikely in noise as the SNR `least` of one path.

    The chance p of each, that the best of its paths in noise is as strong, gives -2 Σ ln p, which is distributed as chi
    squared of twice as many degrees as there are scans (Fisher 1925). One scan alone is not judged.

    Parameters
    ----------
    snr, trials
        (n, scans) measured, and the paths of which the strongest was.
    use
        (n, scans) which to take together.
    least
        The SNR.

    Returns
    -------
    bool (n,)
    """
    good = use & np.isfinite(snr)
    below = np.clip(normal_below(np.where(good, snr, 0.0)), 1e-12, 1 - 1e-12)
    chance = -np.expm1(np.maximum(np.nan_to_num(trials, nan=1.0), 1.0) * np.log(below))
    half = -np.where(good, np.log(np.clip(chance, 1e-12, 1.0)), 0.0).sum(axis=1)
    count = good.sum(axis=1)
    # The chance that chi squared of 2 n degrees exceeds x is exp(-x / 2) Σ (x / 2)^i / i! over i < n.
    term, total = np.ones_like(half), np.zeros_like(half)
    for i in range(good.shape[1]):
        total += np.where(i < count, term, 0.0)
        term = term * half / (i + 1)
    allowed = float(1 - normal_below(np.array([float(least)]))[0])
    return np.asarray((count > 1) & (np.exp(-half) * total <= allowed), np.bool_)


def presence_probability(snr: Floats, full_snr: Floats, trials: Floats) -> Floats:
    """Return how likely a scan holds at least `LEAST_PART` of the signal.

    Before the measurement, all parts of the strength from 0 to 1.5 are held equally likely. The strongest of `trials`
    paths is measured, one of which holds the signal: its density is that of the largest of that many normal values, of
    which one is shifted by the signal's SNR. Bayes' rule gives the rest.

    Parameters
    ----------
    snr
        (n,) measured.
    full_snr
        (n,) what the whole strength of the ON scans would give in this scan.
    trials
        (n,) independent paths of which the strongest was measured.

    Returns
    -------
    float64 (n,)
        NaN where the values say nothing.
    """
    parts = np.linspace(0.0, MOST_PART, PARTS)
    z = snr[:, None]
    others = np.maximum(np.nan_to_num(trials, nan=1.0), 1.0)[:, None] - 1
    with np.errstate(invalid="ignore", over="ignore"):
        shifted = z - full_snr[:, None] * parts
        below = np.log(np.maximum(normal_below(np.clip(z, -FAR, FAR)), 1e-300))
        # Of the two ways to get the largest value z, the signal's path gives it, or another does and the signal's is
        # below. The second is left out of the logarithm's range where it is nothing.
        of_signal = -(shifted**2) / 2 - log(sqrt(2 * pi)) + others * below
        of_noise = (
            np.log(np.maximum(others, 1e-300))
            - z**2 / 2
            - log(sqrt(2 * pi))
            + (others - 1) * below
            + np.log(np.maximum(normal_below(shifted), 1e-300))
        )
        both = np.where(others > 0, np.logaddexp(of_signal, of_noise), of_signal)
        weight = np.exp(both - both.max(axis=1, keepdims=True))
    total = weight.sum(axis=1)
    there = weight[:, parts >= LEAST_PART].sum(axis=1)
    known = np.isfinite(snr) & np.isfinite(full_snr) & (full_snr > 0) & (total > 0)
    probability: Floats = np.where(known, there / np.where(total > 0, total, 1.0), np.nan)
    return probability


def weighted_mean(values: Floats, errors: Floats, use: npt.NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Return the mean of each row weighted by the inverse squares of its errors, and its error.

    Both are NaN for a row without values.
    """
    good = use & np.isfinite(values) & (errors > 0)
    weight = np.where(good, 1 / np.where(good, errors, 1.0) ** 2, 0.0)
    total = weight.sum(axis=1)
    some = total > 0
    mean = (weight * np.where(good, values, 0.0)).sum(axis=1) / np.where(some, total, 1.0)
    return np.where(some, mean, np.nan), np.where(some, 1 / np.sqrt(np.where(some, total, 1.0)), np.nan)
