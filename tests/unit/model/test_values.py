"""Bodies become plain values, and plain values are compared by the fields that somebody set."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import attrs
import kubernetes.aio.client as aio
import kubernetes.client as sync
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.fakes.tracker.verbs.patch import merge
from ctrlkit.kinds import core
from ctrlkit.model import ObjectMeta, Unstructured, to_plain
from ctrlkit.model.values import lacking, same, value_at


class Spec(msgspec.Struct, rename="camel", omit_defaults=True):
    node_name: str = ""
    host_network: bool = False


class Box(msgspec.Struct):
    content: Any


@dataclass
class Holder:
    spec: Spec
    since: datetime


def test_mappings_and_sequences_are_copied_deeply() -> None:
    """Nothing of the caller's is in the result, and subclasses of dict become dicts."""
    inner: dict[str, Any] = {"b": [1, 2.5, True, None]}
    body = Unstructured({"a": inner, "t": ({"x": "y"},)})
    plain = to_plain(body)
    assert plain == {"a": {"b": [1, 2.5, True, None]}, "t": [{"x": "y"}]}
    assert type(plain) is dict
    inner["b"].append(3)
    assert plain["a"]["b"] == [1, 2.5, True, None]


def test_structs_and_dataclasses_travel_by_their_wire_names() -> None:
    """Defaults are left out where the type says so."""
    holder = Holder(Spec(node_name="n"), datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    assert to_plain(holder) == {"spec": {"nodeName": "n"}, "since": "2026-01-02T03:04:05Z"}
    assert to_plain({"metadata": ObjectMeta(name="a")}) == {"metadata": {"name": "a"}}


@pytest.mark.parametrize("models", [sync, aio], ids=["sync", "aio"])
def test_kubernetes_models_travel_as_their_own_client_sends_them(models: Any) -> None:
    """Wire names, times as text, fields that are None left out, nested models and lists of them."""
    pod = models.V1Pod(
        api_version="v1",
        metadata=models.V1ObjectMeta(
            name="a",
            creation_timestamp=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
            owner_references=[
                models.V1OwnerReference(api_version="v1", kind="K", name="o", uid="u", block_owner_deletion=True)
            ],
        ),
        spec=models.V1PodSpec(
            host_ipc=False,
            containers=[models.V1Container(name="c", ports=[models.V1ContainerPort(container_port=80)])],
        ),
    )
    assert to_plain(pod) == {
        "apiVersion": "v1",
        "metadata": {
            "name": "a",
            "creationTimestamp": "2026-01-02T03:04:05Z",
            "ownerReferences": [{"apiVersion": "v1", "kind": "K", "name": "o", "uid": "u", "blockOwnerDeletion": True}],
        },
        "spec": {"hostIPC": False, "containers": [{"name": "c", "ports": [{"containerPort": 80}]}]},
    }


def test_kubernetes_models_within_mappings_are_found() -> None:
    """A body may be put together from both."""
    assert to_plain(
        {"metadata": sync.V1ObjectMeta(name="a"), "ports": [sync.V1ServicePort(port=1, target_port="x")]}
    ) == {
        "metadata": {"name": "a"},
        "ports": [{"port": 1, "targetPort": "x"}],
    }


@pytest.mark.parametrize("value", [b"\xff\x00", "/wA="])
def test_binary_data_travels_as_base64(value: Any) -> None:
    """Bytes are encoded; text is taken to be encoded already."""
    assert to_plain(sync.V1ConfigMap(binary_data={"k": value})) == {"binaryData": {"k": "/wA="}}


def test_special_names_of_schemas_survive() -> None:
    """Python cannot spell every field of JSON Schema."""
    schema = sync.V1JSONSchemaProps(type="object", x_kubernetes_preserve_unknown_fields=True, ref="#/x")
    assert to_plain(schema) == {"type": "object", "x-kubernetes-preserve-unknown-fields": True, "$ref": "#/x"}


class Swagger:
    """A model as other generators make them."""

    attribute_map = {"api_version": "apiVersion", "kind": "kind", "spec": "spec"}  # noqa: RUF012

    def __init__(self) -> None:
        self.api_version = "v1"
        self.kind = None
        self.spec = {"a": Spec(node_name="n")}


def test_models_with_an_attribute_map_are_read_by_it() -> None:
    """None is left out here too."""
    assert to_plain(Swagger()) == {"apiVersion": "v1", "spec": {"a": {"nodeName": "n"}}}


def test_what_a_lister_shows_of_one_object_may_be_a_part_of_another() -> None:
    """The mappings of cached objects are views that nobody can change; they are sent as what they show."""
    source = core.Secret(metadata=ObjectMeta(name="a"), data={"token": b"x"})
    assert isinstance(source.data, MappingProxyType)
    assert to_plain(core.Secret(metadata=ObjectMeta(name="b"), data=source.data))["data"] == {"token": "eA=="}

    @dataclass
    class Copy:
        data: Any
        spec: Any

    assert to_plain(Copy(source.data, Swagger())) == {"data": {"token": "eA=="}, "spec": to_plain(Swagger())}


@pytest.mark.parametrize("body", [object(), {"a": object()}, [object()], {"a": lambda: 1}, Box(object())])
def test_anything_else_is_refused_by_its_type(body: object) -> None:
    """TypeError names it."""
    with pytest.raises(TypeError, match=r"a body of type (object|function) cannot be sent"):
        to_plain(body)


scalars = st.none() | st.booleans() | st.integers(0, 2) | st.sampled_from(["", "a", "b"])
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("xyz"), inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(st.sampled_from("xyz"), values, max_size=3)


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ({"a": None}, {}, True),
        ({"a": {"b": [1, 2.0]}}, {"a": {"b": [1.0, 2]}}, True),
        ({"a": {}}, {}, False),
        ({"a": []}, {}, False),
        ({"a": 0}, {"a": False}, False),
        ({"a": ""}, {}, False),
        ({"a": "1"}, {"a": 1}, False),
        ({"a": [1]}, {"a": [1, 1]}, False),
    ],
)
@pytest.mark.behaviour("H11")
def test_what_is_the_same(one: Any, other: Any, is_same: bool) -> None:
    """H11: None is a field that is not there; all else that might mean something differs."""
    assert same(one, other) is same(other, one) is is_same


