"""Test the Python client in the API contract. Only its three settings are changed."""

import asyncio
import os
import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy import units
from astropy.table import QTable
from PIL import Image

from science.simulator import Scene, Tone, make_header, spectra, write_fil

CONTRACT = Path(__file__).parents[2].parent / "shared" / "api-contract.txt"
# The text of the contract has no indentation. These are the levels of all lines from the first import on.
LEVELS = "00000000000110000111233312210112310011000011121001122112211122334323344445401"
pytestmark = pytest.mark.skipif(not CONTRACT.exists(), reason="the text of the API contract is missing")


def listing(settings: dict[str, str]) -> str:
    """Return the program of the client with its settings replaced."""
    printed = CONTRACT.read_text().splitlines()
    printed = printed[printed.index("import requests") :]
    program = "\n".join(4 * int(level) * " " + line for level, line in zip(LEVELS, printed, strict=True))
    for name, value in settings.items():
        program, count = re.subn(rf"^{name} = .*$", f"{name} = {value!r}", program, flags=re.MULTILINE)
        assert count == 1
    return program


async def run_client(folder: Path, stack, observation: Path) -> tuple[str, str]:
    """Run the client in a new folder. Return its output and the first 8 characters of the job id."""
    folder.mkdir()
    program = folder / "client.py"
    program.write_text(listing({"API": stack.url, "API_KEY": stack.api_key, "FILE_PATH": str(observation)}))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        program,
        cwd=folder,
        env=os.environ | {"NO_PROXY": "127.0.0.1"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    assert errors == b""
    submitted = re.search(r"Job submitted: (\S{8})", output.decode())
    assert submitted is not None
    return output.decode(), submitted[1]


@pytest.fixture(scope="module")
def small_fil(tmp_path_factory):
    """Write a file of 16 MB with one drifting tone."""
    path = tmp_path_factory.mktemp("small") / "small observation.fil"
    header = make_header(2**18, coarse_channel_width=2**18, has_dc_spike=True)
    write_fil(path, header, spectra(Scene(header, (Tone(header.frequency_hz(100_000), 0.3, 60.0),))))
    return path


async def test_client_saves_all_outputs_of_small_and_large_files(stack, small_fil, voyager_fil, tmp_path):
    assert small_fil.stat().st_size < 50 * 2**20 < voyager_fil.stat().st_size
    # In parallel, because the client sleeps most of the time.
    small, large = await asyncio.gather(
        run_client(tmp_path / "small", stack, small_fil), run_client(tmp_path / "large", stack, voyager_fil)
    )
    assert "Upload complete" in small[0]
    assert "Multipart upload complete" in large[0]
    for folder, (output, name), hits in ((tmp_path / "small", small, 1), (tmp_path / "large", large, 5)):
        assert f"Results: {hits} raw hits" in output
        assert re.search(r"\d\.\d{3} MHz \| SNR=\d+\.\d \| [A-Z_]+$", output, re.MULTILINE)
        assert sorted(path.suffix for path in folder.iterdir()) == [".csv", ".fits", ".json", ".png", ".py"]
        table, fits = pd.read_csv(folder / f"{name}_signals.csv"), QTable.read(folder / f"{name}.fits")
        assert len(table) == hits
        assert fits["frequency_hz"].unit == units.Hz
        np.testing.assert_array_equal(fits["frequency_hz"].value, table["frequency_hz"])
        with Image.open(folder / f"{name}.png") as picture:
            assert picture.size == (1600, 1000)
