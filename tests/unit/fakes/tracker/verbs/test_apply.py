"""Server-side apply, and who owns what after writes of any kind; answers are those of a real server 1.36."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctrlkit.errors import ApiError, BadRequest, Conflict, Invalid, NotFound
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.model import (
    Action,
    ApplyPatch,
    JsonPatch,
    MergePatch,
    OnConflict,
    Options,
    StrategicMergePatch,
    Unstructured,
    Verb,
    custom_resource,
)
from ctrlkit.model.kinds import CONFIG_MAPS, CUSTOM_RESOURCE_DEFINITIONS, DEPLOYMENTS, PODS, SERVICES
from tests.support.objects import a_pod, a_workload

MESHES = custom_resource(group="nets.example.com", version="v1", kind="Mesh", plural="meshes")


def apply(
    tracker: Tracker,
    manager: str,
    fields: dict[str, Any],
    *,
    resource: Any = CONFIG_MAPS,
    name: str = "one",
    on_conflict: OnConflict = OnConflict.FAIL,
    subresource: str = "",
) -> Unstructured:
    """Apply fields of an object in the namespace default."""
    whole = {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        **fields,
        "metadata": {"name": name, **fields.get("metadata", {})},
    }
    options = Options(field_manager=manager)
    patch = ApplyPatch(whole, on_conflict)
    return tracker.patch(resource, f"default/{name}", patch, options=options, subresource=subresource)


def owners(answer: Unstructured) -> dict[str, Any]:
    """`manager operation[/subresource]` -> the fields it owns, in the order of the entries."""
    found = {}
    for entry in answer["metadata"].get("managedFields", ()):
        subresource = f"/{entry['subresource']}" if "subresource" in entry else ""
        found[f"{entry['manager']} {entry['operation']}{subresource}"] = entry["fieldsV1"]
    return found


def data(*keys: str) -> dict[str, Any]:
    """The set of some keys of a ConfigMap's data."""
    return {"f:data": {f"f:{key}": {} for key in keys}}


# ---------------------------------------------------------------------------------------------------------------------
# Apply
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.behaviour("T14", "X9")
async def test_managers_share_take_over_and_let_go_as_on_a_server() -> None:
    """The whole story of one ConfigMap in three managers' hands."""
    tracker = Tracker()
    made = apply(tracker, "first", {"data": {"a": "1", "b": "2"}})
    assert made["metadata"]["managedFields"] == [
        {
            "manager": "first",
            "operation": "Apply",
            "apiVersion": "v1",
            "time": made["metadata"]["creationTimestamp"],
            "fieldsType": "FieldsV1",
            "fieldsV1": data("a", "b"),
        }
    ]
    version = tracker.version
    apply(tracker, "first", {"data": {"a": "1", "b": "2"}})
    assert tracker.version == version
    assert owners(apply(tracker, "second", {"data": {"c": "3"}})) == {
        "first Apply": data("a", "b"),
        "second Apply": data("c"),
    }
    with pytest.raises(Conflict) as refused:
        apply(tracker, "second", {"data": {"a": "9", "c": "3"}})
    assert refused.value.message == 'Apply failed with 1 conflict: conflict with "first": .data.a'
    shared = apply(tracker, "second", {"data": {"b": "2", "c": "3"}})
    assert owners(shared) == {"first Apply": data("a", "b"), "second Apply": data("b", "c")}
    forced = apply(tracker, "second", {"data": {"a": "9", "c": "3"}}, on_conflict=OnConflict.FORCE)
    assert owners(forced) == {"first Apply": data("b"), "second Apply": data("a", "c")}
    emptied = apply(tracker, "first", {"data": {}})
    assert emptied.get("data") == {"a": "9", "c": "3"}
    assert owners(emptied) == {"first Apply": {"f:data": {}}, "second Apply": data("a", "c")}
    body = {"metadata": {"name": "one", "namespace": "default"}, "data": {"a": "10", "c": "3"}}
    updated = tracker.update(CONFIG_MAPS, body, options=Options(field_manager="third"))
    assert owners(updated) == {
        "first Apply": {"f:data": {}},
        "second Apply": data("c"),
        "third Update": data("a"),
    }
    with pytest.raises(Conflict, match=r'conflict with "third" using v1: \.data\.a;'):
        apply(tracker, "second", {"data": {"a": "11", "c": "3"}})


