"""
Set the status of an object: what is as wanted already is not sent, and conditions keep their times and each other.

In       What a reconcile found, as the type of the status or as a dict of some of its fields.
Out      At most one merge patch of the status subresource, with the fields that differ.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from ctrlkit.client import Client
from ctrlkit.model import AnyResource, MergePatch, ObjectMeta, Unstructured, set_conditions, to_plain
from ctrlkit.model.conditions import Condition, read_conditions
from ctrlkit.model.meta import meta_of
from ctrlkit.model.pydantic_models import is_model, model_fields
from ctrlkit.model.values import has_fields, same

Plain = Mapping[str, Any]


async def set_status(client: Client, resource: AnyResource, thing: object, wanted: object) -> dict[str, Any]:
    """
    See that an object has a status; return the status as it is afterwards, as a dict.

        ready = Condition(type="Ready", status="True", reason="Up")
        await set_status(client, SITES, site, SiteStatus(replicas=3, conditions=(ready,)))

    Shape   `thing` is the object as a lister shows it. An object of the status' type says all fields of that type: one
            that it leaves out, because it has its default, is removed. A dict says the fields that it has. Each field
            is replaced whole, but for `conditions`: those of other types stay, a transition time moves only with the
            status of its condition, and `observedGeneration` is the generation of `thing` where none is given. Fields
            that `thing` shows as wanted are not sent; where none is left, nothing is. A typed `thing` shows a field
            that is not stored as its default. So where its status is all defaults, and something differs, the whole
            status is sent, zeros included; only empty texts, lists and maps stay out.
    Errors  The client's; TypeError for a `wanted` that has no fields.
    """
    plain = to_plain(thing)
    return await patch_status(client, resource, meta_of(plain), plain.get("status") or {}, wanted, shown_by=thing)


async def patch_status(
    client: Client, resource: AnyResource, meta: ObjectMeta, have: Plain, wanted: object, *, shown_by: object = None
) -> dict[str, Any]:
    """As set_status, of metadata and a status that are given; `shown_by` is the object that shows it, if one does."""
    patch = status_patch(have, wanted, generation=meta.generation)
    if not patch:
        return dict(have)
    if is_bare(shown_by, have):
        whole = status_patch({}, wanted, generation=meta.generation)
        patch |= {name: value for name, value in whole.items() if not _is_empty(value)}
    fields = MergePatch({"status": patch})
    answer = await client.patch(resource.of(Unstructured), meta.key, fields, subresource="status")
    return dict(answer.get("status") or {})


def is_bare(thing: object, have: Plain) -> bool:
    """
    Whether an object may have no status: the one that it shows, `have`, is what its type makes of nothing.

    >>> class Status(msgspec.Struct):
    ...     ready: int = 0
    >>> class Site(msgspec.Struct):
    ...     status: Status
    >>> [is_bare(Site(Status(ready)), {"ready": ready}) for ready in (0, 1)]
    [True, False]
    """
    status: Any = getattr(thing, "status", None) if have else None
    if not has_fields(status):
        return False
    try:
        return same(have, to_plain(status.__class__()))
    except (TypeError, ValueError):  # it has a field without a default, which is stored then
        return False


def status_patch(have: Plain, wanted: object, *, generation: int = 0) -> dict[str, Any]:
    """
    Return what `have` lacks to be the wanted status, as a merge patch; {} where it lacks nothing.

    >>> status_patch({"ready": 2, "hosts": {"a": "1"}}, {"ready": 2, "hosts": {"b": "1"}})
    {'hosts': {'b': '1', 'a': None}}
    """
    fields = _fields_of(wanted)
    if "conditions" in fields:
        fields["conditions"] = _conditions(have, fields["conditions"] or (), generation)
    return {
        name: _replacing(have.get(name), value) for name, value in fields.items() if not same(have.get(name), value)
    }


def _conditions(have: Plain, wanted: Sequence[Any], generation: int) -> Sequence[Any]:
    """The conditions that there are with the wanted ones set; the wanted ones alone where they are of another form."""
    try:
        read = msgspec.convert(wanted, tuple[Condition, ...])
    except msgspec.ValidationError:
        return wanted
    plain: Sequence[Any] = to_plain(set_conditions(read_conditions(have), read, generation=generation))
    return plain


def _fields_of(wanted: object) -> dict[str, Any]:
    """The fields of a status as they travel; those that its type leaves out are None."""
    plain = to_plain(wanted)
    if not isinstance(plain, dict):
        raise TypeError(f"set a status: {type(wanted).__name__} has no fields; give the status' type, or a dict")
    return dict.fromkeys(_names_of(wanted)) | plain


def _names_of(wanted: object) -> list[str]:
    if isinstance(wanted, msgspec.Struct):
        return [field.encode_name for field in msgspec.structs.fields(wanted)]
    if is_model(type(wanted)):
        return list(model_fields(type(wanted)))
    if dataclasses.is_dataclass(wanted):
        return [field.name for field in dataclasses.fields(wanted)]
    return []


def _replacing(have: Any, wanted: Any) -> Any:
    """The value of a merge patch that makes one value of another; without a word it would keep names that are gone."""
    if not (isinstance(have, Mapping) and isinstance(wanted, Mapping)):
        return wanted
    changed = {name: _replacing(have.get(name), value) for name, value in wanted.items()}
    return changed | {name: None for name in have if name not in wanted}


def _is_empty(value: Any) -> bool:
    """Whether a value reads as an absent field does; 0 and False say something."""
    return value is None or (isinstance(value, str | Mapping | Sequence) and not value)
