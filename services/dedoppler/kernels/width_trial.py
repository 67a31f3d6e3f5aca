"""One rung of the width ladder: box sums along drifting paths, and their local maxima.

The statistic of a path of `steps` channels over T spectra that starts at channel `c`, on boxes of `width` channels, is

    S = sum_t sum_{j < width} x[t, c + o_t + j] / sqrt(T * width),      o_t = hop * nearest(steps * t / ((T - 1) * hop))

with `x` of mean 0 and sigma 1. It equals the plain sum over these boxes; nothing is approximated along the path.
Starts are `hop` channels apart, so a rung works on sums of `hop` channels: each is the sum of two narrower ones. Paths
share the sums over pairs of spectra, see `sharing`.
"""

import math

import numpy as np
import numpy.typing as npt
from numba import njit

from services.dedoppler.kernels.pair_sums import Parts, pair_sums, path_offset

Power = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]
Flags = npt.NDArray[np.uint8]
Samples = npt.NDArray[np.float32 | np.int16]

# Starts per tile: its sums over pairs stay in the second cache level at T = 16, and its loops are long enough.
TILE_STARTS = 1024
# Parts of a path that are added up and compared at once, without storing the sum.
FUSED_PARTS = 8


@njit(cache=True, nogil=True)
def halved(x: Power, first: int, count: int) -> Power:
    """Sums of two columns side by side, `count` of them from column `first` on: float32 (T, count)."""
    out = np.empty((x.shape[0], count), np.float32)
    for t in range(x.shape[0]):
        source, target = x[t, first : first + 2 * count], out[t]
        # A constant stride, so that it compiles to vector shuffles.
        for i in range(count):
            target[i] = source[2 * i] + source[2 * i + 1]
    return out


@njit(cache=True, nogil=True)
def _up_to_three(sums: Samples, count: int, per_box: int, row: Samples) -> None:
    """row[i] = the sum of 1, 2 or 3 entries of `sums` from `i` on, for i < count."""
    if per_box == 1:
        for i in range(count):
            row[i] = sums[i]
    elif per_box == 2:
        for i in range(count):
            row[i] = sums[i] + sums[i + 1]
    else:
        for i in range(count):
            row[i] = sums[i] + sums[i + 1] + sums[i + 2]


@njit(cache=True, nogil=True)
def boxes(sums: Samples, count: int, per_box: int, twos: Samples, row: Samples) -> None:
    """row[i] = the sum of `per_box` entries of `sums` from `i` on, for i < count; `twos` is room for sums of two.

    All three are float32, or all are int16 and large enough for the sums.
    """
    if per_box <= 3:
        _up_to_three(sums, count, per_box, row)
        return
    _up_to_three(sums, count + per_box - 2, 2, twos)
    # An odd box begins with one entry; then come sums of two, two of them per sweep.
    done = 4 if per_box % 2 == 0 else 1
    for i in range(count):
        row[i] = twos[i] + twos[i + 2] if done == 4 else sums[i]
    while done < per_box:
        part = twos[done : done + count + 2]
        if done + 4 <= per_box:
            for i in range(count):
                row[i] += part[i] + part[i + 2]
            done += 4
        else:
            for i in range(count):
                row[i] += part[i]
            done += 2


@njit(cache=True, nogil=True)
def _fill_table(
    sums: Power,
    first: int,
    count: int,
    per_box: int,
    hop: int,
    drifts: Indices,
    pairs: Indices,
    origin: int,
    room: Power,
    table: Power,
) -> None:
    """table[k, origin + o] = sum of pair `k` at offset `o` of the first start, for `count` starts from `first` on."""
    n_spectra, begun = sums.shape[0], -1
    for k in range(len(pairs)):
        t, shift, low, high = pairs[k]
        if t != begun:
            begun = t
            for s in range(t, min(t + 2, n_spectra)):
                # All offsets that occur in this spectrum.
                near, far = path_offset(drifts[0], s, n_spectra, hop), path_offset(drifts[-1], s, n_spectra, hop)
                row = room[s - t, origin + near :]
                boxes(sums[s, first + near :], far - near + count, per_box, room[2], row)
        number = high - low + count
        left, out = room[0, origin + low :], table[k, origin + low :]
        if t + 1 == n_spectra:
            for i in range(number):
                out[i] = left[i]
            continue
        right = room[1, origin + low + shift :]
        for i in range(number):
            out[i] = left[i] + right[i]


