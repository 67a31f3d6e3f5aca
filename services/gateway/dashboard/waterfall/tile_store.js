// Tiles that are loaded or on their way. The least recently used ones go when memory is full; requests that no view
// wants any more are aborted.

const AT_ONCE = 6;
const TRIES = 4;

/**
 * Make a store of tiles.
 * @param {Object} options
 * @param {(tile: Object, signal: AbortSignal) => Promise<{pieces: Object[], bytes: number}>} options.load
 * @param {() => void} options.on_change Called when a tile has come or failed.
 * @param {number} options.capacity_bytes Most bytes kept.
 * @param {(tries: number) => number} [options.wait_ms] How long to wait after a failure.
 * @returns {{want: function, get: function, state: function, close: function}}
 */
export const make_tile_store = ({ load, on_change, capacity_bytes, wait_ms = (tries) => 500 * 2 ** tries }) => {
  const kept = new Map(); // in the order of their last use
  const running = new Map();
  const failures = new Map();
  const waits = new Set();
  let wanted = [];
  let bytes_kept = 0;
  let bytes_received = 0;

  const keep = (key, loaded) => {
    kept.set(key, loaded);
    bytes_kept += loaded.bytes;
    bytes_received += loaded.bytes;
    const in_view = new Set(wanted.map((tile) => tile.key));
    for (const [old, { bytes }] of kept) {
      if (bytes_kept <= capacity_bytes) break;
      if (in_view.has(old)) continue;
      kept.delete(old);
      bytes_kept -= bytes;
    }
  };

  const failed = (tile, error) => {
    const tries = (failures.get(tile.key)?.tries ?? 0) + 1;
    const final = tries >= TRIES || (error.status >= 400 && error.status < 500 && error.status !== 429);
    failures.set(tile.key, { tries, error, final, waiting: !final });
    if (final) return;
    const timer = setTimeout(() => {
      waits.delete(timer);
      failures.get(tile.key).waiting = false;
      start();
    }, wait_ms(tries));
    waits.add(timer);
  };

  const fetch_tile = async (tile) => {
    const stop = new AbortController();
    running.set(tile.key, stop);
    try {
      keep(tile.key, await load(tile, stop.signal));
      failures.delete(tile.key);
    } catch (error) {
      if (!stop.signal.aborted) failed(tile, error);
    } finally {
      if (running.get(tile.key) === stop) running.delete(tile.key);
    }
    if (stop.signal.aborted) return;
    start();
    on_change();
  };

  const missing = (tile) => {
    const failure = failures.get(tile.key);
    return !kept.has(tile.key) && !failure?.final && !failure?.waiting;
  };

  const start = () => {
    for (const tile of wanted) {
      if (running.size >= AT_ONCE) return;
      if (missing(tile) && !running.has(tile.key)) void fetch_tile(tile);
    }
  };

  return {
    /** Ask for these tiles, the most important first; requests for others end. */
    want(tiles) {
      wanted = tiles;
      const keys = new Set(tiles.map((tile) => tile.key));
      for (const [key, stop] of running) {
        if (keys.has(key)) continue;
        running.delete(key);
        stop.abort();
      }
      start();
    },
    /** Return the pieces of a tile, or undefined while it isn't there. */
    get(key) {
      const loaded = kept.get(key);
      if (loaded === undefined) return undefined;
      kept.delete(key);
      kept.set(key, loaded);
      return loaded.pieces;
    },
    /** Return how the wanted tiles stand. */
    state() {
      const open = wanted.filter((tile) => !kept.has(tile.key));
      const final = open.filter((tile) => failures.get(tile.key)?.final);
      return {
        loading: open.length - final.length,
        error: final.length ? failures.get(final[0].key).error : null,
        bytes_kept,
        bytes_received,
      };
    },
    /** Forget what failed, so that it is tried again. */
    retry() {
      for (const timer of waits) clearTimeout(timer);
      waits.clear();
      failures.clear();
      start();
    },
    /** End all requests. */
    close() {
      for (const timer of waits) clearTimeout(timer);
      for (const stop of running.values()) stop.abort();
      wanted = [];
    },
  };
};
