"""Cleanups that a deletion waits for."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.controller.helpers.finalizers import (
    Finalizers,
    add_finalizer,
    put_finalizers,
    remove_finalizer,
    take_finalizer,
)
from ctrlkit.controller.reconcile import DONE, Outcome, RequeueAfter
from ctrlkit.errors import Conflict, NotFound
from ctrlkit.fakes.clientset.clientset import FakeClientset
from ctrlkit.model import Action, MergePatch, ObjectMeta, Unstructured, custom_resource

NETWORKS = custom_resource(group="demo.dev", kind="Network", plural="networks")
KEY = "default/net"
names = st.lists(st.sampled_from(["demo.dev/a", "demo.dev/b", "demo.dev/c"]), max_size=3, unique=True)


def clientset_with(*finalizers: str) -> FakeClientset:
    """A network with these finalizers."""
    clientset = FakeClientset()
    clientset.tracker.registry.register_custom(NETWORKS)
    metadata = {"name": "net", "namespace": "default", "finalizers": list(finalizers)}
    clientset.tracker.create(NETWORKS, {"metadata": metadata, "spec": {}})
    return clientset


def network(clientset: FakeClientset) -> Unstructured:
    return clientset.tracker.get(NETWORKS, KEY)


def finalizers_of(clientset: FakeClientset) -> list[str]:
    return list(network(clientset).metadata.finalizers or ())


@pytest.mark.behaviour("H13")
@given(names, st.sampled_from(["demo.dev/a", "demo.dev/d"]))
def test_for_any_finalizers_one_is_added_once_and_removed_altogether(have: list[str], name: str) -> None:
    """H13: both say whether they changed anything; the others keep their places."""
    body: dict[str, Any] = {"metadata": {"name": "net", "finalizers": list(have)}}
    assert add_finalizer(body, name) is (name not in have)
    assert not add_finalizer(body, name)
    assert body["metadata"]["finalizers"] == (have if name in have else [*have, name])
    assert remove_finalizer(body, name)
    assert not remove_finalizer(body, name)
    assert body["metadata"]["finalizers"] == [each for each in have if each != name]


@pytest.mark.behaviour("H13")
def test_a_body_without_metadata() -> None:
    """Gets some where it needs any."""
    body: dict[str, Any] = {}
    assert not remove_finalizer(body, "demo.dev/a")
    assert add_finalizer(body, "demo.dev/a")
    assert body == {"metadata": {"finalizers": ["demo.dev/a"]}}


@pytest.mark.behaviour("H13")
async def test_nobody_elses_finalizer_is_lost() -> None:
    """H13: what others added or took away since the object was read stays so."""
    clientset = clientset_with("other.dev/x")
    old = network(clientset).metadata
    clientset.tracker.patch(NETWORKS, KEY, MergePatch({"metadata": {"finalizers": ["other.dev/y"]}}))
    after = await put_finalizers(clientset.client, NETWORKS, old, "demo.dev/a", "other.dev/y")
    assert after is not None
    assert list(after.finalizers or ()) == finalizers_of(clientset) == ["other.dev/y", "demo.dev/a"]
    clientset.tracker.patch(NETWORKS, KEY, MergePatch({"metadata": {"finalizers": ["demo.dev/a", "other.dev/z"]}}))
    assert await take_finalizer(clientset.client, NETWORKS, after, "demo.dev/a")
    assert finalizers_of(clientset) == ["other.dev/z"]
    for action in clientset.actions:
        if action.verb.writes:
            assert action.body["metadata"]["resourceVersion"]


@pytest.mark.behaviour("H13")
async def test_what_is_so_already_costs_no_call() -> None:
    """And metadata without a version is read first."""
    clientset = clientset_with("demo.dev/a")
    meta = network(clientset).metadata
    await put_finalizers(clientset.client, NETWORKS, meta, "demo.dev/a")
    await take_finalizer(clientset.client, NETWORKS, meta, "demo.dev/b")
    assert not list(clientset.actions)
    await put_finalizers(clientset.client, NETWORKS, ObjectMeta(name="net", namespace="default"), "demo.dev/b")
    assert [action.verb.value for action in clientset.actions] == ["get", "patch"]
    assert finalizers_of(clientset) == ["demo.dev/a", "demo.dev/b"]


@pytest.mark.behaviour("H13")
async def test_an_object_that_went_meanwhile_gets_none() -> None:
    """Gone, another of its name, or being deleted: nothing is written, nothing raised."""
    clientset = clientset_with("other.dev/x")
    old = network(clientset).metadata
    clientset.tracker.delete(NETWORKS, KEY)
    assert await put_finalizers(clientset.client, NETWORKS, old, "demo.dev/a") is None
    clientset.tracker.patch(NETWORKS, KEY, MergePatch({"metadata": {"finalizers": []}}))
    assert await put_finalizers(clientset.client, NETWORKS, old, "demo.dev/a") is None
    assert await take_finalizer(clientset.client, NETWORKS, old, "other.dev/x") is None
    clientset.tracker.create(NETWORKS, {"metadata": {"name": "net", "namespace": "default"}})
    assert await put_finalizers(clientset.client, NETWORKS, old, "demo.dev/a") is None
    assert finalizers_of(clientset) == []


@pytest.mark.behaviour("H13", "Q23")
async def test_who_always_loses_gives_up() -> None:
    """With the Conflict."""
    clientset = clientset_with()

    def lose(_: Action) -> None:
        raise Conflict("changed")

    clientset.add_reactor("patch", NETWORKS, lose)
    with pytest.raises(Conflict):
        await put_finalizers(clientset.client, NETWORKS, network(clientset).metadata, "demo.dev/a")
    assert [action.verb.value for action in clientset.actions] == ["patch", *["get", "patch"] * 4]


class Cleanups:
    """Two of them, which note that they ran and answer what they are told to."""

    def __init__(self, clientset: FakeClientset, **answers: Any) -> None:
        self.ran: list[str] = []
        self.answers = answers
        self.finalizers = Finalizers[Unstructured](clientset.client, NETWORKS)
        for name in ("a", "b"):
            self.finalizers.register(f"demo.dev/{name}", self._cleanup(name))

    def _cleanup(self, name: str) -> Any:
        async def cleanup(thing: Unstructured) -> Outcome:
            assert thing.key.name == "net"
            self.ran.append(name)
            answer = self.answers.get(name, DONE)
            if isinstance(answer, Exception):
                raise answer
            outcome: Outcome = answer
            return outcome

        return cleanup


@pytest.mark.behaviour("H13")
async def test_the_life_of_an_object_with_two_finalizers() -> None:
    """H13: they are put there in one call, then nothing happens; at the end each is run and taken away in order."""
    clientset = clientset_with("other.dev/x")
    cleanups = Cleanups(clientset)
    handle = cleanups.finalizers.handle
    assert await handle(network(clientset)) is None
    assert finalizers_of(clientset) == ["other.dev/x", "demo.dev/a", "demo.dev/b"]
    assert await handle(network(clientset)) is None
    assert (len(clientset.actions), cleanups.ran) == (1, [])
    clientset.tracker.delete(NETWORKS, KEY)
    assert await handle(network(clientset)) == DONE
    assert cleanups.ran == ["a", "b"]
    assert finalizers_of(clientset) == ["other.dev/x"]
    assert await handle(network(clientset)) == DONE
    assert (len(clientset.actions), cleanups.ran) == (3, ["a", "b"])


@pytest.mark.behaviour("H13")
async def test_the_last_finalizer_lets_the_object_go() -> None:
    """And an object that is gone before its finalizer could be taken away is no error."""
    clientset = clientset_with("demo.dev/a", "demo.dev/b")
    clientset.tracker.delete(NETWORKS, KEY)
    last_seen = network(clientset)
    cleanups = Cleanups(clientset)
    assert await cleanups.finalizers.handle(last_seen) == DONE
    with pytest.raises(NotFound):
        network(clientset)
    assert await cleanups.finalizers.handle(last_seen) == DONE
    assert cleanups.ran == ["a", "b", "a"]


@pytest.mark.behaviour("H13")
async def test_a_cleanup_that_fails_or_takes_its_time_holds_up_the_next() -> None:
    """H13: what was done before it stays done."""
    clientset = clientset_with("demo.dev/a", "demo.dev/b")
    clientset.tracker.delete(NETWORKS, KEY)
    cleanups = Cleanups(clientset, a=RequeueAfter(5), b=OSError("disk"))
    assert await cleanups.finalizers.handle(network(clientset)) == RequeueAfter(5)
    assert (cleanups.ran, clientset.actions) == (["a"], ())
    cleanups.answers["a"] = DONE
    with pytest.raises(OSError, match="disk"):
        await cleanups.finalizers.handle(network(clientset))
    assert (cleanups.ran, finalizers_of(clientset)) == (["a", "a", "b"], ["demo.dev/b"])
    cleanups.answers["b"] = None
    with pytest.raises(TypeError, match=r"the cleanup of demo\.dev/b returned an object of type NoneType; return DONE"):
        await cleanups.finalizers.handle(network(clientset))


@pytest.mark.behaviour("H13")
async def test_a_name_can_be_registered_once() -> None:
    """H13."""
    finalizers = Cleanups(clientset_with()).finalizers
    with pytest.raises(ValueError, match=r"there is a demo\.dev/a already"):
        finalizers.register("demo.dev/a", lambda _: None)  # type: ignore[arg-type, return-value]


@pytest.mark.behaviour("H13")
async def test_an_object_that_goes_before_it_had_a_finalizer_is_left_alone() -> None:
    """Nothing was made for it, so there is nothing to clean up."""
    clientset = clientset_with("other.dev/x")
    old = network(clientset)
    clientset.tracker.delete(NETWORKS, KEY)
    cleanups = Cleanups(clientset)
    assert await cleanups.finalizers.handle(old) == DONE
    assert (cleanups.ran, finalizers_of(clientset)) == ([], ["other.dev/x"])
