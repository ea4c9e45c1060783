"""LimitRanger: the defaults and bounds that LimitRanges set for new pods and claims."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from ctrlkit.fakes.tracker.core import Core
from ctrlkit.fakes.tracker.kinds.strategy import Object, Plain
from ctrlkit.fakes.tracker.kinds.tables import name_of, section
from ctrlkit.fakes.tracker.plugins.amounts import Amounts, of_pod
from ctrlkit.fakes.tracker.refusals import forbidden
from ctrlkit.fakes.tracker.schema.quantities import quantity_value
from ctrlkit.model import kinds

_RANGES = ("", "limitranges")
_ANNOTATION = "kubernetes.io/limit-ranger"


def _items(core: Core, plain: Object) -> Iterator[tuple[Object, ...]]:
    """Yield the limits of each LimitRange of an object's namespace."""
    for stored in core.store.collection(_RANGES).within(plain["metadata"]["namespace"]):
        yield tuple(section(stored.plain, "spec").get("limits") or ())


def fill_in_pod(core: Core, pod: Plain, old: Object | None) -> None:
    """Give the containers of a new pod the requests and limits that they do not have."""
    if old is not None:
        return
    for limits in _items(core, pod):
        requests: dict[str, str] = {}
        most: dict[str, str] = {}
        for limit in limits:
            if limit.get("type") == "Container":
                requests |= section(limit, "defaultRequest")
                most |= section(limit, "default")
        told = [
            text
            for name, what in (("containers", "container"), ("initContainers", "init container"))
            for container in pod["spec"].get(name) or ()
            for text in _fill_in(container, requests, most, what)
        ]
        if told:
            annotations = {**section(pod["metadata"], "annotations")}
            annotations[_ANNOTATION] = f"LimitRanger plugin set: {'; '.join(told)}"
            pod["metadata"]["annotations"] = annotations


def _fill_in(container: Plain, requests: Amounts, limits: Amounts, what: str) -> Iterator[str]:
    for name, word, defaults in (("requests", "request", requests), ("limits", "limit", limits)):
        have = section(section(container, "resources"), name)
        missing = {resource: size for resource, size in defaults.items() if resource not in have}
        if missing:
            container["resources"] = {**section(container, "resources"), name: {**have, **missing}}
            yield f"{', '.join(sorted(missing))} {word} for {what} {container['name']}"


def check_pod(core: Core, pod: Plain, old: Object | None) -> None:
    """Refuse a new pod outside of the bounds. Errors: Forbidden."""
    if old is not None:
        return
    spec = pod["spec"]
    for limits in _items(core, pod):
        found: list[str] = []
        for limit in limits:
            if limit.get("type") == "Container":
                for container in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ())):
                    resources = section(container, "resources")
                    found += _complaints(limit, section(resources, "requests"), section(resources, "limits"))
            elif limit.get("type") == "Pod":
                found += _complaints(limit, of_pod(spec, "requests"), of_pod(spec, "limits"))
        _refuse(kinds.PODS, pod, found)


def check_claim(core: Core, claim: Plain, old: Object | None) -> None:
    """Refuse a claim outside of the bounds. Errors: Forbidden."""
    if old is not None and old["metadata"].get("deletionTimestamp"):
        return
    requests = section(section(claim["spec"], "resources"), "requests")
    for limits in _items(core, claim):
        found: list[str] = []
        for limit in limits:
            if limit.get("type") == "PersistentVolumeClaim":
                found += _lower(limit, requests, {})
                for name, bound in section(limit, "max").items():
                    said = f"maximum {name} usage per PersistentVolumeClaim is {bound}"
                    if name not in requests:
                        found.append(f"{said}.  No request is specified")
                    elif quantity_value(requests[name]) > quantity_value(bound):
                        found.append(f"{said}, but request is {requests[name]}")
        _refuse(kinds.PERSISTENT_VOLUME_CLAIMS, claim, found)


def _refuse(resource: Any, plain: Object, found: list[str]) -> None:
    texts = list(dict.fromkeys(found))
    if texts:
        raise forbidden(resource, name_of(plain), texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]")


def _complaints(limit: Object, requests: Amounts, limits: Amounts) -> Iterator[str]:
    yield from _lower(limit, requests, limits)
    yield from _upper(limit, requests, limits)
    for name, bound in section(limit, "maxLimitRequestRatio").items():
        text = _ratio(name, bound, requests, limits)
        if text:
            yield f"{name} max limit to request ratio per {limit['type']} is {bound}, but {text}"


def _lower(limit: Object, requests: Amounts, limits: Amounts) -> Iterator[str]:
    for name, bound in section(limit, "min").items():
        said = f"minimum {name} usage per {limit['type']} is {bound}"
        if name not in requests:
            yield f"{said}.  No request is specified"
        elif quantity_value(requests[name]) < quantity_value(bound):
            yield f"{said}, but request is {requests[name]}"
        elif name in limits and quantity_value(limits[name]) < quantity_value(bound):
            yield f"{said}, but limit is {limits[name]}"


def _upper(limit: Object, requests: Amounts, limits: Amounts) -> Iterator[str]:
    for name, bound in section(limit, "max").items():
        said = f"maximum {name} usage per {limit['type']} is {bound}"
        if name not in limits:
            yield f"{said}.  No limit is specified"
        elif quantity_value(limits[name]) > quantity_value(bound):
            yield f"{said}, but limit is {limits[name]}"
        elif name in requests and quantity_value(requests[name]) > quantity_value(bound):
            yield f"{said}, but request is {requests[name]}"


def _ratio(name: str, bound: str, requests: Amounts, limits: Amounts) -> str:
    """What is wrong with a limit's ratio to its request, "" if nothing is."""
    asked, most = (quantity_value(one.get(name, "0")) for one in (requests, limits))
    if asked == 0:
        return "no request is specified or request is 0"
    if most == 0:
        return "no limit is specified or limit is 0"
    ratio: Decimal = most / asked
    return f"provided ratio is {float(ratio):.6f}" if ratio > quantity_value(bound) else ""
