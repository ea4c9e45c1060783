"""
JSON patches as a server's library performs them.

It follows RFC 6902 but for this: a `replace` of a field that is not there adds it, indexes may be negative, a path
needs no slash before its first name, `copy` of what is not there copies null, and numbers are the same if they are
written the same.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping
from typing import Any

from ctrlkit.errors import RequestEntityTooLarge
from ctrlkit.fakes.tracker.refusals import bad_request, patch_rejected
from ctrlkit.fakes.tracker.schema.depth import encode
from ctrlkit.fakes.tracker.schema.typed import json_type

OPERATIONS_MAX = 10_000
COPIED_BYTES_MAX = 3 * 1024 * 1024
"""How much all operations of one JSON patch may copy."""

_TEXTS = ("op", "path", "from")
_KNOWN = frozenset({*_TEXTS, "value"})
_NOT_DECODED = "error decoding patch: json: cannot unmarshal"


class _DoesNotApply(Exception):
    """An operation is malformed, or does not fit the document."""


def json_patch(target: Mapping[str, Any], operations: Any, *, is_checked: bool = True) -> Any:
    """
    Perform all operations of an RFC 6902 patch in order, or none.

    >>> json_patch({"data": {"a": "1"}}, [{"op": "replace", "path": "/data/b", "value": "2"}])
    {'data': {'a': '1', 'b': '2'}}

    Shape   Without `is_checked`, as for a client that wants no validation of fields, the server looks at operations
            only when it performs them.
    Errors  BadRequest where the patch is no list of operations, RequestEntityTooLarge where there are too many, Invalid
            where it cannot be carried out, or copies more than a request may hold.
    """
    if is_checked:
        check_operations(operations)
    else:
        _check_decoded(operations)
    operations = operations or ()
    if len(operations) > OPERATIONS_MAX:
        raise RequestEntityTooLarge(
            f"Request entity too large: The allowed maximum operations in a JSON patch is {OPERATIONS_MAX}, got "
            f"{len(operations)}"
        )
    document = _Document(copy.deepcopy(target))
    try:
        for operation in operations:
            document.perform(operation or {})
    except _DoesNotApply:
        raise patch_rejected() from None
    return document.root


def check_operations(operations: Any) -> None:
    """Refuse what is no list of operations. Errors: BadRequest."""
    if not isinstance(operations, list | None):
        raise bad_request(f"{_NOT_DECODED} {json_type(operations)} into Go value of type []handlers.jsonPatchOp")
    for operation in operations or ():
        if operation is None:
            continue
        if not isinstance(operation, Mapping):
            raise bad_request(f"{_NOT_DECODED} {json_type(operation)} into Go value of type handlers.jsonPatchOp")
        for name in _TEXTS:
            if not isinstance(operation.get(name, ""), str | None):
                found = json_type(operation[name])
                raise bad_request(f"{_NOT_DECODED} {found} into Go struct field jsonPatchOp.{name} of type string")


def _check_decoded(operations: Any) -> None:
    """Refuse what is no list of objects, in the words of the library. Errors: BadRequest."""
    start = "json: cannot unmarshal"
    if not isinstance(operations, list | None):
        raise bad_request(f"{start} {json_type(operations)} into Go value of type jsonpatch.Patch")
    for operation in operations or ():
        if not isinstance(operation, Mapping | None):
            raise bad_request(f"{start} {json_type(operation)} into Go value of type jsonpatch.Operation")


def unknown_fields(operations: Any) -> list[str]:
    """
    Return the paths of fields that operations do not have.

    >>> unknown_fields([{"op": "test", "Path": "/a"}])
    ['[0].Path']
    """
    named = enumerate(operations if isinstance(operations, list) else ())
    return [f"[{index}].{name}" for index, one in named if isinstance(one, Mapping) for name in one.keys() - _KNOWN]


class _Document:
    def __init__(self, root: Any) -> None:
        self.root = root
        self._copied_bytes = 0

    def perform(self, operation: Mapping[str, Any]) -> None:
        """Perform one operation."""
        name = operation.get("op")
        perform = _OPERATIONS.get(name) if isinstance(name, str) else None
        if perform is None:
            raise _DoesNotApply
        perform(self, operation)

    def add(self, operation: Mapping[str, Any]) -> None:
        """Set a field, or insert an item."""
        holder, name = self._find(_text(operation, "path"))
        _add(holder, name, copy.deepcopy(operation.get("value")))

    def remove(self, operation: Mapping[str, Any]) -> None:
        """Remove a field or an item, which must be there."""
        _remove(*self._find(_text(operation, "path")))

    def replace(self, operation: Mapping[str, Any]) -> None:
        """Set a field, or an item that is there."""
        path, value = _text(operation, "path"), copy.deepcopy(operation.get("value"))
        if not path:
            if not isinstance(value, dict | list):
                raise _DoesNotApply
            self.root = value
            return
        holder, name = self._find(path)
        if isinstance(holder, list):
            holder[_index(name, len(holder))] = value
        else:
            holder[name] = value

    def move(self, operation: Mapping[str, Any]) -> None:
        """Take a value from one place to another."""
        holder, name = self._find(_text(operation, "from"))
        value = _get(holder, name)
        _remove(holder, name)
        _add(*self._find(_text(operation, "path")), value)

    def copy(self, operation: Mapping[str, Any]) -> None:
        """Copy a value to another place."""
        value = copy.deepcopy(_get(*self._find(_text(operation, "from"))))
        holder, name = self._find(_text(operation, "path"))
        self._copied_bytes += 0 if value is None else len(encode(value))
        if self._copied_bytes > COPIED_BYTES_MAX:
            raise _DoesNotApply
        _add(holder, name, value)

    def test(self, operation: Mapping[str, Any]) -> None:
        """Compare a value."""
        path = _text(operation, "path")
        found = _get(*self._find(path)) if path else self.root
        if not _same(found, operation.get("value")):
            raise _DoesNotApply

    def _find(self, path: str) -> tuple[Any, str]:
        """Find what holds the value at a path, and the value's name in it."""
        _, slash, rest = path.partition("/")
        if not slash:
            raise _DoesNotApply
        *above, name = (part.replace("~1", "/").replace("~0", "~") for part in rest.split("/"))
        holder = self.root
        for part in above:
            holder = _get(holder, part)
            if not isinstance(holder, dict | list):
                raise _DoesNotApply
        return holder, name


