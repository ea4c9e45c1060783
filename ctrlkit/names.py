"""Names that a program is given, where Kubernetes would refuse them for ever; and names that several things share."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, TypeVar

T = TypeVar("T")

_LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_SUBDOMAIN: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_SUBDOMAIN_MAX: Final = 253


def check_no_text(namespaces: Sequence[str] | None) -> None:
    """
    TypeError for namespaces that are one text, whose letters would be taken for them.

    >>> check_no_text("demo")
    Traceback (most recent call last):
      ...
    TypeError: namespaces is the text 'demo'; write ["demo"]
    """
    if isinstance(namespaces, str):
        raise TypeError(f'namespaces is the text {namespaces!r}; write ["{namespaces}"]')


def is_label(name: str) -> bool:
    """
    Whether a namespace may be called so (RFC 1123 label).

    >>> is_label("demo-1"), is_label("Demo"), is_label("a.b"), is_label("")
    (True, False, False, False)
    """
    return _LABEL.fullmatch(name) is not None


def is_subdomain(name: str) -> bool:
    """
    Whether a Lease may be called so (RFC 1123 subdomain).

    >>> is_subdomain("greeter.example.com"), is_subdomain("Bad Name"), is_subdomain("a..b")
    (True, False, False)
    """
    return len(name) <= _SUBDOMAIN_MAX and _SUBDOMAIN.fullmatch(name) is not None


def told_apart(named: Iterable[tuple[str, T]]) -> Iterator[tuple[str, T]]:
    """
    The same, each later one of a name with its number behind it: metrics and debug pages call them so.

    >>> list(told_apart([("pods", 1), ("nodes", 2), ("pods", 3)]))
    [('pods', 1), ('nodes', 2), ('pods#2', 3)]
    """
    seen: dict[str, int] = {}
    for name, thing in named:
        count = seen[name] = seen.get(name, 0) + 1
        yield (f"{name}#{count}" if count > 1 else name), thing
