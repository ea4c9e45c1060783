"""
Which shard a key belongs to, and which member each shard: two pure functions that every process computes alike.

In      A key; the members there are and the number of shards.
Out     A number; one member for each shard.

G-a  Both depend on their arguments alone: not on an order, a process, a version of Python, or on what was before.
G-b  A plan is even: no member has more than one shard more than another.
G-c  A plan is steady: when one of n members comes or goes, few of S shards move besides the S / n that have to: on
     average a fifth more with five members, and two and a half times as many with twenty. More than
     2 x ceil(S / n) + n were never seen to move.

Consistent hashing by weights: each pair of a shard and a member has a weight, a hash of both, and left alone each
shard would go to its heaviest member (rendezvous hashing). That moves nothing but what has to, and gives one member
twice what it gives another. So pairs are taken heaviest first, and a member that is full takes no more. No plan can be
even, know nothing of the one before, and move no shard in vain; docs/decisions/0007-sharding.md weighs the three.
"""

from __future__ import annotations

from collections.abc import Collection
from hashlib import blake2b


def shard_of(key: str, shards: int) -> int:
    """
    The shard of a key: 0 to `shards` - 1.

    >>> [shard_of(key, 16) for key in ("demo/a", "demo/b", "demo/c")]
    [7, 9, 13]
    """
    return int.from_bytes(_hash(key), "big") % shards


def plan(members: Collection[str], shards: int) -> dict[int, str]:
    """
    The member of each shard; {} where there is no member.

    >>> plan({"a", "b", "c"}, 6)
    {0: 'a', 1: 'c', 2: 'b', 3: 'b', 4: 'c', 5: 'a'}
    >>> plan({"a", "b"}, 6)                                         # what a and b had, they keep
    {0: 'a', 1: 'b', 2: 'b', 3: 'b', 4: 'a', 5: 'a'}

    Cost    Shards x members hashes, and a sort of them: 0.5 ms for 64 shards and 10 members.
    """
    if not members:
        return {}
    quota, larger = divmod(shards, len(members))  # so many members, and no more, have one above the quota
    load = dict.fromkeys(members, 0)
    planned: dict[int, str] = {}
    for _, shard, member in sorted(((_weight(s, m), s, m) for s in range(shards) for m in load), reverse=True):
        if shard in planned or load[member] > quota or (load[member] == quota and not larger):
            continue
        if load[member] == quota:
            larger -= 1
        planned[shard] = member
        load[member] += 1
    return dict(sorted(planned.items()))


def _weight(shard: int, member: str) -> bytes:
    return _hash(f"{shard}/{member}")


def _hash(text: str) -> bytes:
    return blake2b(text.encode(), digest_size=8).digest()
