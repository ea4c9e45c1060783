"""Documents of up to 10,000 levels are served like any other; more are refused, and leave no trace."""

from __future__ import annotations

import json
import sys
import threading
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ctrlkit.errors import BadRequest
from ctrlkit.fakes.clientset.clientset import FakeClientset
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.fakes.tracker.schema.depth import LEVELS_MAX, TooDeep, check_levels, deeply
from ctrlkit.model import Action, ObjectKey, Options, PatchType, Verb, custom_resource
from ctrlkit.model.kinds import CONFIG_MAPS

THINGS = custom_resource(group="x.example.com", kind="Thing", plural="things")
KEY = ObjectKey("default", "deep")

pytestmark = pytest.mark.skipif(sys.version_info >= (3, 12), reason="later interpreters have a limit of their own")


def nested(levels: int, leaf: Any = 1, name: str = "a") -> Any:
    """A value of so many levels of objects."""
    value = leaf
    for _ in range(levels):
        value = {name: value}
    return value


def thing(levels: int) -> dict[str, Any]:
    """A Thing that has so many levels in all."""
    kind = {"apiVersion": THINGS.api_version, "kind": THINGS.kind}
    return {**kind, "metadata": {"name": KEY.name}, "spec": nested(levels - 1)}


def serving() -> Tracker:
    tracker = Tracker()
    tracker.registry.register_custom(THINGS)
    return tracker


def call(tracker: Tracker, verb: Verb, body: Any = None, **rest: Any) -> bytes:
    name = "" if verb in (Verb.CREATE, Verb.LIST) else KEY.name
    return tracker.call(Action(verb=verb, resource=THINGS, namespace=KEY.namespace, name=name, body=body, **rest))


def shape(document: bytes) -> bytes:
    """The brackets of the spec in a document, which tell how deep it is."""
    return document[document.index(b'"spec":') :]


@pytest.mark.parametrize("levels", [300, 1_100, pytest.param(9_990, marks=pytest.mark.long), 10_000])
async def test_an_object_of_many_levels_is_stored_listed_watched_and_deleted(levels: int) -> None:
    """As it came, to the last bracket."""
    tracker = serving()
    wanted = b'"spec":' + b'{"a":' * (levels - 1) + b"1" + b"}" * (levels - 1) + b"}"
    assert shape(call(tracker, Verb.CREATE, thing(levels))) == wanted
    assert shape(call(tracker, Verb.GET)) == wanted
    assert shape(call(tracker, Verb.LIST)) == wanted + b"]}"
    options = Options(label_selector="!none", resource_version="0")
    async with tracker.watch(Action(verb=Verb.WATCH, resource=THINGS, options=options)) as lines:
        (line,) = await anext(lines.__aiter__())
        assert shape(line) == wanted + b"}"
        assert tracker.busy() == ()
    call(tracker, Verb.DELETE)
    assert b'"items":[]' in call(tracker, Verb.LIST)


@pytest.mark.parametrize("levels", [10_001, pytest.param(20_000, marks=pytest.mark.long)])
def test_more_levels_are_refused_and_leave_no_trace(levels: int) -> None:
    tracker = serving()
    before = tracker.version
    with pytest.raises(BadRequest, match=r"invalid character '\{' exceeded max depth"):
        call(tracker, Verb.CREATE, thing(levels))
    assert tracker.version == before
    assert tracker.list(THINGS) == []


def test_sets_of_fields_give_way_to_the_fields_themselves() -> None:
    """They are five levels deeper than what they name, so of 9,995 levels they are kept, of 9,996 they are not."""
    tracker = serving()
    assert b'"managedFields"' in call(tracker, Verb.CREATE, thing(9_995))
    call(tracker, Verb.DELETE)
    assert b'"managedFields"' not in call(tracker, Verb.CREATE, thing(9_996))


PATCHES = [
    (PatchType.MERGE, {"spec": nested(9_000, name="b")}),
    (PatchType.JSON, [{"op": "add", "path": "/spec/c", "value": nested(9_000)}]),
    (PatchType.APPLY, thing(5_000)),
]


