"""What a server refuses of a request's options before it does anything, as far as an Action does not show it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from ctrlkit.errors import BadRequest
from ctrlkit.fakes.tracker.ownership.managed_fields import manager_causes, validation_causes
from ctrlkit.fakes.tracker.refusals import Cause, bad_request, invalid_options, not_an_object
from ctrlkit.fakes.tracker.schema.typed import json_type
from ctrlkit.fakes.tracker.verbs.delete import delete_causes, dry_run_causes
from ctrlkit.fakes.tracker.verbs.malformed import json_problem
from ctrlkit.model import Action, Verb
from ctrlkit.wire.parameters import read_flag

_DELETES = (Verb.DELETE, Verb.DELETE_COLLECTION)
_KINDS = {
    Verb.CREATE: "CreateOptions",
    Verb.UPDATE: "UpdateOptions",
    Verb.PATCH: "PatchOptions",
    Verb.DELETE: "DeleteOptions",
    Verb.DELETE_COLLECTION: "DeleteOptions",
}
_UNREADABLE = "couldn't get version/kind; json parse error:"


class Query(Protocol):
    """The parameters of a request, each with its values."""

    def getall(self, key: str, default: list[str]) -> Sequence[str]:
        """All values of a parameter."""
        ...


def check_options(action: Action, query: Query, body: bytes | None, content_type: str) -> None:
    """Refuse options that no Action can have. Errors: BadRequest, Invalid."""
    if action.verb is Verb.GET:
        export = query.getall("export", [])
        if export and read_flag(export[0]):
            raise bad_request("the export parameter, deprecated since v1.14, is no longer supported")
    kind = _KINDS.get(action.verb)
    if kind is None:
        return
    if action.verb in _DELETES:
        causes = [*delete_causes(_in_body(body, content_type) if body else _in_query(query))]
    else:
        causes = [*_written_causes(action, query.getall("dryRun", []))]
    if causes:
        raise invalid_options(kind, *causes)


def _written_causes(action: Action, dry_run: Sequence[str]) -> Iterator[Cause]:
    """Yield all that is wrong with the options of a write if its `dryRun` is wrong; the rest is looked at later."""
    wrong = list(dry_run_causes(dry_run))
    if wrong:
        yield from (*manager_causes(action), *wrong, *validation_causes(action))


def is_still_there(query: Query, body: bytes | None, content_type: str, answer: bytes) -> bool:
    """
    Whether a delete leaves the object for now, though the caller wants its dependents to go with it.

    Shape   `answer` is that of the delete: the object as it is left, or a Status. A server answers with the code 202.
    """
    orphan = (_in_body(body, content_type) if body else _in_query(query)).get("orphanDependents")
    if orphan is None or (read_flag(orphan) if isinstance(orphan, str) else orphan):
        return False
    meta = msgspec.json.decode(answer).get("metadata") or {}
    return "deletionTimestamp" in meta and bool(meta.get("finalizers") or meta.get("deletionGracePeriodSeconds"))


def _in_query(query: Query) -> Mapping[str, Any]:
    given: dict[str, Any] = {"dryRun": query.getall("dryRun", [])}
    for name in ("propagationPolicy", "orphanDependents"):
        values = query.getall(name, [])
        if values:
            given[name] = values[0]
    return given


def _in_body(body: bytes, content_type: str) -> Mapping[str, Any]:
    given = msgspec.json.decode(body) if content_type.endswith("json") else {}
    return given if isinstance(given, Mapping) else {}


def check_delete_body(body: bytes, content_type: str) -> None:
    """Refuse a delete's body that is no DeleteOptions, in the words of a real server. Errors: BadRequest."""
    if not content_type.endswith("json"):
        return
    try:
        given = msgspec.json.decode(body)
    except msgspec.DecodeError:
        raise BadRequest(f"{_UNREADABLE} {json_problem(body)}") from None
    if given is None:
        return
    if not isinstance(given, Mapping):
        raise BadRequest(not_an_object(given))
    for name in ("apiVersion", "kind"):
        if not isinstance(given.get(name, ""), str):
            found = f"json: cannot unmarshal {json_type(given[name])} into Go struct field .{name} of type string"
            raise BadRequest(f"{_UNREADABLE} {found}")
    kind = given.get("kind") or "DeleteOptions"
    if kind != "DeleteOptions":
        version = given.get("apiVersion") or "meta.k8s.io/v1"
        raise BadRequest(
            f'no kind "{kind}" is registered for version "{version}" in scheme "pkg/runtime/scheme.go:111"'
        )
