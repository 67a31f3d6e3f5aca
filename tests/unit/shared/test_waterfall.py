"""The layout of the zoomable waterfall: codes, levels, and where each value is."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from science.simulator import make_header
from shared import waterfall
from shared.chunks import ChunkPlan
from shared.object_keys import job_prefix, waterfall_key, waterfall_manifest_key, waterfall_samples_key
from shared.waterfall import ChunkLayout, Manifest, Window, code_of, pack_windows, read_windows, z_of


def plan_of(n_channels, stride=2**20, parts=1, searches=((0,),)):
    strides = math.ceil(n_channels / stride)
    last = n_channels - (strides - 1) * stride
    # A short last stride has fewer chunks than `parts` if its end is cut off; here it never is.
    count = (strides - 1) * parts + next(k for k in range(1, parts + 1) if stride * k // parts >= last)
    return ChunkPlan(
        n_channels=n_channels,
        count=count * len(searches),
        stride_channels=stride,
        parts=parts,
        overlap_channels=400,
        searches=searches,
    )


def manifest_of(header, plan=None, file_bytes=None, drift=4.0):
    unpacked = header.n_spectra * header.n_ifs * header.n_channels * header.n_bits // 8
    plan = plan if plan is not None else plan_of(header.n_channels)
    return Manifest.of(header, drift, plan, unpacked if file_bytes is None else file_bytes)


def total_bytes(manifest):
    return sum(manifest.layout(k).size + manifest.most_samples_bytes(k) for k in range(manifest.plan.count))


def test_a_code_and_its_power():
    # c = round(56 + 16 asinh(z / 2)): asinh(0) = 0; asinh(0.5) = 0.4812; asinh(10) = 2.9982.
    assert [code_of(z) for z in (0.0, 1.0, 20.0, -1.0, 1e9, -1e9)] == [56, 64, 104, 48, 255, 1]
    assert z_of(56) == 0.0
    assert z_of(57) == pytest.approx(0.125, rel=1e-3)
    assert z_of(255) == pytest.approx(2.52e5, rel=0.01)
    assert 10 * math.log10(z_of(200) / z_of(199)) == pytest.approx(0.2714, abs=1e-3)
    assert math.isnan(z_of(waterfall.NO_SAMPLE))


@given(st.floats(-30.0, 2e5))
def test_a_code_is_that_of_the_nearest_power(z):
    assert abs(math.asinh(z_of(code_of(z)) / 2) - math.asinh(z / 2)) <= 1 / 32 + 1e-12
    assert code_of(z_of(code_of(z))) == code_of(z)


def test_the_layout_of_a_usual_chunk():
    manifest = manifest_of(make_header(2**20))
    assert (manifest.rows, manifest.spectra_per_row, manifest.noise_factor) == (16, 1, 256)
    assert manifest.factors == (16, 64, 256, 1024, 4096, 16384, 65536)
    layout = manifest.layout(0)
    columns = [2**20 // factor for factor in manifest.factors]
    assert layout.noise == (0, 8 * 4096)
    assert layout.level("max", 16) == (8 * 4096, 17 * 65536)
    assert layout.level("max", 64) == (8 * 4096 + 17 * 65536, 17 * 16384)
    assert layout.level("mean", 16) == (8 * 4096 + 17 * sum(columns), 16 * 65536)
    assert layout.size == 8 * 4096 + 33 * sum(columns)


def test_sections_follow_each_other_without_holes():
    layout = ChunkLayout(1000, 12_345, 3, (16, 64, 256), 256)
    places = [
        layout.noise,
        *(layout.level(statistic, factor) for statistic in ("max", "mean") for factor in layout.factors),
    ]
    ends = [sum(place) for place in places]
    assert [place.offset for place in places] == [0, *ends[:-1]]
    assert ends[-1] == layout.size
    with pytest.raises(ValueError, match="not in"):
        layout.level("max", 32)


@given(start=st.integers(0, 40_000), length=st.integers(0, 40_000))
def test_the_columns_of_a_range_of_channels(start, length):
    layout = ChunkLayout(10_000, 12_345, 3, (16, 64), 256)
    columns = layout.column_range(64, start, start + length)
    wanted = {(c - 10_000) // 64 for c in range(max(start, 10_000), min(start + length, 22_345))}
    assert set(columns) == wanted
    part = layout.level_part("max", 64, columns)
    assert part.length == 4 * len(wanted)
    whole = layout.level("max", 64)
    assert not wanted or (part.offset == whole.offset + 4 * min(wanted) and sum(part) <= sum(whole))


def test_the_last_column_may_have_fewer_channels():
    layout = ChunkLayout(0, 1001, 2, (16,), 256)
    assert layout.columns(16) == 63
    assert layout.column_range(16, 990, 5000) == range(61, 63)
    assert layout.noise_part(layout.column_range(256, 300, 301)) == (8, 8)


@pytest.mark.parametrize(("n_bits", "finest"), [(32, 16), (16, 32), (8, 64), (4, 128), (1, 512)])
def test_fewer_bits_make_coarser_columns(n_bits, finest):
    manifest = manifest_of(make_header(2**24, n_bits=n_bits))
    assert manifest.factors[0] == finest
    assert total_bytes(manifest) <= 0.05 * 16 * 2**24 * n_bits / 8


def test_a_compressed_file_has_a_pyramid_that_is_small_beside_it():
    manifest = manifest_of(make_header(2**22, file_format="h5"), file_bytes=100_000_000)
    assert manifest.factors[0] == 64
    assert total_bytes(manifest) <= 5_000_000


@pytest.mark.parametrize("searches", [((0,),), ((0,), (1,)), ((0, 1),)])
def test_all_searches_together_fit(searches):
    header = make_header(2**21, n_ifs=2)
    manifest = manifest_of(header, plan_of(2**21, stride=2**19, parts=3, searches=searches))
    assert manifest.chunks_of_one_search == 12
    assert total_bytes(manifest) <= 0.05 * 2 * 16 * 2**21 * 4


@given(
    n_channels=st.integers(1, 2**18),
    n_spectra=st.integers(2, 10_000),
    n_bits=st.sampled_from([1, 2, 4, 8, 16, 32]),
    stride=st.integers(2**16, 2**20),
    parts=st.integers(1, 4),
)
def test_all_objects_take_at_most_5_percent_of_the_file_or_128_kib(n_channels, n_spectra, n_bits, stride, parts):
    header = make_header(n_channels, n_spectra, n_bits=n_bits)
    manifest = manifest_of(header, plan_of(n_channels, stride, parts))
    size = n_channels * n_spectra * n_bits / 8
    assert total_bytes(manifest) <= max(0.05 * size, 0.0495 * size + 2**17)
    # Only in a small file does either take more than its part.
    assert sum(manifest.layout(k).size for k in range(manifest.plan.count)) <= max(0.045 * size, 2**16)


@given(n_spectra=st.integers(2, 10_000_000), drift=st.floats(0.0, 50.0))
def test_at_most_128_rows_and_no_more_than_needed(n_spectra, drift):
    header = make_header(4096, n_spectra, tsamp_s=1e-3)
    manifest = manifest_of(header, drift=drift)
    searched = n_spectra / manifest.spectra_per_average
    assert manifest.rows <= 128
    assert manifest.spectra_per_row % manifest.spectra_per_average == 0
    assert abs(manifest.rows - searched * manifest.spectra_per_average / manifest.spectra_per_row) <= 1.5
    # One average less per row would make more than 128 rows.
    per_row = manifest.spectra_per_row // manifest.spectra_per_average
    assert per_row == 1 or (searched + 0.5) / (per_row - 1) > 128


@pytest.mark.parametrize(("n_channels", "columns"), [(1, 1), (100, 7), (4096, 256)])
def test_a_chunk_of_few_channels_has_one_level_at_least(n_channels, columns):
    manifest = manifest_of(make_header(n_channels))
    assert manifest.factors[0] == 16
    assert manifest.layout(0).columns(16) == columns
    assert all(n_channels >= 8 * factor for factor in manifest.factors[1:])


def test_a_short_last_chunk_has_the_levels_of_the_others():
    manifest = manifest_of(make_header(2**20 + 5))
    assert manifest.layout(1).n_channels == 5
    assert manifest.layout(1).level("mean", 65536).length == 16


def test_a_manifest_reads_what_it_wrote_and_says_nothing_of_lanes():
    plan = plan_of(2**21).model_copy(update={"lanes": 2})
    manifest = manifest_of(make_header(2**21), plan)
    assert manifest.plan.lanes == 1
    assert Manifest.model_validate_json(manifest.model_dump_json()) == manifest


def test_windows_are_listed_at_the_head_of_their_object():
    head = pack_windows([range(100, 110), range(2**40, 2**40 + 3)], rows=16)
    assert len(head) == waterfall.head_bytes(2) == 44
    assert read_windows(head + bytes(16 * 13)) == [Window(100, 10, 44), Window(2**40, 3, 44 + 160)]
    assert read_windows(pack_windows([], rows=16)) == []
    for part in (b"", head[:3], head[:-1]):
        with pytest.raises(ValueError, match="no head"):
            read_windows(part)


def test_all_objects_are_below_the_prefix_of_their_job():
    keys = [waterfall_manifest_key("j"), waterfall_key("j", 7), waterfall_samples_key("j", 7)]
    assert keys == [
        "jobs/j/waterfall/manifest.json",
        "jobs/j/waterfall/00007.bin",
        "jobs/j/waterfall/00007.samples.bin",
    ]
    assert all(key.startswith(job_prefix("j")) for key in keys)
