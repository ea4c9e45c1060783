"""Which requests a webhook or a policy is for: rules of operations and resources, and selectors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ctrlkit.errors import ApiError
from ctrlkit.fakes.tracker.admission import CREATE, UPDATE, Attributes
from ctrlkit.fakes.tracker.core import Core
from ctrlkit.fakes.tracker.kinds.strategy import Strategy
from ctrlkit.fakes.tracker.refusals import not_found
from ctrlkit.model import LabelSelector, ObjectKey, kinds

Object = Mapping[str, Any]

_EXEMPT_GROUP = "admissionregistration.k8s.io"


def is_exempt(attributes: Attributes) -> bool:
    """Whether a request is for what configures admission, which no webhook or policy sees."""
    return attributes.served.resource.group == _EXEMPT_GROUP


def match(core: Core, constraints: Object, attributes: Attributes, plain: Object | None) -> Strategy | None:
    """
    Return the kind at the version in which a webhook or policy wants the object; None if the request is not for it.

    Shape   `constraints` are a webhook, or the `matchConstraints` of a policy or `matchResources` of a binding. By the
            matchPolicy Equivalent a rule may name the kind at another version.
    Errors  NotFound if the namespace, by which a selector asks, is not there.
    """
    missing = None
    try:
        if not _selects_namespace(core, constraints.get("namespaceSelector"), attributes, plain):
            return None
    except ApiError as error:
        missing = error  # of no account if the request is not for it anyway
    if not _selects_object(constraints.get("objectSelector"), attributes, plain):
        return None
    found = matched_kind(core, constraints, attributes)
    if found is not None and missing is not None:
        raise missing
    return found


def matched_kind(core: Core, constraints: Object, attributes: Attributes) -> Strategy | None:
    """Return the kind at the version that a rule names for the request; None if no rule does, or an exclusion does."""
    policy = constraints.get("matchPolicy") or "Equivalent"
    if _named(core, constraints.get("excludeResourceRules") or (), policy, attributes) is not None:
        return None
    is_webhook = "rules" in constraints or "clientConfig" in constraints
    rules = constraints.get("rules" if is_webhook else "resourceRules") or ()
    if not rules and not is_webhook:
        return attributes.served  # a binding without rules is for all that its policy is for
    return _named(core, rules, policy, attributes)


def _named(core: Core, rules: Iterable[Object], policy: str, attributes: Attributes) -> Strategy | None:
    for rule in rules:
        if _is_for(rule, attributes, attributes.served):
            return attributes.served
    if policy == "Equivalent":
        for rule in rules:
            for other in equivalents(core, attributes.served):
                if _is_for(rule, attributes, other):
                    return other
    return None


def in_form(core: Core, attributes: Attributes, form: Strategy, plain: Any, origin: Strategy | None = None) -> Any:
    """Return an object in another form or version of its kind; it is in that of the request, or of `origin`."""
    if plain is None or attributes.form is not None:
        return plain
    return converted(origin or attributes.served, form, plain)


def converted(source: Strategy, target: Strategy, plain: Object) -> Object:
    """Convert an object from one form or version of its kind to another."""
    if source.resource == target.resource:
        return plain
    if source.forms is not None and target.schema is not None:
        shown = source.forms.convert(plain, source.resource.version, target.resource.version)
        return target.schema.complete(shown)[0]
    stored = source.conversion.store(plain) if source.conversion else plain
    return target.conversion.show(stored) if target.conversion else stored


def equivalents(core: Core, served: Strategy) -> Iterator[Strategy]:
    """Yield the other forms and versions of a kind that are served."""
    for other in core.registry.forms(served.stored_identity):
        if other.resource != served.resource:
            yield other


def _is_for(rule: Object, attributes: Attributes, served: Strategy) -> bool:
    resource = served.resource
    return (
        _has(rule.get("operations"), attributes.operation)
        and _has(rule.get("apiGroups"), resource.group)
        and _has(rule.get("apiVersions"), resource.version)
        and any(_is_resource(name, resource.plural, attributes.subresource) for name in rule.get("resources") or ())
        and _is_in_scope(rule.get("scope"), attributes)
        and (not rule.get("resourceNames") or attributes.name in rule["resourceNames"])
    )


def _has(names: Iterable[str] | None, name: str) -> bool:
    return any(one in ("*", name) for one in names or ())


def _is_resource(name: str, plural: str, subresource: str) -> bool:
    resource, _, part = name.partition("/")
    return resource in ("*", plural) and part in ("*", subresource)


def _is_in_scope(scope: str | None, attributes: Attributes) -> bool:
    is_namespaced = attributes.served.resource.namespaced and bool(attributes.action.namespace)
    return scope not in ("Namespaced", "Cluster") or (scope == "Namespaced") == is_namespaced


def _selects_namespace(core: Core, selector: Object | None, attributes: Attributes, plain: Object | None) -> bool:
    if not selector or not attributes.namespace:
        return True
    is_namespace = attributes.served.resource.identity == kinds.NAMESPACES.identity
    if is_namespace and not attributes.subresource and attributes.operation in (CREATE, UPDATE):
        return _selects(selector, plain)
    stored = core.store.collection(kinds.NAMESPACES.identity).find(ObjectKey("", attributes.namespace))
    if stored is None:
        raise not_found(kinds.NAMESPACES, attributes.namespace)
    return _selects(selector, stored.plain)


def _selects_object(selector: Object | None, attributes: Attributes, plain: Object | None) -> bool:
    return not selector or any(_selects(selector, one) for one in (plain, attributes.old) if one is not None)


def _selects(selector: Object, plain: Object | None) -> bool:
    labels = (plain or {}).get("metadata", {}).get("labels") or {}
    return LabelSelector.of_object(selector).matches(labels)
