"""Processes that a command starts, and that end with it, even where it is killed."""

from __future__ import annotations

import os
import signal
import sys
import threading

OPTION = "--with-parent"
"""Given to a command that is started so: its standard input is a pipe that only its parent holds."""


def end_with_parent() -> None:
    """Have this process get SIGTERM as soon as standard input is at its end."""
    threading.Thread(target=_wait, name="with-parent", daemon=True).start()


def _wait() -> None:
    while os.read(sys.stdin.fileno(), 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
