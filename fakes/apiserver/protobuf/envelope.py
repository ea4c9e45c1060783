"""Bodies of a release in protobuf: the prefix `k8s\\0`, a runtime.Unknown that names the kind, and the object in it."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from ctrlkit.fakes.apiserver.protobuf import wire
from ctrlkit.fakes.apiserver.protobuf.codec import Codec, joined
from ctrlkit.fakes.apiserver.protobuf.messages import RUNTIME, Message, messages_of
from ctrlkit.fakes.apiserver.protobuf.wire import Malformed, Part

MEDIA_TYPE = "application/vnd.kubernetes.protobuf"
PREFIX = b"k8s\0"
_TYPE_META, _RAW, _ENCODING, _CONTENT_TYPE = 1, 2, 3, 4
_UNKNOWN: wire.Known = {
    _TYPE_META: ((wire.LENGTH,), "TypeMeta"),
    _RAW: ((wire.LENGTH,), "Raw"),
    _ENCODING: ((wire.LENGTH,), "ContentEncoding"),
    _CONTENT_TYPE: ((wire.LENGTH,), "ContentType"),
}


class Unreadable(ValueError):
    """A body is no object; `kind` is what the body says it is, if that can be read."""

    def __init__(self, text: str, api_version: str = "", kind: str = "") -> None:
        super().__init__(text)
        self.api_version = api_version
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Envelopes:
    """Reads and writes bodies of one release."""

    codec: Codec

    def read(self, body: bytes, api_version: str, kind: str, *, only: bool = False) -> dict[str, Any]:
        """
        Return the object of a body; the kind is as given where the body names none.

        Shape   Of a kind that the release does not have the object has nothing but its kind: whoever handles it will
                refuse it. With `only` this is so of any kind but the given one, which is read whatever its apiVersion.
        Errors  Unreadable, in the words of a real server.
        """
        if not body:
            raise Unreadable("empty data")
        if not body.startswith(PREFIX):
            raise Unreadable("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]")
        if len(body) == len(PREFIX):
            raise Unreadable("empty body")
        try:
            named, raw = self._open(body)
        except Malformed as error:
            raise Unreadable(str(error)) from None
        expected, wanted = api_version, kind
        kind = named.get("kind") or kind
        api_version = named.get("apiVersion") or api_version
        message = self.message_of(expected if only else api_version, kind) if not only or kind == wanted else None
        try:
            fields = {} if message is None else self.codec.read(message, raw)
        except Malformed as error:
            raise Unreadable(str(error), api_version, kind) from None
        head = {"kind": kind, "apiVersion": api_version} if api_version else {"kind": kind}
        return head | fields

    def _open(self, body: bytes) -> tuple[Mapping[str, Any], Part]:
        """Return the type that a body names, and where its object lies."""
        type_meta = self.codec.messages.of_type(f"{RUNTIME}.TypeMeta")
        heads: list[Part] = []
        named: Mapping[str, Any] = {}
        raw: Part = (b"", 0, 0)
        for number, _, value in wire.read_fields((body, len(PREFIX), len(body)), "Unknown", _UNKNOWN):
            if number == _TYPE_META:
                heads.append(value)
                named = self.codec.read(type_meta, value)
            elif number == _RAW:
                raw = value
        return named if len(heads) <= 1 else self.codec.read(type_meta, joined(heads)), raw

    def message_of(self, api_version: str, kind: str) -> Message | None:
        """Return the message of a kind; None if it is not one of the release's own."""
        return self.codec.messages.of_kind(api_version, kind)

    def write(self, thing: Mapping[str, Any]) -> bytes:
        """Return the body of an object, which names its kind. Errors: KeyError for kinds without a message."""
        api_version, kind = thing.get("apiVersion", ""), thing.get("kind", "")
        message = self.message_of(api_version, kind)
        if message is None:
            raise KeyError(f"{api_version} {kind}")
        type_meta = _text(1, api_version) + _text(2, kind)
        return b"".join(
            (
                PREFIX,
                wire.tag(_TYPE_META, wire.LENGTH) + wire.sized(type_meta),
                wire.tag(_RAW, wire.LENGTH) + wire.sized(self.codec.write(message, thing)),
                _text(_ENCODING, "") + _text(_CONTENT_TYPE, ""),
            )
        )

    def write_event(self, event: Mapping[str, Any]) -> bytes:
        """Return one event of a watch: its length in four bytes, and a WatchEvent around the object's body."""
        thing = wire.tag(1, wire.LENGTH) + wire.sized(self.write(event["object"]))
        frame = _text(1, event["type"]) + wire.tag(2, wire.LENGTH) + wire.sized(thing)
        return struct.pack(">I", len(frame)) + frame


@cache
def envelopes_of(release: str) -> Envelopes:
    """Return the bodies of a release, such as `1.36`."""
    return Envelopes(Codec(messages_of(release)))


def _text(number: int, text: str) -> bytes:
    return wire.tag(number, wire.LENGTH) + wire.sized(text.encode(errors="replace"))
