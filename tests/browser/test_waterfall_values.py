"""What the pixels of the waterfall hold, against numpy; axes, ticks and plans: the pure modules, no page."""

import base64

import numpy as np
import pytest

from shared.waterfall import code_of, z_of
from tests.browser.sky import Chunk, Sky, noise, sigmas_of

# A code is up to half a step off: 0.0625 sigma in the noise, 3.1 % of strong values.
STEP = {"rtol": 0.032, "atol": 0.064}

# Pools columns of one level, or single channels, as a panel's picture does.
POOL = """async (m, sky, view, width_px, statistic, kind) => {
  const { grid_of } = await import("/app/waterfall/axes.js");
  const { level_pieces } = await import("/app/waterfall/columns.js");
  const { window_pieces, sample_pieces } = await import("/app/waterfall/full_resolution.js");
  const manifest = { ...sky.manifest, draws_samples: kind === "raw" };
  const got = new Map();
  const panel = { manifest, grid: grid_of(manifest), store: { get: (key) => got.get(key) } };
  const ask = { view, width_px, statistic, bytes: 1e9, shifts_hz: null };
  const { plan } = m.wants_of(panel, ask);
  const bytes_of = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  for (const tile of plan.levels) {
    const stride = tile.statistic === "max" ? manifest.rows + 1 : manifest.rows;
    const runs = sky.levels[tile.statistic][tile.factor];
    const [first, last] = [tile.start / tile.factor, Math.ceil(tile.stop / tile.factor)];
    const codes = bytes_of(runs).slice(first * stride, last * stride);
    got.set(tile.key, level_pieces(codes, manifest, tile, stride));
  }
  for (const tile of plan.fine.filter((each) => each.kind === "windows")) {
    got.set(tile.key, window_pieces(bytes_of(sky.windows).buffer, manifest.rows));
  }
  const pooled = m.pool_panel(panel, { ...ask, plan });
  const values = (of) => Array.from({ length: width_px }, (_, x) => of(x)).map((one) => Number.isNaN(one) ? null : one);
  return {
    factor: plan.factor,
    factors: Array.from(pooled.factors),
    sigmas: Array.from({ length: manifest.rows }, (_, row) => values((x) => pooled.sigma_at(x, row))),
    strip: values((x) => pooled.strip_at(x)),
  };
}"""


def small_sky(channel_width_hz: float, n_channels: int = 4096, **other) -> Sky:
    values = noise(8, n_channels, seed=5)
    values[3, 1000] = 200.0
    # Chunks begin at multiples of the coarsest factor here, so a level is one array.
    chunks = [Chunk(values[:, :2048]), Chunk(values[:, 2048:])]
    return Sky(chunks, channel_width_hz=channel_width_hz, factors=(16, 64, 256), **other)


def sent(sky: Sky) -> dict[str, object]:
    text = lambda data: base64.b64encode(data).decode()  # noqa: E731
    levels = {
        statistic: {f: text(sky.columns(statistic, f, 0, sky.edges[-1])) for f in sky.factors}
        for statistic in ("max", "mean")
    }
    return {"manifest": sky.manifest(), "levels": levels, "windows": text(sky.window_bytes(0, sky.edges[-1]))}


def in_order_of_frequency(sky: Sky) -> np.ndarray:
    values = sky.samples(0, sky.edges[-1])
    return values if sky.channel_width_hz > 0 else values[:, ::-1]


def band(sky: Sky) -> dict[str, float]:
    n_channels, width = sky.edges[-1], abs(sky.channel_width_hz)
    centre = (sky.frequency_hz(0) + sky.frequency_hz(n_channels - 1)) / 2
    return {"center_hz": centre, "width_hz": n_channels * width}


async def pool(javascript, sky, view, width_px, statistic):
    return await javascript.run("waterfall/picture.js", POOL, sent(sky), view, width_px, statistic, "levels")


