"""A pod's binding to its node."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ctrlkit import clock
from ctrlkit.errors import Conflict
from ctrlkit.fakes.tracker import exchanges
from ctrlkit.fakes.tracker.core import Core
from ctrlkit.fakes.tracker.kinds.strategy import Strategy
from ctrlkit.fakes.tracker.refusals import Cause, bad_request, conflict, plain_failure, storage_error
from ctrlkit.fakes.tracker.store import Stored
from ctrlkit.fakes.tracker.subresources.forms import Form, Plain, read_form
from ctrlkit.model import Action

_BINDING = Form.of("Binding", "v1")
_NODE_KINDS = ("Node", "<empty>")


def bind(core: Core, served: Strategy, action: Action) -> None:
    """
    Bind a pod to a node, once, whether that node exists or not.

    Errors  BadRequest, Conflict; an error without a reason for a target that is none.
    """
    body = read_form(core, _BINDING, served, action)
    meta = body["metadata"]
    if not action.name:
        raise bad_request("Name parameter required.")
    if meta.get("name") != action.name:
        raise bad_request("name in URL does not match name in Binding object")
    causes = [f"{cause.field}: {cause.message}" for cause in _causes(body["target"])]
    if causes:
        raise plain_failure(causes[0] if len(causes) == 1 else f"[{', '.join(causes)}]")
    current = core.get(served, action.key)
    _check_preconditions(served, current, meta)
    problem = _problem(current.plain, action.name)
    if problem:
        raise _not_bound(action.name, problem)
    core.write(served, current.key, _bound(current.plain, body), dry_run=action.options.dry_run)


def _causes(target: Mapping[str, Any]) -> Iterator[Cause]:
    if target.get("kind", "Node") not in _NODE_KINDS[:1]:
        yield Cause.unsupported("target.kind", target["kind"], _NODE_KINDS)
    if not target.get("name"):
        yield Cause.required("target.name")


def _check_preconditions(served: Strategy, current: Stored, meta: Mapping[str, Any]) -> None:
    facts = (
        ("UID", meta.get("uid"), current.metadata["uid"]),
        ("ResourceVersion", meta.get("resourceVersion"), str(current.version)),
    )
    for name, wanted, have in facts:
        if wanted and wanted != have:
            text = f"Precondition failed: {name} in precondition: {wanted}, {name} in object meta: {have}"
            raise conflict(served.resource, current.key.name, storage_error(served.resource, current.key, text))


def _problem(pod: Mapping[str, Any], name: str) -> str:
    """Describe why a pod cannot be bound."""
    spec = pod["spec"]
    if pod["metadata"].get("deletionTimestamp"):
        return f"pod {name} is being deleted, cannot be assigned to a host"
    if spec.get("nodeName"):
        return f'pod {name} is already assigned to node "{spec["nodeName"]}"'
    return f"pod {name} has non-empty .spec.schedulingGates" if spec.get("schedulingGates") else ""


def _not_bound(name: str, problem: str) -> Conflict:
    details = {"name": name, "kind": "pods/binding"}
    return Conflict(f'Operation cannot be fulfilled on pods/binding "{name}": {problem}', details=details)


def _bound(pod: Mapping[str, Any], body: Plain) -> Plain:
    """Return the pod on its node, with the binding's labels and annotations."""
    meta = dict(pod["metadata"])
    for part in ("annotations", "labels"):
        if body["metadata"].get(part):
            meta[part] = {**(meta.get(part) or {}), **body["metadata"][part]}
    status = {name: value for name, value in (pod.get("status") or {}).items() if name != "nominatedNodeName"}
    spec = {**pod["spec"], "nodeName": body["target"]["name"]}
    return {**pod, "metadata": meta, "spec": spec, "status": with_condition(status, "PodScheduled")}


def with_condition(status: Mapping[str, Any], kind: str, **more: str) -> Plain:
    """Return a pod's status with a condition set to True; its time is that of the change to True."""
    conditions = list(status.get("conditions") or ())
    place = next((index for index, one in enumerate(conditions) if one.get("type") == kind), len(conditions))
    before = conditions[place] if place < len(conditions) else {}
    is_same = before.get("status") == "True"
    since = before.get("lastTransitionTime") if is_same else clock.timestamp(exchanges.now())
    made = {"type": kind, "status": "True", "lastProbeTime": None, "lastTransitionTime": since, **more}
    conditions[place:] = [made, *conditions[place + 1 :]]
    return {**status, "conditions": conditions}
