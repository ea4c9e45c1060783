"""The embedded API server: HTTP in front of an object tracker, enough of it for kubectl."""

from __future__ import annotations

from fakes.apiserver.access import Security
from fakes.apiserver.server import ApiServer, PortTaken

__all__ = ["ApiServer", "PortTaken", "Security"]