async def test_codes_are_those_of_the_service(javascript):
    values = [-3.0, -0.1, 0.0, 0.06, 1.0, 5.0, 1e3, 1e7]
    assert await javascript.run("waterfall/codes.js", "(m, v) => v.map(m.code_of)", values) == [
        code_of(value) for value in values
    ]
    table = await javascript.run("waterfall/codes.js", "(m) => Array.from(m.SIGMA_OF_CODE).slice(1)")
    np.testing.assert_allclose(table, [z_of(code) for code in range(1, 256)], rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("channel_width_hz", [2.5, -2.5])
async def test_a_pixel_holds_the_maximum_of_all_its_channels(javascript, channel_width_hz):
    sky = small_sky(channel_width_hz)
    # 4096 channels on 64 pixels: 64 channels each, of which the level of 64 has one column a pixel.
    pooled = await pool(javascript, sky, band(sky), 64, "max")
    assert pooled["factor"] == 64
    ordered = in_order_of_frequency(sky)
    expected = ordered.reshape(8, 64, 64).max(axis=2)
    np.testing.assert_allclose(pooled["sigmas"], expected, **STEP)
    np.testing.assert_allclose(pooled["strip"], (ordered.sum(axis=0) / np.sqrt(8)).reshape(64, 64).max(axis=1), **STEP)


@pytest.mark.parametrize("channel_width_hz", [2.5, -2.5])
async def test_no_column_is_left_out_where_pixels_and_columns_disagree(javascript, channel_width_hz):
    sky = small_sky(channel_width_hz)
    # 96.4 channels to a pixel, columns of 64: a column touches one or two pixels, and each has it.
    width_px = 42.5
    view = {**band(sky), "width_hz": 42 / width_px * band(sky)["width_hz"]}
    pooled = await pool(javascript, sky, view, 42, "max")
    assert pooled["factor"] == 64
    columns = in_order_of_frequency(sky).reshape(8, 64, 64).max(axis=2)
    left = (4096 - 42 / width_px * 4096) / 2 / 64
    for x in range(42):
        low, high = (left + side * 4096 / width_px / 64 for side in (x, x + 1))
        touched = columns[:, int(np.floor(low + 1e-6)) : int(np.ceil(high - 1e-6))]
        np.testing.assert_allclose([row[x] for row in pooled["sigmas"]], touched.max(axis=1), **STEP)


async def test_a_pixel_holds_the_mean_in_units_of_its_own_sigma(javascript):
    sky = small_sky(-2.5)
    pooled = await pool(javascript, sky, band(sky), 16, "mean")
    assert pooled["factor"] == 256
    expected = in_order_of_frequency(sky).reshape(8, 16, 256).sum(axis=2) / 16
    np.testing.assert_allclose(pooled["sigmas"], expected, **STEP)
    # From four columns of 64 channels each, whose errors are independent.
    sky.factors = (16, 64)
    pooled = await pool(javascript, sky, band(sky), 16, "mean")
    assert pooled["factor"] == 64
    np.testing.assert_allclose(pooled["sigmas"], expected, rtol=0.04, atol=0.13)


async def test_decibels_of_means_are_those_of_their_power(javascript):
    # Power 1.5 % above the band in 16 spectra of 64 channels, each of sigma 4 %: 12 sigma of their mean.
    samples = 16 * 64
    sigma = 0.015 / (0.04 / np.sqrt(samples))
    decibels = await javascript.call("waterfall/codes.js", "decibels_of", sigma, 0.04, samples)
    assert decibels == pytest.approx(10 * np.log10(1.015), rel=1e-9)
    code = POOL.replace("factor: plan.factor,", "channels: pooled.channels_at(8, 3),")
    sky = small_sky(-2.5)
    for statistic, channels in (("max", 1), ("mean", 256)):
        got = await javascript.run("waterfall/picture.js", code, sent(sky), band(sky), 16, statistic, "levels")
        assert got["channels"] == channels


@pytest.mark.parametrize("channel_width_hz", [2.5, -2.5])
async def test_windows_show_single_channels_and_levels_the_rest(javascript, channel_width_hz):
    sky = small_sky(channel_width_hz, windows=[(960, 80)])
    # 160 channels about the window's middle, on 320 pixels.
    view = {"center_hz": sky.frequency_hz(1000) - channel_width_hz / 2, "width_hz": 160 * 2.5}
    pooled = await pool(javascript, sky, view, 320, "max")
    factors = np.array(pooled["factors"])
    assert set(factors[80:240]) == {1}
    assert set(factors[:79]) | set(factors[241:]) == {16}
    channels = sky.samples(920, 1080) if channel_width_hz > 0 else sky.samples(920, 1080)[:, ::-1]
    np.testing.assert_allclose(np.array(pooled["sigmas"])[:, 80:240], np.repeat(channels[:, 40:120], 2, axis=1), **STEP)


async def test_raw_samples_become_sigmas(javascript):
    sky = small_sky(2.5, n_channels=4096, noise_factor=256)
    code = """(m, raw, pairs, manifest) => {
      const layout = { array: Float32Array, spectra: manifest.n_spectra };
      const [piece] = m.sample_pieces(new Float32Array(raw).buffer, layout,
        { start: 1792, stop: 2304, pairs: new Float32Array(pairs) }, manifest, { start: 2000, stop: 2100 });
      return { codes: Array.from(piece.codes), stride: piece.stride, start: piece.start };
    }"""
    # Levels and sigmas differ from block to block, and the second chunk begins within the range.
    levels, sigmas = [10.0, 20.0], [1.0, 3.0]
    values = sky.samples(2000, 2100)
    blocks = np.array([0] * 48 + [1] * 52)
    raw = (np.array(levels)[blocks] + np.array(sigmas)[blocks] * values).ravel()
    pairs = [value for pair in zip(levels, sigmas, strict=True) for value in pair]
    got = await javascript.run("waterfall/full_resolution.js", code, raw.tolist(), pairs, sky.manifest())
    assert (got["start"], got["stride"]) == (2000, 9)
    codes = np.array(got["codes"], np.uint8).reshape(100, 9)
    np.testing.assert_allclose(sigmas_of(codes[:, :8]), values.T, **STEP)
    np.testing.assert_allclose(sigmas_of(codes[:, 8]), values.sum(axis=0) / np.sqrt(8), atol=0.2, rtol=0.04)


@pytest.mark.parametrize("channel_width_hz", [2.5, -2.5])
async def test_channels_and_frequencies_agree(javascript, channel_width_hz):
    sky = small_sky(channel_width_hz)
    code = """(m, manifest, channels) => {
      const grid = m.grid_of(manifest);
      return channels.map(([start, stop]) => {
        const edges = m.edges_hz(grid, { start, stop });
        return { ...edges, ...m.channels_between(grid, edges.from_hz + 0.1, edges.to_hz - 0.1),
          at: m.channel_at(grid, edges.from_hz + 0.1) };
      });
    }"""
    ranges = [[0, 1], [1, 5], [4000, 4096]]
    for (start, stop), got in zip(
        ranges, await javascript.run("waterfall/axes.js", code, sky.manifest(), ranges), strict=True
    ):
        assert (got["start"], got["stop"]) == (start, stop)
        ends = [sky.frequency_hz(channel) for channel in (start, stop - 1)]
        assert got["from_hz"] == pytest.approx(min(ends) - 1.25, abs=1e-6)
        assert got["to_hz"] == pytest.approx(max(ends) + 1.25, abs=1e-6)
        assert got["at"] == (start if channel_width_hz > 0 else stop - 1)


async def test_zoom_keeps_the_frequency_at_the_pointer(javascript):
    band_of = {"low_hz": 1e9, "high_hz": 1.001e9, "least_hz": 5.0}
    view = {"center_hz": 1.0004e9, "width_hz": 1e5}
    zoomed = await javascript.call("waterfall/axes.js", "zoomed", view, 8, 1.00042e9, band_of)
    assert zoomed["width_hz"] == pytest.approx(1e5 / 8)
    place = [(1.00042e9 - one["center_hz"]) / one["width_hz"] for one in (view, zoomed)]
    assert place[0] == pytest.approx(place[1], abs=1e-9)
    out = await javascript.call("waterfall/axes.js", "zoomed", view, 1e-9, 1.00042e9, band_of)
    assert out == {"center_hz": 1.0005e9, "width_hz": 1e6}
    least = await javascript.call("waterfall/axes.js", "zoomed", view, 1e12, 1.00042e9, band_of)
    assert least["width_hz"] == 5.0
    moved = await javascript.call("waterfall/axes.js", "panned", view, -1e9, band_of)
    assert moved["center_hz"] == 1e9 + 5e4


async def test_ticks_have_the_digits_that_the_zoom_needs(javascript):
    ticks = await javascript.call("waterfall/ticks.js", "frequency_ticks", 1.1e9, 1.9e9, 1000, 6.5)
    assert [tick["text"] for tick in ticks] == [str(mhz) for mhz in range(1100, 1901, 50)]
    low, high = 1420405751.0, 1420405753.0
    ticks = await javascript.call("waterfall/ticks.js", "frequency_ticks", low, high, 800, 6.5)
    texts = [tick["text"] for tick in ticks]
    assert texts[0] == "1420.4057510"
    assert len(set(texts)) == len(texts) >= 3
    for tick in ticks:
        assert float(tick["text"]) * 1e6 == pytest.approx(tick["hz"], abs=0.01)


@pytest.mark.parametrize(
    ("text", "hz"),
    [
        ("1420.4", 1420.4e6),
        ("1,420,400 kHz", 1420.4e6),
        ("1.4204 GHz", 1420.4e6),
        ("12 hz", 12),
        ("x", None),
        ("", None),
    ],
)
async def test_typed_frequencies(javascript, text, hz):
    code = '(m, text) => { const hz = m.typed_hz(text, "MHz"); return Number.isNaN(hz) ? null : hz; }'
    got = await javascript.run("waterfall/ticks.js", code, text)
    assert got == (None if hz is None else pytest.approx(hz))


@pytest.mark.parametrize("rows", [1, 16, 128])
@pytest.mark.parametrize("n_channels", [2**20, 2**26])
async def test_a_screen_costs_less_than_300_kilobytes(javascript, rows, n_channels):
    code = """(m, manifest, widths) => widths.flatMap(([start, stop]) => ["max", "mean"].flatMap((statistic) =>
      [320, 1600, 3840].map((width_px) => {
        const plan = m.plan_of(manifest, { start, stop }, width_px, statistic, 0.85 * m.SCREEN_BYTES);
        const bytes_of = (tile) => ({ level: manifest.rows + (tile.statistic === "max" ? 1 : 0), windows: manifest.rows,
          raw: manifest.n_spectra * 4 })[tile.kind] * Math.ceil((tile.stop - tile.start) / tile.factor);
        // Of windows, what is in view; they are small beside the tile in which they are asked for.
        const cut = (tile) => ({ ...tile, start: Math.max(start, tile.start), stop: Math.min(stop, tile.stop) });
        const shown = [...plan.levels, ...plan.fine].map((one) => bytes_of(one.kind === "windows" ? cut(one) : one));
        const base = m.base_tiles(manifest, statistic, 0.15 * m.SCREEN_BYTES).map(bytes_of);
        return [...shown, ...base].reduce((sum, bytes) => sum + bytes, 0);
      })))"""
    widths = [[n_channels // 3, n_channels // 3 + n_channels // 2**zoom] for zoom in range(1, 20, 2)] + [
        [0, n_channels]
    ]
    factors = [16 * 4**k for k in range(7)]
    for readable in (False, True):
        manifest = Sky([], factors=factors).other | {
            "n_channels": n_channels,
            "rows": rows,
            "n_spectra": rows,
            "factors": factors,
            "chunk_edges": list(range(0, n_channels + 1, 2**20)),
            "draws_samples": readable,
        }
        costs = await javascript.run("waterfall/plan.js", code, manifest, widths)
        assert max(costs) < 300_000


async def test_colour_maps_are_the_published_ones(javascript):
    colormaps = pytest.importorskip("matplotlib").colormaps
    for name, published in (("viridis", "viridis"), ("cividis", "cividis"), ("grey", "gray")):
        shares = np.linspace(0, 1, 65).tolist()
        code = "(m, name, shares) => shares.map((share) => m.colour_at(name, share))"
        got = np.array(await javascript.run("waterfall/colours.js", code, name, shares))
        expected = np.array([colormaps[published](share)[:3] for share in shares]) * 255
        assert np.abs(got - expected).max() < 11
        # Brightness rises all the way: the order of values shows without colour vision, and in print.
        assert (np.diff(got @ [0.2126, 0.7152, 0.0722]) > 0).all()


async def test_no_key_is_one_of_the_triage(javascript):
    ours = await javascript.run("waterfall/keys.js", '(m) => m.KEY_HELP.flatMap(([keys]) => keys.split(" "))')
    theirs = await javascript.run("triage/shortcuts.js", "(m) => m.SHORTCUTS.flatMap(({ keys }) => keys)")
    assert len(ours) > 10
    # The arrows belong to what has the focus.
    assert set(ours) & set(theirs) == {"↑", "↓"}


async def test_tracks_are_parabolas(javascript):
    code = "(m, hit, times) => times.map((time) => [m.track_hz(hit, time), m.track_drift_hz_s(hit, time)])"
    f0, drift, change, chord, reference = 1e9, -0.4, 0.002, 270.0, 9.0
    hit = {"frequency_hz": f0, "drift_rate_hz_s": drift, "drift_change_hz_s2": change, "reference_s": reference}
    times = [0.0, 9.0, 100.0, 279.0]
    after = np.array(times) - reference
    got = np.array(await javascript.run("waterfall/tracks.js", code, hit, times))
    np.testing.assert_allclose(got[:, 0] - f0, drift * after + change * after**2 / 2, atol=1e-6)
    np.testing.assert_allclose(got[:, 1], drift + change * after, atol=1e-12)
    # Of a hit, the drift rate is that of the chord, from the first spectrum to the last (docs/search.md).
    got = np.array(await javascript.run("waterfall/tracks.js", code, hit | {"chord_s": chord}, times))
    np.testing.assert_allclose(got[:, 0] - f0, drift * after + change * after * (after - chord) / 2, atol=1e-6)
    assert got[3, 0] - got[1, 0] == pytest.approx(drift * chord, abs=1e-6)
    np.testing.assert_allclose(got[:, 1], drift + change * (after - chord / 2), atol=1e-12)


async def test_labels_that_would_collide_are_left_out(javascript):
    labels = [
        {"x": 100, "width_px": 60, "snr": 10, "selected": False, "text": "weak"},
        {"x": 120, "width_px": 60, "snr": 90, "selected": False, "text": "strong"},
        {"x": 130, "width_px": 60, "snr": 5, "selected": True, "text": "selected"},
        {"x": 300, "width_px": 60, "snr": 1, "selected": False, "text": "far"},
    ]
    placed = await javascript.call("waterfall/tracks.js", "labels_that_fit", labels, 0, 320)
    assert [one["text"] for one in placed] == ["selected", "far"]
    assert placed[1]["left"] == 260


async def test_tiles_that_no_view_wants_are_aborted_and_failures_are_tried_again(javascript):
    code = """async (m) => {
      const log = [];
      let fails = 2;
      const load = (tile, signal) => new Promise((done, fail) => {
        log.push(`load ${tile.key}`);
        signal.addEventListener("abort", () => { log.push(`abort ${tile.key}`); fail(new Error("aborted")); });
        if (tile.key === "now") done({ pieces: [], bytes: 60 });
        if (tile.key === "late") {
          fails -= 1;
          if (fails >= 0) fail({ status: 503 });
          else done({ pieces: [], bytes: 60 });
        }
        if (tile.key === "gone") fail({ status: 404 });
      });
      let changed = () => {};
      const store = m.make_tile_store({ load, on_change: () => changed(), capacity_bytes: 100, wait_ms: () => 1 });
      const until = (condition) => new Promise((done) => {
        changed = () => condition() && done();
        changed();
      });
      store.want([{ key: "slow" }]);
      store.want([{ key: "now" }, { key: "late" }, { key: "gone" }]);
      await until(() => store.get("late") && store.get("now") && store.state().error !== null);
      const state = store.state();
      store.want([{ key: "late" }]);
      store.want([{ key: "other" }, { key: "now" }]);
      return { log, loading: state.loading, status: state.error.status, kept: store.state().bytes_kept };
    }"""
    got = await javascript.run("waterfall/tile_store.js", code)
    assert got["log"][:2] == ["load slow", "abort slow"]
    assert got["log"].count("load late") == 3
    assert got["log"].count("load gone") == 1
    assert (got["loading"], got["status"]) == (0, 404)
    # Both were in view, so both are kept beyond the capacity.
    assert got["kept"] == 120


async def test_the_automatic_range_shows_noise_and_weak_signals_beside_a_strong_one(javascript):
    sigmas = np.random.default_rng(4).normal(size=4_000)
    code = "(module, sigmas) => module.auto_range(sigmas)"
    of_noise = await javascript.run("waterfall/colours.js", code, sigmas.tolist())
    # A tenth of the noise lies below -1.28, rounded down to 0.5; 5 in 10,000 above 3.29, rounded up.
    assert of_noise["low"] == -1.5
    assert of_noise["high"] == pytest.approx(3.5, abs=0.5)
    sigmas[:40] = 180.0
    assert await javascript.run("waterfall/colours.js", code, sigmas.tolist()) == {"low": -1.5, "high": 28.5}
