"""Choices a caller makes about a write, as enums."""

from __future__ import annotations

from enum import Enum


class DryRun(Enum):
    """Whether a write is carried out, or only checked and answered as if it were."""

    NO = "no"
    ALL = "All"


class Propagation(Enum):
    """What becomes of the objects that an object owns when it is deleted."""

    BACKGROUND = "Background"
    FOREGROUND = "Foreground"
    ORPHAN = "Orphan"
