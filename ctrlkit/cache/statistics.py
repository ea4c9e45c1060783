"""What an operator asks of a mirror that seems to stand still."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ctrlkit.cache.fanout import HandlerStatistics
from ctrlkit.cache.reflector.reflector import ReflectorStatistics


@dataclass(frozen=True, slots=True, kw_only=True)
class InformerStatistics:
    """
    A picture of one informer.

    Shape   `reflectors` by scope: a namespace, or "" for everything. `quarantined` are the objects that are stored but
            cannot be used, by key, and why. `version` is what all scopes have reached. `index_failures` counts objects
            that an index function could not take, `dropped` changes that removed handlers did not see.
    Units   `last_event_age_s`: seconds since the scope was told anything that has heard nothing for longest; None while
            one has not heard anything yet.
    """

    name: str
    synced: bool
    objects: int
    version: str
    last_event_age_s: float | None
    reflectors: Mapping[str, ReflectorStatistics]
    handlers: tuple[HandlerStatistics, ...]
    quarantined: Mapping[str, str]
    index_failures: int
    dropped: int

    @property
    def handler_depths(self) -> Mapping[str, int]:
        """How many changes each handler has yet to see."""
        return {handler.name: handler.depth for handler in self.handlers}
