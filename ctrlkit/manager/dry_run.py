"""
Dry runs of a program: a Transport that sends no writes, or sends them so that the server carries none of them out.

In       Actions of a client.
Out      Reads as they are. Of each write one log line: verb, kind, key, and the fields that it would change; of numbers
         and switches their values too, of texts only the names, because they may be secrets. Its level is debug where
         nothing would change.

In the client's mode an object is read, and the answer is what it would be after the write, without the defaults and the
refusals that only a server knows. Requests that change nothing, such as reviews of tokens and rights, are sent.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from copy import deepcopy
from dataclasses import replace
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

from ctrlkit import clock
from ctrlkit.errors import AlreadyExists, ApiError, Conflict, NotFound
from ctrlkit.model import Action, Lines, Transport, Verb
from ctrlkit.model.patches import PatchType
from ctrlkit.model.streams import Connection, StreamTransport
from ctrlkit.model.values import same
from ctrlkit.telemetry import logger

if TYPE_CHECKING:
    from ctrlkit.manager.program import Way

CHANGES_MAX: Final = 8
"""Fields that a line names; then it says how many more there are."""

_REVIEWS: Final = frozenset({"authentication.k8s.io", "authorization.k8s.io"})
_SILENT: Final = frozenset({("coordination.k8s.io", "leases")})
_LISTED: Final = frozenset({"managedFields", "resourceVersion", "generation", "uid", "creationTimestamp"})
"""Fields of metadata that only servers write."""

_KEYS: Final = (
    "name",
    "containerPort",
    "port",
    "protocol",
    "mountPath",
    "devicePath",
    "topologyKey",
    "uid",
    "ip",
    "type",
)
"""Fields that tell the items of Kubernetes' lists apart, where they have them."""

Plain = dict[str, Any]
_log = logger("dry_run")


class DryRunMode(Enum):
    """Who answers a write: this program, or the server, which is told that it is a dry run."""

    CLIENT = "client"
    SERVER = "server"


def dry_run(mode: DryRunMode) -> Way:
    """Return what makes of a transport one whose writes are dry runs."""
    return lambda transport: DryRunTransport(transport, mode)


class DryRunTransport:
    """
    Performs reads with another Transport, and writes not at all.

    Errors  NotFound, AlreadyExists and Conflict where a server would answer so; in the server's mode its own.
    """

    is_dry_run: Final = True

    def __init__(self, transport: Transport, mode: DryRunMode = DryRunMode.CLIENT) -> None:
        self._transport = transport
        self._mode = mode
        self.streams_lists: bool = getattr(transport, "streams_lists", True)

    async def do(self, action: Action) -> bytes:
        """Perform any verb but watch (Transport)."""
        if not action.verb.writes or action.options.dry_run or action.resource.group in _REVIEWS:
            return await self._transport.do(action)
        before = await self._read(action)
        try:
            if self._mode is DryRunMode.SERVER and not _is_event(action):
                sent = replace(action, options=replace(action.options, dry_run=True))
                answer = await self._transport.do(sent)
                after = msgspec.json.decode(answer)
            else:
                after = outcome(action, before)
                answer = msgspec.json.encode(after)
        except ApiError as error:
            _tell(action, refused=str(error))
            raise
        _tell(action, changes=_changes_of(action, before, after))
        return answer

    def watch(self, action: Action) -> AbstractAsyncContextManager[Lines]:
        """Open a watch (Transport)."""
        return self._transport.watch(action)

    def read(self, action: Action) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Open a log (StreamTransport)."""
        return cast("StreamTransport", self._transport).read(action)

    def connect(self, action: Action, protocols: Sequence[str]) -> AbstractAsyncContextManager[Connection]:
        """Refuse a connection with channels, through which commands are given (StreamTransport)."""
        _tell(action, refused="commands and ports are not reached in a dry run")
        raise Conflict(f"{action} is not carried out in a dry run; run without --dry-run")

    async def _read(self, action: Action) -> Plain | None:
        """The object that a write is about, as it is now."""
        if not action.name or _is_event(action):
            return None
        subresource = action.subresource if action.subresource == "scale" else ""
        read = Action(
            verb=Verb.GET,
            resource=action.resource,
            namespace=action.namespace,
            name=action.name,
            subresource=subresource,
        )
        try:
            found: Plain = msgspec.json.decode(await self._transport.do(read))
        except NotFound:
            if action.verb is Verb.CREATE or action.patch_type is PatchType.APPLY:
                return None
            raise
        return found


def outcome(action: Action, before: Plain | None) -> Plain:
    """
    Return what a server would answer to a write of an object, as far as that can be said without one.

    Errors  AlreadyExists, Conflict.
    """
    if action.verb is Verb.DELETE_COLLECTION:
        return _headed(action, {"kind": action.resource.list_kind, "metadata": {}, "items": []})
    if action.verb is Verb.DELETE or action.subresource not in ("", "status", "scale"):
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Success",
            "details": {"name": action.name},
        }
    if action.verb is Verb.CREATE or before is None:
        if before is not None:
            raise AlreadyExists(f'{action.resource} "{action.name}" already exists')
        return _created(action)
    after = _written(action, before)
    _same_version(action, before, after)
    kept = before["metadata"]
    after["metadata"] = {**after.get("metadata", {}), **{name: kept[name] for name in _LISTED if name in kept}}
    return _headed(action, after)


def _written(action: Action, before: Plain) -> Plain:
    body: Any = action.body
    if action.verb is Verb.UPDATE:
        after: Plain = deepcopy(body)
        return {**before, "status": after.get("status")} if action.subresource == "status" else after
    if action.patch_type is PatchType.JSON:
        return _operated(before, body)
    merged: Plain = _merged(before, body)
    return merged


def _same_version(action: Action, before: Plain, after: Plain) -> None:
    asked = (after.get("metadata") or {}).get("resourceVersion")
    if asked and asked != before["metadata"].get("resourceVersion"):
        raise Conflict(f'{action.resource} "{action.name}": the object has been modified')


def _created(action: Action) -> Plain:
    body: Plain = deepcopy(action.body or {})
    given = body.get("metadata") or {}
    name = given.get("name") or action.name or f"{given.get('generateName', '')}{uuid.uuid4().hex[:5]}"
    made = {"name": name, "uid": str(uuid.uuid4()), "creationTimestamp": clock.timestamp(clock.now()), "generation": 1}
    where = {"namespace": action.namespace} if action.namespace else {}
    return _headed(action, {**body, "metadata": {**given, **where, **made}})


def _headed(action: Action, body: Plain) -> Plain:
    head = {"apiVersion": action.resource.api_version, "kind": action.resource.kind}
    return {**head, **body}


def _merged(have: Any, patch: Any) -> Any:
    """
    RFC 7386; of lists, the result has the items that were sent, each with what is stored of it.

    >>> _merged({"ports": [{"port": 80, "protocol": "TCP"}]}, {"ports": [{"port": 80}, {"port": 81}]})
    {'ports': [{'port': 80, 'protocol': 'TCP'}, {'port': 81}]}
    """
    if isinstance(patch, list) and isinstance(have, list):
        return [_merged(_counterpart(have, item, place), item) for place, item in enumerate(patch)]
    if not isinstance(patch, Mapping):
        return patch
    after = dict(have) if isinstance(have, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            after.pop(name, None)
        else:
            after[name] = _merged(after.get(name), value)
    return after


def _counterpart(have: Sequence[Any], item: Any, place: int) -> Any:
    """The stored item that a sent one is about: by the fields that are keys in Kubernetes' lists, else by its place."""
    at_place = have[place] if place < len(have) else None
    if not isinstance(item, Mapping):
        return at_place
    keys = [key for key in _KEYS if key in item]
    for each in have:
        shared = [key for key in keys if key in each] if isinstance(each, Mapping) else []
        if shared and all(same(each[key], item[key]) for key in shared):
            return each
    return None if keys else at_place


