"""Bodies with fields that a kind does not have, or values that do not fit: told of, refused or passed over."""

from __future__ import annotations

from typing import Any

import pytest

from ctrlkit.errors import ApiError, BadRequest, Invalid
from ctrlkit.fakes.apiserver.requests import duplicate_fields
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.fakes.tracker.notices import notice, noticed
from ctrlkit.model import (
    Action,
    AnyResource,
    ApplyPatch,
    JsonPatch,
    MergePatch,
    Options,
    PatchType,
    StrategicMergePatch,
    Verb,
)
from ctrlkit.model.kinds import CONFIG_MAPS, EVENTS, EVENTS_V1, LEASES, NAMESPACES, PODS, SECRETS, STATEFULSETS
from tests.support.objects import a_pod, a_workload

META = {"name": "one", "namespace": "default"}
UNKNOWN = {"metadata": META | {"colour": "red"}, "data": {"a": "1"}, "bogus": {"x": 1}}
STRICT = Options(field_validation="Strict")


@pytest.mark.behaviour("B5")
@pytest.mark.parametrize("strictness", ["", "Warn"])
async def test_unknown_fields_are_dropped_and_told(strictness: str) -> None:
    with noticed() as texts:
        made = Tracker().create(CONFIG_MAPS, UNKNOWN, Options(field_validation=strictness))
    assert texts == ['unknown field "metadata.colour"', 'unknown field "bogus"']
    assert "bogus" not in made
    assert "colour" not in made["metadata"]


async def test_unknown_fields_are_passed_over_or_refused_where_that_is_asked_for() -> None:
    tracker = Tracker()
    with noticed() as texts:
        assert "bogus" not in tracker.create(CONFIG_MAPS, UNKNOWN, Options(field_validation="Ignore"))
    assert texts == []
    with pytest.raises(BadRequest) as caught:
        tracker.update(CONFIG_MAPS, UNKNOWN, options=STRICT)
    assert caught.value.message == (
        'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: '
        'unknown field "metadata.colour", unknown field "bogus"'
    )
    body = a_workload()
    body["spec"]["template"]["spec"]["containers"] = [{"name": "c", "image": "i", "imagePulPolicy": "Never"}]
    with pytest.raises(BadRequest, match=r'unknown field "spec.template.spec.containers\[0\].imagePulPolicy"'):
        tracker.create(STATEFULSETS, body, STRICT)
    with pytest.raises(Invalid, match='fieldValidation: Unsupported value: "Odd"'):
        tracker.create(CONFIG_MAPS, UNKNOWN, Options(field_validation="Odd"))


async def test_a_patch_that_brings_unknown_fields_is_refused_as_a_patch() -> None:
    tracker = Tracker()
    tracker.create(CONFIG_MAPS, {"metadata": META})
    with noticed() as texts:
        tracker.patch(CONFIG_MAPS, "default/one", MergePatch({"bogus": 1}))
    assert texts == ['unknown field "bogus"']
    with pytest.raises(Invalid) as caught:
        tracker.patch(CONFIG_MAPS, "default/one", StrategicMergePatch({"bogus": {"b": True, "a": [1]}}), options=STRICT)
    assert caught.value.message == (
        ' "" is invalid: patch: Invalid value: "map[bogus:map[a:[1] b:true]]": '
        'strict decoding error: unknown field "bogus"'
    )
    assert caught.value.details.keys() == {"causes"}
    operation = {"op": "add", "path": "/data", "value": {"a": 1}}
    with pytest.raises(Invalid) as caught:
        tracker.patch(CONFIG_MAPS, "default/one", JsonPatch([operation]))
    assert "cannot unmarshal number into Go struct field" in caught.value.message


MISFITS: list[tuple[AnyResource, dict[str, Any], str]] = [
    (
        STATEFULSETS,
        a_workload(replicas="3"),
        "json: cannot unmarshal string into Go struct field StatefulSetSpec.spec.replicas of type int32",
    ),
    (
        STATEFULSETS,
        a_workload(replicas=1.5),
        "json: cannot unmarshal number 1.5 into Go struct field StatefulSetSpec.spec.replicas of type int32",
    ),
    (
        PODS,
        a_pod(containers={"name": "c"}),
        "json: cannot unmarshal object into Go struct field PodSpec.spec.containers of type []v1.Container",
    ),
    (
        PODS,
        a_pod(nodeSelector="a=b"),
        "json: cannot unmarshal string into Go struct field PodSpec.spec.nodeSelector of type map[string]string",
    ),
    (
        PODS,
        a_pod(containers=[{"name": "c", "env": [{"name": "A", "value": 1}]}]),
        "json: cannot unmarshal number into Go struct field EnvVar.spec.containers.env.value of type string",
    ),
    (
        PODS,
        a_pod(hostNetwork="yes"),
        "json: cannot unmarshal string into Go struct field PodSpec.spec.hostNetwork of type bool",
    ),
    (
        PODS,
        a_pod(containers=[{"name": "c", "resources": {"limits": {"cpu": "lots"}}}]),
        "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
    ),
    (SECRETS, {"metadata": META, "data": {"a": "no base64"}}, "illegal base64 data at input byte 2"),
    (
        CONFIG_MAPS,
        {"metadata": "one"},
        "json: cannot unmarshal string into Go struct field ConfigMap.metadata of type v1.ObjectMeta",
    ),
    (
        EVENTS,
        {"metadata": META, "lastTimestamp": "now"},
        'parsing time "now" as "2006-01-02T15:04:05Z07:00": cannot parse "now" as "2006"',
    ),
]


