"""Scripted faults: what the caller is told, what happens at the server all the same, and when it is over."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiohttp
import msgspec
import pytest

from ctrlkit import clock
from ctrlkit.client import Client
from ctrlkit.errors import Conflict, NotFound, ServiceUnavailable, StreamBroken, TooManyRequests, Unreachable
from ctrlkit.fakes import FakeClientset, World
from ctrlkit.fakes.apiserver import ApiServer, Security
from ctrlkit.fakes.clientset.calls import Calls
from ctrlkit.fakes.clientset.faults import UnusedFaultWarning
from ctrlkit.model import Action, MergePatch, Options, Verb, custom_resource
from ctrlkit.model.kinds import CONFIG_MAPS, SECRETS, STATEFULSETS
from ctrlkit.wire.config import Endpoint
from ctrlkit.wire.transport import RestTransport
from tests.support.greetings import GREETINGS, greeter

SEED = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one", "namespace": "demo"}, "data": {"a": "1"}}
GET = Calls("get", CONFIG_MAPS)


def config_map(name: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "demo"}}


@pytest.fixture
async def clientset() -> FakeClientset:
    return FakeClientset(None, SEED)


async def test_so_many_calls_fail_and_no_more(clientset: FakeClientset) -> None:
    """Each with an error of its own, that names the call and the cause."""
    fault = clientset.faults.fail(GET, ServiceUnavailable("down"), times=2)
    for _ in range(2):
        with pytest.raises(ServiceUnavailable, match=r"get configmaps demo/one: down; .* \[scripted fault -> 503"):
            await clientset.client.get(CONFIG_MAPS, "demo/one")
    assert (await clientset.client.get(CONFIG_MAPS, "demo/one")).key.name == "one"
    assert (fault.hits, clientset.faults.active()) == (2, ())


@pytest.mark.parametrize(
    ("calls", "hit"),
    [
        (Calls(), True),
        (Calls("patch"), True),
        (Calls("update"), False),
        (Calls("patch", "statefulsets"), True),
        (Calls("patch", "statefulsets/scale"), True),
        (Calls("patch", "statefulsets/status"), False),
        (Calls("patch", STATEFULSETS, "demo/*"), True),
        (Calls("patch", STATEFULSETS, "*/net-?ts"), True),
        (Calls("patch", STATEFULSETS, "other/*"), False),
        (Calls("patch", SECRETS), False),
    ],
)
async def test_the_pattern_decides_which_calls(calls: Calls, hit: bool) -> None:
    action = Action(
        verb=Verb.PATCH, resource=STATEFULSETS, namespace="demo", name="net-sts", subresource="scale", body={}
    )
    assert calls.matches(action) == hit


async def test_a_lost_reply_leaves_the_write_behind(clientset: FakeClientset) -> None:
    """The caller cannot know; a refusal is lost as well."""
    clientset.faults.lose_reply(Calls("create"), times=2)
    for _ in range(2):
        with pytest.raises(Unreachable, match="before the reply came"):
            await clientset.client.create(CONFIG_MAPS, config_map("two"))
    assert clientset.tracker.get(CONFIG_MAPS, "demo/two").key.name == "two"


async def test_a_delayed_call_arrives_late(clientset: FakeClientset) -> None:
    clientset.faults.delay(Calls("delete"), "5m")
    deleting = asyncio.create_task(clientset.client.delete(CONFIG_MAPS, "demo/one"))
    await asyncio.sleep(299)
    assert clientset.tracker.get(CONFIG_MAPS, "demo/one")
    await deleting
    assert clock.monotonic() == 300
    with pytest.raises(NotFound):
        clientset.tracker.get(CONFIG_MAPS, "demo/one")


async def test_faults_add_up(clientset: FakeClientset) -> None:
    """A slow call may also fail; what follows the failure is kept for the next call."""
    clientset.faults.delay(GET, 2.0)
    clientset.faults.fail(GET, Conflict("no"))
    kept = clientset.faults.fail(GET, Conflict("never"))
    with pytest.raises(Conflict, match="no;"):
        await clientset.client.get(CONFIG_MAPS, "demo/one")
    assert (clock.monotonic(), kept.hits) == (2.0, 0)


async def test_an_outage_lasts_as_long_as_its_block_or_its_time(clientset: FakeClientset) -> None:
    with clientset.faults.outage(Calls(resource=CONFIG_MAPS)) as outage:
        with pytest.raises(ServiceUnavailable):
            await clientset.client.get(CONFIG_MAPS, "demo/one")
        assert await clientset.client.list(SECRETS) == []
    assert await clientset.client.get(CONFIG_MAPS, "demo/one")
    assert outage.hits == 1
    clientset.faults.outage(Calls(resource=CONFIG_MAPS), lasts="30s", error=Unreachable("no route"))
    await asyncio.sleep(29)
    with pytest.raises(Unreachable, match="no route"):
        await clientset.client.get(CONFIG_MAPS, "demo/one")
    await asyncio.sleep(1)
    assert await clientset.client.get(CONFIG_MAPS, "demo/one")


async def test_the_active_faults_are_named_and_may_all_be_ended(clientset: FakeClientset) -> None:
    clientset.faults.fail(GET, Conflict("x"), times=3)
    clientset.faults.stall_watches()
    assert clientset.faults.active() == ("fail with Conflict (get configmaps, 3 more)", "hold back events (any call)")
    clientset.faults.clear()
    assert clientset.faults.active() == ()


# ---- watches ---------------------------------------------------------------------------------------------------------


class Reader:
    """Reads a watch in a task of its own."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.end: BaseException | None = None
        self.over = False

    async def run(self, clientset: FakeClientset) -> None:
        try:
            async with clientset.watch(Action(verb=Verb.WATCH, resource=CONFIG_MAPS)) as lines:
                async for batch in lines:
                    for line in batch:
                        event = msgspec.json.decode(line)
                        self.seen.append(
                            f"{event['type']} {event['object'].get('metadata', {}).get('name', '')}".strip()
                        )
        except StreamBroken as error:
            self.end = error
        self.over = True


