"""
The kubelets of the nodes that are played here: run the containers of the pods that are bound to them in a Runtime.

One loop does it for all nodes. It watches pods, and the runtime wakes a pod's key when one of its containers ends. It
writes each pod's status, and deletes a terminating pod for good once its containers have ended. It keeps the history of
each container; a new kubelet starts the containers of its pods again and counts that as a restart. A node that is lost
takes its containers with it, and nothing is said of its pods until it has booted again.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from ctrlkit import clock
from ctrlkit.cache import Change, Lister
from ctrlkit.client import Client
from ctrlkit.controller import (
    DONE,
    Controller,
    Outcome,
    Request,
    RequeueAfter,
    Watch,
    to_self,
)
from ctrlkit.errors import Conflict, NotFound
from ctrlkit.events import EventRecorder, EventType
from ctrlkit.fakes.cluster.node.declarations import NODE, Node
from ctrlkit.fakes.cluster.node.environment import SourceKind, references, resolve_environment
from ctrlkit.fakes.cluster.node.fleet import Fleet
from ctrlkit.fakes.cluster.node.pod_status import ContainerView, Waiting, differs, pod_status, restart_policy
from ctrlkit.fakes.cluster.node.probes import Probe, Readiness, read_probe
from ctrlkit.fakes.cluster.node.restart import CrashBackoff
from ctrlkit.fakes.cluster.node.runtime import ContainerId, ContainerRefused, ContainerSpec, Exited, Running, Runtime
from ctrlkit.manager import Manager
from ctrlkit.model import MergePatch, ObjectKey, Unstructured
from ctrlkit.model.kinds import CONFIG_MAPS, PODS, SECRETS

_WORKERS = 32
_FINAL_PHASES = ("Succeeded", "Failed")


@dataclass(slots=True)
class _History:
    """The history of one container."""

    starts: int = 0
    crashes: int = 0
    refusals: int = 0
    waiting: Waiting | None = None
    start_at: float = 0.0
    ended: Exited | None = None
    ended_start: int = 0
    readiness: Readiness = field(default_factory=lambda: Readiness(due_at=0.0))


@dataclass(slots=True)
class _Pod:
    uid: str
    node: str
    host: str
    address: str
    histories: dict[str, _History]
    ending: bool = False
    gone_at: float = 0.0
    """When it has been stopped, on the loop's clock; 0 until its containers have ended."""


