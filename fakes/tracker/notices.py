"""Warnings that the server sends besides its answer, in `Warning` headers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_texts: ContextVar[list[str] | None] = ContextVar("ctrlkit_notices", default=None)


def notice(text: str) -> None:
    """Add a warning to the answer, once, if somebody collects them."""
    texts = _texts.get()
    if texts is not None and text not in texts:
        texts.append(text)


@contextmanager
def noticed() -> Iterator[list[str]]:
    """
    Collect the warnings that are given in this block and task.

    >>> with noticed() as texts:
    ...     notice('unknown field "bogus"')
    >>> texts
    ['unknown field "bogus"']
    """
    texts: list[str] = []
    token = _texts.set(texts)
    try:
        yield texts
    finally:
        _texts.reset(token)
