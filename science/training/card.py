"""The model card: the model, its training and test data, its quality, its known failures."""

from collections.abc import Sequence
from textwrap import fill
from typing import Any

from science.training.metrics import LEAST_SNR
from science.training.table import KINDS
from services.classify.evidence import MODEL_FEATURES, NOVELTY_FEATURES

SHORT = {
    "NARROWBAND_DRIFTING": "drift",
    "NARROWBAND_STATIONARY": "stat.",
    "BROADBAND": "broad",
    "PULSED": "pulse",
    "CHIRP": "chirp",
    "RFI_TERRESTRIAL": "terr.",
    "RFI_SATELLITE": "sat.",
    "NOISE": "noise",
    "CANDIDATE_ET": "ET",
}

INTRODUCTION = """# Model card: shapes and labels of hits

Written by `python -m science.training`; do not edit by hand.

## What it is

{trees} boosted trees (LightGBM, at most {leaves} leaves) tell six shapes apart: {shapes}.
Written rules make nine labels of them, with the frequency band, the other hits and the definition of CANDIDATE_ET
(`services/classify/labels.py`). No service needs LightGBM: `services/classify/kernels/trees.py` evaluates the stored
trees with numpy, equal to LightGBM to 1e-9.

The model uses {n_features} numbers of one hit (`services/classify/evidence.py`), all without units, so that one model
fits every grid:
{features}.
Other hits and the band are left to the rules: the simulation decides how crowded a band is, and the model would learn
that choice.

Probabilities are calibrated by a temperature ({temperature:.3f}), fitted on hits that the trees were not trained on.
`novelty` is 1 minus the share of such hits (of the same shape) that lie at least as far from the training data: the
Mahalanobis distance from the nearest of {clusters} clusters in {n_novelty} numbers of shape.

## Data

Training: {training_hits} hits of {training_observations} simulated observations; calibration: {calibration_hits} hits
of {calibration_observations} others (`science/training/signals.py`, with the simulator in `science/simulator`). The
grids are those of real products: 2.79, 2.84 and 2.93 Hz x 18.25, 17.98 and 17.40 s with 4 to 60 spectra, 1.397 Hz x
1.43 s with 32 to 150, 2.86 kHz x 1.07 s with 60. Noise is gamma-distributed (51 or 102 averaged spectra), half of the
observations have the gain of a part of a coarse channel, two in five are quantised to 8 or 16 bits. Signals are drawn
in Hz, Hz/s, s and SNR (6 to 1500), with shapes as defined in `signals.py`. All hits come from the real search, at
thresholds of 10, 8 and 5.5; a hit has the shape of the emission that explains at least half of its SNR.

Held out: {hits} hits of {observations} observations by setigen {setigen} (another generator: chi-squared noise, its own
paths and profiles), written as `.fil` files, then read and searched like a user's. Kinds: {kinds};
every sixth observation is noise alone, searched at a threshold of 5.5. The held-out observations were not used in
training or calibration. The features were chosen with the help of other observations of the same kinds.

`python -m science.training --check` trains again and compares the figures below with the committed ones: equal within
0.01 in macro F1 and 0.04 in each recall. (Every seed is fixed; another processor, another version of a package or a
change of the search may change a few hits.)

| what | version |
|---|---|
{versions}

## Results on held-out data

The strongest hit of each emitter, SNR {snr:.0f} and more. As in training, nothing was drawn near the limits between
shapes (see the known failures).
"""

FAILURES = """
## Known failures

- Near the limits the shape is a matter of convention: widths of 350 to 700 Hz, power in 0.42 to 0.6 of the time,
  drifts of one to three grid steps, and tracks bent by one to three channels were not drawn. Expect either label there.
- The search treats emission wider than some 6 kHz on fine grids as bandpass. It finds the edges and the peaks; these
  pieces are labelled, not the whole.
- A burst in a single spectrum can't be distinguished from a glitch and is NOISE.
- A tone that drifts faster than the search covers appears in pieces, mostly as CHIRP or BROADBAND.
- Signals that wander or hop often have a high novelty, but not always (see the table); the rest is mostly CHIRP.
- Artefacts beside very strong wide signals, which belong to no emission, were left out of training and tests.
- With fewer than 8 spectra, pulses, chirps and glitches were not trained: their shapes in time can't be resolved.
- All figures are for simulated signals. Of real data, only the five stamps of Voyager 1 were tried.
"""