async def test_a_conflict_lists_every_field_by_manager() -> None:
    tracker = Tracker()
    apply(tracker, "n", {"data": {"b": "2"}})
    apply(tracker, "m", {"data": {"a": "1", "c": "3"}})
    with pytest.raises(Conflict) as refused:
        apply(tracker, "o", {"data": {"a": "9", "b": "9", "c": "9"}})
    assert refused.value.message == (
        'Apply failed with 3 conflicts: conflicts with "m":\n- .data.a\n- .data.c\nconflicts with "n":\n- .data.b'
    )
    causes = refused.value.to_status()["details"]["causes"]
    assert causes[2] == {"reason": "FieldManagerConflict", "message": 'conflict with "n"', "field": ".data.b"}


async def test_finalizers_are_a_set() -> None:
    tracker = Tracker()
    apply(tracker, "m", {"metadata": {"finalizers": ["example.com/a"], "labels": {"x": "1"}}})
    both = apply(tracker, "n", {"metadata": {"finalizers": ["example.com/b"]}})
    assert both["metadata"]["finalizers"] == ["example.com/a", "example.com/b"]
    assert owners(both)["n Apply"] == {"f:metadata": {"f:finalizers": {'v:"example.com/b"': {}}}}
    left = apply(tracker, "n", {})
    assert left["metadata"]["finalizers"] == ["example.com/a"]
    assert list(owners(left)) == ["m Apply"]


async def test_an_empty_map_that_another_manager_owns_is_in_conflict() -> None:
    """An empty `data` is not stored, so giving it again sets it again."""
    tracker = Tracker()
    assert apply(tracker, "m", {"data": {}}).get("data") is None
    with pytest.raises(Conflict, match=r'conflict with "m": \.data;'):
        apply(tracker, "n", {"data": {}})


async def test_containers_and_ports_merge_by_their_keys() -> None:
    tracker = Tracker()
    template: dict[str, Any] = {
        "metadata": {"labels": {"app": "web"}},
        "spec": {
            "containers": [
                {"name": "a", "image": "img:1", "env": [{"name": "X", "value": "1"}], "ports": [{"containerPort": 80}]},
                {"name": "b", "image": "img:2"},
            ]
        },
    }
    spec = {"selector": {"matchLabels": {"app": "web"}}, "template": template}
    made = apply(tracker, "m", {"spec": spec}, resource=DEPLOYMENTS)
    containers = owners(made)["m Apply"]["f:spec"]["f:template"]["f:spec"]["f:containers"]
    assert containers == {
        'k:{"name":"a"}': {
            ".": {},
            "f:name": {},
            "f:image": {},
            "f:env": {'k:{"name":"X"}': {".": {}, "f:name": {}, "f:value": {}}},
            "f:ports": {'k:{"containerPort":80,"protocol":"TCP"}': {".": {}, "f:containerPort": {}}},
        },
        'k:{"name":"b"}': {".": {}, "f:name": {}, "f:image": {}},
    }
    image = {"spec": {"template": {"spec": {"containers": [{"name": "b", "image": "img:9"}]}}}}
    with pytest.raises(Conflict) as refused:
        apply(tracker, "o", image, resource=DEPLOYMENTS)
    assert refused.value.message.endswith('conflict with "m": .spec.template.spec.containers[name="b"].image')
    forced = apply(tracker, "o", image, resource=DEPLOYMENTS, on_conflict=OnConflict.FORCE)
    assert [one["image"] for one in forced.at("spec.template.spec.containers")] == ["img:1", "img:9"]
    template["spec"]["containers"].pop()
    left = apply(tracker, "m", {"spec": spec}, resource=DEPLOYMENTS)
    assert [one["name"] for one in left.at("spec.template.spec.containers")] == ["a", "b"], "o owns b, too"


async def test_dropping_all_of_a_map_drops_the_map() -> None:
    tracker = Tracker()
    apply(tracker, "m", {"metadata": {"annotations": {"a": "1"}, "labels": {"x": "1"}}, "data": {"a": "1"}})
    tracker.patch(CONFIG_MAPS, "default/one", MergePatch({"metadata": {"labels": {"y": "2"}}}))
    left = apply(tracker, "m", {})
    assert "annotations" not in left["metadata"]
    assert "data" not in left
    assert left["metadata"]["labels"] == {"y": "2"}


