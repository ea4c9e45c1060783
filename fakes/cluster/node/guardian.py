"""
Ends what a runtime started, and removes its folder, once the runtime is gone: run as a script, with the folder's path.

In       Lines on stdin from the owner: `+123` a process group began, `-123` it is over. End of input means that the
         owner has ended, whatever way: the kernel closes the pipe even after SIGKILL.
Out      SIGKILL to each group that is left, then no folder.
Needs    Nothing but the standard library's core, so it is up in a few milliseconds.
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
    """Wait for the owner's end, then clean up."""
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
