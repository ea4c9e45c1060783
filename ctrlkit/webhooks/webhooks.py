"""
The webhooks of a program: they answer what a server posts to their paths. No sockets are in it.

In       a path with its query, a body
Out      a status and a body; the status is 200 whatever a review says, and 404 for a path at which nothing is
Owns     the counts of answers
Units    seconds on the loop's clock
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from math import inf
from typing import Any, Final, NamedTuple, TypeVar
from urllib.parse import parse_qs

import msgspec

from ctrlkit import clock
from ctrlkit.cache import Informer, Lister
from ctrlkit.errors import ApiError, ConfigError
from ctrlkit.failures import FailureLog, without_numbers
from ctrlkit.model import AnyResource
from ctrlkit.telemetry import logger
from ctrlkit.webhooks.admission import Admission, AdmissionCall, AdmissionRequest, allowed, said
from ctrlkit.webhooks.configurations import CONVERT_PATH, Address, configurations_of, conversion_of
from ctrlkit.webhooks.conversions import ConversionFailed, Conversions
from ctrlkit.webhooks.declarations import AdmissionWebhook, ConversionFunction, Webhook
from ctrlkit.webhooks.denied import Denied
from ctrlkit.webhooks.statistics import Counts, WebhookStatistics
from ctrlkit.wire.documents import UNREADABLE, explain

R = TypeVar("R")
Plain = dict[str, Any]
AnyAdmission = AdmissionWebhook[Any]

REVIEW_BYTES_MAX: Final = 7 * 1024 * 1024
"""An admission review of this size or more is refused; an object of three megabytes fits twice."""
CONVERSION_S: Final = 25.0
"""How long a conversion may take; a server waits for 30 seconds."""
SHARE_OF_TIME: Final = 0.9
"""The share of the time that a server waits after which a webhook answers that it is too late."""
_AT_ONCE: Final = 50
"""So many objects are converted between two turns of the loop."""

_ADMISSION: Final = "AdmissionReview"
_CONVERSION: Final = "ConversionReview"
_VERSIONS: Final = {
    _ADMISSION: ("admission.k8s.io/v1", "admission.k8s.io/v1beta1"),
    _CONVERSION: ("apiextensions.k8s.io/v1", "apiextensions.k8s.io/v1beta1"),
}
_JSON: Final = "application/json"


class Answer(NamedTuple):
    """What is sent back: an HTTP status, and a body of JSON."""

    status: int
    body: bytes


class _Review(msgspec.Struct, rename="camel"):
    kind: str = ""
    api_version: str = ""
    request: msgspec.Raw = msgspec.Raw(b"null")


class _ConversionRequest(msgspec.Struct, rename="camel"):
    uid: str
    desired_api_version: str = msgspec.field(name="desiredAPIVersion")
    objects: list[dict[str, Any]] | None = None


class _Uid(msgspec.Struct):
    uid: str = ""


class Webhooks:
    """
    A set of declared webhooks.

        webhooks = Webhooks([defaults, check, upgrade, downgrade])
        status, body = await webhooks.answer("/mutate-example-com-v1-cache?timeout=5s", request_body)

    Shape   `informer` gives the informers of the kinds that webhooks read; it is Manager.informer in a program.
    Errors  ConfigError for two webhooks of one path, and where the versions of a kind do not lead to each other.
    """

    def __init__(
        self, webhooks: Iterable[Webhook] = (), *, informer: Callable[[AnyResource], Informer[Any]] | None = None
    ) -> None:
        self._informer = informer
        self._admission: dict[str, Admission[Any]] = {}
        self._functions: list[ConversionFunction[Any, Any]] = []
        self._conversions: dict[tuple[str, str], Conversions] | None = None
        self._read: dict[str, dict[AnyResource, Informer[Any]]] = {}
        self._counts: dict[str, Counts] = {}
        self._log = logger("webhooks")
        self._failures = FailureLog(self._log)
        for each in webhooks:
            self.add(each)

    # ---- what there is -----------------------------------------------------------------------------------------------

    def add(self, webhook: Webhook) -> None:
        """Add one; ConfigError where its path is taken."""
        if isinstance(webhook, ConversionFunction):
            self._functions.append(webhook)
            self._conversions = None
            self._counts.setdefault(CONVERT_PATH, Counts())
            return
        path = webhook.path
        if path in self._admission:
            there = self._admission[path].webhook
            raise ConfigError(f"add {webhook}: {there} answers at {path}; give it a name=... of its own")
        self._admission[path] = Admission(webhook)
        self._counts[path] = Counts()
        if webhook.reads:
            if self._informer is None:
                raise ConfigError(f"add {webhook}: it reads {webhook.reads[0]}, and there are no caches here")
            self._read[path] = {resource: self._informer(resource) for resource in webhook.reads}

    def __len__(self) -> int:
        return len(self._admission) + len(self._functions)

    def __iter__(self) -> Iterator[Webhook]:
        yield from (each.webhook for each in self._admission.values())
        yield from self._functions

    @property
    def conversions(self) -> Mapping[tuple[str, str], Conversions]:
        """The conversions by group and kind. Errors: ConfigError where versions do not lead to each other."""
        if self._conversions is None:
            several: dict[tuple[str, str], list[ConversionFunction[Any, Any]]] = {}
            for each in self._functions:
                several.setdefault((each.source.group, each.source.kind), []).append(each)
            self._conversions = {kind: Conversions(functions) for kind, functions in several.items()}
        return self._conversions

    @property
    def converted(self) -> tuple[str, ...]:
        """The names of the CustomResourceDefinitions whose kinds are converted here, such as `caches.example.com`."""
        return tuple(dict.fromkeys(str(each.source) for each in self._functions))

    def configurations(
        self,
        address: Address,
        *,
        name: str,
        ca_bundle: bytes = b"",
        own_namespace: str = "",
        own_labels: Mapping[str, str] | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> list[Plain]:
        """
        Return the configurations of the admission webhooks, as plain objects: one for each sort that there is.

            webhooks.configurations(ServiceAddress(namespace="caches", name="webhooks"), name="cache-operator")

        Shape   `address` is the Service that leads here, or the beginning of a URL. `ca_bundle` are certificates as
                PEM. `name` and `labels` are those of the objects. `own_namespace` is where the program runs, which is
                the namespace of the Service unless said; `own_labels` are those of its pods.
        Errors  ConfigError for a URL of anything but https, and for two webhooks of one name.
        """
        return configurations_of(
            tuple(each.webhook for each in self._admission.values()),
            name=name,
            address=address,
            ca_bundle=ca_bundle,
            own_namespace=own_namespace,
            own_labels=own_labels or {},
            labels=labels or {},
        )

    def conversion(self, address: Address, *, ca_bundle: bytes = b"") -> Plain:
        """Return the `spec.conversion` for the CustomResourceDefinitions that `converted` names."""
        return conversion_of(address, ca_bundle)

    def statistics(self) -> Mapping[str, WebhookStatistics]:
        """How often the webhook at each path answered, with which codes, and how long it took."""
        return {path: counts.statistics() for path, counts in self._counts.items()}

    # ---- answers -----------------------------------------------------------------------------------------------------

    async def answer(self, path: str, body: bytes, *, content_type: str = _JSON) -> Answer:
        """
        Answer what was posted to a path, which may have a query; never raises for what was posted.

        What a function needs too long for is cut off, and answered before the server gives up.
        """
        where, _, query = path.partition("?")
        where, admission = self._at(where.rstrip("/"))
        if where == CONVERT_PATH and self._functions:
            return await self._counted(where, self._conversion_answer(body, content_type))
        if admission is None:
            places = ", ".join(sorted(self._counts)) or "none"
            text = f"no webhook at {where[:200]}; there are {places}"
            return Answer(
                404, msgspec.json.encode({"kind": "Status", "status": "Failure", "message": text, "code": 404})
            )
        return await self._counted(where, self._admission_answer(admission, body, content_type, query))

    def _at(self, where: str) -> tuple[str, Admission[Any] | None]:
        """Return the webhook at a path, and its own path; a kind's path leads to the only one of the kind."""
        found = self._admission.get(where)
        if found is None:
            of_kind = [each for each in self._admission.values() if each.webhook.kind_path == where]
            found = of_kind[0] if len(of_kind) == 1 else None
        return (where, None) if found is None else (found.webhook.path, found)

    async def _counted(self, where: str, answering: Awaitable[tuple[int, Plain]]) -> Answer:
        counts, now = self._counts[where], clock.reader()
        began = now()
        counts.in_flight += 1
        try:
            code, review = await answering
            counts.answered(code, now() - began)
            return Answer(200, msgspec.json.encode(review))
        finally:
            counts.in_flight -= 1

    async def _admission_answer(
        self, admission: Admission[Any], body: bytes, content_type: str, query: str
    ) -> tuple[int, Plain]:
        try:
            review = _read(body, content_type, _ADMISSION, limit=REVIEW_BYTES_MAX)
            request = _request(review, AdmissionRequest)
        except _Unreadable as error:
            review, uid = error.review, _uid_in(error.review.request)
            response: Plain = ({"uid": uid} if uid else {}) | _refused(error.code, str(error))
        else:
            response = {"uid": request.uid} | await self._admitted(admission, request, review.request, query)
        code = int((response.get("status") or {}).get("code", 200))
        return code, {"kind": _ADMISSION, "apiVersion": review.api_version, "response": response}

    async def _admitted(
        self, admission: Admission[Any], request: AdmissionRequest, whole: msgspec.Raw, query: str
    ) -> Plain:
        webhook = admission.webhook
        informers = self._read.get(webhook.path, {})
        listers: dict[AnyResource, Lister[Any]] = {resource: each.lister for resource, each in informers.items()}
        call = AdmissionCall(admission, request, whole, listers)
        limit_s = SHARE_OF_TIME * min(webhook.terms.timeout_s, _asked_s(query))
        now = clock.reader()
        until = now() + limit_s
        try:
            if not all(each.has_synced() for each in informers.values()):
                await _in_time(limit_s, _filled(informers.values()), waiting=": it waits for the caches that it reads")
            result = call.begin()
            if inspect.isawaitable(result):
                result = await _in_time(until - now(), result)
            patch = call.patch(result)
        except (Denied, ApiError) as refusal:
            self._log.info("webhook_denied", **_about(webhook, request), reason=refusal.message[:200])
            return {"allowed": False, "status": _status(refusal, webhook, call.review.key.name)} | said(call.review)
        except _TooLate as error:
            text = f"webhook {webhook.name} did not answer within {limit_s:g} s{error}"
            about = ("late", webhook.path)
            self._failures.say("webhook_too_late", about, what="", **_about(webhook, request), limit_s=limit_s)
            return _failed(webhook, call, 504, text)
        except Exception as error:  # noqa: BLE001  # whatever a function raises is answered
            self._counts[webhook.path].failures += 1
            where = f"webhook {webhook.name} of {webhook.resource}"
            about = ("failed", webhook.path)
            self._failures.tell("webhook_failed", error, about=about, where=where, **_about(webhook, request))
            return _failed(webhook, call, 500, f"webhook {webhook.name} failed: {type(error).__name__}; see its log")
        self._log.debug("webhook_allowed", **_about(webhook, request), changes=len(patch))
        return allowed(call.review, patch)

    async def _conversion_answer(self, body: bytes, content_type: str) -> tuple[int, Plain]:
        try:
            review = _read(body, content_type, _CONVERSION, limit=None)
            request = _request(review, _ConversionRequest)
        except _Unreadable as error:
            review, uid = error.review, _uid_in(error.review.request)
            code, result = error.code, _not_converted(str(error))
        else:
            uid = request.uid
            code, result = await self._converted(request)
        head = {"kind": _CONVERSION, "apiVersion": review.api_version}
        return code, {**head, "response": {"uid": uid, **result}}

    async def _converted(self, request: _ConversionRequest) -> tuple[int, Plain]:
        wanted = request.desired_api_version
        group, _, version = wanted.rpartition("/")
        name = ""

        async def all_converted() -> list[Plain]:
            nonlocal name
            converted: list[Plain] = []
            for number, raw in enumerate(request.objects or (), 1):
                name = _named(raw)
                converted.append(await self._conversion_of(raw, group).convert(raw, version))
                if number % _AT_ONCE == 0:
                    await asyncio.sleep(0)
            return converted

        try:
            converted = await _in_time(CONVERSION_S, all_converted())
        except (ConversionFailed, Denied) as error:
            about, text = ("refused", name, wanted), str(error)
            what = without_numbers(text)
            self._failures.say("conversion_refused", about, what=what, object=name, to=wanted, error=text)
            return 422, _not_converted(f"{name} to {wanted}: {error}")
        except _TooLate:
            facts: dict[str, Any] = {"object": name, "to": wanted, "limit_s": CONVERSION_S}
            self._failures.say("conversion_too_late", ("late", wanted), what="", **facts)
            text = f"{name} to {wanted}: {len(request.objects or ())} objects took longer than {CONVERSION_S:g} s"
            return 504, _not_converted(text)
        except Exception as error:  # noqa: BLE001  # whatever a function raises is answered
            self._counts[CONVERT_PATH].failures += 1
            where = f"the conversion of {name} to {wanted}"
            self._failures.tell("conversion_failed", error, about=(group, wanted), where=where, object=name, to=wanted)
            return 500, _not_converted(f"{name} to {wanted}: {type(error).__name__}; see the log of the webhook")
        return 200, {"convertedObjects": converted, "result": {"status": "Success"}}

    def _conversion_of(self, raw: Plain, group: str) -> Conversions:
        kind = str(raw.get("kind") or "")
        found = self.conversions.get((group, kind))
        if found is None:
            raise ConversionFailed(f"no conversion of {kind or 'an object without a kind'} in group {group!r}")
        return found


