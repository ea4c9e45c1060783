"""When a container that ended starts again. Pure: the kubelet counts, this says what the counts mean."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class RestartPolicy(Enum):
    """A pod's restartPolicy."""

    ALWAYS = "Always"
    ON_FAILURE = "OnFailure"
    NEVER = "Never"

    def restarts(self, exit_code: int) -> bool:
        """Whether a container that ended with this code starts again."""
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
    How long a container waits after its n-th end in a row: not at all, then `base_s`, then twice that, up to `cap_s`.

    >>> backoff = CrashBackoff()
    >>> [backoff.delay_s(crashes) for crashes in range(1, 8)]
    [0.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0]
    >>> backoff.count(6, ran_s=601), backoff.count(6, ran_s=3)
    (1, 7)

    Units   Seconds. A container that ran for `reset_after_s` begins a new row.
    Source  The kubelet's numbers.
    """

    base_s: float = 10.0
    cap_s: float = 300.0
    reset_after_s: float = 600.0

    def count(self, crashes: int, *, ran_s: float) -> int:
        """How many ends in a row there are, with one more after `ran_s` seconds of running."""
        return 1 if ran_s >= self.reset_after_s else crashes + 1

    def delay_s(self, crashes: int) -> float:
        """How long to wait after the last of so many ends."""
        if crashes <= 1:
            return 0.0
        doublings = min(crashes - 2, 64)  # beyond, any cap is reached, and floats would end
        return min(self.cap_s, self.base_s * 2.0**doublings)
