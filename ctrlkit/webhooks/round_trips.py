"""What conversions lose: objects taken to each other version and back, and compared. Pure, for tests."""

from __future__ import annotations

from collections.abc import Coroutine, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import msgspec

from ctrlkit.webhooks.changes import equal, plain_of
from ctrlkit.webhooks.conversions import Conversions
from ctrlkit.webhooks.declarations import ConversionFunction
from ctrlkit.wire.codec import Codec

R = TypeVar("R")

_NOTHING: Final = "nothing"
_THEIRS: Final = ("metadata.labels", "metadata.annotations")
_EMPTY: Final[tuple[Any, ...]] = (None, {}, [])
"""A part that is empty, and none, are the same to a reader."""


@dataclass(frozen=True, slots=True)
class Loss:
    """
    A field that is not the same after a round trip.

    Shape   `field` is a path such as `spec.size`; `way` has the names of the versions. `before` and `after` are plain
            values, None where the field is not there.
    """

    field: str
    way: tuple[str, ...]
    before: Any
    after: Any

    def __str__(self) -> str:
        values = (_NOTHING if value is None else repr(value) for value in (self.before, self.after))
        return f"{self.field}: {' is '.join(values)} after {' -> '.join(self.way)}"


def round_trip_losses(conversions: Iterable[ConversionFunction[Any, Any]], *objects: object) -> list[Loss]:
    """
    Take objects to each other version of their kind and back; return what is not the same afterwards.

        @given(st.builds(CacheV1, ...))
        def test_no_field_of_v1_is_lost(cache: CacheV1) -> None:
            assert round_trip_losses([upgrade, downgrade], cache) == []

    Shape   An object is of the type of one of the versions, or a mapping with its apiVersion. Labels and annotations
            that come on the way are no loss: that is where a conversion can keep what another version cannot say.
    Errors  ConfigError as for Conversions; TypeError for an object of no version; RuntimeError for a function that
            waits; what a function raises.
    """
    functions = tuple(conversions)
    known = Conversions(functions)
    codecs: dict[str, Codec[Any]] = {}
    for each in functions:
        codecs.setdefault(each.source.version, Codec(each.source))
    return [loss for each in objects for loss in _losses(known, codecs, each)]


def _losses(known: Conversions, codecs: Mapping[str, Codec[Any]], given: object) -> Iterator[Loss]:
    version = _version_of(codecs, given)
    resource = codecs[version].resource
    raw = {"metadata": {}, **plain_of(given), "apiVersion": resource.api_version, "kind": resource.kind}
    before = _seen(codecs[version], raw)
    for other in known.versions:
        if other != version:
            there = _run(known.convert(raw, other))
            after = _seen(codecs[version], _run(known.convert(there, version)))
            yield from _differences(before, after, (version, other, version))


def _version_of(codecs: Mapping[str, Codec[Any]], given: object) -> str:
    if isinstance(given, Mapping):
        version = str(given.get("apiVersion") or "").rpartition("/")[2]
        if version in codecs:
            return version
    for version, codec in codecs.items():
        if type(given) is codec.resource.type:
            return version
    names = ", ".join(f"{version} ({codec.resource.type.__name__})" for version, codec in codecs.items())
    raise TypeError(f"convert a {type(given).__name__}: it is of none of the versions {names}")


def _seen(codec: Codec[Any], raw: Mapping[str, Any]) -> Any:
    """Return an object as its type writes it, without what says which version it is."""
    plain = plain_of(codec.decode_object(msgspec.json.encode(raw)))
    return {name: value for name, value in plain.items() if name not in ("apiVersion", "kind")}


def _differences(before: Any, after: Any, way: tuple[str, ...], path: str = "") -> Iterator[Loss]:
    if equal(before, after) or (before in _EMPTY and after in _EMPTY):
        return
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in dict.fromkeys((*before, *after)):
            below = f"{path}.{name}" if path else name
            if name in before or path not in _THEIRS:
                yield from _differences(before.get(name), after.get(name), way, below)
    elif before is not None or path not in _THEIRS:
        yield Loss(path, way, before, after)


def _run(coroutine: Coroutine[Any, Any, R]) -> R:
    """Return what a coroutine returns that does not wait."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        result: R = end.value
        return result
    coroutine.close()
    raise RuntimeError("convert an object: the function waits for something; give it what it needs without waiting")
