"""A mutating function's result as a JSON patch: exactly what it returned, and all that its type does not know."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from ctrlkit import JsonPatch, MergePatch, ObjectMeta, Review, custom_resource, mutating
from ctrlkit.fakes.tracker.verbs.json_patch import performed
from ctrlkit.model import Unstructured
from ctrlkit.webhooks import Webhooks
from ctrlkit.webhooks.changes import merged, operations, plain_of, with_changes
from tests.support.effort import tries


class Port(msgspec.Struct, frozen=True, omit_defaults=True):
    """An item with a name."""

    name: str = ""
    port: int = 80


class Limits(msgspec.Struct, frozen=True, omit_defaults=True):
    """A part that may be there or not."""

    cpu: str = ""
    memory: str = ""


class Spec(msgspec.Struct, frozen=True, omit_defaults=True):
    """A frozen part that leaves its defaults out."""

    size: int = 1
    limits: Limits | None = None
    best: Limits = Limits()
    ports: tuple[Port, ...] = ()
    arguments: tuple[str, ...] = ()
    by_name: dict[str, Limits] = msgspec.field(default_factory=dict)


class Thing(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a webhook sees."""

    metadata: ObjectMeta
    spec: Spec = Spec()


class Loose(msgspec.Struct):
    """A type that can be changed in place, and writes its defaults."""

    metadata: ObjectMeta
    spec: dict[str, Any] | None = None
    note: str = ""


THINGS = custom_resource(group="example.com", kind="Thing", plural="things").of(Thing)

texts = st.sampled_from(["", "a", "b", "c/d", "e~f"])
limits = st.builds(Limits, cpu=texts, memory=texts)
ports = st.builds(Port, name=texts, port=st.integers(1, 3))
specs = st.builds(
    Spec,
    size=st.integers(0, 3),
    limits=st.none() | limits,
    best=limits,
    ports=st.lists(ports, max_size=4).map(tuple),
    arguments=st.lists(texts, max_size=3).map(tuple),
    by_name=st.dictionaries(texts, limits, max_size=2),
)
metas = st.builds(
    ObjectMeta,
    name=st.just("a"),
    labels=st.none() | st.dictionaries(texts, texts, max_size=2),
    annotations=st.none() | st.dictionaries(texts, texts, max_size=2),
)
things = st.builds(Thing, metadata=metas, spec=specs)


def with_unknown(value: Any, marks: Any) -> Any:
    """Put fields that no type knows into mappings, but for those whose keys are anybody's."""
    if isinstance(value, dict):
        below = {
            name: part if name in ("labels", "annotations") else with_unknown(part, marks)
            for name, part in value.items()
        }
        if "byName" in below or "by_name" in below:
            name = "by_name"
            below[name] = {key: with_unknown(part, marks) for key, part in value[name].items()}
        return below | ({"unknown": next(marks)} if next(marks) else {})
    if isinstance(value, list):
        return [with_unknown(part, marks) for part in value]
    return value


@st.composite
def raws(draw: st.DrawFn) -> dict[str, Any]:
    """An object as it came, with fields that its type does not know in some places."""
    bits = draw(st.lists(st.integers(0, 2), min_size=8, max_size=8))
    marks = iter(bits * 20)
    plain = plain_of(draw(things))
    raw = {"apiVersion": "example.com/v1", "kind": "Thing", **with_unknown(plain, marks)}
    raw["metadata"]["managedFields"] = [{"manager": "kubectl"}]
    raw.setdefault("spec", {})["unknown"] = "kept"
    return raw


def patch_of(raw: dict[str, Any], result: Any) -> list[dict[str, Any]] | None:
    """Ask a webhook that returns this, and return its JSON patch."""

    @mutating(THINGS)
    def change(_thing: Thing, _review: Review[Thing]) -> Any:
        return result

    return _asked(Webhooks([change]), raw)


