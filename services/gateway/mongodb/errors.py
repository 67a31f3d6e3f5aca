"""Which of the driver's errors another try may mend."""

from types import TracebackType

from pymongo.errors import ConnectionFailure, ExecutionTimeout, WTimeoutError

from shared.errors import TransientError

_MENDABLE = (ConnectionFailure, ExecutionTimeout, WTimeoutError)


class _Translated:
    """A class, as a generator would cost every read more."""

    def __enter__(self) -> None:
        return

    def __exit__(self, _kind: object, error: BaseException | None, _trace: TracebackType | None) -> None:
        if isinstance(error, _MENDABLE):
            raise TransientError(f"The job store is out of reach: {type(error).__name__}") from error


_TRANSLATED = _Translated()


def translated() -> _Translated:
    """Turn the driver's errors that another try may mend into ours; any other is a bug."""
    return _TRANSLATED
