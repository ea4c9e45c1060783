"""Events are stored by their form once one of that form was; that is not to be seen in any answer."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctrlkit.errors import ApiError
from ctrlkit.fakes.loop import VirtualTimeLoop
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.fakes.tracker.verbs import create
from ctrlkit.model import Action, AnyResource, Options, Verb
from ctrlkit.model.kinds import EVENTS, EVENTS_V1, RESOURCE_QUOTAS

CORE: dict[str, Any] = {
    "involvedObject": {"apiVersion": "v1", "kind": "Pod", "name": "web", "namespace": "default", "uid": "1"},
    "type": "Normal",
    "reason": "Started",
    "message": "Started container web",
    "source": {"component": "kubelet", "host": "n1"},
    "reportingComponent": "kubelet",
    "reportingInstance": "n1",
    "firstTimestamp": "2026-01-01T00:00:00Z",
    "lastTimestamp": "2026-01-01T00:00:00Z",
    "count": 1,
}
NEWER: dict[str, Any] = {
    "eventTime": "2026-01-01T00:00:00.000000Z",
    "reportingController": "default-scheduler",
    "reportingInstance": "default-scheduler-n1",
    "action": "Binding",
    "reason": "Scheduled",
    "regarding": {"kind": "Pod", "namespace": "default", "name": "web"},
    "note": "assigned default/web to n1",
    "type": "Normal",
}
FORMS = {EVENTS: CORE, EVENTS_V1: NEWER}
ODD: st.SearchStrategy[Any] = st.sampled_from(
    [
        *(None, "", "x", "X.1", "a..b", "-", "x" * 1025, "é" * 600, "2026-01-01T00:00:00+01:00"),
        *(0, 2, -1, 2**31, 1.0, True, [], {}, {"name": "web"}, {"kind": "Node", "name": "n1"}),
        {"kind": "Pod", "namespace": "kube-system", "name": "web"},
    ]
)


def event(resource: AnyResource, name: str, **changes: Any) -> Action:
    """A create of an Event."""
    identity = {"apiVersion": resource.api_version, "kind": resource.kind}
    body = identity | {"metadata": {"name": name, "namespace": "default"}} | FORMS[resource] | changes
    options = Options(field_manager="cluster")
    return Action(verb=Verb.CREATE, resource=resource, namespace="default", body=body, options=options)


def slow() -> Tracker:
    """A tracker to which no object is usual."""
    tracker = Tracker()
    for resource in FORMS:
        served = tracker.registry.find(resource.group, resource.version, resource.plural)
        assert served is not None
        assert served.is_usual is not None
        tracker.registry.register(dataclasses.replace(served, is_usual=None))
    return tracker


def answer(tracker: Tracker, action: Action) -> bytes | str:
    """What is said to a call."""
    try:
        return tracker.call(action)
    except ApiError as error:
        return f"{type(error).__name__}: {error}"


def played(tracker: Callable[[], Tracker], *actions: Action) -> list[bytes | str]:
    """What is said to calls, and what is there in the end, on a loop of its own, which is where chance comes from."""

    async def play() -> list[bytes | str]:
        server = tracker()
        said = [answer(server, action) for action in actions]
        return [*said, *(server.call(Action(verb=Verb.LIST, resource=resource)) for resource in FORMS)]

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(play())


@given(
    st.sampled_from([EVENTS, EVENTS_V1]),
    st.dictionaries(st.sampled_from([*CORE, *NEWER, "series", "bogus", "metadata", "kind"]), ODD, max_size=2),
    st.sampled_from(["web.2", "web.1", "", ".", "a..b", "a/b", "Web", "x" * 254]),
)
@settings(max_examples=20)
def test_any_event_gets_the_answer_that_it_would_get_without_a_known_form(
    resource: AnyResource, changes: dict[str, Any], name: str
) -> None:
    """Also one that is refused, or whose name is taken."""
    actions = [event(resource, "web.1"), event(resource, name, **changes), event(resource, "web.3")]
    assert played(Tracker, *actions) == played(slow, *actions)


@pytest.mark.parametrize("resource", FORMS, ids=str)
def test_an_event_of_a_known_form_is_not_read_again(resource: AnyResource, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else all of this would be for nothing."""
    tracker = Tracker()
    tracker.call(event(resource, "web.1"))
    monkeypatch.delattr(create, "make")
    tracker.call(event(resource, "web.2"))
    assert [one.metadata.name for one in tracker.list(resource)] == ["web.1", "web.2"]


def test_what_else_decides_about_an_event_is_asked_of_one_of_a_known_form() -> None:
    """A quota counts them, and a namespace that is not there takes none."""
    tracker = Tracker()
    tracker.call(event(EVENTS, "web.1"))
    quota = {"metadata": {"name": "few", "namespace": "default"}, "spec": {"hard": {"count/events": "1"}}}
    status = {"status": {"hard": {"count/events": "1"}, "used": {"count/events": "1"}}}
    tracker.update(RESOURCE_QUOTAS, {**tracker.create(RESOURCE_QUOTAS, quota), **status}, subresource="status")
    assert "exceeded quota: few" in str(answer(tracker, event(EVENTS, "web.2")))
    tracker.delete(RESOURCE_QUOTAS, "default/few")
    elsewhere = {"metadata": {"name": "web.2", "namespace": "gone"}, "involvedObject": {"kind": "Pod", "name": "web"}}
    action = dataclasses.replace(event(EVENTS, "web.2", **elsewhere), namespace="gone")
    assert answer(tracker, action) == answer(slow(), action)
    assert "not found" in str(answer(tracker, action))
