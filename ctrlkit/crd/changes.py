"""
What a new CustomResourceDefinition breaks for objects that exist under an old one, and for their clients. Pure.

    versions       those that go, or are served no more; what `status.storedVersions` asks for
    names          group, scope, kind and plural are another kind; short names and the like are what clients type
    conversion     objects that are stored in one version and read in another
    schemas        what is refused or dropped; defaults; how appliers share a list
    the rest       status, scale, selectable fields, columns
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from ctrlkit.crd.differences import completed, with_open_metadata
from ctrlkit.crd.narrowing import Aspect, Difference, JsonSchema, list_type, listed, narrowings
from ctrlkit.model.values import same

Spec = Mapping[str, Any]

_OF_CLIENTS: Final[Mapping[str, str]] = {
    "singular": "kubectl finds it no more under that name",
    "listKind": "clients that ask lists for their kind see another one",
    "shortNames": "kubectl finds it no more under that name",
    "categories": "kubectl lists it no more with that category",
}
"""Names that may change, and what is to be seen of it."""

_SCALE_PATHS: Final = ("specReplicasPath", "statusReplicasPath", "labelSelectorPath")


def breaking_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Difference]:
    """
    Return what a new CustomResourceDefinition breaks for objects that exist under an old one, and for their clients.

    `old` may be what a cluster printed: its `status.storedVersions` then say in which versions objects are stored.
    """
    before, after = old.get("spec") or {}, new.get("spec") or {}
    had, has = ({one["name"]: one for one in spec.get("versions") or ()} for spec in (before, after))
    stored_in = (old.get("status") or {}).get("storedVersions") or [_storage_of(before)]
    found = [*_names(before, after), *_lost_versions(had, has, stored_in)]
    for name in (one for one in had if one in has):
        found += _under(name, _between(had[name], has[name]))
    found += _new_storage(before, after, has)
    if _strategy(before) != "None" and _strategy(after) == "None" and len(has) > 1:
        fact = f"was {_strategy(before)}, is None: objects stored in one version are read in another as they are"
        found.append(Difference("conversion", Aspect.CONVERSION, fact))
    if _strategy(after) == "None":
        found += _unconverted(had, has, stored_in, was_unconverted=_strategy(before) == "None")
    return found


def _under(name: str, found: Sequence[Difference]) -> list[Difference]:
    return [replace(one, path=f"{name} {one.path}".rstrip()) for one in found]


def _strategy(spec: Spec) -> str:
    return str((spec.get("conversion") or {}).get("strategy") or "None")


def _storage_of(spec: Spec) -> str:
    return next((str(one["name"]) for one in spec.get("versions") or () if one.get("storage")), "")


# ---- names and versions ----------------------------------------------------------------------------------------------


def _names(before: Spec, after: Spec) -> Iterator[Difference]:
    old, new = before.get("names") or {}, after.get("names") or {}
    for what, was, now in (
        *((name, before.get(name), after.get(name)) for name in ("group", "scope")),
        *((name, old.get(name), new.get(name)) for name in ("plural", "kind")),
    ):
        if was != now:
            fact = f"{what} was {was}, is {now}: that is another kind to a server; make a new definition"
            yield Difference("", Aspect.NAME, fact)
    for what, seen in _OF_CLIENTS.items():
        gone = [name for name in _several(old.get(what)) if name not in _several(new.get(what))]
        if gone and not (what in ("singular", "listKind") and not new.get(what)):  # a server sets what is left out
            yield Difference("", Aspect.NAME, f"{what} had {listed(gone)}: {seen}")


def _several(names: Any) -> Sequence[str]:
    return [names] if isinstance(names, str) else names or []


def _lost_versions(had: Spec, has: Spec, stored_in: Sequence[str]) -> Iterator[Difference]:
    for name in dict.fromkeys((*had, *stored_in)):
        was_served = bool(had.get(name, {}).get("served"))
        if name not in has and name in stored_in:
            fact = (
                f"version {name} is left out while objects may be stored in it (status.storedVersions): that is refused"
            )
            yield Difference("", Aspect.VERSION, fact)
        elif name not in has and was_served:
            yield Difference("", Aspect.VERSION, f"version {name} is left out: its clients get 404")
        elif was_served and not has[name].get("served"):
            yield Difference("", Aspect.VERSION, f"version {name} is served no more: its clients get 404")


def _new_storage(before: Spec, after: Spec, has: Spec) -> Iterator[Difference]:
    was, now = _storage_of(before), _storage_of(after)
    if was != now and now in has:
        fact = (
            f"objects are stored as {was}, new ones will be as {now}: rewrite those that are there, then take {was} "
            "out of status.storedVersions, before a later definition may leave it out"
        )
        yield Difference("", Aspect.VERSION, fact)


def _unconverted(had: Spec, has: Spec, stored_in: Sequence[str], *, was_unconverted: bool) -> Iterator[Difference]:
    """What becomes of objects that are stored in one version and read in another; not what became of them before."""
    for stored in stored_in:
        for name, version in has.items():
            if name == stored or stored not in had or not version.get("served"):
                continue
            found = narrowings(*map(_schema, (had[stored], version)))
            known = narrowings(*map(_schema, (had[stored], had[name]))) if was_unconverted and name in had else []
            yield from _under(f"{stored} to {name}", [one for one in found if one not in known])


# ---- a version -------------------------------------------------------------------------------------------------------


def _between(old: Spec, new: Spec) -> list[Difference]:
    was, now = _schema(old), _schema(new)
    return [
        *narrowings(was, now),
        *_defaults(was, now, ""),
        *_merging(was, now, ""),
        *_subresources(old.get("subresources") or {}, new.get("subresources") or {}),
        *_selectable(old, new),
        *_columns(old, new),
    ]


def _schema(version: Spec) -> JsonSchema:
    return with_open_metadata((version.get("schema") or {}).get("openAPIV3Schema") or {})


def _both(old: JsonSchema, new: JsonSchema, path: str) -> Iterator[tuple[str, JsonSchema, JsonSchema]]:
    """The parts that two schemas both have, and where."""
    for name, schema in (old.get("properties") or {}).items():
        other = (new.get("properties") or {}).get(name)
        if other is not None:
            yield f"{path}.{name}" if path else name, schema, other
    for part, mark in (("items", "[]"), ("additionalProperties", "{}")):
        if isinstance(old.get(part), Mapping) and isinstance(new.get(part), Mapping):
            yield f"{path}{mark}", old[part], new[part]


def _defaults(old: JsonSchema, new: JsonSchema, path: str) -> Iterator[Difference]:
    for where, was, now in _both(old, new, path):
        before, after = completed(was.get("default"), was), completed(now.get("default"), now)
        is_the_same = same(before, after) and ("default" in was) is ("default" in now)
        if not is_the_same and "default" not in was:
            fact = f"had no default, has {after!r}: objects that say nothing of it read as that from now on"
            yield Difference(where, Aspect.DEFAULT, fact)
        elif not is_the_same and "default" not in now:
            yield Difference(where, Aspect.DEFAULT, f"default was {before!r}, is none: new objects are without it")
        elif not is_the_same and not _differs_inside(was, now):
            fact = f"default was {before!r}, is {after!r}: objects keep what they were stored with, new ones differ"
            yield Difference(where, Aspect.DEFAULT, fact)
        yield from _defaults(was, now, where)


def _differs_inside(was: JsonSchema, now: JsonSchema) -> bool:
    """Whether two defaults are written alike, so that only those inside of them differ."""
    return same(was.get("default"), now.get("default"))


def _merging(old: JsonSchema, new: JsonSchema, path: str) -> Iterator[Difference]:
    """How several appliers share a value: what one of them leaves out is taken away, or is another's."""
    for where, was, now in _both(old, new, path):
        had, has = list_type(was), list_type(now)
        keys, others = (sorted(one.get("x-kubernetes-list-map-keys") or ()) for one in (was, now))
        if had != has == "atomic" and now.get("type") == "array":
            yield _shared(where, f"list type was {had}, is {has}")
        elif had == has == "map" and set(keys) < set(others):
            yield _shared(where, f"list keys were {listed(keys)}, are {listed(others)}")
        maps = [one.get("x-kubernetes-map-type") or "granular" for one in (was, now)]
        if maps == ["granular", "atomic"]:
            yield _shared(where, "map type was granular, is atomic")
        yield from _merging(was, now, where)


