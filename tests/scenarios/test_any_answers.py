"""
Whatever is answered in the place of the truth, nothing that is not so is taken for it.

Lies (tests/support/lies.py) are drawn by hypothesis and told in answers and lines of watches, between a truthful server
and the true client. While they are told: no object counts as deleted that is there; what the cache has is what the
server said, or is listed as quarantined, or the informer says what it waits for; a write counts as made only if the
answer truthfully said so. And after them the cache is equal to the server.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ctrlkit.cache import Change, ChangeKind, Informer
from ctrlkit.cache.reflector.reflector import ReflectorState
from ctrlkit.client import Client, noting_writes
from ctrlkit.errors import CtrlkitError, DecodeError
from ctrlkit.fakes.loop import VirtualTimeLoop
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.model import MergePatch, Resource
from ctrlkit.model.kinds import CONFIG_MAPS
from tests.support.effort import tries
from tests.support.lies import Liar, Lie, instead, mangled, poisoned, without_a_part
from tests.support.mirror import THINGS

HEAL_S = 700.0
NAMES = "abc"
LIES = st.one_of(instead(), mangled(), without_a_part(), poisoned())
TOLD = st.one_of(st.none(), LIES)
SECONDS = st.sampled_from([0.0, 0.5, 5.0, 40.0, 200.0])
STEPS = st.one_of(
    st.tuples(st.just("put"), st.sampled_from(NAMES), st.text("xyz", max_size=9)),
    st.tuples(st.just("remove"), st.sampled_from(NAMES)),
    st.tuples(st.just("compact")),
    st.tuples(st.just("end")),
    st.tuples(st.just("lie in answers"), st.lists(TOLD, min_size=1, max_size=4)),
    st.tuples(st.just("lie in lines"), st.lists(TOLD, min_size=1, max_size=4)),
)
Story = list[tuple[tuple[Any, ...], float]]
STORIES = st.lists(st.tuples(STEPS, SECONDS), max_size=16)
KINDS = st.sampled_from([CONFIG_MAPS, THINGS])
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]


class Mirror:
    """A server, its mirror, and what handlers were told."""

    def __init__(self, resource: Resource[Any], *, streams: bool) -> None:
        self.tracker = Tracker()
        self.liar = Liar(self.tracker)
        self.liar.streams_lists = streams
        self.informer = Informer(resource, {"": Client(self.liar).list_watch(resource)})
        self.told: dict[str, str] = {}
        self.wrong: list[str] = []
        self.informer.add_handler(self._hear)
        self._removed: set[tuple[str, str]] = set()

    def put(self, name: str, value: str) -> None:
        """Make or change an object."""
        body = {"metadata": {"name": name, "namespace": "default"}, "data": {"value": value}}
        if name in self.truth():
            self.tracker.update(CONFIG_MAPS, body)
        else:
            self.tracker.create(CONFIG_MAPS, body)

    def remove(self, name: str) -> None:
        """Delete an object, if it is there."""
        if name in self.truth():
            self._removed.add((name, self.tracker.get(CONFIG_MAPS, f"default/{name}").metadata.uid))
            self.tracker.delete(CONFIG_MAPS, f"default/{name}")

    def take(self, step: tuple[Any, ...]) -> None:
        """One step of a story."""
        match step:
            case ("put", name, value):
                self.put(name, value)
            case ("remove", name):
                self.remove(name)
            case ("compact",):
                self.tracker.compact()
            case ("end",):
                self.liar.end_watches()
            case ("lie in answers", lies):
                self.liar.of_documents.extend(lies)
            case ("lie in lines", lies):
                self.liar.of_lines.extend(lies)

    def truth(self) -> dict[str, str]:
        """The versions of the objects there are."""
        return {found.key.name: found.metadata.resource_version for found in self.tracker.list(CONFIG_MAPS)}

    def check(self) -> None:
        """The cache is what the server has, or says why it may not be."""
        assert self.wrong == []
        reflector = self.informer.statistics().reflectors[""]
        if self.held() != self.truth() and reflector.state == ReflectorState.WATCHING:
            assert reflector.last_error, f"has {self.held()} for {self.truth()}, and says nothing of it"

    def held(self) -> dict[str, str]:
        """The versions of the objects that the cache has."""
        return {record.key.name: record.version for record in self.informer.lister.records()}

    def assert_true(self) -> None:
        """All is as on the server, to the last byte."""
        assert self.wrong == []
        assert self.held() == self.told == self.truth()
        assert not self.informer.statistics().quarantined
        for found in self.tracker.list(CONFIG_MAPS):
            value: Any = self.informer.lister.get(found.key)
            text = value["data"]["value"] if isinstance(value, dict) else value.data.value
            assert text == found["data"]["value"]

    def _hear(self, change: Change[Any]) -> None:
        name = change.key.name
        if change.kind is ChangeKind.DELETED:
            meta = change.record.meta
            if (name, meta.uid) not in self._removed:
                self.wrong.append(f"{name} was told deleted, and was not")
            self.told.pop(name, None)
        else:
            self.told[name] = change.record.version


def on_virtual_time(scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    with asyncio.Runner(loop_factory=lambda: VirtualTimeLoop(seed=1)) as runner:
        runner.run(scenario())


async def play(story: Story, resource: Resource[Any], *, streams: bool) -> None:
    mirror = Mirror(resource, streams=streams)
    for name in NAMES:
        mirror.put(name, "first")
    running = asyncio.create_task(mirror.informer.run())
    for step, seconds in story:
        mirror.take(step)
        await asyncio.sleep(seconds)
        if seconds >= 0.5 and mirror.informer.has_synced():
            mirror.check()
    mirror.liar.tell_the_truth()
    await asyncio.sleep(HEAL_S)
    assert not running.done(), "nothing ends an informer"
    mirror.check()
    for name in NAMES:  # what was poisoned is healed by its next change
        mirror.put(name, "last")
    await asyncio.sleep(HEAL_S)
    mirror.assert_true()
    assert running.cancel()
    await asyncio.wait([running])


SEEN_LATE: Story = [
    (("compact",), 0.0),
    (("lie in answers", [lambda data: data.replace(b'"first"', b"1" + b"0" * 9_000)]), 0.0),
    (("end",), 0.0),
]
"""What no decoder sees before somebody looks, and then a watch that breaks: found by the long test."""


@pytest.mark.behaviour("B14", "R6", "R15")
@given(story=STORIES, resource=KINDS, streams=st.booleans())
@example(story=SEEN_LATE, resource=CONFIG_MAPS, streams=False)
@settings(max_examples=tries(20, thorough=60), deadline=None, suppress_health_check=SLOW)
def test_for_any_lies_the_cache_is_what_the_server_truthfully_said(
    story: Story,
    resource: Resource[Any],
    streams: bool,
) -> None:
    """Or says what it waits for; and no lie deletes anything."""
    on_virtual_time(lambda: play(story, resource, streams=streams))


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.behaviour("B14", "R6", "R15")
@given(story=STORIES, resource=KINDS, streams=st.booleans())
@settings(max_examples=1_500, deadline=None, suppress_health_check=SLOW)
def test_for_very_many_lies_the_cache_is_what_the_server_truthfully_said(
    story: Story,
    resource: Resource[Any],
    streams: bool,
) -> None:
    """The same, for longer."""
    on_virtual_time(lambda: play(story, resource, streams=streams))


# ---- writes ----------------------------------------------------------------------------------------------------------

CALLS: dict[str, Callable[[Client], Coroutine[Any, Any, object]]] = {
    "create": lambda client: client.create(CONFIG_MAPS, _body("new")),
    "update": lambda client: client.update(CONFIG_MAPS, _body("a")),
    "patch": lambda client: client.patch(CONFIG_MAPS, "default/a", MergePatch({"data": {"value": "new"}})),
    "apply": lambda client: client.apply(CONFIG_MAPS, "default/a", {"data": {"other": "new"}}),
    "delete": lambda client: client.delete(CONFIG_MAPS, "default/a"),
    "delete_collection": lambda client: client.delete_collection(CONFIG_MAPS, namespace="default"),
    "get": lambda client: client.get(CONFIG_MAPS, "default/a"),
    "list": lambda client: client.list(CONFIG_MAPS),
}


def _body(name: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "default"}, "data": {"value": "new"}}


async def _call(name: str, lie: Lie) -> None:
    tracker = Tracker()
    for existing in NAMES:
        tracker.create(CONFIG_MAPS, {**_body(existing), "data": {"value": "first"}})
    told: list[tuple[bytes, bytes]] = []

    def tell(truth: bytes) -> bytes:
        told.append((truth, lie(truth)))
        return told[0][1]

    liar = Liar(tracker)
    liar.of_documents.append(tell)
    with noting_writes() as writes:
        try:
            found = await CALLS[name](Client(liar))
        except CtrlkitError as error:
            failed: CtrlkitError | None = error
        else:
            failed = None
            truth = _versions(msgspec.json.decode(told[0][0]))
            assert found is None or all(had in ("", has) for had, has in zip(_versions(found), truth, strict=True))
    if name in ("get", "list"):
        assert writes == []
    elif writes:  # then the server said so, whatever else could be made of its answer
        assert failed is None or isinstance(failed, DecodeError)
        versions = {found.metadata.resource_version for found in tracker.list(CONFIG_MAPS)}
        gone = name.startswith("delete")
        assert all(gone or write.version in versions for write in writes)
    else:
        assert failed is not None or name == "delete_collection" or b"resourceVersion" not in told[0][1]


def _versions(found: Any) -> list[str]:
    whole = found if isinstance(found, list) else found.get("items", [found])
    return [each["metadata"].get("resourceVersion", "") for each in whole]


@pytest.mark.behaviour("B1")
@given(name=st.sampled_from(sorted(CALLS)), lie=LIES)
@settings(max_examples=150, deadline=None, suppress_health_check=SLOW)
def test_for_any_lie_a_call_has_the_truth_or_fails(name: str, lie: Lie) -> None:
    """And a write counts as made only if the answer truthfully said so."""
    on_virtual_time(lambda: _call(name, lie))


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.behaviour("B1")
@given(name=st.sampled_from(sorted(CALLS)), lie=LIES)
@settings(max_examples=5_000, deadline=None, suppress_health_check=SLOW)
def test_for_very_many_lies_a_call_has_the_truth_or_fails(name: str, lie: Lie) -> None:
    """The same, for longer."""
    on_virtual_time(lambda: _call(name, lie))
