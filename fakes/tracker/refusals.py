"""The server's refusals, with its messages: one function for each kind of answer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgspec

from ctrlkit.errors import (
    AlreadyExists,
    ApiError,
    BadRequest,
    Conflict,
    Expired,
    Forbidden,
    InternalError,
    Invalid,
    MethodNotAllowed,
    NotFound,
    Timeout,
    UnsupportedMediaType,
)
from ctrlkit.fakes.tracker.schema.typed import json_type
from ctrlkit.model import AnyResource, ObjectKey


@dataclass(frozen=True, slots=True)
class Cause:
    """One field that breaks a rule: `reason` is a `metav1.CauseType`, `message` the server's sentence about it."""

    field: str
    reason: str
    message: str

    @staticmethod
    def required(field: str, text: str = "") -> Cause:
        """The field has no value."""
        return Cause(field, "FieldValueRequired", f"Required value: {text}" if text else "Required value")

    @staticmethod
    def invalid(field: str, value: str, text: str) -> Cause:
        """The field has a value that is not allowed; `value` is the JSON text of it."""
        return Cause(
            field, "FieldValueInvalid", f"Invalid value: {value}: {text}" if text else f"Invalid value: {value}"
        )

    @staticmethod
    def wrong(field: str, value: Any, text: str) -> Cause:
        """The field has a value that is not allowed; `value` as it is."""
        return Cause.invalid(field, json_text(value), text)

    @staticmethod
    def ordered(field: str, value: Any, text: str) -> Cause:
        """The field has a value that is not allowed; its fields are shown in the order they have."""
        return Cause.invalid(field, msgspec.json.encode(value).decode(), text)

    @staticmethod
    def all_wrong(field: str, value: str, complaints: Iterable[str]) -> list[Cause]:
        """A cause for each complaint about one text."""
        return [Cause.wrong(field, value, text) for text in complaints] if complaints else []

    @staticmethod
    def duplicate(field: str, value: Any) -> Cause:
        """The value is there already."""
        return Cause(field, "FieldValueDuplicate", f"Duplicate value: {json_text(value)}")

    @staticmethod
    def missing(field: str, value: Any) -> Cause:
        """The value names something that is not there."""
        return Cause(field, "FieldValueNotFound", f"Not found: {json_text(value)}")

    @staticmethod
    def too_long(field: str, limit_bytes: int) -> Cause:
        """The value is longer than allowed."""
        return Cause(
            field,
            "FieldValueTooLong",
            f"Too long: may not be more than {limit_bytes} {'byte' if limit_bytes == 1 else 'bytes'}",
        )

    @staticmethod
    def too_many(field: str, count: int, most: int) -> Cause:
        """The list has more items than allowed."""
        items = "item" if most == 1 else "items"
        return Cause(field, "FieldValueTooMany", f"Too many: {count}: must have at most {most} {items}")

    @staticmethod
    def unfit(field: str, text: str) -> Cause:
        """The field has a value that is not allowed, which the server does not show."""
        return Cause(field, "FieldValueInvalid", f"Invalid value: {text}")

    @staticmethod
    def changed(field: str, value: Any, old: Any) -> list[Cause]:
        """A cause if a field that must stay as it is has changed."""
        return [] if value == old else [Cause.wrong(field, value, "field is immutable")]

    @staticmethod
    def forbidden(field: str, text: str) -> Cause:
        """The field must not be set, or not now."""
        return Cause(field, "FieldValueForbidden", f"Forbidden: {text}")

    @staticmethod
    def unsupported(field: str, value: Any, supported: Iterable[str]) -> Cause:
        """The field has a value outside of a fixed set; fields of `value` are shown in the order they have."""
        values = ", ".join(f'"{one}"' for one in supported)
        shown = f'"{value}"' if isinstance(value, str) else msgspec.json.encode(value).decode()
        return Cause(field, "FieldValueNotSupported", f"Unsupported value: {shown}: supported values: {values}")


def json_text(value: Any) -> str:
    """A value as JSON, the way the server writes it into its sentences: fields in the order of their names."""
    return msgspec.json.encode(value, order="deterministic").decode()


def struct_text(value: Any) -> str:
    """A struct as JSON, the way the server writes it into its sentences: fields in the order of the type."""
    return msgspec.json.encode(value).decode()


