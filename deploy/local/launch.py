"""Run a program that ends with its parent process: `launch.py PARENT_PID PROGRAM [ARGUMENT ...]`.

A supervisor that is killed can't stop its children, so the kernel has to. That needs a system call in the child after
the fork. It is made here because `preexec_fn` is not safe in a process with threads. Linux only; on other systems the
program runs without this protection.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    parent_pid, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:
        sys.exit("the supervisor ended before its child could start")
    try:
        os.execvp(command[0], command)  # noqa: S606 -- no shell is wanted
    except OSError as error:
        sys.exit(f"can't start {command[0]}: {error.strerror}")


if __name__ == "__main__":
    main()