class _TooLate(Exception):
    """Time is up; the message says what was waited for."""


async def _in_time(limit_s: float, awaited: Awaitable[R], *, waiting: str = "") -> R:
    """
    Return what comes of it.

    Errors  _TooLate after so many seconds; what is awaited is then cut off. RuntimeError where that was cancelled by
            somebody else, and not who waits here.
    """
    if not clock.is_in_task():
        return await awaited  # it is called from plain synchronous code, which nothing can cut off
    timeout = asyncio.timeout(limit_s)
    try:
        async with timeout:
            return await awaited
    except TimeoutError:
        if not timeout.expired():
            raise
        raise _TooLate(waiting) from None
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise RuntimeError("wait for a function: what it waited for was cancelled") from None


async def _filled(informers: Iterable[Informer[Any]]) -> None:
    for each in informers:
        await each.wait_synced()


class _Unreadable(Exception):
    """A body is no review of this kind; `review` has what is known of it, `code` and the message say why."""

    def __init__(self, code: int, text: str, review: _Review) -> None:
        super().__init__(text)
        self.code = code
        self.review = review


def _read(body: bytes, content_type: str, kind: str, *, limit: int | None) -> _Review:
    """Return a review. Errors: _Unreadable."""
    nothing = _Review(kind, _VERSIONS[kind][0])
    if content_type.partition(";")[0].strip().lower() != _JSON:
        raise _Unreadable(400, f"content type {content_type[:100]!r}: send {_JSON}", nothing)
    if limit is not None and len(body) >= limit:
        raise _Unreadable(413, f"a review of {len(body)} bytes: less than {limit} can be read", nothing)
    if not body:
        raise _Unreadable(400, f"no {kind}: the body is empty", nothing)
    try:
        review = msgspec.json.decode(body, type=_Review)
    except UNREADABLE as error:
        raise _Unreadable(400, f"no {kind}: {explain(error)}", nothing) from None
    if review.kind != kind or review.api_version not in _VERSIONS[kind]:
        what = f"{review.kind[:64] or 'something without a kind'} of {review.api_version[:64] or 'no version'}"
        nothing.request = review.request
        raise _Unreadable(400, f"{what}: send {kind} of {' or '.join(_VERSIONS[kind])}", nothing)
    return review


