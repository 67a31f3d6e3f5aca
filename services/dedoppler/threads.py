"""Side by side on a pool: kernels release the interpreter's lock."""

from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from typing import Any, TypeVar

T = TypeVar("T")


def together(pool: Executor, work: Callable[..., T], arguments: Iterable[tuple[Any, ...]]) -> list[T]:
    """Results of `work(*one)` for each of `arguments`, in their order; the first failure is raised."""
    return [future.result() for future in [pool.submit(work, *one) for one in arguments]]
