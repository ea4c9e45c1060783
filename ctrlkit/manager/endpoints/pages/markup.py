"""
HTML whose every text is escaped: text becomes HTML only by `tag` and `joined`.

>>> tag("p", "1 < 2", tag("b", "true"), id="sum")
'<p id="sum">1 &lt; 2<b>true</b></p>'
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Final

_VOID: Final = frozenset({"br", "input", "link", "meta", "wbr"})


class Html(str):
    """Text that is HTML already. Outside of this module none is made of what somebody else wrote."""

    __slots__ = ()


NOTHING: Final = Html()


def joined(parts: Iterable[str], by: Html = NOTHING) -> Html:
    """
    Put parts together; those that are not HTML are escaped.

    >>> joined(["a & b", tag("i", "c")], by=Html(", "))
    'a &amp; b, <i>c</i>'
    """
    return Html(by.join(part if isinstance(part, Html) else escape(part) for part in parts))


def tag(name: str, /, *content: str, **attributes: str | bool | None) -> Html:
    """
    An element. An attribute that is None or False is left out; `class_` is class, `data_x` is data-x.

    >>> tag("input", name="key", value='"', required=True, class_=None)
    '<input name="key" value="&quot;" required>'
    """
    written = "".join(
        f" {_name(key)}" if value is True else f' {_name(key)}="{escape(value)}"'
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    opened = f"<{name}{written}>"
    return Html(opened if name in _VOID else f"{opened}{joined(content)}</{name}>")


def _name(attribute: str) -> str:
    return attribute.rstrip("_").replace("_", "-")
