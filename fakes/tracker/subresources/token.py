"""Token requests: a new token for a service account, bound to an object or not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta

from ctrlkit import clock
from ctrlkit.errors import Conflict
from ctrlkit.fakes.tracker.authentication import BOUND
from ctrlkit.fakes.tracker.core import Core
from ctrlkit.fakes.tracker.kinds.strategy import Strategy
from ctrlkit.fakes.tracker.ownership.fieldsets import FieldSet, in_order, union
from ctrlkit.fakes.tracker.ownership.managed_fields import ownable
from ctrlkit.fakes.tracker.ownership.managers import Operation, make_entry
from ctrlkit.fakes.tracker.ownership.object_fields import compare, emptied
from ctrlkit.fakes.tracker.refusals import Cause, bad_request, details_of, invalid, qualified_kind
from ctrlkit.fakes.tracker.schema.nodes import type_node
from ctrlkit.fakes.tracker.store import Stored
from ctrlkit.fakes.tracker.subresources.forms import Form, Plain, read_form
from ctrlkit.fakes.tracker.tokens import ISSUER, Account
from ctrlkit.model import Action, AnyResource, ObjectKey, kinds

_FORM = Form.of("TokenRequest", "authentication.k8s.io/v1")
_REQUEST = _FORM.served.resource
_DEFAULT_S = 3600
_LEAST_S, _MOST_S = 600, 2**32


def request_token(core: Core, served: Strategy, action: Action) -> Plain:
    """
    Return a TokenRequest with its token; nothing is stored.

    Errors  BadRequest, NotFound (the account, the bound object), Conflict (another uid), Invalid.
    """
    body = read_form(core, _FORM, served, action)
    meta, spec = body["metadata"], body["spec"]
    if meta.get("name", action.name) != action.name:
        text = "must match the service account name if specified"
        raise invalid(_REQUEST, action.name, Cause.wrong("metadata.name", meta["name"], text))
    account = core.get(served, action.key)
    uid = account.metadata["uid"]
    if meta.get("uid", uid) != uid:
        problem = f"the UID in the token request ({meta['uid']}) does not match the UID of the service account ({uid})"
        raise _conflict(_REQUEST, action.name, problem)
    owned = _owned(served, action, body)
    valid_s = spec.setdefault("expirationSeconds", _DEFAULT_S)
    causes = tuple(_causes(valid_s))
    if causes:
        raise invalid(_REQUEST, "", *causes)
    bound = _bound(core, action, spec["boundObjectRef"]) if spec.get("boundObjectRef") is not None else {}
    now = clock.now()
    audiences = spec.get("audiences") or [ISSUER]
    token = core.tokens.sign(Account(action.namespace, action.name, uid, bound), audiences, valid_s=valid_s)
    entry = make_entry(
        action.options.field_manager,
        Operation.UPDATE,
        _REQUEST.api_version,
        in_order(owned),
        subresource="token",
        time=clock.timestamp(now),
    )
    own = {"name": action.name, "namespace": action.namespace, "uid": uid, "creationTimestamp": clock.timestamp(now)}
    return {
        "kind": _REQUEST.kind,
        "apiVersion": _REQUEST.api_version,
        "metadata": {**meta, **own, "managedFields": [entry]},
        "spec": {**spec, "audiences": audiences},
        "status": {"token": token, "expirationTimestamp": clock.timestamp(now + timedelta(seconds=valid_s))},
    }


def _causes(valid_s: int) -> Iterator[Cause]:
    if valid_s < _LEAST_S:
        text = "may not specify a duration less than 10 minutes"
        yield Cause.wrong("spec.expirationSeconds", valid_s, text)
    if valid_s > _MOST_S:
        text = "may not specify a duration larger than 2^32 seconds"
        yield Cause.wrong("spec.expirationSeconds", valid_s, text)


def _bound(core: Core, action: Action, reference: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Return what a token says of the object that it is bound to, and of a pod's node."""
    kind, api_version = reference.get("kind", ""), reference.get("apiVersion", "")
    group, _, version = api_version.rpartition("/")
    if group or kind not in BOUND:
        raise bad_request(f"cannot bind token to object of type {group}/{version}, Kind={kind}")
    found = _find(core, BOUND[kind], action.namespace, reference.get("name", ""))
    if kind == "Pod" and found.plain["spec"].get("serviceAccountName") != action.name:
        raise bad_request(
            f'cannot bind token for serviceaccount "{action.name}" to pod running with different serviceaccount name.'
        )
    uid = found.metadata["uid"]
    if reference.get("uid", uid) != uid:
        text = (
            f"the UID in the bound object reference ({reference['uid']}) does not match the UID in record. "
            "The object might have been deleted and then recreated"
        )
        raise _conflict(BOUND[kind], found.key.name, text)
    bound = {kind.lower(): {"name": found.key.name, "uid": uid}}
    node = found.plain["spec"].get("nodeName") if kind == "Pod" else None
    if node:
        there = core.store.collection(kinds.NODES.identity).find(ObjectKey("", node))
        bound["node"] = {"name": node, **({"uid": there.metadata["uid"]} if there else {})}
    return bound


def _find(core: Core, resource: AnyResource, namespace: str, name: str) -> Stored:
    if not name:
        raise bad_request("Name parameter required.")
    return core.get(core.served(resource), ObjectKey(namespace if resource.namespaced else "", name))


def _conflict(resource: AnyResource, name: str, text: str) -> Conflict:
    """A conflict, in which the server names the kind and not the plural."""
    details = {**details_of(resource, name), "kind": resource.kind}
    return Conflict(f'Operation cannot be fulfilled on {qualified_kind(resource)} "{name}": {text}', details=details)


def _owned(served: Strategy, action: Action, body: Plain) -> FieldSet:
    """The fields that whoever asks owns: those sent, and the time that always has a value."""
    node = type_node(served.types, _REQUEST.kind)
    spec = {"expirationSeconds": _DEFAULT_S, **body["spec"]}
    changed, _ = compare(node.empty or {}, {**body, "spec": spec}, node)
    found = union(changed, emptied(action.body, body, node))
    return ownable(_FORM.served, "", found)
