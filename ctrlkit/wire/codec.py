"""
JSON the server sent -> records of one resource, with as few looks at the bytes as the Python type allows.

Type              A line or item is read       What the record keeps
Unstructured      once, for its metadata       its bytes; each look at `value` decodes a private copy
immutable Struct  once, if it has `metadata:   the value itself, shared by all who look
                  ObjectMeta`, else twice
any other         twice                        its bytes; each look at `value` decodes a private copy

Immutable is a frozen Struct whose fields are immutable too: scalars, tuples, such Structs. An object that does not fit
its type is an Unusable record: it is there, and each look at `value` raises its DecodeError.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, NoReturn, TypeVar, cast

import msgspec

from ctrlkit.errors import ApiError, DecodeError
from ctrlkit.model import (
    Applied,
    Bookmark,
    Deleted,
    ObjectMeta,
    Record,
    Resource,
    Snapshot,
    Unstructured,
    Unusable,
    WatchEvent,
    is_immutable,
)

T = TypeVar("T")
D = TypeVar("D")

INITIAL_EVENTS_END = "k8s.io/initial-events-end"
"""The annotation of the bookmark that ends the initial events of a streamed list."""


class _Object(msgspec.Struct, gc=False):
    metadata: ObjectMeta


class _Line(msgspec.Struct, Generic[D], gc=False):
    type: str
    object: D


class _LineBody(msgspec.Struct, Generic[D], gc=False):
    object: D


class _ListMeta(msgspec.Struct, rename="camel"):
    resource_version: str = ""
    continue_: str | None = msgspec.field(name="continue", default=None)


class _List(msgspec.Struct, Generic[D]):
    metadata: _ListMeta
    items: list[D] | None = None


_OBJECT = msgspec.json.Decoder(_Object)
_LINE = msgspec.json.Decoder(_Line[_Object])
_RAW_LIST = msgspec.json.Decoder(_List[msgspec.Raw])
_DICT = msgspec.json.Decoder(dict[str, Any])
_LINE_DICT = msgspec.json.Decoder(_LineBody[dict[str, Any]])


class Codec(Generic[T]):
    """
    Decodes what a server sends for one resource.

    >>> from ctrlkit.model.kinds import PODS
    >>> codec = Codec(PODS)
    >>> event = codec.decode_line(b'{"type":"ADDED","object":{"metadata":{"name":"a","resourceVersion":"7"}}}')
    >>> event.record, event.record.value
    (Record(a at 7), {'apiVersion': 'v1', 'kind': 'Pod', 'metadata': {'name': 'a', 'resourceVersion': '7'}})

    Errors  DecodeError where the bytes are no such document or an object has no name; an object that merely does not
            fit the resource's type raises it when its record's `value` is looked at. ApiError for an ERROR line.
    """

    def __init__(self, resource: Resource[T]) -> None:
        self.resource = resource
        self._of_object: Callable[[bytes], T]
        self._of_line: Callable[[bytes], T]
        self._typed_line: msgspec.json.Decoder[_Line[Any]] | None = None
        self._typed_list: msgspec.json.Decoder[_List[Any]] | None = None
        self._eager = self._dict_like = False
        python_type: Any = resource.type
        if isinstance(python_type, type) and issubclass(python_type, Unstructured):
            self._of_object = self._guarded(lambda data: self._whole(_DICT.decode(data)))
            self._of_line = self._guarded(lambda line: self._whole(_LINE_DICT.decode(line).object))
            self._dict_like = True
            return
        of_object = msgspec.json.Decoder(python_type)
        of_line = msgspec.json.Decoder(_LineBody[python_type])
        self._of_object = self._guarded(of_object.decode)
        self._of_line = self._guarded(lambda line: cast(T, of_line.decode(line).object))
        self._eager = is_immutable(python_type)
        if self._eager and _has_object_meta(python_type):
            self._typed_line = msgspec.json.Decoder(_Line[python_type])
            self._typed_list = msgspec.json.Decoder(_List[python_type])

    def decode_object(self, data: bytes) -> T:
        """One object as the resource's type; DecodeError where it does not fit."""
        return self._of_object(data)

    def decode_list(self, data: bytes) -> tuple[Snapshot[T], str]:
        """One page of a list, and the token that continues it: empty on the last page."""
        if self._typed_list is not None:
            try:
                typed = self._typed_list.decode(data)
            except msgspec.DecodeError:
                pass  # one item that does not fit must not cost the others: look at each by itself
            else:
                records = [self._shared(item.metadata, item) for item in typed.items or ()]
                return Snapshot(records, typed.metadata.resource_version), typed.metadata.continue_ or ""
        try:
            page = _RAW_LIST.decode(data)
        except msgspec.DecodeError as error:
            raise self._unreadable("list", error) from error
        # bytes() frees each record of the page it came in, which may be thousands of times its size.
        records = [self._record(bytes(item), self._meta_of_item(item), self._of_object) for item in page.items or ()]
        return Snapshot(records, page.metadata.resource_version), page.metadata.continue_ or ""

    def decode_line(self, line: bytes) -> WatchEvent[T]:
        """One line of a watch; raises the ApiError that an ERROR line carries."""
        if self._typed_line is not None:
            found = self._typed_event(self._typed_line, line)
            if found is not None:
                return found
        try:
            event = _LINE.decode(line)
        except msgspec.DecodeError as error:
            if self._type_of(line) == "ERROR":
                self._raise_status(line)
            raise self._unreadable("watch line", error) from error
        meta = event.object.metadata
        match event.type:
            case "ADDED" | "MODIFIED":
                return Applied(self._record(line, meta, self._of_line))
            case "DELETED":
                return Deleted(self._record(line, meta, self._of_line))
            case "BOOKMARK":
                return Bookmark(meta.resource_version, (meta.annotations or {}).get(INITIAL_EVENTS_END) == "true")
            case "ERROR":
                self._raise_status(line)
        raise DecodeError(f"watch {self.resource}: unknown event type {event.type[:32]!r}; is this an API server?")

    def _typed_event(self, decoder: msgspec.json.Decoder[_Line[Any]], line: bytes) -> WatchEvent[T] | None:
        try:
            event = decoder.decode(line)
        except msgspec.DecodeError:
            return None  # a bookmark, an error, or an object that does not fit
        match event.type:
            case "ADDED" | "MODIFIED":
                return Applied(self._shared(event.object.metadata, event.object))
            case "DELETED":
                return Deleted(self._shared(event.object.metadata, event.object))
        return None

    def _record(self, data: bytes, meta: ObjectMeta, decode: Callable[[bytes], T]) -> Record[T]:
        self._check_name(meta)
        if self._dict_like:
            return Record(meta, data, decode)
        try:
            value = decode(data)
        except DecodeError as error:
            return Unusable(meta, error)
        return Record(meta, value, _same) if self._eager else Record(meta, data, decode)

    def _shared(self, meta: ObjectMeta, value: T) -> Record[T]:
        self._check_name(meta)
        return Record(meta, value, _same)

    def _check_name(self, meta: ObjectMeta) -> None:
        if not meta.name:
            raise DecodeError(f"decode {self.resource}: an object without a name; is this an API server?")

    def _meta_of_item(self, item: msgspec.Raw) -> ObjectMeta:
        try:
            return _OBJECT.decode(item).metadata
        except msgspec.DecodeError as error:
            raise self._unreadable("list item", error) from error

    def _whole(self, value: dict[str, Any]) -> T:
        """Items of lists come without kind and apiVersion, so that they are put back here."""
        if "kind" not in value:
            value = {"apiVersion": self.resource.api_version, "kind": self.resource.kind, **value}
        return cast(T, cast(Any, self.resource.type)(value))

    def _guarded(self, decode: Callable[[bytes], T]) -> Callable[[bytes], T]:
        def decode_or_explain(data: bytes) -> T:
            try:
                return decode(data)
            except msgspec.DecodeError as error:
                raise self._unreadable(_name_in(data), error) from error

        return decode_or_explain

    def _unreadable(self, what: str, error: Exception) -> DecodeError:
        type_name = getattr(self.resource.type, "__name__", str(self.resource.type))
        return DecodeError(
            f"decode {self.resource} {what} as {type_name}: {error}; correct the object, or the type that is to hold it"
        )

    def _type_of(self, line: bytes) -> str:
        try:
            return str(_DICT.decode(line).get("type"))
        except msgspec.DecodeError:
            return ""

    def _raise_status(self, line: bytes) -> NoReturn:
        try:
            status = _LINE_DICT.decode(line).object
        except msgspec.DecodeError as error:
            raise self._unreadable("ERROR line", error) from error
        raise ApiError.of_status(status, evidence="ERROR event in the watch")


def _same(value: T) -> T:
    return value


def _has_object_meta(python_type: Any) -> bool:
    return any(
        field.encode_name == "metadata" and field.name == "metadata" and field.type is ObjectMeta
        for field in msgspec.structs.fields(python_type)
    )


def _name_in(data: bytes) -> str:
    """The key of the object in a document or a watch line, for an error's text; only failures pay for this."""
    for decoder in (_OBJECT, msgspec.json.Decoder(_LineBody[_Object])):
        try:
            found: Any = decoder.decode(data)
        except msgspec.DecodeError:
            continue
        return str(getattr(found, "object", found).metadata.key)
    return "object"
