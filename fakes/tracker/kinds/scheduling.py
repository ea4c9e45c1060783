"""PriorityClasses and RuntimeClasses: classes that pods name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from ctrlkit.fakes.tracker.kinds.core.pod_resources import resource_causes
from ctrlkit.fakes.tracker.kinds.core.pod_scheduling import toleration_causes
from ctrlkit.fakes.tracker.kinds.metadata import label_causes
from ctrlkit.fakes.tracker.kinds.strategy import Object, Plain, Strategy
from ctrlkit.fakes.tracker.kinds.tables import age_of, name_of
from ctrlkit.fakes.tracker.refusals import Cause, struct_text
from ctrlkit.fakes.tracker.schema import formats

_HIGHEST = 1_000_000_000
_SYSTEM: Mapping[str, int] = {
    "system-cluster-critical": 2 * _HIGHEST,
    "system-node-critical": 2 * _HIGHEST + 1000,
}
"""The values of the classes that the server makes itself."""

_POLICIES = ("PreemptLowerPriority", "Never")


def _fill_in(priority_class: Plain) -> None:
    if priority_class.get("preemptionPolicy") is None:
        priority_class["preemptionPolicy"] = "PreemptLowerPriority"


def _causes(priority_class: Object, old: Object | None) -> Iterator[Cause]:
    name, value, policy = (
        priority_class["metadata"].get("name", ""),
        priority_class["value"],
        priority_class["preemptionPolicy"],
    )
    if old is not None:
        if value != old["value"]:
            yield Cause.forbidden("value", "may not be changed in an update.")
        yield from Cause.changed("preemptionPolicy", policy, old.get("preemptionPolicy"))
        return
    if name.startswith("system-"):
        problem = _system_problem(name, value, is_default=bool(priority_class.get("globalDefault")))
        if problem:
            text = f"priority class names with 'system-' prefix are reserved for system use only. error: {problem}"
            yield Cause.forbidden("metadata.name", text)
    elif value > _HIGHEST:
        yield Cause.forbidden("value", f"maximum allowed value of a user defined priority is {_HIGHEST}")
    if policy not in _POLICIES:
        yield Cause.unsupported("preemptionPolicy", policy, _POLICIES)


def _system_problem(name: str, value: int, *, is_default: bool) -> str:
    if name not in _SYSTEM:
        return f"{name} is not a known system priority class"
    if value != _SYSTEM[name]:
        return f"value of {name} PriorityClass must be {_SYSTEM[name]}"
    return f"globalDefault of {name} PriorityClass must be false" if is_default else ""


def _cells(priority_class: Object, now: datetime) -> list[Any]:
    return [
        name_of(priority_class),
        priority_class.get("value", 0),
        bool(priority_class.get("globalDefault")),
        age_of(priority_class, now),
        priority_class.get("preemptionPolicy") or "PreemptLowerPriority",
    ]


PRIORITY_CLASSES = Strategy(generation=True, counted=lambda _: None, defaults=_fill_in, validate=_causes, cells=_cells)


# ---- RuntimeClass ---------------------------------------------------------------------------------------------------


def _runtime_causes(runtime_class: Object, old: Object | None) -> Iterator[Cause]:
    yield from _content_causes(runtime_class)
    if old is not None:
        yield from Cause.changed("handler", runtime_class["handler"], old["handler"])


def _content_causes(runtime_class: Object) -> Iterator[Cause]:
    handler = runtime_class["handler"]
    if handler:
        yield from Cause.all_wrong("handler", handler, formats.dns_label(handler))
    else:
        yield Cause.required("handler")
    overhead = (runtime_class.get("overhead") or {}).get("podFixed")
    if overhead:
        yield from resource_causes({"limits": overhead}, "overhead", ())
    scheduling = runtime_class.get("scheduling") or {}
    yield from label_causes(scheduling.get("nodeSelector"), "scheduling.nodeSelector")
    tolerations = scheduling.get("tolerations") or ()
    yield from toleration_causes(tolerations, "scheduling.tolerations")
    seen: set[tuple[str, ...]] = set()
    for index, one in enumerate(tolerations):
        key = tuple(one.get(name, "") for name in ("key", "operator", "value", "effect"))
        if key in seen:
            shown = struct_text(
                {
                    **{name.capitalize(): one.get(name, "") for name in ("key", "operator", "value", "effect")},
                    "TolerationSeconds": one.get("tolerationSeconds"),
                }
            )
            path = f"scheduling.tolerations[{index}]"
            yield Cause(path, "FieldValueDuplicate", f"Duplicate value: {shown}")
        seen.add(key)


def _runtime_cells(runtime_class: Object, now: datetime) -> list[Any]:
    return [name_of(runtime_class), runtime_class.get("handler", ""), age_of(runtime_class, now)]


RUNTIME_CLASSES = Strategy(blind_updates=False, creates_on_update=True, validate=_runtime_causes, cells=_runtime_cells)
