"""A runtime whose containers do what the images of a story say."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ctrlkit import clock
from ctrlkit.fakes.cluster.node import probe_texts
from ctrlkit.fakes.cluster.node.runtime import (
    CommandResult,
    ContainerId,
    ContainerRefused,
    ContainerSpec,
    ContainerState,
    Exec,
    Exited,
    Grpc,
    HttpGet,
    ProbeAction,
    ProbeErrored,
    ProbeResult,
    PulledImage,
    PullFailed,
    Running,
    TcpSocket,
    Volume,
)

Script = Mapping[str, Any]


@dataclass(slots=True)
class _Container:
    spec: ContainerSpec
    script: Script
    run: Mapping[str, Any]
    state: ContainerState
    began: float
    ending: asyncio.TimerHandle | None = None
    killing: asyncio.TimerHandle | None = None
    asked: bool = False

    @property
    def age(self) -> float:
        return clock.monotonic() - self.began


@dataclass(slots=True)
class _Sandbox:
    address: str
    containers: dict[str, _Container] = field(default_factory=dict)
    starts: dict[str, int] = field(default_factory=dict)


class ScriptedRuntime:
    """A Runtime on virtual time; `images` are those of a story."""

    def __init__(self, images: Mapping[str, Script]) -> None:
        self._images = images
        self._pulls: dict[str, int] = {}
        self._sandboxes: dict[str, _Sandbox] = {}
        self._callbacks: list[Callable[[ContainerId], None]] = []
        self._given = 0

    def on_exit(self, callback: Callable[[ContainerId], None]) -> None:
        self._callbacks.append(callback)

    def preloaded(self, reference: str) -> PulledImage | None:
        return _pulled(reference) if self._script(reference).get("present") else None

    async def pull(self, reference: str) -> PulledImage:
        script = self._script(reference)
        number = self._pulls[reference] = self._pulls.get(reference, 0) + 1
        if script.get("pull_takes"):
            await asyncio.sleep(script["pull_takes"])
        error = script.get("pull_error")
        if error and (not error.get("times") or number <= error["times"]):
            code = f"rpc error: code = {error['code']} desc = " if error.get("code") else ""
            raise PullFailed(code + error["text"])
        return _pulled(reference)

    def open_sandbox(self, pod_uid: str) -> str:
        if pod_uid not in self._sandboxes:
            self._given += 1
            self._sandboxes[pod_uid] = _Sandbox(f"198.18.{self._given // 250}.{self._given % 250 + 1}")
        return self._sandboxes[pod_uid].address

    async def write_volume(self, pod_uid: str, volume: Volume) -> None:
        pass

    async def start(self, spec: ContainerSpec) -> None:
        sandbox, script = self._sandboxes[spec.id.pod_uid], self._script(spec.image)
        if "start_error" in script:
            raise ContainerRefused("RunContainerError", script["start_error"])
        number = sandbox.starts.get(spec.id.name, 0)
        sandbox.starts[spec.id.name] = number + 1
        runs = script.get("runs") or [{}]
        run = runs[min(number, len(runs) - 1)]
        one = _Container(spec, script, run, Running(clock.now()), clock.monotonic())
        sandbox.containers[spec.id.name] = one
        if "after" in run:
            end = (run.get("code", 0), run.get("reason", ""), self._message(one))
            one.ending = asyncio.get_running_loop().call_later(run["after"], self._end, one, *end)

    def state(self, container: ContainerId) -> ContainerState | None:
        one = self._find(container)
        return one.state if one else None

    async def probe(self, container: ContainerId, action: ProbeAction, *, timeout_s: float) -> ProbeResult:
        one = self._running(container)
        address = self._sandboxes[container.pod_uid].address
        if isinstance(action, Exec):
            known = one.script.get("exec", {}).get(" ".join(action.command))
            if known is None:
                raise ProbeErrored(_no_such_command(action.command))
        else:
            port = f"grpc:{action.port}" if isinstance(action, Grpc) else str(action.port)
            known = one.script.get("ports", {}).get(port, [{"refuse": True}])
        answer = _answer(one, known)
        if answer.get("refuse"):
            return probe_texts.refused(action, address, timeout_s=timeout_s)
        takes = answer.get("takes", 0)
        await asyncio.sleep(min(takes, timeout_s))
        if takes > timeout_s:
            return probe_texts.timed_out(action, address, timeout_s=timeout_s)
        return _result(action, answer)

    async def run(self, container: ContainerId, command: Sequence[str]) -> CommandResult:
        one = self._running(container)
        known = one.script.get("exec", {}).get(" ".join(command))
        if known is None:
            raise ContainerRefused("RunContainerError", _no_such_command(command))
        answer = _answer(one, known)
        if answer.get("takes"):
            await asyncio.sleep(answer["takes"])
        return CommandResult(answer.get("code", 0), answer.get("output", ""))

    def stop(self, container: ContainerId, *, grace_s: float) -> None:
        one = self._find(container)
        if one is None or not isinstance(one.state, Running):
            return
        loop = asyncio.get_running_loop()
        if grace_s > 0 and not one.asked and not one.script.get("ignore_term"):
            if one.ending is not None:
                one.ending.cancel()
            after, code = one.script.get("term_after", 0), one.script.get("term_code", 0)
            one.ending = loop.call_later(after, self._end, one, code, "", "")
        one.asked = True
        if one.killing is None or one.killing.when() > loop.time() + grace_s:
            if one.killing is not None:
                one.killing.cancel()
            one.killing = loop.call_later(grace_s, self._end, one, 137, "", "")

    async def close_sandbox(self, pod_uid: str) -> None:
        sandbox = self._sandboxes.pop(pod_uid, None)
        for one in sandbox.containers.values() if sandbox else ():
            for timer in (one.ending, one.killing):
                if timer is not None:
                    timer.cancel()

    def _script(self, reference: str) -> Script:
        return self._images.get(reference) or self._images.get(reference.removesuffix(":latest")) or {}

    def _find(self, container: ContainerId) -> _Container | None:
        sandbox = self._sandboxes.get(container.pod_uid)
        return sandbox.containers.get(container.name) if sandbox else None

    def _running(self, container: ContainerId) -> _Container:
        one = self._find(container)
        if one is None or not isinstance(one.state, Running):
            raise ContainerRefused("RunContainerError", "the container does not run")
        return one

    def _message(self, one: _Container) -> str:
        run = one.run
        falls_back = one.spec.termination_message_policy == "FallbackToLogsOnError" and run.get("code", 0)
        return run.get("message") or ("\n".join([*run.get("log", []), ""]) if falls_back else "")

    def _end(self, one: _Container, code: int, reason: str, message: str) -> None:
        if not isinstance(one.state, Running):
            return
        for timer in (one.ending, one.killing):
            if timer is not None:
                timer.cancel()
        started = one.state.started_at
        one.state = Exited(exit_code=code, started_at=started, finished_at=clock.now(), message=message, reason=reason)
        for callback in self._callbacks:
            callback(one.spec.id)


def _no_such_command(command: Sequence[str]) -> str:
    return (
        f'rpc error: code = Unknown desc = failed to exec in container: failed to start exec "{"0" * 64}": OCI runtime '
        f'exec failed: exec failed: unable to start container process: exec: "{command[0]}": executable file not found '
        "in $PATH"
    )


def _result(action: ProbeAction, answer: Mapping[str, Any]) -> ProbeResult:
    code, output = answer.get("code", 0), answer.get("output", "")
    match action:
        case HttpGet():
            return probe_texts.http_answer(code or 200, output)
        case Grpc():
            return probe_texts.grpc_answer("NOT_SERVING" if code else "SERVING")
        case TcpSocket():
            return ProbeResult(ok=True)
        case _:
            return ProbeResult(ok=code == 0, output=output)


def _answer(one: _Container, answers: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    return next((each for each in answers if not each.get("until") or one.age < each["until"]), {})


def _pulled(reference: str) -> PulledImage:
    return PulledImage(f"{reference}@sha256:{hashlib.sha256(reference.encode()).hexdigest()}", 10_000_000)
