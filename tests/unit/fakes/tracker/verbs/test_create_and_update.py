"""What the tracker makes of creates and updates: a real server's metadata, versions, generations and refusals."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest

from ctrlkit.errors import AlreadyExists, ApiError, BadRequest, Conflict, Invalid, NotFound
from ctrlkit.fakes.clientset.clientset import FakeClientset
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.fakes.tracker.notices import noticed
from ctrlkit.model import Action, MergePatch, Options, StrategicMergePatch, Unstructured, Verb, custom_resource
from ctrlkit.model.kinds import CONFIG_MAPS, LEASES, NAMESPACES, PODS, RESOURCE_CLAIMS, SECRETS, STATEFULSETS
from ctrlkit.model.kinds import CUSTOM_RESOURCE_DEFINITIONS as DEFINITIONS
from ctrlkit.model.kinds import PERSISTENT_VOLUME_CLAIMS as CLAIMS
from tests.support.objects import a_pod, a_workload

DRY = Options(dry_run=True)


def config_map(name: str = "one", **more: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "default", **more.pop("metadata", {})}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"a": "1"}, **more}


def stateful_set(replicas: int = 1) -> dict[str, Any]:
    return a_workload(replicas=replicas)


@pytest.mark.behaviour("T10", "X11")
async def test_a_new_object_gets_uid_version_creation_time_and_no_generation_where_the_kind_counts_none() -> None:
    tracker = Tracker()
    before = tracker.version
    made = tracker.create(CONFIG_MAPS, config_map())
    assert made.metadata.uid
    assert made.metadata.resource_version == str(before + 1)
    assert made.metadata.creation_timestamp == "2026-01-01T00:00:00Z"
    assert "generation" not in made["metadata"]


@pytest.mark.behaviour("T7", "X1")
async def test_one_counter_numbers_the_writes_of_all_kinds() -> None:
    tracker = Tracker()
    first = tracker.create(CONFIG_MAPS, config_map())
    second = tracker.create(STATEFULSETS, stateful_set())
    assert int(second.metadata.resource_version) == int(first.metadata.resource_version) + 1


@pytest.mark.behaviour("T10", "X3")
async def test_generate_name_adds_five_characters_to_a_base_cut_at_58() -> None:
    tracker = Tracker()
    body = {"metadata": {"generateName": "x" * 70, "namespace": "default"}}
    names = {tracker.create(CONFIG_MAPS, body).metadata.name for _ in range(3)}
    assert len(names) == 3
    assert {len(name) for name in names} == {63}
    assert all(set(name[58:]) <= set("bcdfghjklmnpqrstvwxz2456789") for name in names)


@pytest.mark.behaviour("T7", "X2")
async def test_a_stale_update_is_a_conflict_and_changes_nothing() -> None:
    tracker = Tracker()
    made = tracker.create(CONFIG_MAPS, config_map())
    tracker.update(CONFIG_MAPS, made | {"data": {"a": "2"}})
    with pytest.raises(Conflict) as refusal:
        tracker.update(CONFIG_MAPS, made | {"data": {"a": "3"}})
    assert refusal.value.message == (
        'Operation cannot be fulfilled on configmaps "one": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )
    assert refusal.value.details == {"name": "one", "kind": "configmaps"}
    assert tracker.get(CONFIG_MAPS, "default/one")["data"] == {"a": "2"}


@pytest.mark.behaviour("X2")
async def test_an_update_may_leave_out_the_version_unless_the_kind_demands_it() -> None:
    tracker = Tracker()
    tracker.create(CONFIG_MAPS, config_map())
    assert tracker.update(CONFIG_MAPS, config_map(data={"a": "2"}))["data"] == {"a": "2"}
    lease = {"metadata": {"name": "l", "namespace": "default"}, "spec": {}}
    tracker.create(LEASES, lease)
    with pytest.raises(Invalid, match=r"metadata\.resourceVersion: .*must be specified for an update"):
        tracker.update(LEASES, lease)


async def test_a_write_that_changes_nothing_leaves_the_version() -> None:
    tracker = Tracker()
    made = tracker.create(CONFIG_MAPS, config_map())
    version = tracker.version
    assert tracker.update(CONFIG_MAPS, config_map()) == made
    assert tracker.patch(CONFIG_MAPS, "default/one", MergePatch({"data": {"a": "1"}})) == made
    assert tracker.version == version


async def test_generation_rises_with_the_spec_only() -> None:
    tracker = Tracker()
    made = tracker.create(STATEFULSETS, stateful_set())
    assert made.metadata.generation == 1
    labelled = tracker.patch(STATEFULSETS, "default/net", MergePatch({"metadata": {"labels": {"a": "b"}}}))
    assert labelled.metadata.generation == 1
    status = tracker.update(STATEFULSETS, labelled | {"status": {"replicas": 1}}, subresource="status")
    assert status.metadata.generation == 1
    scaled = tracker.patch(STATEFULSETS, "default/net", MergePatch({"spec": {"replicas": 2}}))
    assert scaled.metadata.generation == 2


@pytest.mark.behaviour("X5")
async def test_the_servers_own_metadata_cannot_be_written() -> None:
    tracker = Tracker()
    theirs = {"uid": "mine", "creationTimestamp": "2000-01-01T00:00:00Z", "deletionTimestamp": "2000-01-01T00:00:00Z"}
    made = tracker.create(CONFIG_MAPS, config_map(metadata=theirs))
    assert made.metadata.uid != "mine"
    assert not made.metadata.deleting
    body = config_map(metadata={"deletionTimestamp": "2000-01-01T00:00:00Z"}, data={"a": "2"})
    with pytest.raises(Invalid, match=r"metadata\.deletionTimestamp: .*: field is immutable"):
        tracker.update(CONFIG_MAPS, body)


@pytest.mark.behaviour("X8")
async def test_a_dry_run_answers_as_if_and_leaves_nothing() -> None:
    tracker = Tracker()
    version = tracker.version
    answer = tracker.create(CONFIG_MAPS, config_map(), DRY)
    assert answer.metadata.uid
    assert not answer.metadata.resource_version
    with pytest.raises(NotFound):
        tracker.get(CONFIG_MAPS, "default/one")
    tracker.create(CONFIG_MAPS, config_map())
    assert tracker.update(CONFIG_MAPS, config_map(data={"a": "2"}), options=DRY)["data"] == {"a": "2"}
    tracker.delete(CONFIG_MAPS, "default/one", DRY)
    assert tracker.get(CONFIG_MAPS, "default/one")["data"] == {"a": "1"}
    assert tracker.version == version + 1


@pytest.mark.behaviour("T6")
async def test_nothing_handed_in_or_out_is_connected_with_what_is_stored() -> None:
    tracker = Tracker()
    body = config_map()
    made = tracker.create(CONFIG_MAPS, body)
    body["data"]["a"] = "changed"
    made["data"]["a"] = "changed"
    tracker.get(CONFIG_MAPS, "default/one")["data"]["a"] = "changed"
    tracker.list(CONFIG_MAPS)[0]["data"]["a"] = "changed"
    assert tracker.get(CONFIG_MAPS, "default/one")["data"] == {"a": "1"}


async def test_what_was_handed_in_and_changed_since_is_a_change_if_it_comes_again() -> None:
    """What is compared with it is what was stored, also of a kind whose fields nobody has declared."""
    tracker = Tracker()
    widgets = custom_resource(group="example.com", kind="Widget", plural="widgets")
    tracker.registry.register_custom(widgets)
    for resource in (CONFIG_MAPS, widgets):
        body = config_map() | {"kind": resource.kind, "apiVersion": resource.api_version}
        made = tracker.create(resource, body)
        body["data"]["a"] = "changed"
        body["metadata"]["resourceVersion"] = made.metadata.resource_version
        assert tracker.update(resource, body).metadata.resource_version != made.metadata.resource_version
        assert tracker.get(resource, "default/one")["data"] == {"a": "changed"}


@pytest.mark.parametrize("is_awaited", [True, False])
async def test_the_body_of_a_call_is_its_callers_again_when_it_is_done(*, is_awaited: bool) -> None:
    """Whatever the caller makes of it then is not in what is stored, nor in what patches and rules find there."""
    tracker = Tracker()
    widgets = custom_resource(group="example.com", kind="Widget", plural="widgets")
    tracker.registry.register_custom(widgets)
    body: dict[str, Any] = config_map() | {"kind": "Widget", "apiVersion": "example.com/v1"}
    create = Action(verb=Verb.CREATE, resource=widgets, namespace="default", body=body)
    if is_awaited:
        await tracker.do(create)
    else:
        tracker.call(create)
    body["data"]["a"] = "changed"
    patched = tracker.patch(widgets, "default/one", MergePatch({"metadata": {"labels": {"b": "2"}}}))
    assert patched["data"] == tracker.get(widgets, "default/one")["data"] == {"a": "1"}


async def test_a_reactor_that_changes_a_body_once_it_is_stored_changes_nothing_there() -> None:
    widgets = custom_resource(group="example.com", kind="Widget", plural="widgets")
    clientset, bodies = FakeClientset(), list[Any]()
    clientset.tracker.registry.register_custom(widgets)
    clientset.add_reactor("create", "*", lambda action: bodies.append(action.body))
    await clientset.client.create(widgets, config_map() | {"kind": "Widget", "apiVersion": "example.com/v1"})
    bodies[0]["data"]["a"] = "changed"
    patched = clientset.tracker.patch(widgets, "default/one", MergePatch({"metadata": {"labels": {"b": "2"}}}))
    assert patched["data"] == {"a": "1"}


_SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    r"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)


@pytest.mark.behaviour("T6", "T10")
@pytest.mark.parametrize(
    ("body", "error", "message"),
    [
        (config_map("taken"), AlreadyExists, 'configmaps "taken" already exists'),
        (config_map(metadata={"namespace": "none"}), NotFound, 'namespaces "none" not found'),
        (
            config_map("Not_Valid"),
            Invalid,
            f'ConfigMap "Not_Valid" is invalid: metadata.name: Invalid value: "Not_Valid": {_SUBDOMAIN}',
        ),
        (
            {"metadata": {"namespace": "default"}},
            Invalid,
            'ConfigMap "" is invalid: metadata.name: Required value: name or generateName is required',
        ),
        (
            config_map(kind="Secret"),
            BadRequest,
            'Secret in version "v1" cannot be handled as a ConfigMap: '
            "converting (v1.Secret) to (core.ConfigMap): unknown conversion",
        ),
        (
            config_map(apiVersion="v2"),
            BadRequest,
            'ConfigMap in version "v2" cannot be handled as a ConfigMap: no kind "ConfigMap" is registered for version '
            '"v2" in scheme "pkg/runtime/scheme.go:111"',
        ),
        (
            config_map(metadata={"resourceVersion": "5"}),
            ApiError,
            "resourceVersion should not be set on objects to be created",
        ),
        (
            config_map(metadata={"labels": {"a": 1}}),
            BadRequest,
            'ConfigMap in version "v1" cannot be handled as a ConfigMap: json: cannot unmarshal number into Go struct '
            "field ObjectMeta.metadata.labels of type string",
        ),
        (
            config_map(
                metadata={
                    "ownerReferences": [
                        {"apiVersion": "v1", "kind": kind, "name": "x", "uid": "u", "controller": True} for kind in "AB"
                    ]
                }
            ),
            Invalid,
            'ConfigMap "one" is invalid: metadata.ownerReferences: Invalid value: '
            '[{"apiVersion":"v1","kind":"A","name":"x","uid":"u","controller":true},'
            '{"apiVersion":"v1","kind":"B","name":"x","uid":"u","controller":true}]: Only one reference '
            'can have Controller set to true. Found "true" in references for A/x and B/x',
        ),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
async def test_a_create_is_refused_in_the_servers_words(
    body: dict[str, Any], error: type[ApiError], message: str
) -> None:
    tracker = Tracker()
    tracker.create(CONFIG_MAPS, config_map("taken"))
    with pytest.raises(error) as refusal:
        tracker.create(CONFIG_MAPS, body)
    assert refusal.value.message == message


async def test_an_update_is_refused_for_another_object() -> None:
    tracker = Tracker()
    with pytest.raises(NotFound, match='configmaps "one" not found'):
        tracker.update(CONFIG_MAPS, config_map())
    tracker.create(CONFIG_MAPS, config_map())
    with pytest.raises(Conflict, match="Precondition failed: UID in precondition: other, UID in object meta"):
        tracker.update(CONFIG_MAPS, config_map(metadata={"uid": "other"}))
    with pytest.raises(BadRequest, match=r"the name of the object \(two\) does not match the name on the URL \(one\)"):
        tracker.patch(CONFIG_MAPS, "default/one", MergePatch({"metadata": {"name": "two"}}))


async def test_a_namespace_is_labelled_active_and_held_by_its_finalizer() -> None:
    tracker = Tracker()
    made = tracker.create(NAMESPACES, {"metadata": {"name": "demo"}})
    assert made.at("metadata.labels") == {"kubernetes.io/metadata.name": "demo"}
    assert made["spec"] == {"finalizers": ["kubernetes"]}
    assert made["status"] == {"phase": "Active"}


async def test_a_namespace_of_a_generated_name_is_labelled_with_it() -> None:
    made = Tracker().create(NAMESPACES, {"metadata": {"generateName": "demo-"}})
    assert made.metadata.name.startswith("demo-")
    assert made.at("metadata.labels") == {"kubernetes.io/metadata.name": made.metadata.name}


@pytest.mark.parametrize("metadata", [{}, {"generateName": "a-"}], ids=["nameless", "generated"])
async def test_a_body_of_any_kind_without_a_name_is_made_or_refused_in_the_words_of_the_api(metadata: Any) -> None:
    tracker = Tracker()
    for kind in tracker.registry.served():
        place = {"namespace": "default"} if kind.resource.namespaced else {}
        with suppress(ApiError):
            tracker.create(kind.resource, {"metadata": {**metadata, **place}})
    assert {item.metadata.name for item in tracker.list(NAMESPACES)} >= {"default", "kube-system"}


async def test_built_in_kinds_get_what_loops_lean_on() -> None:
    tracker = Tracker()
    secret = tracker.create(SECRETS, {"metadata": {"name": "s", "namespace": "default"}, "stringData": {"u": "bob"}})
    assert (secret["type"], secret["data"], "stringData" in secret) == ("Opaque", {"u": "Ym9i"}, False)
    pod: Unstructured = tracker.create(PODS, a_pod() | {"status": {"phase": "Running"}})
    assert pod["status"] == {"phase": "Pending", "qosClass": "BestEffort"}
    assert pod.at("spec.terminationGracePeriodSeconds") == 30


async def test_nulls_are_not_stored_for_built_in_kinds() -> None:
    tracker = Tracker()
    made = tracker.create(CONFIG_MAPS, config_map(metadata={"labels": None}, binaryData=None))
    assert "labels" not in made["metadata"]
    assert "binaryData" not in made


# ---- updates of another object, and through the status ---------------------------------------------------------------

OTHERS = [
    (
        {"apiVersion": "v2"},
        'ConfigMap in version "v2" cannot be handled as a ConfigMap: no kind "ConfigMap" is registered for version '
        '"v2" in scheme "pkg/runtime/scheme.go:111"',
    ),
    (
        {"kind": "Secret"},
        'Secret in version "v1" cannot be handled as a ConfigMap: converting (v1.Secret) to (core.ConfigMap): unknown '
        "conversion",
    ),
    (
        {"kind": "Foo"},
        'Foo in version "v1" cannot be handled as a ConfigMap: no kind "Foo" is registered for version "v1" in scheme '
        '"pkg/runtime/scheme.go:111"',
    ),
    ({"kind": 3}, "json: cannot unmarshal number into Go struct field .kind of type string"),
    (
        {"metadata": {"name": "one", "namespace": "other"}},
        "the namespace of the provided object does not match the namespace sent on the request",
    ),
    ({"metadata": {"name": "two"}}, "the name of the object (two) does not match the name on the URL (one)"),
    ({"metadata": {}}, "the name of the object (one based on URL) was undeterminable: name must be provided"),
]


def put_to_one(tracker: Tracker, body: dict[str, Any]) -> None:
    """PUT a body to the path of default/one, whatever it says itself."""
    tracker.call(Action(verb=Verb.UPDATE, resource=CONFIG_MAPS, namespace="default", name="one", body=body))


@pytest.mark.parametrize(("change", "words"), OTHERS)
async def test_an_update_of_what_the_path_does_not_name_is_refused(change: dict[str, Any], words: str) -> None:
    """Kind, apiVersion, name and namespace say where it belongs; nothing is written."""
    tracker = Tracker()
    tracker.create(CONFIG_MAPS, config_map())
    before = tracker.version
    with pytest.raises(BadRequest) as refusal:
        put_to_one(tracker, config_map(data={"a": "2"}) | change)
    assert refusal.value.message.endswith(words)
    assert tracker.version == before


async def test_an_update_that_does_not_say_what_it_is_belongs_to_its_path() -> None:
    tracker = Tracker()
    tracker.create(CONFIG_MAPS, config_map())
    put_to_one(tracker, {"metadata": {"name": "one"}, "data": {"a": "2"}})
    assert tracker.get(CONFIG_MAPS, "default/one")["data"] == {"a": "2"}


@pytest.mark.parametrize(
    ("patch", "error", "words"),
    [
        ({"kind": "Secret"}, Invalid, "converting (v1.Secret) to (core.ConfigMap): unknown conversion"),
        ({"apiVersion": "v2"}, Invalid, 'no kind "ConfigMap" is registered for version "v2"'),
        ({"metadata": {"namespace": "other"}}, BadRequest, "the namespace of the provided object does not match"),
        ({"metadata": {"name": "two"}}, BadRequest, "does not match the name on the URL (one)"),
        ({"metadata": {"uid": "other"}}, Invalid, 'metadata.uid: Invalid value: "other": field is immutable'),
    ],
)
async def test_a_patch_cannot_make_an_object_another_one(
    patch: dict[str, Any], error: type[ApiError], words: str
) -> None:
    tracker = Tracker()
    tracker.create(CONFIG_MAPS, config_map())
    with pytest.raises(error) as refusal:
        tracker.patch(CONFIG_MAPS, "default/one", MergePatch(patch))
    assert words in refusal.value.message


async def test_a_strategic_patch_with_a_number_that_none_can_hold_is_refused_as_one_that_cannot_be_read() -> None:
    tracker = Tracker()
    tracker.create(CONFIG_MAPS, config_map())
    with pytest.raises(BadRequest, match=r"json: cannot unmarshal number 10+ into Go value of type float64"):
        tracker.patch(CONFIG_MAPS, "default/one", StrategicMergePatch({"data": {"a": 10**400}}))


async def test_a_strategic_patch_does_not_reach_kind_and_api_version() -> None:
    """As on a server, which reads the object by its type and not by what the patch says."""
    tracker = Tracker()
    tracker.create(CONFIG_MAPS, config_map())
    patched = tracker.patch(CONFIG_MAPS, "default/one", StrategicMergePatch({"kind": "Secret", "data": {"b": "2"}}))
    assert (patched["kind"], patched["data"]) == ("ConfigMap", {"a": "1", "b": "2"})


async def test_a_status_update_takes_metadata_along_for_built_in_kinds_and_not_for_custom_ones() -> None:
    """Labels, annotations and finalizers; the spec stays in both."""
    tracker = Tracker()
    tracker.create(STATEFULSETS, stateful_set(1))
    extras = {"labels": {"x": "y"}, "annotations": {"q": "r"}, "finalizers": ["x.io/f"]}
    body = stateful_set(3)
    metadata = {**body["metadata"], **extras}
    tracker.update(STATEFULSETS, body | {"metadata": metadata, "status": {"replicas": 3}}, subresource="status")
    written = tracker.get(STATEFULSETS, metadata["namespace"] + "/" + metadata["name"])
    assert {name: written["metadata"].get(name) for name in extras} == extras
    assert (written.at("spec.replicas"), written.at("status.replicas"), written.metadata.generation) == (1, 3, 1)

    things = custom_resource(group="x.example.com", kind="Thing", plural="things")
    tracker.registry.register_custom(things)
    kind = {"apiVersion": things.api_version, "kind": things.kind, "metadata": {"name": "t", "namespace": "default"}}
    made = tracker.create(things, kind | {"spec": {"a": 1}})
    body = kind | {"metadata": made["metadata"] | extras, "spec": {"a": 2}, "status": {"b": 1}}
    tracker.update(things, body, subresource="status")
    written = tracker.get(things, "default/t")
    assert {name: written["metadata"].get(name) for name in extras} == dict.fromkeys(extras)
    assert (written["spec"], written["status"], written.metadata.generation) == ({"a": 1}, {"b": 1}, 1)


async def test_without_a_status_subresource_the_status_counts_for_the_generation() -> None:
    """It is then a field like any other, of custom kinds; metadata never counts."""
    tracker = Tracker()
    version = {"name": "v1", "served": True, "storage": True}
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    for plural, subresources in (("plain", None), ("split", {"status": {}})):
        definition_version = version | {"schema": {"openAPIV3Schema": schema}}
        if subresources:
            definition_version["subresources"] = subresources
        names = {"plural": plural, "kind": plural.capitalize()}
        spec = {"group": "x.example.com", "scope": "Cluster", "names": names, "versions": [definition_version]}
        tracker.create(DEFINITIONS, {"metadata": {"name": f"{plural}.x.example.com"}, "spec": spec})
        kind = custom_resource(group="x.example.com", kind=plural.capitalize(), plural=plural)
        tracker.create(kind, {"metadata": {"name": "a"}, "status": {"b": 1}})
        status = tracker.patch(kind, "a", MergePatch({"status": {"b": 2}}))
        assert status.metadata.generation == (1 if subresources else 2)
        assert status.get("status") == (None if subresources else {"b": 2})
        labelled = tracker.patch(kind, "a", MergePatch({"metadata": {"labels": {"x": "y"}}}))
        assert labelled.metadata.generation == status.metadata.generation


async def test_a_finalizer_without_a_domain_is_told_of_once_for_custom_objects() -> None:
    """When it is new, in the server's words; built-in kinds refuse it."""
    tracker = Tracker()
    things = custom_resource(group="x.example.com", kind="Thing", plural="things")
    tracker.registry.register_custom(things)
    told = (
        'metadata.finalizers: "{}": prefer a domain-qualified finalizer name{} to avoid accidental conflicts with '
        "other finalizer writers"
    )
    body = {"metadata": {"name": "t", "namespace": "default", "finalizers": ["mine", "orphan", "x.io/f"]}}
    with noticed() as texts:
        tracker.create(things, body)
    assert texts == [told.format("mine", "")]
    with noticed() as texts:
        tracker.patch(things, "default/t", MergePatch({"metadata": {"labels": {"a": "b"}}}))
    assert texts == []
    with noticed() as texts:
        tracker.patch(things, "default/t", MergePatch({"metadata": {"finalizers": ["mine", "a.b"]}}))
    assert texts == [told.format("a.b", " including a path (/)")]
    with pytest.raises(Invalid, match="name is neither a standard finalizer name nor is it fully qualified"):
        tracker.create(CONFIG_MAPS, config_map(metadata={"finalizers": ["mine"]}))


