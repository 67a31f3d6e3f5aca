"""Sentences about lost samples and gains."""

from science.simulator import make_header
from services.classify.noise_warnings import MOST_NAMED, noise_warnings
from shared.hits import ChunkNoise, GainChange, Gap

T, N = 16, 3000
HEADER = make_header(N, T, fch1_mhz=1420.0, foff_mhz=-0.001)


def test_a_steady_observation_has_no_warning():
    assert noise_warnings(HEADER, [ChunkNoise(lost_fraction=0.0, dead_channels=0), ChunkNoise()]) == []


def test_a_few_lost_samples_are_not_worth_one():
    assert noise_warnings(HEADER, [ChunkNoise(lost_elsewhere=2, gaps=(Gap(0, 2, 1, 2, 2),))]) == []


def test_a_gap_across_chunks_is_named_once_with_its_frequencies():
    chunks = [ChunkNoise(gaps=(Gap(900, 1000, 0, T, 1600),)), ChunkNoise(gaps=(Gap(1000, 1200, 0, T, 3200),))]
    assert noise_warnings(HEADER, chunks) == [
        "10 % of the samples are lost (NaN, zero or constant) and were left out.",
        "Channels 900 to 1199 (1418.800500 to 1419.100500 MHz) are lost.",
    ]


def test_lost_spectra_of_all_chunks_are_named_once():
    chunks = [
        ChunkNoise(gaps=(Gap(0, 1000, 4, 6, 2000), Gap(0, 1000, 9, 10, 1000))),
        ChunkNoise(gaps=(Gap(1000, N, 4, 6, 4000), Gap(1000, N, 9, 10, 2000))),
    ]
    assert noise_warnings(HEADER, chunks)[1:] == ["Spectra 4 to 5 and 9 hold no signal and were not used."]
    one = [ChunkNoise(gaps=(Gap(0, N, 3, 4, N),))]
    assert noise_warnings(HEADER, one)[1:] == ["Spectrum 3 holds no signal and was not used."]


def test_a_patch_is_named_with_its_spectra():
    gaps = Gap(100, 101, 2, 3, 1), Gap(200, 1200, 2, 5, 2000)
    assert noise_warnings(HEADER, [ChunkNoise(gaps=gaps, lost_elsewhere=7)])[1:] == [
        "Channels 200 to 1199 (1418.800500 to 1419.800500 MHz) are partly lost in spectra 2 to 4.",
        "Channel 100 (1419.899500 to 1419.900500 MHz) is lost in spectrum 2.",
        "Another 7 samples are lost in single samples and small gaps.",
    ]


def test_only_the_largest_gaps_are_named():
    gaps = tuple(Gap(100 * k, 100 * k + 2 + k, 0, T, (2 + k) * T) for k in range(25))
    warnings = noise_warnings(HEADER, [ChunkNoise(gaps=gaps)])
    assert len(warnings) == 1 + MOST_NAMED + 1
    assert warnings[1].startswith("Channels 2400 to 2425 ")
    assert (
        warnings[-1]
        == f"Another {sum(g.samples for g in gaps[:5])} samples are lost in 5 smaller gaps and single samples."
    )


def test_gains_of_the_whole_band_are_one_sentence():
    def changes(low, high, factor):
        return GainChange(low, high, 3, 4, 10.0), GainChange(low, high, 8, T, factor)

    chunks = [ChunkNoise(gain_changes=changes(0, 1000, 1.99)), ChunkNoise(gain_changes=changes(1000, N, 2.01))]
    assert noise_warnings(HEADER, chunks) == [
        "Spectra 3 (10 times) and 8 to 15 (1.99 times) differed in gain; the gain was taken out."
    ]


def test_gains_of_parts_of_the_band_name_them():
    noise = ChunkNoise(gain_changes=(GainChange(0, 1000, 3, 4, 0.5),))
    assert noise_warnings(HEADER, [noise]) == [
        "Spectrum 3 (0.5 times) differed in gain in channels 0 to 999 (1419.000500 to 1420.000500 MHz); "
        "the gain was taken out."
    ]


def test_many_stretches_and_parts_are_counted():
    many = tuple(GainChange(0, N, 2 * k, 2 * k + 1, 2.0) for k in range(30))
    (sentence,) = noise_warnings(HEADER, [ChunkNoise(gain_changes=many)])
    assert "and 10 other stretches, differed" in sentence
    parts = tuple(GainChange(50 * k, 50 * k + 10, 3, 4, 2.0) for k in range(30))
    sentences = noise_warnings(HEADER, [ChunkNoise(gain_changes=parts)])
    assert len(sentences) == MOST_NAMED + 1
    assert sentences[-1] == "The gain changed in 10 other parts of the band; it was taken out."


def test_what_is_lost_in_lost_channels_and_lost_spectra_counts_once():
    """A third of the channels, and half of the spectra: two thirds of the samples."""
    gaps = Gap(0, N // 3, 0, T, N // 3 * T), Gap(0, N, 4, 12, 8 * N)
    assert noise_warnings(HEADER, [ChunkNoise(gaps=gaps)])[0].startswith("66.7 % of the samples are lost")


def test_gaps_and_gains_of_several_ifs_name_them():
    """What two IFs have in common is one sentence; an IF without a sample is half of what was searched."""
    common = Gap(0, 300, 0, T, 300 * T)
    change = GainChange(0, N, 8, T, 2.0)
    first = ChunkNoise(gaps=(common,), lost_elsewhere=3)
    second = ChunkNoise(gaps=(common, Gap(900, 1500, 2, 4, 1200)), gain_changes=(change,))
    assert noise_warnings(HEADER, [first, second], [(0,), (1,)]) == [
        "11.3 % of the samples are lost (NaN, zero or constant) and were left out.",
        "In IFs 0 and 1, channels 0 to 299 (1419.700500 to 1420.000500 MHz) are lost.",
        "In IF 0, another 3 samples are lost in single samples and small gaps.",
        "In IF 1, channels 900 to 1499 (1418.500500 to 1419.100500 MHz) are lost in spectra 2 to 3.",
        "In IF 1, spectra 8 to 15 (2 times) differed in gain; the gain was taken out.",
    ]
    dead = ChunkNoise(gaps=(Gap(0, N, 0, T, N * T),))
    assert noise_warnings(HEADER, [ChunkNoise(), dead], [(0,), (1,)]) == [
        "50 % of the samples are lost (NaN, zero or constant) and were left out.",
        "In IF 1, spectra 0 to 15 hold no signal and were not used.",
    ]


def test_a_sum_says_how_its_samples_are_lost():
    noise = ChunkNoise(gaps=(Gap(0, 300, 0, T, 300 * T),))
    sentences = noise_warnings(HEADER, [noise], [(0, 1)])
    assert sentences[1:] == [
        "A sample of the sum is lost if it is lost in one of its IFs; a search of all IFs by themselves "
        "(ifs 'all') shows in which.",
        "Channels 0 to 299 (1419.700500 to 1420.000500 MHz) are lost.",
    ]
