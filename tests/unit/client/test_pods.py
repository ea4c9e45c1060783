"""Logs, commands, ports, evictions and other subresources: the same in this process and over HTTP."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from ctrlkit.client import Client, DryRun, ExecResult
from ctrlkit.errors import (
    ApiError,
    BadRequest,
    DisruptionBudgetViolated,
    InternalError,
    NotFound,
    StreamBroken,
    TooManyRequests,
)
from ctrlkit.fakes.apiserver import ApiServer, Security
from ctrlkit.fakes.clientset.clientset import FakeClientset
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.fakes.tracker.runtime import LogOptions
from ctrlkit.model import MergePatch, StrategicMergePatch
from ctrlkit.model.kinds import PODS, SERVICE_ACCOUNTS, STATEFULSETS
from ctrlkit.model.streams import V5, Channel
from ctrlkit.wire.endpoint import Endpoint
from ctrlkit.wire.transport import RestTransport
from tests.support.objects import a_pod, a_workload
from tests.support.pod_runtime import LINES, TalkingRuntime, with_a_running_pod
from tests.unit.client.support import ScriptedTransport

pytestmark = pytest.mark.real_time
TEXT = b"".join(LINES).decode()


class Place:
    """A client, and the server behind it."""

    def __init__(self, client: Client, tracker: Tracker, runtime: TalkingRuntime) -> None:
        self.client = client
        self.tracker = tracker
        self.runtime = runtime


Somewhere = Callable[[], AbstractAsyncContextManager[Place]]


@pytest.fixture(params=["tracker", "clientset", "http"])
def somewhere(request: pytest.FixtureRequest) -> Somewhere:
    """A tracker with a running pod: itself, behind a clientset, and behind HTTP."""
    return functools.partial(place_of, request.param)


@asynccontextmanager
async def place_of(kind: str) -> AsyncIterator[Place]:
    """A client and its server."""
    tracker, runtime = with_a_running_pod()
    match kind:
        case "tracker":
            yield Place(Client(tracker), tracker, runtime)
        case "clientset":
            yield Place(Client(FakeClientset(tracker)), tracker, runtime)
        case _:
            async with (
                ApiServer(tracker, tracker.registry, security=Security.INSECURE).serve() as server,
                RestTransport(Endpoint(server=server.url)) as transport,
            ):
                yield Place(Client(transport), tracker, runtime)


async def test_a_log_is_one_text_or_its_lines(somewhere: Somewhere) -> None:
    """Empty lines and a last one without newline are lines; letters that come in two pieces are whole."""
    async with somewhere() as place:
        assert await place.client.logs("default/p") == TEXT
        assert [line async for line in place.client.logs("default/p", follow=True)] == TEXT.split("\n")
        since = datetime(2026, 1, 2, tzinfo=UTC)
        asked = await place.client.logs(
            "default/p", container="main", previous=True, timestamps=True, since_time=since, tail_lines=1, limit_bytes=9
        )
        assert asked == "last"
        wanted = LogOptions(previous=True, timestamps=True, since=since, tail_lines=1, limit_bytes=9)
        assert place.runtime.calls[-1] == ("logs", "p", "main", wanted)


async def test_refusals_of_logs_and_commands_are_the_servers(somewhere: Somewhere) -> None:
    """They are raised when the log or the command is opened."""
    async with somewhere() as place:
        with pytest.raises(BadRequest, match="container zz is not valid for pod p"):
            await place.client.logs("default/p", container="zz")
        with pytest.raises(NotFound, match='pods "none" not found'):
            await place.client.exec("default/none", ["cat"])
        place.tracker.create(PODS, a_pod("free"))
        assert await place.client.logs("default/free") == ""
        with pytest.raises(BadRequest, match="pod free does not have a host assigned"):
            await place.client.exec("default/free", ["cat"])
        with pytest.raises(ApiError, match="format c: is not supported by this runtime"):
            await place.client.exec("default/p", ["format", "c:"])


async def test_without_a_runtime_the_node_cannot_be_reached(somewhere: Somewhere) -> None:
    """The server says what one says whose kubelet does not answer; in v5 within the connection, as real ones do."""
    async with somewhere() as place:
        place.tracker.run_pods_with(None)
        with pytest.raises(ApiError, match=r"dial tcp 127\.0\.0\.1:10250: connect: connection refused"):
            await place.client.logs("default/p")
        with pytest.raises(InternalError, match=r"error sending request: Post .*/exec/default/p/main\?command=ls"):
            await place.client.exec("default/p", ["ls"])
        with pytest.raises(ApiError, match="error dialing backend: dial tcp"):
            async with place.client.port_forward("default/p", 80):
                pass


async def test_a_command_has_streams_apart_and_an_exit_code(somewhere: Somewhere) -> None:
    """Whether it fails or not; its stdin has an end."""
    async with somewhere() as place:
        assert await place.client.exec("default/p", ["fail", "3"]) == ExecResult(
            exit_code=3, stdout=b"out\n", stderr=b"err\n"
        )
        given = bytes(range(256)) * 1000
        assert await place.client.exec("default/p", ["cat"], stdin=given) == ExecResult(exit_code=0, stdout=given)
        assert (await place.client.exec("default/p", ["fail", "0"], tty=True)).stdout == b"out\nerr\n"


async def test_a_session_talks_to_a_command(somewhere: Somewhere) -> None:
    """Its output comes as it is written; its terminal has a size."""
    async with somewhere() as place:
        async with place.client.exec("default/p", ["cat"]) as session:
            assert session.protocol == V5
            outputs = aiter(session)
            for word in (b"one", b"two"):
                await session.write(word)
                assert await anext(outputs) == (Channel.STDOUT, word)
            await session.close_stdin()
            assert [output async for output in outputs] == []
            assert session.exit_code == 0
        async with place.client.exec("default/p", ["size"], tty=True) as session:
            await session.resize(columns=120, rows=40)
            assert (await session.result()).stdout == b"120x40"
        assert (await place.client.attach("default/p")).stdout == b"attached\n"


async def test_a_port_is_talked_to_until_one_side_ends(somewhere: Somewhere) -> None:
    """Where nobody listens, the connection says so."""
    async with somewhere() as place:
        async with place.client.port_forward("default/p", 80) as port:
            await port.send(b"hello")
            assert await port.receive() == b"HELLO"
            await port.send(b"bye")
            assert await port.receive() == b"BYE"
            assert await port.receive() == b""
        async with place.client.port_forward("default/p", 81) as port:
            with pytest.raises(StreamBroken, match="nobody listens"):
                await port.receive()


def budget(tracker: Tracker, **status: Any) -> None:
    """Put a disruption budget of all pods into the tracker."""
    served = tracker.registry.find("policy", "v1", "poddisruptionbudgets")
    assert served is not None
    made = tracker.create(
        served.resource, {"metadata": {"name": "b", "namespace": "default"}, "spec": {"selector": {}}}
    )
    tracker.update(served.resource, made | {"status": {"observedGeneration": 9} | status}, subresource="status")


async def test_an_eviction_asks_the_disruption_budget(somewhere: Somewhere) -> None:
    """Its refusal is an error of its own class, raised at once, with the server's words and time."""
    async with somewhere() as place:
        budget(place.tracker, disruptionsAllowed=0, currentHealthy=0, desiredHealthy=1, observedGeneration=-1)
        with pytest.raises(DisruptionBudgetViolated) as refusal:
            await place.client.evict("default/p")
        assert isinstance(refusal.value, TooManyRequests)
        assert refusal.value.budget == "The disruption budget b is still being processed by the server."
        assert refusal.value.retry_after_s == 10
        budgets = place.tracker.registry.find("policy", "v1", "poddisruptionbudgets")
        assert budgets is not None
        allowed = {"status": {"observedGeneration": 9, "disruptionsAllowed": 1}}
        place.tracker.patch(budgets.resource, "default/b", MergePatch(allowed), subresource="status")
        await place.client.evict("default/p", dry_run=DryRun.ALL)
        assert not place.tracker.get(PODS, "default/p").metadata.deleting
        await place.client.evict("default/p", grace_period_s=5)
        pod = place.tracker.get(PODS, "default/p")
        assert pod.at("metadata.deletionGracePeriodSeconds") == 5
        assert [one["type"] for one in pod.at("status.conditions")] == ["DisruptionTarget"]
        status = place.tracker.get(budgets.resource, "default/b")["status"]
        assert (status["disruptionsAllowed"], list(status["disruptedPods"])) == (0, ["p"])