@asynccontextmanager
async def reading(clientset: FakeClientset) -> AsyncIterator[Reader]:
    reader = Reader()
    task = asyncio.create_task(reader.run(clientset))
    await asyncio.sleep(1)
    try:
        yield reader
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_a_watch_is_cut_ended_or_expired(clientset: FakeClientset) -> None:
    """A cut is an error, an end is none, and an expired one says so in the stream."""
    async with reading(clientset) as cut:
        assert clientset.faults.cut_watches(Calls(resource=SECRETS)) == 0
        assert clientset.faults.cut_watches() == 1
        await asyncio.sleep(1)
        assert isinstance(cut.end, StreamBroken)
    async with reading(clientset) as ended:
        clientset.faults.end_watches()
        await asyncio.sleep(1)
        assert (ended.end, ended.over, ended.seen) == (None, True, ["ADDED one"])
    async with reading(clientset) as expired:
        clientset.faults.expire_watches()
        await asyncio.sleep(1)
        assert (expired.over, expired.seen) == (True, ["ADDED one", "ERROR"])


async def test_a_stalled_watch_brings_everything_afterwards(clientset: FakeClientset) -> None:
    async with reading(clientset) as reader:
        with clientset.faults.stall_watches():
            clientset.tracker.create(CONFIG_MAPS, config_map("two"))
            await asyncio.sleep(60)
            assert reader.seen == ["ADDED one"]
        await asyncio.sleep(1)
        assert reader.seen == ["ADDED one", "ADDED two"]
        clientset.faults.stall_watches(lasts="10s")
        clientset.tracker.create(CONFIG_MAPS, config_map("three"))
        await asyncio.sleep(9)
        assert len(reader.seen) == 2
        await asyncio.sleep(2)
        assert len(reader.seen) == 3


