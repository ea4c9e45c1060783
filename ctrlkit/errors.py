"""
Every error the framework raises, as one tree. Those of one part alone stand in its package, which is named here.

    CtrlkitError
      ConfigError            settings or credentials that cannot be used
        SettingsError          manager: a flag, a variable or a line of the file
        MissingExtra           extras: packages that an extra brings are not installed
        BuildError             manager: a build function that makes no controllers
        BadName                scaffold: a name from which no project, package, kind or group can be made
        TargetError            cli: a command was given a module, or a name in it, that is not there
      SchemaError            crd: no schema can say a Python type
      DecodeError            what came is not what was asked for, or does not fit its Python type
      NotSynced              caches that did not fill in time
      TerminalError          raised by a reconciler: do not retry until the object changes
      RetryLater             raised by a reconciler: what it needs is not there yet, which was to be expected
      ReconcileTimeout       controller.reconcile: a reconcile took longer than it may
      ReconcilerExit         controller.reconcile: a reconciler asked the process to end
      AlreadyOwned           controller.helpers: another object manages the child
      WritesNotSeen          controller.writes: caches did not show in time what was written
      Denied                 webhooks: an admission webhook refuses a request
      FeedFull               controller.sources: a feed was given more keys than it keeps
      QueueClosed            workqueue: there is nothing to take any more
      LeadershipLost         election: the lease is another's, or may be
      DependencyFailed       manager: what a program needs from outside could not be opened, or closed
      GraceExceeded          manager: reconciles did not end in time, and were cut off
      StillRunning           manager: what was cut off for a lost lease goes on
      TransportError         no answer came
        Unreachable            no connection: refused, reset, unknown host, bad certificate
        TimedOut               the call's own time limit passed
        StreamBroken           a watch that ended in the middle of a line
          HistoryRewritten       cache: it left out what had to come; the server was restored, or began anew
      ApiError               the server answered with a Status of failure; one class for each reason
        BadRequest Unauthorized Forbidden NotFound MethodNotAllowed NotAcceptable Invalid
        Conflict AlreadyExists Gone (Expired) RequestEntityTooLarge UnsupportedMediaType
        TooManyRequests (DisruptionBudgetViolated) InternalError StoreReadError ServerTimeout Timeout ServiceUnavailable

A message says what was tried on what, the fact, the next step, and in brackets the evidence. It never holds a body or
a secret. Of a server's text that is no Status 256 characters are kept; of a long refusal its causes are shown one by
one, each with its beginning and its end, and the rest are counted. What code needs is on the class and its attributes,
never in the text.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, ClassVar

SERVER_TEXT_LIMIT = 256
"""How many characters are kept of a server's text that is no Status, and of each cause of a long refusal."""
REFUSAL_TEXT_LIMIT = 1024
"""A Status's message up to this length is shown as it is."""
CAUSES_SHOWN = 12
"""How many causes of a long refusal are shown; the rest are counted."""
RETRY_AFTER_MAX_S = 180.0
"""The longest `retry_after_s`: what a gateway asks for in an outage is no promise of its length."""


class CtrlkitError(Exception):
    """The root of the tree."""


class ConfigError(CtrlkitError):
    """Settings or credentials cannot be used: a missing kubeconfig, an unknown context, an unreadable certificate."""


class DecodeError(CtrlkitError):
    """
    An answer is not what was asked for, or an object in it does not fit the Python type of its Resource.

    `version` is the object's resourceVersion, where that could be read.
    """

    def __init__(self, message: str, *, version: str = "") -> None:
        super().__init__(message)
        self.version = version


class NotSynced(CtrlkitError):
    """Caches did not fill in time; the message names each with its last error."""


class TerminalError(CtrlkitError):
    """Raised by a reconciler whose retry cannot succeed until the object changes: it is not tried again before."""


class RetryLater(CtrlkitError):
    """
    Raised by a reconciler that needs something which is not there yet, as was to be expected: it is tried again.

        raise RetryLater("the registry does not answer", after_s=30) from error

    >>> RetryLater("the registry does not answer", after_s=30).after_s
    30

    It does not count as an error, and is logged in one line with its reason and cause. Return RequeueAfter instead
    where all is done for now.
    Units   `after_s`: seconds, finite and > 0; without it the delays grow as after an error.
    Errors  ValueError for anything else.
    """

    def __init__(self, reason: str, *, after_s: float | None = None) -> None:
        super().__init__(reason)
        if after_s is not None and not (isinstance(after_s, int | float) and 0 < after_s < math.inf):
            raise ValueError(f"RetryLater: after_s must be a positive number of seconds, got {after_s!r}")
        self.reason = reason
        self.after_s = after_s


