"""Failures of a controller's calls: those that need no second try, and those that may last for ever."""

from __future__ import annotations

from dataclasses import dataclass, field

from ctrlkit.controller import RequeueAfter
from ctrlkit.errors import ApiError
from ctrlkit.model import ObjectKey


def is_namespace_ending(error: ApiError) -> bool:
    """Whether nothing can be made because the namespace is being deleted."""
    return any(cause.get("reason") == "NamespaceTerminating" for cause in error.details.get("causes") or ())


@dataclass(frozen=True, slots=True)
class Refusals:
    """
    When what a quota or a policy refuses is tried again: after `first_s`, and then twice as long each time, up to
    `most_s`; without them as most controllers do.

    It is no failure to a World that settles: a refusal may last for ever, and is told in Events and conditions.

    >>> refusals = Refusals()
    >>> refusals.again(ObjectKey("demo", "web")), refusals.again(ObjectKey("demo", "web"))
    (RequeueAfter(delay_s=0.005), RequeueAfter(delay_s=0.01))
    """

    first_s: float = 0.005
    most_s: float = 1000.0
    _counts: dict[ObjectKey, int] = field(default_factory=dict, init=False)

    def again(self, key: ObjectKey) -> RequeueAfter:
        """Take note of one more refusal."""
        count = self._counts.get(key, 0)
        self._counts[key] = count + 1
        return RequeueAfter(min(self.first_s * 2.0 ** min(count, 64), self.most_s))

    def forget(self, key: ObjectKey) -> None:
        """Begin anew with a key."""
        self._counts.pop(key, None)