async def test_what_is_dropped_gets_its_default_again() -> None:
    tracker = Tracker()
    ports = {"ports": [{"port": 80, "targetPort": 8080}]}
    apply(tracker, "m", {"spec": {**ports, "sessionAffinity": "ClientIP"}}, resource=SERVICES)
    assert apply(tracker, "m", {"spec": ports}, resource=SERVICES).at("spec.sessionAffinity") == "None"


async def test_an_apply_without_fields_makes_an_object_that_nobody_owns() -> None:
    assert owners(apply(Tracker(), "m", {})) == {}


@pytest.mark.parametrize(
    ("action", "error", "text"),
    [
        ({"manager": ""}, Invalid, "fieldManager: Required value: is required for apply patch"),
        ({"manager": "m" * 129}, Invalid, "fieldManager: Too long: may not be more than 128 bytes"),
        ({"body": {"metadata": {"managedFields": []}}}, BadRequest, "metadata.managedFields must be nil"),
        ({"body": {"metadata": {"name": "two"}}}, BadRequest, r"the name of the object \(two\) does not match"),
        ({"body": {"kind": "Secret"}}, BadRequest, "invalid object type: /v1, Kind=Secret"),
        ({"body": {"apiVersion": None, "kind": None}}, BadRequest, "invalid object type: /, Kind="),
        ({"body": {"metadata": {"uid": "x"}}}, Conflict, "uid mismatch: the provided object specified uid x"),
        (
            {"body": {"spec": {"a": 1}, "metadata": {"name": "one", "namespace": "default"}}},
            ApiError,
            r"failed to create typed patch object \(default/one; /v1, Kind=ConfigMap\): .spec: "
            "field not declared in schema",
        ),
        (
            {"body": {"data": {"a": 1, "b": 2}}},
            ApiError,
            "Kind=ConfigMap\\): errors:\n"
            "  .data.a: expected string, got &value.valueUnstructured{Value:1}\n"
            "  .data.b: expected string, got &value.valueUnstructured{Value:2}",
        ),
    ],
)
async def test_an_apply_is_refused_in_the_servers_words(
    action: dict[str, Any], error: type[ApiError], text: str
) -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap", **action.get("body", {})}
    options = Options(field_manager=action.get("manager", "m"))
    tracker = Tracker()
    with pytest.raises(error, match=text):
        tracker.patch(CONFIG_MAPS, "default/one", ApplyPatch(body), options=options)
    with pytest.raises(NotFound):
        tracker.get(CONFIG_MAPS, "default/one")


async def test_only_an_apply_may_be_forced() -> None:
    tracker = Tracker()
    apply(tracker, "m", {"data": {"a": "1"}})
    with pytest.raises(Invalid, match="force: Forbidden: may not be specified for non-apply patch"):
        tracker.patch(CONFIG_MAPS, "default/one", MergePatch({}), options=Options(force=True))


async def test_an_apply_may_say_which_version_it_is_about() -> None:
    tracker = Tracker()
    version = apply(tracker, "m", {"data": {"a": "1"}}).metadata.resource_version
    apply(tracker, "m", {"data": {"a": "2"}, "metadata": {"resourceVersion": version}})
    with pytest.raises(Conflict, match="the object has been modified"):
        apply(tracker, "m", {"data": {"a": "3"}, "metadata": {"resourceVersion": version}})


async def test_a_dry_run_applies_nothing() -> None:
    tracker = Tracker()
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one"}, "data": {"a": "1"}}
    options = Options(field_manager="m", dry_run=True)
    answer = tracker.patch(CONFIG_MAPS, "default/one", ApplyPatch(body), options=options)
    assert owners(answer) == {"m Apply": data("a")}
    with pytest.raises(NotFound):
        tracker.get(CONFIG_MAPS, "default/one")


async def test_a_status_is_applied_through_its_subresource_to_what_is_there() -> None:
    tracker = Tracker()
    status = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    with pytest.raises(NotFound):
        apply(tracker, "kubelet", status, resource=PODS, name="p", subresource="status")
    tracker.create(PODS, a_pod(), options=Options(field_manager="me"))
    ready = apply(tracker, "kubelet", status, resource=PODS, name="p", subresource="status")
    assert owners(ready)["kubelet Apply/status"] == {
        "f:status": {"f:conditions": {'k:{"type":"Ready"}': {".": {}, "f:type": {}, "f:status": {}}}}
    }
    assert apply(tracker, "kubelet", {"status": {"phase": "Failed"}}, resource=PODS, name="p").at("status.phase") == (
        "Pending"
    ), "the object's own apply leaves the status"


