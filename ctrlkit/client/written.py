"""
What was written, told to whoever asks: the versions by which a mirror can say whether it has seen the writes.

In       Each write that a client carried out, with the server's answer.
Out      One Write for each object, in the blocks that asked for it, in order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import msgspec

from ctrlkit.model import Action, Effect, ObjectKey, OwnerReference, Verb, Write

_NOTES: ContextVar[tuple[Callable[[Write], None], ...]] = ContextVar("ctrlkit_written", default=())


@contextmanager
def noting_writes(told: Callable[[Write], None] | None = None) -> Iterator[list[Write]]:
    """
    A list that each write of this block is added to, once it was carried out; of tasks that the block starts, too.

        with noting_writes() as writes:
            await client.delete(CONFIG_MAPS, "demo/a")
        await informer.shown(writes[-1], timeout_s=5)

    Dry runs are no writes. A write whose answer did not come is not noted: nobody knows its version. `told` is called
    with each write as it is noted.
    """
    writes: list[Write] = []
    token = _NOTES.set((*_NOTES.get(), writes.append, *((told,) if told else ())))
    try:
        yield writes
    finally:
        _NOTES.reset(token)


def note(action: Action, answer: bytes, *, server: object) -> None:
    """Add a call that succeeded to the blocks it was made in. Nothing is decoded where nobody asks."""
    notes = _NOTES.get()
    if not notes or not action.verb.writes or action.options.dry_run:
        return
    for write in writes_in(action, answer, server=server):
        for tell in notes:
            tell(write)


def writes_in(action: Action, answer: bytes, *, server: object = None) -> list[Write]:
    """
    What a successful call wrote, read from the server's answer; nothing where that has no object's metadata.

    >>> from ctrlkit.model.kinds import PODS
    >>> delete = Action(verb=Verb.DELETE, resource=PODS, namespace="demo", name="a")
    >>> [str(write) for write in writes_in(delete, b'{"kind": "Status", "details": {"uid": "7"}}')]
    ['pods demo/a deleted']
    """
    try:
        found = _ANSWER.decode(answer)
    except msgspec.DecodeError:
        return []
    deletes = action.verb in (Verb.DELETE, Verb.DELETE_COLLECTION)
    if deletes and found.kind == "Status":
        return [_write(action, found, found.details.uid, server)] if action.name else []
    objects = found.items or () if action.verb is Verb.DELETE_COLLECTION else (found,)
    return [_write(action, each, each.metadata.uid, server) for each in objects if each.metadata.resource_version]


class _Meta(msgspec.Struct, frozen=True, rename="camel"):
    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    labels: dict[str, str] | None = None
    owner_references: tuple[OwnerReference, ...] | None = None


class _Details(msgspec.Struct, frozen=True):
    uid: str = ""


class _Answer(msgspec.Struct, frozen=True):
    kind: str = ""
    metadata: _Meta = _Meta()
    details: _Details = _Details()
    items: list[_Answer] | None = None


_ANSWER = msgspec.json.Decoder(_Answer)


def _write(action: Action, found: _Answer, uid: str, server: object) -> Write:
    meta = found.metadata
    deletes = action.verb in (Verb.DELETE, Verb.DELETE_COLLECTION)
    return Write(
        resource=action.resource,
        key=ObjectKey(meta.namespace or action.namespace, meta.name or action.name),
        effect=Effect.DELETED if deletes else Effect.WRITTEN,
        version=meta.resource_version,
        uid=uid,
        labels=meta.labels or {},
        owner_references=meta.owner_references or (),
        server=server,
        verb=action.verb.value,
        subresource=action.subresource,
    )