@given(objects, objects)
def test_for_any_two_the_patch_brings_what_is_lacking_and_no_more(have: dict[str, Any], wanted: dict[str, Any]) -> None:
    """After it nothing is lacking; what was not wanted is as before; an empty patch changes nothing."""
    patch = lacking(have, wanted)
    after = merge(have, patch)
    assert lacking(after, wanted) == {}
    assert {name: value for name, value in after.items() if name not in wanted} == {
        name: value for name, value in have.items() if name not in wanted
    }
    assert set(patch) <= set(wanted)


@given(objects)
def test_for_any_object_nothing_is_lacking_of_itself(thing: dict[str, Any]) -> None:
    """Nor of its parts, nor of a list item that has more fields than are wanted."""
    assert same(thing, thing)
    assert lacking(thing, thing) == {}
    assert lacking({"items": [{"name": "a", "more": thing}]}, {"items": [{"name": "a"}]}) == {}
    assert lacking({"items": [thing, thing]}, {"items": [thing]}) == {"items": [thing]}


@given(objects, objects)
def test_for_any_two_that_are_the_same_neither_lacks_anything(one: dict[str, Any], other: dict[str, Any]) -> None:
    """And the other way round, but for items of lists, of which fewer fields may be wanted."""
    if same(one, other):
        assert lacking(one, other) == lacking(other, one) == {}


@attrs.define
class Owned:
    owner: str = "me"


def test_a_path_leads_through_attrs_classes_too() -> None:
    """As through the classes of the other libraries."""
    assert value_at({"spec": Owned()}, "spec.owner") == "me"
    with pytest.raises(ValueError, match="Owned does not decode 'size'"):
        value_at(Owned(), "size")