@pytest.mark.parametrize(
    ("size_mb", "text"),
    [
        (1.45, ""),
        (1.6, "etcdserver: request is too large"),
        (2.6, "rpc error: code = ResourceExhausted desc = trying to send message larger than max "),
    ],
)
async def test_an_object_fits_into_etcd(size_mb: float, text: str) -> None:
    """1.5 MiB of it; a real server says what etcd says, with the code 500 and no reason, and nothing is stored."""
    tracker = Tracker()
    before = tracker.version
    body = stateful_set(0)
    env = [{"name": "X", "value": "x" * int(size_mb * 1024 * 1024)}]
    template = body["spec"]["template"]
    containers = [{**container, "env": env} for container in template["spec"]["containers"]]
    body["spec"] = {**body["spec"], "template": {**template, "spec": {**template["spec"], "containers": containers}}}
    if not text:
        assert tracker.create(STATEFULSETS, body)
        return
    with pytest.raises(ApiError, match=text) as refused:
        tracker.create(STATEFULSETS, body)
    assert (refused.value.code, refused.value.reason) == (500, "")
    assert tracker.version == before


async def test_a_status_without_a_phase_is_that_of_a_pending_claim() -> None:
    """Defaults hold for a status too, whoever writes it."""
    tracker = Tracker()
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    tracker.create(CLAIMS, {"metadata": {"name": "one", "namespace": "default"}, "spec": spec})
    written = tracker.patch(CLAIMS, "default/one", MergePatch({"status": None}), subresource="status")
    assert written["status"] == {"phase": "Pending"}


