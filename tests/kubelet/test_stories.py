"""
Our kubelet tells the recorded stories as a real one did, but for what `expected_differences.json` lists.

An entry names stories and facts by patterns (`*` stands for anything) and says why they differ; one that matches no
difference any more fails as well. The reasons stand in docs/deviations.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

import pytest

from ctrlkit.fakes.loop import VirtualTimeLoop
from tests.kubelet.comparison import Comparison, Fact, compare
from tests.kubelet.play import play
from tests.kubelet.scripted import ScriptedRuntime
from tests.kubelet.story import names, read

HERE = Path(__file__).parent
EXPECTED: list[dict[str, str]] = json.loads((HERE / "expected_differences.json").read_text())
BY_DEFAULT = 3
"""Every third story is played by `make test`; `make test-all` plays them all."""
