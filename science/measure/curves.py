"""The figures of `python -m science.measure`."""

from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from science.measure.false_alarms import most_false_hits
from science.measure.recovery import pulls

mpl.use("Agg")

OURS, THEIRS, THIRD, GREY = "#1f5fa8", "#c4622d", "#5b8f3a", "#8a8a8a"
STYLE = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e4e4e4",
    "axes.axisbelow": True,
    "legend.frameon": False,
}


def _axes(title: str, across: str, up: str) -> Axes:
    mpl.rcParams.update(STYLE)
    _, axes = plt.subplots(figsize=(6.4, 3.8), layout="constrained")
    axes.set_title(title, loc="left", fontsize=10)
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    return axes


def _save(axes: Axes, path: Path, *, dpi: int = 130) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Without the software's version, the same curve gives the same bytes.
    figure = axes.get_figure(root=True)
    assert figure is not None
    figure.savefig(path, dpi=dpi, metadata={"Software": None})
    plt.close(figure)


def _binned(drift: np.ndarray, values: np.ndarray, bins: int = 40) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(middles, means, smallest) of `values` in equal bins of |drift|."""
    edges = np.linspace(0, np.abs(drift).max() * (1 + 1e-9), bins + 1)
    place = np.digitize(np.abs(drift), edges) - 1
    filled = [k for k in range(bins) if (place == k).any()]
    middles = (edges[:-1] + edges[1:])[filled] / 2
    return (
        middles,
        np.array([values[place == k].mean() for k in filled]),
        np.array([values[place == k].min() for k in filled]),
    )


def efficiency(table: np.ndarray, beside: np.ndarray, paths: list[Path]) -> None:
    """Part of a tone's SNR that is found, against drift; `table` from `efficiencies`, `beside` from `compare`."""
    axes = _axes("How much of a tone's SNR is found (16 spectra)", "|drift rate|, Hz/s", "SNR found / best possible")
    drift, before, after = table.T
    middles, mean, least = _binned(drift, before)
    axes.plot(drift, after, ".", ms=2, color=THIRD, label="Waterhole, after refinement")
    axes.plot(middles, mean, color=OURS, label="Waterhole, coarse search alone: mean")
    axes.plot(middles, least, color=OURS, ls=":", label="and least")
    clear = beside[(beside["snr"] >= 50) & (beside["n_bits"] == 32)]
    seen = np.isfinite(clear["turboseti"])
    if seen.any():
        axes.plot(
            np.abs(clear["drift_rate_hz_s"][seen]),
            clear["turboseti"][seen],
            "x",
            ms=4,
            color=THEIRS,
            label="turboSETI 2.3.2: stated SNR / 1.267 / true",
        )
    axes.axhline(0.88, color=GREY, lw=0.8, ls="--")
    axes.set_ylim(0, 1.05)
    axes.legend(loc=(0.42, 0.42), fontsize=8)
    for path in paths:
        _save(axes, path, dpi=110 if path.parent.name == "figures" else 130)


def recovery(beside: np.ndarray, paths: list[Path]) -> None:
    """Share of the tones that are found at threshold 10, against their true SNR."""
    axes = _axes("Tones found at threshold 10, drifts within ±4 Hz/s", "true SNR", "share found")
    rows = beside[beside["n_bits"] == 32]
    levels = np.unique(rows["snr"])
    for name, colour, label in (("ours", OURS, "Waterhole"), ("turboseti", THEIRS, "turboSETI 2.3.2")):
        if np.isfinite(rows[name]).any():
            shares = [np.isfinite(rows[name][rows["snr"] == level]).mean() for level in levels]
            axes.plot(levels, shares, "o-", ms=4, color=colour, label=label)
    axes.set_xscale("log")
    axes.set_xticks(levels, [f"{level:g}" for level in levels], minor=False)
    axes.minorticks_off()
    axes.axvline(10, color=GREY, lw=0.8, ls="--")
    axes.set_ylim(-0.02, 1.05)
    axes.legend(loc="lower right")
    for path in paths:
        _save(axes, path, dpi=110 if path.parent.name == "figures" else 130)


def false_alarms(
    snrs: np.ndarray, observations: int, n_channels: int, predicted: dict[float, tuple[float, float]], path: Path
) -> None:
    """Hits in noise above a threshold, counted and predicted (mean and error of one observation), all together."""
    axes = _axes(
        f"Hits in noise alone, {observations} observations of 16 x 2^20", "SNR threshold", "hits above it, all together"
    )
    levels = np.linspace(6, 7.6, 60)
    most = np.array([observations * most_false_hits(float(level), n_channels) for level in levels])
    axes.plot(levels, most, color=GREY, label="estimated from above")
    means, errors = observations * np.array(list(predicted.values())).T
    axes.errorbar(list(predicted), means, np.hypot(errors, np.sqrt(means)), color="k", fmt="o", ms=4, label="predicted")
    counts = np.array([(snrs > level).sum() for level in levels])
    axes.step(levels[counts > 0], counts[counts > 0], color=OURS, label="counted")
    axes.axhline(0.01 * observations, color=THEIRS, lw=0.8, ls="--", label="0.01 per observation")
    axes.set_yscale("log")
    axes.set_ylim(1e-1, 1.5 * max(most.max(), counts.max()))
    axes.legend()
    _save(axes, path)


def stated_errors(rows: np.ndarray, path: Path) -> None:
    """(stated - true) / stated error of frequency and drift rate, beside a Gaussian of 1."""
    axes = _axes("Errors over stated errors", "(stated - true) / stated error", "share per unit")
    edges = np.linspace(-4, 4, 65).tolist()
    for name, colour, label in (("frequency_pull", OURS, "frequency"), ("drift_pull", THIRD, "drift rate")):
        axes.hist(
            np.clip(pulls(rows, name), -4, 4), edges, density=True, histtype="step", lw=1.3, color=colour, label=label
        )
    middle = (np.array(edges[:-1]) + edges[1:]) / 2
    axes.plot(middle, np.exp(-(middle**2) / 2) / np.sqrt(2 * np.pi), color=GREY, lw=1, label="Gaussian of 1")
    axes.legend()
    _save(axes, path)


def tradeoff(points: list[tuple[float, float, float, bool]], path: Path) -> None:
    """Draw efficiency against seconds of many densities: (mean, least, seconds, whether it is the one in use)."""
    axes = _axes("Efficiency before refinement against cost", "seconds, 16 x 2^20, one thread", "efficiency")
    mean, least, seconds, _ = np.array(points).T
    axes.plot(seconds, mean, "o", ms=4, color=OURS, label="mean")
    axes.plot(seconds, least, "s", ms=4, color=THIRD, label="least")
    for m, n, s, used in points:
        if used:
            axes.plot([s, s], [m, n], "o", ms=10, mfc="none", mec=THEIRS, label="in use")
    for asked in (0.95, 0.88):
        axes.axhline(asked, color=GREY, lw=0.8, ls="--")
    axes.legend(loc="lower right")
    _save(axes, path)