@dataclass(slots=True)
class Kubelet:
    """
    Reconciles the pods that are bound to the nodes of a fleet. The runtime belongs to whoever entered it.

    `stop_s` is how long it takes at least to stop a pod, as on machines where that is never done at once.
    """

    client: Client
    pods: Lister[Unstructured]
    fleet: Fleet
    runtime: Runtime
    recorder: EventRecorder
    backoff: CrashBackoff
    stop_s: float = 0.0
    _known: dict[ObjectKey, _Pod] = field(default_factory=dict, init=False)

    def key_to_wake(self, container: ContainerId) -> ObjectKey | None:
        """Map a container that ended to its pod; None if the pod is forgotten."""
        return next((key for key, known in self._known.items() if known.uid == container.pod_uid), None)

    async def reconcile(self, request: Request) -> Outcome:
        """Start, probe, restart or stop the containers of a pod, and write its status."""
        pod = self.pods.find(request.key)
        uid = pod.at("metadata.uid") if pod is not None else ""
        known = self._known.get(request.key)
        if known is not None and (known.uid != uid or not self.fleet.works(known.node)):
            await self._forget(request.key, known)
        if pod is None or not self.fleet.works(pod.at("spec.nodeName") or ""):
            return DONE
        if pod.at("metadata.deletionTimestamp"):
            return await self._end(pod)
        if pod.at("status.phase") in _FINAL_PHASES:
            return DONE
        return await self._run(pod)

    async def _run(self, pod: Unstructured) -> Outcome:
        known = self._known.get(pod.key)
        if known is None:
            known = self._known[pod.key] = self._first_seen(pod)
        due = [await self._advance(pod, known, container) for container in _containers(pod)]
        await self._write_status(pod, known)
        next_s = min((moment for moment in due if moment is not None), default=None)
        return DONE if next_s is None else RequeueAfter(max(next_s - clock.monotonic(), 0.001))

    def _first_seen(self, pod: Unstructured) -> _Pod:
        uid, member = pod.at("metadata.uid"), self.fleet.find(pod.at("spec.nodeName"))
        assert member is not None  # its kubelet works
        histories = {container["name"]: _first_history(pod, container["name"]) for container in _containers(pod)}
        return _Pod(uid, member.node.name, member.address, self.runtime.open_sandbox(uid), histories)

    async def _advance(self, pod: Unstructured, known: _Pod, container: Mapping[str, Any]) -> float | None:
        """Take the next step for one container; returns when to look again, on the loop's clock."""
        history, container_id = known.histories[container["name"]], ContainerId(known.uid, container["name"])
        state = self.runtime.state(container_id)
        if isinstance(state, Exited) and state is not history.ended:
            self._note_end(pod, history, container["name"], state)
        if not isinstance(state, Running):
            if isinstance(state, Exited) and not restart_policy(pod).restarts(state.exit_code):
                return None
            if clock.monotonic() < history.start_at:
                return history.start_at
            await self._start(pod, known, container, history)
            if not self.fleet.works(known.node):
                return None
            if history.waiting is not None:
                return history.start_at
        return await self._probe(pod, container_id, read_probe(container), history)

    def _note_end(self, pod: Unstructured, history: _History, name: str, ended: Exited) -> None:
        ran_s = (ended.finished_at - ended.started_at).total_seconds()
        history.ended, history.ended_start = ended, history.starts
        history.crashes = self.backoff.count(history.crashes, ran_s=ran_s)
        delay_s = self.backoff.delay_s(history.crashes)
        history.start_at = clock.monotonic() + delay_s
        if not restart_policy(pod).restarts(ended.exit_code):
            return
        whole = f"{pod.key.name}_{pod.key.namespace}({pod.metadata.uid})"
        text = f"back-off {delay_s:g}s restarting failed container={name} pod={whole}"
        history.waiting = Waiting("CrashLoopBackOff", text)
        if delay_s:
            told = f"Back-off restarting failed container {name} in pod {whole}"
            self.recorder.event(pod.metadata, PODS, EventType.WARNING, "BackOff", told)

    async def _start(self, pod: Unstructured, known: _Pod, container: Mapping[str, Any], history: _History) -> None:
        try:
            spec = await self._spec(pod, known, container)
            if not self.fleet.works(known.node):
                return
            await self.runtime.start(spec)
        except ContainerRefused as refusal:
            history.refusals += 1
            history.start_at = clock.monotonic() + self.backoff.delay_s(history.refusals + 1)
            history.waiting = Waiting(refusal.reason, refusal.message)
            self.recorder.event(pod.metadata, PODS, EventType.WARNING, "Failed", str(refusal))
            return
        history.waiting, history.refusals = None, 0
        history.starts += 1
        probe = read_probe(container)
        due_at = clock.monotonic() + (probe.initial_delay_s if probe else 0.0)
        history.readiness = Readiness(due_at, ready=probe is None)
        self.recorder.event(pod.metadata, PODS, EventType.NORMAL, "Started", f"Started container {container['name']}")

    async def _spec(self, pod: Unstructured, known: _Pod, container: Mapping[str, Any]) -> ContainerSpec:
        namespace = pod.key.namespace
        found: dict[tuple[SourceKind, str], Unstructured] = {}
        for kind, name in references(container):
            resource = SECRETS if kind is SourceKind.SECRET else CONFIG_MAPS
            with suppress(NotFound):
                found[kind, name] = await self.client.get(resource, ObjectKey(namespace, name))
        environment = resolve_environment(
            container, look_up=lambda kind, name: found.get((kind, name)), pod_fields=_fields(pod, known)
        )
        return ContainerSpec(
            id=ContainerId(known.uid, container["name"]),
            image=container.get("image") or "",
            command=environment.expand(container.get("command") or ()),
            args=environment.expand(container.get("args") or ()),
            environment=environment.variables,
            secrets=environment.secrets,
        )

    async def _probe(
        self, pod: Unstructured, container: ContainerId, probe: Probe | None, history: _History
    ) -> float | None:
        if probe is None:
            return None
        if clock.monotonic() >= history.readiness.due_at:
            result = await self.runtime.probe(container, probe.action, timeout_s=probe.timeout_s)
            history.readiness = history.readiness.after(probe, held=result.ok, now=clock.monotonic())
            if not result.ok:
                text = f"Readiness probe failed: {result.output}"
                self.recorder.event(pod.metadata, PODS, EventType.WARNING, "Unhealthy", text)
        return history.readiness.due_at

    async def _write_status(self, pod: Unstructured, known: _Pod) -> None:
        views = [self._view(known, container) for container in _containers(pod)]
        status = pod_status(pod, views, address=known.address, host=known.host, now=clock.now())
        if differs(pod.get("status") or {}, status) and self.fleet.works(known.node):
            patch = MergePatch({"metadata": {"uid": known.uid}, "status": status})
            with suppress(NotFound):
                await self.client.patch(PODS, pod.key, patch, subresource="status")

    def _view(self, known: _Pod, container: Mapping[str, Any]) -> ContainerView:
        name = container["name"]
        history, state = known.histories[name], self.runtime.state(ContainerId(known.uid, name))
        running = isinstance(state, Running)
        waiting = history.waiting or (None if state else Waiting("ContainerCreating"))
        shown = state if running or waiting is None else waiting
        assert shown is not None  # without a state there is a reason to wait
        return ContainerView(
            name=name,
            image=container.get("image") or "",
            id=_run_id(known.uid, name, history.starts),
            state=shown,
            last=history.ended if shown is not history.ended else None,
            last_id=_run_id(known.uid, name, history.ended_start),
            ready=running and history.readiness.ready,
            restarts=max(history.starts - 1, 0),
        )

    async def _end(self, pod: Unstructured) -> Outcome:
        """Stop the containers within their grace period, then delete the pod for good."""
        uid, grace_s = pod.at("metadata.uid"), float(pod.at("metadata.deletionGracePeriodSeconds") or 0)
        known = self._known.get(pod.key)
        if known is not None:
            if not known.ending:
                known.ending = True
                known.gone_at = clock.monotonic() + self.stop_s
            containers = [ContainerId(uid, container["name"]) for container in _containers(pod)]
            for container in containers:
                self.runtime.stop(container, grace_s=grace_s)
            if any(isinstance(self.runtime.state(container), Running) for container in containers):
                return DONE  # the last of them that ends wakes this pod
            if clock.monotonic() < known.gone_at:
                return RequeueAfter(known.gone_at - clock.monotonic())
            if not self.fleet.works(known.node):
                return DONE
            await self._forget(pod.key, known)
        with suppress(NotFound, Conflict):
            await self.client.delete(PODS, pod.key, grace_period_s=0, uid=uid)
        return DONE

    def keys_of(self, node: str) -> list[ObjectKey]:
        """Return the pods that are bound to a node."""
        return [pod.key for pod in self.pods.list() if pod.at("spec.nodeName") == node]

    async def _forget(self, key: ObjectKey, known: _Pod) -> None:
        del self._known[key]  # nobody is woken by the end of its containers
        await self.runtime.close_sandbox(known.uid)