class TransportError(CtrlkitError):
    """No answer came, so nobody knows whether a write was carried out."""


class Unreachable(TransportError):
    """No connection could be made or kept."""


class TimedOut(TransportError):
    """The call's own time limit passed before the answer was complete."""


class StreamBroken(TransportError):
    """A watch ended in the middle of a line."""


class ApiError(CtrlkitError):
    """
    A refusal of the server, as its `metav1.Status` describes it.

    >>> error = ApiError.of_status({"code": 409, "reason": "AlreadyExists", "message": 'pods "a" already exists'})
    >>> type(error).__name__, error.code, error.reason
    ('AlreadyExists', 409, 'AlreadyExists')
    >>> error.attempted = "create pods demo/a"
    >>> str(error)
    'create pods demo/a: pods "a" already exists; read it and decide whether it is yours [409 AlreadyExists]'

    Shape   `message` is the server's text, `details` its `Status.details` (causes, kind, name), `continue_token` how to
            go on with a list whose version is gone. `attempted` and `evidence` are filled in on the way by whoever
            knows them.
    Units   `retry_after_s`: how long the server asks to wait, in seconds, 180 at most; None if it did not say.
    """

    code: int = 500
    reason: str = ""
    has_status: bool = True
    """Whether the server answered with a Status; False for the answer of a gateway, which may have passed a call on."""
    next_step: ClassVar[str] = "see the server's log"
    _steps_by_text: ClassVar[tuple[tuple[re.Pattern[str], str], ...]] = ()
    """What to do next where the server's text tells more than code and reason do: the first that is found in it."""

    def __init__(
        self,
        message: str,
        *,
        code: int | None = None,
        reason: str | None = None,
        details: Mapping[str, Any] | None = None,
        retry_after_s: float | None = None,
        continue_token: str = "",
        attempted: str = "",
        evidence: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = type(self).code if code is None else code
        self.reason = type(self).reason if reason is None else reason
        self.details: Mapping[str, Any] = details or {}
        self.retry_after_s: float | None = patience_s(retry_after_s)
        self.continue_token = continue_token
        self.attempted = attempted
        self.evidence = evidence

    @staticmethod
    def of_status(status: Mapping[str, Any], *, attempted: str = "", evidence: str = "") -> ApiError:
        """
        Make the error of the class that fits a Status body: by its reason, else by its code.

        What in it is not what a Status has there counts as not said: proxies and broken servers write them too.
        """
        details = _sound_details(status.get("details"))
        code = status.get("code")
        code = code if isinstance(code, int) and 100 <= code <= 999 else 500
        reason = _text(status.get("reason"))
        kind = _BY_REASON.get(reason) or _BY_CODE.get(code, ApiError)
        if kind is TooManyRequests and _budget_cause(details):
            kind = DisruptionBudgetViolated
        metadata, asked_s = status.get("metadata"), details.get("retryAfterSeconds")
        return kind(
            _text(status.get("message")) or reason or f"status {code}",
            code=code,
            reason=reason or None,
            details=details,
            retry_after_s=asked_s if isinstance(asked_s, int | float) and asked_s else None,
            continue_token=_text(metadata.get("continue")) if isinstance(metadata, Mapping) else "",
            attempted=attempted,
            evidence=evidence,
        )

    def to_status(self) -> dict[str, Any]:
        """The `metav1.Status` a server sends for this error."""
        status: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {"continue": self.continue_token} if self.continue_token else {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "details": dict(self.details),
            "code": self.code,
        }
        if self.retry_after_s is not None:
            status["details"]["retryAfterSeconds"] = int(self.retry_after_s)
        return {key: value for key, value in status.items() if value != "" and (key != "details" or value)}

    def __str__(self) -> str:
        tried = f"{self.attempted}: " if self.attempted else ""
        evidence = " -> ".join(part for part in (self.evidence, f"{self.code} {self.reason}".strip()) if part)
        return f"{tried}{_readable(self.message, self.details)}; {self._advice()} [{evidence}]"

    def _advice(self) -> str:
        """What to do next; some classes know better than their `next_step` what a refusal is about."""
        return next((step for text, step in self._steps_by_text if text.search(self.message)), self.next_step)


def patience_s(asked_s: float | None) -> float | None:
    """
    Limit the seconds that a server asks to wait to RETRY_AFTER_MAX_S; None for what is no time.

    >>> patience_s(4), patience_s(86400), patience_s(-3), patience_s(float("nan")), patience_s(10**400)
    (4.0, 180.0, None, None, 180.0)
    """
    return float(min(asked_s, RETRY_AFTER_MAX_S)) if asked_s is not None and asked_s >= 0 else None


def _readable(message: str, details: Mapping[str, Any]) -> str:
    """A refusal's message; of a long one its beginning and its causes, so that no cause is lost behind another one."""
    if len(message) <= REFUSAL_TEXT_LIMIT:
        return message
    causes = [
        ": ".join(part for part in (_text(cause.get("field")), _text(cause.get("message"))) if part)
        for cause in details.get("causes") or ()
    ]
    if len(causes) < 2:
        return _without_its_middle(message, REFUSAL_TEXT_LIMIT)
    head = _without_its_middle(message.partition(": [")[0].partition("\n")[0].rstrip(":"), SERVER_TEXT_LIMIT)
    shown = [_without_its_middle(cause, SERVER_TEXT_LIMIT) for cause in causes[:CAUSES_SHOWN]]
    more = len(causes) - len(shown)
    return f"{head}: [{', '.join(shown)}{f', and {more} more' if more else ''}]"


def _without_its_middle(text: str, limit: int) -> str:
    """
    Cut out the middle of a text that is too long: a value that is shown stands there, what is wrong with it at the end.

    >>> _without_its_middle("spec: Invalid value: " + "x" * 99 + ": field is immutable", 44)
    'spec: Invalid ...xxxxxxx: field is immutable'
    """
    if len(text) <= limit:
        return text
    end = (limit - 3) * 2 // 3
    return f"{text[: limit - 3 - end]}...{text[-end:]}"


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _sound_details(details: object) -> dict[str, Any]:
    if not isinstance(details, Mapping):
        return {}
    causes = details.get("causes")
    sound = [cause for cause in causes if isinstance(cause, Mapping)] if isinstance(causes, list) else []
    return {**details, "causes": sound} if causes is not None else dict(details)


class BadRequest(ApiError):
    """The request itself is malformed."""

    code = 400
    reason = "BadRequest"
    next_step = "correct the request"


class Unauthorized(ApiError):
    """The server does not know who asks."""

    code = 401
    reason = "Unauthorized"
    next_step = "check the credentials in the kubeconfig or the service account's token"


class Forbidden(ApiError):
    """The server knows who asks and refuses: a right is missing, or a quota, a policy or the like is against it."""

    code = 403
    reason = "Forbidden"
    next_step = "see which rule the message names: correct the object, or have that rule changed"
    _steps_by_text = (
        (
            re.compile(r'" cannot \S+ (?:resource|path) "'),
            "grant the verb in a Role or ClusterRole bound to this user",
        ),
        (
            re.compile("is attempting to grant RBAC permissions not currently held"),
            "grant this user the same rights, or the verb escalate on roles (bind, for a binding)",
        ),
        (re.compile("exceeded quota: "), "ask for less, delete what is not needed, or have the ResourceQuota raised"),
        (re.compile("failed quota: "), "set the requests and limits that it names, or have a LimitRange set them"),
        (
            re.compile("because it is being terminated"),
            "create nothing in a namespace that is being deleted; wait until it is gone if it is to be made again",
        ),
        (
            re.compile('violates PodSecurity "'),
            "correct the pod's security fields that it names, or have the namespace's pod-security labels changed",
        ),
    )


class NotFound(ApiError):
    """The object or the kind does not exist; where it is the object, `details` has its name."""

    code = 404
    reason = "NotFound"
    next_step = "see whether the server serves this kind and version; a custom one needs its definition installed"

    def _advice(self) -> str:
        return "check its name and namespace" if self.details.get("name") else self.next_step


class MethodNotAllowed(ApiError):
    """The kind does not support the verb."""

    code = 405
    reason = "MethodNotAllowed"
    next_step = "use a verb that discovery lists for this resource"


class NotAcceptable(ApiError):
    """The server cannot answer in a form the client accepts."""

    code = 406
    reason = "NotAcceptable"
    next_step = "accept application/json"


class Conflict(ApiError):
    """The object changed since it was read; or, of an apply, other managers own some of its fields."""

    code = 409
    reason = "Conflict"
    next_step = "re-read the cache and reconcile again"

    @property
    def over_fields(self) -> bool:
        """Whether it is about fields that other managers own: reading again cures nothing."""
        return any(cause.get("reason") == "FieldManagerConflict" for cause in self.details.get("causes") or ())

    def _advice(self) -> str:
        return "leave these fields out, or take them with OnConflict.FORCE" if self.over_fields else self.next_step


class AlreadyExists(ApiError):
    """An object of that name is there."""

    code = 409
    reason = "AlreadyExists"
    next_step = "read it and decide whether it is yours"


class Gone(ApiError):
    """What was asked for is no longer kept: a version that was compacted away."""

    code = 410
    reason = "Gone"
    next_step = "list again and watch from the list's version"


class Expired(Gone):
    """The version or the continue token is too old."""

    reason = "Expired"


class RequestEntityTooLarge(ApiError):
    """The body exceeds the server's limit."""

    code = 413
    reason = "RequestEntityTooLarge"
    next_step = "send a smaller object"


class UnsupportedMediaType(ApiError):
    """The server does not take this content type, or not for this kind."""

    code = 415
    reason = "UnsupportedMediaType"
    next_step = "use a patch type the kind supports: custom resources take json, merge and apply"


class Invalid(ApiError):
    """The object breaks the kind's rules; `details['causes']` names the fields."""

    code = 422
    reason = "Invalid"
    next_step = "correct the named fields"


class TooManyRequests(ApiError):
    """The server asks for patience; `retry_after_s` says how much."""

    code = 429
    reason = "TooManyRequests"
    next_step = "try again after the time the server asks for"


class DisruptionBudgetViolated(TooManyRequests):
    """
    An eviction that the pod's disruption budget does not allow now; try it again later.

    >>> told = "The disruption budget web needs 2 healthy pods and has 2 currently"
    >>> cause = {"reason": "DisruptionBudget", "message": told}
    >>> error = ApiError.of_status({"code": 429, "reason": "TooManyRequests", "details": {"causes": [cause]}})
    >>> type(error).__name__, error.budget
    ('DisruptionBudgetViolated', 'The disruption budget web needs 2 healthy pods and has 2 currently')

    `retry_after_s` is None where the server does not say when: what frees the budget is another pod that becomes ready.
    """

    next_step = "try again when more of the pods are ready, or after retry_after_s"

    @property
    def budget(self) -> str:
        """What the server says of the budget."""
        return _text(_budget_cause(self.details).get("message"))


def _budget_cause(details: Mapping[str, Any]) -> Mapping[str, Any]:
    causes = details.get("causes") or ()
    return next((cause for cause in causes if cause.get("reason") == "DisruptionBudget"), {})


class InternalError(ApiError):
    """The server failed; or could not use what was sent, which it tells by this code too."""

    code = 500
    reason = "InternalError"
    _steps_by_text = (
        (
            re.compile("^failed to create typed patch object"),
            "correct the object that was applied: names and types of its fields, and entries that are there twice",
        ),
        (
            re.compile("failed calling webhook "),
            "see whether the webhook's Service and pods are there and answer in time",
        ),
    )


class StoreReadError(InternalError):
    """The server cannot read a stored object."""

    reason = "StoreReadError"


class ServerTimeout(ApiError):
    """The server could not finish in time and says when to try again."""

    code = 500
    reason = "ServerTimeout"
    next_step = "try again later"


class ServiceUnavailable(ApiError):
    """The server is up but cannot serve."""

    code = 503
    reason = "ServiceUnavailable"
    next_step = "try again later"


class Timeout(ApiError):
    """The server gave up on the request; a write may have been carried out."""

    code = 504
    reason = "Timeout"
    next_step = "try again later"


_CLASSES: tuple[type[ApiError], ...] = (
    BadRequest,
    Unauthorized,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    NotAcceptable,
    Conflict,
    AlreadyExists,
    Gone,
    Expired,
    RequestEntityTooLarge,
    UnsupportedMediaType,
    Invalid,
    TooManyRequests,
    InternalError,
    StoreReadError,
    ServerTimeout,
    ServiceUnavailable,
    Timeout,
)
_BY_REASON: dict[str, type[ApiError]] = {kind.reason: kind for kind in _CLASSES}
_BY_CODE: dict[int, type[ApiError]] = {kind.code: kind for kind in reversed(_CLASSES)}
