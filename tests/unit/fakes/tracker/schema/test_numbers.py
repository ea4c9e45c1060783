"""Numbers are checked before anything is stored or computed, as the server's decoder does it, and cost nothing."""

from __future__ import annotations

from typing import Any

import pytest

from ctrlkit.errors import ApiError, BadRequest, Invalid, RequestEntityTooLarge
from ctrlkit.fakes.releases import NEWEST, release
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.fakes.tracker.schema import typed
from ctrlkit.fakes.tracker.schema.quantities import canonical
from ctrlkit.fakes.tracker.schema.types import types_of
from ctrlkit.model import Action, JsonPatch, MergePatch, Options, Verb, custom_resource
from ctrlkit.model.kinds import CONFIG_MAPS, CUSTOM_RESOURCE_DEFINITIONS, PODS, SERVICES, STATEFULSETS

TYPES = release(NEWEST).types
INTEGERS = [
    (owner, name, word.split()[0].rstrip("!*"))
    for owner, fields in sorted(TYPES.items())
    for name, word in sorted(fields.items())
    if word.split()[0].rstrip("!*") in ("i32", "i64")
]
RANGES = {"i32": (-(2**31), 2**31 - 1), "i64": (-(2**63), 2**63 - 1)}
THINGS = custom_resource(group="x.example.com", kind="Thing", plural="things")


def read(owner: str, name: str, value: Any) -> Any:
    """What the server's type keeps of one field."""
    return typed.struct_named(types_of(), owner).read({name: value}, None, []).get(name)


def test_every_integer_of_every_kind_has_its_range() -> None:
    """The largest and smallest fit; one more, a fraction, text and a boolean are refused, with the server's words."""
    assert len(INTEGERS) > 90
    for owner, name, word in INTEGERS:
        bare = owner.rpartition(".")[2]
        for edge in RANGES[word]:
            assert read(owner, name, edge) == edge
        low, high = RANGES[word]
        for value, said in (
            (high + 1, f"number {high + 1}"),
            (low - 1, f"number {low - 1}"),
            (10**30, f"number 1{'0' * 30}"),
            (3.0, "number 3.0"),
            (3.5, "number 3.5"),
            ("3", "string"),
            (True, "bool"),
            ([], "array"),
        ):
            with pytest.raises(typed.DoesNotFit) as refusal:
                read(owner, name, value)
            go_type = {"i32": "int32", "i64": "int64"}[word]
            assert (
                str(refusal.value)
                == f"json: cannot unmarshal {said} into Go struct field {bare}.{name} of type {go_type}"
            )


def test_an_integer_of_any_length_is_refused_without_being_written_down() -> None:
    """Python itself refuses to print more than 4,300 digits."""
    with pytest.raises(typed.DoesNotFit, match="number of 33220 bits"):
        read("StatefulSetSpec", "replicas", 10**10_000)


@pytest.mark.parametrize("value", [3 * 10**9, 3.5, True])
def test_a_port_by_number_or_name_has_the_range_of_its_number(value: Any) -> None:
    with pytest.raises(typed.DoesNotFit, match=r"Go struct field TCPSocketAction\.port of type int32"):
        read("TCPSocketAction", "port", value)
    assert read("TCPSocketAction", "port", "http") == "http"


@pytest.mark.parametrize("text", ["1e999999999", "-1e-999999999", "1e1000", "9" * 1001])
def test_a_quantity_beyond_all_reason_is_refused_at_once(text: str) -> None:
    """Written out it would have a billion digits."""
    with pytest.raises(ValueError, match="quantities must match the regular expression"):
        canonical(text)


def a_set(**spec: Any) -> dict[str, Any]:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    whole = {"selector": {"matchLabels": {"a": "b"}}, "serviceName": "s", "template": template, **spec}
    return {"metadata": {"name": "s", "namespace": "default"}, "spec": whole}


def test_a_refused_number_leaves_no_trace() -> None:
    tracker = Tracker()
    tracker.create(STATEFULSETS, a_set(replicas=1))
    before = tracker.version
    for patch in (
        MergePatch({"spec": {"replicas": 2**31}}),
        JsonPatch([{"op": "replace", "path": "/spec/replicas", "value": 1.5}]),
    ):
        with pytest.raises(Invalid):
            tracker.patch(STATEFULSETS, "default/s", patch)
    with pytest.raises(BadRequest):
        tracker.create(STATEFULSETS, a_set(ordinals={"start": 2**31}))
    with pytest.raises(Invalid) as refusal:
        tracker.patch(STATEFULSETS, "default/s", MergePatch({"spec": {"replicas": 2**31}}), subresource="scale")
    assert refusal.value.message.endswith(
        "json: cannot unmarshal number 2147483648 into Go struct field ScaleSpec.spec.replicas of type int32"
    )
    assert tracker.version == before
    assert tracker.get(STATEFULSETS, "default/s").at("spec.replicas") == 1


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"spec": []}, "json: cannot unmarshal array into Go struct field Scale.spec of type v1.ScaleSpec"),
        ({"metadata": 3}, "json: cannot unmarshal number into Go struct field Scale.metadata of type v1.ObjectMeta"),
        (
            {"kind": "Foo"},
            'no kind "Foo" is registered for version "autoscaling/v1" in scheme "pkg/runtime/scheme.go:111"',
        ),
    ],
)
def test_a_scale_is_read_by_its_type(body: dict[str, Any], words: str) -> None:
    tracker = Tracker()
    tracker.create(STATEFULSETS, a_set())
    put = Action(verb=Verb.UPDATE, resource=STATEFULSETS, namespace="default", name="s", subresource="scale", body=body)
    with pytest.raises(BadRequest) as refusal:
        tracker.call(put)
    assert refusal.value.message.endswith(words)


