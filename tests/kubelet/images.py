"""The images of stories, as declarations."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ctrlkit import clock
from ctrlkit.fakes.cluster import NEVER_S, CommandAnswer, ContainerRefused, Exits, Image, Pull
from ctrlkit.fakes.cluster.node.probe_texts import grpc_answer, http_answer, no_answer, refused
from ctrlkit.fakes.cluster.node.runtime import (
    ContainerSpec,
    Exec,
    Grpc,
    HttpGet,
    ProbeAction,
    ProbeErrored,
    ProbeResult,
    TcpSocket,
)

Script = Mapping[str, Any]
Answer = Mapping[str, Any]

STARTS = 20
"""More often no container is started in a story."""


def images_of(scripts: Mapping[str, Script]) -> dict[str, Image]:
    """Declare the images of a story."""
    return {name: _image(script) for name, script in scripts.items()}


def _image(script: Script) -> Image:
    def make(address: str, spec: ContainerSpec) -> Image:
        return _Run(script, address, clock.monotonic()).image()

    return Image(pull=_pull(script), refuses=script.get("start_error", ""), make=make)


def _pull(script: Script) -> Pull:
    error = script.get("pull_error", {})
    code = f"rpc error: code = {error['code']} desc = " if error.get("code") else ""
    return Pull(
        takes_s=script.get("pull_takes", 0.0),
        error=code + error.get("text", ""),
        failures=error.get("times") or None,
        preloaded=script.get("present", False),
        size_bytes=10_000_000,
    )


@dataclass(frozen=True, slots=True)
class _Run:
    """One run of a container; what it answers depends on how long it has been running."""

    script: Script
    address: str
    began: float

    def image(self) -> Image:
        runs: Sequence[Mapping[str, Any]] = self.script.get("runs", ())
        every = [*runs, *(run for run in runs[-1:] for _ in range(STARTS))]
        return Image(
            exits={start: _exits(run) for start, run in enumerate(every, start=1) if "after" in run},
            stops=self._stops(),
            logs=[line for run in runs[:1] for line in run.get("log", ())],
            probes=self._probe,
            execs=self._command,
        )

    def _stops(self) -> Exits:
        if self.script.get("ignore_term"):
            return Exits(after_s=NEVER_S)
        return Exits(self.script.get("term_code", 0), after_s=self.script.get("term_after", 0.0))

    def _at_this_age(self, answers: Sequence[Answer]) -> Answer:
        age = clock.monotonic() - self.began
        return next((one for one in answers if not one.get("until") or age < one["until"]), {})

    async def _probe(self, action: ProbeAction) -> ProbeResult:
        answer = self._at_this_age(self._known(action))
        if answer.get("refuse"):
            return refused(action, self.address)
        await asyncio.sleep(answer.get("takes", 0.0))
        code, output = answer.get("code", 0), answer.get("output", "")
        match action:
            case HttpGet(scheme="https"):
                return no_answer(action, self.address, "http: server gave HTTP response to HTTPS client")
            case HttpGet():
                return http_answer(code or 200, output)
            case Grpc():
                return grpc_answer("NOT_SERVING" if code else "SERVING")
            case TcpSocket():
                return ProbeResult(ok=True)
            case Exec():
                return ProbeResult(ok=code == 0, output=output)

    def _known(self, action: ProbeAction) -> Sequence[Answer]:
        if not isinstance(action, Exec):
            port = f"grpc:{action.port}" if isinstance(action, Grpc) else str(action.port)
            known: Sequence[Answer] = self.script.get("ports", {}).get(port, [{"refuse": True}])
            return known
        answers: Sequence[Answer] | None = self.script.get("exec", {}).get(" ".join(action.command))
        if answers is None:
            raise ProbeErrored(_no_such_command(action.command))
        return answers

    def _command(self, command: tuple[str, ...]) -> CommandAnswer:
        answers = self.script.get("exec", {}).get(" ".join(command))
        if answers is None:
            raise ContainerRefused("RunContainerError", _no_such_command(command))
        answer = self._at_this_age(answers)
        return CommandAnswer(
            output=answer.get("output", ""), exit_code=answer.get("code", 0), takes_s=answer.get("takes", 0.0)
        )


def _exits(run: Mapping[str, Any]) -> Exits:
    code = run.get("code", 0)
    return Exits(code, after_s=run["after"], reason=run.get("reason", ""), message=run.get("message", ""))


def _no_such_command(command: Sequence[str]) -> str:
    return (
        f'rpc error: code = Unknown desc = failed to exec in container: failed to start exec "{64 * "0"}": '
        "OCI runtime exec failed: exec failed: unable to start container process: "
        f'exec: "{command[0]}": executable file not found in $PATH'
    )
