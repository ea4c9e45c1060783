"""List: one consistent snapshot, whole or in pages."""

from __future__ import annotations

import bisect
from typing import Any, NamedTuple

import msgspec

from ctrlkit.fakes.tracker.conversion import ConvertedCollection
from ctrlkit.fakes.tracker.core import Core
from ctrlkit.fakes.tracker.kinds.strategy import Strategy
from ctrlkit.fakes.tracker.refusals import (
    bad_request,
    continue_expired,
    list_version_expired,
    plain_failure,
    too_large_version,
    unreadable_version,
)
from ctrlkit.fakes.tracker.store import Collection, Stored
from ctrlkit.fakes.tracker.verbs.continuation import Token, read_token, write_token
from ctrlkit.fakes.tracker.verbs.selection import EXACT, Selection
from ctrlkit.model import Action, Options

_LATEST = -1
_VERSION_DIGITS_MAX = 64


class Snapshot(NamedTuple):
    """What a list shows: its objects, and its metadata."""

    found: list[Stored]
    metadata: dict[str, Any]


def list_objects(core: Core, served: Strategy, action: Action) -> bytes:
    """
    List objects; return the JSON document, with the version of the snapshot.

    With `limit`, pages of one snapshot: the token keeps the version of the first page. Version "0" takes any state and
    is answered whole. "Exact", or another version with a limit, goes back to an older version. Objects come in the
    order of `namespace/name`, as text.
    Errors  BadRequest, Invalid (options that do not go together), Timeout (a version not reached yet), Expired (a
            version, or a token's version, no longer kept).
    """
    return encode_list(served, *snapshot(core, served, action))


def snapshot(core: Core, served: Strategy, action: Action) -> Snapshot:
    """Find the objects of a list."""
    selection = Selection(served, action)
    collection = core.collection(served)
    options = action.options
    token = read_token(options.continue_token) if options.continue_token else None
    version = _version(core, collection, options, token)
    found = [stored for stored in collection.at(version, action.namespace) if selection.matches(stored)]
    above = f"{action.namespace}/" if action.namespace else ""
    if token:
        found = found[bisect.bisect_left(found, above + token.start, key=lambda stored: str(stored.key)) :]
    rest = 0
    if options.limit > 0 and options.resource_version != "0":
        rest = max(0, len(found) - options.limit)
        found = found[: options.limit]
    metadata: dict[str, Any] = ({"continue": ""} if served.custom else {}) | {"resourceVersion": str(version)}
    if rest:
        metadata["continue"] = write_token(Token(version, f"{str(found[-1].key).removeprefix(above)}\0"))
        if selection.takes_all:
            metadata["remainingItemCount"] = rest
    return Snapshot(found, metadata)


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


def read_version(text: str) -> int:
    """Read a resourceVersion as a number. Errors: ValueError with the server's message."""
    if not (text.isascii() and text.isdigit()):
        raise ValueError(unreadable_version(text, "invalid syntax"))
    if len(text) > _VERSION_DIGITS_MAX or (version := int(text)) >= 2**64:
        raise ValueError(unreadable_version(text, "value out of range"))
    return version


def check_reached(core: Core, text: str) -> None:
    """Refuse to read at a version that is not reached yet, or none. Errors: Timeout, ApiError 500."""
    try:
        asked = read_version(text)
    except ValueError as error:
        raise plain_failure(str(error)) from None
    if asked > core.store.version:
        raise too_large_version(asked, core.store.version)


def _version(core: Core, collection: Collection | ConvertedCollection, options: Options, token: Token | None) -> int:
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
            raise continue_expired(write_token(token._replace(version=_LATEST)))
        return token.version
    try:
        asked = read_version(options.resource_version or "0")
    except ValueError as error:
        raise bad_request(f"invalid resource version: {error}") from None
    if asked > current:
        raise too_large_version(asked, current)
    is_exact = options.resource_version_match == EXACT
    is_exact = is_exact or bool(asked and options.limit > 0 and not options.resource_version_match)
    if is_exact and asked < collection.floor:
        raise list_version_expired()
    return asked if is_exact else current
