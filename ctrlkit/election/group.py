"""
What a group of replicas has on the server: the names and labels of its Leases, and how a list of them reads.

    NAME-shards             the group itself: annotated with the number of shards, which must be one for all
    NAME-shard-3            a shard: its holder, and nobody else, acts on its keys
    NAME-member-IDENTITY    a replica: alive as long as it changes

All carry the label `ctrlkit.dev/sharding: NAME`, so one selector finds them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b
from typing import Any, Final

from ctrlkit.election.membership import Announcement
from ctrlkit.election.record import LeaseRecord
from ctrlkit.errors import ConfigError
from ctrlkit.model import ObjectKey, Unstructured

GROUP_LABEL: Final = "ctrlkit.dev/sharding"
ROLE_LABEL: Final = "ctrlkit.dev/sharding-role"
SHARDS_ANNOTATION: Final = "ctrlkit.dev/shards"

_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_SUBDOMAIN: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_IDENTITY_CHARACTERS_MAX: Final = 120


class Role(StrEnum):
    """What a Lease of the group is for."""

    GROUP = "group"
    SHARD = "shard"
    MEMBER = "member"


@dataclass(frozen=True, slots=True)
class Sight:
    """What one list of the group's Leases shows: its members, and the Lease of each shard that has one."""

    members: tuple[Announcement, ...]
    shards: Mapping[int, Unstructured]


@dataclass(frozen=True, slots=True)
class Group:
    """
    Where the Leases of a group are.

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
        if not _NAME.fullmatch(self.name):
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
        """The Lease of a member; an identity that cannot stand in a name is bent, and told apart by a hash of it."""
        return ObjectKey(self.namespace, f"{self.name}-member-{_as_name(identity)}")

    def labels(self, role: Role) -> dict[str, str]:
        """The labels of a Lease of the group."""
        return {GROUP_LABEL: self.name, ROLE_LABEL: role.value}

    # ---- the group itself --------------------------------------------------------------------------------------------

    def lease(self) -> dict[str, Any]:
        """The Lease of the group itself, as whoever comes first makes it."""
        metadata = {
            "namespace": self.namespace,
            "name": self.key.name,
            "labels": self.labels(Role.GROUP),
            "annotations": {SHARDS_ANNOTATION: str(self.shards)},
        }
        return {"metadata": metadata}

    def check(self, lease: Unstructured) -> None:
        """ConfigError unless the group has as many shards as this process has been told."""
        has = (lease.metadata.annotations or {}).get(SHARDS_ANNOTATION, "")
        if has != str(self.shards):
            raise ConfigError(
                f"join the group {self.name} with {self.shards} shards: it has {has or 'an unknown number of them'}, "
                "and keys would belong to two shards at once; use that number, or stop all replicas, delete the Lease "
                f"and start them with the new one [Lease {self.key}]"
            )

    # ---- reading -----------------------------------------------------------------------------------------------------

    def read(self, leases: Iterable[Unstructured], *, lasts_s: float) -> Sight:
        """What a list shows; a Lease that names no duration lasts `lasts_s` seconds."""
        number_of = {self.of_shard(shard): shard for shard in range(self.shards)}
        members: list[Announcement] = []
        shards: dict[int, Unstructured] = {}
        for lease in leases:
            if lease.key in number_of:
                shards[number_of[lease.key]] = lease
            elif (lease.metadata.labels or {}).get(ROLE_LABEL) == Role.MEMBER:
                record = LeaseRecord.of(lease)
                members.append(
                    Announcement(
                        lease=lease.key,
                        identity=record.holder,
                        version=lease.metadata.resource_version,
                        lasts_s=record.duration_s or lasts_s,
                    )
                )
        return Sight(tuple(members), shards)


def _as_name(identity: str) -> str:
    if _SUBDOMAIN.fullmatch(identity) and len(identity) <= _IDENTITY_CHARACTERS_MAX:
        return identity
    bent = re.sub(r"[^a-z0-9]+", "-", identity.lower())[:_IDENTITY_CHARACTERS_MAX].strip("-")
    digest = blake2b(identity.encode(), digest_size=4).hexdigest()
    return f"{bent}-{digest}" if bent else digest
