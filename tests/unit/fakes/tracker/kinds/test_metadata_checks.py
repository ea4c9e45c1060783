"""Metadata is refused as often as a server refuses it: by the rules of all kinds, and by those of its own."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from ctrlkit.errors import AlreadyExists, ApiError, BadRequest, Invalid
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.model import ObjectKey, StrategicMergePatch
from ctrlkit.model.kinds import CONFIG_MAPS
from tests.unit.fakes.tracker.kinds.test_small_kinds import create, resource

WRONG = {"annotations": {"A b": ""}, "finalizers": ["x"], "generateName": "A%"}


@pytest.mark.parametrize(
    ("api_version", "kind", "rest", "want"),
    [
        ("v1", "ConfigMap", {}, (4, 2, 2)),
        ("v1", "LimitRange", {"spec": {"limits": []}}, (3, 1, 2)),
        ("v1", "ResourceQuota", {"spec": {}}, (3, 1, 1)),
        ("coordination.k8s.io/v1", "Lease", {"spec": {}}, (3, 0, 1)),
        ("node.k8s.io/v1", "RuntimeClass", {"handler": "h"}, (4, 0, 2)),
        ("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", {}, (3, 0, 2)),
        ("policy/v1", "PodDisruptionBudget", {"spec": {}}, (2, 0, 1)),
    ],
)
def test_changed_metadata_is_refused_as_often_as_a_server_looks_at_it(
    api_version: str, kind: str, rest: dict[str, Any], want: tuple[int, int, int]
) -> None:
    tracker = Tracker()
    made = create(tracker, api_version, kind, "one", **rest)
    with pytest.raises(Invalid) as caught:
        tracker.update(resource(tracker, api_version, kind), {**made, "metadata": {**made["metadata"], **WRONG}})
    found = Counter(cause["field"] for cause in caught.value.details["causes"])
    assert tuple(found[f"metadata.{name}"] for name in ("annotations", "finalizers[0]", "generateName")) == want


def test_a_base_for_names_that_cannot_help_is_told_of_with_the_name_that_is_taken() -> None:
    tracker = Tracker()
    create(tracker, "v1", "ConfigMap", "one")
    with pytest.raises(AlreadyExists, match='"one" already exists, the server was not able to generate a unique name'):
        tracker.create(CONFIG_MAPS, {"metadata": {"name": "one", "namespace": "default", "generateName": "a"}})


def test_a_limit_range_without_a_name_gets_one() -> None:
    tracker = Tracker()
    limits = resource(tracker, "v1", "LimitRange")
    made = tracker.create(limits, {"metadata": {"namespace": "default"}, "spec": {"limits": []}})
    assert len(made.metadata.name) == 36


def test_a_version_that_is_no_number_is_not_looked_at_when_an_object_is_made() -> None:
    tracker = Tracker()
    meta = {"name": "one", "namespace": "default"}
    assert tracker.create(CONFIG_MAPS, {"metadata": {**meta, "resourceVersion": "a"}}).metadata.name == "one"
    with pytest.raises(ApiError, match="resourceVersion should not be set"):
        tracker.create(CONFIG_MAPS, {"metadata": {**meta, "name": "two", "resourceVersion": "7"}})


def test_a_generation_that_the_server_does_not_count_is_the_creators() -> None:
    made = create(Tracker(), "v1", "ConfigMap", "one")
    assert "generation" not in made["metadata"]
    metadata = {"name": "two", "namespace": "default", "generation": 7}
    assert Tracker().create(CONFIG_MAPS, {"metadata": metadata}).metadata.generation == 7


def test_a_time_that_is_no_text_should_have_been_one() -> None:
    with pytest.raises(BadRequest, match=r"cannot unmarshal bool into .*LeaseSpec.spec.renewTime of type string"):
        create(Tracker(), "coordination.k8s.io/v1", "Lease", "one", spec={"renewTime": True})


def test_an_amount_of_an_extended_resource_in_a_quota_is_whole() -> None:
    with pytest.raises(Invalid, match=r"spec.hard\[example.com/x\]: Invalid value: \"100m\": must be an integer"):
        create(Tracker(), "v1", "ResourceQuota", "one", spec={"hard": {"example.com/x": "100m"}})


def test_bytes_that_are_none_are_told_of_in_the_words_of_a_strategic_merge() -> None:
    tracker = Tracker()
    create(tracker, "v1", "ConfigMap", "one")
    with pytest.raises(Invalid, match=r"patch: .*: error decoding from json: illegal base64 data at input byte 0"):
        tracker.patch(CONFIG_MAPS, ObjectKey("default", "one"), StrategicMergePatch({"binaryData": {"a": "!"}}))


def test_a_write_of_the_status_keeps_the_metadata_of_a_volume_attachment() -> None:
    tracker = Tracker()
    spec = {"attacher": "d.example.com", "nodeName": "n", "source": {"persistentVolumeName": "v"}}
    made = create(tracker, "storage.k8s.io/v1", "VolumeAttachment", "one", spec=spec)
    changed = {**made, "metadata": {**made["metadata"], "labels": {"a": "b"}}, "status": {"attached": True}}
    attachments = resource(tracker, "storage.k8s.io/v1", "VolumeAttachment")
    written = tracker.update(attachments, changed, subresource="status")
    assert written.at("status.attached")
    assert "labels" not in written["metadata"]


def test_an_ingress_with_an_empty_backend_is_told_only_of_that() -> None:
    with pytest.raises(Invalid, match="resource or service backend is required") as caught:
        create(Tracker(), "networking.k8s.io/v1", "Ingress", "one", spec={"defaultBackend": {}})
    assert [cause["field"] for cause in caught.value.details["causes"]] == ["spec.defaultBackend"]
