"""
Startup, liveness and readiness probes: how they are read, when they are due, and what their results mean. Pure.

A probe is due `initialDelaySeconds` after its container has started, and then each period, to the moment: there is no
jitter, and a test can say "not ready after 9 s, ready after 10 s". Without an initial delay a container is asked at
once whether it is ready, and after a period whether it has started or lives. Liveness and readiness wait until the
startup probe has passed. A container is then asked at once whether it is ready, and whether it lives at the next moment
of that probe.

A restart gives the container the verdicts of a new one. How often the last result came in a row is counted on, as a
kubelet does, so that one more failure can be enough for a container that failed before it crashed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, TypeAlias

from ctrlkit.fakes.cluster.node.environment import Environment
from ctrlkit.fakes.cluster.node.pod_plan import Health, ProbeKind
from ctrlkit.fakes.cluster.node.runtime import Exec, Grpc, HttpGet, ProbeAction, TcpSocket

_PORT_MAX = 65535


class Verdict(Enum):
    """What probes of one kind have shown of a container so far."""

    SUCCESS = "success"
    FAILURE = "failure"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Impossible:
    """What cannot be asked, such as a port by a name that no port has."""

    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A probe with its times in seconds and its thresholds; the defaults are those of Kubernetes."""

    kind: ProbeKind
    action: ProbeAction | Impossible
    initial_delay_s: float = 0.0
    period_s: float = 10.0
    timeout_s: float = 1.0
    success_threshold: int = 1
    failure_threshold: int = 3


Probes: TypeAlias = "Mapping[ProbeKind, Probe]"
"""The probes of a container by their kind."""


# ---- reading ---------------------------------------------------------------------------------------------------------


def read_probes(container: Mapping[str, Any]) -> dict[ProbeKind, Probe]:
    """
    Read the probes of a container.

    >>> found = read_probes({"readinessProbe": {"tcpSocket": {"port": 80}, "periodSeconds": 5}})
    >>> found[ProbeKind.READINESS].action, found[ProbeKind.READINESS].period_s
    (TcpSocket(port=80, host=''), 5.0)

    Shape   A port may be the name of a port of the container. Commands are expanded by variables that the container's
            spec gives a value; those that come from elsewhere are empty.
    """
    specs = ((kind, container.get(f"{kind.value}Probe")) for kind in ProbeKind)
    return {kind: _read(kind, container, spec) for kind, spec in specs if spec}


def _read(kind: ProbeKind, container: Mapping[str, Any], spec: Mapping[str, Any]) -> Probe:
    return Probe(
        kind=kind,
        action=read_action(container, spec),
        initial_delay_s=float(spec.get("initialDelaySeconds") or 0),
        period_s=float(spec.get("periodSeconds") or 10),
        timeout_s=float(spec.get("timeoutSeconds") or 1),
        success_threshold=int(spec.get("successThreshold") or 1),
        failure_threshold=int(spec.get("failureThreshold") or 3),
    )


def grace_of(container: Mapping[str, Any], kind: ProbeKind | None) -> float | None:
    """Return how long a container has to end after a probe has failed; None for as long as its pod says."""
    spec = container.get(f"{kind.value}Probe") if kind is not None else None
    grace = (spec or {}).get("terminationGracePeriodSeconds")
    return None if grace is None else float(grace)


def read_action(container: Mapping[str, Any], spec: Mapping[str, Any]) -> ProbeAction | Impossible:
    """Read what a probe, or a hook that sends a request, does."""
    kind, said = next(((name, spec[name]) for name in _READERS if spec.get(name) is not None), ("", {}))
    try:
        return _READERS[kind](container, said)
    except KeyError:
        return Impossible(f"missing probe handler for {container.get('name')}")
    except ValueError as error:
        return Impossible(str(error))


def _exec(container: Mapping[str, Any], said: Mapping[str, Any]) -> Exec:
    known = Environment({one["name"]: one.get("value") or "" for one in container.get("env") or ()})
    return Exec(known.expand(said.get("command") or ()))


def _http(container: Mapping[str, Any], said: Mapping[str, Any]) -> HttpGet:
    return HttpGet(
        _port(container, said.get("port", 0)),
        said.get("path") or "",
        scheme=(said.get("scheme") or "http").lower(),
        host=said.get("host") or "",
        headers=tuple((one["name"], one.get("value") or "") for one in said.get("httpHeaders") or ()),
    )


def _tcp(container: Mapping[str, Any], said: Mapping[str, Any]) -> TcpSocket:
    return TcpSocket(_port(container, said.get("port", 0)), said.get("host") or "")


def _grpc(container: Mapping[str, Any], said: Mapping[str, Any]) -> Grpc:
    return Grpc(_port(container, said.get("port", 0)), said.get("service") or "")


_READERS: Mapping[str, Callable[[Mapping[str, Any], Mapping[str, Any]], ProbeAction]] = {
    "exec": _exec,
    "httpGet": _http,
    "tcpSocket": _tcp,
    "grpc": _grpc,
}


