"""
Objects in the form that a server has inside, which it shows in some messages: every field, by the names of Go.

The types are facts of a release (`internal_types`); they are read when the first message needs them.
"""

from __future__ import annotations

import difflib
import functools
import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ctrlkit.fakes.releases import NEWEST, internal_types

_CONTEXT_LINES = 3
_ZEROS: Mapping[str, Any] = {"s": "", "b": False, "i": 0, "n": 0, "q": "0", "x": 0, "?": None}
_ON_HOST = ("hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace", "hostUsers")
"""Fields of a pod spec that are part of its security context inside."""


class _Field(NamedTuple):
    shown: str
    name: str
    word: str


@functools.cache
def _fields(name: str) -> tuple[_Field, ...]:
    text = internal_types(NEWEST)[name]
    texts = text.split(", ") if text else []
    return tuple(_Field(*text.split(" ")) if " " in text else _Field(text, text, "?") for text in texts)


def internal_form(name: str, plain: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return an object as the server's own type of that name shows it.

    >>> internal_form("Sysctl", {"name": "kernel.shm_rmid_forced"})
    {'Name': 'kernel.shm_rmid_forced', 'Value': ''}
    """
    if name == "PodSpec":
        plain = _as_inside(plain)
    shown: dict[str, Any] = {}
    for field in _fields(name):
        if field.shown == "metadata":
            metadata = plain.get("metadata") or {}
            shown |= {key: dict(sorted(of.items())) if isinstance(of, dict) else of for key, of in metadata.items()}
        else:
            key = field.shown[:1].lower() + field.shown[1:] if field.name == "-" else field.name
            shown[field.shown] = _shown(field.word, plain.get(key))
    return shown


def _as_inside(spec: Mapping[str, Any]) -> dict[str, Any]:
    on_host = {name: spec[name] for name in _ON_HOST if name in spec}
    return {**spec, "securityContext": {**(spec.get("securityContext") or {}), **on_host}}


def _shown(word: str, value: Any) -> Any:
    if word.startswith("*"):
        return None if value is None else _shown(word[1:], value)
    if word.startswith("[]"):
        return None if value is None else [_shown(word[2:], item) for item in value]
    if word.startswith("{}"):
        return None if value is None else {name: _shown(word[2:], value[name]) for name in sorted(value)}
    if word in _ZEROS:
        return _ZEROS[word] if value is None else value
    if word in _CHOICES:
        return internal_form(word, _CHOICES[word](value))
    return internal_form(word, value or {})


_CHOICES: Mapping[str, Callable[[Any], Mapping[str, Any]]] = {
    "JSONSchemaPropsOrArray": lambda given: {"jSONSchemas": given} if isinstance(given, list) else {"schema": given},
    "JSONSchemaPropsOrBool": lambda given: (
        {"allows": given} if isinstance(given, bool) else {"allows": True, "schema": given}
    ),
    "JSONSchemaPropsOrStringArray": lambda given: {"property": given} if isinstance(given, list) else {"schema": given},
}
"""Types of a field that is one of two things in the API; inside each of these has a field of its own."""


def internal_text(name: str, plain: Mapping[str, Any]) -> str:
    """Return the JSON of an object as the server's own type of that name shows it."""
    return go_json(internal_form(name, plain))


def internal_items(items: Any) -> str:
    """Return the JSON of a schema's `items`, which may be one schema or several, as the server shows it."""
    return go_json(_shown("JSONSchemaPropsOrArray", items))


def go_json(value: Any, indent: int | None = None) -> str:
    """Return a value as Go's encoder of JSON writes it, which escapes what means something in HTML."""
    text = json.dumps(value, indent=indent, ensure_ascii=False, separators=(",", ": " if indent else ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def internal_difference(name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """Return what a server tells of the difference between two objects: unified, without the heads of the files."""
    before, after = (go_json(internal_form(name, one), indent=1).split("\n") for one in (old, new))
    lines = list(difflib.unified_diff(before, after, n=_CONTEXT_LINES, lineterm=""))[2:]
    return "".join(f"{line}\n" for line in lines)
