"""Turns the driver's temporary errors into `TransientError`."""

from types import TracebackType

from pymongo.errors import ConnectionFailure, ExecutionTimeout, WTimeoutError

from shared.errors import TransientError

_TEMPORARY = (ConnectionFailure, ExecutionTimeout, WTimeoutError)


class _Translated:
    """A context manager. It is a class because one made from a generator would make every read slower."""

    def __enter__(self) -> None:
        return

    def __exit__(self, _kind: object, error: BaseException | None, _trace: TracebackType | None) -> None:
        if isinstance(error, _TEMPORARY):
            raise TransientError(f"The job store is unavailable: {type(error).__name__}") from error


_TRANSLATED = _Translated()


def translated() -> _Translated:
    """Return a context that raises `TransientError` for errors that a retry may fix. Any other error is a bug."""
    return _TRANSLATED
