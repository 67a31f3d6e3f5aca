"""The Python client that the API's contract prints, run as it stands but for its three settings."""

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
# The printed listing has lost its indentation: the level of each line, from the first import on, by its steps.
LEVELS = "00000000000110000111233312210112310011000011121001122112211122334323344445401"
pytestmark = pytest.mark.skipif(not CONTRACT.exists(), reason="the contract's text is not beside this repository")


def listing(settings: dict[str, str]) -> str:
    """The client with its settings replaced and nothing else."""
    printed = CONTRACT.read_text().splitlines()
    printed = printed[printed.index("import requests") :]
    program = "\n".join(4 * int(level) * " " + line for level, line in zip(LEVELS, printed, strict=True))
    for name, value in settings.items():
        program, count = re.subn(rf"^{name} = .*$", f"{name} = {value!r}", program, flags=re.MULTILINE)
        assert count == 1
    return program


async def run_client(folder: Path, stack, observation: Path) -> tuple[str, str]:
    """Run it in a folder of its own; what it printed, and the first part of the job's id."""
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
    """16 MB with one drifting tone."""
    path = tmp_path_factory.mktemp("small") / "small observation.fil"
    header = make_header(2**18, coarse_channel_width=2**18, has_dc_spike=True)
    write_fil(path, header, spectra(Scene(header, (Tone(header.frequency_hz(100_000), 0.3, 60.0),))))
    return path


async def test_below_and_above_50_mb_it_saves_its_four_outputs(stack, small_fil, voyager_fil, tmp_path):
    assert small_fil.stat().st_size < 50 * 2**20 < voyager_fil.stat().st_size
    # Side by side: most of its time it sleeps.
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
