"""Hashes for names and labels, in letters that form no words. Pure."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping
from typing import Any

_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
_FNV_START = 2166136261
_FNV_PRIME = 16777619
_LONG_FNV_START = 0x6C62272E07BB014262B821756295C58D
_LONG_FNV_PRIME = 2**88 + 0x13B


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


@functools.lru_cache(maxsize=4096)
def order_hash(text: str) -> int:
    """
    Return the 128-bit FNV-1a hash of a text, by which controllers put things in order that have none.

    >>> f"{order_hash('a'):x}"
    'd228cb696f1a8caf78912b704e4a8964'
    """
    value = _LONG_FNV_START
    for byte in text.encode():
        value = (value ^ byte) * _LONG_FNV_PRIME % 2**128
    return value