# ---------------------------------------------------------------------------------------------------------------------
# Other writes
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.behaviour("T14")
async def test_every_kind_of_write_is_recorded() -> None:
    tracker = Tracker()
    me, other = Options(field_manager="me"), Options(field_manager="other")
    body = {"metadata": {"name": "one", "namespace": "default", "labels": {"app": "x"}}, "data": {"a": "1", "b": "2"}}
    made = tracker.create(CONFIG_MAPS, body, options=me)
    assert owners(made) == {
        "me Update": {
            "f:data": {".": {}, "f:a": {}, "f:b": {}},
            "f:metadata": {"f:labels": {".": {}, "f:app": {}}},
        }
    }
    patched = tracker.patch(CONFIG_MAPS, "default/one", MergePatch({"data": {"a": None, "c": "3"}}), options=other)
    assert owners(patched)["me Update"]["f:data"] == {".": {}, "f:b": {}}
    assert owners(patched)["other Update"] == data("c")
    operations = [{"op": "replace", "path": "/data/b", "value": "9"}]
    patched = tracker.patch(CONFIG_MAPS, "default/one", JsonPatch(operations), options=other)
    assert owners(patched) == {
        "me Update": {"f:data": {}, "f:metadata": {"f:labels": {".": {}, "f:app": {}}}},
        "other Update": data("b", "c"),
    }
    body |= {"data": {"b": "9"}, "metadata": {"name": "one", "namespace": "default"}}
    updated = tracker.update(CONFIG_MAPS, body, options=me)
    assert owners(updated) == {"me Update": {"f:data": {}}, "other Update": data("b")}
    assert owners(tracker.create(CONFIG_MAPS, {"metadata": {"generateName": "g-", "namespace": "default"}})) == {
        "unknown Update": {"f:metadata": {"f:generateName": {}}}
    }


async def test_status_and_scale_have_entries_of_their_own() -> None:
    tracker = Tracker()
    me = Options(field_manager="me")
    spec = {"selector": {"matchLabels": {"app": "x"}}, "replicas": 1}
    spec["template"] = {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    body = {"metadata": {"name": "one", "namespace": "default"}, "spec": spec}
    assert "f:replicas" in owners(tracker.create(DEPLOYMENTS, body, options=me))["me Update"]["f:spec"]
    status = MergePatch({"status": {"replicas": 1}, "spec": {"replicas": 7}})
    patched = tracker.patch(DEPLOYMENTS, "default/one", status, subresource="status", options=me)
    assert owners(patched)["me Update/status"] == {"f:status": {"f:replicas": {}}}
    tracker.patch(DEPLOYMENTS, "default/one", MergePatch({"spec": {"replicas": 3}}), subresource="scale", options=me)
    scaled = tracker.get(DEPLOYMENTS, "default/one")
    assert owners(scaled)["me Update/scale"] == {"f:spec": {"f:replicas": {}}}
    assert "f:replicas" not in owners(scaled)["me Update"]["f:spec"]
    entries = scaled["metadata"]["managedFields"]
    assert "time" not in next(entry for entry in entries if entry.get("subresource") == "scale")


async def test_a_scale_that_says_nothing_new_has_no_manager_unless_it_is_applied() -> None:
    """Nor has one of an object whose managers are not told."""
    tracker = Tracker()
    apply(tracker, "m", {"spec": a_workload(replicas=1)["spec"]}, resource=DEPLOYMENTS)

    def scale(replicas: int) -> set[str]:
        patch = MergePatch({"spec": {"replicas": replicas}})
        tracker.patch(DEPLOYMENTS, "default/one", patch, subresource="scale", options=Options(field_manager="n"))
        return set(owners(tracker.get(DEPLOYMENTS, "default/one")))

    assert scale(1) == {"m Apply"}
    same = {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "one"}, "spec": {"replicas": 1}}
    options = Options(field_manager="n")
    tracker.patch(DEPLOYMENTS, "default/one", ApplyPatch(same), subresource="scale", options=options)
    assert set(owners(tracker.get(DEPLOYMENTS, "default/one"))) == {"m Apply", "n Apply/scale"}
    tracker.patch(DEPLOYMENTS, "default/one", MergePatch({"metadata": {"managedFields": [{}]}}), options=options)
    assert scale(2) == set()


