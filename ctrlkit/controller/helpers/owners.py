"""Owner references of children: the controlling one, and others. Row H10."""

from __future__ import annotations

from typing import Any

from ctrlkit.errors import CtrlkitError
from ctrlkit.model import AnyResource, ObjectMeta, OwnerReference, meta_of, to_plain


class AlreadyOwned(CtrlkitError):
    """Another object manages the child already."""


def controller_reference(owner: ObjectMeta, resource: AnyResource) -> dict[str, Any]:
    """
    Return the plain owner reference for a child of `owner`, an object of kind `resource`.

    >>> from ctrlkit.model.kinds import STATEFULSETS
    >>> controller_reference(ObjectMeta(name="net-sts", namespace="demo", uid="1"), STATEFULSETS)["kind"]
    'StatefulSet'
    """
    reference: dict[str, Any] = to_plain(resource.owner_reference(owner))
    return reference


def set_controller_reference(child: dict[str, Any], owner: ObjectMeta, resource: AnyResource) -> bool:
    """
    Make `owner`, an object of kind `resource`, the controller of a plain `child`. Returns whether that changed it.

    An entry of the same owner, made under another version of its kind or without control, is replaced in its place.

    Errors  AlreadyOwned where another object manages the child, a deleted namesake of the owner included; ValueError
            where a namespaced owner and the child do not share a namespace: the garbage collector would take such a
            child for an orphan and delete it.
    """
    meta = meta_of(child)
    what = f"set the owner of {child.get('kind') or 'object'} {meta.key}"
    if resource.namespaced and owner.namespace != meta.namespace:
        raise ValueError(
            f"{what}: the owner {resource} {owner.key} is in another namespace; use an owner in the child's namespace"
        )
    manager = meta.controller
    if manager is not None and not _same_owner(manager, owner, resource):
        raise AlreadyOwned(
            f"{what}: {manager.kind} {manager.name} manages it already; delete the child or give ours another name"
        )
    reference = controller_reference(owner, resource)
    metadata = child.setdefault("metadata", {})
    before: list[dict[str, Any]] = list(metadata.get("ownerReferences") or ())
    after = list(before)
    for index, have in enumerate(meta.owner_references or ()):
        if _same_owner(have, owner, resource):
            after[index] = reference
            break
    else:
        after.append(reference)
    metadata["ownerReferences"] = after
    return after != before


def has_owner_reference(child: dict[str, Any], owner: ObjectMeta, resource: AnyResource) -> bool:
    """
    Whether a plain `child` has an owner reference to `owner`, an object of kind `resource`, controlling or not.

    Who asks whether it manages the child asks `ObjectMeta.is_controlled_by`.
    """
    return any(_same_owner(have, owner, resource) for have in meta_of(child).owner_references or ())


def remove_owner_reference(child: dict[str, Any], owner: ObjectMeta, resource: AnyResource) -> bool:
    """
    Remove the reference to `owner`, an object of kind `resource`, from a plain `child`. Returns whether it was there.

    >>> from ctrlkit.model.kinds import STATEFULSETS
    >>> owner = ObjectMeta(name="net-sts", namespace="demo", uid="1")
    >>> child = {"metadata": {"name": "a", "namespace": "demo"}}
    >>> set_controller_reference(child, owner, STATEFULSETS), remove_owner_reference(child, owner, STATEFULSETS)
    (True, True)
    >>> child
    {'metadata': {'name': 'a', 'namespace': 'demo', 'ownerReferences': []}}
    """
    references = meta_of(child).owner_references or ()
    if not has_owner_reference(child, owner, resource):
        return False
    metadata = child["metadata"]
    metadata["ownerReferences"] = [
        plain
        for plain, have in zip(metadata["ownerReferences"], references, strict=True)
        if not _same_owner(have, owner, resource)
    ]
    return True


def _same_owner(reference: OwnerReference, owner: ObjectMeta, resource: AnyResource) -> bool:
    same_kind = (reference.group, reference.kind) == (resource.group, resource.kind)
    return same_kind and (reference.name, reference.uid) == (owner.name, owner.uid)
