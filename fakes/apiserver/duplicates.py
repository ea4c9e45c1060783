"""Fields that a JSON body gives twice: told of or refused, as the caller wants it. A parsed body shows none."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from ctrlkit.errors import BadRequest
from ctrlkit.fakes.tracker.notices import notice
from ctrlkit.model import Action, Verb


def check_duplicates(action: Action, body: bytes | None, content_type: str) -> None:
    """
    Look for fields given twice in the JSON body of a create or update, of which the last counts.

    Errors  BadRequest where field validation is strict.
    """
    strictness = action.options.field_validation
    is_object = action.verb in (Verb.CREATE, Verb.UPDATE) and content_type.endswith("json")
    if not body or not is_object or strictness == "Ignore":
        return
    texts = [f'duplicate field "{path}"' for path in dict.fromkeys(duplicate_fields(body))]
    if texts and strictness == "Strict":
        kind, version = action.resource.kind, action.resource.version
        raise BadRequest(
            f'{kind} in version "{version}" cannot be handled as a {kind}: strict decoding error: {", ".join(texts)}'
        )
    for text in texts:
        notice(text)


def duplicate_fields(body: bytes) -> list[str]:
    """
    The paths of the fields that a JSON text gives more than once.

    >>> duplicate_fields(b'{"spec": {"a": 1, "a": 2, "l": [{"b": 1, "b": 1}]}}')
    ['spec.a', 'spec.l[0].b']
    """
    return list(_duplicates(json.loads(body, object_pairs_hook=_Pairs), ""))


class _Pairs(list[tuple[str, Any]]):
    """An object as it is written, fields given twice and all."""


def _duplicates(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, _Pairs):
        seen = set()
        for name, inner in value:
            here = f"{path}.{name}".lstrip(".")
            if name in seen:
                yield here
            seen.add(name)
            yield from _duplicates(inner, here)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _duplicates(inner, f"{path}[{index}]")