async def test_events_come_twice(clientset: FakeClientset) -> None:
    async with reading(clientset) as reader:
        clientset.faults.repeat_events(times=1)
        for name in ("two", "three"):
            clientset.tracker.create(CONFIG_MAPS, config_map(name))
            await asyncio.sleep(1)
        assert reader.seen == ["ADDED one", "ADDED two", "ADDED two", "ADDED three"]


async def test_a_watch_may_be_refused(clientset: FakeClientset) -> None:
    clientset.faults.fail(Calls("watch"), ServiceUnavailable("later"))
    with pytest.raises(ServiceUnavailable):
        async with clientset.watch(Action(verb=Verb.WATCH, resource=CONFIG_MAPS)):
            pass


async def test_over_http_the_same_faults_are_seen(clientset: FakeClientset) -> None:
    """A refusal is a Status, a lost reply a connection that closes, a cut watch one that breaks."""
    async with (
        ApiServer(clientset, clientset.tracker.registry, security=Security.INSECURE).serve() as server,
        RestTransport(Endpoint(server=server.url)) as transport,
    ):
        client = Client(transport)
        clientset.faults.fail(Calls("patch"), Conflict("it changed"))
        with pytest.raises(Conflict, match="it changed"):
            await client.patch(CONFIG_MAPS, "demo/one", MergePatch({"data": {"a": "2"}}))
        clientset.faults.lose_reply(Calls("create"))
        with pytest.raises(Unreachable):
            await client.create(CONFIG_MAPS, config_map("two"))
        assert clientset.tracker.get(CONFIG_MAPS, "demo/two")


@pytest.mark.real_time
async def test_an_overloaded_server_turns_calls_away_as_priority_and_fairness_does(clientset: FakeClientset) -> None:
    """In plain text with Retry-After; the client waits and tries again, and the call is performed once."""
    fault = clientset.faults.overload(GET, times=1)
    with pytest.raises(TooManyRequests, match="Too many requests, please try again later") as refused:
        await clientset.client.get(CONFIG_MAPS, "demo/one")
    assert (refused.value.retry_after_s, fault.hits) == (1, 1)

    clientset.faults.overload(GET, times=2)
    server = ApiServer(clientset, clientset.tracker.registry, security=Security.INSECURE)
    async with server.serve() as running, aiohttp.ClientSession(running.url) as session:
        async with session.get("/api/v1/namespaces/demo/configmaps/one") as answer:
            assert (answer.status, answer.content_type, answer.headers["Retry-After"]) == (429, "text/plain", "1")
            assert await answer.text() == "Too many requests, please try again later.\n"
            assert answer.headers["X-Kubernetes-PF-FlowSchema-UID"]
        async with RestTransport(Endpoint(server=running.url)) as transport:
            assert (await Client(transport).get(CONFIG_MAPS, "demo/one"))["data"] == {"a": "1"}


