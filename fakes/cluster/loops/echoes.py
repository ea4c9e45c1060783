"""What a loop wrote itself comes back through its watch, and need not lead to a reconcile."""

from __future__ import annotations

from typing import Any

from ctrlkit.cache import Change
from ctrlkit.model import ObjectKey, Unstructured, is_newer


class Echoes:
    """
    Knows the versions that a loop has written, for a loop that has nothing to do when it sees them.

    Shape   `wrote` is told of each answer to a write; `is_new`, a predicate for a Watch, is false of a change to just
            that version. A later change by somebody else has another version.
    """

    def __init__(self) -> None:
        self._versions: dict[ObjectKey, list[str]] = {}  # in the order of the writes

    def wrote(self, answer: Unstructured) -> None:
        """Note what the server made of an object that was written."""
        self._versions.setdefault(answer.key, []).append(answer["metadata"]["resourceVersion"])

    def is_new(self, change: Change[Any]) -> bool:
        """Whether a change tells of anything but a write here."""
        versions = self._versions.pop(change.key, None)
        if versions is None or change.new is None:
            return True
        seen = change.new.version
        later = [version for version in versions if is_newer(version, than=seen)]
        if later:
            self._versions[change.key] = later
        return seen not in versions