@pytest.mark.parametrize(("patch_type", "body"), PATCHES)
def test_patches_may_be_as_deep_as_objects(patch_type: PatchType, body: Any) -> None:
    tracker = serving()
    call(tracker, Verb.CREATE, thing(3))
    made = call(
        tracker,
        Verb.PATCH,
        body,
        patch_type=patch_type,
        options=Options(field_manager="m", force=patch_type is PatchType.APPLY),
    )
    assert made.count(b"{") > 4_900


@pytest.mark.parametrize("path", ["/spec/a/a", pytest.param("/spec/a", marks=pytest.mark.long)])
def test_a_patch_that_makes_an_object_too_deep_is_refused(path: str) -> None:
    """Neither the object nor the patch are too deep by themselves."""
    tracker = serving()
    call(tracker, Verb.CREATE, thing(6_000))
    before = tracker.version, call(tracker, Verb.GET)
    grown = nested(4_000, leaf=nested(5_990), name="b")
    with pytest.raises(BadRequest, match="exceeded max depth"):
        call(tracker, Verb.PATCH, [{"op": "add", "path": path, "value": nested(10, grown)}], patch_type=PatchType.JSON)
    assert (tracker.version, call(tracker, Verb.GET)) == before


async def test_a_deep_body_passes_a_clientset_and_a_dry_run() -> None:
    """What records calls copies their bodies."""
    clientset = FakeClientset(serving())
    action = Action(
        verb=Verb.CREATE, resource=THINGS, namespace="default", body=thing(9_000), options=Options(dry_run=True)
    )
    assert (await clientset.do(action)).count(b"{") > 9_000
    assert clientset.actions[0].resource == THINGS
    assert clientset.tracker.list(THINGS) == []


def test_an_unknown_field_of_any_depth_is_dropped() -> None:
    body = {"metadata": {"name": "one"}, "bogus": nested(9_000)}
    made = Tracker().call(Action(verb=Verb.CREATE, resource=CONFIG_MAPS, namespace="default", body=body))
    assert b"bogus" not in made


# ---- the mechanism ---------------------------------------------------------------------------------------------------


@settings(max_examples=25)
@given(st.recursive(st.text() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
@example('{[\\"{[')
@example({"{": ['"', "\\"]})
def test_for_any_document_levels_are_counted_outside_of_texts(value: Any) -> None:
    """Ten thousand more around it are too many if it has one, and are not if it has none."""
    document = json.dumps(value).encode()
    around = b"[" * LEVELS_MAX
    if isinstance(value, (dict, list)):
        with pytest.raises(TooDeep):
            check_levels(around + document)
    else:
        check_levels(around + document)
    check_levels(document)


def test_work_goes_on_a_deep_stack_only_if_it_must_and_raises_what_it_raises() -> None:
    """One thread more, gone again; limits as before."""
    limit, size = sys.getrecursionlimit(), threading.stack_size()
    here = threading.get_ident()
    assert deeply(threading.get_ident) == here

    def deep(error: Exception | None = None) -> int:
        msgspec.json.decode(b"[" * 9_000 + b"]" * 9_000)
        if error is not None:
            raise error
        return threading.get_ident()

    assert deeply(deep) != here
    with pytest.raises(LookupError, match="mine"):
        deeply(lambda: deep(LookupError("mine")))
    assert (sys.getrecursionlimit(), threading.stack_size()) == (limit, size)
    assert not [thread for thread in threading.enumerate() if thread.name == "deep document"]


def test_a_thread_that_cannot_be_started_leaves_the_limits_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does it keep the next one from its work."""
    limit, size = sys.getrecursionlimit(), threading.stack_size()
    document = b"[" * 9_000 + b"]" * 9_000

    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", start)
        with pytest.raises(RuntimeError, match="can't start new thread"):
            deeply(lambda: msgspec.json.decode(document))
    assert (sys.getrecursionlimit(), threading.stack_size()) == (limit, size)
    assert deeply(lambda: msgspec.json.encode(msgspec.json.decode(document))) == document


@pytest.mark.long
def test_work_without_an_end_is_refused() -> None:
    """A body that holds itself."""

    def forever() -> int:
        return 1 + forever()

    with pytest.raises(TooDeep):
        deeply(forever)
    with pytest.raises(TooDeep):
        deeply(lambda: deeply(forever))
