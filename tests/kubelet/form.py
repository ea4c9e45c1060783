"""
The form in which stories are written and compared, on both sides: statuses and Events without what differs by chance.

What a watch shows becomes rows. A row says when it was seen, in seconds since the start of its story, and the whole
object as far as a kubelet writes it: `status`, whether it is being deleted, its node. Lists with keys become mappings
by them (conditions by type, containers by name). Times become seconds since the start (`T+3`), IDs of containers are
numbered by pod, and what differs each time has a name (`podIP`, `UID`, `TIME`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

Row = dict[str, Any]

_TIME = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z")
_MOMENT = re.compile(r"T([+-]\d+)")
_NODE = re.compile(r"\b127\.0\.0\.\d+\b")
_BOOT = re.compile(r"boot id: \S+")
_POD = re.compile(r"\b198(?:\.\d{1,3}){3}\b")
_UID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")
_HEX = re.compile(r"\b[0-9a-f]{64}\b")
_PULLED = re.compile(r" in \S+ \(\S+ including waiting\)\. Image size: \d+ bytes\.")
_CONTAINER_LISTS = ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses")


class Masks:
    """Names for what differs each time: addresses, IDs of containers and images, generated names."""

    def __init__(self, start: float) -> None:
        self._start = start
        self.names: dict[str, str] = {}
        """Generated names of objects -> what they are called in a story."""

    def of(self, value: Any, field: str = "") -> Any:
        """Return a value without what differs each time."""
        match value:
            case dict():
                return {key: self.of(each, key) for key, each in value.items()}
            case list():
                return [self.of(each, field) for each in value]
            case str():
                return self._text(value, field)
            case _:
                return value

    def _text(self, text: str, field: str) -> Any:
        if _TIME.fullmatch(text):
            moment = datetime.fromisoformat(text).timestamp()
            return f"T{moment - self._start:+.0f}" if moment else "never"
        if field == "containerID":
            return text
        if field == "imageID":
            return "image" if text else ""
        for name, called in self.names.items():
            text = text.replace(name, called)
        text = _BOOT.sub("boot id: BOOT", _POD.sub("podIP", _NODE.sub("hostIP", text)))
        return _PULLED.sub(
            " in TIME (TIME including waiting). Image size: SIZE bytes.", _HEX.sub("HEX", _UID.sub("UID", text))
        )


def with_numbered_ids(rows: list[Row]) -> list[Row]:
    """Number the containers of a pod as they come."""
    ids: dict[str, str] = {}

    def numbered(value: Any, field: str = "") -> Any:
        if isinstance(value, dict):
            return {key: numbered(each, key) for key, each in value.items()}
        if isinstance(value, list):
            return [numbered(each) for each in value]
        return ids.setdefault(value, f"container {len(ids) + 1}") if field == "containerID" and value else value

    found: list[Row] = numbered(rows)
    return found


def moment(value: Any) -> float | None:
    """Read a moment as `Masks` writes it, in seconds since the start; None for any other value."""
    found = _MOMENT.fullmatch(value) if isinstance(value, str) else None
    return float(found[1]) if found else None


def keyed(status: Mapping[str, Any]) -> dict[str, Any]:
    """Turn the lists of a status that have keys into mappings."""
    found = dict(status)
    if "conditions" in found:
        found["conditionsInOrder"] = " ".join(one["type"] for one in found["conditions"])
        found["conditions"] = {
            one["type"]: {k: v for k, v in one.items() if k != "type"} for one in found["conditions"]
        }
    for name in _CONTAINER_LISTS:
        if name in found:
            found[name] = {one["name"]: _container(one) for one in found[name]}
    return found


def _container(status: Mapping[str, Any]) -> dict[str, Any]:
    found = {key: value for key, value in status.items() if key != "name"}
    if "volumeMounts" in found:
        found["volumeMounts"] = {one["mountPath"]: one for one in found["volumeMounts"]}
    return found


def signature(row: Row) -> str:
    """What a row is about, by which the rows of two tellings are laid beside each other; no times, no texts."""
    if row.get("gone"):
        return "gone"
    status = row["status"]
    containers = [[kind, name, *_state(one)] for kind in _CONTAINER_LISTS for name, one in status.get(kind, {}).items()]
    conditions = sorted([name, one["status"]] for name, one in status.get("conditions", {}).items())
    grace = row.get("deletion", {}).get("grace")
    ending = "" if grace is None else "now" if grace == 0 else "later"
    return json.dumps(
        [status["phase"], status.get("reason", ""), ending, bool(row.get("node")), containers, conditions]
    )


def _state(container: Mapping[str, Any]) -> list[Any]:
    kind, state = next(iter(container["state"].items()), ("", dict[str, Any]()))
    last = container.get("lastState", {}).get("terminated", {})
    what = state.get("exitCode", state.get("reason", ""))
    return [
        kind,
        what,
        container["ready"],
        bool(container.get("started")),
        container["restartCount"],
        last.get("exitCode"),
    ]


def facts(value: Any, path: str = "") -> Iterable[tuple[str, Any]]:
    """Give each leaf of a row with its path."""
    if isinstance(value, dict) and value:
        for key, each in value.items():
            yield from facts(each, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and value:
        for number, each in enumerate(value):
            yield from facts(each, f"{path}[{number}]")
    else:
        yield path, value


def common(first: Sequence[str], second: Sequence[str]) -> list[tuple[int, int]]:
    """Return the positions of a longest common subsequence."""
    longest = [[0] * (len(second) + 1) for _ in range(len(first) + 1)]
    for i in reversed(range(len(first))):
        for j in reversed(range(len(second))):
            same = first[i] == second[j]
            longest[i][j] = longest[i + 1][j + 1] + 1 if same else max(longest[i + 1][j], longest[i][j + 1])
    pairs, i, j = [], 0, 0
    while i < len(first) and j < len(second):
        if first[i] == second[j]:
            pairs.append((i, j))
            i, j = i + 1, j + 1
        elif longest[i + 1][j] >= longest[i][j + 1]:
            i += 1
        else:
            j += 1
    return pairs
