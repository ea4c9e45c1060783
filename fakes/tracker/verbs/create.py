"""Create: decode, admit, complete, check and store a new object."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ctrlkit import clock
from ctrlkit.errors import ApiError
from ctrlkit.fakes.tracker import exchanges
from ctrlkit.fakes.tracker.admission import CREATE, MUTATING, Attributes, admit, admit_new, mutate
from ctrlkit.fakes.tracker.core import Core
from ctrlkit.fakes.tracker.decode import decode
from ctrlkit.fakes.tracker.kinds import metadata
from ctrlkit.fakes.tracker.kinds.metadata import GENERATE_TRIES, generate_name
from ctrlkit.fakes.tracker.kinds.strategy import Strategy
from ctrlkit.fakes.tracker.notices import notice
from ctrlkit.fakes.tracker.ownership import managed_fields
from ctrlkit.fakes.tracker.ownership.managers import Entries
from ctrlkit.fakes.tracker.refusals import (
    already_exists,
    bad_request,
    invalid,
    invalid_review,
    plain_failure,
)
from ctrlkit.fakes.tracker.rights.authorizer import check_made
from ctrlkit.fakes.tracker.schema.depth import encode
from ctrlkit.fakes.tracker.schema.typed import blank_status
from ctrlkit.fakes.tracker.store import Stored, encode_tail
from ctrlkit.fakes.tracker.verbs.again import create_again, is_repeatable, remember
from ctrlkit.fakes.tracker.verbs.usual import create_usual, form_of, learn
from ctrlkit.model import Action, ObjectKey, Verb

Plain = dict[str, Any]


def create(core: Core, served: Strategy, action: Action) -> Stored:
    """
    Create an object.

    Errors  BadRequest (wrong kind or namespace), NotFound or Forbidden (namespace missing, terminating), Invalid,
            AlreadyExists.
    """
    body = _checked_body(served, action)
    if served.review is not None:
        return _reviewed(core, served, action, body)
    form = form_of(core, served, action)
    if form is None:
        return _made(core, served, action, body)
    admit_new(core, served, action, body)
    stored = create_usual(core, served, action, form)
    if stored is None:
        stored = make(core, served, action, body)
        learn(core, form, body, stored)
    return stored


def _made(core: Core, served: Strategy, action: Action, body: Mapping[str, Any]) -> Stored:
    """Store a new object; one of the body of the last one is made as that was."""
    if not is_repeatable(core, served, action, body):
        return make(core, served, action, body)
    sent = encode(body)  # before anything is made of it
    stored = create_again(core, served, action, sent) or make(core, served, action, body)
    remember(core, action, sent, stored)
    return stored


def _reviewed(core: Core, served: Strategy, action: Action, body: Mapping[str, Any]) -> Stored:
    """Answer a review, of which nothing is stored."""
    admit_new(core, served, action, body)
    plain = decode(served, action, body)
    check_namespace(served, action, plain.get("metadata") or {})
    plain["metadata"] = metadata.clean(plain.get("metadata") or {})
    if action.namespace:
        plain["metadata"]["namespace"] = action.namespace
    born = {**plain["metadata"], "creationTimestamp": clock.timestamp(exchanges.now())}
    owners = managed_fields.of_new(served, action, body, {**plain, "metadata": born})
    managed_fields.set_entries(plain, owners)
    name = plain["metadata"].get("name") or ""
    attributes = Attributes(served=served, action=action, operation=CREATE, name=name)
    plain = mutate(core, attributes, plain)
    causes = list(served.validate(plain, None))
    if causes:
        raise invalid_review(served.resource, causes)
    admit(core, attributes, plain)
    answer = served.review(core, plain) if served.review is not None else plain
    return Stored(ObjectKey(action.namespace, ""), 0, encode_tail(answer))


def make(
    core: Core, served: Strategy, action: Action, body: Mapping[str, Any], *, owners: Entries | None = None
) -> Stored:
    """Store a new object from a body of the right kind; `owners` are its managedFields, None: its creator owns all."""
    plain = _sent(served, action, body)
    admit_new(core, served, action, body)
    served.defaults(plain)
    if owners is None:  # what the server adds from here on is nobody's
        owners = managed_fields.of_new(served, action, body, plain)
    attributes = Attributes(served=served, action=action, operation=CREATE, name=plain["metadata"].get("name") or "")
    plain, owners = _completed(core, attributes, plain, owners)
    check_namespace(served, action, plain["metadata"])
    plain["metadata"] = metadata.born(plain["metadata"], action.namespace, generation=served.generation)
    plain["metadata"]["name"] = _choose_name(core, served, plain["metadata"], action.namespace)
    _begin(served, plain)
    name = attributes.name = plain["metadata"]["name"]
    plain = served.prepare(core, served, plain, action)
    causes = list(served.allocate(core, plain, {})) or [
        *(metadata.new_causes(served, plain["metadata"]) if served.checks_metadata else ()),
        *served.validate(plain, None),
    ]
    causes = causes or metadata.late_causes(served, plain["metadata"])
    if causes:
        raise invalid(served.refused_as, name, *causes)
    for text in served.warn(plain, None):
        notice(text)
    managed_fields.set_entries(plain, owners)
    check_made(core, action)
    core.foresee(served, plain)
    admit(core, attributes, plain)
    if served.custom:
        metadata.tell_of_finalizers(plain["metadata"], {})
    if action.verb is Verb.CREATE and _is_version(str((body.get("metadata") or {}).get("resourceVersion") or "")):
        raise plain_failure("resourceVersion should not be set on objects to be created")
    key = ObjectKey(action.namespace, name)
    taken = core.find(served, key)
    if taken is not None:
        raise _is_taken(served, taken, plain["metadata"])
    served.defaults(plain)  # once more, as a server reads what it has stored
    return core.write(served, key, plain, dry_run=action.options.dry_run)


def _completed(core: Core, attributes: Attributes, plain: Plain, owners: Entries) -> tuple[Plain, Entries]:
    """Let admission complete a new object; return it, and its managedFields, which it has meanwhile."""
    if not MUTATING.sees_all(core):
        return mutate(core, attributes, plain), owners
    managed_fields.set_entries(plain, owners)
    if attributes.served.has_status and "status" not in plain:
        plain["status"] = dict(blank_status(attributes.served.types, attributes.served.resource) or {})
    plain = mutate(core, attributes, plain)
    return plain, managed_fields.kept(plain, owners)


def _is_taken(served: Strategy, taken: Stored, meta: Mapping[str, Any]) -> ApiError:
    """There is an object of that name: what the server says also depends on how the name was found, and how it is."""
    return already_exists(
        served.resource,
        taken.key.name,
        is_generated=bool(meta.get("generateName")),
        is_leaving="deletionTimestamp" in taken.metadata,
    )


def _checked_body(served: Strategy, action: Action) -> Mapping[str, Any]:
    body = action.body
    if not isinstance(body, (dict, Mapping)):
        raise bad_request(f"the object provided is unrecognized (must be of type {served.resource.kind})")
    metadata.check_kind(served.resource, body, custom=served.custom)
    if type(body.get("metadata")) is not dict:
        metadata.of(served.resource, body)
    if served.resource.namespaced and not action.namespace:
        raise bad_request("an empty namespace may not be set during creation")
    return body


def check_namespace(served: Strategy, action: Action, meta: Mapping[str, Any]) -> None:
    """Refuse metadata with another namespace than the URL's. Errors: BadRequest."""
    namespace = meta.get("namespace") or action.namespace
    if served.resource.namespaced and namespace != action.namespace:
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")


def _is_version(text: str) -> bool:
    return text.isdecimal() and 0 < int(text) < 2**64


def _sent(served: Strategy, action: Action, body: Mapping[str, Any]) -> Plain:
    """Read a new object, without what only the server says of it."""
    plain = decode(served, action, body)
    check_namespace(served, action, plain.get("metadata") or {})
    plain["metadata"] = metadata.sent(plain.get("metadata") or {}, action.namespace)
    return plain


def _begin(served: Strategy, plain: Plain) -> None:
    """Give a new object what it begins with."""
    if served.has_status and not served.takes_status:
        plain.pop("status", None)
    first_status = served.first_status or blank_status(served.types, served.resource)
    if "status" not in plain and first_status is not None:
        plain["status"] = dict(first_status)
    served.drop(plain)
    served.begin(plain)


def _choose_name(core: Core, served: Strategy, meta: Mapping[str, Any], namespace: str) -> str:
    name: str = meta.get("name") or ""
    base: str = meta.get("generateName") or ""
    if name or not base:
        return name
    if not served.generates_names:
        return base
    for _ in range(GENERATE_TRIES):
        name = generate_name(base)
        if core.find(served, ObjectKey(namespace, name)) is None:
            break
    return name