def _asked(webhooks: Webhooks, raw: dict[str, Any]) -> list[dict[str, Any]] | None:
    request = {"uid": "u", "operation": "CREATE", "object": raw}
    body = {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": request}
    (path,) = webhooks.statistics()
    answer = asyncio.run(webhooks.answer(path, msgspec.json.encode(body)))
    response = msgspec.json.decode(answer.body)["response"]
    assert response["allowed"], response
    patch = response.get("patch")
    return None if patch is None else msgspec.json.decode(base64.b64decode(patch))


@pytest.mark.behaviour("W5")
@given(raws(), things)
@settings(max_examples=tries(12, thorough=300), deadline=None)
@example(
    {"metadata": {"name": "a"}, "spec": {"best": {"cpu": "a", "unknown": 1}, "limits": {"cpu": "a", "unknown": 1}}},
    Thing(metadata=ObjectMeta(name="a")),
)
def test_the_patched_object_is_what_the_function_returned_and_what_its_type_does_not_know(
    raw: dict[str, Any], result: Thing
) -> None:
    """For any object and any result: the patch applies, the type reads the result from it, unknown fields stay."""
    patch = patch_of(raw, result) or []
    patched = performed(raw, patch)
    assert msgspec.convert(patched, Thing) == result
    assert patched["metadata"].get("managedFields") == raw["metadata"].get("managedFields")
    assert patched.get("spec", {}).get("unknown") == raw["spec"].get("unknown")
    for part in ("best", "limits"):
        if getattr(result.spec, part) is not None and "unknown" in raw["spec"].get(part, {}):
            assert patched["spec"][part]["unknown"] == raw["spec"][part]["unknown"]
    had, has = ([each.get("name") for each in part.get("ports", [])] for part in (raw["spec"], patched.get("spec", {})))
    if None not in had and len(set(had)) == len(had) and len(set(has)) == len(has):
        for name in set(had) & set(has):
            was, is_ = raw["spec"]["ports"][had.index(name)], patched["spec"]["ports"][has.index(name)]
            assert is_.get("unknown") == was.get("unknown")
    for name in result.spec.by_name.keys() & raw["spec"].get("by_name", {}).keys():
        was = raw["spec"]["by_name"][name]
        assert patched["spec"]["by_name"][name].get("unknown") == was.get("unknown")


@pytest.mark.behaviour("W5")
@given(raws())
@settings(max_examples=tries(12, thorough=300), deadline=None)
def test_an_object_that_comes_back_as_it_was_makes_no_patch(raw: dict[str, Any]) -> None:
    assert patch_of(raw, msgspec.convert(raw, Thing)) is None


values = st.recursive(
    st.none() | st.booleans() | st.integers(0, 2) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(texts, values, max_size=3), st.dictionaries(texts, values, max_size=3))
@settings(max_examples=tries(12, thorough=300), deadline=None)
def test_a_json_patch_makes_one_value_of_another(raw: dict[str, Any], wanted: dict[str, Any]) -> None:
    """For any two objects, escaped names and nulls included; and it is empty for two that are the same."""
    patch = operations(raw, wanted)
    patched = performed(raw, patch)
    assert msgspec.json.encode(patched, order="sorted") == msgspec.json.encode(wanted, order="sorted")
    assert operations(patched, wanted) == []


@given(values, values)
@settings(max_examples=tries(12, thorough=300), deadline=None)
def test_without_unknown_fields_what_is_after_is_what_comes_out(before: Any, after: Any) -> None:
    assert with_changes(before, before, after) == after


def test_items_keep_what_is_unknown_of_them_by_their_names_when_others_come_and_go() -> None:
    raw = {"ports": [{"name": "a", "port": 1, "u": "a"}, {"name": "b", "port": 2, "u": "b"}]}
    before = {"ports": [{"name": "a", "port": 1}, {"name": "b", "port": 2}]}
    after = {"ports": [{"name": "new", "port": 9}, {"name": "b", "port": 3}]}
    assert with_changes(raw, before, after) == {
        "ports": [{"name": "new", "port": 9}, {"name": "b", "port": 3, "u": "b"}]
    }


@pytest.mark.parametrize(
    ("patch", "expected"),
    [
        (MergePatch({"spec": {"size": 3, "old": None}}), {"size": 3, "unknown": 1}),
        (JsonPatch([{"op": "add", "path": "/spec/size", "value": 4}]), {"size": 4, "old": 1, "unknown": 1}),
    ],
)
def test_a_function_may_return_a_patch_of_the_object_as_it_came(patch: Any, expected: dict[str, Any]) -> None:
    raw = {"metadata": {"name": "a"}, "spec": {"size": 1, "old": 1, "unknown": 1}}
    assert performed(raw, patch_of(raw, patch) or [])["spec"] == expected


def test_an_object_that_can_be_changed_may_be_changed_in_place() -> None:
    """A dict, and a Struct that is not frozen; None is then what the function left."""

    @mutating(THINGS.of(Unstructured))
    def in_dict(thing: Unstructured, _review: Review[Unstructured]) -> None:
        thing["spec"]["size"] = 5

    @mutating(THINGS.of(Loose))
    def in_struct(thing: Loose, _review: Review[Loose]) -> None:
        thing.note = "seen"

    raw = {"metadata": {"name": "a"}, "spec": {"unknown": 1}}
    assert _asked(Webhooks([in_dict]), raw) == [{"op": "add", "path": "/spec/size", "value": 5}]
    assert _asked(Webhooks([in_struct]), raw) == [{"op": "add", "path": "/note", "value": "seen"}]


class Part(msgspec.Struct, frozen=True):
    """A part that writes all its fields."""

    name: str = ""
    image: str | None = None
    must_be_said: int | None = msgspec.field(name="mustBeSaid", default=3)


@dataclass(frozen=True)
class Whole:
    """A kind of another sort of class, with parts."""

    metadata: ObjectMeta
    parts: tuple[Part, ...] = ()
    named: dict[str, Part] | None = None
    note: str | None = None


def test_a_field_that_is_none_by_default_is_left_out_and_not_null() -> None:
    """A server takes no null from a webhook where the definition has none; one that is not the default stays."""

    @mutating(THINGS.of(Whole))
    def complete(thing: Whole, _review: Review[Whole]) -> Whole:
        parts = (replace(thing.parts[0], image=None), Part(name="b", must_be_said=None))
        return dataclasses.replace(thing, parts=parts, named={"c": Part()})

    raw = {"metadata": {"name": "a"}, "parts": [{"name": "a", "image": "x", "unknown": 1}]}
    after = performed(raw, _asked(Webhooks([complete]), raw) or [])
    assert after["parts"] == [
        {"name": "a", "unknown": 1},
        {"name": "b", "mustBeSaid": None},
    ]
    assert after["named"] == {"c": {"name": "", "mustBeSaid": 3}}
    assert "note" not in after


@given(values, values)
@settings(max_examples=tries(12, thorough=300), deadline=None)
def test_a_merge_patch_has_no_null_left(raw: Any, patch: Any) -> None:
    """What it sets is there, what it sets to null is not, whatever stood there before (RFC 7386)."""
    result = merged(raw, patch)
    if isinstance(patch, dict):
        for name, value in patch.items():
            assert (name in result) is (value is not None)
    else:
        assert result == patch