@njit(cache=True, nogil=True)
def _path_sums(table: Power, path: Parts, origin: int, count: int, sums: Power) -> None:
    """sums[i] = sum of the parts of one path for start `i`; four parts per sweep to save loads and stores."""
    total = sums[:count]
    total[:] = np.float32(0.0)
    head = len(path) % 4
    for g in range(head):
        row = table[path[g, 0], origin + path[g, 1] :]
        for i in range(count):
            total[i] += row[i]
    for g in range(head, len(path), 4):
        row_a, row_b = table[path[g, 0], origin + path[g, 1] :], table[path[g + 1, 0], origin + path[g + 1, 1] :]
        row_c, row_d = (
            table[path[g + 2, 0], origin + path[g + 2, 1] :],
            table[path[g + 3, 0], origin + path[g + 3, 1] :],
        )
        for i in range(count):
            total[i] += (row_a[i] + row_b[i]) + (row_c[i] + row_d[i])


@njit(cache=True, nogil=True)
def _any_above(table: Power, path: Parts, origin: int, count: int, threshold: np.float32, sums: Power) -> bool:
    """Whether a sum of one path exceeds the threshold; the same sums as of `_path_sums`, to the last bit."""
    above, rest = 0, max(0, len(path) - FUSED_PARTS)
    if len(path) != FUSED_PARTS:
        _path_sums(table, path[:rest] if rest else path, origin, count, sums)
    if len(path) < FUSED_PARTS:
        for i in range(count):
            above |= sums[i] > threshold
        return above > 0
    last = path[rest:]
    row_a, row_b = table[last[0, 0], origin + last[0, 1] :], table[last[1, 0], origin + last[1, 1] :]
    row_c, row_d = table[last[2, 0], origin + last[2, 1] :], table[last[3, 0], origin + last[3, 1] :]
    row_e, row_f = table[last[4, 0], origin + last[4, 1] :], table[last[5, 0], origin + last[5, 1] :]
    row_g, row_h = table[last[6, 0], origin + last[6, 1] :], table[last[7, 0], origin + last[7, 1] :]
    if rest == 0:
        for i in range(count):
            first_half = (row_a[i] + row_b[i]) + (row_c[i] + row_d[i])
            above |= first_half + ((row_e[i] + row_f[i]) + (row_g[i] + row_h[i])) > threshold
        return above > 0
    for i in range(count):
        first_half = sums[i] + ((row_a[i] + row_b[i]) + (row_c[i] + row_d[i]))
        above |= first_half + ((row_e[i] + row_f[i]) + (row_g[i] + row_h[i])) > threshold
    return above > 0


@njit(cache=True, nogil=True)
def _room_for(
    pairs: Indices, drifts: Indices, n_spectra: int, tile: int, per_box: int, hop: int
) -> tuple[int, Power, Power]:
    """(origin, room, table) for tiles of `tile` starts."""
    low = min(0, path_offset(drifts[0], n_spectra - 1, n_spectra, hop))
    high = max(0, path_offset(drifts[-1], n_spectra - 1, n_spectra, hop))
    columns = high - low + tile
    return -low, np.empty((3, columns + per_box), np.float32), np.empty((len(pairs), columns), np.float32)


@njit(cache=True, nogil=True)
def rung_statistics(sums: Power, first: int, count: int, per_box: int, hop: int, drifts: Indices) -> Power:
    """Every statistic of a rung: float32 (drifts, count); the arguments are those of `search_rung`."""
    pairs, paths = pair_sums(drifts, sums.shape[0], hop)
    origin, room, table = _room_for(pairs, drifts, sums.shape[0], count, per_box, hop)
    _fill_table(sums, first, count, per_box, hop, drifts, pairs, origin, room, table)
    scale = np.float32(1.0 / math.sqrt(sums.shape[0] * per_box * hop))
    out = np.empty((len(drifts), count), np.float32)
    for d in range(len(drifts)):
        _path_sums(table, paths[d], origin, count, out[d])
        out[d] *= scale
    return out


@njit(cache=True, nogil=True)
def _keep_peaks(
    best: Power,
    best_steps: Indices,
    count: int,
    reach: int,
    threshold: np.float32,
    begin: int,
    scale: np.float32,
    found: int,
    starts: Indices,
    steps: Indices,
    values: Power,
) -> int:
    """Append the starts whose best sum is above the threshold and not below any within `reach` starts."""
    for i in range(count):
        value = best[i]
        if value <= threshold:
            continue
        peak = True
        for j in range(max(0, i - reach), min(count, i + reach + 1)):
            if best[j] > value or (best[j] == value and j < i):
                peak = False
                break
        if peak:
            starts[found] = begin + i
            steps[found] = best_steps[i]
            values[found] = value * scale
            found += 1
    return found