async def test_replicas_are_applied_through_the_scale() -> None:
    tracker = Tracker()
    apply(tracker, "m", {"spec": a_workload(replicas=1)["spec"]}, resource=DEPLOYMENTS)
    scale = {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "one"}, "spec": {"replicas": 3}}

    def apply_scale(on_conflict: OnConflict) -> None:
        options = Options(field_manager="scaler")
        patch = ApplyPatch(scale, on_conflict)
        tracker.patch(DEPLOYMENTS, "default/one", patch, subresource="scale", options=options)

    with pytest.raises(Conflict, match=r'conflict with "m": \.spec\.replicas;'):
        apply_scale(OnConflict.FAIL)
    apply_scale(OnConflict.FORCE)
    found = owners(tracker.get(DEPLOYMENTS, "default/one"))
    assert found["scaler Apply/scale"] == {"f:spec": {"f:replicas": {}}}
    assert "f:replicas" not in found["m Apply"]["f:spec"]


async def test_what_the_server_gives_is_nobodys() -> None:
    tracker = Tracker()
    pod = tracker.create(PODS, a_pod(), options=Options(field_manager="me"))
    before = owners(pod)
    target = {"metadata": {"name": "p"}, "target": {"kind": "Node", "name": "n"}}
    binding = Action(verb=Verb.CREATE, resource=PODS, namespace="default", name="p", subresource="binding", body=target)
    answer = tracker.call(binding)
    assert msgspec.json.decode(answer) == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "code": 201,
    }
    bound = tracker.get(PODS, "default/p")
    assert bound.at("spec.nodeName") == "n"
    assert owners(bound) == before
    assert "f:tolerations" not in before["me Update"]["f:spec"]
    assert "f:status" not in before["me Update"]


async def test_a_write_that_changes_nothing_is_no_write() -> None:
    tracker = Tracker()
    apply(tracker, "m", {"data": {"a": "1"}})
    version = tracker.version
    tracker.patch(CONFIG_MAPS, "default/one", MergePatch({"data": {"a": "1"}}), options=Options(field_manager="n"))
    assert tracker.version == version


async def test_entries_are_reset_by_an_empty_one_and_kept_where_none_is_sent() -> None:
    """Clients that know nothing of managedFields do not lose them; `[{}]` says that they are to go."""
    tracker = Tracker()
    apply(tracker, "m", {"data": {"a": "1"}})

    def set_entries(value: Any) -> dict[str, Any]:
        patch = JsonPatch([{"op": "replace", "path": "/metadata/managedFields", "value": value}])
        return owners(tracker.patch(CONFIG_MAPS, "default/one", patch, options=Options(field_manager="n")))

    assert set_entries([]) == {"m Apply": data("a")}
    assert set_entries([{"manager": "x"}]) == {"m Apply": data("a")}
    assert set_entries([{}]) == {}
    patch = MergePatch({"data": {"b": "2"}})
    assert owners(tracker.patch(CONFIG_MAPS, "default/one", patch)) == {}, "not tracked any more"
    assert owners(apply(tracker, "m", {"data": {"a": "1"}})) == {
        "m Apply": data("a"),
        "before-first-apply Update": {"f:data": {".": {}, "f:a": {}, "f:b": {}}},
    }


async def test_a_manager_may_be_put_out_by_hand() -> None:
    """`kubectl apply` moves what it owned by updates to its apply in this way."""
    tracker = Tracker()
    made = apply(tracker, "m", {"data": {"a": "1"}})
    entries = [entry | {"manager": "n"} for entry in made["metadata"]["managedFields"]]
    changed = tracker.patch(CONFIG_MAPS, "default/one", MergePatch({"metadata": {"managedFields": entries}}))
    assert owners(changed) == {"n Apply": data("a")}


async def test_old_updates_of_many_managers_are_put_together() -> None:
    tracker = Tracker()
    tracker.create(CONFIG_MAPS, {"metadata": {"name": "one", "namespace": "default"}, "data": {"k": "v"}})
    for number in range(12):
        patch = MergePatch({"data": {f"k{number:02}": "v"}})
        options = Options(field_manager=f"m{number:02}")
        tracker.patch(CONFIG_MAPS, "default/one", patch, options=options)
    found = owners(tracker.get(CONFIG_MAPS, "default/one"))
    assert len(found) == 10
    assert len(found["ancient-changes Update"]["f:data"]) == 4
    everything = [key for fields in found.values() for key in fields["f:data"] if key != "."]
    assert len(everything) == 13, "each field still has its one owner"


