"""A bound on the memory of a process, so that a fault ends in an error of its own and not in the kernel's kill."""

import resource

MEGABYTE = 10**6


def limit_memory(limit_mb: int | None) -> None:
    """Bound the memory that this process may reserve for data, MB; None sets no bound.

    Beyond it, an allocation fails: Python raises `MemoryError`. The bound counts what is reserved (`VmData` in
    /proc/PID/status), which is more than what is resident. Mapped files, such as libraries, don't count. Children
    inherit it. A lower bound that the process was started with stays.
    """
    if limit_mb is None:
        return
    wanted, (soft, hard) = limit_mb * MEGABYTE, resource.getrlimit(resource.RLIMIT_DATA)
    known = [limit for limit in (soft, hard) if limit != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_DATA, (min([wanted, *known]), hard))
