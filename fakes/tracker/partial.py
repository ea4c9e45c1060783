"""Answers and watch lines cut down to the objects' metadata, as a server sends them to who asks for no more."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

import msgspec

from ctrlkit.model import Lines

META_VERSION = "meta.k8s.io/v1"


def metadata_only(answer: bytes) -> bytes:
    """
    An object as PartialObjectMetadata, a list as PartialObjectMetadataList.

    >>> metadata_only(b'{"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "a"}, "spec": {}}')
    b'{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":{"name":"a"}}'
    """
    body = msgspec.json.decode(answer)
    if body.get("kind") == "Status":
        return answer
    if "items" not in body:
        return msgspec.json.encode(partial_object(body))
    items = [partial_object(thing) for thing in body["items"] or ()]
    metadata = body.get("metadata") or {}
    return msgspec.json.encode(
        {"kind": "PartialObjectMetadataList", "apiVersion": META_VERSION, "metadata": metadata, "items": items}
    )


def metadata_event(line: bytes) -> bytes:
    """A watch event around PartialObjectMetadata."""
    event = msgspec.json.decode(line)
    if event.get("type") == "ERROR":
        return line
    return msgspec.json.encode({"type": event["type"], "object": partial_object(event["object"])})


async def metadata_lines(lines: Lines) -> AsyncGenerator[Sequence[bytes], None]:
    """The lines of a watch, each cut down."""
    async for batch in lines:
        yield [metadata_event(line) for line in batch]


def partial_object(thing: Mapping[str, Any]) -> dict[str, Any]:
    """One object's kind, as this form names it, and metadata."""
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": META_VERSION,
        "metadata": thing.get("metadata") or {},
    }
