"""Errors of the walk-through; each message is one line that names the next step."""

from __future__ import annotations

from ctrlkit.errors import CtrlkitError
from ctrlkit.exits import BAD_ARGUMENTS


class BadArgument(CtrlkitError):
    """What was named on the command line, or in the environment, cannot be used."""

    exit_status = BAD_ARGUMENTS


class NoBitcoind(CtrlkitError):
    """Real nodes were asked for, and there is no bitcoind."""


class StepFailed(CtrlkitError):
    """Something that must not be was seen; waiting would not help."""


class NotRemoved(CtrlkitError):
    """Something that the walk-through made is still on the server."""
