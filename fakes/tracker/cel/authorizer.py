"""What expressions may ask of the authorizer: whether a user may do something."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from ctrlkit.fakes.tracker.cel import types
from ctrlkit.fakes.tracker.cel.functions import define, overload, tenth
from ctrlkit.fakes.tracker.cel.types import Type
from ctrlkit.fakes.tracker.cel.values import EvaluationError, Opaque
from ctrlkit.fakes.tracker.schema.formats import dns_label, subdomain

_CHECK = 350_000
"""What a check costs: no expression can make more than two."""

_SELECTOR, _REQUIREMENT = 10, 50
"""What the list of a selector's requirements costs, and each that may be in it."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """
    What is asked for.

    Shape   `account` is the namespace and name of the service account that is asked about, None for the caller; `path`
            is None for a question about resources.
    """

    verb: str
    account: tuple[str, str] | None = None
    path: str | None = None
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    field_selector: str = ""
    label_selector: str = ""


@dataclass(frozen=True, slots=True)
class Decision(Opaque):
    """The answer: whether it is allowed, why, and what went wrong in deciding it."""

    type: ClassVar[Type] = types.DECISION
    is_allowed: bool
    reason: str = ""
    error: str = ""


Decide = Callable[[Wanted], Decision]


@dataclass(frozen=True, slots=True)
class Authorizer(Opaque):
    """Who is asked, and about whom."""

    type: ClassVar[Type] = types.AUTHORIZER
    decide: Decide
    account: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class PathCheck(Opaque):
    """A question about a path."""

    type: ClassVar[Type] = types.PATH_CHECK
    authorizer: Authorizer
    path: str


@dataclass(frozen=True, slots=True)
class GroupCheck(Opaque):
    """A question about an API group, of which the resource is to be named."""

    type: ClassVar[Type] = types.GROUP_CHECK
    authorizer: Authorizer
    group: str


@dataclass(frozen=True, slots=True)
class ResourceCheck(Opaque):
    """A question about resources."""

    type: ClassVar[Type] = types.RESOURCE_CHECK
    authorizer: Authorizer
    wanted: Wanted


def _full(text: str, what: str) -> str:
    if not text.strip():
        raise EvaluationError(f"{what} must not be empty")
    return text


def _costs_check(_args: Sequence[Any], _result: Any) -> int:
    return _CHECK


def _costs_selector(args: Sequence[Any], _result: Any) -> int:
    """What it costs to read a selector, and to look at its requirements."""
    length = len(args[1])
    return _SELECTOR + tenth(length) + (length + 1) // 2 * _REQUIREMENT


_NAMES = {
    name: f"kubernetes.authorization.{kind}"
    for name, kind in (
        ("authorizer", "Authorizer"),
        ("path", "PathCheck"),
        ("group", "GroupCheck"),
        ("resource", "ResourceCheck"),
        ("decision", "Decision"),
    )
}


@overload("authorizer_path", f"{_NAMES['authorizer']} => path(string) {_NAMES['path']}")
def _path(authorizer: Authorizer, path: str) -> PathCheck:
    return PathCheck(authorizer, _full(path, "path"))


@overload("authorizer_group", f"{_NAMES['authorizer']} => group(string) {_NAMES['group']}")
def _group(authorizer: Authorizer, group: str) -> GroupCheck:
    return GroupCheck(authorizer, group)


@overload(
    "authorizer_serviceaccount", f"{_NAMES['authorizer']} => serviceAccount(string, string) {_NAMES['authorizer']}"
)
def _account(authorizer: Authorizer, namespace: str, name: str) -> Authorizer:
    if list(subdomain(name)):
        raise EvaluationError("Invalid service account name")
    if list(dns_label(namespace)):
        raise EvaluationError("Invalid service account namespace")
    return Authorizer(authorizer.decide, (namespace, name))


@overload("groupcheck_resource", f"{_NAMES['group']} => resource(string) {_NAMES['resource']}")
def _resource(check: GroupCheck, resource: str) -> ResourceCheck:
    wanted = Wanted("", check.authorizer.account, group=check.group, resource=_full(resource, "resource"))
    return ResourceCheck(check.authorizer, wanted)


def _setting(field: str) -> Callable[[ResourceCheck, str], ResourceCheck]:
    def run(check: ResourceCheck, value: str) -> ResourceCheck:
        changed: Mapping[str, Any] = {field: value}
        return ResourceCheck(check.authorizer, replace(check.wanted, **changed))

    return run


for _function, _id, _price in (
    ("subresource", "resourcecheck_subresource", None),
    ("namespace", "resourcecheck_namespace", None),
    ("name", "resourcecheck_name", None),
    ("fieldSelector", "authorizer_fieldselector", _costs_selector),
    ("labelSelector", "authorizer_labelselector", _costs_selector),
):
    _field = {"fieldSelector": "field_selector", "labelSelector": "label_selector"}.get(_function, _function)
    define(_id, f"{_NAMES['resource']} => {_function}(string) {_NAMES['resource']}", _setting(_field), _price)


@overload("pathcheck_check", f"{_NAMES['path']} => check(string) {_NAMES['decision']}", _costs_check)
def _check_path(check: PathCheck, verb: str) -> Decision:
    return check.authorizer.decide(Wanted(verb, check.authorizer.account, check.path))


@overload("resourcecheck_check", f"{_NAMES['resource']} => check(string) {_NAMES['decision']}", _costs_check)
def _check_resource(check: ResourceCheck, verb: str) -> Decision:
    return check.authorizer.decide(replace(check.wanted, verb=verb))


define("decision_errored", f"{_NAMES['decision']} => errored() bool", lambda decision: bool(decision.error))
define("decision_error", f"{_NAMES['decision']} => error() string", lambda decision: decision.error)
define("decision_allowed", f"{_NAMES['decision']} => allowed() bool", lambda decision: decision.is_allowed)
define("decision_reason", f"{_NAMES['decision']} => reason() string", lambda decision: decision.reason)
