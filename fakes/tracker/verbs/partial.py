"""Answers and watch lines reduced to PartialObjectMetadata."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import msgspec

from ctrlkit.fakes.tracker.schema.depth import TooDeep, check_levels, deeply
from ctrlkit.model import Lines

META_VERSION = "meta.k8s.io/v1"
_LEVELS_MAX = 100

_Cut = Callable[[Mapping[str, Any]], dict[str, Any]]


def metadata_only(answer: bytes) -> bytes:
    """
    Reduce an object to PartialObjectMetadata, a list to PartialObjectMetadataList.

    >>> metadata_only(b'{"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "a"}, "spec": {}}')
    b'{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":{"name":"a"}}'

    Shape   Metadata alone has few levels, so that every client can read it: sets of fields that have many are left out.
    """
    return _shallow(lambda cut: _cut_answer(answer, cut))


def metadata_event(line: bytes) -> bytes:
    """A watch event around PartialObjectMetadata."""
    return _shallow(lambda cut: _cut_event(line, cut))


def _shallow(work: Callable[[_Cut], bytes]) -> bytes:
    try:
        return work(partial_object)
    except RecursionError:
        pass
    return deeply(lambda: work(_shallow_object))


def _cut_answer(answer: bytes, cut: _Cut) -> bytes:
    body = msgspec.json.decode(answer)
    if body.get("kind") == "Status":
        return answer
    if "items" not in body:
        return msgspec.json.encode(cut(body))
    items = [cut(thing) for thing in body["items"] or ()]
    metadata = body.get("metadata") or {}
    return msgspec.json.encode(
        {"kind": "PartialObjectMetadataList", "apiVersion": META_VERSION, "metadata": metadata, "items": items}
    )


def _cut_event(line: bytes, cut: _Cut) -> bytes:
    event = msgspec.json.decode(line)
    if event.get("type") == "ERROR":
        return line
    return msgspec.json.encode({"type": event["type"], "object": cut(event["object"])})


class MetadataLines:
    """The lines of a watch, reduced to metadata; whoever waits for them may be cancelled, and wait again."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Sequence[bytes]:
        return [metadata_event(line) for line in await anext(self._lines)]


def partial_object(thing: Mapping[str, Any]) -> dict[str, Any]:
    """One object's kind, as this form names it, and metadata."""
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": META_VERSION,
        "metadata": thing.get("metadata") or {},
    }


def _shallow_object(thing: Mapping[str, Any]) -> dict[str, Any]:
    partial = partial_object(thing)
    try:
        check_levels(msgspec.json.encode(partial), _LEVELS_MAX)
    except TooDeep:
        partial["metadata"] = {name: value for name, value in partial["metadata"].items() if name != "managedFields"}
    return partial
