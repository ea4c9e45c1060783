"""
What is to be done about the containers of a pod next, as a kubelet decides it. Pure.

Init containers run one after another, each to its end; one that is a sidecar (restartPolicy Always) has done its part
once it has started, and goes on running. Then all regular containers run. Ephemeral containers start whenever they are
asked for, and never again. Who runs and should not (a probe has failed, its image was changed) is stopped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from ctrlkit.fakes.cluster.node.restart import RestartPolicy, RestartRules, RuleAction, rules_of
from ctrlkit.fakes.cluster.node.runtime import ContainerState, Exited, Running
from ctrlkit.model import Unstructured


class Role(Enum):
    """The part of a container in its pod; the value is the field of the pod's spec that declares it."""

    INIT = "initContainers"
    SIDECAR = "sidecars"
    REGULAR = "containers"
    EPHEMERAL = "ephemeralContainers"

    @property
    def field(self) -> str:
        """The field of a pod's spec that declares such containers."""
        return "initContainers" if self is Role.SIDECAR else str(self._value_)


class ProbeKind(Enum):
    """The kinds of probes."""

    STARTUP = "startup"
    LIVENESS = "liveness"
    READINESS = "readiness"


@dataclass(frozen=True, slots=True)
class Container:
    """A container as its pod's spec declares it."""

    name: str
    role: Role
    rules: RestartRules
    spec: Mapping[str, Any]

    @property
    def image(self) -> str:
        """The reference of its image."""
        return self.spec.get("image") or ""

    def is_restarted(self, exit_code: int) -> bool:
        """Whether it is started again after it ended with this exit code."""
        match self.role:
            case Role.INIT:
                return exit_code != 0 and self.rules.restarts(exit_code)
            case Role.EPHEMERAL:
                return False
        return self.rules.restarts(exit_code)

    @property
    def field_path(self) -> str:
        """The part of a pod that it is, as Events name it."""
        return f"spec.{self.role.field}{{{self.name}}}"


@dataclass(frozen=True, slots=True)
class Health:
    """
    What the probes of a container have found so far in its present run.

    `started`: its startup probe has passed, or it has none. `ready`: its readiness probe passes, or it has none.
    `failed` is the probe that says it must be restarted.
    """

    started: bool = True
    ready: bool = True
    failed: ProbeKind | None = None


HEALTHY = Health()
"""The health of a container without probes."""


@dataclass(frozen=True, slots=True)
class Seen:
    """
    A container, and what is known of it now.

    `changed`: its image is another one than that it was started with. `resized`: it has to be restarted to get other
    amounts of resources.
    """

    container: Container
    state: ContainerState | None = None
    health: Health = HEALTHY
    changed: bool = False
    resized: bool = False

    @property
    def restarts_all(self) -> bool:
        """Whether it has ended so that all containers of its pod are to start anew."""
        if not isinstance(self.state, Exited):
            return False
        return self.container.rules.action(self.state.exit_code) is RuleAction.RESTART_ALL

    @property
    def runs_on(self) -> bool:
        """Whether it runs, and nothing is to be changed about that."""
        return isinstance(self.state, Running) and not (self.changed or self.resized or self.health.failed)


@dataclass(frozen=True, slots=True)
class Stop:
    """
    A container to stop, what the Event about it says, and the probe that asks for it, if one does.

    `at_once`: it gets no time to end.
    """

    container: Container
    message: str
    probe: ProbeKind | None = None
    at_once: bool = False


@dataclass(slots=True)
class Plan:
    """
    What to do about a pod's containers.

    `start` are those to start, one after another, in this order, each as soon as its back-off is over. One that is also
    in `stop` is started when it has ended. `ends`: no container of the pod runs on or is to run, so the pod is over.
    `restarts_all`: all containers are to start anew, from the first init container on, once those in `stop` have ended.
    """

    start: list[Container] = field(default_factory=list)
    stop: list[Stop] = field(default_factory=list)
    ends: bool = False
    restarts_all: bool = False


def containers_of(pod: Unstructured) -> tuple[Container, ...]:
    """
    Return the containers of a pod: init containers, regular ones and ephemeral ones.

    >>> pod = Unstructured({"spec": {"initContainers": [{"name": "a"}], "containers": [{"name": "b"}]}})
    >>> [(container.name, container.role.name) for container in containers_of(pod)]
    [('a', 'INIT'), ('b', 'REGULAR')]
    """
    spec = pod.get("spec") or {}
    policy = RestartPolicy(spec.get("restartPolicy") or "Always")
    return tuple(_declared(spec, policy))