def _scores(scores: dict[str, Any], title: str) -> str:
    names = scores["names"]
    lines = [f"### {title}", "", "| class | hits | precision | recall | F1 |", "|---|---|---|---|---|"]
    for i, name in enumerate(names):
        count = sum(scores["confusion"][i])
        values = " | ".join(f"{scores[key][i]:.3f}" for key in ("precision", "recall", "f1"))
        lines.append(f"| {name} | {count} | {values} |")
    lines += [f"| **macro F1** | | | | **{scores['macro_f1']:.3f}** |", "", "Confusion (rows: truth):", ""]
    lines += ["| | " + " | ".join(SHORT[name] for name in names) + " |", "|---" * (len(names) + 1) + "|"]
    lines += [
        f"| {SHORT[name]} | " + " | ".join(str(count) for count in scores["confusion"][i]) + " |"
        for i, name in enumerate(names)
    ]
    return "\n".join(lines)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def _reliability(metrics: dict[str, Any]) -> str:
    rows = [
        (f"{item['from']:.2f} to {item['to']:.2f}", str(item["hits"]), f"{item['stated']:.3f}", f"{item['right']:.3f}")
        for item in metrics["bins"]
    ]
    table = _table(("stated probability", "hits", "mean", "right"), rows)
    return f"{table}\n\nExpected calibration error: {metrics['expected_calibration_error']:.4f}."


def _novelty(metrics: dict[str, Any]) -> str:
    rows = [("known shapes", "", f"{metrics['told_of_known']:.3f}")]
    rows += [(kind, str(own["hits"]), f"{own['told']:.3f}") for kind, own in metrics["told_of_strange"].items()]
    return _table(("kind", "hits", "reported as unlike the training data"), rows)


def _wrapped(text: str) -> str:
    """Wrap the paragraphs of a Markdown text, without its headings and tables."""
    return "\n\n".join(
        part if part.startswith(("#", "|")) else fill(part, 120, break_long_words=False, break_on_hyphens=False)
        for part in text.strip().split("\n\n")
    )


def render(facts: dict[str, Any]) -> str:
    """Return the card in Markdown, from the facts in `shapes.json`."""
    metrics, trained = facts["held_out"], facts["trained"]
    by_snr = [
        (
            f"{row['from']:.0f} to {row['to']:.0f}" if row["to"] < 1e6 else f"{row['from']:.0f} and more",
            str(row["hits"]),
            f"{row['right']:.3f}",
        )
        for row in metrics["accuracy_by_snr"]
    ]
    opening = INTRODUCTION.format(
        trees=trained["trees"],
        leaves=trained["leaves"],
        shapes=", ".join(facts["classes"]),
        n_features=len(MODEL_FEATURES),
        features=", ".join(MODEL_FEATURES),
        temperature=facts["temperature"],
        clusters=len(facts["centres"]),
        n_novelty=len(NOVELTY_FEATURES),
        hits=metrics["hits"],
        observations=metrics["observations"],
        kinds=", ".join(KINDS),
        setigen=trained["versions"]["setigen"],
        versions="\n".join(f"| {name} | {version} |" for name, version in trained["versions"].items()),
        snr=LEAST_SNR,
        **{key: trained[key] for key in ("training_hits", "training_observations")},
        **{key: trained[key] for key in ("calibration_hits", "calibration_observations")},
    )
    parts = [
        _wrapped(opening),
        _scores(metrics["labels"], "The nine labels"),
        _scores(metrics["shapes"], "The six shapes"),
        "### Shapes by SNR (all hits)\n\n" + _table(("SNR", "hits", "right"), by_snr),
        "### Reliability of the probabilities (all hits)\n\n" + _reliability(metrics["reliability"]),
        "### Novelty (share of hits under the 1 % limit)\n\n" + _novelty(metrics["novelty"]),
        FAILURES.strip(),
    ]
    return "\n\n".join(parts) + "\n"
