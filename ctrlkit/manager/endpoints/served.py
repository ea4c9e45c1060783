"""What the endpoints ask of a manager."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ctrlkit.cache import Informer
    from ctrlkit.client import Client
    from ctrlkit.controller import Controller
    from ctrlkit.election import Elector, Sharding
    from ctrlkit.events import EventRecorder
    from ctrlkit.manager.endpoints.health import Checks


class Served(Protocol):
    """A Manager, as the endpoints see it: what it runs at the moment of each question."""

    @property
    def client(self) -> Client:
        """What all calls go through."""
        ...

    @property
    def informers(self) -> tuple[Informer[Any], ...]:
        """All informers there are now."""
        ...

    @property
    def controllers(self) -> tuple[Controller, ...]:
        """All controllers there are now."""
        ...

    @property
    def recorders(self) -> tuple[EventRecorder, ...]:
        """All recorders there are now."""
        ...

    @property
    def elector(self) -> Elector | None:
        """What holds the lease, where there is one."""
        ...

    @property
    def sharding(self) -> Sharding | None:
        """What shares the keys between replicas, where something does."""
        ...

    @property
    def settings(self) -> Mapping[str, object]:
        """What was set, without secrets."""
        ...

    @property
    def checks(self) -> Checks:
        """The checks that were added to it."""
        ...


def electors_of(manager: Served) -> Sequence[Elector]:
    """All candidates of a replica: the one that leads, or those for its shards."""
    if manager.sharding is not None:
        return manager.sharding.electors
    return () if manager.elector is None else (manager.elector,)
