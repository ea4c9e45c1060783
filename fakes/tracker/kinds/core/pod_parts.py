"""The parts of pods that subresources write: ephemeral containers, and the resources of containers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ctrlkit.fakes.tracker.kinds.core.pod_resources import quality_of_service
from ctrlkit.fakes.tracker.kinds.core.pod_specs import pod_spec_causes
from ctrlkit.fakes.tracker.kinds.strategy import Object, Part, Plain
from ctrlkit.fakes.tracker.refusals import Cause

_MIRROR = "kubernetes.io/config.mirror"
_RESIZED = ("cpu", "memory")
_KINDS = ("containers", "initContainers")


# ---- ephemeral containers --------------------------------------------------------------------------------------------


def _with_ephemeral(theirs: Object, old: Object) -> Plain:
    spec = {name: value for name, value in old["spec"].items() if name != "ephemeralContainers"}
    containers = theirs["spec"].get("ephemeralContainers")
    return {**old, "spec": {**spec, **({"ephemeralContainers": containers} if containers else {})}}


def _ephemeral_causes(pod: Object, old: Object) -> Iterator[Cause]:
    """Only additions are allowed; a server adds a diff to the cause of a change, which is left out here."""
    if _is_mirror(old):
        yield Cause.forbidden("[]", "static pods do not support ephemeral containers")
        return
    yield from pod_spec_causes(pod["spec"], "spec", pod["metadata"])
    now = {container["name"]: container for container in pod["spec"].get("ephemeralContainers") or ()}
    for container in old["spec"].get("ephemeralContainers") or ():
        name = container["name"]
        if now.get(name) != container:
            how = "changed" if name in now else "removed"
            text = f'existing ephemeral containers "{name}" may not be {how}\n'
            yield Cause.forbidden("spec.ephemeralContainers", text)


# ---- resize ----------------------------------------------------------------------------------------------------------


def _resized(theirs: Object, old: Object) -> Plain:
    """The stored pod with the resources that were sent; what adds or removes containers is left for the rules."""
    new, had = theirs["spec"], old["spec"]
    if any(len(new.get(kind) or ()) != len(had.get(kind) or ()) for kind in _KINDS):
        return dict(theirs)
    spec = {name: value for name, value in had.items() if name != "resources"}
    if "resources" in new:
        spec["resources"] = new["resources"]
    for kind in _KINDS:
        if kind in had:
            spec[kind] = _with_resources(new[kind], had[kind])
    return {**old, "spec": spec}


def _with_resources(new: list[Plain], old: list[Plain]) -> list[Plain]:
    if any(one["name"] != other["name"] for one, other in zip(new, old, strict=True)):
        return new
    parts = ("resources", "resizePolicy")
    return [
        {name: value for name, value in other.items() if name not in parts}
        | {name: one[name] for name in parts if name in one}
        for one, other in zip(new, old, strict=True)
    ]


def _resize_causes(pod: Object, old: Object) -> Iterator[Cause]:
    if _is_mirror(old):
        yield Cause.forbidden("[]", "static pods cannot be resized")
        return
    spec, had = pod["spec"], old["spec"]
    if (had.get("os") or {}).get("name") == "windows":
        yield Cause.forbidden("[]", "windows pods cannot be resized")
        return
    yield from pod_spec_causes(spec, "spec", pod["metadata"])
    if (old["status"].get("qosClass") or "") != quality_of_service(spec):
        shown = (pod.get("status") or {}).get("qosClass") or ""
        yield Cause.wrong("spec", shown, "Pod QOS Class may not change as a result of resizing")
    if not _resizes(old):
        yield Cause.forbidden("spec", "Pod running on node without support for resize")
    yield from _pod_level_causes(spec, had)
    order = list(_order_causes(spec, had))
    yield from order
    if not order:
        yield from _container_causes(spec, had)


def _resizes(pod: Object) -> bool:
    """Whether the node of a pod can resize it, as far as the first running container shows."""
    statuses = pod["status"].get("containerStatuses") or ()
    running = (one for one in statuses if (one.get("state") or {}).get("running") is not None)
    return next(("resources" in one for one in running), True)


def _pod_level_causes(spec: Object, old: Object) -> Iterator[Cause]:
    had, now = old.get("resources"), spec.get("resources")
    if had and not now:
        yield Cause.forbidden("spec.resources", "pod-level resources cannot be removed")
        return
    for part in ("requests", "limits"):
        if had and _removed(now or {}, had, part):
            yield Cause.forbidden(f"spec.resources.{part}", f"pod-level resource {part} cannot be removed")
    if _unresizable(now or {}, had or {}) != _unresizable(had or {}, had or {}):
        yield Cause.forbidden("spec", "only cpu and memory resources are mutable at pod-level")


def _order_causes(spec: Object, old: Object) -> Iterator[Cause]:
    for kind in _KINDS:
        new, had = spec.get(kind) or (), old.get(kind) or ()
        if len(new) != len(had):
            yield Cause.forbidden(f"spec.{kind}", f"{kind} may not be added or removed on resize")
            continue
        for index, (one, other) in enumerate(zip(new, had, strict=True)):
            if one["name"] != other["name"]:
                text = f"{kind} may not be renamed or reordered on resize"
                yield Cause.forbidden(f"spec.{kind}[{index}].name", text)


def _container_causes(spec: Object, old: Object) -> Iterator[Cause]:
    """Check the resources of containers that are those of the stored pod, in its order."""
    for kind in reversed(_KINDS):
        for index, (one, other) in enumerate(zip(spec.get(kind) or (), old.get(kind) or (), strict=True)):
            for part in ("requests", "limits"):
                if _removed(one["resources"], other["resources"], part):
                    path = f"spec.{kind}[{index}].resources.{part}"
                    yield Cause.forbidden(path, f"resource {part} cannot be removed")
    for one, other in zip(spec["containers"], old["containers"], strict=True):
        if _fixed(one, other) != _fixed(other, other):
            yield Cause.forbidden("spec", "only cpu and memory resources are mutable")
    for index, (one, other) in enumerate(zip(spec.get(_KINDS[1]) or (), old.get(_KINDS[1]) or (), strict=True)):
        yield from _init_causes(one, other, f"spec.initContainers[{index}]")


def _init_causes(one: Object, other: Object, path: str) -> Iterator[Cause]:
    if _fixed(one, other) != _fixed(other, other):
        yield Cause.forbidden(path, "only cpu and memory resources for init or sidecar containers are mutable")
    is_sidecar = one.get("restartPolicy") == "Always"
    restarts = any(rule.get("restartPolicy") == "RestartContainer" for rule in one.get("resizePolicy") or ())
    if one != other and restarts and not is_sidecar:
        text = "non-sidecar init containers with a resize policy of RestartContainer cannot be resized"
        yield Cause.forbidden(path, text)


def _removed(new: Object, old: Object, part: str) -> bool:
    return bool((old.get(part) or {}).keys() - (new.get(part) or {}).keys())


def _unresizable(resources: Object, old: Object) -> dict[str, Any]:
    """The resources with the CPU and memory of `old`, and without claims that need no look."""
    return {
        part: {name: value for name, value in (resources.get(part) or {}).items() if name not in _RESIZED}
        | {name: value for name, value in (old.get(part) or {}).items() if name in _RESIZED}
        for part in ("requests", "limits")
    }


def _fixed(container: Object, old: Object) -> Mapping[str, Any]:
    """The part of a container that a resize must not change."""
    rest = {name: value for name, value in container.items() if name != "resources"}
    return rest | {"resources": _unresizable(container["resources"], old["resources"])}


def _is_mirror(pod: Object) -> bool:
    return _MIRROR in (pod["metadata"].get("annotations") or {})


POD_PARTS: Mapping[str, Part] = {
    "ephemeralcontainers": Part(_with_ephemeral, _ephemeral_causes),
    "resize": Part(_resized, _resize_causes),
}
