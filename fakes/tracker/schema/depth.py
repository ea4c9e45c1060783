"""
Deeply nested documents: how deep they may be, and how to work on them without a RecursionError.

A real server reads 10,000 levels of objects and arrays, and refuses more. Python's own limit is 1,000 calls, which the
decoder and every comparison count against. So work that may meet a deep document is passed to `deeply`: it is done as
usual, and if that ends in a RecursionError it is done again on a stack that is deep enough.
"""

from __future__ import annotations

import asyncio
import contextvars
import re
import sys
import threading
from collections.abc import Callable
from typing import Any, TypeVar, TypeVarTuple

import msgspec

from ctrlkit.model import to_plain

LEVELS_MAX = 10_000
"""How many levels of objects and arrays a server reads."""

_STACK_BYTES = 512 * 1024 * 1024  # reserved, not used: what is touched counts
_CALLS_MAX = 16 * LEVELS_MAX
_TEXTS = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_STEPS = {ord(bracket): 1 if bracket in "{[" else -1 for bracket in "{[]}"}
_OTHERS = bytes(byte for byte in range(256) if chr(byte) not in "{}[]")
_turn = threading.Lock()
_here = threading.local()

T = TypeVar("T")
Arguments = TypeVarTuple("Arguments")


class TooDeep(ValueError):
    """A document has more than `LEVELS_MAX` levels."""

    def __init__(self, bracket: str = "{") -> None:
        super().__init__(f"invalid character '{bracket}' exceeded max depth")


def check_levels(document: bytes, most: int = LEVELS_MAX) -> None:
    """
    Refuse a JSON text with more levels than a server reads, or than `most`.

    >>> check_levels(b"[" * 10_000)
    >>> check_levels(b"[" * 10_001)
    Traceback (most recent call last):
      ...
    ctrlkit.fakes.tracker.schema.depth.TooDeep: invalid character '[' exceeded max depth

    Errors  TooDeep.
    """
    if len(document) <= most or document.count(b"{") + document.count(b"[") <= most:
        return
    level = 0
    for bracket in _TEXTS.sub(b"", document).translate(None, _OTHERS):
        level += _STEPS[bracket]
        if level > most:
            raise TooDeep(chr(bracket))


def deeply(work: Callable[[*Arguments], T], *arguments: *Arguments) -> T:
    """
    Do `work`, on a deep stack if the usual one does not suffice; it must leave no trace when it raises.

    >>> text = b"[" * 9_000 + b"]" * 9_000
    >>> deeply(lambda: msgspec.json.encode(msgspec.json.decode(text))) == text
    True

    Errors  TooDeep where no stack of this interpreter suffices (CPython 3.12 and 3.13 have limits of their own, below
            `LEVELS_MAX`); whatever `work` raises.
    """
    try:
        return work(*arguments)
    except RecursionError:
        pass  # handled below, so that what is raised there does not carry a thousand frames along
    return _on_deep_stack(lambda: work(*arguments))


def decode(document: bytes) -> Any:
    """Decode a JSON text of any depth."""
    return deeply(msgspec.json.decode, document)


def encode(value: object) -> bytes:
    """Encode a value of any depth."""
    return deeply(msgspec.json.encode, value)


def may_have_null(document: bytes) -> bool:
    """
    Whether an encoded text may have a null, which also stands for a number that is none.

    >>> may_have_null(encode({"a": float("nan")})), may_have_null(encode({"nullable": "null"}))
    (True, False)
    """
    return b":null" in document or b"[null" in document or b",null" in document or document == b"null"


def plain_copy(body: object) -> Any:
    """Return `to_plain` of a body: by way of JSON where that comes to the same, as definitions are large."""
    try:
        text = msgspec.json.encode(body)
    except (TypeError, ValueError, OverflowError):
        return to_plain(body)
    return to_plain(body) if may_have_null(text) else msgspec.json.decode(text)


def _on_deep_stack(work: Callable[[], T]) -> T:
    """Do `work` in another thread, with this one's context and event loop, while this one waits."""
    if getattr(_here, "is_deep", False):
        raise TooDeep
    outcome: list[T] = []
    problem: list[BaseException] = []
    loop = asyncio._get_running_loop()
    context = contextvars.copy_context()

    def run() -> None:
        _here.is_deep = True
        asyncio._set_running_loop(loop)
        try:
            outcome.append(context.run(work))
        except BaseException as error:  # noqa: BLE001 - raised in the thread that waits
            problem.append(error)
        finally:
            asyncio._set_running_loop(None)

    with _turn:
        stack_bytes, calls = threading.stack_size(_STACK_BYTES), sys.getrecursionlimit()
        try:
            sys.setrecursionlimit(max(calls, _CALLS_MAX))
            thread = threading.Thread(target=run, name="deep document")
            thread.start()
            threading.stack_size(stack_bytes)
            thread.join()
        finally:
            threading.stack_size(stack_bytes)
            sys.setrecursionlimit(calls)
    if not problem:
        return outcome[0]
    if isinstance(problem[0], RecursionError):
        raise TooDeep from None
    raise problem[0]
