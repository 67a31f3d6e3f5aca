"""The data folder: files that are kept between runs (objects, users, jobs, secrets, ports), and its lock."""

import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from deploy.local.errors import LocalError

PRIVATE_FILE = 0o600
PRIVATE_FOLDER = 0o700


class DataFolderInUseError(LocalError):
    """Another process uses this data folder."""


class NoStackRunningError(LocalError):
    """No stack runs on this data folder."""


@dataclass(frozen=True)
class Secrets:
    """Random keys, generated once per data folder."""

    s3_access_key: str
    s3_secret_key: str
    s3_internal_key: str
    api_key_pepper: str


@dataclass(frozen=True)
class UpFile:
    """Content of `up.json`, which exists while a stack runs: addresses and the demo user's API key."""

    url: str
    api_key: str
    kafka: str
    mongodb: str
    s3: str


def write_private(path: Path, content: Any) -> None:
    """Write JSON to a file that only the owner can read. The write is atomic."""
    partial = path.with_name(path.name + ".partial")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE), "w") as file:
        json.dump(content, file, indent=2)
        file.write("\n")
    partial.replace(path)


def read_json(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file, or an empty dictionary if the file does not exist."""
    if not path.exists():
        return {}
    content: dict[str, Any] = json.loads(path.read_text())
    return content


class DataFolder:
    """The folder of one stack."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.logs = self.path / "logs"
        self._lock_file = self.path / "lock"
        self._up_file = self.path / "up.json"
        self._demo_user_file = self.path / "demo_user.json"

    def subfolder(self, name: str) -> Path:
        """Return a subfolder that only the owner can enter; create it if it does not exist."""
        folder = self.path / name
        folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        return folder

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the folder; the kernel releases the lock when the process ends, however it ends.

        Raises
        ------
        DataFolderInUseError
            Another process holds the lock.
        """
        self.path.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        with self._lock_file.open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise DataFolderInUseError(
                    f"Another Waterhole runs on the data folder {self.path}; stop it first, or choose another folder "
                    "with --data DIR."
                ) from error
            # A run that was killed may have left the file behind.
            self._up_file.unlink(missing_ok=True)
            try:
                yield
            finally:
                self._up_file.unlink(missing_ok=True)

    def secrets(self) -> Secrets:
        """Return the secrets of this folder; the first call generates them."""
        path = self.path / "secrets.json"
        known = read_json(path)
        if not known:
            known = asdict(
                Secrets(
                    s3_access_key=secrets.token_hex(10),
                    s3_secret_key=secrets.token_urlsafe(30),
                    s3_internal_key=secrets.token_urlsafe(30),
                    api_key_pepper=secrets.token_urlsafe(30),
                )
            )
            write_private(path, known)
        return Secrets(**known)

    def demo_user(self) -> dict[str, str]:
        """Return {"user_id", "tier", "api_key"} of the demo user, or an empty dictionary before the first run."""
        return read_json(self._demo_user_file)

    def keep_demo_user(self, user: dict[str, str]) -> None:
        """Store the demo user for later runs."""
        write_private(self._demo_user_file, user)

    def publish(self, up: UpFile) -> None:
        """Write `up.json`."""
        write_private(self._up_file, asdict(up))

    def running(self) -> UpFile:
        """Read `up.json`.

        Raises
        ------
        NoStackRunningError
            No stack runs on this folder, or it is not ready yet.
        """
        content = read_json(self._up_file)
        if not content or not self._is_held():
            raise NoStackRunningError(
                f"No Waterhole runs on the data folder {self.path}; start one with `make up`, or name its folder with "
                "--data DIR."
            )
        return UpFile(**content)

    def _is_held(self) -> bool:
        if not self._lock_file.exists():
            return False
        with self._lock_file.open() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False
