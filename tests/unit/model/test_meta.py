"""Object metadata."""

from __future__ import annotations

from ctrlkit.model import meta_of
from ctrlkit.model.kinds import STATEFULSETS


def test_a_child_knows_its_one_controller_by_uid() -> None:
    """A namesake recreated later is not its owner."""
    owner = meta_of({"metadata": {"name": "net", "namespace": "demo", "uid": "u1"}})
    namesake = meta_of({"metadata": {"name": "net", "namespace": "demo", "uid": "u2"}})
    reference = STATEFULSETS.owner_reference(owner)
    child = meta_of(
        {
            "metadata": {
                "ownerReferences": [
                    {"apiVersion": "v1", "kind": "X", "name": "other", "uid": "u3"},
                    {
                        "apiVersion": reference.api_version,
                        "kind": reference.kind,
                        "name": reference.name,
                        "uid": reference.uid,
                        "controller": True,
                    },
                ]
            }
        }
    )
    assert child.is_controlled_by(owner)
    assert not child.is_controlled_by(namesake)
    assert child.controller is not None
    assert child.controller.group == "apps"


def test_nulls_as_old_objects_carry_them_decode() -> None:
    """creationTimestamp: null and absent lists are common in hand-made objects."""
    meta = meta_of({"metadata": {"name": "a", "creationTimestamp": None, "labels": None, "ownerReferences": None}})
    assert meta.controller is None
    assert not meta.deleting
