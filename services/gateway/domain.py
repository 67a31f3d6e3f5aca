"""The gateway's rules: file names and keys, parts of an upload, API keys, and how a job moves and looks."""

import functools
import hmac
import re
import unicodedata
from dataclasses import dataclass
from typing import Any, Literal
from uuid import NAMESPACE_URL, UUID, uuid5

from shared.events import Artefact, JobFailed, JobProgress, ResultsSummary, SearchParameters, Stage

Status = Literal["submitted", "processing", "complete", "failed"]

OPEN_STATUSES: tuple[Status, ...] = ("submitted", "processing")
STAGES: tuple[Stage, ...] = ("ingest", "dedoppler", "classify", "export")

EXTENSIONS = (".fil", ".h5")
MAX_NAME_BYTES = 255

API_KEY_PREFIX = "sk_live_"
API_KEY_BYTES = 32
USE_INTERVAL_S = 60
# Longer than any write to the database may take.
SLOT_GRACE_S = 120
# As a UUID is written here, of the ways there are.
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_API_KEY = re.compile(rf"{API_KEY_PREFIX}[0-9a-f]{{{2 * API_KEY_BYTES}}}")
# More progress within one stage than any job makes.
_RANKS_PER_STAGE = 10**9


class FileNameError(ValueError):
    """A file name that no observation can be uploaded under."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class User:
    """Somebody who holds API keys."""

    user_id: str
    tier: str
    name: str
    created_at: int


@dataclass(frozen=True)
class ApiKey:
    """What is stored of an API key: enough to recognise it, not to use it. Times are unix seconds."""

    key_id: str
    user_id: str
    name: str
    hash: str
    prefix: str
    created_at: int
    expires_at: int
    active: bool = True
    last_used_at: int | None = None

    def is_expired(self, now_s: float) -> bool:
        """Whether its time is over."""
        return now_s >= self.expires_at

    def is_alive(self, now_s: float) -> bool:
        """Whether it opens the door."""
        return self.active and not self.is_expired(now_s)

    def is_use_due(self, now_s: float) -> bool:
        """Whether a use now is to be recorded: not every one is, as each record is a write."""
        return self.last_used_at is None or now_s - self.last_used_at >= USE_INTERVAL_S


@dataclass(frozen=True)
class KeySlot:
    """A place among the keys that one user may have alive at a time. It is taken before its key is stored."""

    key_id: str
    created_at: int
    expires_at: int

    @classmethod
    def of(cls, key: ApiKey) -> "KeySlot":
        """The place of a key."""
        return cls(key.key_id, key.created_at, key.expires_at)

    @classmethod
    def parse(cls, text: str) -> "KeySlot":
        """Read what `str` wrote."""
        key_id, created_at, expires_at = text.split(":")
        return cls(key_id, int(created_at), int(expires_at))

    def __str__(self) -> str:
        return f"{self.key_id}:{self.created_at}:{self.expires_at}"

    def is_vacant(self, key: ApiKey | None, now_s: float) -> bool:
        """Whether the place can be given away; `key` is what is stored under its id.

        A key that is not there is about to be stored, unless whoever took the place died long ago.
        """
        if key is None or self != KeySlot.of(key):
            return now_s >= self.created_at + SLOT_GRACE_S
        return not key.is_alive(now_s)


@dataclass(frozen=True)
class Report:
    """What a user says about a job. `metadata` is JSON: nothing in it can mean anything to the database."""

    report_id: str
    user_id: str
    job_id: str
    error_type: str
    description: str
    metadata: str
    created_at: int


@dataclass(frozen=True)
class Progress:
    """`done` of `total` parts of a stage are finished."""

    stage: Stage
    done: int
    total: int

    @classmethod
    def of(cls, event: JobProgress) -> "Progress":
        """What an event says."""
        return cls(event.stage, event.done, event.total)

    @property
    def rank(self) -> int:
        """Grows with the stage, then with `done`: progress is shown only when its rank is higher than before."""
        return STAGES.index(self.stage) * _RANKS_PER_STAGE + min(max(self.done, 0), _RANKS_PER_STAGE - 1)


@dataclass(frozen=True)
class Failure:
    """Why a stage gave up; `message` is a sentence for the user."""

    stage: Stage
    code: str
    message: str

    @classmethod
    def of(cls, event: JobFailed) -> "Failure":
        """What an event says."""
        return cls(event.stage, event.code, event.message)

    @property
    def spares_results(self) -> bool:
        """Whether the job is complete all the same: export starts when the results are there already."""
        return self.stage == "export"


@dataclass(frozen=True)
class Job:
    """One analysis. Times are unix seconds; `submitted_ms` orders jobs of the same second.

    `expires_at` is when it is removed; `slot_ms` is when it was counted, unix ms. Jobs of old know no `parameters`.
    """

    job_id: str
    user_id: str
    file_key: str
    filename: str
    source_name: str
    file_size: int
    submitted_ms: int
    status: Status = "submitted"
    completed_at: int | None = None
    results: ResultsSummary | None = None
    results_key: str | None = None
    progress: Progress | None = None
    failure: Failure | None = None
    export_failure: Failure | None = None
    artefacts: tuple[Artefact, ...] = ()
    expires_at: int | None = None
    slot_ms: int | None = None
    parameters: SearchParameters | None = None

    @property
    def created_at(self) -> int:
        """When it was accepted."""
        return self.submitted_ms // 1000

    def artefact(self, name: str) -> Artefact | None:
        """The artefact of a format, or None while there is none."""
        return next((artefact for artefact in self.artefacts if artefact.format == name), None)


def allowed_from(status: Status) -> tuple[Status, ...]:
    """The statuses from which a job may come to `status`: only ever forward."""
    if status == "submitted":
        return ()
    return ("submitted",) if status == "processing" else OPEN_STATUSES


def clean_file_name(name: str) -> str:
    """The last part of a path, with what is no letter, digit, dot, dash, plus or underscore replaced by an underscore.

    Cleaning a clean name changes nothing.

    Raises:
        FileNameError: no `.fil` or `.h5`, nothing before that, or longer than 255 bytes in UTF-8.
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
    """The last part of a path as it was given, but for characters that no name is shown with."""
    last = re.split(r"[/\\]", name)[-1]
    return "".join(one for one in last if unicodedata.category(one) not in {"Cc", "Cs"})[:MAX_NAME_BYTES]


