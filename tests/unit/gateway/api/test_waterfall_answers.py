"""The grid of a waterfall as the API shows it."""

from services.gateway.api.answers import content_of
from services.gateway.api.waterfall_answers import WaterfallInfo
from services.gateway.observations.waterfall import Waterfall
from shared.chunks import ChunkPlan
from shared.header import Header
from shared.waterfall import Manifest

HEADER = Header(
    file_format="fil",
    n_spectra=300,
    n_channels=10_000,
    n_ifs=2,
    n_bits=32,
    fch1_mhz=1400.0,
    foff_mhz=-1e-6,
    tsamp_s=2.0,
    tstart_mjd=60000.5,
    source_name="<Voyager>",
)
PLAN = ChunkPlan(n_channels=10_000, count=6, stride_channels=4096, parts=1, overlap_channels=9, searches=((0,), (1,)))


def info(header: Header = HEADER, sigma: float | None = 0.25):
    return content_of(WaterfallInfo.of(Waterfall("j-1", 5, Manifest.of(header, 4.0, PLAN, 10**9), sigma)))


def test_the_grid_is_that_of_the_file_and_the_chunks_those_of_the_first_search():
    assert info() == {
        "n_channels": 10_000,
        "first_channel_hz": 1.4e9,
        "channel_width_hz": -1.0,
        "n_spectra": 300,
        "spectrum_s": 2.0,
        "start_mjd": 60000.5,
        "rows": 100,
        "spectra_per_row": 3,
        "spectra_per_average": 1,
        "factors": [16, 64, 256],
        "chunk_edges": [0, 4096, 8192, 10_000],
        "noise_factor": 256,
        "sigma_relative": 0.25,
        "spectra_readable": True,
        "source_name": "‹Voyager›",
    }


def test_what_is_not_known_is_left_out():
    unknown = HEADER.model_copy(update={"tstart_mjd": 0.0, "source_name": "", "file_format": "h5"})
    shown = info(unknown, None)
    assert not {"start_mjd", "source_name", "sigma_relative"} & set(shown)
    assert shown["spectra_readable"] is False