_OPERATIONS: Mapping[str, Callable[[_Document, Mapping[str, Any]], None]] = {
    "add": _Document.add,
    "remove": _Document.remove,
    "replace": _Document.replace,
    "move": _Document.move,
    "copy": _Document.copy,
    "test": _Document.test,
}


def _text(operation: Mapping[str, Any], name: str) -> str:
    text = operation.get(name)
    if not isinstance(text, str):
        raise _DoesNotApply
    return text


def _index(name: str, count: int) -> int:
    """The index that a name stands for in a list of so many places; a negative one counts from the end."""
    index = int(name) if re.fullmatch(r"[+-]?[0-9]{1,18}", name) else count
    index = index + count if index < 0 else index
    if not 0 <= index < count:
        raise _DoesNotApply
    return index


def _get(holder: Any, name: str) -> Any:
    return holder[_index(name, len(holder))] if isinstance(holder, list) else holder.get(name)


def _add(holder: Any, name: str, value: Any) -> None:
    if isinstance(holder, list):
        holder.insert(len(holder) if name == "-" else _index(name, len(holder) + 1), value)
    else:
        holder[name] = value


def _remove(holder: Any, name: str) -> None:
    if isinstance(holder, list):
        del holder[_index(name, len(holder))]
    elif name in holder:
        del holder[name]
    else:
        raise _DoesNotApply


def _same(one: Any, other: Any) -> bool:
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same(value, other[name]) for name, value in one.items())
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)
