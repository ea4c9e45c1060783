"""
Notes what was written: the versions by which an informer can say whether it has seen the writes.

In       Each write that a client carried out, with the server's answer.
Out      One Write for each object, in the blocks that asked for it, in order.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from contextvars import ContextVar

from ctrlkit.model import Action, Effect, ObjectKey, ObjectMeta, Verb, Write
from ctrlkit.wire.answers import Answer
from ctrlkit.wire.list_parts import metadata_of_items


class _Notes(AbstractContextManager[list[Write]]):
    """The listeners of one block, as long as it lasts: a task that it has started may go on for ever."""

    __slots__ = ("_token", "_writes", "listeners")

    def __init__(self, on_write: Callable[[Write], None] | None) -> None:
        self._writes: list[Write] = []
        note = self._writes.append
        self.listeners: tuple[Callable[[Write], None], ...] = (note,) if on_write is None else (note, on_write)

    def __enter__(self) -> list[Write]:
        self._token = _NOTES.set((*_NOTES.get(), self))
        return self._writes

    def __exit__(self, *_: object) -> None:
        self.listeners = ()
        _NOTES.reset(self._token)


_NOTES: ContextVar[tuple[_Notes, ...]] = ContextVar("ctrlkit_written", default=())


def noting_writes(on_write: Callable[[Write], None] | None = None) -> AbstractContextManager[list[Write]]:
    """
    Return a list that gets each write of this block once it was carried out, those of tasks it starts included.

        with noting_writes() as writes:
            await client.delete(CONFIG_MAPS, "demo/a")
        await informer.shown(writes[-1], timeout_s=5)

    Dry runs are no writes. A write whose answer did not come is not noted, nor one whose answer is not what was asked
    for: nobody knows its version, or whether it was carried out. `on_write` is called with each write as it is noted.
    After the block nothing is added any more, whatever its tasks do.
    """
    return _Notes(on_write)


def note(action: Action, answer: Answer, *, server: object) -> None:
    """Add a call that was carried out to the blocks it was made in."""
    listeners = [listener for notes in _NOTES.get() for listener in notes.listeners]
    if not listeners or not action.verb.writes or action.options.dry_run:
        return
    for write in writes_in(action, answer, server=server):
        for listener in listeners:
            listener(write)


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
        verb=str(action.verb),
        subresource=action.subresource,
    )
