"""
Server-side apply for one field manager: sends the fields a controller wants, unless they would change nothing.

What an apply does depends on the object as it is and on what is applied, so the same body applied to the object that
it led to last changes nothing. That is what an Applier remembers: what it applied last, and what it led to, the status
apart.

Programs used to apply as "ctrlkit", whatever their name. Applied under a new name alone, such fields would have two
owners: a change would be a conflict, and what is left out would stay. So the former owner's entry is renamed first, as
kubectl does with what it had applied on the client's side. A program may really be called "ctrlkit": its fields stay
its own where the new owner has applied something already, or wants none of them. Rows C10, D12.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeGuard

import msgspec

from ctrlkit.bounded import BoundedDict
from ctrlkit.client import Client
from ctrlkit.controller.helpers.converge import (
    FROM_SERVER,
    Converged,
    Convergence,
    Current,
    ReadFrom,
    whole_object,
)
from ctrlkit.controller.helpers.finalizers import HasMetadata
from ctrlkit.model import AnyResource, JsonPatch, ObjectKey, ObjectMeta, OnConflict, Resource, Unstructured, to_plain

REMEMBERED_MAX: Final = 10_000


_Fields = Mapping[str, Any]
"""Fields of an object as `fieldsV1` has them: a tree whose names say what sort of step they are."""


class _Applied(NamedTuple):
    """Digests of what was applied last, of the object after it, and of its metadata; and its version."""

    wanted: bytes
    led_to: bytes
    metadata: bytes
    version: str

    def shows_in(self, meta: ObjectMeta) -> bool:
        """
        Whether an object of which only the metadata is known must be as it was left.

        Where the kind counts generations, no change of what was applied leaves both the generation and the rest of the
        metadata as they were, unless it was a status; else only the same version is a proof.
        """
        return meta.resource_version == self.version or (meta.generation > 0 and _digest_of(meta) == self.metadata)


def _applied(digest: bytes, wanted: Mapping[str, Any], after: Unstructured) -> _Applied:
    meta = after.metadata
    of_meta = b"" if "status" in wanted else _digest_of(meta)
    return _Applied(digest, _digest(_state(after, wanted)), of_meta, meta.resource_version)


class Applier:
    """
    Applies bodies for one field manager, and sends no apply that would change nothing.

        applier = Applier(client)
        wanted = {"metadata": {"name": "net", "namespace": "demo"}, "data": {"nodes": "3"}}
        result, config_map = await applier.apply(CONFIG_MAPS, wanted, current=config_maps.lister.find("demo/net"))

    Shape   `owner` is the field manager, the client's unless given: it keeps the fields it applied last, and loses
            those it leaves out. By default it takes fields from other owners, as controllers do; with OnConflict.FAIL
            that is a Conflict. Fields that the program applied as "ctrlkit", when all programs were called so, are its
            own. The last REMEMBERED_MAX objects are remembered.
    Owner   One event loop. Two Appliers of one owner do not share what they remember, and only apply more often.
    """

    def __init__(self, client: Client, *, owner: str = "", on_conflict: OnConflict = OnConflict.FORCE) -> None:
        self.owner: str = owner or client.field_manager
        """The field manager that it applies for."""
        self._client = Client(client.transport, field_manager=self.owner)
        self._on_conflict = on_conflict
        self._last: BoundedDict[tuple[tuple[str, str], ObjectKey], _Applied] = BoundedDict(limit=REMEMBERED_MAX)

    async def apply(
        self, resource: AnyResource, fields: object, *, current: Current | HasMetadata = FROM_SERVER
    ) -> Converged:
        """
        Apply exactly these fields; return CREATED, UPDATED or UNCHANGED, and the object.

        `current` is the object as a lister shows it, or None where it shows none: then nothing is read first, and an
        apply that would change nothing is not sent. Of a typed object, such as those of a metadata-only informer, the
        metadata are compared; where nothing is sent, the answer has only them. Without `current` the object's metadata
        are read from the server, and the fields are always sent.

        Errors  ValueError for fields without a name, or with managedFields; the client's.
        """
        wanted: Mapping[str, Any] = fields if _has_plain_metadata(fields) else to_plain(fields)
        whole, key = resource.of(Unstructured), Unstructured(wanted).key
        if not key.name:
            raise ValueError(f"apply {resource}: the fields have no metadata.name; give them one")
        place, digest = (resource.identity, key), _digest(wanted)
        last = self._last.get(place)
        if last is not None and last.wanted == digest:
            if isinstance(current, Mapping) and last.led_to == _digest(_state(current, wanted)):
                return Converged(Convergence.UNCHANGED, Unstructured(current))
            meta = _metadata_in(current)
            if meta is not None and last.shows_in(meta):
                return Converged(Convergence.UNCHANGED, _of_metadata(resource, meta))
        wanted = to_plain(wanted)  # whatever becomes of the caller's
        there = await self._find(resource, key, current, is_known=last is not None)
        if there is not None:
            await self._take_over(whole, key, there, wanted)
        after = await self._client.apply(whole, key, wanted, on_conflict=self._on_conflict)
        self._last.put(place, _applied(digest, wanted, after))
        if there is None:
            return Converged(Convergence.CREATED, after)
        moved = there.metadata.resource_version != after.metadata.resource_version
        return Converged(Convergence.UPDATED if moved else Convergence.UNCHANGED, after)

    async def _find(
        self, resource: AnyResource, key: ObjectKey, current: Current | HasMetadata, *, is_known: bool
    ) -> Unstructured | None:
        """The object as it is there, its version at least; with the owners of its fields, unless it is known."""
        if isinstance(current, Mapping | ReadFrom | None):
            return await whole_object(current, lambda: self._client.get_metadata(resource, key))
        meta = _metadata_in(current)
        if meta is None:
            raise TypeError(
                f"apply {resource} {key}: a {type(current).__name__} has no metadata; give the object as a lister "
                "shows it"
            )
        if is_known:
            return Unstructured({"metadata": {"resourceVersion": meta.resource_version}})
        return await self._find(resource, key, FROM_SERVER, is_known=False)

    async def _take_over(
        self, resource: Resource[Unstructured], key: ObjectKey, there: Unstructured, wanted: Mapping[str, Any]
    ) -> None:
        """Have the fields that are this program's of old stand under its name, unless they do; Conflict as usual."""
        owners = owners_after_takeover(there, wanted, self.owner)
        if owners is None:
            return
        version = there.metadata.resource_version  # replaced by itself, it is a condition
        fields = {"/metadata/managedFields": owners, "/metadata/resourceVersion": version}
        patch = JsonPatch([{"op": "replace", "path": path, "value": value} for path, value in fields.items()])
        await self._client.patch(resource, key, patch)


