"""Make the `Header` that the search uses of a file's keywords and layout."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from shared.filterbank.header.coarse import coarse_channel_width
from shared.filterbank.header.fields import Fields, to_number
from shared.header import (
    GREEN_BANK_TELESCOPE_ID,
    MAX_CHANNEL_WIDTH_MHZ,
    MAX_CHANNELS,
    MAX_FREQUENCY_MHZ,
    MAX_TSAMP_S,
    MIN_CHANNEL_WIDTH_MHZ,
    MIN_TSAMP_S,
    Header,
)

FCH1 = "the frequency of the first channel's centre in MHz, a finite number"
FOFF = "the signed width of a channel in MHz, a finite number other than 0"
TSAMP = "the time between two spectra in seconds, a finite number above 0"

ParseAngle = Callable[[int | float | str], float]


@dataclass(frozen=True)
class Layout:
    """How the samples lie in a file: (spectra, IFs, channels)."""

    file_format: Literal["fil", "h5"]
    n_spectra: int
    n_ifs: int
    n_channels: int
    n_bits: int
    signed: bool
    data_offset_bytes: int = 0


def assemble(fields: Fields, layout: Layout, *, to_hours: ParseAngle, to_degrees: ParseAngle) -> Header:
    """Return the header; faults that do not stop the search are added to `fields.warnings`.

    `to_hours` and `to_degrees` parse src_raj and src_dej; they raise ValueError for values that are not angles.

    Raises
    ------
    BadObservationError
        A value that the search needs is missing or out of range.
    """
    if layout.n_spectra < 2:
        raise fields.bad("it holds 1 spectrum; a drift search needs at least 2. Record or export more spectra.")
    fch1, foff, tsamp = _band(fields, layout.n_channels)
    telescope_id = fields.integer("telescope_id", 0)
    width, warning = coarse_channel_width(
        declared=fields.integer("nfpc", 0),
        telescope_id=telescope_id,
        n_channels=layout.n_channels,
        channel_width_hz=foff * 1e6,
    )
    if warning is not None:
        fields.warn(warning)
    return Header(
        file_format=layout.file_format,
        n_spectra=layout.n_spectra,
        n_channels=layout.n_channels,
        n_ifs=layout.n_ifs,
        n_bits=layout.n_bits,
        signed=layout.signed,
        data_offset_bytes=layout.data_offset_bytes,
        fch1_mhz=fch1,
        foff_mhz=foff,
        tsamp_s=tsamp,
        tstart_mjd=_start(fields),
        source_name=fields.text("source_name"),
        ra_hours=_angle(fields, "src_raj", to_hours, 0.0, 24.0),
        dec_deg=_angle(fields, "src_dej", to_degrees, -90.0, 90.0),
        telescope_id=telescope_id,
        coarse_channel_width=width,
        has_dc_spike=width is not None and telescope_id == GREEN_BANK_TELESCOPE_ID,
    )


def check_channel_count(fields: Fields, n_channels: int) -> None:
    """Raise BadObservationError unless `n_channels` is between 1 and `MAX_CHANNELS`."""
    if not 1 <= n_channels <= MAX_CHANNELS:
        raise fields.bad(
            f"nchans is {n_channels}; it must be between 1 and {MAX_CHANNELS}. Correct the header and upload again."
        )


def _band(fields: Fields, n_channels: int) -> tuple[float, float, float]:
    """Return fch1 and foff in MHz and tsamp in s, all checked."""
    fch1, foff, tsamp = fields.required("fch1", FCH1), fields.required("foff", FOFF), fields.required("tsamp", TSAMP)
    if not MIN_CHANNEL_WIDTH_MHZ <= abs(foff) <= MAX_CHANNEL_WIDTH_MHZ:
        raise fields.bad(f"foff in its header is {foff} MHz; it must be {FOFF}. Correct it and upload again.")
    if not MIN_TSAMP_S <= tsamp <= MAX_TSAMP_S:
        raise fields.bad(f"tsamp in its header is {tsamp} s; it must be {TSAMP}. Correct it and upload again.")
    last = fch1 + (n_channels - 1) * foff
    if not 0 < min(fch1, last) <= max(fch1, last) <= MAX_FREQUENCY_MHZ:
        raise fields.bad(
            f"its band would run from fch1 = {fch1} MHz to {last} MHz (foff is {foff} MHz, nchans {n_channels}); "
            "frequencies must be above 0 MHz and real. Correct fch1 or foff and upload again."
        )
    return fch1, foff, tsamp


def _start(fields: Fields) -> float:
    start = fields.number("tstart")
    if start is None:
        fields.warn("The header has no usable tstart; the start time was taken as MJD 0.")
        return 0.0
    return start


def _angle(fields: Fields, key: str, parse: ParseAngle, low: float, high: float) -> float | None:
    """Return a coordinate within [low, high]; None if it is missing, or, with a warning, if it is not one."""
    if key not in fields:
        return None
    value = fields.values[key]
    try:
        angle = parse(value)
    except ValueError:
        angle = float("nan")
    if low <= angle <= high:
        return angle
    fields.warn(f"{key} in the header is {value!r}, which is not a position on the sky; it was ignored.")
    return None


def plain_number(value: int | float | str) -> float:
    """Return the number that a value is, or whose text it is.

    Raises
    ------
    ValueError
        The value is not a number.
    """
    number = to_number(value)
    if number is None:
        raise ValueError(f"{value!r} is not a number")
    return number
