"""
Of the mistakes that could be made in these rooms, tests notice nearly all; the others are listed, with the reason.

A sample with a fixed seed, some sixty of each room: `python -m tests.mutation` tries others.
"""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.mutation.known import KNOWN
from tests.mutation.rooms import ROOMS, ROOT

NOTICED_MIN = 0.93
"""Of the mutants that are not equivalent to the code."""


@pytest.mark.long
@pytest.mark.real_time
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("room", ROOMS)
def test_mistakes_are_noticed(room: str) -> None:
    """And each that is not is known, with a reason; none that is known was noticed after all."""
    command = [sys.executable, "-m", "tests.mutation", room, "--json"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    outcomes = [json.loads(line) for line in told.stdout.splitlines()]
    assert len(outcomes) == ROOMS[room].mutants
    survived = {outcome["id"] for outcome in outcomes if not outcome["noticed"]}
    noticed = {outcome["id"] for outcome in outcomes if outcome["noticed"]}
    equivalent = {name for name in survived if name in KNOWN and KNOWN[name].equivalent}
    assert len(noticed) >= NOTICED_MIN * (len(outcomes) - len(equivalent)), sorted(survived - equivalent)
    assert survived - KNOWN.keys() == set()
    assert noticed & KNOWN.keys() == set()
