"""The back-off and the times of a reflector, as one value."""

from __future__ import annotations

from dataclasses import dataclass

from ctrlkit.backoff import Backoff

BACKOFF = Backoff(base_s=0.8, factor=2.0, cap_s=30.0)
WATCH_TIMEOUT_S = (300, 600)
HEALTHY_AFTER_S = 30.0
MARKER_PATIENCE_S = 5.0
"""
From the opening of the stream, or its last new object. Servers that stream lists send the end marker at once; to give
up on one that would have sent it costs no more than pages, until streams are asked for again.
"""
SILENCE_S = 180.0
END_GRACE_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReflectorOptions:
    """
    How reflectors wait. The defaults suit API servers; docs/operating.md explains each number.

    >>> ReflectorOptions(backoff=Backoff(cap_s=5.0), watch_timeout_s=(60, 120)).silence_s
    180.0

    `backoff` is the wait before the next list or watch after a failure; it starts over once a watch has lived for
    `healthy_after_s`. A watch asks the server to end it after a random time within `watch_timeout_s`. A streamed list
    is given up when neither an object nor its end marker came for `marker_patience_s`. A watch is given up after
    `silence_s` without a line from a server that sends bookmarks, and from any server `end_grace_s` after the time at
    which it should have ended.

    Units   Seconds.
    Errors  ValueError for times that are not positive, and for a range that ends before it begins.
    """

    backoff: Backoff = BACKOFF
    watch_timeout_s: tuple[int, int] = WATCH_TIMEOUT_S
    healthy_after_s: float = HEALTHY_AFTER_S
    marker_patience_s: float = MARKER_PATIENCE_S
    silence_s: float = SILENCE_S
    end_grace_s: float = END_GRACE_S

    def __post_init__(self) -> None:
        least, most = self.watch_timeout_s
        times = (least, self.healthy_after_s, self.marker_patience_s, self.silence_s, self.end_grace_s)
        if not all(time > 0 for time in times) or least > most:
            raise ValueError(f"ReflectorOptions: times must be more than 0, and a range must not be empty; got {self}")


DEFAULT_OPTIONS = ReflectorOptions()
