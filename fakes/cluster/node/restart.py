"""When a container that ended is started again. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class RestartPolicy(Enum):
    """A pod's spec.restartPolicy."""

    ALWAYS = "Always"
    ON_FAILURE = "OnFailure"
    NEVER = "Never"

    def restarts(self, exit_code: int) -> bool:
        """Whether a container that ended with this exit code is started again."""
        match self:
            case RestartPolicy.ALWAYS:
                return True
            case RestartPolicy.ON_FAILURE:
                return exit_code != 0
            case RestartPolicy.NEVER:
                return False


@dataclass(frozen=True, slots=True, kw_only=True)
class CrashBackoff:
    """
    The delay before a restart: none after the first crash, then `base_s`, doubling up to `cap_s`.

    >>> backoff = CrashBackoff()
    >>> [backoff.delay_s(crashes) for crashes in range(1, 8)]
    [0.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0]
    >>> backoff.count(6, ran_s=601), backoff.count(6, ran_s=3)
    (1, 7)

    A container that ran for `reset_after_s` starts over. The defaults are the kubelet's.
    """

    base_s: float = 10.0
    cap_s: float = 300.0
    reset_after_s: float = 600.0

    def count(self, crashes: int, *, ran_s: float) -> int:
        """Return the number of crashes in a row after one more, which followed `ran_s` seconds of running."""
        return 1 if ran_s >= self.reset_after_s else crashes + 1

    def delay_s(self, crashes: int) -> float:
        """Return the delay after so many crashes in a row."""
        if crashes <= 1:
            return 0.0
        doublings = min(crashes - 2, 64)  # beyond, any cap is reached, and floats would end
        return min(self.cap_s, self.base_s * 2.0**doublings)
