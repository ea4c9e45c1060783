"""
What was written, told to whoever asks: the versions by which a mirror can say whether it has seen the writes.

In       Each write that a client carried out, with the server's answer.
Out      One Write for each object, in the blocks that asked for it, in order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from ctrlkit.model import Action, Effect, ObjectKey, ObjectMeta, Verb, Write
from ctrlkit.wire.answers import Answer
from ctrlkit.wire.list_parts import metadata_of_items


class _Notes:
    """Who is told of the writes of one block, as long as it lasts: a task that it has started may go on for ever."""

    __slots__ = ("told",)

    def __init__(self, *told: Callable[[Write], None]) -> None:
        self.told = told


_NOTES: ContextVar[tuple[_Notes, ...]] = ContextVar("ctrlkit_written", default=())


@contextmanager
def noting_writes(told: Callable[[Write], None] | None = None) -> Iterator[list[Write]]:
    """
    A list that each write of this block is added to, once it was carried out; of tasks that the block starts, too, as
    long as the block lasts.

        with noting_writes() as writes:
            await client.delete(CONFIG_MAPS, "demo/a")
        await informer.shown(writes[-1], timeout_s=5)

    Dry runs are no writes. A write whose answer did not come is not noted, nor one whose answer is not what was asked
    for: nobody knows its version, or whether it was carried out. `told` is called with each write as it is noted.
    """
    writes: list[Write] = []
    notes = _Notes(writes.append, *((told,) if told else ()))
    token = _NOTES.set((*_NOTES.get(), notes))
    try:
        yield writes
    finally:
        notes.told = ()
        _NOTES.reset(token)


def note(action: Action, answer: Answer, *, server: object) -> None:
    """Add a call that was carried out to the blocks it was made in."""
    tells = [tell for each in _NOTES.get() for tell in each.told]
    if not tells or not action.verb.writes or action.options.dry_run:
        return
    for write in writes_in(action, answer, server=server):
        for tell in tells:
            tell(write)


def writes_in(action: Action, answer: Answer, *, server: object = None) -> list[Write]:
    """
    What a call that was carried out wrote, read from the server's answer; nothing where that has no version.

    >>> from ctrlkit.model.kinds import PODS
    >>> from ctrlkit.wire.answers import check_answer
    >>> delete = Action(verb=Verb.DELETE, resource=PODS, namespace="demo", name="a")
    >>> answer = check_answer(delete, b'{"kind": "Status", "status": "Success", "details": {"uid": "7"}}')
    >>> [str(write) for write in writes_in(delete, answer)]
    ['pods demo/a deleted']
    """
    head = answer.head
    if action.verb is Verb.DELETE_COLLECTION:
        metas = metadata_of_items(answer.data)
    elif action.verb is Verb.DELETE and head.kind == "Status":
        return [_write(action, ObjectMeta(), head.uid_in_details(), server)]
    else:
        metas = [] if head.metadata is None else [head.metadata]
    return [_write(action, meta, meta.uid, server) for meta in metas if meta.resource_version]


def _write(action: Action, meta: ObjectMeta, uid: str, server: object) -> Write:
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