def upload_key(user_id: str, upload: UUID, file_name: str) -> str:
    """Key in the uploads bucket; `file_name` is a clean one."""
    return f"uploads/{user_id}/{upload}/{file_name}"


def owns_upload_key(user_id: str, key: str) -> bool:
    """Whether `upload_key` could have made the key for this user; nothing else is ever asked of storage."""
    parts = key.split("/")
    if len(parts) != 4 or parts[0] != "uploads" or parts[1] != user_id or not _UUID.fullmatch(parts[2]):
        return False
    try:
        return clean_file_name(parts[3]) == parts[3]
    except ValueError:
        return False


def part_count(size: int, part_size: int) -> int:
    """Parts of an upload of `size` bytes; the last one may be shorter."""
    return -(-size // part_size)


def quoted_etag(etag: str) -> str:
    """An ETag in the quotes that HTTP gives it, whether the client kept them or not."""
    return f'"{etag.strip(chr(34))}"'


def format_api_key(secret: bytes) -> str:
    """The API key of 256 random bits."""
    assert len(secret) == API_KEY_BYTES
    return API_KEY_PREFIX + secret.hex()


def is_api_key(text: str) -> bool:
    """Whether a text has the form of an API key."""
    return _API_KEY.fullmatch(text) is not None


def hash_api_key(api_key: str, pepper: str) -> str:
    """HMAC-SHA256 of a key under the pepper, hex.

    A look-up by this hash takes no time that depends on the key, and what is stored is of no use without the pepper.
    """
    keyed = _keyed(pepper).copy()
    keyed.update(api_key.encode())
    return keyed.hexdigest()


@functools.cache
def _keyed(pepper: str) -> hmac.HMAC:
    """The part that is the same for every key; there is one pepper."""
    return hmac.new(pepper.encode(), digestmod="sha256")


def token_user_id(issuer: str, subject: str) -> str:
    """The id of the user whom an issuer calls `subject`: always the same, and nobody else's."""
    return str(uuid5(uuid5(NAMESPACE_URL, issuer), subject))


def nesting(content: Any) -> int:
    """How deep objects and lists are nested in decoded JSON: 0 for a number or a text."""
    depth, level = 0, [content]
    while level := [one for one in level if isinstance(one, dict | list)]:
        depth += 1
        level = [one for parent in level for one in (parent.values() if isinstance(parent, dict) else parent)]
    return depth


def render_key(key: ApiKey, now_s: float) -> dict[str, Any]:
    """A key as the API lists it; `last_used_at` is left out until it is used."""
    body: dict[str, Any] = {
        "key_id": key.key_id,
        "name": key.name,
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "active": key.active,
        "expired": key.is_expired(now_s),
        "prefix": key.prefix,
    }
    if key.last_used_at is not None:
        body["last_used_at"] = key.last_used_at
    return body


def silence_s(publications: int, first_s: float, longest_s: float) -> float:
    """How long to wait for a sign of life after the `publications`-th submission of a job.

    It doubles each time: a job that only waits behind many others must not be submitted ever again, or the queue would
    grow by itself.
    """
    return min(first_s * 2.0 ** min(publications - 1, 60), longest_s)


def is_settled(job: Job) -> bool:
    """Whether nothing about it will change any more: it failed, or is complete with its exports made or given up."""
    if job.status == "complete":
        return bool(job.artefacts) or job.export_failure is not None
    return job.status == "failed"


def render_job(job: Job) -> dict[str, Any]:
    """A job as the API shows it; what is not known yet is left out."""
    body: dict[str, Any] = {
        "job_id": job.job_id,
        "status": job.status,
        "source_name": job.source_name,
        "filename": job.filename,
        "file_size": job.file_size,
        "created_at": job.created_at,
        "exports_ready": job.status == "complete" and bool(job.artefacts),
    }
    if job.parameters is not None:
        body["parameters"] = job.parameters.model_dump()
    if job.progress is not None:
        body["progress"] = {"stage": job.progress.stage, "done": job.progress.done, "total": job.progress.total}
    if job.completed_at is not None:
        # By the clocks of two machines: the later one may have said the earlier time.
        body["completed_at"] = max(job.completed_at, job.created_at)
    if job.expires_at is not None:
        body["expires_at"] = job.expires_at
    if job.results is not None:
        body["results"] = job.results.model_dump(mode="json")
    if job.failure is not None:
        body["error"] = job.failure.message
    failure = job.failure or (None if job.artefacts else job.export_failure)
    if failure is not None:
        body["error_detail"] = {"code": failure.code, "stage": failure.stage}
    return body
