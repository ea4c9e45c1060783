"""docs/logging.md lists the log lines there are."""

from __future__ import annotations

import re
from pathlib import Path

import ctrlkit

PACKAGE = Path(ctrlkit.__file__).parent
DOCUMENT = PACKAGE.parent / "docs" / "logging.md"
CALL = re.compile(r"""(?:\blog|\blogger\("\w+"\))\.(?:debug|info|warning|error|exception)\(\s*"(\w+)\"""")


def test_every_line_of_controller_and_manager_is_listed_and_no_other() -> None:
    """A constant event name for each call, in the tables."""
    sources = [path for folder in ("controller", "manager") for path in (PACKAGE / folder).glob("*.py")]
    logged = {name for path in sources for name in CALL.findall(path.read_text().replace("self._log", "log"))}
    sections = re.split(r"^## Part ", DOCUMENT.read_text(), flags=re.MULTILINE)[1:]
    listed = {
        name
        for section in sections
        if section.startswith(("`controller`", "`recorder`", "`manager`"))
        for name in re.findall(r"^\| `(\w+)` \| (?:debug|info|warning|error|see)", section, flags=re.MULTILINE)
    } - {"done", "requeue_after", "conflict", "error", "terminal_error"}
    assert logged == listed
