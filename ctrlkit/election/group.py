"""
A group of replicas that share keys: its Leases, which replicas are alive, and which shards each is to have. Pure.

Leases
    NAME-shards             the group itself: annotated with the number of shards, which must be one for all
    NAME-shard-3            a shard: its holder, and nobody else, acts on its keys
    NAME-member-IDENTITY    a replica: alive as long as it changes

All carry the label `ctrlkit.dev/sharding: NAME`, so one selector finds them.

Who is alive
    A member is alive until its Lease has stood still for as long as the Lease says it may (rows L6, L7), on this
    process's own monotonic clock: nobody's clock is compared with anybody else's. Stillness counts from the answer in
    which its present version was first seen to the question of the latest look. So time in which nobody could look
    counts only once a later look has shown that nothing had changed: whoever is cut off from the server takes nobody
    for dead on account of that. A replica judges itself by the same rule, so that all who look come to one view.
    Nothing hangs on this view but how soon work gets done: who acts on a shard is decided by the shard's Lease alone.

Which shards each is to have
    G-a  Shard and plan depend on their arguments alone: not on an order, a process, a version of Python, or on what
         was before.
    G-b  A plan is even: no member has more than one shard more than another.
    G-c  A plan is steady: when one of n members comes or goes, few of S shards move besides the S / n that have to: on
         average a fifth more with five members, and two and a half times as many with twenty. More than
         2 x ceil(S / n) + n were never seen to move.

    Consistent hashing by weights: each pair of a shard and a member has a weight, a hash of both, and left alone each
    shard would go to its heaviest member (rendezvous hashing). That moves nothing but what has to, and gives one member
    twice what it gives another. So pairs are taken heaviest first, and a member that is full takes no more. No plan can
    be even, know nothing of the one before, and move no shard in vain; docs/decisions/0007-sharding.md weighs the
    three.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b
from typing import Any, Final

from ctrlkit.election.lease import LeaseRecord
from ctrlkit.errors import ConfigError
from ctrlkit.model import ObjectKey, Unstructured
from ctrlkit.names import is_label, is_subdomain

FORGOTTEN: Final = 10
"""A Lease that has stood still for so many times its duration is that of a member which will not come back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberLease:
    """
    The Lease of one member, as a list shows it.

    `identity` is "" where the member has left; `version` is its resourceVersion.
    """

    lease: ObjectKey
    identity: str
    version: str
    lasts_s: float


@dataclass(frozen=True, slots=True)
class _Seen:
    announced: MemberLease
    since: float
    """When the answer came that showed this version first."""


class Membership:
    """
    Decides which members are alive, from lists of the group's Leases.

    >>> key = ObjectKey("demo", "net-member-a")
    >>> membership = Membership()
    >>> membership.look([MemberLease(lease=key, identity="a", version="7", lasts_s=15)], asked_at=10, answered_at=11)
    >>> membership.look([MemberLease(lease=key, identity="a", version="7", lasts_s=15)], asked_at=26, answered_at=27)
    >>> membership.alive                                            # 26 is 15 s after 11
    frozenset({'a'})
    >>> membership.look([MemberLease(lease=key, identity="a", version="7", lasts_s=15)], asked_at=28, answered_at=29)
    >>> membership.alive
    frozenset()
    """

    def __init__(self) -> None:
        self._seen: dict[ObjectKey, _Seen] = {}
        self._asked_at = 0.0

    def look(self, announcements: Iterable[MemberLease], *, asked_at: float, answered_at: float) -> None:
        """Take in the members that a list showed: all of the group's."""
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
    def forgotten(self) -> frozenset[MemberLease]:
        """The Leases that can be removed, at the version that was seen."""
        return frozenset(
            seen.announced
            for seen in self._seen.values()
            if self._still_for_s(seen) > FORGOTTEN * seen.announced.lasts_s
        )

    def _still_for_s(self, seen: _Seen) -> float:
        return self._asked_at - seen.since


def shard_of(key: str, shards: int) -> int:
    """
    Return the shard of a key: 0 to `shards` - 1.

    >>> [shard_of(key, 16) for key in ("demo/a", "demo/b", "demo/c")]
    [7, 9, 13]
    """
    return int.from_bytes(_hash(key), "big") % shards


def plan(members: Collection[str], shards: int) -> dict[int, str]:
    """
    Assign each shard to a member; {} where there is no member.

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


GROUP_LABEL: Final = "ctrlkit.dev/sharding"
ROLE_LABEL: Final = "ctrlkit.dev/sharding-role"
SHARDS_ANNOTATION: Final = "ctrlkit.dev/shards"

_IDENTITY_CHARACTERS_MAX: Final = 120


class Role(StrEnum):
    """What a Lease of the group is for."""

    GROUP = "group"
    SHARD = "shard"
    MEMBER = "member"


@dataclass(frozen=True, slots=True)
class GroupView:
    """What one list of the group's Leases shows: its members, and the Lease of each shard that has one."""

    members: tuple[MemberLease, ...]
    shards: Mapping[int, Unstructured]


