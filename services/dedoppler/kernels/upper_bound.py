"""Which tiles and drifts of a rung may hold a statistic above the threshold: a bound from above, in 16-bit integers.

Paths whose drifts are close pass near each other: in spectrum t all paths of a group begin within a window of a few
starts. So the sum over t of the largest box in each window is no less than the sum of any path of the group. It is one
sum for a group, in integers half as wide as float32, and almost everywhere it already lies below the threshold; only
where it does not are the group's paths summed. Power is rounded to whole quanta and the limit is lowered by what that
may cost, so nothing that exceeds the threshold is ever passed over.
"""

import numpy as np
import numpy.typing as npt
from numba import njit

from services.dedoppler.kernels.pair_sums import path_offset
from services.dedoppler.kernels.width_trial import boxes

Power = npt.NDArray[np.float32]
Quanta = npt.NDArray[np.int16]
Indices = npt.NDArray[np.int64]
Flags = npt.NDArray[np.uint8]

# Rows that are added up and compared at once, without storing the sum.
FUSED_ROWS = 8


@njit(cache=True, nogil=True)
def quantised(
    sums: Power, first: int, count: int, scale: np.float32, lowest: np.float32, highest: np.float32
) -> Quanta:
    """Power in quanta: `sums * scale`, rounded and held between two whole numbers.

    Args:
        sums: float32 (T, columns).
        first, count: which columns; beyond the last there are zeros.
        scale: quanta per unit.
        lowest, highest: within int16.

    Returns:
        int16 (T, count).
    """
    out = np.zeros((sums.shape[0], count), np.int16)
    for t in range(sums.shape[0]):
        source, target = sums[t, first : first + count], out[t]
        for i in range(len(source)):
            value = min(max(source[i] * scale, lowest), highest)
            target[i] = np.int16(np.floor(value + np.float32(0.5)))
    return out


@njit(cache=True, nogil=True)
def drift_groups(drifts: Indices, n_spectra: int, hop: int, span: int) -> tuple[Indices, Indices, Indices]:
    """Drifts that are bounded together.

    Args:
        drifts: int64, steps of the paths, rising.
        n_spectra: T.
        hop: channels between starts.
        span: most steps between the drifts of a group.

    Returns:
        groups: int64 (groups, 2), each (first, stop) of its drifts.
        offsets: int64 (groups, T), where the windows of a group begin, in hops from the start.
        windows: int64 (T,), starts in a window of each spectrum.
    """
    groups, n_groups = np.empty((len(drifts), 2), np.int64), 0
    for d in range(len(drifts)):
        if n_groups == 0 or drifts[d] - drifts[groups[n_groups - 1, 0]] > span:
            groups[n_groups, 0] = d
            n_groups += 1
        groups[n_groups - 1, 1] = d + 1
    offsets, windows = np.empty((n_groups, n_spectra), np.int64), np.ones(n_spectra, np.int64)
    for g in range(n_groups):
        for t in range(n_spectra):
            offsets[g, t] = path_offset(drifts[groups[g, 0]], t, n_spectra, hop)
            far = path_offset(drifts[groups[g, 1] - 1], t, n_spectra, hop)
            windows[t] = max(windows[t], far - offsets[g, t] + 1)
    return groups[:n_groups].copy(), offsets, windows


@njit(cache=True, nogil=True)
def _larger(row: Quanta, apart: int, count: int, out: Quanta) -> None:
    """out[i] = the larger of row[i] and row[i + apart], for i < count."""
    far = row[apart:]
    for i in range(count):
        out[i] = max(row[i], far[i])


@njit(cache=True, nogil=True)
def _largest_in_windows(row: Quanta, count: int, window: int, spare: Quanta, out: Quanta) -> None:
    """out[i] = the largest of row[i : i + window], for i < count; `row` and `spare` are overwritten."""
    have = 1
    while 2 * have < window:
        _larger(row, have, count + window - 2 * have, spare)
        row, spare = spare, row
        have *= 2
    _larger(row, window - have, count, out)


@njit(cache=True, nogil=True)
def _largest(row: Quanta, count: int) -> np.int16:
    largest = np.int16(-32768)
    for i in range(count):
        largest = max(largest, row[i])
    return largest


