"""Calls in parallel on a pool of threads; kernels release the interpreter's lock."""

from collections.abc import Callable, Iterable
from concurrent.futures import Executor, Future
from typing import Any, ParamSpec, TypeVar

T = TypeVar("T")
P = ParamSpec("P")


def together(pool: Executor, work: Callable[..., T], arguments: Iterable[tuple[Any, ...]]) -> list[T]:
    """Return the results of `work(*one)` for each of `arguments`, in order; raise the first failure."""
    return [future.result() for future in [pool.submit(work, *one) for one in arguments]]


class ThisThread(Executor):
    """Calls at once, in the thread that submits: for work on so little that it is not worth to be shared."""

    def submit(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Return the finished call; a failure is raised here."""
        future: Future[T] = Future()
        future.set_result(work(*args, **kwargs))
        return future