_ESCAPES = str.maketrans({
    "\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v", "\\": "\\\\", '"': '\\"',
})  # fmt: skip


def quoted(text: str) -> str:
    """
    A text as the server quotes it in its sentences.

    >>> quoted('a"b')
    '"a\\\\"b"'
    """
    return f'"{text.translate(_ESCAPES)}"'


def details_of(resource: AnyResource, name: str, **more: Any) -> dict[str, Any]:
    """The `Status.details` that names an object by its plural; empty values are left out, as the server does."""
    details = {"name": name, "group": resource.group, "kind": resource.plural, **more}
    return {key: value for key, value in details.items() if value != ""}


def unknown_resource() -> NotFound:
    """The kind is not served, or not that subresource of it."""
    return NotFound("the server could not find the requested resource")


def not_found(resource: AnyResource, name: str) -> NotFound:
    """There is no object of that name."""
    return NotFound(f'{resource} "{name}" not found', details=details_of(resource, name))


def already_exists(
    resource: AnyResource, name: str, *, is_generated: bool = False, is_leaving: bool = False
) -> AlreadyExists:
    """
    There is an object of that name.

    A body with a generateName is told to try again, even if it has a name too; and it is said if that object is being
    deleted.
    """
    text = f'{resource} "{name}" already exists'
    if is_generated:
        text = f"{text}, the server was not able to generate a unique name for the object"
    if is_leaving:
        text = f"object is being deleted: {text}"
    return AlreadyExists(text, details=details_of(resource, name), retry_after_s=1.0 if is_generated else None)


def modified(resource: AnyResource, name: str) -> Conflict:
    """The caller's version is not the newest."""
    return conflict(
        resource,
        name,
        "the object has been modified; please apply your changes to the latest version and try again",
    )


def conflict(resource: AnyResource, name: str, text: str) -> Conflict:
    """A write lost against another; `text` says how."""
    return Conflict(f'Operation cannot be fulfilled on {resource} "{name}": {text}', details=details_of(resource, name))


def storage_error(resource: AnyResource, key: ObjectKey, text: str) -> str:
    """What the server says of a write that its storage refused; `text` says why."""
    path = "/".join(filter(None, (resource.group, resource.plural, str(key))))
    return (
        f"StorageError: invalid object, Code: 4, Key: /registry/{path}, ResourceVersion: 0, AdditionalErrorMsg: {text}"
    )


def precondition_failed(resource: AnyResource, name: str, text: str) -> Conflict:
    """A delete's precondition does not hold; the server names the kind here, where it elsewhere names the plural."""
    return Conflict(
        f'Operation cannot be fulfilled on {qualified_kind(resource)} "{name}": {text}',
        details={**details_of(resource, name), "kind": resource.kind},
    )


def invalid(resource: AnyResource, name: str, *causes: Cause) -> Invalid:
    """The object breaks rules of its kind."""
    return _invalid(qualified_kind(resource), resource.group, resource.kind, name, causes)


def invalid_resource(resource: AnyResource, name: str, *causes: Cause) -> Invalid:
    """The same, where the server names the plural in place of the kind."""
    return _invalid(str(resource), resource.group, resource.plural, name, causes)


def invalid_review(resource: AnyResource, causes: Iterable[Cause]) -> Invalid:
    """The review breaks rules; the server leaves out its kind here."""
    return _invalid(f".{resource.group}", resource.group, "", "", tuple(causes))


def invalid_options(kind: str, *causes: Cause) -> Invalid:
    """The options of a call break rules; `kind` is ListOptions, DeleteOptions or PatchOptions."""
    return _invalid(f"{kind}.meta.k8s.io", "meta.k8s.io", kind, "", causes)


def unreadable_patch(value: str, text: str) -> Invalid:
    """What a patch made of an object is not of the kind's type; `value` is the patch, or what it made."""
    return _invalid("", "", "", "", (Cause.wrong("patch", value, text),))


def _invalid(title: str, group: str, kind: str, name: str, causes: tuple[Cause, ...]) -> Invalid:
    lines = list(dict.fromkeys(f"{cause.field}: {cause.message}" for cause in causes))
    text = lines[0] if len(lines) == 1 else f"[{', '.join(lines)}]"
    details: dict[str, Any] = {
        "name": name,
        "group": group,
        "kind": kind,
        "causes": [{"reason": cause.reason, "message": cause.message, "field": cause.field} for cause in causes],
    }
    return Invalid(
        f'{title} "{name}" is invalid: {text}', details={key: value for key, value in details.items() if value != ""}
    )


