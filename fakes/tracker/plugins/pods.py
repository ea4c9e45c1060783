"""What the admission plug-ins that are on by default make of pods, besides those that look at accounts and quotas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ctrlkit.errors import Forbidden
from ctrlkit.fakes.tracker.kinds.core.pod_scheduling import merged_tolerations
from ctrlkit.fakes.tracker.kinds.metadata import BASE_MAX, SUFFIX_LENGTH
from ctrlkit.fakes.tracker.kinds.strategy import Object, Plain
from ctrlkit.fakes.tracker.plugins.nodes import NOT_READY, UNREACHABLE
from ctrlkit.fakes.tracker.refusals import forbidden, plain_failure
from ctrlkit.fakes.tracker.schema.quantities import quantity_value
from ctrlkit.model import ObjectKey, kinds

if TYPE_CHECKING:
    from ctrlkit.fakes.tracker.core import Core

_PRIORITY_CLASSES = ("scheduling.k8s.io", "priorityclasses")
_RUNTIME_CLASSES = ("node.k8s.io", "runtimeclasses")
_SYSTEM_CLASSES = {"system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}
"""Priority classes that every server makes itself, and their values."""

_NOT_READY_S = 300
_TAINTS = (NOT_READY, UNREACHABLE)
_TOPOLOGY = ("topology.kubernetes.io/zone", "topology.kubernetes.io/region")


def refuse_overhead(core: Core, pod: Plain, old: Object | None) -> None:
    """Refuse a new pod whose overhead is not that of its runtime class. Errors: Forbidden."""
    if old is None and "overhead" in pod["spec"]:
        runtime = _runtime_class(core, pod)
        if "overhead" not in runtime:
            raise forbidden_pod(
                pod, "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead"
            )


def forbidden_pod(pod: Object, text: str) -> Forbidden:
    """Return the refusal of a pod."""
    return forbidden(kinds.PODS, _given_name(pod["metadata"]), text)


def _given_name(meta: Mapping[str, Any]) -> str:
    """Return what the plug-ins know of a pod's name, which they see before a name is generated."""
    name, base = meta.get("name") or "", meta.get("generateName") or ""
    is_generated = base and name.startswith(base[:BASE_MAX]) and len(name) == len(base[:BASE_MAX]) + SUFFIX_LENGTH
    return base if is_generated else name or base or "Unknown"


def _find(core: Core, identity: tuple[str, str], name: str) -> Mapping[str, Any] | None:
    stored = core.store.collection(identity).find(ObjectKey("", name))
    return stored.plain if stored else None


# ---- priority --------------------------------------------------------------------------------------------------------


def set_priority(core: Core, pod: Plain, old: Object | None) -> None:
    """Set the priority of a new pod by its class, and keep that of a changed one. Errors: Forbidden."""
    spec = pod["spec"]
    if old is not None:
        for name in ("priority", "preemptionPolicy"):
            if name not in spec and name in old["spec"]:
                spec[name] = old["spec"][name]
        return
    found = _priority_class(core, pod)
    if "metadata" in found:
        spec["priorityClassName"] = found["metadata"]["name"]
    priority = found.get("value", 0)
    if spec.get("priority", priority) != priority:
        raise forbidden_pod(
            pod,
            f"the integer value of priority ({spec['priority']}) must not be provided in pod spec; priority admission "
            f"controller computed {priority} from the given PriorityClass name",
        )
    spec["priority"] = priority
    policy = found.get("preemptionPolicy") or "PreemptLowerPriority"
    if spec.get("preemptionPolicy", policy) != policy:
        raise forbidden_pod(
            pod,
            f"the string value of PreemptionPolicy ({spec['preemptionPolicy']}) must not be provided in pod spec; "
            f"priority admission controller computed {policy} from the given PriorityClass name",
        )
    spec["preemptionPolicy"] = policy


