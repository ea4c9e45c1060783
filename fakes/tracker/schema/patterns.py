"""Regular expressions of schemas, as the server's language reads them: RE2, whose matching takes linear time."""

from __future__ import annotations

import functools
from typing import Any

_OPTIONS_SET = {"log_errors": False, "max_mem": 8 * 1024 * 1024}
_GOS_WORDS = {
    "missing ]": "missing closing ]",
    "missing )": "missing closing )",
    "bad repetition operator": "invalid nested repetition operator",
    "no argument for repetition operator": "missing argument to repetition operator",
    "invalid repetition size": "invalid repeat count",
    "invalid perl operator": "invalid or unsupported Perl syntax",
    "invalid named capture group": "invalid named capture",
    "trailing \\": "trailing backslash at end of expression",
}
"""What Go says where RE2 itself says something else."""


@functools.lru_cache(maxsize=64)
def compiled(pattern: str) -> Any:
    """
    Compile a pattern, for its method `search`.

    >>> bool(compiled("(?i)^jan").search("January"))
    True
    >>> compiled("^[a")
    Traceback (most recent call last):
      ...
    ValueError: error parsing regexp: missing closing ]: `[a`

    Errors  ValueError in the server's words.
    """
    import re2  # noqa: PLC0415  # only a test with patterns pays for loading it

    options = re2.Options()
    for name, value in _OPTIONS_SET.items():
        setattr(options, name, value)
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        said = error.args[0]
        problem, _, part = (said.decode(errors="replace") if isinstance(said, bytes) else str(said)).partition(": ")
        raise ValueError(f"error parsing regexp: {_GOS_WORDS.get(problem, problem)}: `{part}`") from None