def owned_fields(thing: Mapping[str, Any], owner: str, *, subresource: str = "") -> dict[str, Any]:
    """
    Return the fields of an object that an owner applied, to be changed and applied again.

    >>> config_map = {
    ...     "apiVersion": "v1", "kind": "ConfigMap", "data": {"mine": "1", "theirs": "2"},
    ...     "metadata": {"name": "a", "managedFields": [{
    ...         "manager": "me", "operation": "Apply", "fieldsV1": {"f:data": {"f:mine": {}}}}]}}
    >>> owned_fields(config_map, "me")
    {'apiVersion': 'v1', 'kind': 'ConfigMap', 'metadata': {'name': 'a'}, 'data': {'mine': '1'}}

    Shape   The object must be whole. Items of lists with keys have their keys besides the fields that are owned.
    """
    metadata = thing.get("metadata") or {}
    mine: _Fields = {}
    others: list[_Fields] = []
    for entry in metadata.get("managedFields") or ():
        fields = entry.get("fieldsV1") or {}
        if (entry.get("manager"), entry.get("operation"), entry.get("subresource", "")) == (
            owner,
            "Apply",
            subresource,
        ):
            mine = fields
        else:
            others.append(fields)
    found: dict[str, Any] = _owned(thing, mine, others) if mine else {}
    names = {name: metadata[name] for name in ("name", "namespace") if metadata.get(name)}
    head = {name: thing[name] for name in ("apiVersion", "kind") if name in thing}
    return head | {"metadata": names | (found.pop("metadata", None) or {})} | found


def _owned(value: Any, fields: _Fields, others: Sequence[_Fields]) -> Any:
    """
    The part of a value that a set of fields names.

    A set without fields below it names all of the value; but where others own fields below, it names an empty one.
    """
    is_whole = not fields and not any(name != "." for other in others for name in other)
    match value:
        case Mapping() if not is_whole:
            return {
                name: _owned(inner, fields[step], _below(others, step))
                for name, inner in value.items()
                if (step := f"f:{name}") in fields
            }
        case list() if not is_whole:
            return [part for index, item in enumerate(value) for part in _owned_item(index, item, fields, others)]
    return value


def _owned_item(index: int, item: Any, fields: _Fields, others: Sequence[_Fields]) -> list[Any]:
    """An item of a list, if it is named: by its place, its value or its keys."""
    for step, inner in fields.items():
        sort, _, text = step.partition(":")
        if sort == "i" and int(text) == index:
            return [_owned(item, inner, _below(others, step))]
        if sort == "v" and json.loads(text) == item:
            return [item]
        if sort == "k" and isinstance(item, Mapping):
            keys = json.loads(text)
            if all(item.get(key) == value for key, value in keys.items()):
                return [keys | _owned(item, inner, _below(others, step))]
    return []


