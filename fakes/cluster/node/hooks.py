"""
Lifecycle hooks of containers: what postStart and preStop do, and what the kubelet says when they fail.

A hook that sends a request passes with any answer. What a hook wrote is told to the status of its container, never in
an Event, which more people can read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from ctrlkit.errors import CtrlkitError
from ctrlkit.events import EventType
from ctrlkit.fakes.cluster.node.pod_plan import Container
from ctrlkit.fakes.cluster.node.probes import Impossible, read_action
from ctrlkit.fakes.cluster.node.runtime import (
    ContainerId,
    ContainerRefused,
    Exec,
    HttpGet,
    ProbeErrored,
    ProbeResult,
    Running,
    Runtime,
)
from ctrlkit.fakes.cluster.node.telling import Tell
from ctrlkit.fakes.tracker.schema.go_text import quoted
from ctrlkit.model import Unstructured

_ANSWER_S = 86400.0
"""How long a hook waits for an answer to its request: a kubelet knows no limit."""

_PLAIN_ANSWER = "http: server gave HTTP response to HTTPS client"
_NO_HANDLER = "invalid handler: &LifecycleHandler{Exec:nil,HTTPGet:nil,TCPSocket:%s,Sleep:nil,}"


@dataclass(frozen=True, slots=True)
class Sleep:
    """A hook that waits."""

    seconds: int


Hook: TypeAlias = "Exec | HttpGet | Sleep | Impossible"


class HookFailed(CtrlkitError):
    """A hook has failed; the text is what the status of its container says about it."""


def read_hook(container: Mapping[str, Any], moment: str) -> Hook | None:
    """
    Read a hook of a container, `postStart` or `preStop`; None if it has none.

    >>> read_hook({"lifecycle": {"preStop": {"sleep": {"seconds": 5}}}}, "preStop")
    Sleep(seconds=5)
    >>> read_hook({"lifecycle": {"preStop": {"exec": {"command": ["sync"]}}}}, "postStart")
    """
    spec: Mapping[str, Any] = (container.get("lifecycle") or {}).get(moment) or {}
    exec_hook, sleep, socket = spec.get("exec"), spec.get("sleep"), spec.get("tcpSocket")
    if not spec:
        return None
    if exec_hook is not None:
        return Exec(tuple(exec_hook.get("command") or ()))
    if sleep is not None:
        return Sleep(int(sleep.get("seconds") or 0))
    if spec.get("httpGet") is not None:
        action = read_action(container, spec)
        assert isinstance(action, HttpGet | Impossible)  # that is what the spec says
        return _with_agent(action) if isinstance(action, HttpGet) else action
    return Impossible(_NO_HANDLER % ("nil" if socket is None else _shown(socket)))


def _shown(socket: Mapping[str, Any]) -> str:
    port, host = socket.get("port", 0), socket.get("host") or ""
    number = f"0 {port} " if isinstance(port, int) else f"1 0 {port}"
    return f"&TCPSocketAction{{Port:{{{number}}},Host:{host},}}"


def has_hook(container: Mapping[str, Any], moment: str) -> bool:
    """Whether a container has a hook, `postStart` or `preStop`."""
    return bool((container.get("lifecycle") or {}).get(moment))


def _with_agent(action: HttpGet) -> HttpGet:
    if any(name.lower() == "user-agent" for name, _ in action.headers):
        return action
    return replace(action, headers=(*action.headers, ("User-Agent", "kube-lifecycle/1.36")))


@dataclass(frozen=True, slots=True)
class Hooks:
    """Runs the hooks of the containers of a runtime; each call belongs into an activity of the pod."""

    runtime: Runtime

    async def after_start(self, pod: Unstructured, container: Container, tell: Tell) -> None:
        """Run the postStart hook of a container. Errors: HookFailed, after an Event."""
        try:
            await self._run(pod, container, "postStart", tell)
        except HookFailed:
            tell(EventType.WARNING, "FailedPostStartHook", "PostStartHook failed")
            raise

    async def before_stop(self, pod: Unstructured, container: Container, tell: Tell) -> None:
        """
        Run the preStop hook of a container; an Event tells that it failed.

        A hook that takes longer than it may goes on until the container has been stopped, and has failed then.
        """
        try:
            await self._run(pod, container, "preStop", tell)
        except HookFailed:
            tell(EventType.WARNING, "FailedPreStopHook", "PreStopHook failed")
        except asyncio.CancelledError:
            is_interrupted = not isinstance(read_hook(container.spec, "preStop"), Sleep)
            if is_interrupted and not isinstance(self.runtime.state(_id(pod, container)), Running):
                tell(EventType.WARNING, "FailedPreStopHook", "PreStopHook failed")
            raise

    async def _run(self, pod: Unstructured, container: Container, moment: str, tell: Tell) -> None:
        hook, container_id = read_hook(container.spec, moment), _id(pod, container)
        whole = f"{pod.key.name}_{pod.key.namespace}({pod.metadata.uid})"
        about = f"for Container {quoted(container.name)} in Pod {quoted(whole)} failed - error:"
        match hook:
            case Sleep(seconds):
                await asyncio.sleep(seconds)
            case Exec(command):
                failure = await self._run_command(container_id, command)
                if failure:
                    raise HookFailed(f"Exec lifecycle hook ([{' '.join(command)}]) {about} {failure}")
            case HttpGet(path=path):
                failure = await self._send(container_id, hook, tell)
                if failure:
                    raise HookFailed(f"HTTP lifecycle hook ({path}) {about} {failure}")
            case Impossible(message):
                raise HookFailed(f"Cannot run handler: {message}")

    async def _run_command(self, container_id: ContainerId, command: tuple[str, ...]) -> str:
        try:
            result = await self.runtime.run(container_id, command)
        except ContainerRefused as refusal:
            return f'{refusal.message}, message: ""'
        if result.exit_code == 0:
            return ""
        return f"command '{' '.join(command)}' exited with {result.exit_code}: , message: {quoted(result.output)}"

    async def _send(self, container_id: ContainerId, hook: HttpGet, tell: Tell) -> str:
        result = await self._get(container_id, hook)
        if result.status or not result.output.endswith(_PLAIN_ANSWER):
            return "" if result.status else result.output
        plain = tuple(one for one in hook.headers if one[0].lower() != "authorization")
        if (await self._get(container_id, replace(hook, scheme="http", headers=plain))).status == 0:
            return result.output
        host = result.output.partition("://")[2].partition('"')[0].partition("/")[0]
        text = f"request to HTTPS lifecycle hook {host} got HTTP response, retry with HTTP succeeded"
        tell(EventType.WARNING, "LifecycleHTTPFallback", text)
        return ""

    async def _get(self, container_id: ContainerId, hook: HttpGet) -> ProbeResult:
        try:
            return await self.runtime.probe(container_id, hook, timeout_s=_ANSWER_S)
        except ProbeErrored:
            return ProbeResult(ok=True, status=200)  # an answer came, and was cut off
        except ContainerRefused as refusal:
            return ProbeResult(ok=False, output=refusal.message)


def _id(pod: Unstructured, container: Container) -> ContainerId:
    return ContainerId(pod.metadata.uid, container.name)
