"""Whole objects within custom resources (`x-kubernetes-embedded-resource`): how they are read, and their rules."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ctrlkit.fakes.tracker.kinds.metadata import metadata_causes
from ctrlkit.fakes.tracker.refusals import Cause
from ctrlkit.fakes.tracker.schema import formats, typed
from ctrlkit.fakes.tracker.schema.structural import Structural
from ctrlkit.fakes.tracker.schema.types import types_of

Plain = dict[str, Any]


def coerce(plain: Plain, structural: Structural) -> list[str]:
    """
    Read the metadata of the objects within a custom one as metadata, in place; return the paths of unknown fields.

    Errors  DoesNotFit for metadata that is none, and for a kind or apiVersion that is no text.
    """
    unknown: list[str] = []
    if structural.has_embedded:
        for path, found in _embedded(plain, structural):
            _coerce(path, found, unknown)
    return sorted(unknown)


def causes(plain: Mapping[str, Any], structural: Structural) -> Iterator[Cause]:
    """Yield a cause for each rule that the objects within a custom one break."""
    if structural.has_embedded:
        for path, found in _embedded(plain, structural):
            yield from _causes(path, found)


def _embedded(value: Any, node: Structural, path: str = "") -> Iterator[tuple[str, Plain]]:
    """The embedded objects with their paths."""
    if isinstance(value, dict):
        if node.embedded and path:
            yield path, value
        for name, inner in value.items():
            below = node.child(name)
            if below is not None and isinstance(inner, (dict, list)):
                here = f"{path}.{name}".lstrip(".") if name in node.properties else f"{path}[{name}]"
                yield from _embedded(inner, below, here)
    elif isinstance(value, list) and node.items is not None:
        for at, item in enumerate(value):
            yield from _embedded(item, node.items, f"{path}[{at}]")


def _coerce(path: str, found: Plain, unknown: list[str]) -> None:
    for name in ("apiVersion", "kind"):
        if name in found and not isinstance(found[name], str):
            raise typed.DoesNotFit(_said(Cause.wrong(f"{path}.{name}", found[name], "must be a string")))
    if "metadata" not in found:
        return
    given, place = found["metadata"], f"{path}.metadata"
    fields: list[str] = []
    try:
        if not isinstance(given, Mapping) and given is not None:
            kind = typed.json_type(given)
            raise typed.DoesNotFit(f"json: cannot unmarshal {kind} into Go value of type v1.ObjectMeta")
        kept = typed.struct_named(types_of(), "ObjectMeta").read(given or {}, None, fields)
    except typed.DoesNotFit as error:
        raise typed.DoesNotFit(_said(Cause.wrong(place, given, str(error)))) from None
    unknown += (f"{place}.{name}" for name in fields)
    found["metadata"] = {name: value for name, value in kept.items() if value is not None}


def _said(cause: Cause) -> str:
    return f"{cause.field}: {cause.message}"


def _causes(path: str, found: Plain) -> Iterator[Cause]:
    for name in ("apiVersion", "kind"):
        if name not in found:
            yield Cause.required(f"{path}.{name}")
    for name, check in _CHECKS.items():
        if name in found:
            yield from check(f"{path}.{name}", found[name])


def _api_version_causes(path: str, text: Any) -> Iterator[Cause]:
    if not isinstance(text, str):
        yield Cause.wrong(path, text, "must be a string")
    elif not text:
        yield Cause.wrong(path, text, "must not be empty")
    elif text.count("/") > 1:
        yield Cause.wrong(path, text, f"unexpected GroupVersion string: {text}")


def _kind_causes(path: str, text: Any) -> Iterator[Cause]:
    if not isinstance(text, str):
        yield Cause.wrong(path, text, "must be a string")
    elif not text:
        yield Cause.wrong(path, text, "must not be empty")
    elif complaints := formats.label_1035(text.lower()):
        yield Cause.wrong(path, text, "may have mixed case, but should otherwise match: " + ",".join(complaints))


def _metadata_causes(path: str, metadata: Plain) -> Iterator[Cause]:
    base, name = metadata.get("generateName") or "", metadata.get("name") or ""
    yield from Cause.all_wrong(f"{path}.generateName", base, formats.segment_start(base))
    if name in (".", ".."):
        yield Cause.wrong(f"{path}.name", name, f"may not be '{name}'")
    yield from Cause.all_wrong(f"{path}.name", name, formats.segment_start(name))
    if metadata.get("namespace"):
        namespace = metadata["namespace"]
        yield from Cause.all_wrong(f"{path}.namespace", namespace, formats.dns_label(namespace))
    if (metadata.get("generation") or 0) < 0:
        text = "must be greater than or equal to 0"
        yield Cause.wrong(f"{path}.generation", metadata["generation"], text)
    yield from metadata_causes(metadata, path)


_CHECKS: Mapping[str, Callable[[str, Any], Iterator[Cause]]] = {
    "apiVersion": _api_version_causes,
    "kind": _kind_causes,
    "metadata": _metadata_causes,
}
