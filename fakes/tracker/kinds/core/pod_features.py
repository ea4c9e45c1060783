"""What a server drops of pod specs because its feature is off; whoever wrote it owns it all the same."""

from __future__ import annotations

from collections.abc import Callable

from ctrlkit.fakes.tracker.kinds.core.pod_specs import containers_of
from ctrlkit.fakes.tracker.kinds.strategy import Plain

_PROJECTIONS = ("clusterTrustBundle", "podCertificate")


def drop_disabled(spec: Plain) -> None:
    """Drop fields of a pod spec, in place."""
    spec.pop("schedulingGroup", None)
    for container in (*containers_of(spec), *(spec.get("ephemeralContainers") or ())):
        lifecycle = container.get("lifecycle")
        if lifecycle and lifecycle.pop("stopSignal", None) and not lifecycle:
            del container["lifecycle"]
    for volume in spec.get("volumes") or ():
        for source in (volume.get("projected") or {}).get("sources") or ():
            for name in _PROJECTIONS:
                source.pop(name, None)


def dropping_at(*path: str) -> Callable[[Plain], None]:
    """Return a function that drops fields of the pod spec at a path of an object, if there is one."""

    def drop(plain: Plain) -> None:
        spec: Plain | None = plain
        for name in path:
            spec = spec and spec.get(name)
        if spec:
            drop_disabled(spec)

    return drop


drop_of_template: Callable[[Plain], None] = dropping_at("spec", "template", "spec")
"""Drops what is disabled of the pods of a workload."""