def _priority_class(core: Core, pod: Plain) -> Mapping[str, Any]:
    """Return the priority class of a pod, or the default one; {} if there is none."""
    name = pod["spec"].get("priorityClassName")
    if not name:
        every = (stored.plain for stored in core.store.collection(_PRIORITY_CLASSES).within(""))
        defaults = [one for one in every if one.get("globalDefault")]
        return min(defaults, key=lambda one: one.get("value", 0), default={})
    found = _find(core, _PRIORITY_CLASSES, name)
    if found is None and name in _SYSTEM_CLASSES:
        return {"value": _SYSTEM_CLASSES[name]}
    if found is None:
        raise forbidden_pod(pod, f"no PriorityClass with name {name} was found")
    return found


# ---- tolerations -----------------------------------------------------------------------------------------------------


def add_tolerations(_core: Core, pod: Plain, _old: Object | None) -> None:
    """Let a pod stay for a while on a node that is not ready or cannot be reached, unless it says otherwise."""
    spec = pod["spec"]
    tolerations = spec.get("tolerations") or []
    missing = [key for key in _TAINTS if not any(_tolerates(one, key) for one in tolerations)]
    if missing:
        rule = {"operator": "Exists", "effect": "NoExecute", "tolerationSeconds": _NOT_READY_S}
        spec["tolerations"] = [*tolerations, *({"key": key, **rule} for key in missing)]


def _tolerates(toleration: Plain, key: str) -> bool:
    return toleration.get("key") in (None, "", key) and toleration.get("effect") in (None, "", "NoExecute")


# ---- runtime classes and nodes ---------------------------------------------------------------------------------------


def _runtime_class(core: Core, pod: Object) -> Mapping[str, Any]:
    name = pod["spec"].get("runtimeClassName")
    if name is None:
        return {}
    if not name:
        raise plain_failure("resource name may not be empty")
    found = _find(core, _RUNTIME_CLASSES, name)
    if found is None:
        raise forbidden_pod(pod, f'pod rejected: RuntimeClass "{name}" not found')
    return found


def set_overhead(core: Core, pod: Plain, old: Object | None) -> None:
    """Give a new pod what its runtime class says: overhead, node selector, tolerations. Errors: Forbidden."""
    if old is not None or "runtimeClassName" not in pod["spec"]:
        return
    spec, runtime = pod["spec"], _runtime_class(core, pod)
    if "overhead" in runtime:
        fixed = runtime["overhead"].get("podFixed") or {}
        if spec.get("overhead") and _values(spec["overhead"]) != _values(fixed):
            raise forbidden_pod(pod, "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead")
        if fixed:
            spec["overhead"] = dict(fixed)
    scheduling = runtime.get("scheduling") or {}
    selector = dict(spec.get("nodeSelector") or {})
    for key, value in (scheduling.get("nodeSelector") or {}).items():
        if selector.setdefault(key, value) != value:
            raise forbidden_pod(
                pod,
                f"conflict: runtimeClass.scheduling.nodeSelector[{key}] = {value}; pod.spec.nodeSelector[{key}] = "
                f"{selector[key]}",
            )
    if selector:
        spec["nodeSelector"] = selector
    if "scheduling" in runtime:
        spec["tolerations"] = merged_tolerations(spec.get("tolerations") or [], scheduling.get("tolerations") or [])


def _values(amounts: Mapping[str, str]) -> dict[str, Any]:
    return {name: quantity_value(amount) for name, amount in amounts.items()}


def copy_topology(core: Core, pod: Plain, old: Object | None) -> None:
    """Copy the labels of zone and region from the node of a pod that is created on one."""
    if old is None and "nodeName" in pod["spec"]:
        _copy_topology(core, pod, pod["spec"]["nodeName"])


def copy_topology_to_binding(core: Core, binding: Plain, _old: object) -> None:
    """Copy the labels of zone and region from the node that a pod is bound to; the pod gets those of its binding."""
    target = binding["target"]
    if target.get("kind") == "Node":
        _copy_topology(core, binding, target.get("name") or "")


def _copy_topology(core: Core, plain: Plain, node_name: str) -> None:
    node = _find(core, kinds.NODES.identity, node_name)
    labels = (node or {"metadata": {}})["metadata"].get("labels") or {}
    copied = {name: labels[name] for name in _TOPOLOGY if name in labels}
    if copied:
        plain["metadata"]["labels"] = {**(plain["metadata"].get("labels") or {}), **copied}
