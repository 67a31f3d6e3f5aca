"""Sentences about lost samples and changing gains, once for all chunks: each names its channels and frequencies."""

from collections.abc import Sequence
from dataclasses import replace

from shared.header import Header
from shared.hits import ChunkNoise, GainChange, Gap
from shared.polarisations import FIRST_IF, Ifs

# Part of the samples, and number of samples, whose loss is reported.
WORTH_A_WARNING, MANY_SAMPLES = 1e-4, 1000
# Gaps, and stretches of spectra of other gain, that are named.
MOST_NAMED = 20
# Gains that differ by less are one.
LIKE_FACTOR = 0.1


def noise_warnings(header: Header, noise: Sequence[ChunkNoise], ifs: Sequence[Ifs] = ()) -> list[str]:
    """Return the sentences about an observation.

    Parameters
    ----------
    header : Header
        Of the whole file.
    noise : sequence of ChunkNoise
        Of its chunks, in order.
    ifs : sequence of Ifs
        The IFs that were searched in each chunk, a sum if several; empty if they are the same in all.
    """
    of_search: dict[Ifs, list[ChunkNoise]] = {}
    for one, searched in zip(noise, ifs or [FIRST_IF] * len(noise), strict=True):
        of_search.setdefault(searched, []).append(one)
    lost = sum(_lost_samples(header, one) for one in noise)
    samples = header.n_spectra * header.n_channels * max(1, len(of_search))
    is_worth_it = lost > 0 and (lost >= MANY_SAMPLES or lost >= WORTH_A_WARNING * samples)
    sentences = []
    if is_worth_it:
        sentences.append(
            f"{100 * lost / samples:.3g} % of the samples are lost (NaN, zero or constant) and were left out."
        )
    if is_worth_it and any(len(searched) > 1 for searched in of_search):
        sentences.append(
            "A sample of the sum is lost if it is lost in one of its IFs; a search of all IFs by themselves "
            "(ifs 'all') shows in which."
        )
    seen_in: dict[str, list[Ifs]] = {}
    for searched, own in of_search.items():
        gaps = _joined_gaps([gap for one in own for gap in one.gaps])
        elsewhere = sum(one.lost_elsewhere or 0 for one in own)
        about = (
            _gap_sentences(header, sorted(gaps, key=lambda gap: (-gap.samples, gap)), elsewhere) if is_worth_it else []
        )
        about += _gain_sentences(header, _joined_changes([c for one in own for c in one.gain_changes]))
        for sentence in about:
            seen_in.setdefault(sentence, []).append(searched)
    if len(of_search) < 2:
        return sentences + list(seen_in)
    return sentences + [_in_ifs(sentence, searches) for sentence, searches in seen_in.items()]


def _in_ifs(sentence: str, searches: Sequence[Ifs]) -> str:
    """Return a sentence that names the IFs it is about."""
    names = _listed(["+".join(map(str, searched)) for searched in searches])
    return f"In IF{'s' if len(searches) > 1 else ''} {names}, {sentence[0].lower()}{sentence[1:]}"


def _lost_samples(header: Header, noise: ChunkNoise) -> int:
    """Return the number of lost samples of a chunk: those in lost channels and in lost spectra too count once."""
    channels = [gap for gap in noise.gaps if gap.stop_spectrum - gap.start_spectrum == header.n_spectra]
    others = [gap for gap in noise.gaps if gap.stop_spectrum - gap.start_spectrum < header.n_spectra]
    twice = sum(
        max(0, min(one.stop_channel, other.stop_channel) - max(one.start_channel, other.start_channel))
        * (other.stop_spectrum - other.start_spectrum)
        for one in channels
        for other in others
    )
    return sum(gap.samples for gap in noise.gaps) + (noise.lost_elsewhere or 0) - twice


def _joined_gaps(gaps: Sequence[Gap]) -> list[Gap]:
    """Join the gaps of neighbouring chunks that have the same spectra."""
    joined: list[Gap] = []
    for gap in sorted(gaps, key=lambda gap: (gap.start_spectrum, gap.stop_spectrum, gap.start_channel)):
        last = joined[-1] if joined else None
        if last and _follows(last, gap):
            joined[-1] = replace(last, stop_channel=gap.stop_channel, samples=last.samples + gap.samples)
        else:
            joined.append(gap)
    return joined


def _joined_changes(changes: Sequence[GainChange]) -> list[GainChange]:
    """Join the changes of neighbouring chunks that have the same spectra and nearly the same factor."""
    joined: list[GainChange] = []
    for change in sorted(changes, key=lambda one: (one.start_spectrum, one.stop_spectrum, one.start_channel)):
        last = joined[-1] if joined else None
        if last and _follows(last, change) and abs(change.factor / last.factor - 1) < LIKE_FACTOR:
            joined[-1] = replace(last, stop_channel=change.stop_channel)
        else:
            joined.append(change)
    return joined


