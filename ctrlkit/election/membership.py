"""
Who is alive, by what was seen when: nobody's clock is compared with anybody else's.

In      Looks: what a list of the group showed, when it was asked for and when it was answered, on this process's own
        monotonic clock.
Out     The members that are alive; the Leases of those that have been gone for so long that they can be removed.

A member is alive until its Lease has stood still for as long as the Lease says it may (rows L6, L7). Stillness counts
from the answer in which its present version was first seen to the question of the latest look. So time in which nobody
could look counts only once a later look has shown that nothing had changed: whoever is cut off from the server takes
nobody for dead on account of that. A replica judges itself by the same rule, so that all who look come to one view.

Nothing hangs on this view but how soon work gets done: who acts on a shard is decided by the shard's Lease alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from ctrlkit.model import ObjectKey

FORGOTTEN: Final = 10
"""A Lease that has stood still for so many times its duration is that of a member which will not come back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """
    The Lease of one member as a look shows it.

    `identity` is "" where the member has left; `version` is its resourceVersion.
    """

    lease: ObjectKey
    identity: str
    version: str
    lasts_s: float


@dataclass(frozen=True, slots=True)
class _Seen:
    announced: Announcement
    since: float
    """When the answer came that showed this version first."""


class Membership:
    """
    Who was seen when.

    >>> key = ObjectKey("demo", "net-member-a")
    >>> membership = Membership()
    >>> membership.look([Announcement(lease=key, identity="a", version="7", lasts_s=15)], asked_at=10, answered_at=11)
    >>> membership.look([Announcement(lease=key, identity="a", version="7", lasts_s=15)], asked_at=26, answered_at=27)
    >>> membership.alive                                            # 26 is 15 s after 11
    frozenset({'a'})
    >>> membership.look([Announcement(lease=key, identity="a", version="7", lasts_s=15)], asked_at=28, answered_at=29)
    >>> membership.alive
    frozenset()
    """

    def __init__(self) -> None:
        self._seen: dict[ObjectKey, _Seen] = {}
        self._asked_at = 0.0

    def look(self, announcements: Iterable[Announcement], *, asked_at: float, answered_at: float) -> None:
        """Take in what a list showed: all of the group's members, and nothing else."""
        before, self._seen = self._seen, {}
        self._asked_at = asked_at
        for announced in announcements:
            known = before.get(announced.lease)
            stood_still = known is not None and known.announced.version == announced.version
            self._seen[announced.lease] = known if known and stood_still else _Seen(announced, answered_at)

    @property
    def alive(self) -> frozenset[str]:
        """The identities of the members that were alive at the latest look."""
        return frozenset(
            seen.announced.identity
            for seen in self._seen.values()
            if seen.announced.identity and self._still_for_s(seen) <= seen.announced.lasts_s
        )

    @property
    def forgotten(self) -> frozenset[Announcement]:
        """The Leases that can be removed, at the version that was seen."""
        return frozenset(
            seen.announced
            for seen in self._seen.values()
            if self._still_for_s(seen) > FORGOTTEN * seen.announced.lasts_s
        )

    def _still_for_s(self, seen: _Seen) -> float:
        return self._asked_at - seen.since
