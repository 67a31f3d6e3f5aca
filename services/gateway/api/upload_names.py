"""Names of uploads: file names, keys in the uploads bucket, parts and ETags."""

import re
import unicodedata
from uuid import UUID

EXTENSIONS = (".fil", ".h5")
MAX_NAME_BYTES = 255
# The one spelling of a UUID that keys are made with.
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class FileNameError(ValueError):
    """A file name under which no observation can be uploaded. `code` is the API's code, the text is for the user."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


def clean_file_name(name: str) -> str:
    """Return the last part of a path, with every unsafe character replaced by an underscore.

    Letters, digits, dots, dashes, plus signs and underscores are safe. Cleaning a clean name changes nothing.

    Raises
    ------
    FileNameError
        The name does not end in `.fil` or `.h5`, has nothing before that, or is longer than 255 bytes in
        UTF-8.
    """
    last = re.split(r"[/\\]", unicodedata.normalize("NFC", name))[-1]
    cleaned = re.sub(r"[^\w.+-]", "_", last)
    if not cleaned.lower().endswith(EXTENSIONS):
        raise FileNameError("The filename must end in .fil or .h5.", "unsupported_file_type")
    if not cleaned.rpartition(".")[0].strip("."):
        raise FileNameError("The filename must have a name before .fil or .h5.", "invalid_filename")
    if len(cleaned.encode()) > MAX_NAME_BYTES:
        raise FileNameError(f"The filename must not be longer than {MAX_NAME_BYTES} bytes.", "invalid_filename")
    return cleaned


def shown_file_name(name: str) -> str:
    """Return the last part of a path as it was given, without the characters that no event may hold.

    These are control characters, separators of lines and paragraphs, and halves of surrogate pairs.
    """
    last = re.split(r"[/\\]", name)[-1]
    return "".join(one for one in last if unicodedata.category(one) not in {"Cc", "Cs", "Zl", "Zp"})[:MAX_NAME_BYTES]


def upload_key(user_id: str, upload: UUID, file_name: str) -> str:
    """Return the key of an upload in the uploads bucket; `file_name` is a clean one."""
    return f"uploads/{user_id}/{upload}/{file_name}"


def owns_upload_key(user_id: str, key: str) -> bool:
    """Return whether `upload_key` could have returned the key for this user. Storage is only asked for such keys."""
    parts = key.split("/")
    if len(parts) != 4 or parts[0] != "uploads" or parts[1] != user_id or not _UUID.fullmatch(parts[2]):
        return False
    try:
        return clean_file_name(parts[3]) == parts[3]
    except ValueError:
        return False


def is_upload_key_of_another_user(user_id: str, key: str) -> bool:
    """Return whether `upload_key` could have returned the key for a different user only."""
    parts = key.split("/")
    return len(parts) == 4 and parts[1] != user_id and owns_upload_key(parts[1], key)


def part_count(size: int, part_size: int) -> int:
    """Return how many parts an upload of `size` bytes has; the last one may be shorter."""
    return -(-size // part_size)


def part_length(size: int, part_size: int, number: int) -> int:
    """Return the bytes of part `number`, from 1, of an upload of `size` bytes."""
    return min(part_size, size - (number - 1) * part_size)


def quoted_etag(etag: str) -> str:
    """Return an ETag in the quotes that HTTP requires, whether the client kept them or not."""
    return f'"{etag.strip(chr(34))}"'
