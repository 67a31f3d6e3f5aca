"""Averages of consecutive spectra: how many the search may average without loss, and the grid that results.

An observation of many spectra is averaged in time before it is searched, as long as no signal of the drift range moves
more than a small part of a channel within an average. Reading and searching then take memory by the drift range and not
by the number of spectra.
"""

from shared.header import Header

# Observations with fewer than twice as many spectra are searched as they are. A cut-out or a waterfall has 64 rows.
FEWEST_AVERAGES = 256
# The fastest signal moves at most this part of a channel within an average. That costs it 1 % of its SNR on average and
# at most 3.5 %: measured on tones at random places and drifts in 4096, 16,384 and 65,536 spectra.
MOST_SMEAR_CHANNELS = 1 / 8


def spectra_per_average(header: Header, max_drift_rate_hz_s: float) -> int:
    """Return how many consecutive spectra a search up to this drift rate averages; 1 if it averages none."""
    steps = header.max_drift_steps(max_drift_rate_hz_s)
    most = header.n_spectra // FEWEST_AVERAGES
    if steps:
        most = min(most, int(MOST_SMEAR_CHANNELS * (header.n_spectra - 1) / steps))
    return max(1, most)


def averaged_header(header: Header, spectra: int) -> Header:
    """Return the header of an observation whose spectra are averages of `spectra` spectra.

    A remainder makes one more average if it is at least half of one; else it is left out.
    """
    if spectra == 1:
        return header
    number = (header.n_spectra + spectra // 2) // spectra
    return header.model_copy(update={"n_spectra": number, "tsamp_s": header.tsamp_s * spectra})


def searched_grid(header: Header, max_drift_rate_hz_s: float) -> Header:
    """Return the header of what a search up to this drift rate works on."""
    return averaged_header(header, spectra_per_average(header, max_drift_rate_hz_s))
