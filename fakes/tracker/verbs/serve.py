"""Serve an Action of any verb but watch: from the request to the JSON document of the answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec

from ctrlkit.fakes.tracker.core import Core
from ctrlkit.fakes.tracker.decode import decode
from ctrlkit.fakes.tracker.kinds import metadata
from ctrlkit.fakes.tracker.kinds.strategy import Strategy
from ctrlkit.fakes.tracker.notices import notice
from ctrlkit.fakes.tracker.ownership.managed_fields import check_options
from ctrlkit.fakes.tracker.refusals import (
    bad_request,
    details_of,
    json_text,
    method_not_allowed,
    no_watch,
    not_an_object,
    not_found,
    unknown_resource,
    unreadable_patch,
    unsupported_media_type,
)
from ctrlkit.fakes.tracker.schema.typed import DoesNotFit, json_type, untyped
from ctrlkit.fakes.tracker.store import Stored
from ctrlkit.fakes.tracker.subresources.binding import bind
from ctrlkit.fakes.tracker.subresources.connect import refuse_plainly
from ctrlkit.fakes.tracker.subresources.eviction import evict
from ctrlkit.fakes.tracker.subresources.kubelets import proxy
from ctrlkit.fakes.tracker.subresources.token import request_token
from ctrlkit.fakes.tracker.verbs.apply import apply
from ctrlkit.fakes.tracker.verbs.create import create
from ctrlkit.fakes.tracker.verbs.delete import delete, delete_collection
from ctrlkit.fakes.tracker.verbs.json_patch import json_patch
from ctrlkit.fakes.tracker.verbs.list import check_reached, encode_list, list_objects
from ctrlkit.fakes.tracker.verbs.patch import merge
from ctrlkit.fakes.tracker.verbs.report import report
from ctrlkit.fakes.tracker.verbs.scale import check_applied_scale, scale_of, write_scale
from ctrlkit.fakes.tracker.verbs.strategic import strategic_merge
from ctrlkit.fakes.tracker.verbs.update import creates, name_undetermined, replace, update
from ctrlkit.model import Action, PatchType, Verb

_CUSTOM_PATCHES = (PatchType.JSON.value, PatchType.MERGE.value, PatchType.APPLY.value)


class Made(bytes):
    """The answer to an apply or update that created the object: HTTP has the code 201 for it."""


def serve(core: Core, action: Action) -> bytes:
    """
    Perform an Action at once.

    Errors  ApiError of the class and with the text of a real server's refusal.
    """
    action = core.registry.stored_form(action)
    served = checked(core, action)
    if action.verb in (Verb.CREATE, Verb.UPDATE, Verb.PATCH):
        check_options(action)
        check_metadata(served, action)
    return SUBRESOURCES[action.subresource].answer(core, served, action)


def check_metadata(served: Strategy, action: Action) -> None:
    """
    Refuse a body whose metadata is not an object; the results of patches are checked later.

    The refusal is about the first field that does not fit.
    """
    body = action.body
    if type(body) is dict and type(body.get("metadata")) is dict:
        return
    if (
        isinstance(body, (dict, Mapping))
        and action.verb is not Verb.PATCH
        and SUBRESOURCES[action.subresource].is_object
    ):
        if not served.custom and not isinstance(body.get("metadata") or {}, (dict, Mapping)):
            decode(served, action, body)
        metadata.of(action.resource, body)


def _deleted(core: Core, served: Strategy, action: Action) -> bytes:
    if action.verb is Verb.DELETE_COLLECTION:
        return encode_list(served, *delete_collection(core, served, action))
    stored, answers_with_object = delete(core, served, action)
    return document(served, stored) if answers_with_object else _deleted_status(served, stored)


def _applied(core: Core, served: Strategy, action: Action) -> bytes:
    stored, is_new = apply(core, served, action)
    return Made(document(served, stored)) if is_new else document(served, stored)


def checked(core: Core, action: Action) -> Strategy:
    """Return the kind of an Action. Errors: NotFound or MethodNotAllowed if the call is not served."""
    served = core.served(action.resource)
    subresource = action.subresource
    if served.custom and served.deprecated:
        notice(served.deprecated)
    if subresource and subresource not in served.subresources:
        raise not_found(served.resource, action.name) if served.custom else unknown_resource()
    watches_report = served.report is not None and action.verb is Verb.WATCH
    if not watches_report and not served.supports(action.verb, subresource):
        raise method_not_allowed()
    if served.deprecated:
        notice(served.deprecated)
    if watches_report:
        raise no_watch(served.resource)
    return served


def _object(core: Core, served: Strategy, action: Action) -> bytes:
    """The answer of a verb about objects, or about a part of one."""
    if served.report is not None:
        return report(served.report, served, action)
    match action.verb:
        case Verb.LIST:
            return list_objects(core, served, action)
        case Verb.DELETE | Verb.DELETE_COLLECTION:
            return _deleted(core, served, action)
        case Verb.PATCH if action.patch_type is PatchType.APPLY:
            return _applied(core, served, action)
    made = Made if action.verb is Verb.UPDATE and creates(core, served, action) else bytes
    return made(document(served, _perform_object(core, served, action)))


def _scale(core: Core, served: Strategy, action: Action) -> bytes:
    return msgspec.json.encode(scale_of(served, _perform_scale(core, served, action)))


def _token(core: Core, served: Strategy, action: Action) -> bytes:
    return msgspec.json.encode(request_token(core, served, action))


def _done(perform: Callable[[Core, Strategy, Action], None]) -> Callable[[Core, Strategy, Action], bytes]:
    """Answer with a Status of success what has no answer of its own."""

    def answer(core: Core, served: Strategy, action: Action) -> bytes:
        perform(core, served, action)
        return msgspec.json.encode(
            {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}
        )

    return answer


class Subresource(NamedTuple):
    """One subresource of a kind, "" for the objects themselves; its verbs are facts of the kind."""

    answer: Callable[[Core, Strategy, Action], bytes]
    is_object: bool = False
    """Whether bodies are objects of the kind."""


SUBRESOURCES: Mapping[str, Subresource] = {
    "": Subresource(_object, is_object=True),
    "approval": Subresource(_object, is_object=True),
    "attach": Subresource(refuse_plainly),
    "binding": Subresource(_done(bind)),
    "ephemeralcontainers": Subresource(_object, is_object=True),
    "eviction": Subresource(_done(evict)),
    "exec": Subresource(refuse_plainly),
    "finalize": Subresource(_object, is_object=True),
    "log": Subresource(refuse_plainly),
    "portforward": Subresource(refuse_plainly),
    "proxy": Subresource(proxy),
    "resize": Subresource(_object, is_object=True),
    "scale": Subresource(_scale),
    "status": Subresource(_object, is_object=True),
    "token": Subresource(_token),
}
"""Every subresource that a kind can have."""


def document(served: Strategy, stored: Stored) -> bytes:
    """Encode an object."""
    return served.head + stored.tail


def _perform_object(core: Core, served: Strategy, action: Action) -> Stored:
    match action.verb:
        case Verb.GET:
            if action.options.resource_version:
                check_reached(core, action.options.resource_version)
            return core.get(served, action.key)
        case Verb.CREATE:
            return create(core, served, action)
        case Verb.UPDATE:
            return update(core, served, action)
        case Verb.PATCH:
            current = core.get(served, action.key)
            return replace(core, served, action, current, _patched(served, action, current.plain))
        case _:
            raise method_not_allowed()


def _perform_scale(core: Core, served: Strategy, action: Action) -> Stored:
    if action.verb is Verb.UPDATE:
        return write_scale(core, served, action, action.body)
    current = core.get(served, action.key)
    match action.verb:
        case Verb.GET:
            return current
        case Verb.PATCH if action.patch_type is PatchType.APPLY:
            check_applied_scale(served, action)
            return write_scale(core, served, action, merge(scale_of(served, current), action.body))
        case _:
            return write_scale(core, served, action, _patched(served, action, scale_of(served, current)))


def _patched(served: Strategy, action: Action, plain: Mapping[str, Any]) -> Any:
    resource = served.resource
    whole = {"kind": resource.kind, "apiVersion": resource.api_version} | dict(plain)
    if action.patch_type is PatchType.JSON:
        is_checked = action.options.field_validation != "Ignore"
        patched = json_patch(whole, action.body, is_checked=is_checked)
        if not isinstance(patched, Mapping):
            raise unreadable_patch(json_text(patched), not_an_object(patched))
        return _with_version(served, action, patched)
    _check_merge(action)
    if action.patch_type is PatchType.MERGE:
        return _with_version(served, action, merge(whole, action.body))
    if served.custom:
        raise unsupported_media_type(_CUSTOM_PATCHES)
    try:
        patch = untyped(action.body)
    except DoesNotFit as error:
        raise bad_request(str(error)) from None
    return strategic_merge(whole, patch, served.types.shape_of(resource))


def _with_version(served: Strategy, action: Action, patched: Mapping[str, Any]) -> Mapping[str, Any]:
    """Refuse what has lost its version: it is taken for the server's own form, in which fields have other names."""
    if not (served.custom or patched.get("apiVersion")):
        raise name_undetermined(action)
    return patched


def _check_merge(action: Action) -> None:
    """Refuse a merge patch that is no object."""
    if isinstance(action.body, Mapping):
        return
    is_merge = action.patch_type is PatchType.MERGE
    if is_merge and (action.body is None or action.options.field_validation == "Ignore"):
        raise bad_request("Invalid JSON Patch")
    start = "error decoding patch: " if is_merge else ""
    found = json_type(action.body)
    raise bad_request(f"{start}json: cannot unmarshal {found} into Go value of type map[string]interface {{}}")


def _deleted_status(served: Strategy, stored: Stored) -> bytes:
    details = details_of(served.resource, stored.key.name, uid=stored.metadata["uid"])
    status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}
    return msgspec.json.encode(status)
