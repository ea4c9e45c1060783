"""
A recorded story: what there was, what was done, and what a watch showed.

`stories/NAME.json` holds the inputs (images and what their containers do, steps with their seconds) and, below `seen`,
what several recordings had in common. Rows of a pod are told as changes (JSON merge patches) to the row before; what
differed between the recordings says "(varies)"; `sometimes` has the signatures of rows that only some of them showed.
"""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.kubelet.form import Row

FOLDER = Path(__file__).parent / "stories"
VARIES = "(varies)"


@dataclass(frozen=True, slots=True)
class Story:
    """A story; see the head of this file."""

    name: str
    what: str
    images: dict[str, dict[str, Any]]
    steps: list[dict[str, Any]]
    until: float
    nodes: list[str]
    pods: dict[str, list[Row]]
    sometimes: dict[str, list[str]]
    events: list[dict[str, Any]]


def names() -> list[str]:
    """The names of all stories."""
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def read(name: str) -> Story:
    """Read a story."""
    told = json.loads((FOLDER / f"{name}.json").read_text())
    seen = told["seen"]
    pods = {pod: _whole(rows) for pod, rows in seen["pods"].items()}
    nodes = told.get("nodes", [])
    return Story(
        name, told["what"], told["images"], told["steps"], told["until"], nodes, pods, seen["sometimes"], seen["events"]
    )


def _whole(rows: list[Row]) -> list[Row]:
    found: list[Row] = []
    for row in rows:
        if row.get("gone"):
            found.append(row)
            continue
        whole = row["whole"] if "whole" in row else _patched(found[-1], row["changes"])
        found.append({**copy.deepcopy(whole), "at": row["at"]})
    return found


def _patched(old: Any, changes: Any) -> Any:
    if not isinstance(changes, dict):
        return changes
    found = dict(old) if isinstance(old, dict) else {}
    for key, value in changes.items():
        if value is None:
            found.pop(key, None)
        else:
            found[key] = _patched(found.get(key), value)
    return found
