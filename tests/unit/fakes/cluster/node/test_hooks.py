"""What postStart and preStop do, how they fail, and in which words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from ctrlkit import clock
from ctrlkit.events import EventType
from ctrlkit.fakes.cluster import InProcessRuntime
from ctrlkit.fakes.cluster.node.hooks import HookFailed, Hooks, Sleep, has_hook, read_hook
from ctrlkit.fakes.cluster.node.pod_plan import containers_of
from ctrlkit.fakes.cluster.node.probe_texts import http_answer, no_answer, refused
from ctrlkit.fakes.cluster.node.probes import Impossible
from ctrlkit.fakes.cluster.node.runtime import (
    CommandResult,
    ContainerId,
    ContainerRefused,
    Exec,
    HttpGet,
    ProbeAction,
    ProbeErrored,
    ProbeResult,
)
from ctrlkit.model import Unstructured


class Answers(InProcessRuntime):
    """A runtime that answers commands and requests as it is told, and notes them."""

    def __init__(self, *answers: CommandResult | ProbeResult | Exception) -> None:
        super().__init__(images={})
        self.answers = list(answers)
        self.asked: list[object] = []

    async def run(self, container: ContainerId, command: Sequence[str]) -> CommandResult:
        self.asked.append(tuple(command))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, CommandResult)
        return answer

    async def probe(self, container: ContainerId, action: ProbeAction, *, timeout_s: float) -> ProbeResult:
        self.asked.append(action)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, ProbeResult)
        return answer


def pod(**lifecycle: Any) -> Unstructured:
    metadata = {"name": "web", "namespace": "default", "uid": "u-1"}
    return Unstructured({"metadata": metadata, "spec": {"containers": [{"name": "app", "lifecycle": lifecycle}]}})


async def run(runtime: Answers, moment: str, **hook: Any) -> tuple[str, list[str]]:
    """Run a hook; return how it failed, and the Events."""
    told: list[str] = []

    def tell(event_type: EventType, reason: str, message: str) -> None:
        told.append(f"{event_type.value} {reason}: {message}")

    one = pod(**{moment: hook})
    (container,) = containers_of(one)
    hooks = Hooks(runtime)
    try:
        await (hooks.after_start if moment == "postStart" else hooks.before_stop)(one, container, tell)
    except HookFailed as failure:
        return str(failure), told
    return "", told


GET = {"httpGet": {"port": 80, "path": "/bye"}}
SENT = HttpGet(80, "/bye", headers=(("User-Agent", "kube-lifecycle/1.36"),))
WHOLE = 'for Container "app" in Pod "web_default(u-1)" failed - error:'


async def test_a_command_that_fails_is_told_to_the_status_and_not_in_the_event() -> None:
    """What it wrote may be secret."""
    runtime = Answers(CommandResult(7, "no license\n"), CommandResult(0, "fine"))
    failure, told = await run(runtime, "postStart", exec={"command": ["begin", "now"]})
    ended = "command 'begin now' exited with 7: , message: \"no license\\n\""
    assert failure == f"Exec lifecycle hook ([begin now]) {WHOLE} {ended}"
    assert told == ["Warning FailedPostStartHook: PostStartHook failed"]
    assert await run(runtime, "postStart", exec={"command": ["begin"]}) == ("", [])
    assert runtime.asked == [("begin", "now"), ("begin",)]


async def test_a_prestop_that_fails_is_told_and_nothing_more() -> None:
    """The container is stopped all the same."""
    for answer in (CommandResult(1), ContainerRefused("RunContainerError", "no such program")):
        assert await run(Answers(answer), "preStop", exec={"command": ["end"]}) == (
            "",
            ["Warning FailedPreStopHook: PreStopHook failed"],
        )


@pytest.mark.parametrize("answer", [http_answer(200), http_answer(500), ProbeErrored("unexpected EOF")])
async def test_a_request_passes_with_any_answer(answer: ProbeResult | ProbeErrored) -> None:
    """Whatever the server thinks of it."""
    runtime = Answers(answer)
    assert await run(runtime, "postStart", **GET) == ("", [])
    assert runtime.asked == [SENT]


async def test_a_request_that_nobody_answers_has_failed() -> None:
    """With the words of the HTTP library."""
    failure, told = await run(Answers(refused(SENT, "10.1.0.7")), "postStart", **GET)
    why = 'Get "http://10.1.0.7:80/bye": dial tcp 10.1.0.7:80: connect: connection refused'
    assert failure == f"HTTP lifecycle hook (/bye) {WHOLE} {why}"
    assert told == ["Warning FailedPostStartHook: PostStartHook failed"]


async def test_https_where_http_is_spoken_is_tried_again_without_what_must_not_be_read() -> None:
    """An Event tells of it."""
    headers = [{"name": "Authorization", "value": "hunter2"}, {"name": "User-Agent", "value": "me"}]
    action = HttpGet(80, "/bye", scheme="https", headers=(("Authorization", "hunter2"), ("User-Agent", "me")))
    runtime = Answers(
        no_answer(action, "10.1.0.7", "http: server gave HTTP response to HTTPS client"), http_answer(404)
    )
    hook = {"httpGet": {"port": 80, "path": "/bye", "scheme": "HTTPS", "httpHeaders": headers}}
    text = "request to HTTPS lifecycle hook 10.1.0.7:80 got HTTP response, retry with HTTP succeeded"
    assert await run(runtime, "preStop", **hook) == ("", [f"Warning LifecycleHTTPFallback: {text}"])
    assert runtime.asked == [action, HttpGet(80, "/bye", headers=(("User-Agent", "me"),))]


async def test_a_hook_may_sleep() -> None:
    """For whole seconds."""
    before = clock.monotonic()
    assert await run(Answers(), "preStop", sleep={"seconds": 7}) == ("", [])
    assert clock.monotonic() - before == pytest.approx(7)


async def test_what_is_no_hook_fails_when_it_is_run() -> None:
    """A connection is accepted by the server, and known to no kubelet."""
    failure, _ = await run(Answers(), "postStart", tcpSocket={"port": 80})
    socket = "&TCPSocketAction{Port:{0 80 },Host:,}"
    handler = f"&LifecycleHandler{{Exec:nil,HTTPGet:nil,TCPSocket:{socket},Sleep:nil,}}"
    assert failure == f"Cannot run handler: invalid handler: {handler}"


def test_hooks_are_read_from_the_spec() -> None:
    """Each moment for itself; a port by a name that there is not cannot be asked."""
    container = {"lifecycle": {"postStart": {"exec": {"command": ["a"]}}, "preStop": {"sleep": {"seconds": 3}}}}
    assert (read_hook(container, "postStart"), read_hook(container, "preStop")) == (Exec(("a",)), Sleep(3))
    assert has_hook(container, "preStop")
    assert not has_hook({}, "preStop")
    assert read_hook({}, "preStop") is None
    named = {"lifecycle": {"preStop": {"httpGet": {"port": "nowhere"}}}}
    assert isinstance(read_hook(named, "preStop"), Impossible)
