"""List: one consistent snapshot, whole or in pages."""

from __future__ import annotations

import base64
import binascii
import bisect
from typing import Any, NamedTuple

import msgspec

from ctrlkit.fakes.tracker.conversion import ConvertedCollection
from ctrlkit.fakes.tracker.core import Core
from ctrlkit.fakes.tracker.kinds.strategy import Strategy
from ctrlkit.fakes.tracker.refusals import (
    Cause,
    bad_request,
    continue_expired,
    invalid_options,
    list_version_expired,
    too_large_version,
    unreadable_version,
)
from ctrlkit.fakes.tracker.store import Collection, Stored
from ctrlkit.fakes.tracker.verbs.malformed import json_problem
from ctrlkit.fakes.tracker.verbs.selection import Selection
from ctrlkit.model import Action, Options

EXACT = "Exact"
NOT_OLDER_THAN = "NotOlderThan"
_BAD_TOKEN = "invalid continue token: continue key is not valid"
_LATEST = -1
_VERSION_DIGITS_MAX = 64


class _Token(NamedTuple):
    version: int
    last_path: str


def list_objects(core: Core, served: Strategy, action: Action) -> bytes:
    """
    List objects; return the JSON document, with the version of the snapshot.

    With `limit`, pages of one snapshot: the token keeps the version of the first page. Version "0" takes any state and
    is answered whole. "Exact" goes back to an older version. Objects come in the order of `namespace/name`, as text.
    Errors  BadRequest, Invalid (options that do not go together), Timeout (a version not reached yet), Expired (a
            version, or a token's version, no longer kept).
    """
    selection = Selection(served, action)
    collection = core.collection(served)
    options = action.options
    token = _read_token(options)
    version = _version(core, collection, options, token)
    found = [stored for stored in collection.at(version, action.namespace) if selection.matches(stored)]
    if token:
        found = found[bisect.bisect_right(found, token.last_path, key=lambda stored: str(stored.key)) :]
    rest = 0
    if options.limit > 0 and options.resource_version != "0":
        rest = max(0, len(found) - options.limit)
        found = found[: options.limit]
    metadata: dict[str, Any] = ({"continue": ""} if served.custom else {}) | {"resourceVersion": str(version)}
    if rest:
        metadata["continue"] = _write_token(_Token(version, str(found[-1].key)))
        if selection.takes_all:
            metadata["remainingItemCount"] = rest
    return encode_list(served, found, metadata)


def encode_list(served: Strategy, found: list[Stored], metadata: dict[str, Any]) -> bytes:
    """Encode a list; items of built-in kinds do not repeat kind and apiVersion, as on a real server."""
    resource = served.resource
    opening = served.head if served.custom else b"{"
    items = b",".join([b"%b%b" % (opening, stored.tail) for stored in found])
    return b'{"kind":"%b","apiVersion":"%b","metadata":%b,"items":[%b]}' % (
        resource.list_kind.encode(),
        resource.api_version.encode(),
        msgspec.json.encode(metadata),
        items,
    )


def check_match(options: Options) -> None:
    """Refuse a resourceVersionMatch that does not fit the other options of a list."""
    match, version = options.resource_version_match, options.resource_version
    field = "resourceVersionMatch"
    cause = None
    if match and not version:
        cause = Cause.forbidden(field, "resourceVersionMatch is forbidden unless resourceVersion is provided")
    elif match and options.continue_token:
        cause = Cause.forbidden(field, "resourceVersionMatch is forbidden when continue is provided")
    elif match and match not in (EXACT, NOT_OLDER_THAN):
        cause = Cause.unsupported(field, match, (EXACT, NOT_OLDER_THAN, ""))
    elif match == EXACT and version == "0":
        cause = Cause.forbidden(field, 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"')
    if cause:
        raise invalid_options("ListOptions", cause)


def read_version(text: str) -> int:
    """Read a resourceVersion as a number. Errors: ValueError with the server's message."""
    if not (text.isascii() and text.isdigit()):
        raise ValueError(unreadable_version(text, "invalid syntax"))
    if len(text) > _VERSION_DIGITS_MAX or (version := int(text)) >= 2**64:
        raise ValueError(unreadable_version(text, "value out of range"))
    return version


def _version(core: Core, collection: Collection | ConvertedCollection, options: Options, token: _Token | None) -> int:
    """The version of the state that a list shows."""
    current = core.store.version
    if token:
        if options.resource_version not in ("", "0"):
            raise bad_request("specifying resource version is not allowed when using continue")
        if token.version < 0:
            return current
        if token.version > current:
            raise too_large_version(token.version, current)
        if token.version < collection.floor:
            raise continue_expired(_write_token(token._replace(version=_LATEST)))
        return token.version
    check_match(options)
    try:
        asked = read_version(options.resource_version or "0")
    except ValueError as error:
        raise bad_request(f"invalid resource version: {error}") from None
    if asked > current:
        raise too_large_version(asked, current)
    is_exact = options.resource_version_match == EXACT
    if is_exact and asked < collection.floor:
        raise list_version_expired()
    return asked if is_exact else current


def _write_token(token: _Token) -> str:
    text = msgspec.json.encode({"v": "meta.k8s.io/v1", "rv": token.version, "start": f"{token.last_path}\0"})
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


def _read_token(options: Options) -> _Token | None:
    text = options.continue_token
    if not text:
        return None
    problem = ""
    try:
        decoded = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        raise bad_request(f"{_BAD_TOKEN}: illegal base64 data at input byte {len(text) - 1}") from None
    try:
        read = msgspec.json.decode(decoded)
        version = read["rv"]
        if type(version) is not int or not -(2**63) <= version < 2**63:
            raise ValueError
        return _Token(version, str(read["start"]).removesuffix("\0"))
    except (msgspec.DecodeError, UnicodeDecodeError):
        problem = json_problem(decoded)
    except (KeyError, TypeError, ValueError):
        problem = 'server does not recognize this encoded version "" (v1)'
    raise bad_request(f"{_BAD_TOKEN}: {problem}")
