"""What a job costs, predicted from its header, its storage and its plan, and the limits of its user's tier.

The workers keep no count of what a job has cost so far. So the cost is bounded before the search begins, and every
request to the HDF5 child process has a limit of its own.
"""

from dataclasses import dataclass
from itertools import pairwise
from math import ceil

from shared.averaging import searched_grid
from shared.errors import PermanentError
from shared.events import ChunkPlan, JobLimits, SearchParameters
from shared.filterbank import GAP_BYTES, Storage, Unpacking
from shared.header import Header

# Processor time of all processes on the machine of docs/benchmarks.md, rounded up. A 1.07 GB file of 2^28 samples takes
# 8 s from S3 to hits, S3's server included.
SAMPLE_S = 30e-9
# A search of T spectra takes T / 48 times as long per sample, up to 512: 23 ns at 64 spectra, 130 at 256, 250 at 512.
SPECTRA_OF_SAMPLE_S = 48
MOST_SPECTRA = 512
# Below this SNR the upper bound no longer helps: at 5.5 a search takes 4 times as long, at 5 ten times.
LOW_SNR_THRESHOLD = 6.0
LOW_SNR_FACTOR = 9.0
# The search for chirps takes at most as long again.
CHIRPS_FACTOR = 2.0
# Bitshuffle with LZ4 takes 4 ns a byte, gzip with shuffle 9, LZF 13.
UNPACK_S_PER_BYTE = {Unpacking.NONE: 0.0, Unpacking.PARTS: 5e-9, Unpacking.WHOLE: 20e-9, Unpacking.CHILD: 20e-9}
# What is done once per storage chunk: 20 us; a request to the child takes 0.5 ms.
STORAGE_CHUNK_S = {Unpacking.NONE: 5e-5, Unpacking.PARTS: 5e-5, Unpacking.WHOLE: 5e-5, Unpacking.CHILD: 1e-3}
# A request to S3.
REQUEST_S = 2e-3
# Every read looks through the whole index: 2 us per storage chunk, and nodes of 32 to 64 entries. They may lie anywhere
# in the file and are read in blocks.
INDEX_S, INDEX_ENTRIES_PER_NODE, INDEX_BLOCK_BYTES = 4e-6, 32, 2**16


@dataclass(frozen=True)
class Cost:
    """Processor time of a job, s. `times_unpacked` says how often a storage chunk is unpacked, on average."""

    search_s: float
    unpack_s: float
    times_unpacked: float

    @property
    def total_s(self) -> float:
        """The whole."""
        return self.search_s + self.unpack_s


