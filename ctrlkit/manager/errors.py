"""How the run of a manager may end badly, beside what its parts fail of."""

from __future__ import annotations

from ctrlkit.errors import CtrlkitError


class GraceExceeded(CtrlkitError):
    """Reconciles had to be cut off because they did not end within the grace period."""


class StillRunning(CtrlkitError):
    """
    What was cut off for a lost lease has not ended, and the lease may be another's by now: only the end of the process
    keeps it from acting. `stop_on_signals` sees to that.
    """
