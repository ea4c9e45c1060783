"""From changes to keys."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any
from unittest.mock import Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from ctrlkit.cache import Cause, Change, Delivery
from ctrlkit.controller import (
    DONE,
    Controller,
    Mapper,
    Outcome,
    Request,
    RequeueAfter,
    Watch,
    to_mapped,
    to_owner,
    to_self,
)
from ctrlkit.controller.causes import Causes
from ctrlkit.controller.retries import PendingRetries
from ctrlkit.controller.sources.source import Enqueuer, Sink
from ctrlkit.controller.sources.watch import (
    Predicate,
    annotations_changed,
    generation_changed,
    label_selector,
    labels_changed,
    resource_version_changed,
)
from ctrlkit.errors import Conflict, Forbidden
from ctrlkit.fakes import World
from ctrlkit.manager import Manager
from ctrlkit.model import Applied, MergePatch, ObjectKey, ObjectMeta, OwnerReference, Record, custom_resource
from ctrlkit.model.kinds import CLUSTER_ROLES, CONFIG_MAPS, STATEFULSETS
from ctrlkit.workqueue import LOW, NORMAL, WorkQueue
from tests.support.records import applied, record
from tests.unit.controller.support import Script, lines_of, one, pods, running, virtual_loop, without_jitter

NETWORKS = custom_resource(group="demo.dev", version="v1", kind="Network", plural="networks")


def owned(key: str, *owners: OwnerReference) -> Record[dict[str, Any]]:
    namespace, name = ObjectKey.parse(key)
    return Record(ObjectMeta(namespace=namespace, name=name, owner_references=owners or None), {}, dict)


def owner(
    name: str, *, api_version: str = "demo.dev/v1", kind: str = "Network", controls: bool = True
) -> OwnerReference:
    return OwnerReference(api_version=api_version, kind=kind, name=name, uid=f"uid-{name}", controller=controls)


async def keys_of(mapper: Mapper[Any], *changes: Change[Any]) -> tuple[list[str], list[str]]:
    """The keys that a watch adds for these changes, and the objects whose mapping failed."""
    queue: WorkQueue[ObjectKey] = WorkQueue()
    handle = Watch(pods(), mapper).handler(Sink(Enqueuer("test", queue, Causes(), PendingRetries(queue)), "pods"))
    with capture_logs() as lines:
        for change in changes:
            handle(change)
    added = [str(queue.take_nowait()) for _ in range(queue.statistics().ready)]
    return added, [line["key"] for line in lines]


@pytest.mark.behaviour("H1")
async def test_an_update_asks_for_its_object_once() -> None:
    """H1: one request for each event, though both states name the key."""
    change = Change(record("d/a", 1), record("d/a", 2), Cause.WATCH)
    assert await keys_of(to_self, change) == (["d/a"], [])


@pytest.mark.behaviour("H5", "B22")
async def test_a_deletion_found_by_a_relist_is_delivered() -> None:
    """H5, B22: the last known state is stale, its key is not."""
    assert await keys_of(to_self, Change(record("d/a", 1), None, Cause.RELIST)) == (["d/a"], [])


@pytest.mark.behaviour("H2")
async def test_a_child_that_changes_hands_concerns_both_owners() -> None:
    """H2: old and new owner, each once."""
    change = Change(owned("d/a", owner("old")), owned("d/a", owner("new")), Cause.WATCH)
    assert await keys_of(to_owner(NETWORKS), change) == (["d/old", "d/new"], [])


@pytest.mark.behaviour("H2")
@pytest.mark.parametrize(
    ("reference", "keys"),
    [
        (owner("net"), ["d/net"]),
        (owner("net", api_version="demo.dev/v1beta1"), ["d/net"]),
        (owner("net", controls=False), []),
        (owner("net", api_version="other.dev/v1"), []),
        (owner("net", kind="Node"), []),
    ],
)
async def test_an_owner_is_known_by_group_and_kind_and_must_control(reference: OwnerReference, keys: list[str]) -> None:
    """H2: the version does not matter."""
    assert await keys_of(to_owner(NETWORKS), Change(None, owned("d/a", reference), Cause.WATCH)) == (keys, [])


@pytest.mark.behaviour("H2")
async def test_a_cluster_scoped_owner_has_no_namespace() -> None:
    """H2: the child's namespace is not its owner's."""
    reference = CLUSTER_ROLES.owner_reference(ObjectMeta(name="admin", uid="1"))
    assert to_owner(CLUSTER_ROLES)(owned("d/a", reference)) == (ObjectKey("", "admin"),)
    assert to_owner(STATEFULSETS)(owned("d/a")) == ()


@pytest.mark.behaviour("H3")
@given(old=st.lists(st.sampled_from("abc")), new=st.lists(st.sampled_from("abc")))
def test_for_any_mapping_each_key_of_both_states_is_given_once(old: list[str], new: list[str]) -> None:
    """H3: a set of keys, as keys or as their text."""
    said: dict[str, list[ObjectKey | str]] = {"d/old": [f"d/{name}" for name in old], "d/new": []}
    said["d/new"] = [ObjectKey("d", name) for name in new]
    mapper = to_mapped(lambda seen: said[str(seen.key)])
    for key, names in (("d/old", old), ("d/new", new)):
        assert mapper(record(key, 1)) == tuple(ObjectKey("d", name) for name in dict.fromkeys(names))


@pytest.mark.behaviour("H3")
async def test_keys_named_by_both_states_are_added_once() -> None:
    """H3: duplicates within one event are removed."""
    mapper = to_mapped(lambda seen: ["d/x", f"d/{seen.version}"])
    change = Change(record("d/a", 1), record("d/a", 2), Cause.WATCH)
    assert await keys_of(mapper, change) == (["d/x", "d/1", "d/2"], [])


async def test_a_mapper_that_raises_costs_nothing_but_the_state_it_raised_for() -> None:
    """The other state, the next change and a broken key text."""

    def mapping(seen: Record[Any]) -> Iterable[str]:
        if seen.version == "1":
            raise KeyError("app")
        return ["d/too/many"] if seen.version == "3" else [f"d/{seen.version}"]

    first = Change(record("d/a", 1), record("d/a", 2), Cause.WATCH)
    second = Change(record("d/b", 3), None, Cause.WATCH)
    third = Change(None, record("d/c", 4), Cause.WATCH)
    assert await keys_of(to_mapped(mapping), first, second, third) == (["d/2", "d/4"], ["d/a", "d/b"])


async def test_a_mapper_that_returns_one_key_is_refused_and_keys_may_be_texts() -> None:
    """A text alone would be taken letter by letter, a key as its namespace and its name."""
    change = Change(None, record("d/a", 1), Cause.WATCH)
    assert await keys_of(lambda _: "demo/net", change) == ([], ["d/a"])
    assert await keys_of(lambda record: record.key, change) == ([], ["d/a"])
    assert await keys_of(to_mapped(lambda record: record.key), change) == ([], ["d/a"])
    assert await keys_of(lambda _: ["demo/net"], change) == (["demo/net"], [])


def test_a_watch_of_what_cannot_be_watched_is_refused() -> None:
    """With what to write instead."""
    kind: Any = CONFIG_MAPS
    with pytest.raises(TypeError, match=r"Watch: configmaps is a kind; give it the informer, manager\.informer"):
        Watch(kind, to_self)
    informer, mapper = Mock(), to_owner
    with pytest.raises(TypeError, match=r"write to_owner\(KIND\)"):
        Watch(informer, mapper)  # type: ignore[arg-type]


# ---- priorities (P9) ----


@pytest.mark.behaviour("P9", "H3")
@pytest.mark.parametrize("mapper", [to_self, to_mapped(lambda _: ["d/a"])])
@pytest.mark.parametrize(
    ("change", "priority"),
    [
        (Change(None, record("d/a", 1), Cause.INITIAL), LOW),
        (Change(record("d/a", 1), record("d/a", 1), Cause.RESYNC), LOW),
        (Change(record("d/a", 1), record("d/a", 1), Cause.RELIST), LOW),
        (Change(record("d/a", 1), record("d/a", 2), Cause.RELIST), NORMAL),
        (Change(record("d/a", 1), None, Cause.RELIST), NORMAL),
        (Change(None, record("d/a", 1), Cause.WATCH), NORMAL),
        (Change(record("d/a", 1), record("d/a", 2), Cause.WATCH), NORMAL),
        (Change(record("d/a", 1), None, Cause.WATCH), NORMAL),
    ],
)
def test_what_nobody_waits_for_has_low_priority(mapper: Mapper[Any], change: Change[Any], priority: int) -> None:
    """P9: first lists, resyncs, what a new list found unchanged; a watch may say otherwise."""
    for fixed, expected in ((None, priority), (7, 7)):
        sink = Mock(spec=Sink)
        Watch(pods(), mapper, priority=fixed).handler(sink)(change)
        assert [call.args[-1] for call in sink.add_changed.call_args_list] == [expected]


@pytest.mark.behaviour("P9")
async def test_what_happens_overtakes_the_first_list() -> None:
    """P9: a change of an object that waits raises it."""
    informer, begun = pods("d/0", "d/1", "d/2", "d/3"), list[str]()

    async def reconcile(request: Request) -> Outcome:
        begun.append(request.name)
        await asyncio.sleep(10)
        return DONE

    async with running(one(reconcile, informer)):
        await asyncio.sleep(1)
        informer.apply([applied("d/3", 2), applied("d/4", 3)])
        await asyncio.sleep(60)
    assert begun == ["0", "3", "4", "1", "2"]


@pytest.mark.behaviour("K12")
@pytest.mark.parametrize("end", [RequeueAfter(0.005), Forbidden("no"), Conflict("changed")])
async def test_a_key_that_comes_again_keeps_the_priority_it_ran_with(end: object) -> None:
    """K12: two keys are due while a third holds the worker; the one that was in the first list is the last."""
    without_jitter()
    begun: list[str] = []

    async def reconcile(request: Request) -> Outcome:
        begun.append(request.name)
        if request.name == "slow":
            await asyncio.sleep(1)
        elif begun.count(request.name) == 1:
            if isinstance(end, Exception):
                raise end
            return RequeueAfter(0.005)
        return DONE

    informer = pods("d/low")
    async with running(one(reconcile, informer)):
        await virtual_loop().wait_all_blocked()
        informer.apply([applied("d/high", 2), applied("d/slow", 3)])
        await asyncio.sleep(5)
    assert begun == ["low", "high", "slow", "high", "low"]


async def test_a_watch_may_collect_what_comes_in_a_burst() -> None:
    """One reconcile answers all changes of a tenth of a second; the controller is busy meanwhile."""
    script = Script(DONE)
    informer = pods("d/a")
    controller = Controller(name="test", reconcile=script, watches=[Watch(informer, to_self, batch_s=0.1)])
    async with running(controller):
        await asyncio.sleep(1)
        for version in (2, 3, 4):
            informer.apply([applied("d/a", version)])
            await asyncio.sleep(0.03)
            assert controller.busy() == ("controller:test d/a waits for more changes",)
        await asyncio.sleep(0.02)
        assert controller.busy() == ()
    assert [request.merged for request in script.requests] == [1, 3]


def test_a_watch_refuses_a_time_that_is_none() -> None:
    """A negative batch_s is named."""
    with pytest.raises(ValueError, match="batch_s must be 0 or more"):
        Watch(pods(), to_self, batch_s=-1)


@pytest.mark.behaviour("I10")
async def test_a_watch_may_ask_for_resyncs() -> None:
    """Every object, about every so often, at low priority, for that cause."""
    script = Script(DONE)
    watch = Watch(pods("d/a", "d/b"), to_self, resync_s=60)
    controller = Controller(name="test", reconcile=script, watches=[watch])
    async with running(controller):
        await asyncio.sleep(67)
        assert controller.busy() == ()
    assert [request.causes for request in script.requests[2:]] == [
        ("pods d/a unchanged at 1, seen by a resync",),
        ("pods d/b unchanged at 1, seen by a resync",),
    ]


@pytest.mark.behaviour("H9")
async def test_a_watch_of_metadata_alone_maps_and_names_fields_as_any_other() -> None:
    """H9: only metadata travels; owners, labels and the fields that changed are there."""
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "demo"}}
    async with World({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "demo"}}, body) as world:
        script = Script(DONE)

        def build(manager: Manager) -> Controller:
            informer = manager.informer(CONFIG_MAPS.metadata_only())
            watch = Watch(informer, to_self, predicate=label_selector("app=net"))
            return Controller(name="test", reconcile=script, watches=[watch])

        world.manage(build)
        await world.settle()
        assert script.calls == []
        world.tracker.patch(CONFIG_MAPS, "demo/a", MergePatch({"metadata": {"labels": {"app": "net"}}}))
        await world.settle()
        world.tracker.patch(CONFIG_MAPS, "demo/a", MergePatch({"data": {"text": "secret"}}))
        await world.settle()
        version = world.tracker.get(CONFIG_MAPS, "demo/a").metadata.resource_version
    assert [request.causes for request in script.requests] == [
        (f"configmaps demo/a updated labels at {int(version) - 1}",),
        (f"configmaps demo/a updated content at {version}",),
    ]


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


async def test_a_question_about_failures_that_raises_is_told_and_counts_as_yes() -> None:
    """The key starts over: a try too early does no harm."""

    def broken(_change: Change[Any]) -> bool:
        raise KeyError("spec")

    without_jitter()
    informer, script = pods("d/a"), Script(Forbidden("no"))
    controller = Controller(name="test", reconcile=script, watches=[Watch(informer, to_self, forgets_failures=broken)])
    with capture_logs() as lines:
        async with running(controller):
            await asyncio.sleep(1)
            informer.apply([applied("d/a", 2)])
            await virtual_loop().wait_all_blocked()
            assert script.calls[-1] == ("d/a", 1, 1.0)
    told = [(line["step"], line["key"], line["source"]) for line in lines_of(lines, "source_failed")]
    assert told[-1] == ("predicate", "d/a", "pods")
    assert controller.statistics().source_failures == 2, "the first list asked as well"


@pytest.mark.behaviour("B8")
async def test_a_watch_may_want_the_latest_change_of_each_object_alone() -> None:
    """What waits is bounded by the number of objects, and the causes say what came out."""
    informer, reconcile = pods("d/a"), Script(DONE, DONE)
    watch = Watch(informer, to_self, delivery=Delivery.LATEST)
    async with running(Controller(name="test", reconcile=reconcile, watches=[watch])):
        await asyncio.sleep(1)
        informer.apply([applied("d/a", 4), applied("d/a", 5), applied("d/a", 6)])
        assert [handler.depth for handler in informer.statistics().handlers] == [1]
        await asyncio.sleep(1)
    assert [len(request.causes) for request in reconcile.requests] == [1, 1]
    assert reconcile.requests[-1].causes[0].endswith("at 6")