def _port(container: Mapping[str, Any], port: int | str) -> int:
    named = {item.get("name"): item["containerPort"] for item in container.get("ports") or ()}
    number = named.get(port, port)
    if isinstance(number, str) and not (number.isascii() and number.isdecimal()):
        raise ValueError(f'strconv.Atoi: parsing "{number}": invalid syntax')
    if not 0 < int(number) <= _PORT_MAX:
        raise ValueError(f"invalid port number: {number}")
    return int(number)


# ---- counting --------------------------------------------------------------------------------------------------------

_FIRST = {
    ProbeKind.STARTUP: Verdict.UNKNOWN,
    ProbeKind.READINESS: Verdict.FAILURE,
    ProbeKind.LIVENESS: Verdict.SUCCESS,
}
"""What counts until a probe has said something."""


@dataclass(frozen=True, slots=True)
class Course:
    """
    What the probes of one kind have said of a container.

    Shape   `verdict` is what counts. `passed` is the last result, None before the first, and `streak` how often it came
            in a row. `on_hold` is whether the probe rests until the container is started again.
    """

    verdict: Verdict
    passed: bool | None = None
    streak: int = 0
    on_hold: bool = False

    def after(self, probe: Probe, *, passed: bool) -> Course:
        """
        Return the course after one more result.

        >>> probe = Probe(kind=ProbeKind.LIVENESS, action=Exec(("true",)), failure_threshold=2)
        >>> course = first_course(ProbeKind.LIVENESS)
        >>> for passed in (True, False, True, False, False):
        ...     course = course.after(probe, passed=passed)
        ...     print(course.verdict.value, end=" ")
        success success success success failure
        >>> course.on_hold
        True
        """
        streak = self.streak + 1 if passed is self.passed else 1
        if streak < (probe.success_threshold if passed else probe.failure_threshold):
            return replace(self, passed=passed, streak=streak)
        rests = probe.kind is ProbeKind.STARTUP or (probe.kind is ProbeKind.LIVENESS and not passed)
        return Course(_verdict(passed=passed), passed, 0 if rests else streak, on_hold=rests)


def _verdict(*, passed: bool) -> Verdict:
    return Verdict.SUCCESS if passed else Verdict.FAILURE


def first_course(kind: ProbeKind, before: Course | None = None) -> Course:
    """Return the course of a container that has just started; `before` is that of its last run."""
    return replace(before, verdict=_FIRST[kind], on_hold=False) if before else Course(_FIRST[kind])


# ---- what follows ----------------------------------------------------------------------------------------------------


def health_of(lines: Iterable[tuple[Probe, Course]]) -> Health:
    """Return what probes and their courses mean."""
    said = {probe.kind: course.verdict for probe, course in lines}
    started = said.get(ProbeKind.STARTUP, Verdict.SUCCESS) is Verdict.SUCCESS
    failed = next((kind for kind in _MUST_PASS if said.get(kind) is Verdict.FAILURE), None)
    return Health(
        started=started,
        ready=started and said.get(ProbeKind.READINESS, Verdict.SUCCESS) is Verdict.SUCCESS,
        failed=failed,
    )


_MUST_PASS = (ProbeKind.LIVENESS, ProbeKind.STARTUP)


def is_wanted(probe: Probe, course: Course, *, started: bool, ending: bool = False) -> bool:
    """Whether a probe is asked at its next moment, in a container that has `started` or not, of a pod that ends."""
    if course.on_hold or (ending and probe.kind is not ProbeKind.READINESS):
        return False
    return started is not (probe.kind is ProbeKind.STARTUP)


def next_moment(probe: Probe, due_at: float, now: float) -> float:
    """
    Return when a probe is due that was due before; of the moments that have passed since, one is made up for at once.

    >>> probe = Probe(kind=ProbeKind.LIVENESS, action=Exec(("true",)), period_s=10)
    >>> next_moment(probe, 100.0, 100.5), next_moment(probe, 100.0, 135.0)
    (110.0, 130.0)
    """
    return due_at + max((now - due_at) // probe.period_s, 1) * probe.period_s


def first_moment(probe: Probe, began_at: float, asked_from: float) -> float:
    """
    Return when a probe is first due in a container that began at a moment and is asked nothing before another.

    >>> ready, lives = (Probe(kind=kind, action=Exec(("true",))) for kind in (ProbeKind.READINESS, ProbeKind.LIVENESS))
    >>> [first_moment(probe, 100.0, asked_from) for probe in (ready, lives) for asked_from in (100.0, 130.0)]
    [100.0, 130.0, 110.0, 130.0]
    """
    at_once = probe.kind is ProbeKind.READINESS
    return max(began_at + (probe.initial_delay_s or (0.0 if at_once else probe.period_s)), asked_from)


def moment_after_start(probe: Probe, due_at: float, now: float) -> float:
    """
    Return when a probe that waited for the startup probe is due, now that this one has passed.

    >>> ready, lives = (Probe(kind=kind, action=Exec(("true",))) for kind in (ProbeKind.READINESS, ProbeKind.LIVENESS))
    >>> [moment_after_start(probe, due_at, 20.0) for probe in (ready, lives) for due_at in (5.0, 20.0, 30.0)]
    [20.0, 20.0, 30.0, 25.0, 30.0, 30.0]
    """
    if due_at > now:
        return due_at
    if probe.kind is ProbeKind.READINESS:
        return now
    return due_at + ((now - due_at) // probe.period_s + 1) * probe.period_s
