"""The one owner reference that says who manages a child."""

from __future__ import annotations

from typing import Any

import pytest

from ctrlkit.controller import AlreadyOwned, controller_reference, set_controller_reference
from ctrlkit.controller.helpers.owners import has_owner_reference, remove_owner_reference
from ctrlkit.model import ObjectMeta, custom_resource
from ctrlkit.model.kinds import CLUSTER_ROLES, CONFIG_MAPS

NETWORKS = custom_resource(group="demo.dev", version="v1", kind="Network", plural="networks")
OLD_NETWORKS = custom_resource(group="demo.dev", version="v1beta1", kind="Network", plural="networks")
NET = ObjectMeta(name="net", namespace="demo", uid="u1")
REFERENCE = {
    "apiVersion": "demo.dev/v1",
    "kind": "Network",
    "name": "net",
    "uid": "u1",
    "controller": True,
    "blockOwnerDeletion": True,
}


def child(*references: dict[str, Any], namespace: str = "demo") -> dict[str, Any]:
    return {"kind": "Service", "metadata": {"name": "a", "namespace": namespace, "ownerReferences": list(references)}}


@pytest.mark.behaviour("H10")
def test_the_reference_controls_and_blocks() -> None:
    """H10: both flags are set; setting it twice changes nothing."""
    body: dict[str, Any] = {"metadata": {"name": "a", "namespace": "demo"}}
    assert set_controller_reference(body, NET, NETWORKS)
    assert body["metadata"]["ownerReferences"] == [REFERENCE] == [controller_reference(NET, NETWORKS)]
    assert not set_controller_reference(body, NET, NETWORKS)


@pytest.mark.behaviour("H10")
def test_the_same_owner_is_updated_in_its_place_and_others_stay() -> None:
    """H10: under another version, or without control before."""
    other = controller_reference(ObjectMeta(name="config", namespace="demo", uid="u2"), CONFIG_MAPS)
    other |= {"controller": False}
    for before in (controller_reference(NET, OLD_NETWORKS), {**REFERENCE, "controller": False}):
        body = child(before, other)
        assert set_controller_reference(body, NET, NETWORKS)
        assert body["metadata"]["ownerReferences"] == [REFERENCE, other]


@pytest.mark.behaviour("H10")
@pytest.mark.parametrize("manager", [ObjectMeta(name="other", uid="u9"), ObjectMeta(name="net", uid="of its namesake")])
def test_a_child_of_another_owner_is_refused(manager: ObjectMeta) -> None:
    """H10: and left as it was."""
    body = child(controller_reference(manager, NETWORKS))
    with pytest.raises(
        AlreadyOwned, match=f"^set the owner of Service demo/a: Network {manager.name} manages it already"
    ):
        set_controller_reference(body, NET, NETWORKS)
    assert body == child(controller_reference(manager, NETWORKS))


@pytest.mark.behaviour("H10")
@pytest.mark.parametrize("namespace", ["elsewhere", ""])
def test_an_owner_in_another_namespace_is_refused(namespace: str) -> None:
    """H10: for a child elsewhere, and for one without a namespace."""
    with pytest.raises(ValueError, match=r"the owner networks.demo.dev demo/net is in another namespace"):
        set_controller_reference(child(namespace=namespace), NET, NETWORKS)


@pytest.mark.behaviour("H10")
def test_a_cluster_scoped_owner_may_own_anything() -> None:
    """H10: in any namespace and in none."""
    admin = ObjectMeta(name="admin", uid="u3")
    assert set_controller_reference(child(), admin, CLUSTER_ROLES)
    assert set_controller_reference(child(namespace=""), admin, CLUSTER_ROLES)


@pytest.mark.behaviour("H10")
def test_an_owner_is_found_and_removed_and_others_stay() -> None:
    """H10: whatever version of its kind it was named under, and whether it manages the child or not."""
    other = controller_reference(ObjectMeta(name="config", namespace="demo", uid="u2"), CONFIG_MAPS)
    for reference in (REFERENCE, controller_reference(NET, OLD_NETWORKS), {**REFERENCE, "controller": False}):
        body = child(other, reference)
        assert has_owner_reference(body, NET, NETWORKS)
        assert remove_owner_reference(body, NET, NETWORKS)
        assert body["metadata"]["ownerReferences"] == [other]
        assert not has_owner_reference(body, NET, NETWORKS)
        assert not remove_owner_reference(body, NET, NETWORKS)


@pytest.mark.behaviour("H10")
def test_a_namesake_is_not_the_owner() -> None:
    """H10: its reference stays for the garbage collector; a child without owners has none."""
    namesake = controller_reference(ObjectMeta(name="net", namespace="demo", uid="of its namesake"), NETWORKS)
    for body in (child(namesake), {"metadata": {"name": "a", "namespace": "demo"}}):
        assert not has_owner_reference(body, NET, NETWORKS)
        assert not remove_owner_reference(body, NET, NETWORKS)
