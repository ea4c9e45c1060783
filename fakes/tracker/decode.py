"""
Decoding: a body is read by the type of its kind, and unknown fields are handled as `fieldValidation` says.

`Strict` refuses them, `Warn` (the default) warns about them, `Ignore` drops them silently. Duplicate field names are
not seen here: a parsed body has none.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Mapping
from typing import Any

from ctrlkit.errors import ApiError
from ctrlkit.fakes.tracker.kinds.strategy import Strategy
from ctrlkit.fakes.tracker.notices import notice
from ctrlkit.fakes.tracker.refusals import Cause, bad_request, invalid_options, unreadable_patch
from ctrlkit.fakes.tracker.schema import typed
from ctrlkit.model import Action, PatchType, Verb

Plain = dict[str, Any]
_STRICTNESS = ("", "Ignore", "Strict", "Warn")
_TOLD_MAX = 100
_NOT_STORED = ("kind", "apiVersion")
NOTHING_KNOWN: Mapping[str, Any] = {}


def decode(
    served: Strategy, action: Action, body: Mapping[str, Any], known: Mapping[str, Any] = NOTHING_KNOWN
) -> Plain:
    """
    Read a body by the type of its kind; return a new dict, without kind and apiVersion.

    Shape   For a patch, `body` is what the patch made of the object. Parts equal to those of `known` are taken from it.
            Of a custom object only the metadata is read so: its schema speaks later.
    Errors  BadRequest, or Invalid for a patch, where a value does not fit or an unknown field is refused.
    """
    _check_option(action)
    plain = {name: value for name, value in body.items() if name not in _NOT_STORED}
    try:
        kept, unknown = (
            _read_custom(plain, known) if served.custom else typed.read(served.types, served.resource, plain, known)
        )
    except typed.DoesNotFit as error:
        raise _refusal(served, action, str(error), body) from None
    if unknown:
        tell_unknown(served, action, unknown, body)
    return kept


def _read_custom(plain: Plain, known: Mapping[str, Any]) -> tuple[Plain, list[str]]:
    metadata = plain.get("metadata") or {}
    if not isinstance(metadata, Mapping):
        raise typed.DoesNotFit("json: cannot unmarshal metadata into Go value of type v1.ObjectMeta")
    kept, unknown = typed.read_metadata(metadata, known.get("metadata") or {})
    rest = {name: value if value is known.get(name) else typed.untyped(value) for name, value in plain.items()}
    return {**rest, "metadata": kept}, unknown


def _check_option(action: Action) -> None:
    given = action.options.field_validation
    if given not in _STRICTNESS:
        cause = Cause.unsupported("fieldValidation", given, _STRICTNESS)
        raise invalid_options(f"{action.verb.value.capitalize()}Options", cause)


def tell_unknown(served: Strategy, action: Action, paths: Iterable[str], body: Mapping[str, Any]) -> None:
    """Refuse unknown fields, warn about them or ignore them, as `fieldValidation` says."""
    texts = [f'unknown field "{path}"' for path in itertools.islice(paths, _TOLD_MAX)]
    match action.options.field_validation:
        case "Strict":
            raise _refusal(served, action, f"strict decoding error: {', '.join(texts)}", body)
        case "Ignore":
            return
    for text in texts:
        notice(text)


def _refusal(served: Strategy, action: Action, text: str, patched: Mapping[str, Any]) -> ApiError:
    if action.verb is Verb.PATCH and action.patch_type is not PatchType.APPLY and action.subresource != "scale":
        is_strategic = action.patch_type is PatchType.STRATEGIC
        value = _go_text(action.body) if is_strategic else _json_text(patched)
        return unreadable_patch(value, text)
    kind = served.resource.kind
    return bad_request(f'{kind} in version "{served.resource.version}" cannot be handled as a {kind}: {text}')


def _json_text(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)


def _go_text(value: Any) -> str:
    """A value as Go prints it."""
    match value:
        case bool():
            return "true" if value else "false"
        case None:
            return "<nil>"
        case dict():
            return f"map[{' '.join(f'{name}:{_go_text(value[name])}' for name in sorted(value))}]"
        case list():
            return f"[{' '.join(_go_text(item) for item in value)}]"
    return str(value)
