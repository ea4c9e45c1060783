"""How what a caller asks for becomes an Action."""

from __future__ import annotations

from dataclasses import replace
from enum import Enum
from typing import Any

from ctrlkit.client.bodies import patch_body
from ctrlkit.errors import BadRequest
from ctrlkit.model import Action, AnyResource, FieldSelector, LabelSelector, ObjectKey, Options, Patch, Verb


class DryRun(Enum):
    """Whether a write is carried out, or only validated and answered as if it were."""

    NO = "no"
    ALL = "All"


class Propagation(Enum):
    """What happens to dependents when their owner is deleted."""

    BACKGROUND = "Background"
    FOREGROUND = "Foreground"
    ORPHAN = "Orphan"


def named(verb: Verb, resource: AnyResource, key: ObjectKey | str, *, subresource: str = "") -> Action:
    """An Action on one object. Errors: BadRequest for a key in the wrong form, ValueError for what is no key."""
    namespace, name = _read_key(verb, resource, key)
    options = Options(metadata_only=verb is Verb.GET and resource.is_metadata_only)
    return Action(
        verb=verb, resource=resource, namespace=namespace, name=name, subresource=subresource, options=options
    )


def _read_key(verb: Verb, resource: AnyResource, key: ObjectKey | str) -> ObjectKey:
    try:
        return ObjectKey.of(key)
    except ValueError as error:
        if not isinstance(key, str):
            raise ValueError(f"{verb} {resource}: {error}") from None  # a slip of the program, not of a name
        raise BadRequest(str(error), attempted=f"{verb} {resource}") from None


def whole(
    verb: Verb, resource: AnyResource, plain: dict[str, Any], options: Options, *, subresource: str = ""
) -> Action:
    """An Action that sends a whole object."""
    metadata = plain.get("metadata") or {}
    return Action(
        verb=verb,
        resource=resource,
        namespace=metadata.get("namespace") or "",
        name=metadata.get("name") or "",
        subresource=subresource,
        body=plain,
        options=options,
    )


def patching(
    resource: AnyResource, key: ObjectKey | str, patch: Patch, options: Options, *, subresource: str = ""
) -> Action:
    """An Action that sends a patch."""
    key = _read_key(Verb.PATCH, resource, key)
    body, patch_type, force = patch_body(resource, key, patch)
    return Action(
        verb=Verb.PATCH,
        resource=resource,
        namespace=key.namespace,
        name=key.name,
        subresource=subresource,
        body=body,
        patch_type=patch_type,
        options=replace(options, force=True) if force else options,
    )


def collection(
    verb: Verb,
    resource: AnyResource,
    namespace: str,
    label_selector: LabelSelector | str,
    field_selector: FieldSelector | str,
) -> Action:
    """An Action on a collection."""
    options = Options(
        label_selector=str(label_selector),
        field_selector=str(field_selector),
        metadata_only=not verb.writes and resource.is_metadata_only,
    )
    return Action(verb=verb, resource=resource, namespace=namespace, options=options)
