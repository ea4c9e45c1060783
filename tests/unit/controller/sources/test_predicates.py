"""Which changes matter."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from ctrlkit.cache import Cause, Change
from ctrlkit.controller import DONE, Controller, Watch, to_self
from ctrlkit.controller.sources.predicates import (
    Predicate,
    annotations_changed,
    generation_changed,
    label_selector,
    labels_changed,
    resource_version_changed,
)
from ctrlkit.errors import Forbidden
from ctrlkit.model import Applied, ObjectMeta, Record
from tests.unit.controller.support import Script, lines_of, pods, running, virtual_loop, without_jitter

COMPARING = (generation_changed, resource_version_changed, labels_changed, annotations_changed)
BASE: dict[str, Any] = {"name": "a", "namespace": "d", "uid": "u", "resource_version": "1", "generation": 1}


def state(**fields: Any) -> Record[Any]:
    return Record(ObjectMeta(**{**BASE, **fields}), {}, dict)


def update(old: Record[Any], new: Record[Any], cause: Cause = Cause.WATCH) -> Change[Any]:
    return Change(old, new, cause)


@pytest.mark.behaviour("H8")
@pytest.mark.parametrize(
    ("new", "holds"),
    [
        (state(), (False, False, False, False)),
        (state(resource_version="2"), (False, True, False, False)),
        (state(resource_version="2", generation=2), (True, True, False, False)),
        (state(resource_version="2", labels={"app": "net"}), (False, True, True, False)),
        (state(resource_version="2", annotations={"note": "x"}), (False, True, False, True)),
        (state(resource_version="2", labels={}, annotations={}), (False, True, False, False)),
        (state(resource_version="2", uid="another"), (True, True, True, True)),
    ],
)
def test_each_asks_for_its_own_field(new: Record[Any], holds: tuple[bool, ...]) -> None:
    """H8: an update that left the field as it was does not matter; another object of the same name does."""
    assert tuple(predicate(update(state(), new)) for predicate in COMPARING) == holds


@pytest.mark.behaviour("H8")
@pytest.mark.parametrize("predicate", COMPARING)
def test_what_comes_and_goes_matters(predicate: Predicate) -> None:
    """H8: update only, others true."""
    assert predicate(Change(None, state(), Cause.INITIAL))
    assert predicate(Change(state(), None, Cause.WATCH))


def test_a_kind_without_generations_always_passes() -> None:
    """A ConfigMap would never be seen again."""
    assert generation_changed(update(state(generation=0), state(generation=0, resource_version="2")))


@pytest.mark.behaviour("H8")
def test_labels_select_by_the_old_or_the_new_state() -> None:
    """What leaves the selection matters once more: whoever counted it has to count anew."""
    net, other = state(labels={"app": "net"}), state(labels={"app": "other"})
    selects = label_selector("app=net")
    assert [selects(change) for change in (update(net, other), update(other, net), update(other, other))] == [
        True,
        True,
        False,
    ]
    assert selects(Change(net, None, Cause.WATCH))
    assert not selects(Change(None, state(), Cause.WATCH))
    with pytest.raises(ValueError, match="app"):
        label_selector("app in net")


trees = st.recursive(
    st.sampled_from("abc"),
    lambda inner: st.one_of(
        st.tuples(st.just("&"), inner, inner), st.tuples(st.just("|"), inner, inner), st.tuples(st.just("~"), inner)
    ),
    max_leaves=8,
)


@pytest.mark.behaviour("H8")
@given(tree=trees, a=st.booleans(), b=st.booleans(), c=st.booleans())
def test_for_any_formula_the_three_operators_mean_what_they_mean(tree: Any, a: bool, b: bool, c: bool) -> None:
    """And, or, not."""
    values = {"a": a, "b": b, "c": c}
    change = Change(None, state(), Cause.WATCH)

    def build(node: Any) -> tuple[Predicate, bool]:
        match node:
            case ("&", left, right):
                (one_, x), (two, y) = build(left), build(right)
                return one_ & two, x and y
            case ("|", left, right):
                (one_, x), (two, y) = build(left), build(right)
                return one_ | two, x or y
            case ("~", inner):
                (one_, x) = build(inner)
                return ~one_, not x
            case _:
                return Predicate(lambda _: values[node]), values[node]

    predicate, expected = build(tree)
    assert predicate(change) is expected


async def test_a_watch_asks_its_predicate_before_its_mapper() -> None:
    """Only a new generation is reconciled; no resync is."""
    informer, script = pods(), Script(DONE)
    watch = Watch(informer, to_self, predicate=generation_changed, resync_s=10)
    async with running(Controller(name="test", reconcile=script, watches=[watch])):
        await asyncio.sleep(1)
        for version, generation in ((2, 1), (3, 1), (4, 2)):
            informer.apply([Applied(state(resource_version=str(version), generation=generation))])
            await asyncio.sleep(1)
        await asyncio.sleep(60)
    assert [request.causes for request in script.requests] == [
        ("pods d/a added at 2",),
        ("pods d/a updated spec at 4",),
    ]


async def test_a_predicate_that_raises_is_told_and_counts_as_yes() -> None:
    """A look too many does no harm; a change lost does."""

    @Predicate
    def broken(_change: Change[Any]) -> bool:
        raise KeyError("spec")

    script = Script(DONE)
    watch = Watch(pods("d/a"), to_self, predicate=broken | labels_changed)
    controller = Controller(name="test", reconcile=script, watches=[watch])
    with capture_logs() as lines:
        async with running(controller):
            await asyncio.sleep(1)
    assert len(script.calls) == 1
    (line,) = lines_of(lines, "source_failed")
    assert (line["step"], line["key"], line["source"]) == ("predicate", "d/a", "pods")
    assert controller.statistics().source_failures == 1


@pytest.mark.behaviour("B10")
@pytest.mark.parametrize(("generation", "attempt", "delay_s"), [(2, 1, 0.005), (1, 8, 0.64)])
async def test_a_new_spec_starts_over_however_long_the_old_one_failed(
    generation: int, attempt: int, delay_s: float
) -> None:
    """B10: an option; a change of anything else is tried at once too, and its next failure waits as long as before."""
    without_jitter()
    informer, script = pods(), Script(Forbidden("no"))
    watch = Watch(informer, to_self, forgets_failures=generation_changed)
    controller = Controller(name="test", reconcile=script, watches=[watch])
    async with running(controller):
        await asyncio.sleep(1)
        informer.apply([Applied(state(resource_version="20"))])
        await asyncio.sleep(0.5)
        informer.apply([Applied(state(resource_version="21", generation=generation))])
        await virtual_loop().wait_all_blocked()
        assert script.calls[-1] == ("d/a", attempt, 1.5)
        (retry,) = controller.retries()
        assert round(retry.due_at, 6) == 1.5 + delay_s
