"""Distance of a hit from the training data of a model."""

import numpy as np

from shared.arrays import Floats

SMALLEST_P = 1e-6


def distances(rows: Floats, centres: Floats, whitening: Floats) -> Floats:
    """Return the Mahalanobis distance of each row from the nearest cluster of known signals.

    Parameters
    ----------
    rows
        (rows, d).
    centres
        (clusters, d), the clusters' means.
    whitening
        (clusters, d, d), inverse of the Cholesky factor of each cluster's covariance.

    Returns
    -------
    ndarray
        (rows,); about sqrt(d) for a typical known signal.
    """
    nearest = np.full(len(rows), np.inf)
    for centre, matrix in zip(centres, whitening, strict=True):
        away = (rows - centre) @ matrix.T
        nearest = np.minimum(nearest, np.sqrt(np.sum(away**2, axis=1)))
    return nearest


def p_values(distance: Floats, known: Floats, shares: Floats) -> Floats:
    """Return the share of known signals that lie as far out or farther.

    Parameters
    ----------
    distance
        (rows,).
    known
        (k,), rising distances of known signals that the model was not trained on.
    shares
        (k,), falling: the share of them that lies at `known[i]` or beyond.

    Returns
    -------
    ndarray
        (rows,), from 1 down to 1e-6: log-linear between the entries; beyond the last, with the slope of the last two.
    """
    log_share = np.log(shares)
    slope = (log_share[-1] - log_share[-2]) / (known[-1] - known[-2])
    inside = np.interp(distance, known, log_share)
    beyond = log_share[-1] + slope * np.maximum(0.0, distance - known[-1])
    p: Floats = np.exp(np.maximum(np.where(distance > known[-1], beyond, inside), np.log(SMALLEST_P)))
    return p