def _follows(one: Gap | GainChange, other: Gap | GainChange) -> bool:
    spectra = one.start_spectrum == other.start_spectrum and one.stop_spectrum == other.stop_spectrum
    return spectra and one.stop_channel == other.start_channel


def _range(start: int, stop: int) -> str:
    return str(start) if stop == start + 1 else f"{start} to {stop - 1}"


def _spectra(box: Gap | GainChange) -> str:
    noun = "spectrum" if box.stop_spectrum == box.start_spectrum + 1 else "spectra"
    return f"{noun} {_range(box.start_spectrum, box.stop_spectrum)}"


def _channels(header: Header, box: Gap | GainChange) -> str:
    """Return the channels of a box with their frequencies."""
    ends = header.frequency_hz(box.start_channel - 0.5), header.frequency_hz(box.stop_channel - 0.5)
    low, high = (end / 1e6 for end in sorted(ends))
    noun = "channel" if box.stop_channel == box.start_channel + 1 else "channels"
    return f"{noun} {_range(box.start_channel, box.stop_channel)} ({low:.6f} to {high:.6f} MHz)"


def _is_whole_band(header: Header, box: Gap | GainChange) -> bool:
    return box.stop_channel - box.start_channel == header.n_channels


def _gap_sentences(header: Header, gaps: Sequence[Gap], elsewhere: int) -> list[str]:
    spectra = [gap for gap in gaps if _is_whole_band(header, gap)]
    others = [gap for gap in gaps if not _is_whole_band(header, gap)]
    sentences = []
    if spectra:
        named = _listed([_range(gap.start_spectrum, gap.stop_spectrum) for gap in sorted(spectra[:MOST_NAMED])])
        more = _more(len(spectra) - MOST_NAMED)
        is_one = len(spectra) == 1 and spectra[0].stop_spectrum == spectra[0].start_spectrum + 1
        verbs = "holds no signal and was" if is_one else "hold no signal and were"
        sentences.append(f"{'Spectrum' if is_one else 'Spectra'} {named}{more} {verbs} not used.")
    for gap in others[:MOST_NAMED]:
        where = _channels(header, gap)
        size = (gap.stop_channel - gap.start_channel) * (gap.stop_spectrum - gap.start_spectrum)
        partly = "" if gap.samples >= size else "partly "
        verb = "is" if gap.stop_channel == gap.start_channel + 1 else "are"
        is_whole = gap.stop_spectrum - gap.start_spectrum == header.n_spectra
        when = "" if is_whole else f" in {_spectra(gap)}"
        sentences.append(f"{where[0].upper()}{where[1:]} {verb} {partly}lost{when}.")
    rest = others[MOST_NAMED:]
    if rest or elsewhere:
        number = sum(gap.samples for gap in rest) + elsewhere
        places = f"{len(rest)} smaller gaps and single samples" if rest else "single samples and small gaps"
        sentences.append(f"Another {number} samples are lost in {places}.")
    return sentences


def _gain_sentences(header: Header, changes: Sequence[GainChange]) -> list[str]:
    """Return one sentence for each part of the band, at most `MOST_NAMED`, and a count of the others."""
    parts: dict[tuple[int, int], list[GainChange]] = {}
    for change in changes:
        parts.setdefault((change.start_channel, change.stop_channel), []).append(change)
    largest = sorted(parts.values(), key=lambda part: (-sum(one.samples for one in part), part))
    sentences = []
    for part in largest[:MOST_NAMED]:
        strongest = sorted(sorted(part, key=lambda one: -one.samples)[:MOST_NAMED])
        named = _listed(
            [f"{_range(one.start_spectrum, one.stop_spectrum)} ({one.factor:.3g} times)" for one in strongest]
        )
        where = "" if _is_whole_band(header, part[0]) else f" in {_channels(header, part[0])}"
        noun = "Spectra" if len(part) > 1 or part[0].stop_spectrum > part[0].start_spectrum + 1 else "Spectrum"
        more = _more(len(part) - MOST_NAMED)
        sentences.append(f"{noun} {named}{more} differed in gain{where}; the gain was taken out.")
    if len(largest) > MOST_NAMED:
        sentences.append(f"The gain changed in {len(largest) - MOST_NAMED} other parts of the band; it was taken out.")
    return sentences


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _more(number: int) -> str:
    return f", and {number} other stretches," if number > 0 else ""
