"""Hashes for names and labels, as controllers compute them, in letters that form no words. Pure."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from ctrlkit.fakes.cluster.loops.template_text import template_text

_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
_FNV_START = 2166136261
_FNV_PRIME = 16777619
_LONG_FNV_START = 0x6C62272E07BB014262B821756295C58D
_LONG_FNV_PRIME = 2**88 + 0x13B


def template_hash(template: Mapping[str, Any], collisions: int | None = None) -> str:
    """
    Return the hash of a pod template; with `collisions`, another.

    >>> template_hash({"spec": {}}) == template_hash({"spec": {}}) != template_hash({"spec": {}}, 1)
    True
    """
    suffix = b"" if collisions is None else collisions.to_bytes(8, "little")
    return _in_letters(_fnv_1a(template_text(template).encode() + suffix))


@functools.lru_cache(maxsize=256)
def _fnv_1a(content: bytes) -> int:
    value, prime = _FNV_START, _FNV_PRIME
    for byte in content:
        value = (value ^ byte) * prime & 0xFFFFFFFF
    return value


@functools.lru_cache(maxsize=256)
def content_hash(content: bytes) -> str:
    """
    Return the hash of the data of a ControllerRevision.

    >>> content_hash(b"")
    '65bb57b6b5'
    """
    value = _FNV_START  # the variant FNV-1
    for byte in content:
        value = (value * _FNV_PRIME & 0xFFFFFFFF) ^ byte
    return _in_letters(value)


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


def _in_letters(number: int) -> str:
    """Return a letter for each digit of a number."""
    return "".join(_LETTERS[ord(digit) % len(_LETTERS)] for digit in str(number))
