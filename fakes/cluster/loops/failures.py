"""Failures of a controller's calls that need no second try."""

from __future__ import annotations

from ctrlkit.errors import ApiError


def is_namespace_ending(error: ApiError) -> bool:
    """Whether nothing can be made because the namespace is being deleted."""
    return any(cause.get("reason") == "NamespaceTerminating" for cause in error.details.get("causes") or ())