def _operated(before: Plain, operations: Sequence[Mapping[str, Any]]) -> Plain:
    """The operations of a JSON patch that add, replace and remove; a server checks the rest."""
    after = deepcopy(before)
    for operation in operations:
        *steps, last = [part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:]]
        place: Any = after
        for step in steps:
            place = place[int(step)] if isinstance(place, list) else place.setdefault(step, {})
        match operation["op"], place:
            case "remove", list():
                del place[int(last)]
            case "remove", dict():
                place.pop(last, None)
            case "add", list():
                place.insert(len(place) if last == "-" else int(last), operation["value"])
            case "add" | "replace", _:
                place[int(last) if isinstance(place, list) else last] = operation["value"]
    return after


# ---- words -----------------------------------------------------------------------------------------------------------


def _tell(action: Action, **facts: object) -> None:
    if action.resource.identity in _SILENT:
        return
    where = f"/{action.subresource}" if action.subresource else ""
    body = action.body if isinstance(action.body, Mapping) else {}
    name = (
        action.name or (body.get("metadata") or {}).get("name") or (body.get("metadata") or {}).get("generateName", "")
    )
    key = f"{action.namespace}/{name}" if action.namespace else name
    changes_nothing = action.verb in (Verb.PATCH, Verb.UPDATE) and facts.get("changes") == []
    said = {"verb": action.verb.value, "kind": f"{action.resource.kind}{where}", "key": key, **facts}
    if changes_nothing:
        _log.debug("write_not_sent", **said)
    else:
        _log.info("write_not_sent", **said)


def _is_event(action: Action) -> bool:
    return action.resource.kind == "Event"


def _changes_of(action: Action, before: Plain | None, after: Plain) -> list[str]:
    if _is_event(action):
        body = action.body or {}
        return [
            f"{body.get('type', '')} {body.get('reason', '')}: {body.get('message') or body.get('note') or ''}"[:256]
        ]
    if action.verb in (Verb.DELETE, Verb.DELETE_COLLECTION) or after.get("kind") == "Status":
        return []
    found = list(_differences(before or {}, after))
    return found if len(found) <= CHANGES_MAX else [*found[:CHANGES_MAX], f"and {len(found) - CHANGES_MAX} more"]


def _differences(before: Any, after: Any, path: str = "") -> Iterator[str]:
    """The fields in which two objects differ, with the values of those that cannot be secrets."""
    if same(before, after):
        return
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in dict.fromkeys((*after, *before)):
            if not (path in ("", ".metadata") and name in _LISTED | {"apiVersion", "kind"}):
                yield from _differences(before.get(name), after.get(name), f"{path}.{name}")
    elif _is_open(before) and _is_open(after):
        yield f"{path[1:]}: {_shown(before)} -> {_shown(after)}"
    else:
        yield path[1:] if before is not None else f"{path[1:]} added"


def _is_open(value: Any) -> bool:
    return value is None or isinstance(value, bool | int | float)


def _shown(value: Any) -> str:
    return "none" if value is None else msgspec.json.encode(value).decode()
