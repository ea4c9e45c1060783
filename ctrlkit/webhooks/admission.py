"""One admission review: read, put to a function, answered."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, Final, Generic, TypeVar, cast

import msgspec

from ctrlkit.cache import Lister
from ctrlkit.errors import DecodeError
from ctrlkit.model import AnyResource, JsonPatch, MergePatch, ObjectKey, is_immutable
from ctrlkit.webhooks.changes import equal, merged, operations, plain_of, with_changes, written_of
from ctrlkit.webhooks.declarations import AdmissionWebhook
from ctrlkit.webhooks.denied import Denied
from ctrlkit.webhooks.fitting import Fitting
from ctrlkit.webhooks.review import Operation, Review, User
from ctrlkit.wire.codec import Codec, codec_of
from ctrlkit.wire.documents import UNREADABLE

T = TypeVar("T")

_NULL: Final = msgspec.Raw(b"null")
_INVALID: Final = 422


class _UserInfo(msgspec.Struct):
    username: str = ""
    uid: str = ""
    groups: tuple[str, ...] | None = None
    extra: dict[str, tuple[str, ...] | None] | None = None


class AdmissionRequest(msgspec.Struct, rename="camel"):
    """The `request` of an AdmissionReview, as far as it is looked at."""

    uid: str
    operation: Operation
    name: str = ""
    namespace: str = ""
    sub_resource: str = ""
    user_info: _UserInfo = msgspec.field(default_factory=_UserInfo)
    object: msgspec.Raw = _NULL
    old_object: msgspec.Raw = _NULL
    dry_run: bool | None = None
    options: dict[str, Any] | None = None


class Admission(Generic[T]):
    """A webhook with what is made once for all its calls."""

    def __init__(self, webhook: AdmissionWebhook[T]) -> None:
        self.webhook: AdmissionWebhook[T] = webhook
        self.codec: Codec[T] = codec_of(webhook.sent)
        self.is_shared: bool = is_immutable(webhook.sent.type)
        """Whether the function cannot change what it is given."""


class AdmissionCall(Generic[T]):
    """
    One request put to one function.

    Errors  What the function raises, and Denied for an object that does not fit its type.
    """

    def __init__(
        self,
        admission: Admission[T],
        request: AdmissionRequest,
        whole: msgspec.Raw,
        listers: Mapping[AnyResource, Lister[Any]],
    ) -> None:
        self._webhook = webhook = admission.webhook
        self._codec = admission.codec
        self._is_shared = admission.is_shared
        self._request = request
        sent = request.object if bytes(request.object) != b"null" else request.old_object
        self._raw = bytes(sent)
        user = request.user_info
        self.review: Review[T] = Review(
            resource=webhook.resource,
            operation=request.operation,
            key=ObjectKey(request.namespace, request.name or _head_of(self._raw).name),
            user=User(
                name=user.username,
                uid=user.uid,
                groups=user.groups or (),
                extra={name: values or () for name, values in (user.extra or {}).items()},
            ),
            dry_run=bool(request.dry_run),
            options=request.options or {},
            subresource=request.sub_resource,
            request=_Lazily(whole),
            read_old=self._old,
            listers=listers,
        )
        self._before: Any = None
        self.value: T | None = None

    def begin(self) -> Any:
        """
        Call the function; returns its result, or an awaitable.

        It is not called for an object that is going and does not fit: who removes a finalizer is not kept from it.
        """
        webhook = self._webhook
        try:
            self.value = value = self._read(self._raw, "")
        except Denied as unfit:
            if self._request.operation != "UPDATE" or not _head_of(self._raw).deletion_timestamp:
                raise
            self.review.warn(f"webhook {webhook.name} passed over an object that is being deleted: {unfit.message}")
            return None
        if webhook.verb == "mutating" and not self._is_shared:
            self._before = written_of(value)
        return webhook.function(value, self.review)

    def patch(self, result: Any) -> list[dict[str, Any]]:
        """
        Return the JSON patch for what a function returned, empty for a validating one.

        Errors  TypeError for anything but what a function may return: a False that is no refusal lets nothing through.
        """
        if self._webhook.verb == "validating":
            if result is not None:
                found = f"webhook {self._webhook.name} returned a {type(result).__name__}"
                raise TypeError(f"{found}; return None, or raise Denied to refuse")
            return []
        if self._request.operation in ("DELETE", "CONNECT"):
            return []
        match result:
            case JsonPatch(given):
                return cast(list[dict[str, Any]], written_of(given))
            case MergePatch(fields):
                raw = msgspec.json.decode(self._raw)
                return operations(raw, merged(raw, plain_of(fields)))
        return self._patch_of_object(self.value if result is None else result)

    def _patch_of_object(self, result: Any) -> list[dict[str, Any]]:
        if result is self.value and self._before is None:
            return []
        if type(result) is not type(self.value) and not (isinstance(result, dict) and isinstance(self.value, dict)):
            kind = type(result).__name__
            raise TypeError(
                f"webhook {self._webhook.name} returned a {kind}; return None, a MergePatch, a JsonPatch, or a "
                f"{type(self.value).__name__}"
            )
        before = written_of(self.value) if self._before is None else self._before
        after = written_of(result)
        if equal(before, after):
            return []
        raw = msgspec.json.decode(self._raw)
        wanted = with_changes(raw, before, after, result)
        if not self._says(wanted, result, after):
            whole = {name: value for name, value in after.items() if not equal(before.get(name), value)}
            wanted = {name: value for name, value in raw.items() if name in after or name not in before} | whole
        return operations(raw, wanted)

    def _says(self, wanted: Any, result: Any, after: Any) -> bool:
        """Whether the type reads from an object what the function returned."""
        try:
            read = self._codec.decode_object(msgspec.json.encode(wanted))
        except DecodeError:
            return False
        return bool(read == result) or equal(written_of(read), after)

    def _old(self) -> T | None:
        raw = bytes(self._request.old_object)
        return None if raw == b"null" else self._read(raw, "as it is stored, ")

    def _read(self, raw: bytes, which: str) -> T:
        try:
            return self._codec.decode_object(raw)
        except DecodeError as error:
            raise self._unfit(raw, error, which) from None

    def _unfit(self, raw: bytes, error: DecodeError, which: str) -> Denied:
        causes = Fitting(_plainly(raw), self._webhook.sent.type, cast(Exception, error.__cause__ or error)).causes
        text = which + "; ".join(map(str, causes))
        if not self._webhook.sent.is_custom:
            text = f"webhook {self._webhook.name} cannot read the object: {text}"
        return Denied(text, code=_INVALID, causes=causes)


class _Lazily(Mapping[str, Any]):
    """A JSON object that is decoded when somebody looks at it."""

    def __init__(self, raw: msgspec.Raw) -> None:
        self._raw = bytes(raw)
        self._found: dict[str, Any] | None = None

    @property
    def _fields(self) -> dict[str, Any]:
        if self._found is None:
            self._found = msgspec.json.decode(self._raw, type=dict[str, Any])
        return self._found

    def __getitem__(self, name: str) -> Any:
        return self._fields[name]

    def __iter__(self) -> Any:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)


class _Head(msgspec.Struct, rename="camel"):
    name: str = ""
    deletion_timestamp: str | None = None


class _Object(msgspec.Struct):
    metadata: _Head | None = None


def _head_of(raw: bytes) -> _Head:
    try:
        return msgspec.json.decode(raw, type=_Object).metadata or _Head()
    except UNREADABLE:
        return _Head()


def _plainly(raw: bytes) -> Any:
    try:
        return msgspec.json.decode(raw)
    except UNREADABLE:
        return None


def allowed(review: Review[Any], patch: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the response that allows a request."""
    response: dict[str, Any] = {"allowed": True}
    if patch:
        response |= {"patchType": "JSONPatch", "patch": base64.b64encode(msgspec.json.encode(patch)).decode()}
    return response | said(review)


def said(review: Review[Any]) -> dict[str, Any]:
    """Return the parts of a response that say what the function told who asks and who audits."""
    parts = {"warnings": list(review.warnings), "auditAnnotations": dict(review.annotations)}
    return {name: value for name, value in parts.items() if value}
