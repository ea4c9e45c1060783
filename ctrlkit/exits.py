"""End a program with the right exit status: one line for expected errors, a traceback for others."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator

from ctrlkit.errors import CtrlkitError

INTERRUPTED = 130
BROKEN_PIPE = 141
BAD_ARGUMENTS = 2


def exit_status(program: str, main: Callable[[], int], *, foreseen: tuple[type[Exception], ...] = ()) -> int:
    """
    Run a program's main function and return the exit status of the process.

    CtrlkitError, OSError and those in `foreseen` are written to standard error in one line, also where they come in
    groups; the status is 1, or the error's own `exit_status`. Any other error passes. Ctrl-C is 130; a reader of
    standard output that went away is 141, without a line. What is written to streams that were closed before the start
    is dropped.

    >>> exit_status("demo", lambda: 0)
    0
    """
    _open_closed_streams()
    try:
        return main()
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else the flush at the end complains again
        return BROKEN_PIPE
    except SystemExit as end:  # argparse: --help, --version, bad arguments
        return end.code if isinstance(end.code, int) else BAD_ARGUMENTS
    except Exception as error:
        found = list(_foreseen(error, (CtrlkitError, OSError, *foreseen)))
        if not found:
            raise
        lines = dict.fromkeys(" ".join(str(part).split()) or repr(part) for part in found)
        sys.stderr.write(f"{program}: {'; and '.join(lines)}\n")
        return max(int(getattr(part, "exit_status", 1)) for part in found)


def _foreseen(error: BaseException, kinds: tuple[type[Exception], ...]) -> Iterator[Exception]:
    """The errors to tell in a line, out of nested groups; nothing if there is any other among them."""
    if isinstance(error, BaseExceptionGroup):
        parts = [list(_foreseen(part, kinds)) for part in error.exceptions]
        if all(parts):
            yield from (found for part in parts for found in part)
    elif isinstance(error, kinds):
        yield error


def _open_closed_streams() -> None:
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115 - open to the end
