"""Which volume a pod's claim stands for, and what a kubelet says where there is none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ctrlkit.fakes.cluster.node.volumes import claims
from ctrlkit.model import Unstructured

POD: dict[str, Any] = {
    "metadata": {"name": "web-0", "namespace": "demo", "uid": "u1"},
    "spec": {"containers": [{"name": "a", "volumeMounts": [{"name": "data", "mountPath": "/data"}]}]},
}
VOLUME = {"name": "data", "persistentVolumeClaim": {"claimName": "disk"}}


def claim(**changed: Any) -> dict[str, Any]:
    """A bound claim."""
    metadata = {"name": "disk", "namespace": "demo", "uid": "c1"}
    return {"metadata": metadata, "spec": {"volumeName": "pv-1"}, "status": {"phase": "Bound"}, **changed}


def persistent(**spec: Any) -> dict[str, Any]:
    """The volume that it is bound to."""
    return {"metadata": {"name": "pv-1"}, "spec": {"claimRef": {"uid": "c1"}, **spec}}


def test_a_bound_claim_names_its_volume() -> None:
    assert claims.bound_volume(POD, VOLUME, claim()) == "pv-1"
    claims.check_reference(claim(), "pv-1", persistent())
    claims.check_mode(POD, VOLUME, persistent(volumeMode="Filesystem"))


@pytest.mark.parametrize(
    ("act", "fact"),
    [
        (
            lambda: claims.bound_volume(POD, VOLUME, None),
            'failed to fetch PVC from API server: persistentvolumeclaims "disk" not found',
        ),
        (lambda: claims.bound_volume(POD, VOLUME, claim(status={"phase": "Pending"})), "PVC is not bound"),
        (lambda: claims.bound_volume(POD, VOLUME, claim(spec={})), "PVC has empty pvc.Spec.VolumeName"),
        (
            lambda: claims.bound_volume(POD, VOLUME, claim(metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"})),
            "PVC is being deleted",
        ),
        (
            lambda: claims.check_reference(claim(), "pv-1", None),
            'failed to fetch PV pv-1 from API server: persistentvolumes "pv-1" not found',
        ),
        (
            lambda: claims.check_reference(claim(), "pv-1", {"spec": {}}),
            "found PV object pv-1 but it has a nil pv.Spec.ClaimRef indicating it is not yet bound to the claim",
        ),
        (
            lambda: claims.check_reference(claim(), "pv-1", persistent(claimRef={"uid": "c2"})),
            "found PV object pv-1 but its pv.Spec.ClaimRef.UID c2 does not point to claim.UID c1",
        ),
        (
            lambda: claims.check_mode(POD, VOLUME, persistent(volumeMode="Block")),
            "volume data has volumeMode Block, but is specified in volumeMounts",
        ),
        (
            lambda: claims.check_owner(POD, VOLUME, claim()),
            "PVC demo/disk was not created for pod demo/web-0 (pod is not owner)",
        ),
        (
            lambda: claims.check_source({"rbd": {}}, "data"),
            'failed to get Plugin from volumeSpec for volume "data" err=no volume plugin matched',
        ),
    ],
)
def test_what_is_wrong_is_told_in_the_kubelets_words(act: Callable[[], object], fact: str) -> None:
    with pytest.raises(claims.NotProcessed) as refused:
        act()
    assert str(refused.value) == fact


def test_a_claim_that_is_deleted_and_protected_serves_its_pods_on() -> None:
    """It stays as long as a pod uses it."""
    metadata = {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": [claims.PROTECTION]}
    assert claims.bound_volume(POD, VOLUME, claim(metadata=metadata)) == "pv-1"


def test_a_volume_of_a_driver_that_nobody_runs_waits_to_be_attached() -> None:
    """Those of the drivers that are played are there; one in the spec of a pod is mounted by its driver alone."""
    with pytest.raises(claims.NotAttached, match="timed out waiting for external-attacher of x CSI driver to attach"):
        claims.check_source({"csi": {"driver": "x", "volumeHandle": "h"}}, "pv-1")
    claims.check_source({"csi": {"driver": "hostpath.csi.k8s.io", "volumeHandle": "h"}}, "pv-1")
    claims.check_source({"csi": {"driver": "x"}}, "v")


@pytest.mark.parametrize(
    ("spec", "obstacle"),
    [
        ({"emptyDir": {}}, None),
        ({"nfs": {"server": "s", "path": "/"}}, None),
        (
            {"csi": {"driver": "x"}},
            (
                "MountVolume.SetUp",
                "kubernetes.io/csi: mounter.SetUpAt failed to get CSI client: driver name x not found in the list of "
                "registered CSI drivers",
            ),
        ),
        ({"iscsi": {}}, ("MountVolume.WaitForAttach", "no iSCSI portal can be reached from here")),
    ],
)
def test_a_volume_that_no_node_can_mount_says_which_step_fails(
    spec: dict[str, Any], obstacle: tuple[str, str] | None
) -> None:
    assert claims.mount_obstacle(spec, {}) == obstacle


def test_a_volume_of_another_node_cannot_be_mounted() -> None:
    wanted = {"key": "kubernetes.io/hostname", "operator": "In", "values": ["n1"]}
    spec = {"local": {}, "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [wanted]}]}}}
    assert claims.mount_obstacle(spec, {"kubernetes.io/hostname": "n1"}) is None
    found = claims.mount_obstacle(spec, {"kubernetes.io/hostname": "n2"})
    assert found == ("MountVolume.NodeAffinity check", "no matching NodeSelectorTerms")


@pytest.mark.parametrize(
    ("annotations", "spec", "is_cleared"),
    [
        ({"pv.kubernetes.io/provisioned-by": "ctrlkit/local-path"}, {"persistentVolumeReclaimPolicy": "Delete"}, True),
        ({"pv.kubernetes.io/provisioned-by": "ctrlkit/local-path"}, {"persistentVolumeReclaimPolicy": "Retain"}, False),
        ({}, {"persistentVolumeReclaimPolicy": "Delete", "hostPath": {"path": "/tmp/a"}}, True),
        ({}, {"persistentVolumeReclaimPolicy": "Delete", "hostPath": {"path": "/data"}}, False),
    ],
)
def test_only_those_who_make_volumes_clear_them(
    annotations: dict[str, str], spec: dict[str, Any], *, is_cleared: bool
) -> None:
    """What somebody else provided, or wants to keep, stays where it is."""
    volume = Unstructured({"metadata": {"name": "pv-1", "annotations": annotations}, "spec": spec})
    assert claims.is_cleared(volume) is is_cleared
