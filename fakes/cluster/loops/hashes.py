"""Hashes for names and labels, in letters that form no words. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

_LETTERS = "bcdfghjklmnpqrstvwxz2456789"


def template_hash(template: Mapping[str, Any], collisions: int | None = None) -> str:
    """
    Return ten letters that equal templates have in common; with `collisions`, others.

    >>> template_hash({"spec": {}}) == template_hash({"spec": {}}) != template_hash({"spec": {}}, 1)
    True
    """
    return json_hash([template, collisions])


def json_hash(value: Any) -> str:
    """Return ten letters that equal JSON values have in common."""
    content = json.dumps(value, sort_keys=True).encode()
    return "".join(_LETTERS[byte % len(_LETTERS)] for byte in hashlib.sha256(content).digest()[:10])
