"""The waterfall and the spectra of a finished job over HTTP, against numpy on the uploaded file."""

import io
import json
import struct

import aiohttp
import numpy as np
import pandas as pd
import pytest

from science.simulator import Scene, Tone, make_header, spectra, write_fil
from shared.filterbank import LocalSource, read_block, read_header
from tests.e2e.jobs import submit, until_done

N_CHANNELS = 2**18
TONE_CHANNEL = 100_003
SNR = 60.0
# Codes are steps of 0.125 sigma in the noise. Within a block the band may differ from the level of its pair.
CODES_APART = 4


@pytest.fixture(scope="module")
def scene():
    header = make_header(N_CHANNELS)
    return Scene(header, (Tone(header.frequency_hz(TONE_CHANNEL), 0.0, SNR),), seed=3)


@pytest.fixture(scope="module")
def observation(scene, tmp_path_factory):
    path = tmp_path_factory.mktemp("waterfall") / "tone.fil"
    write_fil(path, scene.header, spectra(scene))
    return path


@pytest.fixture(scope="module")
async def power(observation):
    header, _ = await read_header(LocalSource(observation))
    return (await read_block(LocalSource(observation), header, 0, N_CHANNELS)).astype(np.float64)


@pytest.fixture(scope="module")
async def job(client, observation):
    found = await until_done(client, await submit(client, observation))
    assert found["status"] == "complete"
    return found


@pytest.fixture(scope="module")
async def get(stack, job):
    """Return a function that returns the bytes and headers of a path of the job."""
    async with aiohttp.ClientSession(stack.url, headers={"x-api-key": stack.api_key}) as session:

        async def get(path):
            async with session.get(f"/jobs/{job['job_id']}{path}") as response:
                body = await response.read()
                assert response.status == 200, body
                return body, response.headers

        yield get


@pytest.fixture(scope="module")
async def grid(get):
    """Return the grid, and (level, sigma) of each run of channels."""
    info, noise = (await get("/waterfall"))[0], (await get("/waterfall/noise"))[0]
    return json.loads(info), np.frombuffer(noise, "<f4").reshape(-1, 2).astype(np.float64)


def z_of(codes):
    """Return powers in units of sigma, as the API's document says."""
    return 2 * np.sinh((codes.astype(np.float64) - 56) / 16)


def code_of(z):
    return np.clip(np.round(56 + 16 * np.arcsinh(z / 2)), 1, 255)


@pytest.fixture(scope="module")
def normalised(power, grid):
    """Return the file's samples in units of the noise, by the levels and sigmas that the API states."""
    info, noise = grid
    repeats = np.repeat(noise, info["noise_factor"], axis=0)[:N_CHANNELS]
    return (power - repeats[:, 0]) / repeats[:, 1]


def test_the_grid_is_that_of_the_file(scene, grid):
    info, noise = grid
    assert info["n_channels"] == N_CHANNELS
    assert info["first_channel_hz"] == pytest.approx(scene.header.frequency_hz(0))
    assert info["channel_width_hz"] == scene.header.foff_hz
    assert (info["rows"], info["spectra_per_row"]) == (16, 1)
    assert info["chunk_edges"] == [0, N_CHANNELS]
    assert noise.shape == (N_CHANNELS // info["noise_factor"], 2)
    # Gamma noise of the simulator: most blocks agree with what was put in.
    level, sigma = np.median(noise, axis=0)
    assert level == pytest.approx(scene.mean, rel=0.02)
    assert sigma / level == pytest.approx(info["sigma_relative"], rel=0.05)


@pytest.mark.parametrize("place", [0, -1])
async def test_levels_are_the_maxima_and_means_of_the_file(get, grid, normalised, place):
    factor = grid[0]["factors"][place]
    columns = N_CHANNELS // factor
    grouped = normalised.reshape(16, columns, factor)
    most, _ = await get(f"/waterfall/levels/{factor}?statistic=max")
    most = np.frombuffer(most, np.uint8).reshape(columns, 17)
    mean, _ = await get(f"/waterfall/levels/{factor}?statistic=mean")
    mean = np.frombuffer(mean, np.uint8).reshape(columns, 16)
    integrated = (normalised.sum(axis=0) / 4).reshape(columns, factor).max(axis=1)
    for codes, expected in (
        (most[:, :16], grouped.max(axis=2).T),
        (most[:, 16], integrated),
    ):
        assert np.mean(np.abs(codes - code_of(expected)) <= CODES_APART) > 0.99
    # A mean over many channels has small sigmas, so a small difference of levels counts more.
    difference = z_of(mean) - (grouped.mean(axis=2) * np.sqrt(factor)).T
    assert np.median(np.abs(difference)) < 0.02 * np.sqrt(factor) + 0.1
    assert np.argmax(most[:, 16]) == TONE_CHANNEL // factor


async def test_a_part_of_a_level_is_that_part(get, grid):
    factor = grid[0]["factors"][0]
    whole, _ = await get(f"/waterfall/levels/{factor}?statistic=mean")
    part, _ = await get(f"/waterfall/levels/{factor}?statistic=mean&start_channel=1000&stop_channel=2001")
    assert part == whole[1000 // factor * 16 : -(-2001 // factor) * 16]


async def test_single_channels_are_there_round_the_hit(get, normalised):
    raw, _ = await get(f"/waterfall/samples?start_channel={TONE_CHANNEL - 20}&stop_channel={TONE_CHANNEL + 20}")
    count, start, channels = struct.unpack_from("<IQI", raw)
    assert (count, start, channels) == (1, TONE_CHANNEL - 20, 40)
    codes = np.frombuffer(raw, np.uint8, offset=16).reshape(40, 16)
    assert np.argmax(z_of(codes).sum(axis=1)) == 20
    expected = code_of(normalised[:, start : start + channels].T)
    assert np.mean(np.abs(codes - expected) <= CODES_APART) > 0.99


async def test_spectra_are_the_samples_of_the_file(get, power, scene, tmp_path):
    query = f"start_channel={TONE_CHANNEL - 3}&stop_channel={TONE_CHANNEL + 1000}"
    part = power[:, TONE_CHANNEL - 3 : TONE_CHANNEL + 1000]
    raw, headers = await get(f"/spectra?{query}")
    assert (headers["X-Sample-Bits"], headers["X-Ifs"], headers["X-Spectra"]) == ("32", "1", "16")
    np.testing.assert_array_equal(np.frombuffer(raw, "<f4").reshape(16, -1), part)

    file, _ = await get(f"/spectra?{query}&format=fil")
    path = tmp_path / "part.fil"
    path.write_bytes(file)
    header, _ = await read_header(LocalSource(path))
    np.testing.assert_array_equal(await read_block(LocalSource(path), header, 0, 1003), part)
    assert header.frequency_hz(3) == pytest.approx(scene.header.frequency_hz(TONE_CHANNEL), abs=1e-4)

    text, _ = await get(f"/spectra?{query}&format=csv")
    table = pd.read_csv(io.BytesIO(text))
    np.testing.assert_array_equal(table["power"].to_numpy(np.float32).reshape(16, -1), part)
    assert table["frequency_hz"][3] == pytest.approx(scene.header.frequency_hz(TONE_CHANNEL), abs=1e-4)
