"""
Compare what kubectl says of a server of ours with what it said of a real one: `python -m tests.kubectl [PATTERN]`.

PATTERN, a regular expression, selects cases by `NUMBER GROUP: COMMAND`.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.kubectl.battery import matching, read_battery
from tests.kubectl.comparison import differences
from tests.kubectl.serving import recorded, run_on_ours

_LINES_MAX = 30


def main() -> None:
    """Read the command line, run and print."""
    pattern = sys.argv[1] if len(sys.argv) > 1 else ""
    cases = read_battery().cases
    numbers = matching(pattern)
    with tempfile.TemporaryDirectory(prefix="kubectl-") as folder:
        found = run_on_ours(Path(folder), numbers)
    same = 0
    for number, outcome in found.items():
        lines = differences(recorded()[number], outcome, is_ordered=not cases[number].unordered)
        same += not lines
        if lines:
            print(f"== {number} [{cases[number].group}] {cases[number].command}")
            print(*lines[:_LINES_MAX], sep="\n")
    print(f"{same} of {len(numbers)} the same")


if __name__ == "__main__":
    main()
