"""Hashes for names and labels, in letters that form no words. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
_FNV_START = 2166136261
_FNV_PRIME = 16777619


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


def number_hash(content: bytes) -> str:
    """
    Return the 32-bit FNV-1 hash of bytes, each digit as a letter.

    >>> number_hash(b"")
    '65bb57b6b5'
    """
    value = _FNV_START
    for byte in content:
        value = value * _FNV_PRIME % 2**32 ^ byte
    return "".join(_LETTERS[ord(digit) % len(_LETTERS)] for digit in str(value))