@njit(cache=True, nogil=True)
def _best_per_start(
    table: Power,
    paths: Parts,
    origin: int,
    count: int,
    drifts: Indices,
    suspect: Flags,
    threshold: np.float32,
    sums: Power,
    best: Power,
    best_steps: Indices,
) -> bool:
    """The largest sum over all suspect drifts of each start, and its steps; False where none exceeds the threshold.

    Both are written only where the sum exceeds the threshold; `best` is the threshold elsewhere.
    """
    any_hot = False
    for d in range(len(drifts)):
        if not suspect[d] or not _any_above(table, paths[d], origin, count, threshold, sums):
            continue
        if not any_hot:
            any_hot = True
            best[:count] = threshold
        _path_sums(table, paths[d], origin, count, sums)
        for i in range(count):
            if sums[i] > best[i]:
                best[i] = sums[i]
                best_steps[i] = drifts[d]
    return any_hot


@njit(cache=True, nogil=True)
def search_rung(
    sums: Power,
    first: int,
    n_starts: int,
    per_box: int,
    hop: int,
    drifts: Indices,
    pairs: Indices,
    paths: Parts,
    snr_threshold: float,
    suspect: Flags,
    suspect_starts: int,
    hot: Flags,
) -> tuple[Indices, Indices, Power]:
    """Local maxima of a rung's statistic over all drifts, one per place.

    Args:
        sums: float32 (T, columns), normalised power summed over `hop` channels side by side (`halved`, where it is more
            than 1), with enough zeros on both sides for every path.
        first: column of the first start in `sums`.
        n_starts: number of starts, one per column.
        per_box: columns of a box.
        hop: channels in a column.
        drifts: int64, steps of the paths in channels, rising.
        pairs, paths: the sums that these drifts share, from `pair_sums`.
        snr_threshold: what a statistic must exceed.
        suspect: uint8 (tiles, drifts), from `screen.suspects`: 0 where no statistic of a drift exceeds the threshold;
            a tile has `suspect_starts` starts, a multiple of `TILE_STARTS`.
        hot: uint8 (n_starts * hop or more,), set to 1 at the channels, counted from the first start, of every start
            whose best statistic exceeds the threshold.

    Returns:
        (starts, steps, values) of the maxima: int64, counted from the first start, int64, float32.
    """
    tile = min(TILE_STARTS, n_starts)
    origin, room, table = _room_for(pairs, drifts, sums.shape[0], tile, per_box, hop)
    spare, best, best_steps = np.empty(tile, np.float32), np.empty(tile, np.float32), np.empty(tile, np.int64)
    capacity, found = 1024, 0
    starts, steps, values = np.empty(capacity, np.int64), np.empty(capacity, np.int64), np.empty(capacity, np.float32)
    root = math.sqrt(sums.shape[0] * per_box * hop)
    threshold, scale = np.float32(snr_threshold * root), np.float32(1.0 / root)
    for begin in range(0, n_starts, tile):
        count, suspect_here = min(tile, n_starts - begin), suspect[begin // suspect_starts]
        if not suspect_here.any():
            continue
        _fill_table(sums, first + begin, count, per_box, hop, drifts, pairs, origin, room, table)
        if not _best_per_start(table, paths, origin, count, drifts, suspect_here, threshold, spare, best, best_steps):
            continue
        for i in range(count):
            if best[i] > threshold:
                hot[(begin + i) * hop : (begin + i + 1) * hop] = 1
        if found + count > capacity:
            capacity = 2 * (found + count)
            starts, steps, values = _grown(starts, steps, values, found, capacity)
        found = _keep_peaks(best, best_steps, count, per_box, threshold, begin, scale, found, starts, steps, values)
    return starts[:found], steps[:found], values[:found]


@njit(cache=True, nogil=True)
def _grown(starts: Indices, steps: Indices, values: Power, found: int, capacity: int) -> tuple[Indices, Indices, Power]:
    """The three arrays with room for `capacity` entries."""
    new_starts, new_steps = np.empty(capacity, np.int64), np.empty(capacity, np.int64)
    new_values = np.empty(capacity, np.float32)
    new_starts[:found], new_steps[:found], new_values[:found] = starts[:found], steps[:found], values[:found]
    return new_starts, new_steps, new_values