# ---------------------------------------------------------------------------------------------------------------------
# Custom kinds
# ---------------------------------------------------------------------------------------------------------------------


def meshes(properties: dict[str, Any]) -> Tracker:
    """A tracker that serves meshes with these properties in their spec."""
    tracker = Tracker()
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": properties}}}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"plural": "meshes", "singular": "mesh", "kind": "Mesh"}
    spec = {"group": "nets.example.com", "scope": "Namespaced", "names": names, "versions": [version]}
    tracker.create(CUSTOM_RESOURCE_DEFINITIONS, {"metadata": {"name": "meshes.nets.example.com"}, "spec": spec})
    return tracker


TEXT = {"type": "string"}
PEERS = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["host"],
        "properties": {"host": TEXT, "port": {"type": "integer", "default": 80}, "note": TEXT},
    },
}


@pytest.mark.behaviour("T14")
@pytest.mark.parametrize(
    ("schema", "first", "second", "both", "owned"),
    [
        (
            PEERS | {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["host", "port"]},
            [{"host": "a", "port": 80}],
            [{"host": "b", "port": 1, "note": "n"}],
            [{"host": "a", "port": 80}, {"host": "b", "port": 1, "note": "n"}],
            {'k:{"host":"b","port":1}': {".": {}, "f:host": {}, "f:port": {}, "f:note": {}}},
        ),
        (
            {"type": "array", "items": TEXT, "x-kubernetes-list-type": "set"},
            ["a"],
            ["b"],
            ["a", "b"],
            {'v:"b"': {}},
        ),
        ({"type": "array", "items": TEXT}, ["a"], ["b"], None, {}),
        ({"type": "array", "items": TEXT, "x-kubernetes-list-type": "atomic"}, ["a"], ["b"], None, {}),
        (
            {"type": "object", "additionalProperties": TEXT},
            {"a": "1"},
            {"b": "2"},
            {"a": "1", "b": "2"},
            {"f:b": {}},
        ),
        (
            {"type": "object", "additionalProperties": TEXT, "x-kubernetes-map-type": "atomic"},
            {"a": "1"},
            {"b": "2"},
            None,
            {},
        ),
        (
            {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
            {"a": {"x": [1]}},
            {"a": {"y": [2]}},
            {"a": {"x": [1], "y": [2]}},
            {"f:a": {".": {}, "f:y": {}}},
        ),
    ],
)
async def test_custom_kinds_merge_by_their_schema(
    schema: dict[str, Any], first: Any, second: Any, both: Any, owned: dict[str, Any]
) -> None:
    """`both` is None where a value is one whole, so that two managers are in conflict over it."""
    tracker = meshes({"field": schema})
    apply(tracker, "m", {"spec": {"field": first}}, resource=MESHES)
    if both is None:
        with pytest.raises(Conflict, match=r'conflict with "m": \.spec\.field;'):
            apply(tracker, "n", {"spec": {"field": second}}, resource=MESHES)
        forced = apply(tracker, "n", {"spec": {"field": second}}, resource=MESHES, on_conflict=OnConflict.FORCE)
        assert forced.at("spec.field") == second
        assert list(owners(forced)) == ["n Apply"]
        return
    answer = apply(tracker, "n", {"spec": {"field": second}}, resource=MESHES)
    assert answer.at("spec.field") == both
    assert owners(answer)["n Apply"] == {"f:spec": {"f:field": owned}}
    assert apply(tracker, "n", {}, resource=MESHES).at("spec.field") == first


async def test_a_field_the_schema_does_not_have_cannot_be_applied() -> None:
    tracker = meshes({"nodes": {"type": "integer"}})
    with pytest.raises(ApiError) as refused:
        apply(tracker, "m", {"spec": {"bogus": 1}}, resource=MESHES)
    assert refused.value.code == 500
    assert refused.value.message == (
        "failed to create typed patch object (/one; nets.example.com/v1, Kind=Mesh): .spec.bogus: "
        "field not declared in schema"
    )


async def test_defaults_of_a_schema_are_nobodys_after_an_apply_and_the_makers_after_a_create() -> None:
    tracker = meshes({"nodes": {"type": "integer"}, "mode": {"type": "string", "default": "fast"}})
    assert owners(apply(tracker, "m", {"spec": {"nodes": 2}}, resource=MESHES)) == {
        "m Apply": {"f:spec": {"f:nodes": {}}}
    }
    body = {"apiVersion": "nets.example.com/v1", "kind": "Mesh", "metadata": {"name": "two", "namespace": "default"}}
    made = tracker.create(MESHES, body | {"spec": {"nodes": 2}}, options=Options(field_manager="me"))
    assert owners(made) == {"me Update": {"f:spec": {".": {}, "f:nodes": {}, "f:mode": {}}}}


async def test_a_kind_without_a_schema_merges_maps_by_field() -> None:
    tracker = Tracker()
    tracker.registry.register_custom(MESHES)
    apply(tracker, "m", {"spec": {"a": 1, "list": [1]}, "metadata": {"finalizers": ["x.example/a"]}}, resource=MESHES)
    answer = apply(tracker, "n", {"spec": {"b": 2}, "metadata": {"finalizers": ["x.example/b"]}}, resource=MESHES)
    assert answer.get("spec") == {"a": 1, "list": [1], "b": 2}
    assert answer["metadata"]["finalizers"] == ["x.example/a", "x.example/b"]


# ---------------------------------------------------------------------------------------------------------------------
# Laws
# ---------------------------------------------------------------------------------------------------------------------

DATA = st.dictionaries(st.sampled_from("abc"), st.sampled_from(["1", "2"]), max_size=3)
FIELDS = st.fixed_dictionaries({"data": DATA, "labels": DATA})


def as_body(fields: dict[str, dict[str, str]]) -> dict[str, Any]:
    """What to apply; what is empty is not given at all."""
    body: dict[str, Any] = {"data": fields["data"]} if fields["data"] else {}
    return body | ({"metadata": {"labels": fields["labels"]}} if fields["labels"] else {})


def leaves(fields: dict[str, dict[str, str]]) -> set[tuple[str, str]]:
    """The keys given, each with the map it is in."""
    return {(name, key) for name, inner in fields.items() for key in inner}


def owned_leaves(answer: Unstructured) -> dict[str, set[tuple[str, str]]]:
    """What each manager owns, as `leaves`."""
    return {
        name: {("data", key[2:]) for key in fields.get("f:data", {})}
        | {("labels", key[2:]) for key in fields.get("f:metadata", {}).get("f:labels", {})}
        for name, fields in owners(answer).items()
    }


def content(answer: Unstructured) -> dict[str, Any]:
    """An object without what differs from write to write."""
    whole = answer
    return {"data": whole.get("data"), "labels": whole["metadata"].get("labels")}


@given(FIELDS, FIELDS)
@settings(max_examples=50)
def test_for_any_fields_applying_again_changes_nothing(first: dict[str, Any], second: dict[str, Any]) -> None:
    tracker = Tracker()
    apply(tracker, "m", as_body(first))
    once = apply(tracker, "n", as_body(second), on_conflict=OnConflict.FORCE)
    version = tracker.version
    assert apply(tracker, "n", as_body(second)) == once
    assert tracker.version == version


@given(FIELDS, FIELDS)
@settings(max_examples=50)
def test_for_any_disjoint_fields_the_order_of_managers_does_not_count(
    first: dict[str, Any], second: dict[str, Any]
) -> None:
    second = {name: {k: v for k, v in inner.items() if k not in first[name]} for name, inner in second.items()}
    results = []
    for order in (("m", first), ("n", second)), (("n", second), ("m", first)):
        tracker = Tracker()
        for manager, fields in order:
            apply(tracker, manager, as_body(fields))
        answer = tracker.get(CONFIG_MAPS, "default/one")
        results.append((content(answer), owned_leaves(answer)))
    assert results[0] == results[1]


@given(FIELDS, FIELDS)
@settings(max_examples=50)
def test_for_any_fields_force_leaves_one_owner_of_what_it_changes(
    first: dict[str, Any], second: dict[str, Any]
) -> None:
    """And what two managers agree on stays shared."""
    tracker = Tracker()
    apply(tracker, "m", as_body(first))
    owned = owned_leaves(apply(tracker, "n", as_body(second), on_conflict=OnConflict.FORCE))
    for name, key in leaves(second):
        agrees = first[name].get(key) == second[name][key]
        who = {manager for manager, fields in owned.items() if (name, key) in fields}
        assert who == ({"m Apply", "n Apply"} if agrees else {"n Apply"})


@given(FIELDS, FIELDS)
@settings(max_examples=50)
def test_for_any_fields_dropping_removes_what_nobody_else_owns(first: dict[str, Any], second: dict[str, Any]) -> None:
    tracker = Tracker()
    apply(tracker, "m", as_body(first))
    both = apply(tracker, "n", as_body(second), on_conflict=OnConflict.FORCE)
    left = apply(tracker, "n", {})
    owned = owned_leaves(both).get("m Apply", set())
    assert leaves({name: inner or {} for name, inner in content(left).items()}) == owned


@given(FIELDS, FIELDS, st.sampled_from(["put", "merge", "strategic", "json"]))
@settings(max_examples=50)
def test_for_any_update_its_manager_owns_what_it_changed_and_nobody_what_it_removed(
    first: dict[str, Any], second: dict[str, Any], way: str
) -> None:
    tracker = Tracker()
    before = apply(tracker, "m", as_body(first))
    owned = owned_leaves(_update(tracker, before, second, way))
    for name, key in leaves(first) | leaves(second):
        who = {manager for manager, fields in owned.items() if (name, key) in fields}
        if key not in second[name]:
            assert who == set()
        elif first[name].get(key) == second[name][key]:
            assert who == {"m Apply"}
        else:
            assert "n Update" in who or not owned_leaves(before), "nobody owns an object without entries"


def _update(tracker: Tracker, before: Unstructured, fields: dict[str, Any], way: str) -> Unstructured:
    """Bring an object's data and labels to these, in one of the ways there are."""
    options = Options(field_manager="n")
    have = content(before)
    if way in ("merge", "strategic"):
        parts = {name: dict.fromkeys(have[name] or ()) | inner for name, inner in fields.items()}
        body = {"data": parts["data"], "metadata": {"labels": parts["labels"]}}
        patch = MergePatch(body) if way == "merge" else StrategicMergePatch(body)
        return tracker.patch(CONFIG_MAPS, "default/one", patch, options=options)
    if way == "json":
        operations = [
            {"op": "add", "path": "/data", "value": fields["data"]},
            {"op": "add", "path": "/metadata/labels", "value": fields["labels"]},
        ]
        return tracker.patch(CONFIG_MAPS, "default/one", JsonPatch(operations), options=options)
    metadata = {"name": "one", "namespace": "default", "labels": fields["labels"]}
    return tracker.update(CONFIG_MAPS, {"metadata": metadata, "data": fields["data"]}, options=options)


def test_an_applied_value_that_python_holds_for_the_same_is_another_one() -> None:
    """1 and true are equal for Python, not for JSON."""
    tracker = Tracker()
    tracker.registry.register_custom(MESHES)
    apply(tracker, "a", {"spec": {"flag": 1, "inner": {"flag": 1}}}, resource=MESHES)
    for value in (True, 1):
        spec = {"flag": value, "inner": {"flag": value}, "of": type(value).__name__}
        made = apply(tracker, "a", {"spec": spec}, resource=MESHES)
        assert [type(made["spec"]["flag"]), type(made["spec"]["inner"]["flag"])] == [type(value)] * 2


def test_an_entry_that_a_manager_has_twice_goes_once_all_its_fields_are_in_the_other() -> None:
    tracker = Tracker()
    fields = Options(field_manager="a")
    tracker.create(CONFIG_MAPS, {"metadata": {"name": "one", "namespace": "default"}, "data": {"x": "1"}}, fields)
    entry: dict[str, Any] = {"manager": "a", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1"}
    twice: list[Any] = [
        entry | {"fieldsV1": {"f:data": {"f:y": {}}}},
        entry | {"fieldsV1": {"f:data": {".": {}, "f:x": {}}}},
    ]
    body = {"metadata": {"name": "one", "namespace": "default", "managedFields": twice}, "data": {"x": "1", "y": "2"}}
    made = tracker.update(CONFIG_MAPS, body, options=fields)
    assert [one["fieldsV1"] for one in made["metadata"]["managedFields"]] == [
        {"f:data": {".": {}, "f:x": {}, "f:y": {}}}
    ]
