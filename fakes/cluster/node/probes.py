"""Readiness probes: reads their spec, says when the next one is due and what results mean. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ctrlkit.fakes.cluster.node.runtime import Exec, HttpGet, ProbeAction, TcpSocket


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A probe with its times in seconds and its thresholds; defaults are those of Kubernetes."""

    action: ProbeAction
    initial_delay_s: float = 0.0
    period_s: float = 10.0
    timeout_s: float = 1.0
    success_threshold: int = 1
    failure_threshold: int = 3


@dataclass(frozen=True, slots=True)
class Readiness:
    """The probe results of one run of a container so far; `due_at` is on the loop's clock."""

    due_at: float
    ready: bool = False
    successes: int = 0
    failures: int = 0

    def after(self, probe: Probe, *, held: bool, now: float) -> Readiness:
        """
        Return the state after one more result.

        >>> probe, state = Probe(action=Exec(("true",)), failure_threshold=2), Readiness(due_at=0.0)
        >>> for held in (True, False, True, False, False):
        ...     state = state.after(probe, held=held, now=0.0)
        ...     print(state.ready, end=" ")
        True True True True False
        """
        successes, failures = (self.successes + 1, 0) if held else (0, self.failures + 1)
        ready = self.ready
        if successes >= probe.success_threshold:
            ready = True
        if failures >= probe.failure_threshold:
            ready = False
        return Readiness(now + probe.period_s, ready, successes, failures)


def read_probe(container: Mapping[str, Any]) -> Probe | None:
    """
    Read a container's readiness probe; None if it has none.

    >>> read_probe({"readinessProbe": {"tcpSocket": {"port": 80}, "periodSeconds": 5}}).period_s
    5.0

    A port may be a number or the name of a port of the container. Errors: ValueError for a probe of another kind.
    """
    spec = container.get("readinessProbe")
    if not spec:
        return None
    return Probe(
        action=_action(container, spec),
        initial_delay_s=float(spec.get("initialDelaySeconds") or 0),
        period_s=float(spec.get("periodSeconds") or 10),
        timeout_s=float(spec.get("timeoutSeconds") or 1),
        success_threshold=int(spec.get("successThreshold") or 1),
        failure_threshold=int(spec.get("failureThreshold") or 3),
    )


def _action(container: Mapping[str, Any], spec: Mapping[str, Any]) -> ProbeAction:
    match spec:
        case {"exec": {"command": command}}:
            return Exec(tuple(command))
        case {"tcpSocket": {"port": port}}:
            return TcpSocket(_port(container, port))
        case {"httpGet": {"port": port, **rest}}:
            return HttpGet(_port(container, port), str(rest.get("path") or "/"))
    raise ValueError(f"readinessProbe of container {container.get('name')}: want exec, tcpSocket or httpGet")


def _port(container: Mapping[str, Any], port: int | str) -> int:
    named = {item.get("name"): item["containerPort"] for item in container.get("ports") or ()}
    try:
        return int(named.get(port, port))
    except ValueError:
        raise ValueError(f"readinessProbe of container {container.get('name')}: no port is named {port!r}") from None