def add_kubelet(
    manager: Manager,
    runtime: Runtime,
    *,
    backoff: CrashBackoff,
    fleet: Fleet | None = None,
    stop_s: float = 0.0,
) -> None:
    """Add the kubelets of a fleet to a manager; without one there is that of the only node."""
    pods = manager.informer(PODS)
    fleet, recorder = fleet or Fleet([Node(NODE)]), manager.recorder("kubelet")
    kubelet = Kubelet(manager.client, pods.lister, fleet, runtime, recorder, backoff, stop_s)
    controller = Controller(
        name="kubelet",
        reconcile=kubelet.reconcile,
        watches=[Watch(pods, to_self, predicate=_concerns_a_node)],
        workers=_WORKERS,
    )

    def wake(container: ContainerId) -> None:
        key = kubelet.key_to_wake(container)
        if key is not None:
            controller.wake(key)

    def wake_all(node: str) -> None:
        for key in kubelet.keys_of(node):
            controller.wake(key)

    runtime.on_exit(wake)
    fleet.on_change(wake_all)
    manager.add(controller)


def _concerns_a_node(change: Change[Unstructured]) -> bool:
    """Whether a pod is bound, or gone; before that it is the scheduler's."""
    return change.new is None or bool(change.new.value.at("spec.nodeName"))


def _containers(pod: Unstructured) -> list[dict[str, Any]]:
    return pod.at("spec.containers") or []


def _run_id(uid: str, name: str, start: int) -> str:
    """Return the container ID of one run of a container."""
    return f"process://{uid}/{name}/{start}" if start else ""


def _first_history(pod: Unstructured, name: str) -> _History:
    """Read what an earlier kubelet wrote about a container, to continue its restart count."""
    for status in pod.at("status.containerStatuses") or ():
        if status.get("name") == name and status.get("containerID"):
            return _History(starts=int(status.get("restartCount") or 0) + 1)
    return _History()


def _fields(pod: Unstructured, known: _Pod) -> dict[str, str]:
    labels, annotations = (pod.at(f"metadata.{name}") or {} for name in ("labels", "annotations"))
    return {
        **{f"metadata.labels['{key}']": text for key, text in labels.items()},
        **{f"metadata.annotations['{key}']": text for key, text in annotations.items()},
        "metadata.name": pod.key.name,
        "metadata.namespace": pod.key.namespace,
        "metadata.uid": pod.at("metadata.uid"),
        "spec.nodeName": known.node,
        "status.podIP": known.address,
        "status.hostIP": known.host,
    }
