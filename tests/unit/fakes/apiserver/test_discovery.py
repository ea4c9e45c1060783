"""Discovery says what the registry serves, in the forms old and new clients ask for."""

from __future__ import annotations

from typing import Any

from ctrlkit.fakes.apiserver import discovery
from ctrlkit.fakes.tracker import Registry, Strategy
from ctrlkit.model import custom_resource

MESHES = custom_resource(group="nets.example.com", kind="Mesh", plural="meshes")


def with_meshes(*versions: str) -> Registry:
    """A registry that serves a custom kind at some versions."""
    registry = Registry()
    for version in versions:
        registry.register(
            Strategy(
                resource=custom_resource(group=MESHES.group, version=version, kind="Mesh", plural="meshes"),
                singular="mesh",
                short_names=("me",),
                subresources=frozenset({"status", "scale"}),
                custom=True,
            )
        )
    return registry


def entry(entries: list[dict[str, Any]], name: str, key: str = "name") -> dict[str, Any]:
    """The entry of a name."""
    return next(one for one in entries if one[key] == name)


def test_the_resource_list_of_a_custom_kind() -> None:
    """Exactly what a real server answers."""
    assert discovery.resource_list(with_meshes("v1"), "nets.example.com", "v1") == {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": "nets.example.com/v1",
        "resources": [
            {
                "name": "meshes",
                "singularName": "mesh",
                "namespaced": True,
                "kind": "Mesh",
                "verbs": ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"],
                "shortNames": ["me"],
                "storageVersionHash": "WYRrLCJUelU=",
            },
            {
                "name": "meshes/status",
                "singularName": "",
                "namespaced": True,
                "kind": "Mesh",
                "verbs": ["get", "patch", "update"],
            },
            {
                "name": "meshes/scale",
                "singularName": "",
                "namespaced": True,
                "group": "autoscaling",
                "version": "v1",
                "kind": "Scale",
                "verbs": ["get", "patch", "update"],
            },
        ],
    }


def test_the_core_list_has_names_categories_and_subresources() -> None:
    """kubectl finds `po`, `all` and the status of pods here; namespaces are not deleted as a collection."""
    core = discovery.resource_list(Registry(), "", "v1")
    assert core is not None
    assert core["groupVersion"] == "v1"
    pods = entry(core["resources"], "pods")
    assert (pods["shortNames"], pods["categories"], pods["namespaced"]) == (["po"], ["all"], True)
    assert entry(core["resources"], "pods/status")["verbs"] == ["get", "patch", "update"]
    assert entry(core["resources"], "namespaces/finalize")["verbs"] == ["update"]
    assert "deletecollection" not in entry(core["resources"], "namespaces")["verbs"]
    assert entry(core["resources"], "nodes")["namespaced"] is False


def test_groups_name_their_preferred_version() -> None:
    """Stable before beta before alpha, whatever the order of registration."""
    served = with_meshes("v1alpha1", "v1", "v2beta1")

    group = discovery.group_document(served, "nets.example.com")
    listed = discovery.group_list(served)

    assert group is not None
    assert [version["version"] for version in group["versions"]] == ["v1", "v2beta1", "v1alpha1"]
    assert group["preferredVersion"] == {"groupVersion": "nets.example.com/v1", "version": "v1"}
    names = [one["name"] for one in listed["groups"]]
    assert names[:2] == ["apiregistration.k8s.io", "apps"]
    assert names[-1] == "nets.example.com"
    assert "" not in names


def test_what_is_not_served_has_no_document() -> None:
    """Neither an unknown group nor an unknown version of a known one."""
    served = Registry()
    assert discovery.group_document(served, "nets.example.com") is None
    assert discovery.resource_list(served, "apps", "v9") is None


def test_aggregated_discovery_tells_the_same_as_the_lists() -> None:
    """Every resource and verb of the lists, all groups in two documents."""
    served = with_meshes("v1")
    for core in (True, False):
        document = discovery.aggregated(served, core=core)
        assert document["apiVersion"] == "apidiscovery.k8s.io/v2"
        for group in document["items"]:
            name = group["metadata"].get("name", "")
            assert (name == "") is core
            for version in group["versions"]:
                legacy = discovery.resource_list(served, name, version["version"])
                assert legacy is not None
                plain = {one["name"]: one["verbs"] for one in legacy["resources"]}
                told = {one["resource"]: one["verbs"] for one in version["resources"]}
                told |= {
                    f"{one['resource']}/{sub['subresource']}": sub["verbs"]
                    for one in version["resources"]
                    for sub in one.get("subresources", [])
                }
                assert told == plain


def test_an_aggregated_scale_says_its_own_kind() -> None:
    """kubectl scale looks here."""
    document = discovery.aggregated(with_meshes("v1"), core=False)
    group = next(one for one in document["items"] if one["metadata"]["name"] == "nets.example.com")
    mesh = entry(group["versions"][0]["resources"], "meshes", "resource")
    assert mesh["responseKind"] == {"group": "nets.example.com", "version": "v1", "kind": "Mesh"}
    assert entry(mesh["subresources"], "scale", "subresource")["responseKind"] == {
        "group": "autoscaling",
        "version": "v1",
        "kind": "Scale",
    }
