"""The fake clientset: what it records, and who answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest

from ctrlkit.client import Client
from ctrlkit.errors import AlreadyExists, Conflict, NotFound, ServiceUnavailable
from ctrlkit.fakes import FakeClientset, Tracker, Write
from ctrlkit.model import (
    Action,
    Applied,
    Deleted,
    Lines,
    MergePatch,
    OnConflict,
    Resource,
    Unstructured,
    Verb,
    custom_resource,
)
from ctrlkit.model.kinds import CONFIG_MAPS, PODS, SECRETS, STATEFULSETS
from tests.support.objects import a_pod, a_workload

SEED = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one", "namespace": "demo"}, "data": {"a": "1"}}

GADGETS = custom_resource(group="example.com", kind="Gadget", plural="gadgets")


def pod(name: str = "p", **status: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Pod", **a_pod(name, "demo"), "status": status}


async def test_seeded_objects_are_there_with_their_status_and_not_in_the_log() -> None:
    clientset = FakeClientset(None, SEED, pod(phase="Running"))
    assert (await clientset.client.get(PODS, "demo/p")).at("status.phase") == "Running"
    assert [str(action) for action in clientset.actions] == ["get pods demo/p"]
    with pytest.raises(ValueError, match="no such kind is registered"):
        FakeClientset(None, {"apiVersion": "x/v1", "kind": "Y", "metadata": {"name": "z"}})


async def test_two_clientsets_may_share_a_tracker() -> None:
    tracker = Tracker()
    first, second = FakeClientset(tracker, SEED), FakeClientset(tracker)
    assert (await second.client.get(CONFIG_MAPS, "demo/one"))["data"] == {"a": "1"}
    assert first.actions == ()


@pytest.mark.behaviour("T1")
async def test_calls_are_recorded_as_they_were_when_they_were_made() -> None:
    clientset = FakeClientset(None, SEED)
    body = {"metadata": {"name": "two", "namespace": "demo"}, "data": {"a": "1"}}
    action = Action(verb=Verb.CREATE, resource=CONFIG_MAPS, namespace="demo", body=body)
    await clientset.do(action)
    body["data"] = {"a": "changed"}
    assert clientset.actions[0].body["data"] == {"a": "1"}
    clientset.actions[0].body["data"] = {}
    assert clientset.actions[0].body["data"] == {"a": "1"}
    clientset.clear_actions()
    assert clientset.actions == ()


@pytest.mark.behaviour("T1")
async def test_writes_are_readable_and_comparable() -> None:
    clientset = FakeClientset(None, SEED)
    client = clientset.client
    await client.get(CONFIG_MAPS, "demo/one")
    await client.create(CONFIG_MAPS, {"metadata": {"name": "two", "namespace": "demo"}})
    await client.patch(CONFIG_MAPS, "demo/one", MergePatch({"data": {"a": "2"}}))
    await client.create(STATEFULSETS, a_workload(namespace="demo"))
    await client.patch(STATEFULSETS, "demo/net", MergePatch({"spec": {"replicas": 2}}), subresource="scale")
    assert clientset.writes == [
        Write("create", CONFIG_MAPS, "demo/two"),
        Write("patch", CONFIG_MAPS, "demo/one"),
        Write("create", STATEFULSETS, "demo/net"),
        Write("patch", STATEFULSETS, "demo/net", subresource="scale"),
    ]
    assert repr(clientset.writes[3]) == "Write('patch statefulsets.apps/scale demo/net')"
    assert Write("create", CONFIG_MAPS.of(dict), "demo/two") == clientset.writes[0]


@pytest.mark.behaviour("T2")
async def test_reactors_are_asked_in_order_and_the_first_answer_wins() -> None:
    clientset = FakeClientset(None, SEED)
    asked: list[str] = []

    def reactor(name: str, answer: object = None) -> Callable[[Action], object]:
        def react(_: Action) -> object:
            asked.append(name)
            return answer

        return react

    clientset.add_reactor("get", CONFIG_MAPS, reactor("added first"))
    clientset.add_reactor("get", "configmaps", reactor("added second", Unstructured(SEED | {"data": {"a": "faked"}})))
    clientset.add_reactor("get", "configmaps", reactor("never"))
    clientset.prepend_reactor("*", "*", reactor("prepended"))
    assert (await clientset.client.get(CONFIG_MAPS, "demo/one"))["data"] == {"a": "faked"}
    assert asked == ["prepended", "added first", "added second"]


@pytest.mark.behaviour("T2")
async def test_a_reactor_may_refuse_or_pass_on_a_changed_body() -> None:
    clientset = FakeClientset(None, SEED)

    def refuse(action: Action) -> object:
        raise ServiceUnavailable(f"down for {action.name}")

    async def rewrite(action: Action) -> None:
        await asyncio.sleep(1)
        action.body["data"] = {"a": "rewritten"}

    clientset.add_reactor("delete", CONFIG_MAPS, refuse)
    clientset.add_reactor("create", CONFIG_MAPS, rewrite)
    with pytest.raises(ServiceUnavailable, match="down for one"):
        await clientset.client.delete(CONFIG_MAPS, "demo/one")
    await clientset.client.create(CONFIG_MAPS, {"metadata": {"name": "two", "namespace": "demo"}, "data": {}})
    assert clientset.tracker.get(CONFIG_MAPS, "demo/two")["data"] == {"a": "rewritten"}
    assert clientset.actions[-1].body["data"] == {}


@pytest.mark.behaviour("T3")
@pytest.mark.parametrize(
    ("verb", "resource", "matched"),
    [
        ("update", "pods", ["", "status"]),
        ("update", "pods/status", ["status"]),
        ("*", "*", ["", "status"]),
        ("update", PODS, ["", "status"]),
        ("create", "pods", []),
        ("update", "secrets", []),
        ("update", custom_resource(group="x", kind="Pod", plural="pods"), []),
    ],
)
async def test_verb_and_resource_decide_what_a_reactor_sees(verb: str, resource: Any, matched: list[str]) -> None:
    clientset = FakeClientset(None, pod())
    seen: list[str] = []

    def see(action: Action) -> None:
        seen.append(action.subresource)

    clientset.add_reactor(verb, resource, see)
    body = clientset.tracker.get(PODS, "demo/p")
    for subresource in ("", "status"):
        await clientset.do(
            Action(
                verb=Verb.UPDATE, resource=PODS, namespace="demo", name="p", subresource=subresource, body=dict(body)
            )
        )
    assert seen == matched


@pytest.mark.behaviour("T5", "B29")
async def test_a_reactor_may_call_the_client_and_read_the_log() -> None:
    clientset = FakeClientset(None, SEED)

    async def copy_first(action: Action) -> None:
        source = await clientset.client.get(CONFIG_MAPS, "demo/one")
        action.body["data"] = source["data"] | {"calls": str(len(clientset.actions))}

    clientset.add_reactor("create", "configmaps", copy_first)
    made = await clientset.client.create(CONFIG_MAPS, {"metadata": {"name": "two", "namespace": "demo"}})
    assert made["data"] == {"a": "1", "calls": "2"}


@pytest.mark.behaviour("T4")
async def test_watches_come_from_the_tracker_unless_a_watch_reactor_answers() -> None:
    clientset = FakeClientset(None, SEED)
    action = Action(verb=Verb.WATCH, resource=CONFIG_MAPS)

    async def first_batch() -> Sequence[bytes]:
        async with clientset.watch(action) as lines:
            return await anext(aiter(lines))

    async def scripted() -> Lines:
        yield [b"scripted"]

    @asynccontextmanager
    async def answer(_: Action) -> AsyncIterator[Lines]:
        stream = scripted()
        try:
            yield stream
        finally:
            await stream.aclose()  # type: ignore[attr-defined]

    assert b'"name":"one"' in (await first_batch())[0]
    clientset.add_watch_reactor("secrets", lambda action: pytest.fail(f"asked about {action}"))
    clientset.add_watch_reactor(CONFIG_MAPS, answer)
    assert await first_batch() == [b"scripted"]
    assert [action.verb for action in clientset.actions] == [Verb.WATCH, Verb.WATCH]
    clientset.prepend_watch_reactor("configmaps", clientset.tracker.watch)
    assert b'"name":"one"' in (await first_batch())[0]


@pytest.mark.behaviour("T6")
async def test_what_no_reactor_answers_follows_the_trackers_rules() -> None:
    clientset = FakeClientset(None, SEED)
    with pytest.raises(AlreadyExists):
        await clientset.client.create(CONFIG_MAPS, SEED)
    with pytest.raises(NotFound):
        await clientset.client.get(SECRETS, "demo/none")


# ---- interceptors ----------------------------------------------------------------------------------------------------


async def test_interceptors_stand_around_every_call_the_first_one_outermost() -> None:
    """They may answer themselves, change what is asked and what is answered, and call the client."""
    clientset = FakeClientset(None, SEED)
    seen: list[str] = []

    async def outer(action: Action, call_next: Callable[[Action], Awaitable[bytes]]) -> bytes:
        seen.append(f"outer {action.verb}")
        answer = await call_next(action)
        seen.append("outer again")
        return answer.replace(b'"a":"1"', b'"a":"2"')

    async def inner(action: Action, call_next: Callable[[Action], Awaitable[bytes]]) -> bytes:
        seen.append("inner")
        if action.verb is Verb.DELETE:
            raise ServiceUnavailable("not today")
        return await call_next(action)

    clientset.intercept(outer)
    clientset.intercept(inner)
    clientset.add_reactor("get", "*", lambda action: seen.append("reactor"))
    assert (await clientset.client.get(CONFIG_MAPS, "demo/one"))["data"] == {"a": "2"}
    assert seen == ["outer get", "inner", "reactor", "outer again"]
    with pytest.raises(ServiceUnavailable):
        await clientset.client.delete(CONFIG_MAPS, "demo/one")
    assert clientset.tracker.get(CONFIG_MAPS, "demo/one")["data"] == {"a": "1"}
    assert [action.verb for action in clientset.actions] == [Verb.GET, Verb.DELETE]


async def test_watches_have_interceptors_too() -> None:
    clientset = FakeClientset(None, SEED)

    @asynccontextmanager
    async def upper_case(
        action: Action, call_next: Callable[[Action], AbstractAsyncContextManager[Lines]]
    ) -> AsyncIterator[Lines]:
        async def shouted(lines: Lines) -> Lines:
            async for batch in lines:
                yield [line.upper() for line in batch]

        async with call_next(action) as lines:
            stream = shouted(lines)
            try:
                yield stream
            finally:
                await stream.aclose()  # type: ignore[attr-defined]

    clientset.intercept_watch(upper_case)
    async with clientset.watch(Action(verb=Verb.WATCH, resource=CONFIG_MAPS)) as lines:
        assert b'"NAME":"ONE"' in (await anext(aiter(lines)))[0]


# ---- where client-go's fake is not honest ----------------------------------------------------------------------------


@pytest.mark.behaviour("T7", "T8", "T9")
async def test_what_happens_between_a_list_and_its_watch_is_seen() -> None:
    """Versions are of the server, stale updates conflict, and a deletion is replayed as one."""
    clientset = FakeClientset(None, SEED, pod())
    client = clientset.client
    stale = await client.get(CONFIG_MAPS, "demo/one")
    await client.patch(CONFIG_MAPS, "demo/one", MergePatch({"data": {"a": "2"}}))
    with pytest.raises(Conflict):
        await client.update(CONFIG_MAPS, dict(stale) | {"data": {"a": "3"}})
    listed = stale.metadata.resource_version
    await client.delete(CONFIG_MAPS, "demo/one")
    async with client.watch(CONFIG_MAPS, resource_version=listed) as events:
        first, second = await anext(events), await anext(events)
    assert isinstance(first, Applied)
    assert isinstance(second, Deleted)
    assert int(listed) < int(first.record.version) < int(second.record.version)


@pytest.mark.behaviour("T10")
async def test_what_a_server_fills_in_is_filled_in() -> None:
    clientset = FakeClientset()
    body = {"metadata": {"generateName": "net-", "namespace": "default"}}
    first, second = [(await clientset.client.create(CONFIG_MAPS, body)).metadata for _ in range(2)]
    assert first.name.startswith("net-")
    assert (first.name, first.uid) != (second.name, second.uid)
    assert first.creation_timestamp == "2026-01-01T00:00:00Z"


@pytest.mark.behaviour("T11")
async def test_selectors_select_in_lists_and_in_watches() -> None:
    clientset = FakeClientset(None, SEED, pod(phase="Running"), pod("q", phase="Pending"))
    client = clientset.client
    assert [item.key.name for item in await client.list(PODS, field_selector="status.phase=Running")] == ["p"]
    async with client.watch(PODS, field_selector="metadata.name=q") as events:
        event = await anext(events)
    assert isinstance(event, Applied)
    assert event.record.key.name == "q"


@pytest.mark.behaviour("T12")
async def test_a_status_update_writes_the_status_alone() -> None:
    clientset = FakeClientset(None, pod(phase="Pending"))
    current = await clientset.client.get(PODS, "demo/p")
    changed = dict(current) | {"status": {"phase": "Running"}, "spec": {}}
    await clientset.client.update_status(PODS, changed)
    after = await clientset.client.get(PODS, "demo/p")
    assert (after.at("status.phase"), after["spec"]) == ("Running", current["spec"])


@pytest.mark.behaviour("T13")
async def test_a_collection_can_be_deleted() -> None:
    clientset = FakeClientset(None, SEED)
    await clientset.client.delete_collection(CONFIG_MAPS, namespace="demo")
    assert clientset.tracker.list(CONFIG_MAPS, "demo") == []


@pytest.mark.behaviour("T14")
@pytest.mark.parametrize("resource", [CONFIG_MAPS, GADGETS])
async def test_apply_makes_what_is_missing_and_conflicts_over_fields_of_others(
    resource: Resource[Unstructured],
) -> None:
    """For custom kinds too, and unless it is forced."""
    clientset = FakeClientset()
    clientset.tracker.registry.register_custom(GADGETS)
    ours, theirs = Client(clientset, field_manager="ours"), Client(clientset, field_manager="theirs")
    made = await ours.apply(resource, "default/one", {"data": {"a": "1"}})
    assert made.at("metadata.managedFields")[0]["manager"] == "ours"
    with pytest.raises(Conflict, match="ours"):
        await theirs.apply(resource, "default/one", {"data": {"a": "2"}})
    forced = await theirs.apply(resource, "default/one", {"data": {"a": "2"}}, on_conflict=OnConflict.FORCE)
    assert forced["data"] == {"a": "2"}


@pytest.mark.behaviour("T15")
async def test_lists_need_no_list_kinds_and_unknown_kinds_are_not_found() -> None:
    """Whatever is served can be listed; a kind that is not is refused, as a server does, and nothing panics."""
    clientset = FakeClientset()
    with pytest.raises(NotFound, match="could not find the requested resource"):
        await clientset.client.list(GADGETS)
    clientset.tracker.registry.register_custom(GADGETS)
    assert await clientset.client.list(GADGETS) == []


@pytest.mark.behaviour("T16")
async def test_a_status_is_an_error_and_no_object() -> None:
    """A reactor refuses with it; it cannot be stored."""
    clientset = FakeClientset(None, SEED)
    status = {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "reason": "Conflict",
        "code": 409,
        "message": "no",
    }
    with pytest.raises(ValueError, match="no such kind is registered"):
        FakeClientset(None, status)
    clientset.add_reactor("get", CONFIG_MAPS, lambda action: status)
    with pytest.raises(Conflict, match="get configmaps demo/one: no"):
        await clientset.client.get(CONFIG_MAPS, "demo/one")
