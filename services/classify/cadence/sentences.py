"""Sentences for people: what each scan shows of a track, and why a track is no event."""

import numpy as np

from services.classify.cadence.joining import Joined
from services.classify.cadence.observed import STATES, Observed
from services.classify.cadence.scans import Scan
from services.classify.cadence.verdict import Judgement
from shared.units import frequency_text


def scan_sentence(joined: Joined, seen: Observed, judgement: Judgement, track: int, scan: Scan) -> str:
    """Return what a scan shows of a track."""
    at = scan.index
    state, present = STATES[seen.state[track, at]], bool(judgement.present[track, at])
    start = f"Scan {at + 1} ({scan.role.upper()})"
    if state == "missing":
        return f"{start} has no results: {scan.failure}"
    if state == "outside":
        return f"{start} doesn't reach this frequency."
    if state == "lost":
        return f"{start} has lost the samples along the track."
    if state == "silent":
        return f"{start} lists no hit on the track, and there are no samples to measure."
    snr = seen.snr[track, at]
    if state == "listed":
        return f"{start} lists a hit on the track with SNR {snr:.1f}{_listed_end(joined, scan, snr, present)}"
    text = f"{start} has SNR {snr:.1f} ± {seen.snr_error[track, at]:.1f} along the track"
    trials = seen.trials[track, at]
    text += f", the best of {trials:.0f} paths" if trials >= 2 else ""
    return f"{text}{_measured_end(judgement, track, scan, present)}."


def _measured_end(judgement: Judgement, track: int, scan: Scan, present: bool) -> str:
    """Return what the SNR along a track says."""
    at, is_off = scan.index, scan.role == "off"
    ratio, limit = judgement.ratio[track, at], judgement.ratio_limit[track, at]
    taken = bool(judgement.taken[track, at])
    if present:
        strength = f", with {_part(ratio)} of its strength in the ON scans" if is_off and np.isfinite(ratio) else ""
        text = f": it is there{' too' if is_off else ''}{strength}"
        return f"{text}, for that is the line of another track" if taken else text
    if taken:
        return ": it is not there, for that is the line of another track"
    if limit >= 1:
        return ": that says nothing, for a signal as strong as in the ON scans would not be seen in it"
    if np.isfinite(limit):
        return f": it is not there, with at most {_part(limit)} of its strength in the ON scans that show it (3 sigma)"
    return ": it is not there"


def _listed_end(joined: Joined, scan: Scan, snr: float, present: bool) -> str:
    if present or scan.role == "off":
        return "; nothing could be measured." if present else ", too weak to count; nothing could be measured."
    return f", below the threshold of {joined.parameters.snr_threshold:g}; nothing could be measured."


def _part(ratio: float) -> str:
    return f"{100 * ratio:.3g} %"


def rejections(joined: Joined, seen: Observed, judgement: Judgement, track: int) -> list[str]:
    """Return why a track is no event; empty for an event."""
    reasons = []
    ons = [scan for scan in joined.scans if scan.role == "on" and scan.has_results]
    present, needed = int(judgement.on_present[track]), int(judgement.needed[track])
    if present < needed:
        absent = [scan for scan in ons if not judgement.present[track, scan.index]]
        silent = [scan for scan in absent if STATES[seen.state[track, scan.index]] == "silent"]
        text = f"It is in {present} of {len(ons)} ON scans, and {needed} are needed"
        text += f"; it is not seen in {_names(absent)}" if absent else ""
        if silent and len(silent) == len(absent):
            text += ", where nothing could be measured, so it may be there below the threshold"
        reasons.append(f"{text}.")
    offs = [scan for scan in joined.scans if scan.role == "off" and judgement.present[track, scan.index]]
    if offs:
        reasons.append(f"{_names(offs, upper=True)} {'is' if len(offs) == 1 else 'are'} OFF and show{_s(offs)} it too.")
    elif judgement.off_together[track]:
        reasons.append("The OFF scans together show it too, though none does alone.")
    if judgement.double_of[track] >= 0:
        at = joined.association.fits.value[judgement.double_of[track], 0] / 1e6
        reasons.append(f"It is the line of the event at {at:.6f} MHz, which has more hits or a higher SNR.")
    if judgement.stands_still[track]:
        drift, error = judgement.drift_hz_s[track], judgement.drift_error_hz_s[track]
        reasons.append(
            f"Its drift rate, {drift:.4f} ± {error:.4f} Hz/s, agrees with none: a transmitter fixed to the ground."
        )
    return reasons


def _s(scans: list[Scan]) -> str:
    return "s" if len(scans) == 1 else ""


def _names(scans: list[Scan], *, upper: bool = False) -> str:
    numbers = [str(scan.index + 1) for scan in scans]
    word = "scan" if len(numbers) == 1 else "scans"
    listed = numbers[0] if len(numbers) == 1 else f"{', '.join(numbers[:-1])} and {numbers[-1]}"
    return f"{word.capitalize() if upper else word} {listed}"


def family_sentence(kind: str, size: int, events: int, spacing_hz: float | None) -> str:
    """Return what a family is."""
    are = f"{events} of them {'is an event' if events == 1 else 'are events'}"
    if kind == "comb":
        raster = "" if spacing_hz is None else f" on a raster of {frequency_text(spacing_hz)}"
        return f"{size} lines{raster} that drift alike: one emitter; {are}."
    if kind == "drift_history":
        return f"{size} lines that drift alike in all scans: one emitter; {are}."
    return "A line of its own."
