"""
Options <-> query parameters, and for deletes <-> the DeleteOptions body; tables and pure functions.

Every option travels in the query, except those of a delete: where a delete has a body, an API server reads nothing of
the kind from the query, so all of them go into the body.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import msgspec

from ctrlkit.errors import BadRequest
from ctrlkit.model import Action, Options, Verb

DELETES = (Verb.DELETE, Verb.DELETE_COLLECTION)


def read_flag(text: str) -> bool:
    """A boolean parameter, as the server reads it."""
    return text.lower() not in ("0", "false")  # as the server reads it: anything else, even nothing, is true


def _read_dry_run(text: str) -> bool:
    if text != "All":
        raise ValueError("only 'All' is known")
    return True


def _write_flag(value: object) -> str:
    return "true" if value else "false"


@dataclass(frozen=True, slots=True)
class _Parameter:
    name: str
    option: str
    write: Callable[[Any], str] = str
    read: Callable[[str], Any] = str


_PARAMETERS = (
    _Parameter("labelSelector", "label_selector"),
    _Parameter("fieldSelector", "field_selector"),
    _Parameter("limit", "limit", str, int),
    _Parameter("continue", "continue_token"),
    _Parameter("resourceVersion", "resource_version"),
    _Parameter("resourceVersionMatch", "resource_version_match"),
    _Parameter("timeoutSeconds", "timeout_s", str, int),
    _Parameter("allowWatchBookmarks", "allow_watch_bookmarks", _write_flag, read_flag),
    _Parameter("sendInitialEvents", "send_initial_events", _write_flag, read_flag),
    _Parameter("dryRun", "dry_run", lambda _: "All", _read_dry_run),
    _Parameter("fieldManager", "field_manager"),
    _Parameter("fieldValidation", "field_validation"),
    _Parameter("force", "force", _write_flag, read_flag),
    _Parameter("propagationPolicy", "propagation_policy"),
    _Parameter("gracePeriodSeconds", "grace_period_s", str, int),
)
_IN_DELETE_BODY = ("dry_run", "propagation_policy", "grace_period_s")
_UNSET = {field.name: field.default for field in fields(Options)}


def write_query(action: Action) -> Iterable[tuple[str, str]]:
    """The query of an Action: what its options set, but what a deletion carries in its body."""
    if action.verb is Verb.WATCH:
        yield "watch", "true"
    for parameter in _PARAMETERS:
        value = getattr(action.options, parameter.option)
        if value != _UNSET[parameter.option] and not (action.verb in DELETES and parameter.option in _IN_DELETE_BODY):
            yield parameter.name, parameter.write(value)


def read_query(query: Mapping[str, str]) -> dict[str, Any]:
    """The options in a query, by their names in Options; BadRequest for a value that cannot be read."""
    options = {}
    for parameter in _PARAMETERS:
        text = query.get(parameter.name)
        if text is None:
            continue
        try:
            options[parameter.option] = parameter.read(text)
        except ValueError as error:
            raise BadRequest(f"query parameter {parameter.name}={text[:64]!r} cannot be read: {error}") from None
    return options


def write_delete_options(options: Options) -> bytes | None:
    """The DeleteOptions of a deletion as its body, None where nothing is set."""
    preconditions = {"uid": options.precondition_uid, "resourceVersion": options.precondition_version}
    body = {
        "gracePeriodSeconds": options.grace_period_s,
        "propagationPolicy": options.propagation_policy or None,
        "preconditions": {name: value for name, value in preconditions.items() if value} or None,
        "dryRun": ["All"] if options.dry_run else None,
    }
    given = {name: value for name, value in body.items() if value is not None}
    return msgspec.json.encode({"kind": "DeleteOptions", "apiVersion": "v1", **given}) if given else None


class _Preconditions(msgspec.Struct, rename="camel"):
    uid: str | None = None
    resource_version: str | None = None


class _DeleteOptions(msgspec.Struct, rename="camel"):
    grace_period_seconds: int | None = None
    propagation_policy: str | None = None
    preconditions: _Preconditions | None = None
    dry_run: list[str] | None = None


def read_delete_options(body: Any) -> dict[str, Any]:
    """The options in DeleteOptions, by their names in Options; BadRequest where they are none."""
    try:
        given = msgspec.convert(body, _DeleteOptions)
    except msgspec.ValidationError as error:
        raise BadRequest(f"the DeleteOptions cannot be read: {error}") from None
    preconditions = given.preconditions or _Preconditions()
    options = {
        "grace_period_s": given.grace_period_seconds,
        "propagation_policy": given.propagation_policy,
        "precondition_uid": preconditions.uid,
        "precondition_version": preconditions.resource_version,
        "dry_run": True if given.dry_run else None,
    }
    return {name: value for name, value in options.items() if value is not None}