def _shared(where: str, fact: str) -> Difference:
    return Difference(where, Aspect.LIST, f"{fact}: an apply takes away what others put there")


def _subresources(old: Spec, new: Spec) -> Iterator[Difference]:
    if "status" in old and "status" not in new:
        fact = "the status subresource goes: writes to it get 404, and whoever writes an object writes its status"
        yield Difference("status", Aspect.SUBRESOURCE, fact)
    if "status" in new and "status" not in old:
        fact = "has a status subresource that was not there: other writes lose what they say of the status"
        yield Difference("status", Aspect.SUBRESOURCE, fact)
    if "scale" in old and "scale" not in new:
        fact = "the scale subresource goes: autoscalers and kubectl scale get 404"
        yield Difference("scale", Aspect.SUBRESOURCE, fact)
    elif "scale" in old:
        for name in _SCALE_PATHS:
            was, now = (one["scale"].get(name) for one in (old, new))
            if was and was != now:
                fact = f"{name} was {was}, is {now or 'none'}: autoscalers read and write another field"
                yield Difference("scale", Aspect.SUBRESOURCE, fact)


def _selectable(old: Spec, new: Spec) -> Iterator[Difference]:
    has = {one.get("jsonPath") for one in new.get("selectableFields") or ()}
    for one in old.get("selectableFields") or ():
        if one.get("jsonPath") not in has:
            path = str(one.get("jsonPath")).removeprefix(".")
            yield Difference(path, Aspect.FIELD, "was a selectable field, is none: lists and watches by it get 400")


def _columns(old: Spec, new: Spec) -> Iterator[Difference]:
    has = {one.get("name") for one in new.get("additionalPrinterColumns") or ()}
    for one in old.get("additionalPrinterColumns") or ():
        if one.get("name") not in has:
            fact = f"column {one.get('name')} goes: scripts that read it from `kubectl get` find it no more"
            yield Difference("", Aspect.COLUMN, fact)