async def test_who_writes_a_field_that_is_dropped_owns_it() -> None:
    """What a feature that is off would need is not stored, but its writer is noted as its owner."""
    tracker = Tracker()
    lifecycle = {"stopSignal": "SIGTERM", "preStop": {"sleep": {"seconds": 1}}}
    pod = a_pod(containers=[{"name": "a", "image": "x", "lifecycle": lifecycle}])
    made = tracker.create(PODS, pod)
    assert made.at("spec.containers")[0]["lifecycle"] == {"preStop": {"sleep": {"seconds": 1}}}
    owned = made.at("metadata.managedFields")[0]["fieldsV1"]["f:spec"]["f:containers"]['k:{"name":"a"}']
    assert "f:stopSignal" in owned["f:lifecycle"]


async def test_a_status_of_a_kind_that_keeps_its_metadata_may_still_name_a_base() -> None:
    """A server resets labels and annotations, but not generateName."""
    tracker = Tracker()
    tracker.create(RESOURCE_CLAIMS, {"metadata": {"name": "one", "namespace": "default"}, "spec": {}})
    patch = MergePatch({"metadata": {"generateName": "a-", "labels": {"a": "b"}}})
    written = tracker.patch(RESOURCE_CLAIMS, "default/one", patch, subresource="status")
    assert written["metadata"]["generateName"] == "a-"
    assert not written.metadata.labels


def test_a_value_that_python_holds_for_the_same_is_written() -> None:
    """1 and true are equal for Python, not for JSON: an update and a patch change the object and its generation."""
    tracker = Tracker()
    things = custom_resource(group="demo.example", version="v1", kind="Thing", plural="things")
    tracker.registry.register_custom(things)
    metadata = {"name": "one", "namespace": "default"}
    made = tracker.create(things, {"metadata": metadata, "spec": {"flag": 1, "inner": [{"flag": 1}]}})
    spec = {"flag": 1, "inner": [{"flag": True}]}
    written = tracker.update(things, {"metadata": made["metadata"], "spec": spec})
    assert (written.at("spec.inner")[0]["flag"], written.at("metadata.generation")) == (True, 2)
    assert type(written.at("spec.inner")[0]["flag"]) is bool
    patched = tracker.patch(things, "default/one", MergePatch({"spec": {"flag": True}}))
    assert (type(patched.at("spec.flag")), patched.at("metadata.generation")) == (bool, 3)
    assert tracker.update(things, patched) == patched, "nothing is written of what is the same"
