"""Written files, read back by other means than the product's own reader."""

import struct
from pathlib import Path

import h5py
import hdf5plugin
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from science.simulator import Scene, make_header, simulate, spectra, write_fil, write_h5
from science.simulator.writers import packed_angle

KINDS = {
    **dict.fromkeys(["machine_id", "telescope_id", "data_type", "nchans", "nbits", "nifs", "nfpc"], "<i"),
    **dict.fromkeys(["fch1", "foff", "tstart", "tsamp", "src_raj", "src_dej"], "<d"),
    "signed": "<b",
    "source_name": "text",
}
BITSHUFFLE_FILTER = 32008


def read_sigproc(path: Path) -> tuple[dict, bytes]:
    """A SIGPROC file's keywords in their order, and its data."""
    raw, at = path.read_bytes(), 0

    def text() -> str:
        nonlocal at
        (length,) = struct.unpack_from("<I", raw, at)
        word = raw[at + 4 : at + 4 + length].decode()
        at += 4 + length
        return word

    assert text() == "HEADER_START"
    found = {}
    while (name := text()) != "HEADER_END":
        assert name not in found
        if KINDS[name] == "text":
            found[name] = text()
        else:
            (found[name],) = struct.unpack_from(KINDS[name], raw, at)
            at += struct.calcsize(KINDS[name])
    return found, raw[at:]


def unpacked(packed: float) -> float:
    """Hours or degrees of hhmmss.s or ddmmss.s."""
    size = abs(packed)
    hours, minutes, seconds = size // 10_000, size % 10_000 // 100, size % 100
    assert minutes < 60
    assert seconds < 60
    return (hours + minutes / 60 + seconds / 3600) * (-1 if packed < 0 else 1)


def test_the_header_of_a_sigproc_file(tmp_path):
    header = make_header(64, 3, source_name="Größe 1", dec_deg=-30.25, coarse_channel_width=32)
    write_fil(tmp_path / "a.fil", header, simulate(Scene(header)))
    found, _ = read_sigproc(tmp_path / "a.fil")
    assert found["source_name"] == "Größe 1"
    assert (found["nchans"], found["nbits"], found["nifs"], found["telescope_id"], found["nfpc"]) == (64, 32, 1, 6, 32)
    assert (found["fch1"], found["foff"]) == (header.fch1_mhz, header.foff_mhz)
    assert (found["tsamp"], found["tstart"]) == (header.tsamp_s, header.tstart_mjd)
    # 17 h 10 min 3.984 s; 30 degrees 15 minutes south.
    assert found["src_raj"] == pytest.approx(171_003.984, abs=1e-3)
    assert found["src_dej"] == pytest.approx(-301_500.0)
    assert "signed" not in found


def test_unknown_values_are_left_out(tmp_path):
    header = make_header(16, 2, ra_hours=None, dec_deg=None)
    write_fil(tmp_path / "a.fil", header, simulate(Scene(header)))
    found, _ = read_sigproc(tmp_path / "a.fil")
    assert not {"src_raj", "src_dej", "nfpc"} & set(found)


@pytest.mark.parametrize(
    ("n_bits", "signed", "kind"),
    [(8, False, "<u1"), (16, False, "<u2"), (32, False, "<f4"), (8, True, "<i1"), (16, True, "<i2")],
)
def test_the_samples_of_a_sigproc_file(tmp_path, n_bits, signed, kind):
    header = make_header(64, 3, n_bits=n_bits, signed=signed)
    scene = Scene(header)
    write_fil(tmp_path / "a.fil", header, spectra(scene))
    found, data = read_sigproc(tmp_path / "a.fil")
    assert found["nbits"] == n_bits
    assert found.get("signed", 0) == int(signed)
    np.testing.assert_array_equal(np.frombuffer(data, kind).reshape(3, 64), simulate(scene))


@pytest.mark.parametrize("n_bits", [1, 4, 64])
def test_a_sample_size_that_can_not_be_written(tmp_path, n_bits):
    header = make_header(16, 2, n_bits=n_bits)
    with pytest.raises(ValueError, match="n_bits must be 8, 16 or 32"):
        write_fil(tmp_path / "a.fil", header, [])
    assert not (tmp_path / "a.fil").exists()


@pytest.mark.parametrize("bitshuffle", [False, True])
@pytest.mark.parametrize(("n_bits", "kind"), [(8, "u1"), (16, "u2"), (32, "f4")])
def test_an_hdf5_file(tmp_path, bitshuffle, n_bits, kind):
    header = make_header(4096, 3, n_bits=n_bits, source_name="Voyager1", coarse_channel_width=1024)
    scene = Scene(header)
    write_h5(tmp_path / "a.h5", header, spectra(scene), bitshuffle=bitshuffle)
    with h5py.File(tmp_path / "a.h5") as file:
        assert (file.attrs["CLASS"], file.attrs["VERSION"]) == ("FILTERBANK", "1.0")
        dataset = file["data"]
        assert (dataset.shape, dataset.dtype, dataset.chunks) == ((3, 1, 4096), np.dtype(kind), (1, 1, 4096))
        creation = dataset.id.get_create_plist()
        filters = [creation.get_filter(i)[0] for i in range(creation.get_nfilters())]
        assert filters == ([BITSHUFFLE_FILTER] if bitshuffle else [])
        np.testing.assert_array_equal(dataset[:, 0], simulate(scene))
        known = {
            "nchans": 4096,
            "nbits": n_bits,
            "nifs": 1,
            "fch1": header.fch1_mhz,
            "foff": header.foff_mhz,
            "tsamp": header.tsamp_s,
            "tstart": header.tstart_mjd,
            "src_raj": header.ra_hours,
            "src_dej": header.dec_deg,
            "source_name": "Voyager1",
            "telescope_id": 6,
            "nfpc": 1024,
        }
        assert {name: dataset.attrs[name] for name in known} == known


def test_the_filter_of_an_hdf5_file_is_the_registered_one():
    assert hdf5plugin.Bitshuffle.filter_id == BITSHUFFLE_FILTER


def test_an_hdf5_file_leaves_out_what_is_not_known(tmp_path):
    header = make_header(16, 2, ra_hours=None, dec_deg=None)
    write_h5(tmp_path / "a.h5", header, simulate(Scene(header)))
    with h5py.File(tmp_path / "a.h5") as file:
        assert not {"src_raj", "src_dej", "nfpc"} & set(file["data"].attrs)


@pytest.mark.parametrize(
    ("angle", "packed"),
    [
        (0.0, 0.0),
        (17.5, 173_000.0),
        (12.183, 121_058.8),
        (-30.25, -301_500.0),
        (-0.25, -1_500.0),
        (1 - 1e-9, 10_000.0),
        (10 + 1 / 60 - 1e-9, 100_100.0),
        (-(10 - 1e-9), -100_000.0),
        (359.999, 3_595_956.4),
    ],
)
def test_packed_angles(angle, packed):
    assert packed_angle(angle) == pytest.approx(packed, abs=1e-6)


@given(st.floats(min_value=-360, max_value=360))
def test_packed_angles_unpack_to_the_same(angle):
    # To the ten-thousandth of a second that is kept.
    assert unpacked(packed_angle(angle)) == pytest.approx(angle, abs=0.6e-4 / 3600)
