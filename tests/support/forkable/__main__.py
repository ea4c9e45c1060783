"""Tells what a program finds when it begins, and ends as its arguments say."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Sequence

_IMPORTED_IN: list[int] = []


def prepare() -> None:
    """Note the process that this is."""
    _IMPORTED_IN.append(os.getpid())


def main(arguments: Sequence[str]) -> int:
    """Do what the first argument says."""
    match arguments:
        case ["tell", *_]:
            found = {
                "arguments": list(arguments),
                "environment": dict(os.environ),
                "folder": os.getcwd(),
                "group": os.getpgrp() == os.getpid(),
                "stdin": sys.stdin.read(),
                "descriptors": len(os.listdir("/dev/fd")) - 1,  # that of the folder itself
                "forked": [os.getppid()] == _IMPORTED_IN,
            }
            sys.stdout.write(json.dumps(found))
        case ["raise"]:
            raise ZeroDivisionError
        case ["exit", code]:
            sys.exit(int(code))
        case ["wait"]:
            sys.stdout.write("it waits\n")
            sys.stdout.flush()
            signal.pause()
    return 0


if __name__ == "__main__":
    prepare()
    sys.exit(main(sys.argv[1:]))
