"""
Reviews: questions about users and rights, which are answered and not stored.

Everybody may do everything here, so that every access is allowed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ctrlkit import clock
from ctrlkit.fakes.tracker.callers import caller, user_of_token
from ctrlkit.fakes.tracker.kinds.strategy import Object, Plain, Strategy
from ctrlkit.fakes.tracker.kinds.tables import section
from ctrlkit.fakes.tracker.refusals import Cause, bad_request, struct_text
from ctrlkit.fakes.tracker.schema import formats
from ctrlkit.fakes.tracker.tokens import ISSUER

_EVERYTHING = ["*"]
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


def _allow(review: Plain) -> Plain:
    return {**review, "status": {"allowed": True}}


def _rules(review: Plain) -> Plain:
    if not review["spec"].get("namespace"):
        raise bad_request("no namespace on request")
    every = {"verbs": _EVERYTHING, "apiGroups": _EVERYTHING, "resources": _EVERYTHING}
    paths = {"verbs": _EVERYTHING, "nonResourceURLs": _EVERYTHING}
    return {
        "metadata": {},
        "spec": {},
        "status": {"resourceRules": [every], "nonResourceRules": [paths], "incomplete": False},
    }


def _who(review: Plain) -> Plain:
    del review
    return {
        "metadata": {"creationTimestamp": clock.timestamp(clock.now())},
        "status": {"userInfo": caller()},
    }


def _token(review: Plain) -> Plain:
    token = review["spec"].get("token", "")
    if not token:
        raise bad_request("token is required for TokenReview in authentication")
    user = user_of_token(token)
    if user is None:
        return {**review, "status": {"user": {}, "error": "invalid bearer token"}}
    return {**review, "status": {"authenticated": True, "user": user, "audiences": [ISSUER]}}


def _strategy(review: Callable[[Plain], Plain], validate: Any = lambda *_: ()) -> Strategy:
    return Strategy(review=review, validate=validate)


TOKENS = _strategy(_token)
SELF = _strategy(_who)
OWN_ACCESS = _strategy(_allow, _own_access_causes)
OWN_RULES = _strategy(_rules)
ACCESS = _strategy(_allow, _subject_causes)
LOCAL_ACCESS = _strategy(_allow, _local_causes)