# ---- mistakes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("craete",), "choose calls by 'craete': that is no verb; did you mean 'create'?"),
        (("apply",), "that is no verb; did you mean 'patch'?"),
        (("xyz",), "that is no verb; there are create, delete, "),
        (("get", "configmap"), "choose calls of 'configmap': that is no plural; did you mean 'configmaps'?"),
        (("get", "ConfigMap"), "did you mean 'configmaps'?"),
        (("get", "cm"), "did you mean 'configmaps'?"),
        (("get", "deployments.apps"), "did you mean 'deployments'?"),
        (("get", "confgmaps"), "did you mean 'configmaps'?"),
        (("get", "zebras"), "that is no plural of a kind that is served; serve a custom kind first"),
        (("update", "pods/sttaus"), "choose calls of pods/sttaus: that is no subresource; did you mean 'status'?"),
        (("get", "configmaps/status"), "that is no subresource; there are none"),
        (("delete", "pods/status"), "choose calls to delete pods/status: a server answers none"),
        (("update", "tokenreviews"), "choose calls to update tokenreviews: a server answers none"),
        (("get", "configmaps", "hello"), "they are in namespaces; write 'demo/hello', or '*/hello' for all"),
        (("get", CONFIG_MAPS, "hello"), "choose calls of configmaps 'hello': they are in namespaces"),
        (("get", "nodes", "demo/n1"), "choose calls of nodes 'demo/n1': they are in no namespace; write 'n1'"),
        (("*", "*", "demo/a/b"), "choose calls by the key 'demo/a/b': it has one slash, between namespace and name"),
        (("get", "pods", "/a"), "choose calls of pods '/a': a key begins with a namespace; write 'demo/a', or '*/a'"),
        (("get", "pods", "Demo/a"), "no namespace is called 'Demo'; names have small letters, digits and hyphens"),
        (("get", "pods", "demo /*"), "no namespace is called 'demo '"),
        (("list", "pods", "demo/a"), "a call to list is for a collection; write 'demo/'"),
        (("deletecollection", "nodes", "a"), "a call to deletecollection is for a collection; leave the key out"),
        (("delete", "pods", "demo/"), "a call to delete is for one object; write its name, or '*'"),
        (("get", "nodes", ""), "a call to get is for one object; write its name, or '*'"),
    ],
)
async def test_calls_that_cannot_be_are_refused_at_once(
    clientset: FakeClientset, arguments: tuple[Any, ...], complaint: str
) -> None:
    """For faults and for reactors, with what may be meant."""
    with pytest.raises(ValueError, match=re.escape(complaint)):
        clientset.faults.fail(Calls(*arguments), Conflict("never"))
    if len(arguments) == 2:
        with pytest.raises(ValueError, match=re.escape(complaint)):
            clientset.add_reactor(*arguments, lambda _: None)
    assert clientset.faults.active() == ()


@pytest.mark.parametrize(
    "arguments",
    [
        *(
            ("create", "pods/eviction"),
            ("create", "pods"),
            ("watch", "*"),
            ("*", "*", "anything"),
            ("patch", "*/status"),
        ),
        *(
            ("get", "configmaps", "*-1"),
            ("get", "configmaps", "[!a]?/b"),
            ("create", "configmaps", "demo/"),
            ("list", "configmaps", "demo/*"),
            ("watch", "nodes", ""),
            ("list", "configmaps", ""),
            ("list", "configmaps", "demo/"),
            ("get", "nodes", "n*"),
        ),
        ("get", custom_resource(group="example.com", kind="Widget", plural="widgets"), "demo/w"),
    ],
)
async def test_calls_that_can_be_are_not(clientset: FakeClientset, arguments: tuple[Any, ...]) -> None:
    """Subresources of a bare plural, globs, collections, and kinds whose definition is still to come."""
    clientset.faults.fail(Calls(*arguments), Conflict("later")).optional()
    assert len(clientset.faults.active()) == 1


async def test_a_fault_that_cannot_work_is_refused(clientset: FakeClientset) -> None:
    """Events are those of watches, an error is one of ours, and a fault affects at least one call."""
    for disturb in (clientset.faults.stall_watches, clientset.faults.repeat_events, clientset.faults.cut_watches):
        with pytest.raises(ValueError, match="by calls to list: these have no events; leave out the verb"):
            disturb(Calls("list", CONFIG_MAPS))
    with pytest.raises(TypeError, match=r"fail calls with 'no': write an error of ctrlkit\.errors"):
        clientset.faults.fail(GET, "no")  # type: ignore[arg-type]
    for times in (0, 1.5, True, "2"):
        with pytest.raises(ValueError, match=f"add a fault for {times!r} calls"):
            clientset.faults.delay(GET, "1s", times=times)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="read duration None: write a number of seconds, or a text such as 30s"):
        clientset.faults.delay(GET, None)  # type: ignore[arg-type]
    for wrong in ("create", None, ("create", "pods")):
        with pytest.raises(TypeError, match="write which calls, as in Calls"):
            clientset.faults.fail(wrong, Conflict("never"))  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="disturb watches by "):
            clientset.faults.cut_watches(wrong)  # type: ignore[arg-type]
    for parts in ((7,), ("get", 7), ("get", "pods", None)):
        with pytest.raises(TypeError, match="write a verb, a Resource or a plural and a key"):
            Calls(*parts)
    assert clientset.faults.active() == ()


