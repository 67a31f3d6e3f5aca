"""Which of the driver's errors another try may mend."""

from collections.abc import Iterator
from contextlib import contextmanager

from pymongo.errors import ConnectionFailure, ExecutionTimeout, WTimeoutError

from shared.errors import TransientError


@contextmanager
def translated() -> Iterator[None]:
    """Turn the driver's errors that another try may mend into ours; any other is a bug."""
    try:
        yield
    except (ConnectionFailure, ExecutionTimeout, WTimeoutError) as error:
        raise TransientError(f"The job store is out of reach: {type(error).__name__}") from error
