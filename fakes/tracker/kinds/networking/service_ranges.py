"""ServiceCIDRs and IPAddresses: the ranges and single addresses of services, as objects."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from ctrlkit.fakes.tracker.kinds.strategy import Object, Strategy
from ctrlkit.fakes.tracker.kinds.tables import NONE, age_of, name_of, section
from ctrlkit.fakes.tracker.refusals import Cause, struct_text
from ctrlkit.fakes.tracker.schema import addresses, formats

_FAMILIES_TEXT = "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64"
_IMMUTABLE = "field is immutable"


def _address_causes(address: Object, old: Object | None) -> Iterator[Cause]:
    parent = section(address, "spec").get("parentRef")
    yield from _parent_causes(parent)
    if old is not None and parent != section(old, "spec").get("parentRef"):
        yield Cause.invalid("spec.parentRef", struct_text(_internal(parent)), _IMMUTABLE)


def _parent_causes(parent: Object | None) -> Iterator[Cause]:
    if parent is None:
        yield Cause.required("spec.parentRef")
        return
    group = parent.get("group")
    if group:
        yield from Cause.all_wrong("spec.parentRef.group", group, formats.subdomain(group))
    for name in ("resource", "name", "namespace"):
        text = parent.get(name)
        if text:
            yield from Cause.all_wrong(f"spec.parentRef.{name}", text, formats.path_segment(text))
        elif name != "namespace":
            yield Cause.required(f"spec.parentRef.{name}")


def _internal(parent: Object | None) -> Any:
    """A reference as the server writes it into its sentences."""
    if parent is None:
        return None
    return {name.capitalize(): parent.get(name, "") for name in ("group", "resource", "namespace", "name")}


def _address_cells(address: Object, now: datetime) -> list[Any]:
    parent = section(address, "spec").get("parentRef")
    shown = NONE
    if parent:
        kind = ".".join(filter(None, (parent.get("resource"), parent.get("group")))).lower()
        shown = "/".join(filter(None, (kind, parent.get("namespace"), parent.get("name"))))
    return [name_of(address), shown, age_of(address, now)]


IP_ADDRESSES = Strategy(
    name_rule=addresses.canonical_address,
    generates_names=False,
    selectable_fields=(
        "spec.parentRef.group",
        "spec.parentRef.name",
        "spec.parentRef.namespace",
        "spec.parentRef.resource",
    ),
    validate=_address_causes,
    cells=_address_cells,
)


def _range_causes(service_range: Object, old: Object | None) -> Iterator[Cause]:
    ranges = section(service_range, "spec").get("cidrs") or []
    before = (section(old, "spec").get("cidrs") or []) if old is not None else None
    if before is None:
        yield from _new_range_causes(ranges)
    elif len(ranges) == len(before):
        for index, (one, other) in enumerate(zip(ranges, before, strict=True)):
            yield from Cause.changed(f"spec.cidrs[{index}]", one, other)
    elif (len(before), len(ranges)) == (1, 2):
        yield from Cause.changed("spec.cidrs[0]", ranges[0], before[0])
        yield from _new_range_causes(ranges)
    else:
        yield Cause.wrong("spec.cidrs", ranges or None, _IMMUTABLE)


def _new_range_causes(ranges: list[str]) -> Iterator[Cause]:
    if not ranges:
        yield Cause.required("spec.cidrs", "at least one CIDR required")
        return
    if len(ranges) > 2:
        yield Cause.wrong("spec.cidrs", {"CIDRs": ranges}, "may only hold up to 2 values")
        return
    for index, text in enumerate(ranges):
        yield from Cause.all_wrong(f"spec.cidrs[{index}]", text, addresses.canonical_range(text))
    versions = [network.version for text in ranges if (network := addresses.parsed_range(text)) is not None]
    if len(versions) == 2 and versions[0] == versions[1]:
        yield Cause.wrong("spec.cidrs", ranges, _FAMILIES_TEXT)


def _range_cells(service_range: Object, now: datetime) -> list[Any]:
    shown = ",".join(section(service_range, "spec").get("cidrs") or ())
    return [name_of(service_range), shown, age_of(service_range, now)]


SERVICE_RANGES = Strategy(
    kept_by_status=("metadata",), validate=_range_causes, validate_status=lambda *_: (), cells=_range_cells
)
