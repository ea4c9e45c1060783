"""
Keep secrets out of what is shown: text without a repr, and exceptions without the frames that they come from.

Where requests are made, local variables hold what is sent: tokens, passwords of proxies, bodies. Some formatters of
tracebacks show local variables, and it is not for this package to say which formatter a program has.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import TracebackType
from typing import Final, Self, SupportsIndex


class Secret(str):
    """
    A string whose repr does not show it, whoever formats a traceback with its local variables.

    >>> Secret("s3cret")
    <secret>
    >>> [Secret("s3cret")[:3]], f"Bearer {Secret('s3cret')}"
    ([<secret>], 'Bearer s3cret')

    Parts are secret too: formatters cut long values before they show them. What is made of it otherwise, such as the
    f-string above, is plain text: wrap it again.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return "<secret>"

    def __getitem__(self, index: SupportsIndex | slice) -> Secret:
        return Secret(super().__getitem__(index))


class Pem(Secret):
    """Certificates and keys in PEM form; inline in a kubeconfig they are base64 of it."""

    __slots__ = ()


NO_SECRET: Final = Secret()
NO_PEM: Final = Pem()


class Sealed:
    """
    A block whose exceptions leave without the frames inside it, causes and contexts included.

        with Sealed():
            await session.request(...)

    What was handled already when the block began is left as it is.
    """

    def __enter__(self) -> Self:
        self._outer = sys.exception()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for found in _chain(error, self._outer):
            found.__traceback__ = None
            if found.__context__ is not found.__cause__:
                _forget_context(found, self._outer)
        self._outer = None


def _forget_context(error: BaseException, outer: BaseException | None) -> None:
    """Leave an exception its cause, and what was handled outside; what it came from else may hold anything."""
    suppressed = error.__suppress_context__
    error.__context__ = outer if error is not outer else None
    error.__suppress_context__ = suppressed


def _chain(error: BaseException | None, outer: BaseException | None) -> Iterator[BaseException]:
    """An exception with its causes, contexts and parts, up to what was handled outside."""
    seen: set[int] = {id(outer)}
    left = [error]
    while left:
        found = left.pop()
        if found is None or id(found) in seen:
            continue
        seen.add(id(found))
        left += [found.__cause__, found.__context__]
        if isinstance(found, BaseExceptionGroup):
            left += found.exceptions
        yield found
