"""
MutatingAdmissionWebhook and ValidatingAdmissionWebhook: who is asked, in which order, and what answers lead to.

Mutating webhooks are asked one after the other, each with what those before made of the object; validating ones all at
once. What is asked comes back through `exchanges`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any, NamedTuple

import msgspec

from ctrlkit.errors import ApiError, Timeout
from ctrlkit.fakes.tracker import exchanges
from ctrlkit.fakes.tracker.admission import Attributes
from ctrlkit.fakes.tracker.core import Core
from ctrlkit.fakes.tracker.decode import read_as
from ctrlkit.fakes.tracker.exchanges import Answered, Question
from ctrlkit.fakes.tracker.kinds.strategy import Strategy
from ctrlkit.fakes.tracker.notices import notice
from ctrlkit.fakes.tracker.plugins.conditions import conditions_hold
from ctrlkit.fakes.tracker.plugins.matching import in_form, is_exempt, match
from ctrlkit.fakes.tracker.plugins.replies import NotAnswered, Response, denied, read_response
from ctrlkit.fakes.tracker.plugins.reviews import as_object, review
from ctrlkit.fakes.tracker.refusals import bad_request, internal_error
from ctrlkit.fakes.tracker.schema import typed
from ctrlkit.fakes.tracker.schema.typed import json_type
from ctrlkit.fakes.tracker.verbs.json_patch import DoesNotApply, performed
from ctrlkit.fakes.tracker.verbs.malformed import json_problem

Plain = dict[str, Any]
Object = Mapping[str, Any]

_GROUP = "admissionregistration.k8s.io"
_VERSIONS = ("v1", "v1beta1")
_NO_EFFECTS = ("None", "NoneOnDryRun")


class Webhook(NamedTuple):
    """One webhook of a configuration; `uid` distinguishes it from the others of its kind."""

    kind: str
    """"mutating" or "validating"."""
    configuration: str
    uid: tuple[str, str, int]
    hook: Object

    @property
    def name(self) -> str:
        """The name of the webhook."""
        return str(self.hook["name"])


class _Memory:
    """What is known of the mutating webhooks of a request when they are run a second time."""

    def __init__(self) -> None:
        self.output: Any = None
        """What the first run made of the object."""
        self.called: set[tuple[str, str, int]] = set()
        """Those that may be called again, if anything changes."""
        self.again: set[tuple[str, str, int]] = set()
        """Those that are called again."""

    def require_all(self) -> None:
        """Call again those that were called, as the object has changed since."""
        self.again |= self.called
        self.called = set()


def mutate(core: Core, attributes: Attributes, plain: Plain | None) -> Plain | None:
    """Let the mutating webhooks change an object, None for a delete; return it. Errors: ApiError."""
    if is_exempt(attributes):
        return plain
    memory: _Memory = attributes.memory.setdefault("MutatingAdmissionWebhook", _Memory())
    if attributes.is_again and memory.output != plain:
        memory.require_all()
    for webhook in _webhooks(core, "mutating"):
        form = _wanted_form(core, webhook, attributes, plain)
        if form is None or (attributes.is_again and webhook.uid not in memory.again):
            continue
        changed = _mutated(core, webhook, attributes, form, plain)
        if changed is not None and changed != plain:
            plain = changed
            memory.require_all()
            attributes.wants_again = True
        if webhook.hook.get("reinvocationPolicy") == "IfNeeded":
            memory.called.add(webhook.uid)
    memory.output = deepcopy(plain)
    return plain


def validate(core: Core, attributes: Attributes, plain: Plain | None) -> None:
    """Let the validating webhooks look at an object, None for a delete. Errors: ApiError."""
    if is_exempt(attributes):
        return
    asked: list[tuple[Webhook, Question | ApiError]] = []
    for webhook in _webhooks(core, "validating"):
        form = _wanted_form(core, webhook, attributes, plain)
        if form is not None:
            try:
                asked.append((webhook, _question(core, webhook, attributes, form, plain)))
            except ApiError as error:
                asked.append((webhook, error))
    answers = dict(zip(*_answered([one for _, one in asked if isinstance(one, Question)]), strict=True))
    found = [one if isinstance(one, ApiError) else _refusal(webhook, one, answers[one]) for webhook, one in asked]
    for refusal in found:
        if refusal is not None:
            raise refusal


def _answered(questions: list[Question]) -> tuple[list[Question], list[Answered]]:
    return questions, exchanges.answers(questions)


def _webhooks(core: Core, kind: str) -> Iterator[Webhook]:
    """Yield the webhooks of all configurations of a kind, in the order in which they are called."""
    for stored in sorted(
        core.store.collection((_GROUP, f"{kind}webhookconfigurations")).all(), key=lambda stored: stored.key.name
    ):
        seen: dict[str, int] = {}
        for hook in stored.plain.get("webhooks") or ():
            name = hook["name"]
            yield Webhook(kind, stored.key.name, (stored.key.name, name, seen.get(name, 0)), hook)
            seen[name] = seen.get(name, 0) + 1


def _wanted_form(core: Core, webhook: Webhook, attributes: Attributes, plain: Plain | None) -> Strategy | None:
    """Return the kind at the version in which a webhook wants to see the object; None if it does not want to."""
    form = match(core, webhook.hook, attributes, plain)
    if form is not None and webhook.hook.get("matchConditions"):
        return form if conditions_hold(core, webhook.hook, attributes, form, plain) else None
    return form


def _question(core: Core, webhook: Webhook, attributes: Attributes, form: Strategy, plain: Plain | None) -> Question:
    """Return what to ask a webhook. Errors: BadRequest if it may not be asked in a dry run."""
    hook = webhook.hook
    if attributes.dry_run and hook.get("sideEffects") not in _NO_EFFECTS:
        raise bad_request(f'admission webhook "{webhook.name}" does not support dry run')
    shown, old = (in_form(core, attributes, form, one) for one in (plain, attributes.old))
    return Question(
        kind=webhook.kind,
        configuration=webhook.configuration,
        name=webhook.name,
        client=hook["clientConfig"],
        review=review(attributes, form, shown, old, _version(webhook)),
        timeout_s=float(hook.get("timeoutSeconds") or 10),
        occasion=f"{webhook.uid[2]}{'again' if attributes.is_again else ''}",
    )


def _version(webhook: Webhook) -> str:
    return str(next(version for version in webhook.hook["admissionReviewVersions"] if version in _VERSIONS))


def _refusal(webhook: Webhook, question: Question, answered: Answered) -> ApiError | None:
    """Return the error that the answer of a webhook leads to, None if it allows the request."""
    try:
        response = _response(webhook, question, answered)
    except NotAnswered as error:
        return _not_called(webhook, error)
    return None if response.allowed else denied(webhook.name, response.status)


def _response(webhook: Webhook, question: Question, answered: Answered) -> Response:
    response = read_response(question, answered, _version(webhook))
    for name, text in response.annotations.items():
        exchanges.annotate(f"{webhook.name}/{name}", text)
    for text in response.warnings:
        notice(text)
    return response


def _not_called(webhook: Webhook, error: NotAnswered) -> ApiError | None:
    """Return the failure of a webhook that did not answer; None if that is to be ignored."""
    if webhook.hook.get("failurePolicy") != "Ignore":
        return internal_error(f'failed calling webhook "{webhook.name}": {error}')
    exchange = exchanges.current()
    if exchange is not None and not exchange.left_s:
        return Timeout("Timeout: request did not complete within requested timeout")
    return None


# ---- what mutating webhooks change -----------------------------------------------------------------------------------


def _mutated(core: Core, webhook: Webhook, attributes: Attributes, form: Strategy, plain: Plain | None) -> Plain | None:
    """Return what a webhook makes of an object, None if it leaves it alone. Errors: ApiError."""
    question = _question(core, webhook, attributes, form, plain)
    (answered,) = exchanges.answers([question])
    try:
        response = _response(webhook, question, answered)
        if not response.allowed:
            raise denied(webhook.name, response.status)
        operations = _operations(response)
        if not operations:
            return None
        if plain is not None and response.patch_type != "JSONPatch":
            raise NotAnswered(f'unsupported patch type "{response.patch_type}"')
    except NotAnswered as error:
        problem = _not_called(webhook, error)
        if problem:
            raise problem from None
        return None
    if plain is None:
        text = "attempted to modify the object, which is not supported for this operation"
        raise internal_error(f'admission webhook "{webhook.name}" {text}')
    shown = as_object(_kind(attributes, form), in_form(core, attributes, form, plain))
    try:
        patched = performed(shown or {}, operations)
        changed = _read(attributes, form, patched)
    except (DoesNotApply, typed.DoesNotFit) as error:
        raise internal_error(str(error)) from None
    result: Plain = in_form(core, attributes, attributes.served, changed, form)
    return result


def _operations(response: Response) -> Any:
    if not response.patch:
        return None
    start = "received undecodable patch in webhook response"
    try:
        operations = msgspec.json.decode(response.patch)
    except msgspec.DecodeError:
        raise NotAnswered(f"{start}: {json_problem(response.patch)}") from None
    wrong = f"{start}: json: cannot unmarshal"
    if not isinstance(operations, list | None):
        raise NotAnswered(f"{wrong} {json_type(operations)} into Go value of type jsonpatch.Patch")
    for one in operations or ():
        if not isinstance(one, Mapping | None):
            raise NotAnswered(f"{wrong} {json_type(one)} into Go value of type jsonpatch.Operation")
    return operations


def _kind(attributes: Attributes, form: Strategy) -> tuple[str, str, str]:
    return attributes.form or (form.resource.group, form.resource.version, form.resource.kind)


def _read(attributes: Attributes, form: Strategy, patched: Object) -> Plain:
    """Read what a patch made of an object by its type, and give it the kind's defaults. Errors: DoesNotFit."""
    body = {name: value for name, value in patched.items() if name not in ("kind", "apiVersion")}
    if attributes.form is not None:
        return typed.read_form(form.types, attributes.form[2], body)[0]
    plain, _ = read_as(form, body)
    form.defaults(plain)
    if form.custom:
        _put_back_nulls(plain, body)
    return plain


def _put_back_nulls(plain: Plain, patched: Object) -> None:
    """A server passes over the nulls that somebody sends it, but not those of a webhook: they have to be valid."""
    for name, value in patched.items():
        if value is None:
            plain.setdefault(name, None)
        else:
            _put_back_below(plain.get(name), value)


def _put_back_below(completed: Any, patched: Any) -> None:
    if isinstance(completed, dict) and isinstance(patched, dict):
        _put_back_nulls(completed, patched)
    elif isinstance(completed, list) and isinstance(patched, list) and len(completed) == len(patched):
        for one, other in zip(completed, patched, strict=True):
            _put_back_below(one, other)
