"""
JSON patches as a server's library performs them.

It follows RFC 6902 but for this: a `replace` of a field that is not there adds it, indexes may be negative, a path
needs no slash before its first name, `copy` of what is not there copies null, and numbers are the same if they are
written the same.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
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


class DoesNotApply(Exception):
    """An operation is malformed, or does not fit the document; the message is the library's."""


class TestFailed(DoesNotApply):
    """A value is not what an operation says."""

    __test__ = False


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
    try:
        return performed(target, operations)
    except DoesNotApply:
        raise patch_rejected() from None


def performed(target: Mapping[str, Any], operations: Iterable[Mapping[str, Any] | None]) -> Any:
    """Perform operations in order, or none. Errors: DoesNotApply."""
    document = _Document(copy.deepcopy(target))
    for operation in operations:
        document.perform(operation or {})
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
            raise DoesNotApply(f"Unexpected kind: {name}")
        perform(self, operation)

    def add(self, operation: Mapping[str, Any]) -> None:
        """Set a field, or insert an item."""
        path = _text(operation, "path")
        holder, name = self._find(path, f'add operation does not apply: doc is missing path: "{path}"')
        with _during(f"error in add for path: '{path}'"):
            _add(holder, name, copy.deepcopy(operation.get("value")))

    def remove(self, operation: Mapping[str, Any]) -> None:
        """Remove a field or an item, which must be there."""
        path = _text(operation, "path")
        holder, name = self._find(path, f'remove operation does not apply: doc is missing path: "{path}"')
        with _during(f"error in remove for path: '{path}'"):
            _remove(holder, name)

    def replace(self, operation: Mapping[str, Any]) -> None:
        """Set a field, or an item that is there."""
        path, value = _text(operation, "path"), copy.deepcopy(operation.get("value"))
        if not path:
            if not isinstance(value, dict | list):
                raise DoesNotApply("replace operation value must be object or array: %!w(<nil>)")
            self.root = value
            return
        holder, name = self._find(path, f"replace operation does not apply: doc is missing path: {path}")
        if not isinstance(holder, list):
            holder[name] = value
            return
        try:
            place = _index(name, len(holder))
        except DoesNotApply:
            raise DoesNotApply(f"replace operation does not apply: doc is missing key: {path}{_MISSING}") from None
        holder[place] = value

    def move(self, operation: Mapping[str, Any]) -> None:
        """Take a value from one place to another."""
        start, path = _text(operation, "from"), _text(operation, "path")
        holder, name = self._find(start, f"move operation does not apply: doc is missing from path: {start}")
        with _during(f"error in move for path: '{name}'"):
            value = _get(holder, name)
            _remove(holder, name)
        holder, name = self._find(path, f"move operation does not apply: doc is missing destination path: {path}")
        with _during(f"error in move for path: '{path}'"):
            _add(holder, name, value)

    def copy(self, operation: Mapping[str, Any]) -> None:
        """Copy a value to another place."""
        start, path = _text(operation, "from"), _text(operation, "path")
        holder, name = self._find(start, f"copy operation does not apply: doc is missing from path: {start}")
        with _during(f"error in copy for from: '{start}'"):
            value = copy.deepcopy(_get(holder, name))
        holder, name = self._find(path, f"copy operation does not apply: doc is missing destination path: {path}")
        self._copied_bytes += 0 if value is None else len(encode(value))
        if self._copied_bytes > COPIED_BYTES_MAX:
            raise DoesNotApply("Unable to complete the copy, the accumulated size increase of copy is too large")
        with _during("error while adding value during copy"):
            _add(holder, name, value)

    def test(self, operation: Mapping[str, Any]) -> None:
        """Compare a value."""
        path, found = _text(operation, "path"), self.root
        if path:
            holder, name = self._find(path, f"test operation does not apply: is missing path: {path}")
            with _during(f"error in test for path: '{path}'"):
                found = _get(holder, name)
        if not _same(found, operation.get("value")):
            raise TestFailed(f"testing value {path} failed: test failed")

    def _find(self, path: str, complaint: str) -> tuple[Any, str]:
        """Find what holds the value at a path, and the value's name in it; complain if there is nothing."""
        _, slash, rest = path.partition("/")
        *above, name = (part.replace("~1", "/").replace("~0", "~") for part in rest.split("/"))
        holder = self.root if slash else None
        for part in above:
            try:
                holder = _get(holder, part) if isinstance(holder, dict | list) else None
            except DoesNotApply:
                holder = None
        if not isinstance(holder, dict | list):
            raise DoesNotApply(complaint + _MISSING)
        return holder, name


_MISSING = ": missing value"


@contextmanager
def _during(what: str) -> Iterator[None]:
    """Say what was tried when something does not apply."""
    try:
        yield
    except DoesNotApply as error:
        raise DoesNotApply(f"{what}: {error}") from None


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
        raise DoesNotApply(f"{operation.get('op')} operation failed to decode {name}{_MISSING}")
    return text


def _index(name: str, count: int) -> int:
    """The index that a name stands for in a list of so many places; a negative one counts from the end."""
    if not re.fullmatch(r"[+-]?[0-9]{1,18}", name):
        raise DoesNotApply(f'strconv.Atoi: parsing "{name}": invalid syntax')
    index = int(name)
    if not -count <= index < count:
        raise DoesNotApply(f"Unable to access invalid index: {index}: invalid index referenced")
    return index + count if index < 0 else index


def _get(holder: Any, name: str) -> Any:
    return holder[_index(name, len(holder))] if isinstance(holder, list) else holder.get(name)


def _add(holder: Any, name: str, value: Any) -> None:
    if isinstance(holder, list):
        is_number = re.fullmatch(r"[+-]?[0-9]{1,18}|-", name)
        with nullcontext() if is_number else _during(f"value was not a proper array index: '{name}'"):
            holder.insert(len(holder) if name == "-" else _index(name, len(holder) + 1), value)
    else:
        holder[name] = value


def _remove(holder: Any, name: str) -> None:
    if isinstance(holder, list):
        del holder[_index(name, len(holder))]
    elif name in holder:
        del holder[name]
    else:
        raise DoesNotApply(f"Unable to remove nonexistent key: {name}{_MISSING}")


def _same(one: Any, other: Any) -> bool:
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same(value, other[name]) for name, value in one.items())
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)
