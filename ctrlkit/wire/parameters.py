"""
Options <-> query parameters, and for deletes <-> the DeleteOptions body; tables and pure functions.

Every option travels in the query, except those of a delete: where a delete has a body, an API server reads nothing of
the kind from the query, so all of them go into the body. A server reads no parameter that the verb does not have.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import msgspec

from ctrlkit.errors import BadRequest
from ctrlkit.model import Action, Options, Verb

DELETES = (Verb.DELETE, Verb.DELETE_COLLECTION)
_COLLECTIONS = (Verb.LIST, Verb.WATCH, Verb.DELETE_COLLECTION)
_WRITES = (Verb.CREATE, Verb.UPDATE, Verb.PATCH)


def read_flag(text: str) -> bool:
    """Read a boolean query parameter, as the server does."""
    return text.lower() not in ("0", "false")  # as the server reads it: anything else, even nothing, is true


def _read_policy(text: str) -> str:
    """Read `orphanDependents`, the older form of a propagation policy."""
    return "Orphan" if read_flag(text) else "Background"


def read_int64(text: str) -> int:
    """A whole number, as Go reads it: nothing but digits, and no more of them than fit."""
    if re.fullmatch(r"[+-]?[0-9]{1,64}", text) and -(2**63) <= (number := int(text)) < 2**63:
        return number
    problem = "value out of range" if re.fullmatch(r"[+-]?[0-9]+", text) else "invalid syntax"
    raise ValueError(f'strconv.ParseInt: parsing "{text[:128]}": {problem}')


def _write_flag(value: object) -> str:
    return "true" if value else "false"


@dataclass(frozen=True, slots=True)
class _Parameter:
    name: str
    option: str
    verbs: tuple[Verb, ...]
    write: Callable[[Any], str] = str
    read: Callable[[str], Any] = str


_PARAMETERS = (
    _Parameter("labelSelector", "label_selector", _COLLECTIONS),
    _Parameter("fieldSelector", "field_selector", _COLLECTIONS),
    _Parameter("allowWatchBookmarks", "allow_watch_bookmarks", _COLLECTIONS, _write_flag, read_flag),
    _Parameter("resourceVersion", "resource_version", (*_COLLECTIONS, Verb.GET)),
    _Parameter("resourceVersionMatch", "resource_version_match", _COLLECTIONS),
    _Parameter("timeoutSeconds", "timeout_s", _COLLECTIONS, str, read_int64),
    _Parameter("limit", "limit", _COLLECTIONS, str, read_int64),
    _Parameter("continue", "continue_token", _COLLECTIONS),
    _Parameter("sendInitialEvents", "send_initial_events", _COLLECTIONS, _write_flag, read_flag),
    _Parameter("dryRun", "dry_run", (*_WRITES, *DELETES), lambda _: "All", lambda _: True),
    _Parameter("fieldManager", "field_manager", _WRITES),
    _Parameter("fieldValidation", "field_validation", _WRITES),
    _Parameter("force", "force", (Verb.PATCH,), _write_flag, read_flag),
    _Parameter("gracePeriodSeconds", "grace_period_s", DELETES, str, read_int64),
    _Parameter("orphanDependents", "propagation_policy", DELETES, str, _read_policy),
    _Parameter("propagationPolicy", "propagation_policy", DELETES),
    _Parameter("uid", "precondition_uid", DELETES),
    _Parameter("resourceVersion", "precondition_version", DELETES),
)
_IN_DELETE_BODY = ("dry_run", "propagation_policy", "grace_period_s", "precondition_uid", "precondition_version")
_KNOWN = frozenset(("watch", *(parameter.name for parameter in _PARAMETERS)))
_UNSET = {field.name: field.default for field in fields(Options)}


def write_query(action: Action) -> Iterable[tuple[str, str]]:
    """Yield the query parameters of an Action; those that a deletion sends in its body are left out."""
    if action.verb is Verb.WATCH:
        yield "watch", "true"
    for parameter in _PARAMETERS:
        value = getattr(action.options, parameter.option)
        is_in_body = action.verb in DELETES and parameter.option in _IN_DELETE_BODY
        if action.verb in parameter.verbs and value != _UNSET[parameter.option] and not is_in_body:
            yield parameter.name, parameter.write(value)
    yield from action.options.parameters


def read_query(verb: Verb, query: Mapping[str, str], *, has_body: bool = False) -> dict[str, Any]:
    """Read the options in a verb's query, by their names in Options; BadRequest for a malformed value."""
    options: dict[str, Any] = {}
    if not query:
        return options
    for parameter in _PARAMETERS:
        text = query.get(parameter.name)
        if text is None or verb not in parameter.verbs:
            continue
        if has_body and verb in DELETES and parameter.option in _IN_DELETE_BODY:
            continue  # the body counts alone
        try:
            options[parameter.option] = parameter.read(text)
        except ValueError as error:
            raise BadRequest(str(error)) from None
    return options


