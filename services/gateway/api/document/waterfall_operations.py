"""What the routes of waterfalls and spectra take and answer."""

from services.gateway.api.document.operation import JOB_ID, OWN_JOB, Operation, Parameter, Success, ok
from services.gateway.api.immutable import CACHE_CONTROL
from services.gateway.api.waterfall_answers import WaterfallInfo
from services.gateway.observations.spectra_formats import (
    MAX_CSV_SAMPLES,
    MAX_FIL_BYTES,
    MAX_RAW_BYTES,
    RAW,
    SPECTRA_FORMATS,
)

BINARY = "application/octet-stream"
CACHED = {
    "ETag": "Identifies the answer; send it as If-None-Match to ask whether it has changed.",
    "Cache-Control": f"Always `{CACHE_CONTROL}`.",
}
STORED = {
    "X-Sample-Bits": "Bits of a sample; 32 are floats, others whole numbers.",
    "X-Sample-Signed": "1 if the whole numbers have a sign, else 0.",
    "X-Ifs": "Number of IFs.",
    "X-Spectra": "Number of spectra.",
    "X-Start-Channel": "First channel of the answer.",
    "X-Stop-Channel": "The channel after its last.",
}
NOT_MODIFIED = Success(304, "The answer that If-None-Match names has not changed.", headers=CACHED)
IF_NONE_MATCH = Parameter("If-None-Match", "header", {"type": "string"}, "The ETag of an answer that you have.")
CHANNELS = (
    Parameter("start_channel", "query", {"type": "integer", "minimum": 0, "default": 0}, "The first channel.", 0),
    Parameter(
        "stop_channel",
        "query",
        {"type": "integer", "minimum": 1},
        "The channel after the last; left out, the number of channels.",
        65536,
    ),
)
IN_RANGE = {400: ("invalid_channels", "range_too_large"), 403: OWN_JOB[403], 404: (*OWN_JOB[404], "no_waterfall")}
CODES = (
    "A code is power above the band's level in units of the noise's sigma, z: 0 where there is no sample, else 1 to "
    "255 with z = 2 sinh((code - 56) / 16)."
)


def _binary(description: str) -> tuple[Success, Success]:
    return Success(200, description, {BINARY: bytes}, CACHED), NOT_MODIFIED


WATERFALL_OPERATIONS = (
    Operation(
        "get",
        "/jobs/{job_id}/waterfall",
        "Waterfall",
        "Get the grid of a job's waterfall",
        (ok("The grid, and the levels at which it can be read.", WaterfallInfo, headers=CACHED), NOT_MODIFIED),
        description="The other paths give parts of it. " + CODES,
        parameters=(JOB_ID, IF_NONE_MATCH),
        errors={403: OWN_JOB[403], 404: (*OWN_JOB[404], "no_waterfall")},
    ),
    Operation(
        "get",
        "/jobs/{job_id}/waterfall/levels/{factor}",
        "Waterfall",
        "Get a part of one level of a waterfall",
        _binary(
            "One byte per code, at most 1 MiB: chunk by chunk in order of channel, the columns that hold any of the "
            "channels. A column of `mean` has one code per row, in order of time; a column of `max` has one more, the "
            "largest of its channels' sums over time. Columns are counted from the chunk's first channel."
        ),
        parameters=(
            JOB_ID,
            Parameter(
                "factor",
                "path",
                {"type": "integer", "minimum": 1},
                "Channels of a column: one of the waterfall's `factors`.",
                1024,
            ),
            Parameter(
                "statistic",
                "query",
                {"type": "string", "enum": ["max", "mean"], "default": "max"},
                "The largest value of the channels of a column, or their mean in units of its own sigma.",
            ),
            *CHANNELS,
            IF_NONE_MATCH,
        ),
        errors={
            **IN_RANGE,
            400: (*IN_RANGE[400], "invalid_statistic"),
            404: (*IN_RANGE[404], "unknown_level"),
        },
    ),
    Operation(
        "get",
        "/jobs/{job_id}/waterfall/noise",
        "Waterfall",
        "Get the level and the noise of some channels",
        _binary(
            "Pairs of little-endian float32, level and sigma of a sample in the file's units, for every `noise_factor` "
            "channels: chunk by chunk, counted from the chunk's first channel."
        ),
        parameters=(JOB_ID, *CHANNELS, IF_NONE_MATCH),
        errors=IN_RANGE,
    ),
    Operation(
        "get",
        "/jobs/{job_id}/waterfall/samples",
        "Waterfall",
        "Get the single channels that are kept round hits",
        _binary(
            "Little-endian: the number of windows (uint32); the first channel (uint64) and the number of channels "
            "(uint32) of each; the columns of each, one code per row. Windows end where the channels do."
        ),
        parameters=(JOB_ID, *CHANNELS, IF_NONE_MATCH),
        errors=IN_RANGE,
    ),
    Operation(
        "get",
        "/jobs/{job_id}/spectra",
        "Waterfall",
        "Get samples of the observation itself",
        (
            Success(
                200,
                "The samples, as they are stored: spectrum by spectrum, IF by IF, channel by channel; a SIGPROC file "
                "of them; or a table.",
                {BINARY: bytes, "text/csv": str},
                CACHED | STORED,
            ),
            NOT_MODIFIED,
        ),
        description="With fewer than 8 bits per sample, `raw` and `fil` hold whole bytes: maybe some channels more.",
        parameters=(
            JOB_ID,
            *CHANNELS,
            Parameter(
                "format",
                "query",
                {"type": "string", "enum": list(SPECTRA_FORMATS), "default": RAW},
                f"`raw`, at most {MAX_RAW_BYTES} bytes; `fil`, a SIGPROC file of at most "
                f"{MAX_FIL_BYTES} bytes of samples; `csv`, a table of at most {MAX_CSV_SAMPLES} "
                "samples with the columns frequency_hz, spectrum, time_s, if, power.",
                "fil",
            ),
            IF_NONE_MATCH,
        ),
        errors={
            400: (*IN_RANGE[400], "invalid_format"),
            403: OWN_JOB[403],
            404: (*OWN_JOB[404], "observation_gone"),
            409: ("spectra_not_readable",),
        },
    ),
)
