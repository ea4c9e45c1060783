"""docs/logging.md lists the log lines there are."""

from __future__ import annotations

import re
from pathlib import Path

import ctrlkit

PACKAGE = Path(ctrlkit.__file__).parent
DOCUMENT = PACKAGE.parent / "docs" / "logging.md"
CALL = re.compile(
    r"""(?:\b_?log|\b_log_failure|\b_failure(?:s|_log)|\blogger\("\w+"\))"""
    r"""(?:\.(?:debug|info|warning|error|exception|tell|say))?\(\s*"(\w+)\""""
)
OUTCOMES = {"done", "requeue_after", "conflict", "retry_later", "error", "terminal_error", "timeout"}


def test_every_line_is_listed_and_no_other() -> None:
    """A constant event name for each call, in the tables."""
    beside = (PACKAGE.parent / name for name in ("controllers", "fakes"))
    sources = [*PACKAGE.rglob("*.py"), *(path for folder in beside for path in folder.rglob("*.py"))]
    logged = {name for path in sources for name in CALL.findall(path.read_text())}
    rows = re.findall(r"^\| `(\w+)` \| (?:debug|info|warning|error|see)", DOCUMENT.read_text(), flags=re.MULTILINE)
    assert logged == set(rows) - OUTCOMES