class Token(msgspec.Struct, frozen=True):
    status: dict[str, str]


async def test_any_subresource_is_created_read_and_changed(somewhere: Somewhere) -> None:
    """In the caller's form, or as a dict; a dry run changes nothing."""
    async with somewhere() as place:
        asked = {"spec": {"audiences": ["vault"], "expirationSeconds": 600}}
        token = await place.client.subresource(SERVICE_ACCOUNTS, "default/bot", "token", form=Token).create(asked)
        assert token.status["token"].count(".") == 2
        containers = place.client.subresource(PODS, "default/p", "ephemeralcontainers")
        patch = StrategicMergePatch({"spec": {"ephemeralContainers": [{"name": "debugger", "image": "img:1"}]}})
        tried = await containers.patch(patch, dry_run=DryRun.ALL)
        assert tried.at("spec.ephemeralContainers")[0]["name"] == "debugger"
        assert (await containers.get()).at("spec.ephemeralContainers") is None
        place.tracker.create(STATEFULSETS, a_workload(replicas=2))
        scale = place.client.subresource(STATEFULSETS, "default/net", "scale")
        have = await scale.get()
        changed = await scale.update(have | {"spec": {"replicas": 4}})
        assert (have["spec"], changed["spec"]) == ({"replicas": 2}, {"replicas": 4})
        with pytest.raises(TypeError, match="a body must be a mapping, got list"):
            await scale.update([])


async def test_a_transport_without_streams_says_so() -> None:
    """Before anything is asked."""
    with pytest.raises(TypeError, match="a ScriptedTransport opens no byte streams"):
        await Client(ScriptedTransport({})).logs("demo/a")
    with pytest.raises(TypeError, match="a command is a list of words"):
        Client(ScriptedTransport({})).exec("demo/a", "ls -l")
    with pytest.raises(ValueError, match="the time has no time zone"):
        Client(ScriptedTransport({})).logs("demo/a", since_time=datetime(2026, 1, 2))  # noqa: DTZ001 - that is the point
