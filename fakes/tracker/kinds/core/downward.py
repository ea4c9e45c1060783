"""References of a pod to its own fields and resources, in variables and in files."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from ctrlkit.fakes.tracker.kinds.strategy import Object, Plain
from ctrlkit.fakes.tracker.refusals import Cause
from ctrlkit.fakes.tracker.schema import formats
from ctrlkit.fakes.tracker.schema.quantities import quantity_value

_KNOWN = frozenset(
    (
        *(f"metadata.{name}" for name in ("annotations", "labels", "name", "namespace", "uid")),
        *(f"spec.{name}" for name in ("nodeName", "restartPolicy", "serviceAccountName", "schedulerName")),
        *(f"status.{name}" for name in ("phase", "hostIP", "hostIPs", "podIP", "podIPs")),
    )
)
_RESOURCES = tuple(
    f"{part}.{name}" for part in ("limits", "requests") for name in ("cpu", "ephemeral-storage", "memory")
)
_HUGE_PAGES = ("limits.hugepages-", "requests.hugepages-")
_SIZES = ("1", *(f"1{suffix}" for suffix in ("k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")))
_SIZES_TEXT = f"only divisor's values {', '.join(_SIZES)} are supported with the"


def fill_in_reference(item: Plain) -> None:
    """Fill in the defaults of what may refer to a field or a resource."""
    if "fieldRef" in item:
        item["fieldRef"].setdefault("apiVersion", "v1")
    if "resourceFieldRef" in item:
        item["resourceFieldRef"].setdefault("divisor", "0")


def reference_causes(reference: Object, supported: Collection[str], path: str) -> Iterator[Cause]:
    """Yield a cause for each rule that a fieldRef breaks; `supported` are the fields it may name, sorted."""
    field, version = reference.get("fieldPath") or "", reference["apiVersion"]
    if not field:
        yield Cause.required(f"{path}.fieldPath")
        return
    subscripted = re.fullmatch(r"(.+?)\['(.*)'\]", field, re.DOTALL)
    problem = _problem(version, field, subscripted[1] if subscripted else None)
    if problem:
        yield Cause.wrong(f"{path}.fieldPath", field, f"error converting fieldPath: {problem}")
    elif subscripted:
        key = subscripted[2]
        key = key.lower() if subscripted[1] == "metadata.annotations" else key
        yield from Cause.all_wrong(path, key, formats.label_key(key))
    elif (field := "spec.nodeName" if field == "spec.host" else field) not in supported:
        yield Cause.unsupported(f"{path}.fieldPath", field, supported)


def _problem(version: str, field: str, subscripted: str | None) -> str:
    if version != "v1":
        return f"unsupported pod version: {version}"
    if subscripted is not None:
        is_map = subscripted in ("metadata.annotations", "metadata.labels")
        return "" if is_map else f"field label does not support subscript: {field}"
    return "" if field in _KNOWN or field == "spec.host" else f"field label not supported: {field}"


def resource_reference_causes(reference: Object, path: str, *, needs_container: bool) -> Iterator[Cause]:
    """Yield a cause for each rule that a resourceFieldRef breaks."""
    name = reference.get("resource") or ""
    if needs_container and not reference.get("containerName"):
        yield Cause.required(f"{path}.containerName")
    elif not name:
        yield Cause.required(f"{path}.resource")
    elif name not in _RESOURCES and not name.startswith(_HUGE_PAGES):
        yield Cause.unsupported(f"{path}.resource", name, _RESOURCES)
    divisor = reference.get("divisor") or "0"
    if quantity_value(divisor) != 0:
        yield from _divisor_causes(name, divisor, f"{path}.divisor")


def _divisor_causes(name: str, divisor: str, path: str) -> Iterator[Cause]:
    if name in ("limits.cpu", "requests.cpu"):
        if divisor not in ("1m", "1"):
            yield Cause.wrong(path, name, "only divisor's values 1m and 1 are supported with the cpu resource")
        return
    resource = "local ephemeral storage" if name.endswith(".ephemeral-storage") else name.partition(".")[2]
    resource = "hugepages" if name.startswith(_HUGE_PAGES) else resource
    if (name in _RESOURCES or name.startswith(_HUGE_PAGES)) and divisor not in _SIZES:
        yield Cause.wrong(path, name, f"{_SIZES_TEXT} {resource} resource")