@pytest.mark.parametrize(("resource", "body", "text"), MISFITS)
async def test_a_value_of_another_type_is_refused_as_gos_decoder_does(
    resource: AnyResource, body: dict[str, Any], text: str
) -> None:
    action = Action(verb=Verb.CREATE, resource=resource, namespace="default", body=body)
    with pytest.raises(BadRequest) as caught:
        Tracker().call(action)
    kind = resource.kind
    assert caught.value.message == f'{kind} in version "{resource.version}" cannot be handled as a {kind}: {text}'


async def test_times_have_the_servers_precision() -> None:
    tracker = Tracker()
    event = {
        "metadata": META,
        "involvedObject": {"namespace": "default"},
        "lastTimestamp": "2026-01-01T01:00:00.5+01:00",
    }
    assert tracker.create(EVENTS, event)["lastTimestamp"] == "2026-01-01T00:00:00Z"
    lease = tracker.create(LEASES, {"metadata": META, "spec": {"renewTime": "2026-01-01T01:00:00.500000+01:00"}})
    assert lease.at("spec.renewTime") == "2026-01-01T00:00:00.500000Z"


async def test_a_cluster_wide_object_loses_a_namespace_it_was_given() -> None:
    made = Tracker().create(NAMESPACES, {"metadata": {"name": "demo", "namespace": "default"}})
    assert "namespace" not in made["metadata"]


def test_what_nobody_listens_to_is_not_kept_and_nothing_is_told_twice() -> None:
    notice("unheard")
    with noticed() as texts:
        notice("a")
        notice("a")
    assert texts == ["a"]


@pytest.mark.parametrize(
    ("body", "paths"),
    [
        (b'{"a": 1, "b": 2}', []),
        (b'{"a": 1, "a": 2, "a": 3}', ["a", "a"]),
        (b'{"a": [{"b": 1, "b": 1}]}', ["a[0].b"]),
        (b"[]", []),
    ],
)
def test_fields_given_twice_are_found(body: bytes, paths: list[str]) -> None:
    assert duplicate_fields(body) == paths


@pytest.mark.parametrize("resource", [CONFIG_MAPS, EVENTS, EVENTS_V1], ids=str)
@pytest.mark.parametrize("metadata", ["0", 10**18, ["a"]])
@pytest.mark.parametrize("verb", [Verb.CREATE, Verb.UPDATE, Verb.PATCH])
async def test_metadata_that_is_no_object_is_refused_whoever_writes_it(
    resource: AnyResource, metadata: Any, verb: Verb
) -> None:
    body = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata}
    patch_type = PatchType.APPLY if verb is Verb.PATCH else None
    options = Options(field_manager="m")
    name = "" if verb is Verb.CREATE else "a"
    action = Action(
        verb=verb, resource=resource, namespace="default", name=name, body=body, patch_type=patch_type, options=options
    )
    with pytest.raises(ApiError) as caught:
        Tracker().call(action)
    said = (500, ".metadata: expected map, got &{") if verb is Verb.PATCH else (400, "Go struct field")
    assert (caught.value.code, said[1] in caught.value.message) == (said[0], True)


@pytest.mark.parametrize(
    ("resource", "body", "text"),
    [
        (
            SECRETS,
            {"data": {"k": "!"}},
            "failed to convert new object (/a; /v1, Kind=Secret) to proper version: unable to convert unstructured "
            "object to /v1, Kind=Secret: error decoding from json: illegal base64 data at input byte 0",
        ),
        (
            LEASES,
            {"spec": {"renewTime": "now"}},
            "failed to convert new object (/a; coordination.k8s.io/v1, Kind=Lease) to proper version: unable to "
            "convert unstructured object to coordination.k8s.io/v1, Kind=Lease: parsing time "
            '"now" as "2006-01-02T15:04:05.000000Z07:00": cannot parse "now" as "2006"',
        ),
    ],
)
async def test_what_was_merged_by_an_apply_and_does_not_fit_is_a_failure_of_the_server(
    resource: AnyResource, body: dict[str, Any], text: str
) -> None:
    """As a real server says it, with the code 500."""
    whole = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": {"name": "a"}, **body}
    with pytest.raises(ApiError) as caught:
        Tracker().patch(resource, "default/a", ApplyPatch(whole), options=Options(field_manager="m"))
    assert (caught.value.code, caught.value.message) == (500, text)
