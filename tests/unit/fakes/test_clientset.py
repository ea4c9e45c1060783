"""The fake clientset: what it records, and who answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from ctrlkit.errors import AlreadyExists, NotFound, ServiceUnavailable
from ctrlkit.model import Action, Lines, MergePatch, Unstructured, Verb, custom_resource
from ctrlkit.model.kinds import CONFIG_MAPS, PODS, SECRETS, STATEFULSETS
from fakes import FakeClientset, Tracker, Write

SEED = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one", "namespace": "demo"}, "data": {"a": "1"}}


def pod(name: str = "p", **status: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "demo"}, "status": status}


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
    await client.create(STATEFULSETS, {"metadata": {"name": "net", "namespace": "demo"}, "spec": {"replicas": 1}})
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


@pytest.mark.behaviour("T5")
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


@pytest.mark.behaviour("T6")
async def test_what_no_reactor_answers_follows_the_trackers_rules() -> None:
    clientset = FakeClientset(None, SEED)
    with pytest.raises(AlreadyExists):
        await clientset.client.create(CONFIG_MAPS, SEED)
    with pytest.raises(NotFound):
        await clientset.client.get(SECRETS, "demo/none")