@dataclass(frozen=True, slots=True)
class Group:
    """
    The names, labels and contents of a group's Leases.

    >>> group = Group("greeter", "demo", 16)
    >>> str(group.of_shard(3)), str(group.of_member("web-0")), str(group.of_member("Web_0"))
    ('demo/greeter-shard-3', 'demo/greeter-member-web-0', 'demo/greeter-member-web-0-44c9b3ae')
    >>> Group("Greeter", "demo", 16)
    Traceback (most recent call last):
      ...
    ValueError: sharding 'Greeter': want a name of lower-case letters, digits and '-', at most 63, as labels ...

    Errors  ValueError for a name that is no DNS label, no namespace, or less than one shard.
    """

    name: str
    namespace: str
    shards: int

    def __post_init__(self) -> None:
        if not is_label(self.name):
            raise ValueError(
                f"sharding {self.name!r}: want a name of lower-case letters, digits and '-', at most 63, "
                "as labels and Leases allow no other"
            )
        if not self.namespace:
            raise ValueError(f"sharding {self.name}: the namespace of its Leases must not be empty")
        if self.shards < 1:
            raise ValueError(f"sharding {self.name}: shards must be at least 1, got {self.shards}")

    # ---- names -------------------------------------------------------------------------------------------------------

    @property
    def key(self) -> ObjectKey:
        """The Lease of the group itself."""
        return ObjectKey(self.namespace, f"{self.name}-shards")

    @property
    def selector(self) -> str:
        """The label selector that finds all Leases of the group."""
        return f"{GROUP_LABEL}={self.name}"

    def of_shard(self, shard: int) -> ObjectKey:
        """The Lease of a shard."""
        return ObjectKey(self.namespace, f"{self.name}-shard-{shard}")

    def of_member(self, identity: str) -> ObjectKey:
        """The Lease of a member; an identity that is no name is made one, with a hash of it at the end."""
        return ObjectKey(self.namespace, f"{self.name}-member-{_as_name(identity)}")

    def labels(self, role: Role) -> dict[str, str]:
        """The labels of a Lease of the group."""
        return {GROUP_LABEL: self.name, ROLE_LABEL: role.value}

    # ---- the group itself --------------------------------------------------------------------------------------------

    def lease(self) -> dict[str, Any]:
        """Make the Lease of the group itself, which the first replica creates."""
        metadata = {
            "namespace": self.namespace,
            "name": self.key.name,
            "labels": self.labels(Role.GROUP),
            "annotations": {SHARDS_ANNOTATION: str(self.shards)},
        }
        return {"metadata": metadata}

    def check(self, lease: Unstructured) -> None:
        """Raise ConfigError unless the group has as many shards as this process is configured for."""
        has = (lease.metadata.annotations or {}).get(SHARDS_ANNOTATION, "")
        if has != str(self.shards):
            raise ConfigError(
                f"join the group {self.name} with {self.shards} shards: it has {has or 'an unknown number of them'}, "
                "and keys would belong to two shards at once; use that number, or stop all replicas, delete the Lease "
                f"and start them with the new one [Lease {self.key}]"
            )

    # ---- reading -----------------------------------------------------------------------------------------------------

    def read(self, leases: Iterable[Unstructured], *, lasts_s: float) -> GroupView:
        """Read the Leases of a list; a Lease that names no duration lasts `lasts_s` seconds."""
        number_of = {self.of_shard(shard): shard for shard in range(self.shards)}
        members: list[MemberLease] = []
        shards: dict[int, Unstructured] = {}
        for lease in leases:
            if lease.key in number_of:
                shards[number_of[lease.key]] = lease
            elif (lease.metadata.labels or {}).get(ROLE_LABEL) == Role.MEMBER:
                record = LeaseRecord.of(lease)
                members.append(
                    MemberLease(
                        lease=lease.key,
                        identity=record.holder,
                        version=lease.metadata.resource_version,
                        lasts_s=record.duration_s or lasts_s,
                    )
                )
        return GroupView(tuple(members), shards)


def _as_name(identity: str) -> str:
    if is_subdomain(identity) and len(identity) <= _IDENTITY_CHARACTERS_MAX:
        return identity
    bent = re.sub(r"[^a-z0-9]+", "-", identity.lower())[:_IDENTITY_CHARACTERS_MAX].strip("-")
    digest = blake2b(identity.encode(), digest_size=4).hexdigest()
    return f"{bent}-{digest}" if bent else digest