def custom_tracker(**properties: Any) -> Tracker:
    """A tracker that serves Things."""
    spec = {"type": "object", "properties": properties, "x-kubernetes-preserve-unknown-fields": True}
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}},
    }
    names = {"plural": "things", "kind": "Thing"}
    tracker = Tracker()
    tracker.create(
        CUSTOM_RESOURCE_DEFINITIONS,
        {
            "metadata": {"name": "things.x.example.com"},
            "spec": {"group": "x.example.com", "scope": "Namespaced", "names": names, "versions": [version]},
        },
    )
    return tracker


def thing(**spec: Any) -> dict[str, Any]:
    kind = {"apiVersion": THINGS.api_version, "kind": THINGS.kind}
    return {**kind, "metadata": {"name": "t", "namespace": "default"}, "spec": spec}


def test_integers_of_custom_objects_beyond_64_bits_are_floats_as_in_go() -> None:
    made = custom_tracker().create(THINGS, thing(a=10**30, b=2**64, c=-(2**63), d=3.0, e=[2**70]))
    assert made["spec"] == {"a": 1e30, "b": 1.8446744073709552e19, "c": -(2**63), "d": 3, "e": [1.1805916207174113e21]}
    assert isinstance(made["spec"]["d"], int)


@pytest.mark.parametrize("value", [10**400, float("inf"), float("nan")], ids=["digits", "infinite", "none"])
def test_a_number_that_no_float_holds_is_refused(value: Any) -> None:
    tracker = custom_tracker()
    with pytest.raises(BadRequest) as refusal:
        tracker.create(THINGS, thing(a=value))
    opening = 'Thing in version "v1" cannot be handled as a Thing: json: cannot unmarshal number'
    assert refusal.value.message.startswith(opening)
    assert refusal.value.message.endswith("into Go value of type float64")


@pytest.mark.parametrize(
    ("form", "value", "words"),
    [
        ("int32", 3 * 10**9, "Checked value must be of type integer with format int32 in spec.n"),
        (None, 10**30, 'spec.n in body must be of type integer: "number"'),
    ],
)
def test_an_integer_of_a_schema_has_the_range_of_its_format(form: str | None, value: int, words: str) -> None:
    rule = {"type": "integer"} | ({"format": form} if form else {})
    tracker = custom_tracker(n=rule)
    assert tracker.create(THINGS, thing(n=2**31 - 1))["spec"]["n"] == 2**31 - 1
    with pytest.raises(Invalid) as refusal:
        tracker.patch(THINGS, "default/t", MergePatch({"spec": {"n": value}}))
    assert words in refusal.value.message


def test_a_json_patch_that_doubles_a_document_ends_at_the_size_of_a_request() -> None:
    """Thirty copies of the whole into itself would be a billion copies."""
    tracker = custom_tracker()
    tracker.create(THINGS, thing(a="x" * 1000))
    before = tracker.version
    copies = [{"op": "copy", "from": "/spec", "path": f"/spec/c{index}"} for index in range(30)]
    with pytest.raises(Invalid, match="the server rejected our request"):
        tracker.patch(THINGS, "default/t", JsonPatch(copies))
    with pytest.raises(
        RequestEntityTooLarge, match="The allowed maximum operations in a JSON patch is 10000, got 10001"
    ):
        tracker.patch(THINGS, "default/t", JsonPatch([{"op": "test", "path": "/kind", "value": "Thing"}] * 10_001))
    assert tracker.version == before


@pytest.mark.long
def test_a_service_that_wants_more_node_ports_than_there_are_is_refused() -> None:
    """And takes none of them."""
    tracker = Tracker()
    service = {"metadata": {"name": "s", "namespace": "default"}, "spec": {"type": "NodePort"}}
    many = [{"name": f"p{port}", "port": port} for port in range(1, 3001)]
    with pytest.raises(ApiError, match="failed to allocate a nodePort: range is full"):
        tracker.create(SERVICES, service | {"spec": {"type": "NodePort", "ports": many}})
    few = [{"port": 80}]
    assert (
        tracker.create(SERVICES, service | {"spec": {"type": "NodePort", "ports": few}}).at("spec.ports")[0]["nodePort"]
        == 30000
    )


@pytest.mark.parametrize("version", ["9" * 5_000, str(2**64)], ids=["digits", "one more"])
async def test_a_version_of_any_length_is_read_as_go_does(version: str) -> None:
    tracker, options = Tracker(), Options(resource_version=version)
    with pytest.raises(BadRequest) as refusal:
        tracker.list(CONFIG_MAPS, options=options)
    assert refusal.value.message.startswith('invalid resource version: resourceVersion: Invalid value: "')
    assert refusal.value.message.endswith("value out of range")
    with pytest.raises(ApiError, match="resourceVersion: Invalid value"):
        async with tracker.watch(Action(verb=Verb.WATCH, resource=CONFIG_MAPS, options=options)):
            pass


def test_a_negative_grace_period_in_a_pod_is_one_second() -> None:
    """As the server stores it."""
    spec = {"containers": [{"name": "c", "image": "i"}], "terminationGracePeriodSeconds": -5}
    made = Tracker().create(PODS, {"metadata": {"name": "p", "namespace": "default"}, "spec": spec})
    assert made.at("spec.terminationGracePeriodSeconds") == 1