def read_own_parameters(query: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """
    The parameters in a query that a subresource has for itself.

    >>> read_own_parameters([("command", "ls"), ("command", "-l"), ("dryRun", "All")])
    (('command', 'ls'), ('command', '-l'))
    """
    return tuple((name, value) for name, value in query if name not in _KNOWN)


def write_delete_options(options: Options) -> bytes | None:
    """Make the DeleteOptions body of a deletion; None where nothing is set."""
    given = delete_options(options)
    return msgspec.json.encode({"kind": "DeleteOptions", "apiVersion": "v1", **given}) if given else None


def delete_options(options: Options) -> dict[str, Any]:
    """The fields of DeleteOptions that are set."""
    preconditions = {"uid": options.precondition_uid, "resourceVersion": options.precondition_version}
    body = {
        "gracePeriodSeconds": options.grace_period_s,
        "propagationPolicy": options.propagation_policy or None,
        "preconditions": {name: value for name, value in preconditions.items() if value} or None,
        "dryRun": ["All"] if options.dry_run else None,
    }
    return {name: value for name, value in body.items() if value is not None}


_DELETE_FIELDS: tuple[tuple[str, str, str, Callable[[Any], bool]], ...] = (
    ("gracePeriodSeconds", "grace_period_s", "int64", lambda value: type(value) is int and -(2**63) <= value < 2**63),
    ("orphanDependents", "orphan_dependents", "bool", lambda value: isinstance(value, bool)),
    ("propagationPolicy", "propagation_policy", "v1.DeletionPropagation", lambda value: isinstance(value, str)),
    ("dryRun", "dry_run", "[]string", lambda value: isinstance(value, list)),
    ("preconditions", "", "v1.Preconditions", lambda value: isinstance(value, dict)),
)
_PRECONDITIONS: tuple[tuple[str, str, str, Callable[[Any], bool]], ...] = (
    ("uid", "precondition_uid", "types.UID", lambda value: isinstance(value, str)),
    ("resourceVersion", "precondition_version", "string", lambda value: isinstance(value, str)),
)
"""Fields of DeleteOptions: name, option, the server's type, and what fits it."""


def read_delete_options(body: Any) -> dict[str, Any]:
    """
    The options in DeleteOptions, by their names in Options.

    >>> read_delete_options({"gracePeriodSeconds": 0, "preconditions": {"uid": "a"}})
    {'grace_period_s': 0, 'precondition_uid': 'a'}

    Errors  BadRequest in the server's words where they are none.
    """
    if body is None:
        return {}
    if not isinstance(body, dict):
        raise BadRequest("couldn't get version/kind; json parse error: the DeleteOptions are no object")
    options = _read_fields(body, _DELETE_FIELDS, "DeleteOptions", "")
    options |= _read_fields(body.get("preconditions") or {}, _PRECONDITIONS, "Preconditions", "preconditions.")
    if "dry_run" in options:
        options["dry_run"] = bool(options["dry_run"])
    if "orphan_dependents" in options:
        is_orphaning = options.pop("orphan_dependents")
        options.setdefault("propagation_policy", "Orphan" if is_orphaning else "Background")
    return options


def _read_fields(
    given: Mapping[str, Any], known: Iterable[tuple[str, str, str, Callable[[Any], bool]]], owner: str, path: str
) -> dict[str, Any]:
    options = {}
    by_name = {name: (option, wanted, fits) for name, option, wanted, fits in known}
    for name, value in given.items():
        if value is None or name not in by_name:
            continue
        option, wanted, fits = by_name[name]
        if not fits(value):
            found = f"number {value}" if wanted == "int64" and type(value) in (int, float) else _json_type(value)
            raise BadRequest(
                f"json: cannot unmarshal {found} into Go struct field {owner}.{path}{name} of type {wanted}"
            )
        if option:
            options[option] = value
    return options


def _json_type(value: object) -> str:
    names = {bool: "bool", int: "number", float: "number", str: "string", list: "array"}
    return names.get(type(value), "object")
