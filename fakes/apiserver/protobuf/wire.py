"""
Protocol Buffers' wire format: the fields of a message as numbers and values, both ways.

A body is read where it lies: a value with a length is a part of it, so that nesting copies nothing. What
cannot be read is refused in the words of Go's generated code, in its order of checks.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import Any

VARINT, FIXED64, LENGTH, START_GROUP, END_GROUP, FIXED32 = range(6)
_FIXED_BYTES = {FIXED64: 8, FIXED32: 4}
_64_BITS = (1 << 64) - 1


class Malformed(ValueError):
    """Bytes are no message of their type; the text is what a real server says."""


Part = tuple[bytes, int, int]
"""A body, and where a value in it begins and ends."""

Known = Mapping[int, tuple[tuple[int, ...], str]]
"""The fields of a type by number: in which wire types they may come, and their names in Go."""


def read_varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    """
    Read a number; return it and where it ends.

    >>> read_varint(bytes([0xAC, 0x02]), 0, 2)
    (300, 2)

    Errors  Malformed.
    """
    if at < end and data[at] < 0x80:
        return data[at], at + 1
    value = shift = 0
    while True:
        if shift >= 64:
            raise Malformed("proto: integer overflow")
        if at >= end:
            raise Malformed("unexpected EOF")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & _64_BITS, at
        shift += 7


def read_fields(part: Part, owner: str, known: Known) -> Iterator[tuple[int, int, Any]]:
    """
    Yield number, wire type and value of the known fields: a Part for LENGTH, otherwise a number of 64 bits.

    Errors  Malformed; `owner` is the type's name, for its words.
    """
    data, at, end = part
    while at < end:
        start = at
        tag, at = read_varint(data, at, end)
        number, wire_type = tag >> 3, tag & 7
        if wire_type == END_GROUP:
            raise Malformed(f"proto: {owner}: wiretype end group for non-group")
        if not 0 < number < 1 << 31:
            number = signed(number, 32)
            if number <= 0:
                raise Malformed(f"proto: {owner}: illegal tag {number} (wire type {tag})")
        expected = known.get(number)
        if expected is not None:
            if wire_type not in expected[0]:
                raise Malformed(f"proto: wrong wireType = {wire_type} for field {expected[1]}")
            value, at = _read_value(data, at, end, wire_type)
            yield number, wire_type, value
        else:
            at = _skip(data, start, end)


def read_entry(part: Part, outer_end: int) -> tuple[Part, Part]:
    """
    Read an entry of a map, a message of two fields: where its key and its value lie.

    Go's code takes whatever stands there for texts or messages, up to the end of the message that has the map.

    Errors  Malformed.
    """
    data, at, end = part
    found: dict[int, Part] = {}
    while at < end:
        start = at
        tag, at = read_varint(data, at, outer_end)
        if tag >> 3 in _ENTRY:
            found[tag >> 3], at = _read_value(data, at, outer_end, LENGTH)
            continue
        at = _skip(data, start, outer_end)
        if at > end:
            raise Malformed("unexpected EOF")
    return found.get(1, _NOTHING), found.get(2, _NOTHING)


_ENTRY = (1, 2)
_NOTHING: Part = (b"", 0, 0)


def _read_value(data: bytes, at: int, end: int, wire_type: int) -> tuple[Any, int]:
    if wire_type == LENGTH:
        length, at = read_varint(data, at, end)
        if length >> 63:
            raise Malformed("proto: negative length found during unmarshaling")
        after = at + length
        value: Any = (data, at, after)
    elif wire_type == VARINT:
        return read_varint(data, at, end)
    elif wire_type in _FIXED_BYTES:
        after = at + _FIXED_BYTES[wire_type]
        value = int.from_bytes(data[at:after], "little")
    else:
        raise Malformed(f"proto: illegal wireType {wire_type}")
    if after > end:
        raise Malformed("unexpected EOF")
    return value, after


def _skip(data: bytes, at: int, end: int) -> int:
    """Return where a field ends that nobody knows, a group with all that is in it."""
    depth = 0
    while at < end:
        tag, at = read_varint(data, at, end)
        if tag & 7 == START_GROUP:
            depth += 1
        elif tag & 7 == END_GROUP:
            if depth == 0:
                raise Malformed("proto: unexpected end of group")
            depth -= 1
        else:
            _, at = _read_value(data, at, end, tag & 7)
        if depth == 0:
            return at
    raise Malformed("unexpected EOF")


def signed(value: int, bits: int) -> int:
    """
    Return the lowest bits of a number as two's complement, as Go converts it.

    >>> signed((1 << 64) - 1, 32)
    -1
    """
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def varint(value: int) -> bytes:
    """
    Encode a number; negative ones take ten bytes.

    >>> varint(300).hex()
    'ac02'
    """
    value &= _64_BITS
    if value < 0x80:
        return _SHORT[value]
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


_SHORT = [bytes([value]) for value in range(0x80)]


def tag(number: int, wire_type: int) -> bytes:
    """Encode what stands before the value of a field."""
    return varint(number << 3 | wire_type)


def sized(content: bytes) -> bytes:
    """Encode a value that has a length."""
    return varint(len(content)) + content


def double(value: float) -> bytes:
    """Encode a floating-point number."""
    return struct.pack("<d", value)


def read_double(bits: int) -> float:
    """Return the floating-point number that these 64 bits are."""
    number: float = struct.unpack("<d", bits.to_bytes(8, "little"))[0]
    return number
