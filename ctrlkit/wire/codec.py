"""
Decode the JSON of a server to records of one resource, in as few passes as the Python type allows.

Type              A line or item is decoded    What the record keeps
Unstructured      once, for its metadata       its bytes; each look at `value` decodes a private copy
immutable Struct  once, if it has `metadata:   the value itself, shared by all who look
                  ObjectMeta`, else twice
any other         twice                        its bytes; each look at `value` decodes a private copy

Immutable is a frozen Struct whose fields are immutable too: scalars, tuples, such Structs. An object that does not fit
its type, or is nested too deeply to be read, is an Unusable record: it is there, and each look at `value` raises its
DecodeError. Metadata that does not fit is read field by field, and the record has what fits; only an object without a
name, or of another kind, is no record (row B14). What a document says it is decides what it means (answers.py); what
begins as servers write it needs no second look for that.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Generator
from typing import Any, Generic, Literal, TypeVar, cast

import msgspec

from ctrlkit.errors import ConfigError, DecodeError
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
from ctrlkit.model.pydantic_models import is_model, model_decoder
from ctrlkit.model.schema import unknown_name
from ctrlkit.wire.answers import ListAnswers, WatchAnswers
from ctrlkit.wire.documents import UNREADABLE, explain, read_loosely, salvage_metadata
from ctrlkit.wire.list_parts import ListPage, parts_of

T = TypeVar("T")
D = TypeVar("D")

INITIAL_EVENTS_END = "k8s.io/initial-events-end"
"""The annotation of the bookmark that ends the initial events of a streamed list."""


class _Object(msgspec.Struct, gc=False):
    metadata: ObjectMeta


class _Line(msgspec.Struct, Generic[D], gc=False):
    type: Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"]
    object: D


class _LineBody(msgspec.Struct, Generic[D], gc=False):
    object: D


_OBJECT = msgspec.json.Decoder(_Object)
_LINE = msgspec.json.Decoder(_Line[_Object])
_DICT = msgspec.json.Decoder(dict[str, Any])
_LINE_RAW = msgspec.json.Decoder(_LineBody[msgspec.Raw])
_LINE_DICT = msgspec.json.Decoder(_LineBody[dict[str, Any]])


class Codec(Generic[T]):
    """
    Decodes objects, lists and watch lines of one resource.

    >>> from ctrlkit.model.kinds import PODS
    >>> codec = Codec(PODS)
    >>> pod = b'{"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "a", "resourceVersion": "7"}}'
    >>> event = codec.decode_line(b'{"type": "ADDED", "object": %b}' % pod)
    >>> event.record.key, event.record.meta.resource_version
    (ObjectKey(namespace='', name='a'), '7')

    Errors  DecodeError where the bytes are no such document, or where the object of a line has no name or is of another
            kind (a list counts those as `unreadable`); an object that merely does not fit the resource's type raises it
            when its record's `value` is looked at. ApiError for a Status, in the place of a list or in an ERROR line.
            ConfigError for a type with an annotation that names what is not there.
    """

    def __init__(self, resource: Resource[T]) -> None:
        self.resource = resource
        self._of_object: Callable[[bytes], T]
        self._of_line: Callable[[bytes], T]
        self._typed_line: msgspec.json.Decoder[_Line[Any]] | None = None
        self._typed_item: msgspec.json.Decoder[Any] | None = None
        self._eager = self._dict_like = False
        self._lists, self._watches = ListAnswers(resource), WatchAnswers(resource)
        python_type: Any = resource.type
        if isinstance(python_type, type) and issubclass(python_type, Unstructured):
            self._of_object = self._whole(_DICT.decode)
            self._of_line = self._whole(lambda line: _LINE_DICT.decode(line).object)
            self._dict_like = True
            return
        if is_model(python_type):
            of_model = model_decoder(python_type)
            self._of_object = self._guarded(of_model)
            self._of_line = self._guarded(lambda line: of_model(bytes(_LINE_RAW.decode(line).object)))
            return
        try:
            of_object = msgspec.json.Decoder(python_type)
        except NameError as error:
            raise ConfigError(unknown_name(python_type, error)) from error
        of_line = msgspec.json.Decoder(_LineBody[python_type])
        self._of_object = self._guarded(of_object.decode)
        self._of_line = self._guarded(lambda line: cast(T, of_line.decode(line).object), fact_of=_fact_in_line)
        self._eager = is_immutable(python_type)
        if self._eager and _has_object_meta(python_type):
            self._typed_line = msgspec.json.Decoder(_Line[python_type])
            self._typed_item = of_object

    def decode_object(self, data: bytes) -> T:
        """Decode one object to the resource's type; DecodeError where it does not fit."""
        return self._of_object(data)

    def decode_list_in_steps(
        self, data: bytes, known: Callable[[Record[T]], Record[T]] | None = None
    ) -> Generator[None, None, tuple[Snapshot[T], str]]:
        """
        Decode one page of a list, as a generator with pauses in a long page, in which other tasks can run.

        It returns the page, and the token that continues the list, empty on the last page. `known` may return another
        record for each, such as the one that a cache has already.
        """
        records: list[Record[T]] = []
        unreadable: list[DecodeError] = []
        page = ListPage()
        try:
            for number, page in enumerate(parts_of(data)):
                if number:
                    yield
                for item in page.items or ():
                    found = self._item(item)
                    if isinstance(found, DecodeError):
                        unreadable.append(found)
                    else:
                        records.append(found if known is None else known(found))
        except UNREADABLE as error:
            raise self._lists.unreadable(data, error) from error
        self._lists.accept(page, data)
        return Snapshot(records, page.version, unreadable), page.continue_token

    def decode_line(self, line: bytes) -> WatchEvent[T]:
        """
        Decode one line of a watch; raises the ApiError of an ERROR line.

        A change without a version is a DecodeError too, as it has no place in the order of changes.
        """
        event = self._decode_line(line)
        if not isinstance(event, Bookmark) and not event.record.version:
            raise DecodeError(
                f"watch {self.resource}: a change of {event.record.key} without a resourceVersion; "
                "is this an API server?"
            )
        return event

    def _decode_line(self, line: bytes) -> WatchEvent[T]:
        self._watches.accept(line)
        if self._typed_line is not None:
            found = self._typed_event(self._typed_line, line)
            if found is not None:
                return found
        try:
            event = _LINE.decode(line)
        except UNREADABLE as error:
            return self._salvaged_event(line, error)
        meta = event.object.metadata
        match event.type:
            case "ADDED" | "MODIFIED":
                return Applied(self._record(line, meta, self._of_line))
            case "DELETED":
                return Deleted(self._record(line, meta, self._of_line))
        return self._other_event(event.type, meta)

    def _typed_event(self, decoder: msgspec.json.Decoder[_Line[Any]], line: bytes) -> WatchEvent[T] | None:
        try:
            event = decoder.decode(line)
        except UNREADABLE:
            return None  # a bookmark, an error, or an object that does not fit
        match event.type:
            case "ADDED" | "MODIFIED":
                return Applied(self._shared(event.object.metadata, event.object))
            case "DELETED":
                return Deleted(self._shared(event.object.metadata, event.object))
        return None

    def _other_event(self, kind: str, meta: ObjectMeta) -> Bookmark:
        if kind == "BOOKMARK":
            ends = (meta.annotations or {}).get(INITIAL_EVENTS_END) == "true"
            if ends and not meta.resource_version:
                raise DecodeError(
                    f"watch {self.resource}: the end of a streamed list without a resourceVersion, so that no changes "
                    "can follow it; is this an API server?"
                )
            return Bookmark(meta.resource_version, ends)
        raise DecodeError(
            f"watch {self.resource}: unknown event type {kind[:32]!r}; is this an API server?",
            version=meta.resource_version,
        )

    def _salvaged_event(self, line: bytes, error: Exception) -> WatchEvent[T]:
        """The event of a line whose metadata does not fit: what does fit, and a record that says what does not."""
        loose = read_loosely(line)
        if loose is None:
            raise self._unreadable("watch line", error)
        kind, meta = str(loose.get("type")), salvage_metadata(loose.get("object"))
        fault = self._unreadable(str(meta.key), _fact_in_line(error))
        match kind:
            case "ADDED" | "MODIFIED":
                return Applied(self._faulty(meta, fault))
            case "DELETED":
                return Deleted(self._faulty(meta, fault))
        return self._other_event(kind, meta)

    def _item(self, raw: msgspec.Raw) -> Record[T] | DecodeError:
        """One item of a list; a DecodeError where it has no name, or is of another kind."""
        try:
            self._lists.accept_item(raw)
            return self._typed_record(raw) or self._read_record(bytes(raw))  # a copy, to be free of the page it came in
        except DecodeError as nameless:
            return nameless.with_traceback(None)

    def _typed_record(self, raw: msgspec.Raw) -> Record[T] | None:
        if self._typed_item is None:
            return None
        try:
            value = self._typed_item.decode(raw)
        except UNREADABLE:
            return None  # it does not fit; see what of it does
        return self._shared(value.metadata, value)

    def _read_record(self, item: bytes) -> Record[T]:
        try:
            meta = _OBJECT.decode(item).metadata
        except UNREADABLE as error:
            meta = salvage_metadata(read_loosely(item))
            return self._faulty(meta, self._unreadable(str(meta.key), error))
        return self._record(item, meta, self._of_object)

    def _record(self, data: bytes, meta: ObjectMeta, decode: Callable[[bytes], T]) -> Record[T]:
        if not meta.name:
            raise self._nameless(meta)
        if self._dict_like:
            return Record(meta, data, decode) if data.isascii() or _is_utf8(data) else self._misspelt(meta)
        try:
            value = decode(data)
        except DecodeError as error:
            return self._faulty(meta, error)
        return Record(meta, value, _same) if self._eager else Record(meta, data, decode)

    def _shared(self, meta: ObjectMeta, value: T) -> Record[T]:
        if not meta.name:
            raise self._nameless(meta)
        return Record(meta, value, _same)

    def _faulty(self, meta: ObjectMeta, fault: DecodeError) -> Record[T]:
        """A record whose value raises. It may be kept for long, so that nothing else may hang on its error."""
        if not meta.name:
            raise self._nameless(meta)
        fault.__cause__ = fault.__context__ = None
        return Unusable(meta, fault.with_traceback(None))

    def _misspelt(self, meta: ObjectMeta) -> Record[T]:
        return self._faulty(meta, self._unreadable(str(meta.key), "it is not UTF-8"))

    def _nameless(self, meta: ObjectMeta) -> DecodeError:
        return DecodeError(
            f"decode {self.resource}: an object without a name; is this an API server?", version=meta.resource_version
        )

    def _whole(self, read: Callable[[bytes], dict[str, Any]]) -> Callable[[bytes], T]:
        """Items of lists come without kind and apiVersion, so that they are put back here."""
        resource, python_type = self.resource, cast(Any, self.resource.type)

        def decode_whole(data: bytes) -> T:
            try:
                value = read(data)
            except UNREADABLE as error:
                raise self._unreadable(_name_in(data), error) from error
            if "kind" not in value:
                value = {"apiVersion": resource.api_version, "kind": resource.kind, **value}
            whole: T = python_type(value)
            return whole

        return decode_whole

    def _guarded(
        self, decode: Callable[[bytes], T], *, fact_of: Callable[[Exception], str] = explain
    ) -> Callable[[bytes], T]:
        def decode_or_explain(data: bytes) -> T:
            try:
                return decode(data)
            except UNREADABLE as error:
                raise self._unreadable(_name_in(data), fact_of(error)) from error

        return decode_or_explain

    def _unreadable(self, what: str, error: Exception | str) -> DecodeError:
        type_name = getattr(self.resource.type, "__name__", str(self.resource.type))
        fact = error if isinstance(error, str) else explain(error)
        return DecodeError(
            f"decode {self.resource} {what} as {type_name}: {fact}; correct the object, or the type that is to hold it"
        )


def codec_of(resource: Resource[Any]) -> Codec[Any]:
    """Return the codec of a resource, one for all clients of a process."""
    return _codec(resource, id(resource.type))


@functools.lru_cache(maxsize=1024)
def _codec(resource: Resource[Any], _python_type: int) -> Codec[Any]:
    """Make a codec; the kinds of recorded writes are equal to those of any Python type, so that the type is told."""
    return Codec(resource)


def _fact_in_line(error: Exception) -> str:
    """What of a line's object does not fit, with a path that begins at the object, as users know it."""
    return explain(error).replace("`$.object", "`$", 1)


def _same(value: T) -> T:
    return value


def _has_object_meta(python_type: Any) -> bool:
    return any(
        field.encode_name == "metadata" and field.name == "metadata" and field.type is ObjectMeta
        for field in msgspec.structs.fields(python_type)
    )


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _name_in(data: bytes) -> str:
    """The key of the object in a document or a watch line, for an error's text; only failures pay for this."""
    loose = read_loosely(data) or {}
    key = salvage_metadata(loose.get("object", loose)).key
    return str(key) if key.name else "object"
