"""What a server says of a definition when it is made: the entry point behind ctrlkit.crd.check_definition."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ctrlkit.errors import ApiError
from ctrlkit.fakes import FakeClientset


def refusals(definition: Mapping[str, Any]) -> list[str]:
    """Return what a server says against a definition: of each field that it refuses, or all of it."""
    try:
        FakeClientset(None, dict(definition))
    except ApiError as error:
        causes = error.details.get("causes") or ()
        return [f"{one.get('field')}: {one.get('message')}" for one in causes] or [str(error)]
    return []
