"""What all typed kinds have in common."""

from __future__ import annotations

import msgspec

from ctrlkit.model.read_only import show_read_only

__all__ = ["TypedKind", "show_read_only"]


class TypedKind(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True, gc=False):
    """
    A part of an object of a built-in kind, with all fields of the newest release.

    Shape   Immutable: lists are tuples, mappings are read-only views. What is empty is not sent. A field that a server
            has and this release does not know is skipped when an object is read, and untouched by patches and applies.
    """
