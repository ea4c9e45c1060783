"""StorageClasses and VolumeAttributesClasses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from ctrlkit.fakes.tracker.kinds.strategy import Object, Plain, Strategy
from ctrlkit.fakes.tracker.kinds.tables import age_of, name_of, section
from ctrlkit.fakes.tracker.refusals import Cause
from ctrlkit.fakes.tracker.schema import formats

DEFAULT_ANNOTATIONS = (
    "storageclass.kubernetes.io/is-default-class",
    "storageclass.beta.kubernetes.io/is-default-class",
)
_RECLAIM_POLICIES = ("Delete", "Retain")
_BINDING_MODES = ("Immediate", "WaitForFirstConsumer")
_PARAMETERS_MAX = 512
_PARAMETER_BYTES_MAX = 256 * 1024
_FIXED = ("parameters", "provisioner", "reclaimPolicy", "volumeBindingMode")


def is_default(storage_class: Object) -> bool:
    """Whether claims that name no class get this one."""
    annotations = section(section(storage_class, "metadata"), "annotations")
    return any(annotations.get(name) == "true" for name in DEFAULT_ANNOTATIONS)


def default_of(classes: Iterable[Object]) -> str:
    """
    Return the name of the class that claims get if they name none: the newest default one, "" if there is none.

    >>> default_of([{"metadata": {"name": "slow"}}])
    ''
    """
    found = [one["metadata"] for one in classes if is_default(one)]
    newest = max((metadata["creationTimestamp"] for metadata in found), default="")
    return min((metadata["name"] for metadata in found if metadata["creationTimestamp"] == newest), default="")


def _fill_in(storage_class: Plain) -> None:
    if storage_class.get("reclaimPolicy") is None:
        storage_class["reclaimPolicy"] = "Delete"
    if storage_class.get("volumeBindingMode") is None:
        storage_class["volumeBindingMode"] = "Immediate"


def _causes(storage_class: Object, old: Object | None) -> Iterator[Cause]:
    yield from _driver_causes(storage_class["provisioner"], "provisioner")
    yield from _parameter_causes(storage_class.get("parameters") or {})
    policy, mode = storage_class["reclaimPolicy"], storage_class["volumeBindingMode"]
    if policy and policy not in _RECLAIM_POLICIES:
        yield Cause.unsupported("reclaimPolicy", policy, _RECLAIM_POLICIES)
    if mode not in _BINDING_MODES:
        yield Cause.unsupported("volumeBindingMode", mode, _BINDING_MODES)
    yield from _topology_causes(storage_class.get("allowedTopologies") or ())
    for name in _FIXED if old is not None else ():
        yield from Cause.changed(name, storage_class.get(name), (old or {}).get(name))


def _driver_causes(name: str, path: str) -> Iterator[Cause]:
    if name:
        yield from Cause.all_wrong(path, name.lower(), formats.label_key(name.lower()))
    else:
        yield Cause.required(path)


def _parameter_causes(parameters: Mapping[str, str]) -> Iterator[Cause]:
    if len(parameters) > _PARAMETERS_MAX:
        yield Cause.too_long("parameters", _PARAMETERS_MAX)
        return
    if "" in parameters:
        yield Cause.wrong("parameters", "", "field can not be empty.")
    if sum(len(name.encode()) + len(value.encode()) for name, value in parameters.items()) > _PARAMETER_BYTES_MAX:
        yield Cause.too_long("parameters", _PARAMETER_BYTES_MAX)


def _topology_causes(terms: Sequence[Object]) -> Iterator[Cause]:
    seen: list[Mapping[str, frozenset[str]]] = [{} for _ in terms]  # a server takes an empty term for a double of all
    for index, term in enumerate(terms):
        path = f"allowedTopologies[{index}]"
        expressions = term.get("matchLabelExpressions") or ()
        known: dict[str, frozenset[str]] = {}
        for place, expression in enumerate(expressions):
            here = f"{path}.matchLabelExpressions[{place}]"
            yield from _expression_causes(expression, here)
            if expression["key"] in known:
                yield Cause.duplicate(f"{here}.key", expression["key"])
            known[expression["key"]] = frozenset(expression.get("values") or ())
        yield from [Cause.duplicate(f"{path}.matchLabelExpressions", "")] * seen.count(known)
        seen.append(known)


def _expression_causes(expression: Object, path: str) -> Iterator[Cause]:
    values = expression.get("values") or ()
    if not values:
        yield Cause.required(f"{path}.values")
    for index, value in enumerate(values):
        if value in values[:index]:
            yield Cause.duplicate(f"{path}.values[{index}]", value)
    yield from Cause.all_wrong(f"{path}.key", expression["key"], formats.label_key(expression["key"]))


def _cells(storage_class: Object, now: datetime) -> list[Any]:
    return [
        name_of(storage_class) + (" (default)" if is_default(storage_class) else ""),
        storage_class.get("provisioner", ""),
        storage_class.get("reclaimPolicy") or "Delete",
        storage_class.get("volumeBindingMode") or "Immediate",
        bool(storage_class.get("allowVolumeExpansion")),
        age_of(storage_class, now),
    ]


STORAGE_CLASSES = Strategy(defaults=_fill_in, validate=_causes, cells=_cells, deleted_is_shown=True)


def _attributes_causes(attributes_class: Object, old: Object | None) -> Iterator[Cause]:
    driver, parameters = attributes_class["driverName"], attributes_class.get("parameters") or {}
    if old is not None:
        if driver != old["driverName"]:
            yield Cause.forbidden("driverName", "updates to driverName are forbidden.")
        if parameters != (old.get("parameters") or {}):
            yield Cause.forbidden("parameters", "updates to parameters are forbidden.")
    yield from _driver_causes(driver, "driverName")
    yield from _parameter_causes(parameters)
    if not parameters:
        yield Cause.required("parameters", "must contain at least one key/value pair")


def _attributes_cells(attributes_class: Object, now: datetime) -> list[Any]:
    return [name_of(attributes_class), attributes_class.get("driverName", ""), age_of(attributes_class, now)]


VOLUME_ATTRIBUTES_CLASSES = Strategy(
    validate=_attributes_causes, cells=_attributes_cells, set_by_server=("metadata.finalizers",), deleted_is_shown=True
)
