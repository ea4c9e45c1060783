"""
Messages to and from the JSON-able data that a server shows of them.

What is read has the fields that Go's types have in JSON: a missing field that JSON always shows is there with its zero
value. What is written has every field that Go's generated code writes: all but pointers, lists and maps that are not
there. So both sides of a real client see what a real server would have sent. How a few types travel, which are no
objects in JSON, is in special.py.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ctrlkit.fakes.apiserver.protobuf import wire
from ctrlkit.fakes.apiserver.protobuf.messages import Field, Message, Messages
from ctrlkit.fakes.apiserver.protobuf.special import SPECIAL, Special
from ctrlkit.fakes.apiserver.protobuf.wire import FIXED64, LENGTH, VARINT, Malformed, Part

_WIRE_TYPES = {"int32": VARINT, "int64": VARINT, "bool": VARINT, "double": FIXED64}
_ZEROS: Mapping[str, Any] = {"string": "", "int32": 0, "int64": 0, "bool": False, "double": 0, "bytes": None}
_LISTS = frozenset(name for name, special in SPECIAL.items() if special.is_list)


@dataclass(frozen=True, slots=True)
class _Slot:
    """A field, prepared: its tag, whether JSON leaves out its zero value, and how its values are read and written."""

    field: Field
    tag: bytes
    wire_type: int
    omits_zero: bool
    may_be_absent: bool
    read: Callable[[Any], Any]
    write: Callable[[Any], bytes]


@dataclass(frozen=True, slots=True)
class _Plan:
    """A message, prepared: its slots by number, and those that JSON shows if they are missing."""

    name: str
    known: wire.Known
    slots: dict[int, _Slot]
    shown_if_missing: tuple[_Slot, ...]
    special: Special | None


@dataclass(frozen=True, slots=True)
class Codec:
    """Reads and writes the messages of a release; a message is prepared when it is first met."""

    messages: Messages
    _plans: dict[str, _Plan] = field(default_factory=dict)
    _zeros: dict[str, bytes] = field(default_factory=dict)

    def _plan(self, message: Message) -> _Plan:
        plan = self._plans.get(message.full_name)
        if plan is None:
            special = SPECIAL.get(message.full_name)
            slots = {number: self._slot(one, special) for number, one in message.fields.items()}
            known = {number: (_wire_types(one), one.go_name) for number, one in message.fields.items()}
            missing = tuple(slot for slot in slots.values() if slot.field.is_inline or not slot.omits_zero)
            name = (special.go_name if special else "") or message.name
            plan = self._plans[message.full_name] = _Plan(name, known, slots, missing, special)
        return plan

    def _slot(self, one: Field, special: Special | None) -> _Slot:
        return _Slot(
            field=one,
            tag=wire.tag(one.number, _wire_types(one)[0]),
            wire_type=_wire_types(one)[0],
            omits_zero=special is None and _omits_zero(one),
            may_be_absent=one.mark != "" or one.type == "bytes" or one.type in _LISTS,
            read=self._reader(one),
            write=self._writer(one),
        )

    # -----------------------------------------------------------------------------------------------------------------
    # Bytes to data
    # -----------------------------------------------------------------------------------------------------------------

    def read(self, message: Message, part: Part) -> Any:
        """Return the data of a message. Errors: Malformed."""
        plan = self._plan(message)
        shown: dict[str, Any] = {}
        parts: dict[int, list[Part]] = {}
        for number, wire_type, value in wire.read_fields(part, plan.name, plan.known):
            slot = plan.slots[number]
            one = slot.field
            if one.mark == "[]":
                items = shown.setdefault(one.json_name, [])
                items += (slot.read(value),) if wire_type == slot.wire_type else _unpacked(slot, value)
            elif one.mark == "{}":
                name, item = wire.read_entry(value, part[2])
                shown.setdefault(one.json_name, {})[_read_text(name)] = slot.read(item)
            else:
                _show(shown, slot, slot.read(value))
                if one.is_message:
                    parts.setdefault(number, []).append(value)
        for number, found in parts.items():
            if len(found) > 1:
                _show(shown, plan.slots[number], plan.slots[number].read(joined(found)))
        for slot in plan.shown_if_missing:
            if slot.field.json_name not in shown and (not slot.field.is_inline or slot.field.number not in parts):
                _show(shown, slot, self._missing(slot))
        return shown if plan.special is None else plan.special.read(shown, part[2] > part[1])

    def _missing(self, slot: _Slot) -> Any:
        """Return what a field holds that is not there."""
        if slot.may_be_absent:
            return None
        return slot.read((b"", 0, 0)) if slot.field.is_message else _ZEROS[slot.field.type]

    def _reader(self, one: Field) -> Callable[[Any], Any]:
        if not one.is_message:
            return _READERS[one.type]

        def read(part: Part) -> Any:
            return self.read(self.messages.of_type(one.type), part)

        return read

    # -----------------------------------------------------------------------------------------------------------------
    # Data to bytes
    # -----------------------------------------------------------------------------------------------------------------

    def write(self, message: Message, value: Any) -> bytes:
        """Return the bytes of a message. Data that does not fit the type is written as if it was missing."""
        plan = self._plan(message)
        if plan.special is not None:
            fields = plan.special.write(value)
            return b"" if fields is None else _written(plan, fields)
        if value and isinstance(value, dict):
            return _written(plan, value)
        zero = self._zeros.get(message.full_name)
        if zero is None:
            zero = self._zeros[message.full_name] = _written(plan, {})
        return zero

    def _writer(self, one: Field) -> Callable[[Any], bytes]:
        if not one.is_message:
            return _WRITERS[one.type]

        def write(value: Any) -> bytes:
            return wire.sized(self.write(self.messages.of_type(one.type), value))

        return write


def _wire_types(one: Field) -> tuple[int, ...]:
    """Return the wire types in which a field may come, the one in which it is written first."""
    scalar = _WIRE_TYPES.get(one.type, LENGTH)
    return (scalar, LENGTH) if one.mark == "[]" else (LENGTH,) if one.mark == "{}" else (scalar,)


def _omits_zero(one: Field) -> bool:
    """Whether JSON leaves a field out that is zero; a struct is never left out for `omitempty`."""
    is_struct = one.mark == "" and one.is_message and one.type not in _LISTS
    return "omitzero" in one.options or ("omitempty" in one.options and not is_struct)


def _show(shown: dict[str, Any], slot: _Slot, value: Any) -> None:
    one = slot.field
    if one.is_inline:
        shown.update(value)
    elif slot.omits_zero and (value is None if one.mark == "*" else not value):
        shown.pop(one.json_name, None)
    else:
        shown[one.json_name] = value


def _unpacked(slot: _Slot, part: Part) -> Iterable[Any]:
    """Yield the items of a list of numbers that were put into one value."""
    data, at, end = part
    while at < end:
        value, at = wire.read_varint(data, at, end)
        yield slot.read(value)


def joined(parts: list[Part]) -> Part:
    """Return what several values of a field are together: messages are merged when their bytes are joined."""
    whole = b"".join(data[at:end] for data, at, end in parts)
    return whole, 0, len(whole)


def _read_text(part: Part) -> str:
    data, at, end = part
    return data[at:end].decode(errors="replace")


def _read_bytes(part: Part) -> str:
    data, at, end = part
    return base64.b64encode(data[at:end]).decode()


def _read_double(bits: int) -> float:
    value = wire.read_double(bits)
    if not math.isfinite(value):
        raise Malformed(f"json: unsupported value: {value}")
    return int(value) if value.is_integer() else value


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "string": _read_text,
    "bytes": _read_bytes,
    "bool": bool,
    "double": _read_double,
    "int32": lambda value: wire.signed(value, 32),
    "int64": lambda value: wire.signed(value, 64),
}


def _written(plan: _Plan, shown: Mapping[str, Any]) -> bytes:
    out = bytearray()
    for slot in plan.slots.values():
        one = slot.field
        value = shown if one.is_inline else shown.get(one.json_name)
        if value is None and slot.may_be_absent:
            continue
        if one.mark == "[]":
            for item in value if isinstance(value, list) else ():
                out += slot.tag
                out += slot.write(item)
        elif one.mark == "{}":
            for name, item in sorted(value.items()) if isinstance(value, dict) else ():
                out += slot.tag
                out += wire.sized(_KEY + _write_text(name) + _VALUE + slot.write(item))
        else:
            out += slot.tag
            out += slot.write(value)
    return bytes(out)


_KEY, _VALUE = wire.tag(1, LENGTH), wire.tag(2, LENGTH)


def _write_text(value: Any) -> bytes:
    return wire.sized(value.encode(errors="replace")) if isinstance(value, str) else b"\0"


def _write_bytes(value: Any) -> bytes:
    try:
        return wire.sized(base64.b64decode(value))
    except (binascii.Error, TypeError, ValueError):
        return b"\0"


def _write_number(value: Any) -> bytes:
    return wire.varint(int(value)) if isinstance(value, int | float) else b"\0"


_WRITERS: Mapping[str, Callable[[Any], bytes]] = {
    "string": _write_text,
    "bytes": _write_bytes,
    "bool": _write_number,
    "int32": _write_number,
    "int64": _write_number,
    "double": lambda value: wire.double(value if isinstance(value, int | float) else 0.0),
}
