"""How the run of a manager may end badly, beside what its parts fail of."""

from __future__ import annotations

from collections.abc import Collection

from ctrlkit.errors import CtrlkitError


class GraceExceeded(CtrlkitError):
    """Reconciles had to be cut off because they did not end within the grace period."""

    def __init__(self, cut_off: Collection[str], *, grace_s: float) -> None:
        super().__init__(
            f"stop the manager: {len(cut_off)} reconciles had not ended after {grace_s:g} s and were cut off; make "
            f"them shorter or the grace period longer [{', '.join(cut_off)}]"
        )


class StillRunning(CtrlkitError):
    """
    What was cut off for a lost lease has not ended, and the lease may be another's by now: only the end of the process
    keeps it from acting. `stop_on_signals` sees to that.
    """

    def __init__(self, what: Collection[str]) -> None:
        super().__init__(
            f"stop after a lost lease: {len(what)} reconciles go on although they were cut off, and the lease may be "
            f"another's now; end the process, and have them end when they are cancelled [{', '.join(what)}]"
        )
