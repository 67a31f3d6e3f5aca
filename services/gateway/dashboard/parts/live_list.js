// A list of jobs or cadences that follows the user's stream of changes, unless it is paused.
import { request_page } from "../api.js";
import { on } from "../events.js";
import { useCallback, useEffect, useMemo, useRef, useState } from "../vendor/preact_htm.js";
import { with_change, without } from "./list_changes.js";

export const PAGE_SIZE = 50;
const LARGEST_PAGE = 100;
// Many entries may be removed at once, when the history is full: the list is read anew once for all of them.
const SETTLE_MS = 300;
const EMPTY = { items: [], total: null, next_cursor: null };

// Read as many entries as are shown, in as few requests as the API allows.
const read = async (path, query, count, signal) => {
  let list = EMPTY;
  do {
    const limit = Math.min(LARGEST_PAGE, Math.max(PAGE_SIZE, count - list.items.length));
    const page = await request_page(path, { query: { ...query, limit, cursor: list.next_cursor }, signal });
    list = { ...page, items: [...list.items, ...page.items] };
  } while (list.next_cursor !== null && list.items.length < count);
  return list;
};

/**
 * @param {{path: "/jobs" | "/cadences", kind: "job" | "cadence", id_key: string, status: string, q: string,
 *   is_paused: boolean}} props
 * @returns {{list: object, state: "loading" | "ready" | "error", error: Error | null, waiting: number,
 *   load_more: () => Promise<void>, reload: () => void, remove: (id: string) => void}}
 *   waiting: changes that a paused list does not show
 */
export const use_live_list = ({ path, kind, id_key, status, q, is_paused }) => {
  const filter = useMemo(() => ({ id_key, status, q }), [id_key, status, q]);
  const [view, set_view] = useState({ state: "loading", list: EMPTY, error: null });
  const [waiting, set_waiting] = useState(0);
  const shown = useRef({ count: 0, reading: null, meanwhile: [] });
  Object.assign(shown.current, { count: view.list.items.length, is_part: view.list.next_cursor !== null });
  const [paused, has_paused] = [useRef(is_paused), useRef(is_paused)];
  paused.current = is_paused;

  const load = useCallback((count) => {
    shown.current.reading?.abort();
    const reading = new AbortController();
    Object.assign(shown.current, { reading, meanwhile: [] });
    set_waiting(0);
    return read(path, { status, q }, count, reading.signal).then(
      (list) => {
        // An answer may be here already when another read begins; that one keeps the changes.
        if (shown.current.reading !== reading) return;
        // The server may have answered before it told of these changes. Later ones are still to come, in order.
        const current = shown.current.meanwhile.splice(0).reduce((changed, update) => update(changed), list);
        shown.current.reading = null;
        set_view({ state: "ready", list: current, error: null });
      },
      (error) => {
        if (shown.current.reading !== reading) return;
        shown.current.reading = null;
        set_view((old) => ({ ...old, state: "error", error }));
      },
    );
  }, [path, status, q]);

  useEffect(() => {
    set_view({ state: "loading", list: EMPTY, error: null });
    load(PAGE_SIZE);
    return () => {
      shown.current.reading?.abort();
      shown.current.reading = null;
    };
  }, [load]);

  // What is listed already is not read again; what moved to the next page meanwhile is not listed twice.
  const load_more = () => request_page(path, { query: { status, q, limit: PAGE_SIZE, cursor: view.list.next_cursor } })
    .then(
      ({ items, next_cursor, total }) => set_view((old) => {
        const known = new Set(old.list.items.map((one) => one[id_key]));
        const added = items.filter((one) => !known.has(one[id_key]));
        return { state: "ready", error: null, list: { items: [...old.list.items, ...added], next_cursor, total } };
      }),
      (error) => set_view((old) => ({ ...old, state: "error", error })),
    );

  const change = useCallback((update) => {
    if (shown.current.reading) shown.current.meanwhile.push(update);
    set_view((old) => ({ ...old, list: update(old.list) }));
  }, []);

  useEffect(() => {
    // Asks at each event: the page is drawn again some time after somebody has paused it.
    const unless_paused = (update) => {
      if (paused.current) set_waiting((count) => count + 1);
      else change(update);
    };
    let timer = 0;
    const on_removed = (id) => {
      unless_paused((list) => without(list, id, filter));
      // Entries of other pages are not known here, but they count, and one of them moves up.
      clearTimeout(timer);
      if (shown.current.is_part) timer = setTimeout(() => paused.current || load(shown.current.count), SETTLE_MS);
    };
    const offs = [
      on(kind, (item) => unless_paused((list) => with_change(list, item, filter))),
      on("removed", (removed) => removed.kind === kind && on_removed(removed.id)),
      // What happened while there was no stream was not told.
      on("open", () => paused.current || load(shown.current.count)),
    ];
    return () => {
      clearTimeout(timer);
      offs.forEach((off) => off());
    };
  }, [kind, filter, load]);

  useEffect(() => {
    if (!is_paused && has_paused.current) load(shown.current.count);
    has_paused.current = is_paused;
  }, [is_paused]);

  return {
    ...view,
    waiting,
    reload: () => load(Math.max(PAGE_SIZE, shown.current.count)),
    load_more,
    remove: (id) => change((list) => without(list, id, filter)),
  };
};
