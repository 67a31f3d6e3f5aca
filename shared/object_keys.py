"""Keys of a job's objects in the results bucket.

Keys follow from the job and the chunk alone, so that doing the same work twice writes the same object.
"""

import re

UPLOADS = "uploads/"
MAX_KEY_BYTES = 1024
# Control characters (Unicode's Cc), and the backslash, which some clients take for a slash.
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\\]")


def is_below(prefix: str, key: str) -> bool:
    """Return whether a key is below a prefix and plain: no empty part, no `.` or `..`, no control characters."""
    parts = key.split("/")
    return (
        key.startswith(prefix)
        and not {"", ".", ".."}.intersection(parts)
        and not _UNSAFE.search(key)
        and len(key.encode()) <= MAX_KEY_BYTES
    )


def job_prefix(job_id: str) -> str:
    """Return the prefix of all objects of a job."""
    return f"jobs/{job_id}/"


def hits_prefix(job_id: str) -> str:
    """Return the prefix of the hits objects of a job's chunks."""
    return f"{job_prefix(job_id)}hits/"


def hits_key(job_id: str, chunk: int) -> str:
    """Return the key of the hits object of one chunk."""
    return f"{hits_prefix(job_id)}{chunk:05d}.npz"


def artefact_key(job_id: str, filename: str) -> str:
    """Return the key of one of a job's results files."""
    return f"{job_prefix(job_id)}{filename}"


def measured_prefix(job_id: str) -> str:
    """Return the prefix of the measured parts of a cadence's tracks."""
    return f"{job_prefix(job_id)}measured/"


def measured_key(job_id: str, part: int) -> str:
    """Return the key of one part of a cadence's measured tracks."""
    return f"{measured_prefix(job_id)}{part:05d}.npz"


def waterfall_prefix(job_id: str) -> str:
    """Return the prefix of the objects of a job's zoomable waterfall."""
    return f"{job_prefix(job_id)}waterfall/"


def waterfall_manifest_key(job_id: str) -> str:
    """Return the key of what says how a job's waterfall is to be read."""
    return f"{waterfall_prefix(job_id)}manifest.json"


def waterfall_key(job_id: str, chunk: int) -> str:
    """Return the key of the pyramid of one chunk."""
    return f"{waterfall_prefix(job_id)}{chunk:05d}.bin"


def waterfall_samples_key(job_id: str, chunk: int) -> str:
    """Return the key of one chunk's windows round hits, at full resolution."""
    return f"{waterfall_prefix(job_id)}{chunk:05d}.samples.bin"


def reviews_prefix(job_id: str) -> str:
    """Return the prefix of all catalogues of a job with verdicts."""
    return f"{job_prefix(job_id)}reviewed/"


def reviewed_prefix(job_id: str, revision: str) -> str:
    """Return the prefix of the catalogues with one revision of verdicts."""
    return f"{reviews_prefix(job_id)}{revision}/"


def reviewed_key(job_id: str, revision: str, filename: str) -> str:
    """Return the key of a catalogue with one revision of verdicts."""
    return f"{reviewed_prefix(job_id, revision)}{filename}"


def verdicts_key(job_id: str, revision: str) -> str:
    """Return the key of the verdicts of a revision."""
    return reviewed_key(job_id, revision, "verdicts.json")
