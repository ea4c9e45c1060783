"""ValidatingAdmissionPolicy: what policies decide about a request, and how a server says it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from ctrlkit.errors import ApiError
from ctrlkit.fakes.tracker.admission import Attributes
from ctrlkit.fakes.tracker.cel.admission import BudgetSpent, Compiled, Evaluation, Inputs, Result
from ctrlkit.fakes.tracker.core import Core
from ctrlkit.fakes.tracker.notices import notice
from ctrlkit.fakes.tracker.plugins.policies import (
    Bound,
    Object,
    Policy,
    Problem,
    Wrong,
    binding_requests,
    compiled,
    conditions_hold,
    inputs_of,
    is_exempt,
)
from ctrlkit.fakes.tracker.refusals import details_of
from ctrlkit.fakes.tracker.store import Stored

_CODES = {"Forbidden": 403, "RequestEntityTooLarge": 413}
_INVALID = 422
_MESSAGE_BYTES_MAX = 5 * 1024
_ANNOTATION_BYTES_MAX = 10 * 1024


class _Validating(Policy):
    def __init__(self, stored: Stored) -> None:
        super().__init__(stored)
        compiler = self.compiler
        self.validations: list[Object] = self.spec.get("validations") or []
        self.expressions: list[Compiled] = [compiler.condition(one["expression"]) for one in self.validations]
        self.messages: list[Compiled | None] = [
            compiler.message(one["messageExpression"]) if one.get("messageExpression") else None
            for one in self.validations
        ]
        self.annotations: dict[str, Compiled] = {
            one["key"]: compiler.annotation(one["valueExpression"]) for one in self.spec.get("auditAnnotations") or ()
        }


def _policy(stored: Stored) -> _Validating:
    found = compiled(_Validating, stored)
    assert isinstance(found, _Validating)
    return found


class Denial(NamedTuple):
    """Why a policy refuses a request; `acts` says that the actions of the binding apply, else it is refused anyhow."""

    message: str
    reason: str = "Invalid"
    acts: bool = True


class Outcome(NamedTuple):
    """What a policy says of one request with one parameter: refusals, and annotations for the audit log."""

    denials: list[Denial]
    annotations: dict[str, str]


def validate(core: Core, attributes: Attributes, plain: Object | None) -> None:
    """
    Have all policies look at a request, and warn of what they say; `plain` is None for a deleted object.

    Errors  ApiError for the first that refuses it.
    """
    if is_exempt(attributes):
        return
    refused = None
    for name, binding, denial in _denials(core, attributes, plain):
        actions = binding.plain["spec"]["validationActions"] if binding and denial.acts else ("Deny",)
        if "Warn" in actions and binding:
            start = f"Validation failed for ValidatingAdmissionPolicy '{name}' with binding '{binding.key.name}'"
            notice(f"{start}: {denial.message}")
        if "Deny" in actions and refused is None:
            refused = _refusal(attributes, plain, name, binding, denial)
    if refused is not None:
        raise refused


def _denials(core: Core, attributes: Attributes, plain: Object | None) -> Iterator[tuple[str, Stored | None, Denial]]:
    for found in binding_requests(core, attributes, plain, "validating", _policy):
        policy = found.policy
        if isinstance(found, Problem):
            if policy.fails:
                yield policy.name, found.binding, Denial(found.text, acts=False)
            continue
        assert isinstance(policy, _Validating)
        for denial in outcome(policy, found, inputs_of(core, attributes, plain, found)).denials:
            yield policy.name, found.binding, denial


def outcome(policy: _Validating, bound: Bound, inputs: Inputs) -> Outcome:
    """Return what a policy says of a request."""
    try:
        if not conditions_hold(bound, inputs):
            return Outcome([], {})
        evaluation = Evaluation(policy.compiler, inputs)
        results = evaluation.values(policy.expressions)
        messages = _messages(policy, inputs, evaluation.left)
        denials = list(_of_results(policy, results, messages))
        values = Evaluation(policy.compiler, inputs).values(policy.annotations.values())
    except (Wrong, BudgetSpent) as error:
        return Outcome(_failures(policy, [str(error)]), {})
    annotations: dict[str, str] = {}
    for key, result in zip(policy.annotations, values, strict=True):
        if result.problem:
            denials += [Denial(result.problem, acts=False)] if policy.fails else []
        elif isinstance(result.value, str) and result.value.strip():
            annotations[key] = result.value.strip()[:_ANNOTATION_BYTES_MAX]
    return Outcome(denials, annotations)


def _failures(policy: Policy, problems: Iterable[str]) -> list[Denial]:
    return [Denial(one) for one in problems] if policy.fails else []


def _messages(policy: _Validating, inputs: Inputs, left: int) -> list[Result] | str:
    """Evaluate the messages' expressions; return what is wrong if they cost too much."""
    try:
        return Evaluation(policy.compiler, inputs, left).values(policy.messages)
    except BudgetSpent as error:
        return f"failed messageExpression: {error}"


def _of_results(policy: _Validating, results: Iterable[Result], messages: list[Result] | str) -> Iterator[Denial]:
    for index, (validation, result) in enumerate(zip(policy.validations, results, strict=True)):
        if result.problem:
            yield from _failures(policy, [result.problem])
        elif isinstance(messages, str):
            yield from _failures(policy, [messages])
        elif result.value is not True:
            text = _text(messages[index]) or (validation.get("message") or "").strip()
            said = text or f"failed expression: {validation['expression'].strip()}"
            yield Denial(said, validation.get("reason") or "Invalid")


def _text(result: Result) -> str:
    """Return the message that an expression has made, empty if a server does not take it."""
    text: Any = result.value
    if result.problem or not isinstance(text, str):
        return ""
    text = text.strip()
    return "" if len(text.encode()) > _MESSAGE_BYTES_MAX or "\n" in text else text


def _refusal(
    attributes: Attributes, plain: Object | None, policy: str, binding: Stored | None, denial: Denial
) -> ApiError:
    through = f" with binding '{binding.key.name}'" if binding else ""
    message = f"ValidatingAdmissionPolicy '{policy}'{through} denied request: {denial.message}"
    resource, name = attributes.served.resource, name_of(attributes, plain)
    return ApiError.of_status(
        {
            "message": f'{resource} "{name}" is forbidden: {message}',
            "reason": denial.reason,
            "code": _CODES.get(denial.reason, _INVALID),
            "details": details_of(resource, name, causes=[{"message": message}]),
        }
    )


def name_of(attributes: Attributes, plain: Object | None) -> str:
    """Return the name by which a refusal calls the object of a request."""
    metadata = (plain or {}).get("metadata") or {}
    return attributes.name or metadata.get("name") or metadata.get("generateName") or "Unknown"
