"""The function of expressions that make JSON patches."""

from __future__ import annotations

from ctrlkit.fakes.tracker.cel.functions import by_first, overload

FUNCTIONS = frozenset({"jsonpatch.escapeKey"})
"""What only expressions that make patches may call."""


@overload("string_jsonpatch_escapeKey_string", "jsonpatch.escapeKey(string) string", by_first)
def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")
