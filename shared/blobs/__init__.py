"""Objects in S3, where workers keep all their results.

Failures of the server raise `TransientError`; a missing object raises `ObjectNotFoundError`. A read that names an ETag
raises `ObjectChangedError` if the object has another one: it was replaced.
"""

from shared.blobs.bucket import MAX_PART_BYTES, Blobs
from shared.blobs.errors import MultipartError, RangeBeyondEndError
from shared.blobs.storage import Storage, open_storage
from shared.blobs.stored import OpenMultipart, StoredObject, StoredPart, UploadedPart

__all__ = [
    "MAX_PART_BYTES",
    "Blobs",
    "MultipartError",
    "OpenMultipart",
    "RangeBeyondEndError",
    "Storage",
    "StoredObject",
    "StoredPart",
    "UploadedPart",
    "open_storage",
]