def qualified_kind(resource: AnyResource) -> str:
    """`Kind` or `Kind.group`, as the server's messages write it."""
    return f"{resource.kind}.{resource.group}" if resource.group else resource.kind


def bad_request(text: str) -> BadRequest:
    """The request is malformed."""
    return BadRequest(text)


def forbidden(resource: AnyResource, name: str, text: str, **details: Any) -> Forbidden:
    """The server never does it."""
    what = f'{resource} "{name}"' if name else str(resource)
    return Forbidden(f"{what} is forbidden: {text}", details=details_of(resource, name, **details))


def namespace_terminating(resource: AnyResource, name: str, namespace: str) -> Forbidden:
    """Nothing new is made in a namespace that is being deleted."""
    cause = {
        "reason": "NamespaceTerminating",
        "message": f"namespace {namespace} is being terminated",
        "field": "metadata.namespace",
    }
    return forbidden(
        resource,
        name,
        f"unable to create new content in namespace {namespace} because it is being terminated",
        causes=[cause],
    )


def method_not_allowed() -> MethodNotAllowed:
    """The kind, or its subresource, does not support the verb."""
    return MethodNotAllowed("the server does not allow this method on the requested resource")


def no_watch(resource: AnyResource) -> MethodNotAllowed:
    """The kind can be listed, and its objects are made for each list."""
    text = f'watch is not supported on resources of kind "{resource.plural}"'
    return MethodNotAllowed(text, details={"kind": resource.plural})


def not_an_object(value: Any) -> str:
    """What the server says of a JSON text that is no object."""
    wanted = 'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }'
    found = f"json: cannot unmarshal {json_type(value)} into Go value of type {wanted}"
    return f"couldn't get version/kind; json parse error: {found}"


def unsupported_media_type(accepted: tuple[str, ...]) -> UnsupportedMediaType:
    """The kind does not take a body of that type."""
    return UnsupportedMediaType(
        "the body of the request was in an unknown format - accepted media types include: " + ", ".join(accepted)
    )


def patch_rejected() -> Invalid:
    """A JSON patch that cannot be carried out: a failed test, a missing path."""
    return Invalid("the server rejected our request due to an error in our request")


def too_large_version(version: int, current: int) -> Timeout:
    """A list asks for a version that is not there yet."""
    return Timeout(
        f"Timeout: Too large resource version: {version}, current: {current}",
        details={"causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]},
        retry_after_s=1.0,
    )


def too_old_version(version: int, oldest: int) -> Expired:
    """A watch asks for a version that is no longer kept."""
    return Expired(f"too old resource version: {version} ({oldest})")


def list_version_expired() -> Expired:
    """A list asks for a version that is no longer kept."""
    return Expired("The resourceVersion for the provided list is too old.")


def continue_expired(token: str) -> Expired:
    """The version that a continue token belongs to is no longer kept; `token` goes on at the newest one."""
    return Expired(
        "The provided continue parameter is too old to display a consistent list result. You can start a new list "
        "without the continue parameter, or use the continue token in this response to retrieve the remainder of the "
        "results. Continuing with the provided token results in an inconsistent list - objects that were created, "
        "modified, or deleted between the time the first chunk was returned and now may show up in the list.",
        continue_token=token,
    )


def unreadable_version(text: str, problem: str) -> str:
    """What the server says of a resourceVersion that is no number, or none of its numbers."""
    return f'resourceVersion: Invalid value: "{text}": strconv.ParseUint: parsing "{text}": {problem}'


def upgrade_required() -> BadRequest:
    """The subresource is a connection, and the request does not ask for one."""
    return BadRequest("Upgrade request required")


def internal_error(text: str) -> ApiError:
    """The server cannot do it, through no fault of the caller."""
    return InternalError(f"Internal error occurred: {text}", details={"causes": [{"message": text}]})


def plain_failure(text: str) -> ApiError:
    """A failure without a reason, as the server answers to some bad input."""
    return InternalError(text, reason="")
