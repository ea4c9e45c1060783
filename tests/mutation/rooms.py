"""
What is mutated, and which tests are to notice.

A module's own tests come first (`test_<module>.py` under the room's folder in `tests/unit`, and its doctests), then
those of its neighbours in the room, those of any history last, for they take longest; and then the stories that the
room takes part in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]


class Scope(Enum):
    """Which tests are asked."""

    OWN = "own"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Room:
    """
    A folder of modules with its tests; `tests` are globs, `stories` files that are asked last.

    `mutants` is how many are tried by default.
    """

    name: str
    folder: str
    tests: Sequence[str]
    stories: Sequence[str] = ()
    leave_out: Sequence[str] = ()
    mutants: int = 60

    def modules(self) -> list[Path]:
        """Its modules, relative to the root."""
        found = sorted((ROOT / self.folder).rglob("*.py"))
        return [path.relative_to(ROOT) for path in found if path.stem not in ("__init__", *self.leave_out)]

    def tests_of(self, module: Path, scope: Scope = Scope.ALL) -> list[str]:
        """
        The tests that are to notice a mistake in a module, those that are likeliest to come first.

        A module that has no tests of its own has those of its neighbours.
        """
        files = sorted(path for pattern in self.tests for path in ROOT.glob(pattern))
        own = [path for path in files if path.stem == f"test_{module.stem}"]
        others = [path for path in files if path not in own] if scope is Scope.ALL or not own else []
        others.sort(key=lambda path: "_any_" in path.stem)
        stories = self.stories if scope is Scope.ALL else ()
        return [str(module), *(str(path.relative_to(ROOT)) for path in (*own, *others)), *stories]


ROOMS: Final = {
    room.name: room
    for room in (
        Room("cache", "ctrlkit/cache", ("tests/unit/cache/**/test_*.py",), ("tests/scenarios/test_any_history.py",)),
        Room("workqueue", "ctrlkit/workqueue", ("tests/unit/workqueue/**/test_*.py",)),
        Room("controller", "ctrlkit/controller", ("tests/unit/controller/**/test_*.py",)),
        Room("election", "ctrlkit/election", ("tests/unit/election/**/test_*.py",)),
        Room("wire", "ctrlkit/wire", ("tests/unit/wire/**/test_*.py",)),
        Room(
            "tracker",
            "ctrlkit/fakes/tracker",
            ("tests/unit/fakes/tracker/**/test_*.py",),
            (
                "tests/unit/fakes/world/test_webhooks.py",
                "tests/unit/fakes/world/test_conversion_webhooks.py",
                "tests/conformance/test_conformance.py",
            ),
        ),
    )
}
