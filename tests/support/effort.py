"""How much a test tries where more is always better: some in `make test`, all of it in `make test-all`."""

from __future__ import annotations

from typing import Final

from hypothesis import settings

THOROUGH: Final = "thorough"
"""The hypothesis profile of `make test-all`."""


def tries(some: int, *, thorough: int) -> int:
    """So many examples, moments or rounds: `some` where somebody waits for the outcome."""
    return thorough if settings.get_current_profile_name() == THOROUGH else some