def _declared(spec: Mapping[str, Any], policy: RestartPolicy) -> Iterator[Container]:
    for container in spec.get("initContainers") or ():
        role = Role.SIDECAR if container.get("restartPolicy") == "Always" else Role.INIT
        yield Container(container["name"], role, rules_of(container, policy), container)
    for container in spec.get("containers") or ():
        yield Container(container["name"], Role.REGULAR, rules_of(container, policy), container)
    for container in spec.get("ephemeralContainers") or ():
        yield Container(container["name"], Role.EPHEMERAL, _NEVER, container)


_NEVER = RestartRules(RestartPolicy.NEVER)


def plan_pod(seen: Sequence[Seen]) -> Plan:
    """Return what to do next about the containers of a pod that is to run."""
    if any(one.restarts_all for one in seen):
        running = [
            one.container for one in seen if isinstance(one.state, Running) and one.container.role is not Role.EPHEMERAL
        ]
        return Plan(stop=[Stop(container, "killing", at_once=True) for container in running], restarts_all=True)
    plan = Plan([one.container for one in seen if one.container.role is Role.EPHEMERAL and one.state is None])
    inits = [one for one in seen if one.container.role in (Role.INIT, Role.SIDECAR)]
    regular = [one for one in seen if one.container.role is Role.REGULAR]
    if inits and not _plan_inits(inits, plan, was_initialized=any(isinstance(one.state, Running) for one in regular)):
        return plan
    runs_on = False
    for one in regular:
        runs_on |= _plan_regular(one, plan)
    if not runs_on and not any(container.role is Role.REGULAR for container in plan.start):
        plan.start = [container for container in plan.start if container.role is Role.EPHEMERAL]
        plan.ends = True
    return plan


def _plan_regular(one: Seen, plan: Plan) -> bool:
    """Plan a regular container; return whether it runs on."""
    container = one.container
    if not isinstance(one.state, Running):
        if one.state is None or container.rules.restarts(one.state.exit_code):
            plan.start.append(container)
        return False
    if one.runs_on:
        return True
    by_probe = one.health.failed is not None and not one.changed
    restarts = not by_probe or container.rules.policy is not RestartPolicy.NEVER
    stop = _stop(one)
    if restarts and (by_probe or one.changed):
        stop = replace(stop, message=f"{stop.message}, will be restarted")
    plan.stop.append(stop)
    if restarts:
        plan.start.append(container)
    return False


def _plan_inits(inits: Sequence[Seen], plan: Plan, *, was_initialized: bool) -> bool:
    """
    Plan the init containers; return whether the pod is initialized.

    The last one that was ever started is the current one. All before it have done their part: of them only sidecars
    are looked after, and so it is with all of them once a regular container runs.
    """
    current = len(inits)
    if not was_initialized:
        current = max((place for place, one in enumerate(inits) if one.state is not None), default=-1)
    for one in inits[:current] if current >= 0 else ():
        if one.container.role is Role.SIDECAR:
            _keep_sidecar(one, plan)
    if was_initialized:
        return True
    if current < 0:
        plan.start.append(inits[0].container)
        return False
    one = inits[current]
    is_done = _is_sidecar_up(one, plan) if one.container.role is Role.SIDECAR else _is_init_done(one, plan)
    if not is_done:
        return False
    if current + 1 < len(inits):
        plan.start.append(inits[current + 1].container)
        return False
    return True


def _is_init_done(one: Seen, plan: Plan) -> bool:
    if not isinstance(one.state, Exited):
        return False
    if one.state.exit_code == 0:
        return True
    if one.container.rules.restarts(one.state.exit_code):
        plan.start.append(one.container)
    else:
        plan.start = [container for container in plan.start if container.role is Role.EPHEMERAL]
        plan.stop = []
        plan.ends = True
    return False


def _is_sidecar_up(one: Seen, plan: Plan) -> bool:
    _keep_sidecar(one, plan)
    return isinstance(one.state, Running) and one.health.started


def _keep_sidecar(one: Seen, plan: Plan) -> None:
    """Have a sidecar run: start it again after any end, and stop it first if it must be."""
    container = one.container
    if one.runs_on:
        return
    if isinstance(one.state, Running):
        plan.stop.append(_stop(one))
    plan.start.append(container)


def _stop(one: Seen) -> Stop:
    """Return why a container that runs is to be stopped."""
    container, failed = one.container, one.health.failed
    whose = "Init container" if container.role is Role.SIDECAR else "Container"
    if one.changed:
        return Stop(container, f"{whose} {container.name} definition changed")
    if failed is not None:
        return Stop(container, f"{whose} {container.name} failed {failed.value} probe", failed)
    return Stop(container, f"Container {container.name} resize requires restart")
