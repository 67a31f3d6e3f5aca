"""Calls in parallel on a pool of threads; kernels release the interpreter's lock."""

from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from typing import Any, TypeVar

T = TypeVar("T")


def together(pool: Executor, work: Callable[..., T], arguments: Iterable[tuple[Any, ...]]) -> list[T]:
    """Return the results of `work(*one)` for each of `arguments`, in order; raise the first failure."""
    return [future.result() for future in [pool.submit(work, *one) for one in arguments]]
