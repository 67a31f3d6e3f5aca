"""Keys of a job's objects in the results bucket.

Keys follow from the job and the chunk alone, so that doing the same work twice writes the same object.
"""


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
