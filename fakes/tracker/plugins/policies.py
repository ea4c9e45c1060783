"""
Admission policies: which bind a request, with which parameters, and what their expressions know of it.

What a policy decides is said in `validating_policies`, what it changes in `mutating_policies`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from ctrlkit.errors import ApiError
from ctrlkit.fakes.tracker.admission import CONNECT, CREATE, DELETE, UPDATE, Attributes
from ctrlkit.fakes.tracker.callers import AgentName, caller, service_account
from ctrlkit.fakes.tracker.cel.admission import (
    NAMESPACE_METADATA,
    Compiled,
    Compiler,
    Inputs,
    condition_problem,
)
from ctrlkit.fakes.tracker.cel.authorizer import Authorizer, Decision, ResourceCheck, Wanted
from ctrlkit.fakes.tracker.core import Core
from ctrlkit.fakes.tracker.kinds.strategy import Strategy
from ctrlkit.fakes.tracker.plugins.matching import converted, match
from ctrlkit.fakes.tracker.rights import Attributes as Question
from ctrlkit.fakes.tracker.rights import allowed
from ctrlkit.fakes.tracker.store import Identity, Stored
from ctrlkit.model import LabelSelector, ObjectKey, kinds

Object = Mapping[str, Any]

GROUP = "admissionregistration.k8s.io"
_EXEMPT = frozenset(
    f"{kind}admission{what}" for kind in ("validating", "mutating") for what in ("policies", "policybindings")
)
_OPTIONS = {CREATE: "CreateOptions", UPDATE: "UpdateOptions", DELETE: "DeleteOptions", CONNECT: "ConnectOptions"}


class Policy:
    """
    A policy with its expressions compiled.

    Shape   `compiler` has its variables; `conditions` are its match conditions.
    """

    def __init__(self, stored: Stored) -> None:
        spec: Object = stored.plain["spec"]
        self.name: str = stored.key.name
        self.spec: Object = spec
        self.compiler: Compiler = Compiler(has_params=spec.get("paramKind") is not None, has_variables=True)
        for variable in spec.get("variables") or ():
            self.compiler.add(variable["name"], variable["expression"])
        conditions = [one["expression"] for one in spec.get("matchConditions") or ()]
        self.conditions: list[Compiled] = [self.compiler.condition(source) for source in conditions]

    @property
    def fails(self) -> bool:
        """Whether what goes wrong refuses the request."""
        return bool(self.spec["failurePolicy"] != "Ignore")


class Wrong(Exception):
    """A policy or a binding cannot be used for a request; the message is the server's."""


class Bound(NamedTuple):
    """
    A policy that binds a request through a binding, with one parameter, or None.

    Shape   `form` is the kind at the version in which the policy sees the object.
    """

    policy: Policy
    binding: Stored
    form: Strategy
    params: Object | None


class Problem(NamedTuple):
    """A policy, or a binding of it, that cannot be used."""

    policy: Policy
    binding: Stored | None
    text: str


def is_exempt(attributes: Attributes) -> bool:
    """Whether a request is for policies or bindings, which no policy sees."""
    resource = attributes.served.resource
    return resource.group == GROUP and resource.plural in _EXEMPT


def binding_requests(
    core: Core, attributes: Attributes, plain: Object | None, kind: str, make: Callable[[Stored], Policy]
) -> Iterator[Bound | Problem]:
    """
    Yield each policy that binds a request, in the order of names, once for each binding and parameter.

    Shape   `kind` is "validating" or "mutating".
    """
    policies: Identity = (GROUP, f"{kind}admissionpolicies")
    bindings: Identity = (GROUP, f"{kind}admissionpolicybindings")
    by_policy: dict[str, list[Stored]] = {}
    for binding in core.store.collection(bindings).all():
        by_policy.setdefault(binding.plain["spec"]["policyName"], []).append(binding)
    for name in sorted(by_policy):
        stored = core.store.collection(policies).find(ObjectKey("", name))
        if stored is not None:
            bound = sorted(by_policy[name], key=lambda one: one.key.name)
            yield from _of_policy(core, attributes, plain, stored, bound, make)