async def test_a_fault_that_met_nothing_is_told_at_the_end_of_the_world() -> None:
    """Whether it is over or not, of the server and of one manager; a test that knows it says so."""
    other = Calls("delete", CONFIG_MAPS)
    world = World(SEED, kinds=[GREETINGS])
    await world.__aenter__()
    manager = world.manage(greeter())
    world.faults.fail(GET, Conflict("once"))
    with pytest.raises(Conflict):
        await world.client.get(CONFIG_MAPS, "demo/one")
    world.faults.fail(other, Conflict("never")).optional()
    world.faults.stall_watches(Calls(resource=SECRETS)).end()
    world.faults_of(manager).lose_reply(other)
    assert world.faults.cut_watches(Calls(resource=SECRETS)) == 0
    assert world.faults.end_watches(Calls(resource=SECRETS), optional=True) == 0
    assert world.faults.expire_watches() == 0
    await world.settle()
    assert world.faults_of(manager).expire_watches() > 0
    with pytest.warns(UnusedFaultWarning) as told:
        await world.__aexit__(None, None, None)
    assert [str(one.message).partition("; mend")[0] for one in told] == [
        "end the faults: no call met hold back events (secrets); cut watches (secrets); expire watches (any call)",
        "end the faults: no call met lose the reply (delete configmaps, 1 more)",
    ]


async def test_a_test_that_fails_is_not_told_of_its_faults() -> None:
    """It knows something better."""
    world = await World().__aenter__()
    world.faults.fail(GET, Conflict("never"))
    error = KeyError("first")
    await world.__aexit__(KeyError, error, None)


async def test_a_stalled_watch_counts_as_met(clientset: FakeClientset) -> None:
    """If it is read; a stall of another kind's is told."""
    clientset.faults.stall_watches(Calls(resource=CONFIG_MAPS))
    clientset.faults.stall_watches(Calls(resource=SECRETS))
    async with clientset.client.watch(CONFIG_MAPS, namespace="demo") as events:
        with suppress(TimeoutError):
            async with asyncio.timeout(1):
                await anext(aiter(events))
    assert clientset.faults.unused() == ("hold back events (secrets)",)


async def test_a_stall_touches_only_the_watches_that_it_names(clientset: FakeClientset) -> None:
    """Those of metadata only, too: of another kind they go on, and what is held back comes when the stall is over."""
    options = Options(metadata_only=True)
    other = Action(verb=Verb.WATCH, resource=CONFIG_MAPS, namespace="demo", options=options)
    async with clientset.watch(other) as lines:
        waiting = asyncio.ensure_future(anext(lines))
        await asyncio.sleep(1)
        assert b'"ADDED"' in (await waiting)[0]
        waiting = asyncio.ensure_future(anext(lines))
        await asyncio.sleep(1)
        with clientset.faults.stall_watches(Calls(resource=SECRETS)).optional():
            clientset.tracker.create(CONFIG_MAPS, config_map("two"))
            assert b'"two"' in (await waiting)[0]
        waiting = asyncio.ensure_future(anext(lines))
        await asyncio.sleep(1)
        with clientset.faults.stall_watches(Calls(resource=CONFIG_MAPS)):
            clientset.tracker.create(CONFIG_MAPS, config_map("three"))
            await asyncio.sleep(1)
            assert not waiting.done()
        assert b'"three"' in (await waiting)[0]