def _request(review: _Review, request_type: type[R]) -> R:
    """Return the request of a review. Errors: _Unreadable."""
    try:
        return msgspec.json.decode(review.request, type=request_type)
    except UNREADABLE as error:
        raise _Unreadable(400, f"the request of {review.kind}: {explain(error)}", review) from None


def _uid_in(request: msgspec.Raw) -> str:
    try:
        return msgspec.json.decode(request, type=_Uid).uid
    except UNREADABLE:
        return ""


def _status(refusal: Denied | ApiError, webhook: AnyAdmission, name: str) -> Plain:
    """Return a refusal's status; one with causes names the object too, which kubectl shows with them."""
    status = dict(refusal.to_status())
    if isinstance(refusal, Denied) and refusal.causes:
        about = {"name": name, "group": webhook.resource.group, "kind": webhook.resource.kind}
        status["details"] = {**about, **status["details"]}
    return status


def _refused(code: int, text: str) -> Plain:
    reason = ApiError.of_status({"code": code}).reason
    return {"allowed": False, "status": {"status": "Failure", "message": text, "reason": reason, "code": code}}


def _failed(webhook: AnyAdmission, call: AdmissionCall[Any], code: int, text: str) -> Plain:
    """Return the response of a webhook that came to no decision; it refuses, unless its failures are to be ignored."""
    if webhook.terms.failure_policy == "Ignore":
        call.review.warn(f"{text}; the request is allowed all the same, as failures of this webhook are ignored")
        return allowed(call.review, [])
    return _refused(code, text) | said(call.review)


def _not_converted(text: str) -> Plain:
    return {"convertedObjects": [], "result": {"status": "Failure", "message": text}}


def _named(raw: Plain) -> str:
    metadata = raw.get("metadata")
    fields = metadata if isinstance(metadata, dict) else {}
    key = "/".join(str(fields[name]) for name in ("namespace", "name") if fields.get(name))
    return f"{raw.get('kind') or 'object'} {key}".rstrip()


def _asked_s(query: str) -> float:
    """Return the seconds that a server says it waits, as in `timeout=5s`."""
    try:
        return float(parse_qs(query)["timeout"][0].removesuffix("s"))
    except (KeyError, ValueError):
        return inf


def _about(webhook: AnyAdmission, request: AdmissionRequest) -> Plain:
    key = f"{request.namespace}/{request.name}".strip("/")
    return {"webhook": webhook.full_name, "operation": request.operation, "key": key, "uid": request.uid}
