"""What is wrong with the literals of an expression whose types fit: times, patterns, mixed lists, formats."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ctrlkit.fakes.tracker.cel.checker import Checked
from ctrlkit.fakes.tracker.cel.library import clause
from ctrlkit.fakes.tracker.cel.tree import Call, ListOf, Literal, MapOf, Node, Problem, children
from ctrlkit.fakes.tracker.cel.types import Type, optional_value
from ctrlkit.fakes.tracker.cel.values import EvaluationError, duration, timestamp
from ctrlkit.fakes.tracker.schema.patterns import compiled

_EXEMPT = ("string_format", "format")
_READERS: dict[str, Callable[[str], Any]] = {"duration": duration, "timestamp": timestamp, "matches": compiled}
_SHOWABLE = "list map int uint double bool string bytes timestamp duration type null"
_KINDS = {
    "s": (
        frozenset(_SHOWABLE.split()),
        "string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, types, durations, and"
        " timestamps",
    ),
    "d": (frozenset({"int", "uint"}), "decimal clause can only be used on integers"),
    "f": (frozenset({"double"}), "fixed-point clause can only be used on doubles"),
    "e": (frozenset({"double"}), "scientific clause can only be used on doubles"),
    "b": (frozenset({"int", "uint", "bool"}), "only integers and bools can be formatted as binary"),
    "x": (
        frozenset({"int", "uint", "string", "bytes"}),
        "only integers, byte buffers, and strings can be formatted as hex",
    ),
    "o": (frozenset({"int", "uint"}), "octal clause can only be used on integers"),
}
_KINDS["X"] = _KINDS["x"]


def problems(checked: Checked) -> list[Problem]:
    """Return what is wrong with the literals of an expression."""
    return list(_problems(checked, checked.root, exempt=False))


def _problems(checked: Checked, node: Node, *, exempt: bool) -> Iterator[Problem]:
    if isinstance(node, Call):
        yield from _of_call(checked, node)
        exempt = exempt or node.function in _EXEMPT
    elif isinstance(node, ListOf) and not exempt:
        yield from _of_list(checked, node)
    elif isinstance(node, MapOf) and not exempt:
        yield from _of_map(checked, node)
    for child in children(node):
        yield from _problems(checked, child, exempt=exempt)


def _of_call(checked: Checked, node: Call) -> Iterator[Problem]:
    read = _READERS.get(node.function)
    argument = node.args[0] if node.args else None
    if read and isinstance(argument, Literal) and isinstance(argument.value, str):
        try:
            read(argument.value)
        except (EvaluationError, ValueError):
            yield Problem(argument.offset, f"invalid {node.function} argument")
    template = node.target
    if node.function == "format" and isinstance(template, Literal) and isinstance(argument, ListOf):
        yield from _of_format(checked, node, template.value, argument)


def _of_list(checked: Checked, node: ListOf) -> Iterator[Problem]:
    kinds = [_item(checked.types[item], optional=index in node.optional) for index, item in enumerate(node.items)]
    for item, kind in zip(node.items, kinds, strict=True):
        if kind != kinds[0]:
            yield _mismatch(item, kinds[0], kind)
            return


def _of_map(checked: Checked, node: MapOf) -> Iterator[Problem]:
    pairs = [(entry, checked.types[entry.key], _item(checked.types[entry.value], optional=entry.optional))
             for entry in node.entries]  # fmt: skip
    for entry, key, value in pairs:
        if key != pairs[0][1]:
            yield _mismatch(entry.key, pairs[0][1], key)
        if value != pairs[0][2]:
            yield _mismatch(entry.value, pairs[0][2], value)


def _item(kind: Type, *, optional: bool) -> Type:
    return optional_value(kind)[0] if optional else kind


def _mismatch(node: Node, expected: Type, found: Type) -> Problem:
    return Problem(node.offset, f"expected type '{expected}' but found '{found}'")


def _of_format(checked: Checked, node: Call, template: str, args: ListOf) -> Iterator[Problem]:
    used, at = 0, 0
    try:
        while (at := template.find("%", at)) >= 0:
            if template[at : at + 2] == "%%":
                at += 2
                continue
            if used >= len(args.items):
                raise EvaluationError(f"index {used} out of range")
            at, _, letter = clause(template, at + 1)
            argument = args.items[used]
            used += 1
            allowed, complaint = _KINDS[letter]
            kind = checked.types[argument]
            if kind.kind not in allowed and kind.kind not in ("dyn", "error"):
                yield Problem(argument.offset, f"error during formatting: {complaint}, was given {kind.name}")
                return
    except EvaluationError as error:
        yield Problem(node.offset, str(error))
        return
    if len(args.items) > used:
        text = f"too many arguments supplied to string.format (expected {used}, got {len(args.items)})"
        yield Problem(node.offset, text)
