"""Protobuf without its descriptions: messages as trees of numbered fields, as recorded answers keep them."""

from __future__ import annotations

import re
from typing import Any

_PREFIX = b"k8s\0"
_UID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_SECONDS = range(1_500_000_001, 3_000_000_000)
_NUMBER_MAX = 2000
_FIXED_BYTES = {1: 8, 5: 4}


def tree(data: bytes) -> Any:
    """
    The fields of an object, [[number, value], ...]; what differs from server to server is masked.

    >>> tree(b"k8s\\0" + bytes([0x0A, 3]) + b"abc" + bytes([0x10, 7]))
    [[1, 'abc'], [2, 7]]
    """
    return _fields(data[4:]) if data.startswith(_PREFIX) else f"no magic: {data[:40].hex()}"


def frames(data: bytes) -> list[Any]:
    """The messages of a watch, each behind its length."""
    found, at = [], 0
    while at + 4 <= len(data):
        end = at + 4 + int.from_bytes(data[at : at + 4], "big")
        one = data[at + 4 : end]
        found.append(tree(one) if one.startswith(_PREFIX) else _fields(one))
        at = end
    return found


def _fields(data: bytes) -> list[list[Any]] | None:
    """The fields of a message; None if it is none."""
    at, found = 0, []
    try:
        while at < len(data):
            key, at = _varint(data, at)
            if not 0 < key >> 3 <= _NUMBER_MAX:
                return None
            value, at = _value(data, at, key & 7)
            found.append([key >> 3, value])
    except (IndexError, ValueError):
        return None
    return found


def _value(data: bytes, at: int, wire_type: int) -> tuple[Any, int]:
    match wire_type:
        case 0:
            number, at = _varint(data, at)
            return "<seconds>" if number in _SECONDS else number, at
        case 2:
            size, at = _varint(data, at)
            if at + size > len(data):
                raise IndexError
            return _readable(data[at : at + size]), at + size
    size = _FIXED_BYTES.get(wire_type, 0)
    if not size:
        raise ValueError(wire_type)
    return data[at : at + size].hex(), at + size


def _readable(data: bytes) -> Any:
    if data.startswith(_PREFIX):
        return tree(data)
    text = data.decode(errors="replace")
    if data and "\ufffd" not in text and all(one.isprintable() or one in "\n\t\r" for one in text):
        return _UID.sub("<uid>", "<number>" if text.isdigit() and len(text) > 2 else text)
    inner = _fields(data)
    return inner if inner is not None else f"hex:{data.hex()}"


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at