def _of_policy(  # noqa: PLR0917  # one of the two callers' loops
    core: Core,
    attributes: Attributes,
    plain: Object | None,
    stored: Stored,
    bindings: list[Stored],
    make: Callable[[Stored], Policy],
) -> Iterator[Bound | Problem]:
    spec = stored.plain["spec"]
    try:
        form = match(core, spec["matchConstraints"], attributes, plain)
        if form is None:
            return
        params_kind = _params_kind(core, spec.get("paramKind"))
    except (ApiError, Wrong) as error:
        yield Problem(make(stored), None, f"failed to configure policy: {error}")
        return
    for binding in bindings:
        matches = binding.plain["spec"].get("matchResources")
        try:
            if matches is not None and match(core, matches, attributes, plain) is None:
                continue
            found = _params(core, params_kind, binding.plain["spec"].get("paramRef"), attributes.namespace)
        except (ApiError, Wrong) as error:
            yield Problem(make(stored), binding, f"failed to configure binding: {error}")
            continue
        for params in found:
            yield Bound(make(stored), binding, form, params)


# ---- parameters ------------------------------------------------------------------------------------------------------


def _params_kind(core: Core, kind: Object | None) -> Strategy | None:
    """Return the kind of a policy's parameters, None if it has none. Errors: Wrong if it is not served."""
    if kind is None:
        return None
    found = core.registry.find_kind(kind["apiVersion"], kind["kind"])
    if found is None:
        version = kind["apiVersion"] if "/" in kind["apiVersion"] else f"/{kind['apiVersion']}"
        raise Wrong(f"failed to find resource referenced by paramKind: '{version}, Kind={kind['kind']}'")
    return found


def _params(core: Core, kind: Strategy | None, reference: Object | None, namespace: str) -> list[Object | None]:
    """Return the parameters that a binding names; one that is None stands for none."""
    if kind is None or reference is None:
        return [None]
    place = reference.get("namespace") or ""
    if not kind.resource.namespaced:
        if place:
            raise Wrong("paramRef.namespace must not be provided for a cluster-scoped `paramKind`")
    elif not (place or namespace):
        raise Wrong("cannot use namespaced paramRef in policy binding that matches cluster-scoped resources")
    else:
        place = place or namespace
    found = [_whole(kind, one.plain) for one in _selected(core, kind, reference, place)]
    if not found and reference["parameterNotFoundAction"] == "Deny":
        raise Wrong("no params found for policy binding with `Deny` parameterNotFoundAction")
    return list(found)


def _selected(core: Core, kind: Strategy, reference: Object, namespace: str) -> list[Stored]:
    if reference.get("name"):
        one = core.find(kind, ObjectKey(namespace, reference["name"]))
        return [one] if one else []
    selector = LabelSelector.of_object(reference["selector"])
    found = core.collection(kind).within(namespace)
    return [one for one in found if selector.matches(one.metadata.get("labels") or {})]


def _whole(kind: Strategy, plain: Object) -> dict[str, Any]:
    return {"apiVersion": kind.resource.api_version, "kind": kind.resource.kind, **plain}


# ---- what expressions know of a request ------------------------------------------------------------------------------


def inputs_of(core: Core, attributes: Attributes, plain: Object | None, bound: Bound) -> Inputs:
    """Return what the expressions of a policy are evaluated on."""
    return inputs_as(core, attributes, plain, bound.form, bound.params)


def inputs_as(
    core: Core, attributes: Attributes, plain: Object | None, form: Strategy, params: Object | None = None
) -> Inputs:
    """Return what expressions are evaluated on that see the object of a request as `form`."""
    return Inputs(
        shown_as(attributes, form, plain),
        shown_as(attributes, form, attributes.old),
        _namespace(core, attributes),
        _request(attributes, form),
        params,
        *_authorizers(core, attributes),
    )


def shown_as(attributes: Attributes, form: Strategy, plain: Object | None) -> dict[str, Any] | None:
    """Return an object of a request, whole, at the version in which a policy wants it."""
    if plain is None:
        return None
    group, version, kind = _kind_as(attributes, form)
    api_version = f"{group}/{version}" if group else version
    return {"apiVersion": api_version, "kind": kind, **converted(attributes.served, form, plain)}


def _kind_as(attributes: Attributes, form: Strategy) -> tuple[str, str, str]:
    """What the object of a request is to a policy: a subresource may have a kind of its own."""
    resource = attributes.served.resource
    own = (resource.group, resource.version, resource.kind)
    if attributes.kind != own:
        return attributes.kind
    return form.resource.group, form.resource.version, form.resource.kind


