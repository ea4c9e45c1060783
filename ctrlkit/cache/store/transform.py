"""What is done to every object before it is stored: to keep less of it, or to keep what was worked out from it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import msgspec

from ctrlkit.errors import DecodeError
from ctrlkit.model import ObjectMeta, Record, Resource, Unstructured, Unusable, is_immutable, meta_of
from ctrlkit.model.pydantic_models import dump_model, is_model, model_decoder

T = TypeVar("T")


class Transform(Generic[T]):
    """
    A function from objects to objects, applied to records.

    >>> from ctrlkit.model.kinds import CONFIG_MAPS
    >>> slim = Transform(CONFIG_MAPS, lambda found: Unstructured({"metadata": found["metadata"]}))
    >>> body = {"metadata": {"name": "a"}, "data": {"k": "v"}}
    >>> slim(Record(ObjectMeta(name="a"), body, Unstructured)).value
    {'metadata': {'name': 'a'}}

    Shape   The function gets a private copy, which it may change and return. Name, namespace, uid and version stay.
            The result is kept in a packed form and unpacked for each look, or shared where its type is immutable.
    Errors  None: an object that the function cannot take, or that it returns with another name, is Unusable until its
            next change. A Resource.of a smaller type keeps less at no cost; prefer it where it will do.
    """

    def __init__(self, resource: Resource[T], function: Callable[[T], T]) -> None:
        self.function = function
        self._resource = resource
        python_type: Any = resource.type
        self._shared = is_immutable(python_type)
        self._pack: Callable[[Any], bytes] = lambda value: msgspec.msgpack.encode(value, enc_hook=dict)
        self._unpack: Callable[[bytes], Any]
        if isinstance(python_type, type) and issubclass(python_type, Unstructured):
            self._unpack = lambda data: python_type(msgspec.msgpack.decode(data))
        elif is_model(python_type):
            self._pack, self._unpack = dump_model, model_decoder(python_type)
        else:
            self._unpack = msgspec.msgpack.Decoder(python_type).decode

    def __call__(self, record: Record[T]) -> Record[T]:
        """The record to store in this one's place."""
        if record.fault is not None:
            return record
        try:
            value = self.function(record.value)
            meta = _meta_in(value) or record.meta
            if _identity(meta) != _identity(record.meta):
                raise ValueError(
                    f"it returned {meta.key} at {meta.resource_version}; keep the object's name and version"
                )
            if self._shared:
                return Record(meta, value, _same_value)
            return Record(meta, self._pack(value), self._unpack)
        except Exception as error:  # noqa: BLE001 - a user's function must not cost us the object
            text = (
                str(error) if isinstance(error, DecodeError) else f"transform {self._resource} {record.key}: {error!r}"
            )
            return Unusable(record.meta, DecodeError(f"{text}; correct the function, or the object"))


def _meta_in(value: object) -> ObjectMeta | None:
    if isinstance(value, dict):
        return meta_of(value)
    found = getattr(value, "metadata", None)
    return found if isinstance(found, ObjectMeta) else None


def _identity(meta: ObjectMeta) -> tuple[str, ...]:
    return (meta.namespace, meta.name, meta.uid, meta.resource_version)


def _same_value(value: T) -> T:
    return value
