"""Continue tokens: where the next page of a list begins, and at which version."""

from __future__ import annotations

import base64
import posixpath
import re
from typing import Any, NamedTuple

import msgspec

from ctrlkit.fakes.tracker.refusals import bad_request
from ctrlkit.fakes.tracker.schema.typed import json_type
from ctrlkit.fakes.tracker.verbs.malformed import json_problem

_FORM = "meta.k8s.io/v1"
_INT64 = range(-(2**63), 2**63)
_FIELDS = (("v", "string"), ("rv", "int64"), ("start", "string"))


class Token(NamedTuple):
    """The version of a list, negative for the newest, and the text at which its next page begins."""

    version: int
    start: str


def write_token(token: Token) -> str:
    """Encode a token."""
    text = msgspec.json.encode({"v": _FORM, "rv": token.version, "start": token.start})
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


def read_token(text: str) -> Token:
    """
    Decode a token.

    >>> read_token(write_token(Token(7, "a/b")))
    Token(version=7, start='a/b')

    Errors  BadRequest with the server's message.
    """
    try:
        return _token(_decoded(text))
    except ValueError as error:
        raise bad_request(f"invalid continue token: continue key is not valid: {error}") from None


def _decoded(text: str) -> bytes:
    legal = re.match(r"[A-Za-z0-9_-]*", text)
    end = legal.end() if legal else 0
    if end < len(text) or end % 4 == 1:
        raise ValueError(f"illegal base64 data at input byte {end if end < len(text) else end - 1}")
    return base64.urlsafe_b64decode(text + "=" * (-end % 4))


def _token(document: bytes) -> Token:
    try:
        read: Any = msgspec.json.decode(document)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise ValueError(json_problem(document)) from None
    read = {} if read is None else read
    if not isinstance(read, dict):
        raise ValueError(f"json: cannot unmarshal {json_type(read)} into Go value of type storage.continueToken")
    for name, wanted in _FIELDS:
        value = read.get(name)
        fits = isinstance(value, str) if wanted == "string" else type(value) is int and value in _INT64
        if value is not None and not fits:
            found = json_type(value, "i64" if wanted == "int64" else "")
            raise ValueError(
                f"json: cannot unmarshal {found} into Go struct field continueToken.{name} of type {wanted}"
            )
    if read.get("v") != _FORM:
        raise ValueError(f"server does not recognize this encoded version {read.get('v') or ''}")
    start: str = read.get("start") or ""
    if not read.get("rv"):
        raise ValueError(f"incorrect encoded start resourceVersion (version {_FORM})")
    if not start:
        raise ValueError(f"encoded start key empty (version {_FORM})")
    path = start if start.startswith("/") else f"/{start}"
    if path.startswith("//") or posixpath.normpath(path) != path:
        raise ValueError(start)
    return Token(read["rv"], path[1:])
