"""The objects of one kind, by key."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from ctrlkit.cache.change import Cause, Change, ChangeKind
from ctrlkit.cache.store.store import QUARANTINED_TOLD, Index, Store
from ctrlkit.errors import DecodeError
from ctrlkit.model import Applied, ObjectMeta, Record, Snapshot, Unusable
from tests.support.records import applied, deleted, record, snapshot


@pytest.mark.behaviour("F2", "I11")
def test_a_replace_tells_deletions_first_then_the_rest_in_the_lists_order() -> None:
    """F2: tombstones, then adds and updates; an unchanged object is no change."""
    store: Store[dict[str, Any]] = Store()
    store.replace(snapshot(3, record("d/a", 1), record("d/b", 2), record("d/c", 3)), cause=Cause.INITIAL)
    changes = store.replace(snapshot(6, record("d/e", 5), record("d/b", 4), record("d/c", 3)), cause=Cause.RELIST)
    assert [(change.kind, str(change.key)) for change in changes] == [
        (ChangeKind.DELETED, "d/a"),
        (ChangeKind.ADDED, "d/e"),
        (ChangeKind.UPDATED, "d/b"),
    ]
    assert all(change.cause is Cause.RELIST for change in changes)


@pytest.mark.behaviour("F9", "B22")
def test_what_a_relist_finds_gone_is_told_with_its_last_known_state() -> None:
    """F9: a tombstone is a deletion like others, of which the cause says that the state may be stale."""
    store: Store[dict[str, Any]] = Store()
    last = record("d/a", 3)
    store.replace(snapshot(3, last), cause=Cause.INITIAL)
    (change,) = store.replace(snapshot(9), cause=Cause.RELIST)
    assert (change.kind, change.cause, change.old, change.new) == (ChangeKind.DELETED, Cause.RELIST, last, None)


@pytest.mark.behaviour("B16", "I11")
def test_what_did_not_change_is_the_record_that_was_there() -> None:
    """B16: a list is compared as it comes, so that nothing is held twice or exchanged for the same."""
    store: Store[dict[str, Any]] = Store()
    here = record("d/a", 3)
    store.replace(snapshot(3, here), cause=Cause.INITIAL)
    again, newer, other = record("d/a", 3), record("d/a", 4), record("d/b", 3)
    assert [store.known(found) for found in (again, newer, other)] == [here, newer, other]
    assert store.replace(snapshot(9, store.known(again)), cause=Cause.RELIST) == []
    assert store.records(store.keys()) == [here]
    without_version = record("d/c", "")
    store.replace(snapshot(9, without_version), cause=Cause.RELIST)
    told_again = record("d/c", "")
    assert store.known(told_again) is told_again, "of which nobody knows whether it is the same"


@pytest.mark.behaviour("I12")
def test_an_object_recreated_under_its_name_during_a_gap_is_an_update() -> None:
    """I12: the cache sees one object whose version rose."""
    store: Store[dict[str, Any]] = Store()
    store.replace(snapshot(1, record("d/a", 1)), cause=Cause.INITIAL)
    (change,) = store.replace(snapshot(9, record("d/a", 8)), cause=Cause.RELIST)
    assert change.kind is ChangeKind.UPDATED


@pytest.mark.behaviour("F6")
def test_late_and_doubled_events_change_nothing() -> None:
    """S-b: versions of a key only rise."""
    store: Store[dict[str, Any]] = Store()
    store.apply(applied("d/a", 5))
    assert store.apply(applied("d/a", 5)) is None
    assert store.apply(applied("d/a", 4)) is None
    assert store.apply(deleted("d/a", 3)) is None
    assert store.apply(deleted("d/b", 9)) is None
    assert [str(key) for key in store.keys()] == ["d/a"]


def test_a_replace_touches_its_own_scope_only() -> None:
    """Two reflectors share one store, each with its namespace."""
    store: Store[dict[str, Any]] = Store()
    store.replace(snapshot(2, record("one/a", 1)), cause=Cause.INITIAL, scope="one")
    store.replace(snapshot(2, record("two/a", 1)), cause=Cause.INITIAL, scope="two")
    store.replace(snapshot(3), cause=Cause.RELIST, scope="one")
    assert [str(key) for key in store.keys()] == ["two/a"]


@pytest.mark.behaviour("S3", "D6")
def test_an_index_added_late_holds_what_is_there() -> None:
    """S3: the whole store is indexed at once; a name can be taken once; an unknown one is refused on reading."""
    store: Store[dict[str, Any]] = Store()
    store.apply(applied("d/a", 1, app="x"))
    store.add_index("app", lambda found: [(found.meta.labels or {}).get("app", "")])
    assert [str(key) for key in store.keys_by("app", "x")] == ["d/a"]
    with pytest.raises(ValueError, match="name is taken"):
        store.add_index("app", lambda _: [])
    with pytest.raises(KeyError, match="does not exist; add it"):
        store.keys_by("nope", "x")


@pytest.mark.behaviour("B14")
def test_an_index_function_that_raises_costs_its_object_no_more_than_the_index() -> None:
    """B14: the object is stored, found by key, and found by the index after a change that the function can read."""

    def by_team(found: Record[Any]) -> list[str]:
        return [(found.meta.labels or {})["team"]]

    store: Store[dict[str, Any]] = Store()
    store.add_index("team", by_team)
    store.apply(applied("d/a", 1))
    assert len(store) == 1
    assert store.keys_by("team", "x") == []
    store.apply(applied("d/a", 2, team="x"))
    assert len(store.keys_by("team", "x")) == 1


@pytest.mark.behaviour("B14")
def test_an_object_that_cannot_be_used_is_stored_and_listed_until_it_can() -> None:
    """B14: never lost; it leaves the quarantine with its next usable state, with its end, or with a list."""
    store: Store[dict[str, Any]] = Store()
    bad = DecodeError("no spec")

    def spoil(key: str, version: int) -> Applied[dict[str, Any]]:
        return Applied(Unusable(record(key, version).meta, bad))

    for key in ("d/a", "d/b", "d/c"):
        store.apply(spoil(key, 1))
    assert {str(key): fault for key, fault in store.quarantine.items()} == dict.fromkeys(["d/a", "d/b", "d/c"], bad)
    assert len(store) == 3
    store.apply(applied("d/a", 2))
    store.apply(deleted("d/b", 3))
    assert [str(key) for key in store.quarantine] == ["d/c"]
    store.replace(snapshot(4, record("d/a", 2)), cause=Cause.RELIST)
    assert not store.quarantine


@pytest.mark.behaviour("B14")
def test_of_many_quarantined_objects_only_the_first_ones_get_a_log_line() -> None:
    """A type that fits nothing is no flood; one that leaves makes room, and one that is there is not told again."""
    store: Store[dict[str, Any]] = Store()
    unusable = [Unusable[dict[str, Any]](record(f"d/{name:02}", 1).meta, DecodeError("no")) for name in range(30)]
    with capture_logs() as lines:
        store.replace(snapshot(1, *unusable), cause=Cause.INITIAL)
    assert [line["key"] for line in lines] == [f"d/{name:02}" for name in range(QUARANTINED_TOLD)]
    assert len(store.quarantine) == 30
    with capture_logs() as lines:
        store.replace(snapshot(2, *unusable[:9]), cause=Cause.RELIST)
        store.apply(Applied(Unusable(record("d/08", 2).meta, DecodeError("still no"))))
        store.apply(Applied(Unusable(record("d/20", 2).meta, DecodeError("no"))))
    assert [line["key"] for line in lines] == ["d/20"]


def test_objects_without_a_version_are_told_with_every_list() -> None:
    """Nobody knows whether they changed; of a watch too."""
    store: Store[dict[str, Any]] = Store()
    store.replace(snapshot(1, record("d/a", ""), record("d/b", 1)), cause=Cause.INITIAL)
    changes = store.replace(snapshot(2, record("d/a", ""), record("d/b", 1)), cause=Cause.RELIST)
    assert [(str(change.key), change.kind) for change in changes] == [("d/a", ChangeKind.UPDATED)]


def of_uid(uid: str, version: int = 3, **labels: str) -> Record[dict[str, Any]]:
    """An object of this uid."""
    meta = ObjectMeta(namespace="d", name="a", uid=uid, resource_version=str(version), labels=labels or None)
    return Record(meta, {"labels": labels}, dict)


def test_another_object_at_the_same_version_is_a_change() -> None:
    """Servers that begin anew give the same numbers again; the uid tells the objects apart."""
    store: Store[dict[str, Any]] = Store()
    store.replace(snapshot(3, of_uid("old")), cause=Cause.INITIAL)
    new = of_uid("new")
    assert store.known(new) is new
    (change,) = store.replace(snapshot(3, new), cause=Cause.RELIST)
    assert (change.kind, change.new) == (ChangeKind.UPDATED, new)


def test_after_a_rewritten_history_every_object_counts_as_changed() -> None:
    """Equal and lower versions mean other states; what is not listed is gone."""
    store: Store[dict[str, Any]] = Store()
    store.replace(snapshot(9, record("d/a", 3), record("d/b", 8), record("d/c", 9)), cause=Cause.INITIAL)
    changes = store.replace(snapshot(4, record("d/a", 3), record("d/b", 4)), cause=Cause.REWRITTEN)
    assert [(str(change.key), change.kind) for change in changes] == [
        ("d/c", ChangeKind.DELETED),
        ("d/a", ChangeKind.UPDATED),
        ("d/b", ChangeKind.UPDATED),
    ]
    assert store.apply(applied("d/b", 5)) is not None, "and versions rise from there"


def test_a_state_is_held_where_version_uid_and_content_are_the_same() -> None:
    """Compared as it is stored, after the transform; of what cannot be used there is nothing more to compare."""

    def slim(found: Record[dict[str, Any]]) -> Record[dict[str, Any]]:
        return Record(found.meta, {"labels": {}}, dict)

    whole: Store[dict[str, Any]] = Store()
    slimmed: Store[dict[str, Any]] = Store(transform=slim)
    for store in (whole, slimmed):
        store.replace(snapshot(3, of_uid("u")), cause=Cause.INITIAL)
        assert store.holds(of_uid("u"))
        assert store.holds(Unusable(of_uid("u").meta, DecodeError("no")))
        assert not store.holds(of_uid("u", version=4))
        assert not store.holds(of_uid("other"))
        assert not store.holds(record("d/b", 3))
    same_but_content = Record[dict[str, Any]](of_uid("u").meta, {"labels": {"app": "x"}}, dict)
    assert not whole.holds(same_but_content)
    assert slimmed.holds(same_but_content), "of which nothing else is kept"


KEYS = st.sampled_from([f"{namespace}/{name}" for namespace in "ab" for name in "xyz"])
LABELS = st.dictionaries(st.sampled_from(["app", "tier"]), st.sampled_from(["1", "2", "3"]))
EVENTS = st.lists(st.tuples(KEYS, st.booleans(), LABELS, st.integers(0, 40)), max_size=40)


@pytest.mark.behaviour("S2", "S4")
@given(events=EVENTS, relist=st.lists(st.tuples(KEYS, LABELS), unique_by=lambda pair: pair[0]))
def test_for_any_history_indexes_agree_with_the_records(
    events: list[tuple[str, bool, dict[str, str], int]], relist: list[tuple[str, dict[str, str]]]
) -> None:
    """S2: an index finds exactly the objects whose function gives the value, after events and after a replace."""

    def values(found: Record[Any]) -> list[str]:
        return sorted((found.meta.labels or {}).values())

    store: Store[dict[str, Any]] = Store()
    store.add_index("values", values)

    def agrees() -> None:
        for value in "123":
            want = [key for key in store.keys() if value in values(store.records([key])[0])]
            assert store.keys_by("values", value) == want
        for namespace in "ab":
            assert store.keys(namespace) == [key for key in store.keys() if key.namespace == namespace]

    for key, gone, labels, version in events:
        store.apply(deleted(key, version) if gone else applied(key, version, **labels))
        agrees()
    store.replace(snapshot(99, *(record(key, 50, **labels) for key, labels in relist)), cause=Cause.RELIST)
    agrees()
    assert [str(key) for key in store.keys()] == sorted(key for key, _ in relist)


@pytest.mark.behaviour("B14")
def test_a_list_of_which_not_all_could_be_read_deletes_nothing() -> None:
    """Nobody knows which objects those were; what it does have is taken in."""
    store: Store[dict[str, Any]] = Store()
    store.replace(snapshot(3, record("d/a", 1), record("d/b", 2)), cause=Cause.INITIAL)
    part = Snapshot([record("d/b", 4)], "4", unreadable=[DecodeError("no name")])
    changes = store.replace(part, cause=Cause.RELIST)
    assert [(change.kind, str(change.key)) for change in changes] == [(ChangeKind.UPDATED, "d/b")]
    assert len(store) == 2


@pytest.mark.behaviour("B14")
def test_what_cannot_be_decoded_is_not_compared() -> None:
    """An object of which that shows only when somebody looks is held like any other."""

    def fails(_data: object) -> dict[str, Any]:
        raise DecodeError("a number out of range")

    store: Store[dict[str, Any]] = Store()
    spoilt = Record(record("d/a", 3).meta, None, fails)
    store.replace(snapshot(3, spoilt), cause=Cause.INITIAL)
    assert store.holds(Record(spoilt.meta, None, fails))
    assert not store.holds(record("d/a", 4))


@pytest.mark.behaviour("B14")
def test_what_was_spoilt_on_its_way_is_cured_by_the_same_version() -> None:
    """By a list or an event, and told; an object that never fits is told once."""
    good, newer = record("d/a", 3), record("d/a", 3)
    bad = [Unusable[dict[str, Any]](good.meta, DecodeError("spoilt")) for _ in range(2)]
    for cure in ("list", "event"):
        store: Store[dict[str, Any]] = Store()
        store.replace(snapshot(3, bad[0]), cause=Cause.INITIAL)
        assert store.known(bad[1]) is bad[0]
        assert store.replace(snapshot(4, bad[1]), cause=Cause.RELIST) == []
        assert store.apply(Applied(bad[1])) is None
        assert store.known(good) is good
        if cure == "list":
            (change,) = store.replace(snapshot(5, good), cause=Cause.RELIST)
        else:
            found = store.apply(Applied(good))
            assert found is not None
            change = found
        assert (change.kind, change.new) == (ChangeKind.UPDATED, good)
        assert store.quarantine == {}
        assert store.known(bad[0]) is good
        assert store.apply(Applied(newer)) is None


@pytest.mark.behaviour("B14")
def test_an_index_function_that_raises_is_told_of_with_the_object_it_was_given() -> None:
    """It costs the object its place in that index, and nothing else."""
    with capture_logs() as lines:
        store: Store[dict[str, Any]] = Store()
        store.add_index("node", lambda record: [(record.meta.labels or {})["node"]])
        store.replace(Snapshot([record("d/a", 1)], "1"), cause=Cause.INITIAL)
    assert (len(store), store.keys_by("node", ""), store.index_failures) == (1, [], 1)
    (line,) = lines
    assert (line["event"], line["index"], line["key"]) == ("index_function_failed", "node", "d/a")


def test_a_change_of_nothing_is_refused_when_it_is_asked_for_its_record() -> None:
    nothing: Change[Any] = Change(None, None, Cause.WATCH)
    with pytest.raises(ValueError, match="a Change without a record"):
        _ = nothing.record


@pytest.mark.behaviour("S2")
def test_an_object_moves_between_values_and_values_without_objects_leave_no_trace() -> None:
    """S2: many values an object, and empty sets are removed."""
    index: Index[dict[str, Any]] = Index(lambda found: (found.meta.labels or {}).values())
    index.put(record("d/a", 1, x="1", y="2"))
    index.put(record("d/b", 1, x="2"))
    assert [str(key) for key in index.keys("2")] == ["d/a", "d/b"]
    index.put(record("d/a", 2, x="3"))
    assert [str(key) for key in index.keys("2")] == ["d/b"]
    index.discard(record("d/a", 2).key)
    index.discard(record("d/b", 1).key)
    assert len(index) == 0


@pytest.mark.behaviour("B14")
def test_what_is_no_value_leaves_the_index_as_if_the_object_were_not_there() -> None:
    """And the object can be indexed again."""
    answers: list[Any] = [["1"], [["a list"]], ["2", "1", "2"]]
    index: Index[dict[str, Any]] = Index(lambda _: answers.pop(0))
    index.put(record("d/a", 1))
    with pytest.raises(TypeError):
        index.put(record("d/a", 2))
    assert len(index) == 0
    index.put(record("d/a", 3))
    assert [str(key) for key in index.keys("2")] == ["d/a"]
    index.discard(record("d/a", 3).key)
    assert len(index) == 0
