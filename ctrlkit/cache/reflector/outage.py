"""
From the first failure of a list or a watch to the watch that is accepted again. Pure: it is told the time.

The text of a failure is loud when it is new, and again about every half minute; in between it is only counted.
"""

from __future__ import annotations

LOUD_EVERY_S = 30.0


class Outage:
    """
    The failures in a row of one collection.

    >>> outage = Outage()
    >>> [outage.failed("refused", now) for now in (0.0, 1.0, 29.0, 30.0)], outage.failed("cut", 31.0)
    ([True, False, False, True], True)
    >>> outage.attempts, outage.end(40.0), outage.end(41.0), outage.attempts, outage.failures
    (5, 40.0, None, 0, 5)

    Shape   `attempts` are the failures in a row, `failures` all there ever were.
    Units   Seconds on the loop's clock.
    """

    def __init__(self) -> None:
        self.attempts = 0
        self.failures = 0
        self._began_at = 0.0
        self._told = ""
        self._told_at = 0.0

    def failed(self, text: str, now: float) -> bool:
        """One more failure; whether to tell of it loudly."""
        if not self.attempts:
            self._began_at = now
        loud = not self.attempts or text != self._told or now - self._told_at >= LOUD_EVERY_S
        self.attempts += 1
        self.failures += 1
        if loud:
            self._told, self._told_at = text, now
        return loud

    def end(self, now: float) -> float | None:
        """It works: how long it did not, or None where nothing had failed."""
        if not self.attempts:
            return None
        self.attempts = 0
        return now - self._began_at
