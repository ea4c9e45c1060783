"""
Decoding: a body is read by the type of its kind, and unknown fields are handled as `fieldValidation` says.

`Strict` refuses them, `Warn` (the default) warns about them, `Ignore` drops them silently. Duplicate field names are
not seen here: a parsed body has none.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from typing import Any

from ctrlkit.errors import ApiError
from ctrlkit.fakes.tracker.kinds.definitions.embedded import coerce
from ctrlkit.fakes.tracker.kinds.strategy import Strategy
from ctrlkit.fakes.tracker.notices import body_was_read, notice
from ctrlkit.fakes.tracker.refusals import bad_request, json_text, plain_failure, unreadable_patch
from ctrlkit.fakes.tracker.schema import typed
from ctrlkit.fakes.tracker.schema.depth import encode
from ctrlkit.fakes.tracker.schema.go_text import go_text
from ctrlkit.model import Action, PatchType, Verb

Plain = dict[str, Any]
_TOLD_MAX = 100
_NOT_STORED = ("kind", "apiVersion")
NOTHING_KNOWN: Mapping[str, Any] = {}
_METADATA_FIELDS = (
    "name",
    "generateName",
    "namespace",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "labels",
    "annotations",
    "ownerReferences",
    "finalizers",
    "managedFields",
)


def decode(
    served: Strategy, action: Action, body: Mapping[str, Any], known: Mapping[str, Any] = NOTHING_KNOWN
) -> Plain:
    """
    Read a body by the type of its kind; return a new dict, without kind and apiVersion.

    Shape   For a patch, `body` is what the patch made of the object. Parts equal to those of `known` are taken from it.
            A custom object is pruned and completed by its schema.
    Errors  BadRequest, or Invalid for a patch, where a value does not fit or an unknown field is refused.
    """
    plain = {name: value for name, value in body.items() if name not in _NOT_STORED}
    try:
        kept, unknown = read_as(served, plain, known)
    except typed.DoesNotFit as error:
        if action.patch_type is PatchType.APPLY and not served.custom:
            raise _not_applicable(served, body, error.converted) from None
        is_converted = action.patch_type is PatchType.STRATEGIC
        raise refusal(served, action, error.converted if is_converted else str(error), body, known) from None
    body_was_read()
    if unknown:
        tell_unknown(served, action, unknown, body, known)
    owners = kept["metadata"].get("ownerReferences") or ()
    return _without_doubled_owners(action, kept) if len(owners) > 1 else kept


def read_as(served: Strategy, plain: Plain, known: Mapping[str, Any] = NOTHING_KNOWN) -> tuple[Plain, list[str]]:
    """Read an object by the type or the schema of its kind; return it and its unknown fields. Errors: DoesNotFit."""
    if served.custom:
        return _read_custom(served, plain, known)
    return typed.read(served.types, served.resource, plain, known)


def _not_applicable(served: Strategy, body: Mapping[str, Any], text: str) -> ApiError:
    """The failure of a server of an applied body that it has merged, and cannot convert."""
    resource, metadata = served.resource, body.get("metadata") or {}
    kind = f"{resource.group}/{resource.version}, Kind={resource.kind}"
    place = f"{metadata.get('namespace', '')}/{metadata.get('name', '')}"
    fact = f"unable to convert unstructured object to {kind}: {text}"
    return plain_failure(f"failed to convert new object ({place}; {kind}) to proper version: {fact}")


def _without_doubled_owners(action: Action, plain: Plain) -> Plain:
    """Drop owner references that are there twice, and warn about them."""
    kept: dict[bytes, Any] = {}
    owners = plain["metadata"]["ownerReferences"]
    doubled = [
        owner.get("uid") or ""
        for owner in owners
        if kept.setdefault(encode(dict(sorted(owner.items()))), owner) is not owner
    ]
    if not doubled:
        return plain
    when = " after mutating admission happens" if action.verb is Verb.PATCH else ""
    notice(
        f".metadata.ownerReferences contains duplicate entries{when}; API server dedups owner references in 1.20+, and "
        f"may reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: "
        f"{', '.join(doubled)}"
    )
    return {**plain, "metadata": {**plain["metadata"], "ownerReferences": list(kept.values())}}


def _read_custom(served: Strategy, plain: Plain, known: Mapping[str, Any]) -> tuple[Plain, list[str]]:
    metadata = plain.get("metadata") or {}
    if not isinstance(metadata, Mapping):
        raise typed.DoesNotFit("json: cannot unmarshal metadata into Go value of type v1.ObjectMeta")
    kept, unknown = typed.read_metadata(metadata, known.get("metadata") or {})
    rest = {
        name: value if name == "metadata" or value is known.get(name) else typed.in_range(value)
        for name, value in plain.items()
    }
    whole = {**rest, "metadata": kept}
    if served.schema is None:
        return whole, unknown
    completed, pruned = served.schema.complete(whole)
    return completed, [*unknown, *pruned, *coerce(completed, served.schema.structural)]


def tell_unknown(
    served: Strategy,
    action: Action,
    paths: Iterable[str],
    body: Mapping[str, Any],
    known: Mapping[str, Any] = NOTHING_KNOWN,
) -> None:
    """Refuse unknown fields, warn about them or ignore them, as `fieldValidation` says."""
    texts = [f'unknown field "{path}"' for path in itertools.islice(paths, _TOLD_MAX)]
    match action.options.field_validation:
        case "Strict":
            raise refusal(served, action, f"strict decoding error: {', '.join(texts)}", body, known)
        case "Ignore":
            return
    for text in texts:
        notice(text)


def refusal(
    served: Strategy, action: Action, text: str, patched: Mapping[str, Any], known: Mapping[str, Any]
) -> ApiError:
    """The failure of a body, or of what a patch made of an object, that cannot be read; `text` says why."""
    if action.verb is Verb.PATCH and action.patch_type is not PatchType.APPLY:
        is_strategic = action.patch_type is PatchType.STRATEGIC
        if is_strategic:
            value = go_text(action.body)
        else:
            value = json_text(patched) if served.custom else encode(_in_order(patched, known)).decode()
        return unreadable_patch(value, text)
    kind = served.resource.kind
    text = f'{kind} in version "{served.resource.version}" cannot be handled as a {kind}: {text}'
    return plain_failure(text) if action.patch_type is PatchType.APPLY else bad_request(text)


def _in_order(patched: Any, known: Any, name: str = "") -> Any:
    """What a patch made of an object, its fields in the order in which a server shows them."""
    if not isinstance(patched, Mapping):
        return patched
    if patched != known:
        have = known if isinstance(known, Mapping) else NOTHING_KNOWN
        return {field: _in_order(patched[field], have.get(field), field) for field in sorted(patched)}
    if name != "metadata":
        return patched
    return {field: patched[field] for field in (*_METADATA_FIELDS, *patched) if field in patched}
