"""A pod of the body of the last one is stored as that was, and nobody can tell."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.errors import ApiError
from ctrlkit.fakes.loop import VirtualTimeLoop, at_hand
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.fakes.tracker.core import Core
from ctrlkit.fakes.tracker.kinds.strategy import Strategy
from ctrlkit.fakes.tracker.store import Stored
from ctrlkit.fakes.tracker.verbs import create
from ctrlkit.model import Action, MergePatch, Options, to_plain
from ctrlkit.model.kinds import LIMIT_RANGES, NAMESPACES, PODS, PRIORITY_CLASSES, RESOURCE_QUOTAS

OWNER = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "u1", "controller": True}


def pod(base: str = "web-", image: str = "web:1", **meta: Any) -> dict[str, Any]:
    """A pod as a ReplicaSet makes it."""
    return {
        "metadata": {"namespace": "default", "generateName": base, "ownerReferences": [OWNER]} | meta,
        "spec": {"containers": [{"name": "web", "image": image, "resources": {"limits": {"cpu": "0.5"}}}]},
    }


def _limits(tracker: Tracker) -> None:
    limit = {"type": "Container", "default": {"memory": "1Gi"}, "max": {"cpu": "2"}}
    tracker.create(LIMIT_RANGES, {"metadata": {"name": "few", "namespace": "default"}, "spec": {"limits": [limit]}})


def _class(tracker: Tracker) -> None:
    tracker.create(PRIORITY_CLASSES, {"metadata": {"name": "high"}, "value": 7, "globalDefault": True})


def _quota(tracker: Tracker) -> None:
    tracker.create(
        RESOURCE_QUOTAS, {"metadata": {"name": "two", "namespace": "default"}, "spec": {"hard": {"pods": "2"}}}
    )


def _change_the_first(tracker: Tracker) -> None:
    for found in tracker.list(PODS)[:1]:
        tracker.patch(PODS, found.key, MergePatch({"metadata": {"labels": {"a": "b"}}}))


STEPS: dict[str, Callable[[Tracker], object]] = {
    "the same": lambda tracker: tracker.create(PODS, pod()),
    "by another": lambda tracker: tracker.create(PODS, pod(), Options(field_manager="me")),
    "a dry run": lambda tracker: tracker.create(PODS, pod(), Options(dry_run=True)),
    "another image": lambda tracker: tracker.create(PODS, pod(image="web:2")),
    "another base": lambda tracker: tracker.create(PODS, pod("api-")),
    "a wrong base": lambda tracker: tracker.create(PODS, pod("Api-")),
    "a named one": lambda tracker: tracker.create(PODS, pod(name="web-0")),
    "limits": _limits,
    "a class": _class,
    "a quota": _quota,
    "no namespace": lambda tracker: tracker.delete(NAMESPACES, "default"),
    "a change": _change_the_first,
}


@contextmanager
def _a_loop() -> Iterator[VirtualTimeLoop]:
    loop = VirtualTimeLoop(seed=3)
    try:
        with at_hand(loop):
            yield loop
    finally:
        loop.close()


def _told(steps: Sequence[str]) -> list[Any]:
    """What each step says, and all pods at the end."""
    told: list[Any] = []
    with _a_loop() as loop:
        tracker = Tracker()
        for name in steps:
            if name == "time":
                loop._now_s += 1
                continue
            try:
                told.append(to_plain(STEPS[name](tracker)))
            except ApiError as refusal:
                told.append(str(refusal))
        told += [tracker.version, *map(to_plain, tracker.list(PODS)), loop.random_source.random()]
    return told


@given(st.lists(st.sampled_from(["the same", "time", *STEPS]), max_size=8))
def test_a_pod_is_the_same_as_if_the_last_one_were_not_remembered(steps: list[str]) -> None:
    """Objects, versions, refusals and what chance brings, for any steps between the creates of one body."""
    remembered = _told(["the same", *steps])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(create, "create_again", lambda *_: None)
        assert remembered == _told(["the same", *steps])


def test_of_three_pods_of_one_body_two_are_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """They have names and uids of their own."""
    made: list[str] = []
    make = create.make

    def noted(core: Core, served: Strategy, action: Action, body: Mapping[str, Any]) -> Stored:
        made.append(str(action))
        return make(core, served, action, body)

    monkeypatch.setattr(create, "make", noted)
    with _a_loop():
        tracker = Tracker()
        made.clear()
        pods = [tracker.create(PODS, pod()) for _ in range(3)]
    assert len(made) == 1
    assert len({one.metadata.name for one in pods}) == len({one.metadata.uid for one in pods}) == 3
    assert [one.at("spec.containers") for one in pods[1:]] == [pods[0].at("spec.containers")] * 2