def _request(attributes: Attributes, form: Strategy) -> dict[str, Any]:
    served, user = attributes.served.resource, caller()
    extra = {name: list(values) for name, values in (user.get("extra") or {}).items()}
    person = {**{name: user.get(name) for name in ("username", "uid", "groups")}, "extra": extra}
    found = {
        "kind": _named(*_kind_as(attributes, form), last="kind"),
        "resource": _named(form.resource.group, form.resource.version, form.resource.plural, last="resource"),
        "subResource": attributes.subresource,
        "requestKind": _named(*attributes.kind, last="kind"),
        "requestResource": _named(served.group, served.version, served.plural, last="resource"),
        "requestSubResource": attributes.subresource,
        "name": attributes.name,
        "namespace": attributes.namespace,
        "operation": attributes.operation,
        "userInfo": {name: value for name, value in person.items() if value},
        "dryRun": attributes.dry_run,
        "options": _options(attributes),
    }
    return {name: value for name, value in found.items() if value != ""}


def _named(group: str, version: str, name: str, *, last: str) -> dict[str, str]:
    return {"group": group, "version": version, last: name}


def _options(attributes: Attributes) -> dict[str, Any]:
    options = attributes.action.options
    found: dict[str, Any] = {"kind": _OPTIONS[attributes.operation], "apiVersion": "meta.k8s.io/v1"}
    if options.dry_run:
        found["dryRun"] = ["All"]
    if attributes.operation == DELETE:
        wanted = {"uid": options.precondition_uid, "resourceVersion": options.precondition_version}
        found |= {
            "gracePeriodSeconds": options.grace_period_s,
            "preconditions": {name: value for name, value in wanted.items() if value} or None,
            "propagationPolicy": options.propagation_policy or None,
        }
    else:
        manager = "" if isinstance(options.field_manager, AgentName) else options.field_manager
        found |= {"fieldManager": manager or None, "fieldValidation": options.field_validation or None}
    return {name: value for name, value in found.items() if value is not None}


def _namespace(core: Core, attributes: Attributes) -> dict[str, Any] | None:
    """Return what expressions see of the request's namespace; None for an object of the cluster."""
    if not attributes.namespace or attributes.served.resource.identity == kinds.NAMESPACES.identity:
        return None
    stored = core.get(core.served(kinds.NAMESPACES), ObjectKey("", attributes.namespace))
    metadata = {name: value for name, value in stored.metadata.items() if name in NAMESPACE_METADATA}
    return {**stored.plain, "metadata": metadata}


# ---- the authorizer --------------------------------------------------------------------------------------------------


def _authorizers(core: Core, attributes: Attributes) -> tuple[Authorizer, ResourceCheck]:
    user = caller()
    authorizer = Authorizer(lambda wanted: _decide(core, user, wanted))
    resource = attributes.served.resource
    wanted = Wanted(
        "",
        group=resource.group,
        resource=resource.plural,
        subresource=attributes.subresource,
        namespace=attributes.namespace,
        name=attributes.name,
    )
    return authorizer, ResourceCheck(authorizer, wanted)


def _decide(core: Core, user: Object, wanted: Wanted) -> Decision:
    if wanted.account is not None:
        namespace, name = wanted.account
        user = service_account(f"system:serviceaccount:{namespace}:{name}", "")
    question = Question(
        wanted.verb,
        group=wanted.group,
        resource=wanted.resource,
        subresource=wanted.subresource,
        namespace=wanted.namespace,
        name=wanted.name,
        path=wanted.path,
    )
    decision = allowed(core, user, question)
    return Decision(decision.allowed, decision.reason)


# ---- conditions ------------------------------------------------------------------------------------------------------


def conditions_hold(bound: Bound, inputs: Inputs) -> bool:
    """Whether a policy's match conditions hold. Errors: Wrong if that is not known, and the policy fails then."""
    policy = bound.policy
    if not policy.conditions:
        return True
    holds, problem = condition_problem(policy.compiler, policy.conditions, inputs)
    if not problem:
        return holds
    if policy.fails:
        raise Wrong(problem)
    return False


@functools.lru_cache(maxsize=256)
def compiled(make: Callable[[Stored], Policy], stored: Stored) -> Policy:
    """Compile a policy, once for each of its versions."""
    return make(stored)
