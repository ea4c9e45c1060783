"""
A script that kills the process groups of a runtime and removes its folder, once the runtime's process has ended.

It reads lines from stdin: `+123` registers a process group, `-123` removes it. At the end of input, which the kernel
guarantees even after SIGKILL, it kills the remaining groups and removes the folder. It imports only the core of the
standard library, so that it starts in a few milliseconds.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import time

_TRIES = 100
_PAUSE_S = 0.05


def main(folder: str) -> None:
    """Wait for the end of the owner, then clean up."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    for group in _groups_left():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)
    for _ in range(_TRIES):  # a process in its last moments may still add a file
        shutil.rmtree(folder, ignore_errors=True)
        if not os.path.lexists(folder):
            return
        time.sleep(_PAUSE_S)
    sys.exit(1)


def _groups_left() -> set[int]:
    groups: set[int] = set()
    for line in sys.stdin:
        group = int(line[1:])
        if line.startswith("+"):
            groups.add(group)
        else:
            groups.discard(group)
    return groups


if __name__ == "__main__":
    main(sys.argv[1])