def _below(others: Sequence[_Fields], step: str) -> list[_Fields]:
    return [other[step] for other in others if step in other]


def _state(thing: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """All of an object that an apply of `wanted` depends on."""
    metadata = {name: value for name, value in (thing.get("metadata") or {}).items() if name != "resourceVersion"}
    entries = metadata.pop("managedFields", None) or ()
    owners = [entry for entry in entries if "status" in wanted or entry.get("subresource") != "status"]
    kept = {name: value for name, value in thing.items() if name != "status" or "status" in wanted}
    return {**kept, "metadata": metadata, "owners": owners}


def _metadata_in(current: object) -> ObjectMeta | None:
    """The metadata of a typed object."""
    found = None if isinstance(current, Mapping) else getattr(current, "metadata", None)
    return found if isinstance(found, ObjectMeta) else None


def _of_metadata(resource: AnyResource, meta: ObjectMeta) -> Unstructured:
    """An object of which nothing else is known."""
    return Unstructured(
        {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": msgspec.to_builtins(meta)}
    )


def _digest_of(meta: ObjectMeta) -> bytes:
    """All of the metadata but the version."""
    return _digest(msgspec.to_builtins(msgspec.structs.replace(meta, resource_version="")))


def _has_plain_metadata(fields: object) -> TypeGuard[dict[str, Any]]:
    """Whether fields are a dict whose key can be read as it is."""
    return type(fields) is dict and type(fields.get("metadata")) is dict


def _digest(fields: Mapping[str, Any]) -> bytes:
    """Of plain values, or of what becomes plain values when it is sent."""
    try:
        text = msgspec.json.encode(fields, enc_hook=to_plain, order="deterministic")
    except TypeError:  # keys that are no texts
        text = msgspec.json.encode(to_plain(fields), order="deterministic")
    return hashlib.blake2b(text, digest_size=16).digest()


FORMER_OWNER: Final = "ctrlkit"

_Entry = Mapping[str, Any]


def owners_after_takeover(thing: Mapping[str, Any], wanted: Mapping[str, Any], owner: str) -> list[_Entry] | None:
    """
    The managedFields that an object is to have before `owner` applies `wanted` to it; None where all is right already.

    >>> former = {"manager": "ctrlkit", "operation": "Apply", "fieldsV1": {"f:data": {"f:a": {}, "f:b": {}}}}
    >>> thing = {"metadata": {"managedFields": [former]}}
    >>> owners_after_takeover(thing, {"data": {"a": "1"}}, "greeting")
    [{'manager': 'greeting', 'operation': 'Apply', 'fieldsV1': {'f:data': {'f:a': {}, 'f:b': {}}}}]
    >>> owners_after_takeover(thing, {"data": {"c": "1"}}, "greeting") is None
    True
    """
    entries: list[_Entry] = list((thing.get("metadata") or {}).get("managedFields") or ())
    former, own = _applied_by(entries, FORMER_OWNER), _applied_by(entries, owner)
    if owner == FORMER_OWNER or former is None:
        return None
    if own is not None:  # both were applied with the same values; what the former has besides is another program's
        others = [entry for entry in entries if entry is not former]
        return others if _is_within(former["fieldsV1"], own["fieldsV1"]) else None
    if not _names_some_of(former["fieldsV1"], wanted):
        return None
    return [{**entry, "manager": owner} if entry is former else entry for entry in entries]


def _applied_by(entries: list[_Entry], manager: str) -> _Entry | None:
    for entry in entries:
        named = (entry.get("manager"), entry.get("operation"), entry.get("subresource") or "")
        if named == (manager, "Apply", "") and entry.get("fieldsV1"):
            return entry
    return None


def _is_within(part: _Fields, whole: _Fields) -> bool:
    return all(step in whole and _is_within(below, whole[step]) for step, below in part.items())


def _names_some_of(fields: _Fields, value: Any) -> bool:
    """Whether a set of fields names a value, or anything in it that is no more than a way there."""
    below = {step: inner for step, inner in fields.items() if step != "."}
    if not below:
        return True
    return any(_names_some_of(inner, found) for step, inner in below.items() for found in _at(step, value))


def _at(step: str, value: Any) -> list[Any]:
    """What a step leads to, if it is there."""
    sort, _, text = step.partition(":")
    if sort == "f":
        return [value[text]] if isinstance(value, Mapping) and text in value else []
    items = value if isinstance(value, list) else []
    if sort == "v":
        return [item for item in items if item == json.loads(text)]
    if sort == "k":
        keys = json.loads(text).items()
        return [item for item in items if isinstance(item, Mapping) and all(item.get(name) == of for name, of in keys)]
    return []