@njit(cache=True, nogil=True)
def _fill_rows(
    quanta: Quanta,
    first: int,
    count: int,
    per_box: int,
    offsets: Indices,
    windows: Indices,
    most: int,
    room: Quanta,
    rows: Quanta,
) -> bool:
    """rows[t, i] = the largest box in the window at the first group's offset + i; False if a box reaches `most`."""
    for t in range(len(rows)):
        low, number = offsets[0, t], offsets[-1, t] - offsets[0, t] + count
        boxes(quanta[t, first + low :], number + windows[t] - 1, per_box, room[0], room[1])
        _largest_in_windows(room[1], number, windows[t], room[0], rows[t])
        if _largest(rows[t], number) >= most:
            return False
    return True


@njit(cache=True, nogil=True)
def _add_rows(rows: Quanta, at: Indices, stop: int, count: int, total: Quanta) -> None:
    """total[i] = the sum of rows[t, at[t] + i] over t < stop; four rows per sweep to save loads and stores.

    Very negative sums may wrap round. One that could reach the limit never does, and a false suspect only costs time.
    """
    total[:count] = 0
    head = stop % 4
    for t in range(head):
        row = rows[t, at[t] :]
        for i in range(count):
            total[i] += row[i]
    for t in range(head, stop, 4):
        row_a, row_b = rows[t, at[t] :], rows[t + 1, at[t + 1] :]
        row_c, row_d = rows[t + 2, at[t + 2] :], rows[t + 3, at[t + 3] :]
        for i in range(count):
            total[i] += row_a[i] + row_b[i] + row_c[i] + row_d[i]


@njit(cache=True, nogil=True)
def _largest_sum(rows: Quanta, at: Indices, count: int, total: Quanta) -> np.int16:
    """The largest sum of rows[t, at[t] + i] over t, for i < count; `total` is room for sums."""
    rest = len(at) - FUSED_ROWS
    if rest < 0:
        _add_rows(rows, at, len(at), count, total)
        return _largest(total, count)
    _add_rows(rows, at, rest, count, total)
    row_a, row_b = rows[rest, at[rest] :], rows[rest + 1, at[rest + 1] :]
    row_c, row_d = rows[rest + 2, at[rest + 2] :], rows[rest + 3, at[rest + 3] :]
    row_e, row_f = rows[rest + 4, at[rest + 4] :], rows[rest + 5, at[rest + 5] :]
    row_g, row_h = rows[rest + 6, at[rest + 6] :], rows[rest + 7, at[rest + 7] :]
    largest = np.int16(-32768)
    for i in range(count):
        first_half = total[i] + row_a[i] + row_b[i] + row_c[i] + row_d[i]
        # As int16, so that it compiles to vectors of them.
        largest = max(largest, np.int16(first_half + row_e[i] + row_f[i] + row_g[i] + row_h[i]))
    return largest


@njit(cache=True, nogil=True)
def suspects(
    quanta: Quanta,
    first: int,
    n_starts: int,
    tile_starts: int,
    per_box: int,
    groups: Indices,
    offsets: Indices,
    windows: Indices,
    most: int,
    limit: int,
) -> Flags:
    """Where a path's sum may exceed a threshold.

    Args:
        quanta: int16 (T, columns), from `quantised`, with every path and every window of it inside.
        first: column of the first start.
        n_starts: number of starts, one per column.
        tile_starts: starts that are looked at together.
        per_box: columns of a box.
        groups, offsets, windows: of the drifts, from `drift_groups`.
        most: T boxes of that many quanta add up within int16, and a box of a column that was cut off at `highest` has
            no fewer; a tile that holds a box of so many is suspect.
        limit: the least sum of a path, in quanta, that a sum above the threshold may be rounded to.

    Returns:
        uint8 (ceil(n_starts / tile_starts), drifts): 0 where no path of a drift that starts in this tile exceeds the
        threshold, or else 1.
    """
    out = np.zeros((-(-n_starts // tile_starts), groups[-1, 1]), np.uint8)
    tile = min(tile_starts, n_starts)
    columns = tile + (offsets[-1] - offsets[0]).max() + windows.max() + per_box
    room, rows = np.empty((2, columns), np.int16), np.empty((len(windows), columns), np.int16)
    total = np.empty(tile, np.int16)
    for k in range(len(out)):
        begin = k * tile_starts
        count = min(tile, n_starts - begin)
        if not _fill_rows(quanta, first + begin, count, per_box, offsets, windows, most, room, rows):
            out[k] = 1
            continue
        for g in range(len(groups)):
            if _largest_sum(rows, offsets[g] - offsets[0], count, total) >= limit:
                out[k, groups[g, 0] : groups[g, 1]] = 1
    return out
