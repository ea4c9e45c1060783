"""Warnings that the server sends besides its answer, in `Warning` headers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple


class _Notices(NamedTuple):
    told: list[str]
    withheld: list[str]


_notices: ContextVar[_Notices | None] = ContextVar("ctrlkit_notices", default=None)


def notice(text: str) -> None:
    """Add a warning to the answer, once, if somebody collects them."""
    notices = _notices.get()
    if notices is not None and text not in notices.told:
        notices.told.append(text)


def is_noticed() -> bool:
    """Whether somebody collects warnings."""
    return _notices.get() is not None


def notice_if_read(text: str) -> None:
    """Do the same once the body has been read; an answer that it does not fit its type has no such warning."""
    notices = _notices.get()
    if notices is not None:
        notices.withheld.append(text)


def body_was_read() -> None:
    """Add the warnings that waited for this."""
    notices = _notices.get()
    if notices is not None and notices.withheld:
        for text in notices.withheld:
            notice(text)
        notices.withheld.clear()


@contextmanager
def noticed() -> Iterator[list[str]]:
    """
    Collect the warnings that are given in this block and task.

    >>> with noticed() as texts:
    ...     notice_if_read('duplicate field "data.a"')
    ...     notice('unknown field "bogus"')
    >>> texts
    ['unknown field "bogus"', 'duplicate field "data.a"']
    """
    notices = _Notices([], [])
    token = _notices.set(notices)
    try:
        yield notices.told
        body_was_read()
    finally:
        _notices.reset(token)
