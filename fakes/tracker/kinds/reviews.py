"""Reviews: questions about users and rights, which are answered and not stored."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from ctrlkit import clock
from ctrlkit.errors import NotFound
from ctrlkit.fakes.tracker.authentication import authenticate
from ctrlkit.fakes.tracker.callers import User, caller, service_account, user_of_token
from ctrlkit.fakes.tracker.kinds.strategy import Object, Plain, Strategy
from ctrlkit.fakes.tracker.kinds.tables import section
from ctrlkit.fakes.tracker.refusals import Cause, bad_request, struct_text
from ctrlkit.fakes.tracker.rights.attributes import Attributes
from ctrlkit.fakes.tracker.rights.authorizer import allowed
from ctrlkit.fakes.tracker.rights.policy import is_node, problems_text, rules_for
from ctrlkit.fakes.tracker.schema import formats
from ctrlkit.fakes.tracker.schema.selectors import read_field_selector, read_label_selector
from ctrlkit.fakes.tracker.tokens import ISSUER, InvalidToken

if TYPE_CHECKING:
    from ctrlkit.fakes.tracker.core import Core

_EVERYTHING = ["*"]
_OF_NODES = NotFound("node authorizer does not support user rule resolution")
_WORDS = {"In": True, "NotIn": True, "Exists": False, "DoesNotExist": False}
"""The operators of requirements, and whether they need values."""


# ---- rules ----------------------------------------------------------------------------------------------------------


def _attribute_causes(spec: Object) -> Iterator[Cause]:
    resource, other = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if resource is not None and other is not None:
        shown = {"Path": other.get("path", ""), "Verb": other.get("verb", "")}
        text = "cannot be specified in combination with resourceAttributes"
        yield Cause.wrong("spec.nonResourceAttributes", shown, text)
    if resource is None and other is None:
        text = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        yield Cause.wrong("spec.resourceAttributes", None, text)


def _selector_causes(spec: Object) -> Iterator[Cause]:
    resource = section(spec, "resourceAttributes")
    for name in ("fieldSelector", "labelSelector"):
        selector = resource.get(name)
        if selector is None:
            continue
        path = f"spec.resourceAttributes.{name}"
        raw, requirements = selector.get("rawSelector"), selector.get("requirements") or ()
        if raw and requirements:
            text = "may not specified at the same time as requirements"
            yield Cause.wrong(f"{path}.rawSelector", raw, text)
        if not raw and not requirements:
            text = f"when {path} is specified, requirements or rawSelector is required"
            yield Cause.required(f"{path}.requirements", text)
        for index, one in enumerate(requirements):
            yield from _requirement_causes(one, f"{path}.requirements[{index}]", is_label=name == "labelSelector")


def _requirement_causes(one: Object, path: str, *, is_label: bool) -> Iterator[Cause]:
    operator, values = one["operator"], one.get("values") or ()
    if not is_label and not one["key"]:
        yield Cause.required(f"{path}.key", "must be specified")
    if _WORDS.get(operator) is True and not values:
        yield Cause.required(f"{path}.values", "must be specified when `operator` is 'In' or 'NotIn'")
    if _WORDS.get(operator) is False and values:
        text = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
        yield Cause.forbidden(f"{path}.values", text)
    if is_label:
        yield from Cause.all_wrong(f"{path}.key", one["key"], formats.label_key(one["key"]))


def _empty_causes(review: Object, text: str, allowed: tuple[str, ...] = ()) -> Iterator[Cause]:
    ignored = ("managedFields", *allowed)
    metadata = {name: value for name, value in review["metadata"].items() if value and name not in ignored}
    if metadata:
        yield Cause.invalid("metadata", struct_text(review["metadata"]), text)


def _own_access_causes(review: Object, _old: object) -> Iterator[Cause]:
    yield from _attribute_causes(review["spec"])
    yield from _selector_causes(review["spec"])
    yield from _empty_causes(review, "must be empty")


def _access_causes(review: Object, _old: object) -> Iterator[Cause]:
    spec = review["spec"]
    yield from _attribute_causes(spec)
    if not spec.get("user") and not spec.get("groups"):
        yield Cause.wrong("spec.user", "", "at least one of user or group must be specified")
    yield from _selector_causes(spec)


def _subject_causes(review: Object, old: object) -> Iterator[Cause]:
    yield from _access_causes(review, old)
    yield from _empty_causes(review, "must be empty")


def _local_causes(review: Object, old: object) -> Iterator[Cause]:
    yield from _access_causes(review, old)
    yield from _empty_causes(review, "must be empty except for namespace", ("namespace",))
    namespace, spec = review["metadata"].get("namespace", ""), review["spec"]
    resource, other = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if resource is not None and resource.get("namespace", "") != namespace:
        text = "must match metadata.namespace"
        yield Cause.wrong("spec.resourceAttributes.namespace", resource.get("namespace", ""), text)
    if other is not None:
        shown = {"Path": other.get("path", ""), "Verb": other.get("verb", "")}
        yield Cause.wrong("spec.nonResourceAttributes", shown, "disallowed on this kind of request")


# ---- answers --------------------------------------------------------------------------------------------------------


def _wanted(attributes: Object) -> Attributes:
    """What a review asks for; the server reads no version."""
    names = ("verb", "group", "resource", "subresource", "namespace", "name")
    return Attributes(*(attributes.get(name, "") for name in names))


def _decided(core: Core, user: User, review: Plain) -> Plain:
    """Answer whether a user may do what the review asks for."""
    spec = review["spec"]
    resource, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes") or {}
    at_path = Attributes(path.get("verb", ""), path=path.get("path", ""))
    wanted = at_path if resource is None else _wanted(resource)
    decision = allowed(core, user, wanted)
    problems = "; ".join(_selector_problems(resource or {}))
    said = {"reason": decision.reason, "evaluationError": problems}
    return {**review, "status": {"allowed": decision.allowed, **{name: text for name, text in said.items() if text}}}


def _selector_problems(resource: Object) -> Iterator[str]:
    """What is left out of the selectors, because no server understands it."""
    for name, readable in (("fieldSelector", _is_field), ("labelSelector", _is_label)):
        selector = resource.get(name) or {}
        requirements = selector.get("requirements") or ()
        understood = [one for one in requirements if readable(one)]
        raw = selector.get("rawSelector", "")
        is_read = len(understood) == len(requirements) if requirements else _is_selector(raw, name)
        if not is_read:
            partially = "partially " if understood else ""
            yield f"spec.resourceAttributes.{name} {partially}ignored due to parse error"


def _is_field(one: Object) -> bool:
    return one["operator"] in ("In", "NotIn") and len(one.get("values") or ()) == 1


def _is_label(one: Object) -> bool:
    values = one.get("values") or ()
    return one["operator"] in _WORDS and not any(formats.label_value(value) for value in values)


def _is_selector(raw: str, name: str) -> bool:
    """Whether a selector in text is understood."""
    try:
        read_label_selector(raw) if name == "labelSelector" else read_field_selector(raw)
    except ValueError:
        return False
    return True


def _own_access(core: Core, review: Plain) -> Plain:
    return _decided(core, caller(), review)


def _access(core: Core, review: Plain) -> Plain:
    spec = review["spec"]
    return _decided(core, {"username": spec.get("user", ""), "groups": spec.get("groups") or ()}, review)


def _rules(core: Core, review: Plain) -> Plain:
    namespace = review["spec"].get("namespace")
    if not namespace:
        raise bad_request("no namespace on request")
    return {"metadata": {}, "spec": {}, "status": _rules_of(core, caller(), namespace)}


def _rules_of(core: Core, user: User, namespace: str) -> Plain:
    if core.rights is None:
        every = {"verbs": _EVERYTHING, "apiGroups": _EVERYTHING, "resources": _EVERYTHING}
        everywhere = {"verbs": _EVERYTHING, "nonResourceURLs": _EVERYTHING}
        return {"resourceRules": [every], "nonResourceRules": [everywhere], "incomplete": False}
    granted = core.rights.granted(user, namespace)
    rules = list(rules_for(granted.grants))
    resources = [
        {"verbs": rule.verbs, "apiGroups": rule.groups, "resources": rule.resources}
        | ({"resourceNames": rule.names} if rule.names else {})
        for rule in rules
        if rule.resources
    ]
    paths = [{"verbs": rule.verbs, "nonResourceURLs": rule.urls} for rule in rules if rule.urls]
    status = {"resourceRules": resources, "nonResourceRules": paths, "incomplete": False}
    problems = problems_text([*([_OF_NODES] if is_node(user) else []), *granted.problems])
    status["incomplete"] = is_node(user)
    return status | ({"evaluationError": problems} if problems else {})


def _who(_core: Core, _review: Plain) -> Plain:
    return {
        "metadata": {"creationTimestamp": clock.timestamp(clock.now())},
        "status": {"userInfo": caller()},
    }


def _token(core: Core, review: Plain) -> Plain:
    spec = review["spec"]
    token, audiences = spec.get("token", ""), spec.get("audiences") or [ISSUER]
    if not token:
        raise bad_request("token is required for TokenReview in authentication")
    try:
        account, common = authenticate(core, token, audiences)
    except InvalidToken as error:
        user = user_of_token(token) if ISSUER in audiences else None
        if user is None:
            problem = f"[invalid bearer token, {error}]" if str(error) else "invalid bearer token"
            return {**review, "status": {"user": {}, "error": problem}}
        common = (ISSUER,)
    else:
        user = service_account(account.username, account.uid, account.extra)
    return {**review, "status": {"authenticated": True, "user": user, "audiences": common}}


def _strategy(review: Callable[[Core, Plain], Plain], validate: Any = lambda *_: ()) -> Strategy:
    return Strategy(review=review, validate=validate)


TOKENS = _strategy(_token)
SELF = _strategy(_who)
OWN_ACCESS = _strategy(_own_access, _own_access_causes)
OWN_RULES = _strategy(_rules)
ACCESS = _strategy(_access, _subject_causes)
LOCAL_ACCESS = _strategy(_access, _local_causes)
