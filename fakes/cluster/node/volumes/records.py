"""What a kubelet remembers of the volumes of a pod: how far each is, when it is due, which tokens it has. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

from ctrlkit.fakes.cluster.node.environment import SourceKind
from ctrlkit.fakes.cluster.node.volumes.sources import TokenWish
from ctrlkit.model import ObjectKey, Unstructured

Plain: TypeAlias = Mapping[str, Any]

SYNC_S = 60.0
"""How often a kubelet looks at a pod to which nothing happens."""

_FIRST_S, _LONGEST_S = 0.5, 122.0


def mount_delay_s(failures: int) -> float:
    """
    Return the delay after so many failures to mount a volume.

    >>> [mount_delay_s(failures) for failures in range(1, 11)]
    [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 122.0, 122.0]
    """
    return min(_FIRST_S * 2.0 ** min(failures - 1, 16), _LONGEST_S)


@dataclass(slots=True)
class Mounting:
    """How far one volume of a pod is; `due_at` is when it is tried again after a failure."""

    is_mounted: bool = False
    failures: int = 0
    due_at: float = 0.0
    persistent: str = ""
    is_unattached: bool = False
    is_read_only: bool = False


@dataclass(frozen=True, slots=True)
class Token:
    """A token of a pod; `renew_at` is on the loop's clock."""

    text: str = field(repr=False)
    renew_at: float
    expires_at: datetime


@dataclass(slots=True)
class PodRecord:
    """The volumes of a pod on its node; `synced_at` is when it was looked at last, on the loop's clock."""

    key: ObjectKey
    node: str
    facts: tuple[Plain | None, Plain | None]
    volumes: dict[str, Mounting]
    synced_at: float
    stale_at: float | None = None
    """When its files are to be renewed after a change of what they are made of; None if nothing has changed."""
    sizes_at: float | None = None
    """When its volumes are to be measured, as one has held too much; None if none has."""
    sources: dict[tuple[SourceKind, str], str] = field(default_factory=dict)
    """The resource versions of what its files are made of; "" for what was not there."""
    immutable: dict[tuple[SourceKind, str], Plain] = field(default_factory=dict)
    tokens: dict[TokenWish, Token] = field(default_factory=dict)

    def volume(self, name: str) -> Mounting:
        """Return what is known of a volume; one that an ephemeral container is the first to mount is new."""
        return self.volumes.setdefault(name, Mounting())

    @property
    def is_mounted(self) -> bool:
        return all(one.is_mounted for one in self.volumes.values())

    def next_sync(self, now: float) -> float:
        """Return the end of the minute that it is in."""
        return self.synced_at + SYNC_S * ((now - self.synced_at) // SYNC_S + 1)

    def due_at(self) -> float | None:
        """Return when its files are to be renewed; None if nothing asks for it."""
        moments = [token.renew_at for token in self.tokens.values()]
        failed = [one.due_at for one in self.volumes.values() if one.failures]
        moments += [min(failed)] if failed else [] if self.stale_at is None else [self.stale_at]
        return min(moments, default=None)


def facts_of(pod: Unstructured) -> tuple[Plain | None, Plain | None]:
    return pod.metadata.labels, pod.metadata.annotations
