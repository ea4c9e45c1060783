"""
Create an object, change it, or leave it alone, so that it is as wanted; and say which.

create_or_update   A function changes the whole object, which is put in the place of the one it was read as.
create_or_patch    A body has the fields that should be there; the object and its status get what they lack.

Neither sends what is known to change nothing. Where that cannot be known, the version of the answer tells: servers
keep it for a write without effect. Who shares lists of an object with others, or wants fields removed that it sets no
longer, takes an Applier (apply.py). Rows H11, H12.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from copy import deepcopy
from enum import Enum, StrEnum
from typing import Any, Final, NamedTuple

from ctrlkit.client import Client
from ctrlkit.controller.helpers.absent import FieldPath, field_names, merged, without
from ctrlkit.errors import NotFound
from ctrlkit.kinds.base import TypedKind
from ctrlkit.model import AnyResource, MergePatch, ObjectKey, Resource, Unstructured, to_plain
from ctrlkit.model.values import lacking, same


class Convergence(StrEnum):
    """What it took to have the object as wanted."""

    CREATED = "created"
    UPDATED = "updated"
    STATUS = "status"
    UPDATED_AND_STATUS = "updated_and_status"
    UNCHANGED = "unchanged"


class Converged(NamedTuple):
    """What it took, and the object as it is afterwards."""

    result: Convergence
    object: Unstructured


class ReadFrom(Enum):
    """Where the current object is read, if the caller does not give it."""

    SERVER = "from the server"


FROM_SERVER: Final = ReadFrom.SERVER
"""Given as `current`: the object as it is now is read from the server first."""

Current = Mapping[str, Any] | None | ReadFrom
"""The whole object as a lister shows it, None where it shows none; FROM_SERVER has it read."""


async def create_or_update(
    client: Client,
    resource: AnyResource,
    key: ObjectKey | str,
    mutate: Callable[[Unstructured], object],
    *,
    current: Current = FROM_SERVER,
) -> Converged:
    """
    Read an object, let `mutate` change it, and create or update it if that changed it.

        def as_wanted(config_map: Unstructured) -> None:
            set_controller_reference(config_map, greeting.metadata, GREETINGS)
            config_map["data"] = {"text": greeting.text}

        result, config_map = await create_or_update(client, CONFIG_MAPS, "demo/hello", as_wanted)

    Shape   Whole objects, whatever the resource's Python type. A missing one is handed over with its kind and name.
            The answer is CREATED, UPDATED or UNCHANGED.
    Errors  ValueError for a function that renames the object, TypeError for a `current` that has only some of the
            fields. The client's: Conflict where the object changed since it was read, AlreadyExists where it exists
            although `current` is None.
    """
    key, whole = ObjectKey.of(key), resource.of(Unstructured)
    before = await _read(client, whole, key, current)
    after = deepcopy(before) if before is not None else _named(whole, key)
    mutate(after)
    if (after.key, after.get("kind") or whole.kind) != (key, whole.kind):
        raise ValueError(f"converge {resource} {key}: it became {after.get('kind')} {after.key}; keep kind and name")
    if before is None:
        return Converged(Convergence.CREATED, await client.create(whole, after))
    if same(before, after):
        return Converged(Convergence.UNCHANGED, before)
    answer = await client.update(whole, after)
    return Converged(Convergence.UPDATED if _moved(before, answer) else Convergence.UNCHANGED, answer)


async def create_or_patch(
    client: Client,
    resource: AnyResource,
    wanted: object,
    *,
    absent: Iterable[FieldPath] = (),
    current: Current | TypedKind = FROM_SERVER,
) -> Converged:
    """
    Create or patch the object that `wanted` names so that it has the fields of `wanted`; the status goes through the
    subresource.

        wanted = {"metadata": {"name": "net", "namespace": "demo"}, "spec": {"replicas": 3}, "status": {"ready": 2}}
        result, network = await create_or_patch(client, NETWORKS, wanted)

    Shape   `wanted` is any body that `Client.create` takes. Fields given as None are removed, fields not given are left
            alone, lists are replaced whole (see model/values.py). The status is written after the rest. `absent` are
            paths of fields, by their JSON names, that are to be empty or not there: what a typed object cannot say,
            since it does not send what is empty. `current` may also be an object of a type of ctrlkit.kinds, which has
            all fields.
    Errors  ValueError for a body without a name, and for an `absent` field that the body has, that its type does not
            have, or that is within a list. The client's: AlreadyExists where it exists although `current` is None.
    """
    fields, whole = to_plain(wanted), resource.of(Unstructured)
    key = Unstructured(fields).key
    if not key.name:
        raise ValueError(f"converge {resource}: the body has no metadata.name; give it one")
    gone = [field_names(path, wanted, fields, f"converge {resource} {key}") for path in absent]
    status = fields.pop("status", None)
    before = await _read(client, whole, key, to_plain(current) if isinstance(current, TypedKind) else current)
    if before is None:
        made = await client.create(whole, _given(fields if status is None else fields | {"status": status}))
        return Converged(Convergence.CREATED, await _with_status(client, whole, made, status))
    now = before
    unsaid = without(before, gone)
    said = {name: value for name, value in fields.items() if name not in ("apiVersion", "kind")}
    if patch := merged(lacking(before, said), {name: value for name, value in unsaid.items() if name != "status"}):
        now = await client.patch(whole, key, MergePatch(patch))
    after = await _with_status(client, whole, now, merged(status or {}, unsaid.get("status") or {}))
    match _moved(before, now), _moved(now, after):
        case True, True:
            return Converged(Convergence.UPDATED_AND_STATUS, after)
        case True, False:
            return Converged(Convergence.UPDATED, after)
        case False, True:
            return Converged(Convergence.STATUS, after)
    return Converged(Convergence.UNCHANGED, after)


async def _with_status(
    client: Client, resource: Resource[Unstructured], thing: Unstructured, status: Mapping[str, Any] | None
) -> Unstructured:
    patch = lacking(thing.get("status") or {}, status or {})
    if not patch:
        return thing
    return await client.patch(resource, thing.key, MergePatch({"status": patch}), subresource="status")


async def _read(
    client: Client, resource: Resource[Unstructured], key: ObjectKey, current: Current
) -> Unstructured | None:
    if not isinstance(current, Mapping | ReadFrom | None):
        raise TypeError(
            f"converge {resource} {key}: a {type(current).__name__} may hold only some of the object's fields; "
            "hand over the whole object, or let it be read"
        )
    return await whole_object(current, lambda: client.get(resource, key))


async def whole_object(current: Current, read: Callable[[], Awaitable[Unstructured]]) -> Unstructured | None:
    """Return the object that the caller gave, or that `read` finds; None where there is none."""
    if not isinstance(current, ReadFrom):
        return None if current is None else Unstructured(current)
    try:
        return await read()
    except NotFound:
        return None


def _named(resource: AnyResource, key: ObjectKey) -> Unstructured:
    metadata = {"name": key.name, **({"namespace": key.namespace} if key.namespace else {})}
    return Unstructured({"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata})


def _given(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that are there to be; a new object has nothing to be removed."""
    return {
        name: _given(value) if isinstance(value, Mapping) else value
        for name, value in fields.items()
        if value is not None
    }


def _moved(before: Unstructured, after: Unstructured) -> bool:
    return before.metadata.resource_version != after.metadata.resource_version
