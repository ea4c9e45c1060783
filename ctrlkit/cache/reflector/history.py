"""
Detects a server whose history was rewritten. Pure: no I/O, no clock.

A server that was restored from a backup, or began anew, counts its versions again from an earlier one. A watch from a
version that it has not reached yet brings nothing at all, and no error; from one that it has reached, changes of
another history. So before a watch is resumed the newest state of the first few objects is compared with what is held.

What came             What it means
an older version      the newest state cannot be older than what was seen before: rewritten
the same version      nothing changed: the objects must be the same ones, in the same states
a newer version       an object that did not change since must be held in the same state; one that is held, and did not
                      come, was deleted meanwhile: the watch has to say so before it gets past that version
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from ctrlkit.model import ObjectKey, Record, Snapshot, is_newer

SAMPLE: Final = 20
"""So many objects are compared."""


@dataclass(frozen=True, slots=True)
class PendingDeletions:
    """
    Deletions that a watch still has to report: of objects that are held at these versions, and are gone at `version`.

    >>> from ctrlkit.model import ObjectMeta
    >>> held = {ObjectKey("", "a"): Record(ObjectMeta(name="a", resource_version="3"), None, str)}
    >>> pending = PendingDeletions("7", {ObjectKey("", "a"): "3"})
    >>> pending.is_pending(held.get), pending.is_pending({}.get)
    (True, False)
    """

    version: str = ""
    gone: Mapping[ObjectKey, str] = field(default_factory=dict)

    def is_pending(self, find: Callable[[ObjectKey], Record[Any] | None]) -> bool:
        """Whether any of them is still held as it was."""
        return any((record := find(key)) is not None and record.version == had for key, had in self.gone.items())


def compare(
    sample: Snapshot[Any], held: Sequence[Record[Any]], holds: Callable[[Record[Any]], bool], *, reached: str
) -> PendingDeletions | None:
    """
    Return the deletions that a watch from `reached` has to report, or None where history was rewritten.

    Shape   `sample` has the first objects of the newest state in the server's order, all of them where they are fewer
            than SAMPLE; `held` the first ones that are here; `holds` says whether this very state of an object is.
            Servers that tell no version cannot be compared, nor can what could not be read.
    """
    if not sample.version or sample.unreadable:
        return PendingDeletions()
    if is_newer(reached, than=sample.version):
        return None
    unchanged = (record for record in sample.records if record.version and not is_newer(record.version, than=reached))
    if not all(map(holds, unchanged)):
        return None
    came = {record.key for record in sample.records}
    last = max(map(str, came)) if len(came) >= SAMPLE else None
    gone = {
        record.key: record.version
        for record in held
        if record.key not in came and (last is None or str(record.key) < last)
    }
    if gone and sample.version == reached:
        return None
    return PendingDeletions(sample.version, gone)
