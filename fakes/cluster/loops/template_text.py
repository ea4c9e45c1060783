"""
A pod template as a controller written in Go prints it, to hash the text. Pure.

The hash is in the names of ReplicaSets, and in the labels of pods of Deployments and DaemonSets. What is printed are
the fields of the Go types of the newest release, in their order, empty ones too.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from typing import Any

from ctrlkit.fakes.releases import NEWEST, template_types

_QUANTITY = re.compile(r"(?P<sign>[+-]?)(?P<whole>\d*)(?:\.(?P<part>\d*))?(?P<suffix>[a-zA-Z]*[+-]?\d*)")
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_ROUND = 0x07  # a binary quantity whose last three bits are zero is not kept as it was written


def template_text(template: Mapping[str, Any]) -> str:
    """
    Return the text of a template.

    >>> template_text({"metadata": {"labels": {"app": "web"}}, "spec": {}})[:72]
    '(v1.PodTemplateSpec){ObjectMeta:(v1.ObjectMeta){Name:(string) GenerateNa'
    """
    return _write("v1.PodTemplateSpec", template)


@functools.cache
def _fields(struct: str) -> tuple[tuple[str, str, str], ...]:
    """Return the fields of a struct: the name in Go, that in the API, the type."""
    text = template_types(NEWEST)[struct]
    fields = (field.split(" ") for field in text.split(", ")) if text else ()
    return tuple((name, there, word) for name, there, word in fields)


@functools.cache
def _name(word: str) -> str:
    """Return the name of a type as Go prints it."""
    for mark, shown in (("*", "*"), ("[]", "[]"), ("{}", "map[string]")):
        if word.startswith(mark):
            return shown + _name(word.removeprefix(mark))
    return word.partition("=")[0]


def _write(word: str, value: Any, *, typed: bool = True) -> str:
    """Return the text of a value of a type; `typed` with the name of the type before it."""
    if word.startswith("*"):
        head = f"({_name(word)})"
        return f"{head}<nil>" if value is None else head + _write(word[1:], value, typed=False)
    head = f"({_name(word)})" if typed else ""
    return head + _bare(word if word.startswith(("[]", "{}")) else word.partition("=")[2] or word, value)


def _bare(kind: str, value: Any) -> str:
    """Return the text of a value without the name of its type."""
    if kind.startswith("[]"):
        return f"[{' '.join(_write(kind[2:], one, typed=False) for one in value)}]" if value else "<nil>"
    if kind.startswith("{}"):
        entries = (f"{name}:{_write(kind[2:], one, typed=False)}" for name, one in sorted((value or {}).items()))
        return f"map[{' '.join(entries)}]" if value else "<nil>"
    if kind in _WRITERS:
        return _WRITERS[kind](value)
    return _struct(kind, value) if "." in kind else str(int(value or 0))


def _struct(kind: str, value: Any) -> str:
    """Return the text of a struct; fields of a part without a name of its own stand in the object itself."""
    value = value if isinstance(value, Mapping) else {}
    if not value:
        return _empty(kind)
    texts = [
        f"{name}:{_write(word, value.get(there) if there else value)}"
        if not there or there in value
        else f"{name}:{_nothing(word)}"
        for name, there, word in _fields(kind)
    ]
    return f"{{{' '.join(texts)}}}"


@functools.cache
def _empty(struct: str) -> str:
    """Return the text of a struct with nothing in it."""
    return f"{{{' '.join(f'{name}:{_nothing(word)}' for name, _, word in _fields(struct))}}}"


@functools.cache
def _nothing(word: str) -> str:
    """Return the text of a field that is not there."""
    return _write(word, None)


def _quantity(text: str) -> str:
    """
    Return a quantity as it is kept after it was read: a number, a scale, and the text where that is the shortest.

    >>> _quantity("100m")[26:42]
    'value:(int64)100'
    """
    found = _QUANTITY.fullmatch(text)
    suffix = found["suffix"] if found else ""
    digits = ((found["whole"] or "") + (found["part"] or "")) if found else "0"
    sign = -1 if found and found["sign"] == "-" else 1
    number, scale, form, kept = sign * int(digits or 0), 0, "DecimalSI", text
    if suffix in _BINARY:
        form, number = "BinarySI", number << _BINARY[suffix]
        kept = text if int(digits or 0) & _ROUND else ""
    elif text != "0":
        form = "DecimalSI" if suffix in _DECIMAL else "DecimalExponent"
        scale = _DECIMAL[suffix] if suffix in _DECIMAL else int(suffix[1:] or 0)
        scale -= len((found and found["part"]) or "")
        is_short = scale % 3 == 0 and not digits.endswith("000") and not digits.startswith("0")
        kept = text if is_short else ""
    amount = f"i:(resource.int64Amount){{value:(int64){number} scale:(resource.Scale){scale}}}"
    return (
        f"{{{amount} d:(resource.infDecAmount){{Dec:(*inf.Dec)<nil>}} s:(string){kept} Format:(resource.Format){form}}}"
    )


def _number_or_text(value: int | str | None) -> str:
    number, text = (0, value) if isinstance(value, str) else (value or 0, "")
    return f"{{Type:(intstr.Type){isinstance(value, str):d} IntVal:(int32){number} StrVal:(string){text}}}"


_WRITERS: Mapping[str, Callable[[Any], str]] = {
    "string": lambda value: str(value or ""),
    "bool": lambda value: "true" if value else "false",
    "resource.Quantity": lambda value: _quantity(str(value or 0)),
    "intstr.IntOrString": _number_or_text,
}