def predict(header: Header, parameters: SearchParameters, storage: Storage, plan: ChunkPlan) -> Cost:
    """Return what a job costs.

    Every chunk reads its own channels and the overlap, and unpacks the storage chunks that hold some of them. What it
    searches may be averages of spectra.
    """
    reads = _reads(plan)
    channels_read = sum(stop - start for start, stop in reads)
    samples = header.n_spectra * channels_read
    searched_spectra = searched_grid(header, parameters.max_drift_rate_hz_s).n_spectra
    extra = search_factor(searched_spectra, parameters) - 1
    search_s = (samples + extra * searched_spectra * channels_read) * SAMPLE_S
    if storage.chunk_shape is None:
        return Cost(search_s, 0.0, 0.0)
    spectra, _, channels = storage.chunk_shape
    columns = sum((stop - 1) // channels - start // channels + 1 for start, stop in reads)
    rows = ceil(header.n_spectra / spectra)
    visits = columns * rows
    in_file = ceil(header.n_channels / channels) * rows * ceil(header.n_ifs / storage.chunk_shape[1])
    unpacked_bytes = visits * storage.chunk_bytes
    if storage.unpacking is Unpacking.PARTS and spectra == 1:
        # Of a storage chunk with one spectrum, only the channels that are wanted are unpacked.
        unpacked_bytes = min(unpacked_bytes, samples * header.n_bits // 8)
    return Cost(
        search_s=search_s,
        unpack_s=visits * STORAGE_CHUNK_S[storage.unpacking]
        + unpacked_bytes * UNPACK_S_PER_BYTE[storage.unpacking]
        + requests(storage, visits, len(reads), in_file) * REQUEST_S
        + len(reads) * in_file * INDEX_S,
        times_unpacked=columns / ceil(header.n_channels / channels),
    )


def requests(storage: Storage, visits: int, reads: int, in_file: int) -> int:
    """Return how many requests to S3 fetch storage chunks `visits` times in some reads, at most, and find them.

    Small chunks that lie near each other are fetched together. Such requests begin at least `GAP_BYTES` apart, so the
    file has no more of them than gaps of that size. `in_file` counts all storage chunks.
    """
    in_index = min(in_file // INDEX_ENTRIES_PER_NODE, storage.file_bytes // INDEX_BLOCK_BYTES) + 1
    of_samples = visits
    # Stored, a chunk may be twice as large.
    if storage.chunk_bytes < GAP_BYTES // 4:
        of_samples = min(visits, reads * (storage.file_bytes // GAP_BYTES + 1))
    return of_samples + reads * in_index


def search_factor(n_spectra: int, parameters: SearchParameters) -> float:
    """Return how many times `SAMPLE_S` a sample takes in a search of so many spectra, at least 1."""
    of_spectra = max(1.0, min(n_spectra, MOST_SPECTRA) / SPECTRA_OF_SAMPLE_S)
    of_threshold = 1.0 + LOW_SNR_FACTOR * max(0.0, LOW_SNR_THRESHOLD - parameters.snr_threshold) ** 2
    return of_spectra * of_threshold * (CHIRPS_FACTOR if parameters.chirps else 1.0)


def _reads(plan: ChunkPlan) -> list[tuple[int, int]]:
    edges = map(plan.edge, range(plan.count // len(plan.searches) + 1))
    of_one_if = [
        (max(0, start - plan.overlap_channels), min(plan.n_channels, stop + plan.overlap_channels))
        for start, stop in pairwise(edges)
    ]
    return of_one_if * sum(map(len, plan.searches))


def require_size(name: str, storage: Storage, limits: JobLimits) -> None:
    """Raise unless the samples of the file `name` fit into the tier once they are unpacked.

    Raises
    ------
    PermanentError
        They don't (`file_too_large`).
    """
    if storage.unpacked_bytes > limits.max_unpacked_bytes:
        raise PermanentError(
            f"The file {name!r} can't be searched: its data unpack to {_megabytes(storage.unpacked_bytes)} MB, and "
            f"your tier's limit of {_megabytes(limits.max_unpacked_bytes)} MB for a file counts the unpacked size. "
            "Split it in frequency or time, or store fewer bits per sample.",
            code="file_too_large",
        )


def require_cost(name: str, storage: Storage, cost: Cost, limits: JobLimits) -> None:
    """Raise unless the job of the file `name` fits into the tier's processor time.

    Raises
    ------
    PermanentError
        It doesn't (`job_too_costly`).
    """
    if cost.total_s <= limits.max_processor_s:
        return
    advice = (
        f"Lower max_drift_rate_hz_s, raise snr_threshold to {LOW_SNR_THRESHOLD:g} if it is lower, or split the file in "
        "frequency or time."
    )
    if cost.unpack_s > cost.search_s and storage.chunk_shape is not None:
        advice = (
            f"'data' is stored in chunks of {storage.chunk_shape} samples, each of which would be unpacked "
            f"{cost.times_unpacked:.0f} times. Rewrite it with chunks of one spectrum and about 1048576 channels, "
            "or all channels if there are fewer (h5repack -l data:CHUNK=1x1x1048576)."
        )
    raise PermanentError(
        f"The file {name!r} can't be searched: that would take about {cost.total_s:.0f} s of processor time, and your "
        f"tier allows {limits.max_processor_s:.0f} s for a job. {advice}",
        code="job_too_costly",
    )


def _megabytes(n_bytes: int) -> int:
    return ceil(n_bytes / 2**20)
