"""
Webhook configurations, admission policies and their bindings: their structure.

Their expressions are neither compiled nor enforced here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from ctrlkit.fakes.tracker.kinds.metadata import selector_causes
from ctrlkit.fakes.tracker.kinds.strategy import Object, Plain, Strategy
from ctrlkit.fakes.tracker.kinds.tables import age_of, name_of, section
from ctrlkit.fakes.tracker.refusals import Cause
from ctrlkit.fakes.tracker.schema import formats

_FAILURES = ("Fail", "Ignore")
_MATCHES = ("Equivalent", "Exact")
_SCOPES = ("*", "Cluster", "Namespaced")
_OPERATIONS = ("*", "CONNECT", "CREATE", "DELETE", "UPDATE")
_REINVOCATIONS = ("IfNeeded", "Never")
_SIDE_EFFECTS = ("None", "NoneOnDryRun")
_ACTIONS = ("Audit", "Deny", "Warn")
_VERSIONS = ("v1", "v1beta1")
_PORT = 443
_SECONDS, _SECONDS_MAX = 10, 30


def _fill_in_rules(rules: Sequence[Plain]) -> None:
    for rule in rules:
        if rule.get("scope") is None:
            rule["scope"] = "*"


def _set(plain: Plain, **values: Any) -> None:
    for name, value in values.items():
        if plain.get(name) is None:
            plain[name] = value


# ---- webhook configurations -----------------------------------------------------------------------------------------


def _fill_in_webhooks(configuration: Plain) -> None:
    for webhook in configuration.get("webhooks") or ():
        _set(
            webhook,
            failurePolicy="Fail",
            matchPolicy="Equivalent",
            namespaceSelector={},
            objectSelector={},
            timeoutSeconds=_SECONDS,
        )
        service = webhook["clientConfig"].get("service")
        if service is not None:
            _set(service, port=_PORT)
        _fill_in_rules(webhook.get("rules") or ())


def _fill_in_mutating_webhooks(configuration: Plain) -> None:
    _fill_in_webhooks(configuration)
    for webhook in configuration.get("webhooks") or ():
        _set(webhook, reinvocationPolicy="Never")


def _webhook_causes(configuration: Object, _old: object) -> Iterator[Cause]:
    names: set[str] = set()
    for index, webhook in enumerate(configuration.get("webhooks") or ()):
        path = f"webhooks[{index}]"
        yield from _one_causes(webhook, path)
        if webhook["name"] in names:
            yield Cause.duplicate(f"{path}.name", webhook["name"])
        names.add(webhook["name"])


def _one_causes(webhook: Object, path: str) -> Iterator[Cause]:
    name, seconds = webhook["name"], webhook["timeoutSeconds"]
    yield from _qualified_causes(name, f"{path}.name")
    yield from _review_version_causes(webhook.get("admissionReviewVersions") or (), path)
    for index, rule in enumerate(webhook.get("rules") or ()):
        yield from _rule_causes(rule, f"{path}.rules[{index}]")
    for field, allowed in (("failurePolicy", _FAILURES), ("matchPolicy", _MATCHES)):
        if webhook[field] not in allowed:
            yield Cause.unsupported(f"{path}.{field}", webhook[field], allowed)
    effects = webhook.get("sideEffects")
    if effects is None:
        yield Cause.required(f"{path}.sideEffects", "must specify one of None, NoneOnDryRun")
    elif effects not in _SIDE_EFFECTS:
        yield Cause.unsupported(f"{path}.sideEffects", effects, _SIDE_EFFECTS)
    if not 1 <= seconds <= _SECONDS_MAX:
        text = f"the timeout value must be between 1 and {_SECONDS_MAX} seconds"
        yield Cause.wrong(f"{path}.timeoutSeconds", seconds, text)
    yield from _selectors_causes(webhook, path)
    yield from _client_causes(webhook["clientConfig"], f"{path}.clientConfig")
    again = webhook.get("reinvocationPolicy")
    if again is not None and again not in _REINVOCATIONS:
        yield Cause.unsupported(f"{path}.reinvocationPolicy", again, _REINVOCATIONS)


def _qualified_causes(name: str, path: str) -> Iterator[Cause]:
    complaints = formats.subdomain(name)
    if not name:
        yield Cause.required(path)
    elif complaints:
        yield Cause.wrong(path, name, ",".join(complaints))
    elif name.count(".") < 2:
        yield Cause.wrong(path, name, "should be a domain with at least three segments separated by dots")


def _review_version_causes(versions: Sequence[str], path: str) -> Iterator[Cause]:
    here = f"{path}.admissionReviewVersions"
    if not versions:
        yield Cause.required(here, f"must specify one of {', '.join(_VERSIONS)}")
        return
    for index, version in enumerate(versions):
        if version in versions[:index]:
            yield Cause.wrong(f"{here}[{index}]", version, "duplicate version")
        yield from Cause.all_wrong(f"{here}[{index}]", version, formats.label_1035(version))
    if not set(versions) & set(_VERSIONS):
        text = f"must include at least one of {', '.join(_VERSIONS)}"
        yield Cause.wrong(here, list(versions), text)


def _selectors_causes(plain: Object, path: str) -> Iterator[Cause]:
    for name in ("namespaceSelector", "objectSelector"):
        if plain.get(name) is not None:
            yield from selector_causes(plain[name], f"{path}.{name}")


def _client_causes(client: Object, path: str) -> Iterator[Cause]:
    url, service = client.get("url"), client.get("service")
    if (url is None) == (service is None):
        yield Cause.required(path, "exactly one of url or service is required")
    if service is not None:
        for name in ("name", "namespace"):
            if not service[name]:
                yield Cause.required(f"{path}.service.{name}")
        if not 1 <= service["port"] <= 65535:
            text = "port is not valid: must be between 1 and 65535, inclusive"
            yield Cause.wrong(f"{path}.service.port", service["port"], text)
    elif url is not None:
        yield from _url_causes(url, f"{path}.url")


def _url_causes(url: str, path: str) -> Iterator[Cause]:
    parts = urlsplit(url)
    user = parts.netloc.rpartition("@")[0]
    for is_wrong, value, text in (
        (parts.scheme != "https", parts.scheme, "'https' is the only allowed URL scheme"),
        (not parts.netloc.rpartition("@")[2], "", "host must be specified"),
    ):
        if is_wrong:
            yield Cause.wrong(path, value, f"{text}; desired format: https://host[/path]")
    for value, text in (
        (user, "user information is not permitted in the URL"),
        (parts.fragment, "fragments are not permitted in the URL"),
        (parts.query, "query parameters are not permitted in the URL"),
    ):
        if value:
            yield Cause.wrong(path, value, text)


def _rule_causes(rule: Object, path: str) -> Iterator[Cause]:
    for name in ("apiGroups", "apiVersions"):
        values = rule.get(name) or ()
        if not values:
            yield Cause.required(f"{path}.{name}")
        if len(values) > 1 and "*" in values:
            text = "if '*' is present, must not specify other " + (
                "API groups" if name == "apiGroups" else "API versions"
            )
            yield Cause.wrong(f"{path}.{name}", list(values), text)
    for index, version in enumerate(rule.get("apiVersions") or ()):
        if not version:
            yield Cause.required(f"{path}.apiVersions[{index}]")
    yield from _operation_causes(rule, path)
    if rule["scope"] not in _SCOPES:
        yield Cause.unsupported(f"{path}.scope", rule["scope"], _SCOPES)


def _operation_causes(rule: Object, path: str) -> Iterator[Cause]:
    resources = rule.get("resources") or ()
    if not resources:
        yield Cause.required(f"{path}.resources")
    operations = rule.get("operations") or ()
    if not operations:
        yield Cause.required(f"{path}.operations")
    if len(operations) > 1 and "*" in operations:
        yield Cause.wrong(
            f"{path}.operations", list(operations), "if '*' is present, must not specify other operations"
        )
    for index, operation in enumerate(operations):
        if operation not in _OPERATIONS:
            yield Cause.unsupported(f"{path}.operations[{index}]", operation, _OPERATIONS)


def _count_cells(name: str) -> Any:
    def cells(plain: Object, now: datetime) -> list[Any]:
        return [name_of(plain), len(plain.get(name) or ()), age_of(plain, now)]

    return cells


VALIDATING_WEBHOOKS = Strategy(
    blind_updates=False,
    generation=True,
    counted=lambda plain: plain.get("webhooks") or (),
    defaults=_fill_in_webhooks,
    validate=_webhook_causes,
    cells=_count_cells("webhooks"),
)
MUTATING_WEBHOOKS = dataclasses.replace(VALIDATING_WEBHOOKS, defaults=_fill_in_mutating_webhooks)


# ---- policies -------------------------------------------------------------------------------------------------------


def _fill_in_matches(matches: Plain | None) -> None:
    if matches is None:
        return
    _set(matches, matchPolicy="Equivalent", namespaceSelector={}, objectSelector={})
    for name in ("resourceRules", "excludeResourceRules"):
        _fill_in_rules(matches.get(name) or ())


def _fill_in_policy(policy: Plain) -> None:
    _set(policy["spec"], failurePolicy="Fail")
    _fill_in_matches(policy["spec"].get("matchConstraints"))


def _fill_in_binding(binding: Plain) -> None:
    _fill_in_matches(binding["spec"].get("matchResources"))


def _policy_causes(policy: Object, old: Object | None) -> Iterator[Cause]:
    if old is not None and policy["spec"] is old["spec"]:
        return
    spec = policy["spec"]
    if spec["failurePolicy"] not in _FAILURES:
        yield Cause.unsupported("spec.failurePolicy", spec["failurePolicy"], _FAILURES)
    kind = spec.get("paramKind")
    if kind is not None:
        yield from _kind_causes(kind, "spec.paramKind")
    matches = spec.get("matchConstraints")
    if matches is None:
        yield Cause.required("spec.matchConstraints")
    else:
        if not matches.get("resourceRules"):
            yield Cause.required("spec.matchConstraints.resourceRules")
        yield from _match_causes(matches, "spec.matchConstraints")


def _validating_causes(policy: Object, old: Object | None) -> Iterator[Cause]:
    yield from _policy_causes(policy, old)
    spec = policy["spec"]
    if old is not None and spec is old["spec"]:
        return
    if not spec.get("validations") and not spec.get("auditAnnotations"):
        text = "validations or auditAnnotations must contain at least one item"
        yield Cause.required("spec.validations", text)
        yield Cause.required("spec.auditAnnotations", text)
    for index, validation in enumerate(spec.get("validations") or ()):
        if not validation["expression"].strip():
            yield Cause.required(f"spec.validations[{index}].expression", "expression is not specified")


def _mutating_causes(policy: Object, old: Object | None) -> Iterator[Cause]:
    yield from _policy_causes(policy, old)
    spec = policy["spec"]
    if old is not None and spec is old["spec"]:
        return
    if not spec.get("mutations"):
        yield Cause.required("spec.mutations", "mutations must contain at least one item")
    again = spec.get("reinvocationPolicy")
    if not again:
        yield Cause.required("spec.reinvocationPolicy")
    elif again not in _REINVOCATIONS:
        yield Cause.unsupported("spec.reinvocationPolicy", again, _REINVOCATIONS)


def _kind_causes(kind: Object, path: str) -> Iterator[Cause]:
    if not kind.get("apiVersion"):
        yield Cause.required(f"{path}.apiVersion")
    if not kind.get("kind"):
        yield Cause.required(f"{path}.kind")


def _match_causes(matches: Object, path: str) -> Iterator[Cause]:
    if matches["matchPolicy"] not in _MATCHES:
        yield Cause.unsupported(f"{path}.matchPolicy", matches["matchPolicy"], _MATCHES)
    yield from _selectors_causes(matches, path)
    for name in ("resourceRules", "excludeResourceRules"):
        for index, rule in enumerate(matches.get(name) or ()):
            yield from _rule_causes(rule, f"{path}.{name}[{index}]")


def _binding_causes(binding: Object, old: Object | None) -> Iterator[Cause]:
    spec = binding["spec"]
    if old is not None and spec is old["spec"]:
        return
    name = spec.get("policyName") or ""
    if name:
        yield from Cause.all_wrong("spec.policyName", name, formats.subdomain(name))
    else:
        yield Cause.required("spec.policyName")
    reference = spec.get("paramRef")
    if reference is not None:
        yield from _reference_causes(reference, "spec.paramRef")
    if spec.get("matchResources") is not None:
        yield from _match_causes(spec["matchResources"], "spec.matchResources")


def _reference_causes(reference: Object, path: str) -> Iterator[Cause]:
    name, selector = reference.get("name"), reference.get("selector")
    if name and selector is not None:
        for field in ("name", "selector"):
            yield Cause.forbidden(f"{path}.{field}", "name and selector are mutually exclusive")
    elif not name and selector is None:
        yield Cause.required(path, "one of name or selector must be specified")
    action = reference.get("parameterNotFoundAction")
    if action is None:
        yield Cause.required(f"{path}.parameterNotFoundAction")
    elif action not in ("Deny", "Allow"):
        yield Cause.unsupported(f"{path}.parameterNotFoundAction", action, ("Deny", "Allow"))


def _validating_binding_causes(binding: Object, old: Object | None) -> Iterator[Cause]:
    yield from _binding_causes(binding, old)
    actions = binding["spec"].get("validationActions") or ()
    if not actions:
        yield Cause.required("spec.validationActions", "at least one validation action is required")
    for index, action in enumerate(actions):
        if action not in _ACTIONS:
            yield Cause.unsupported(f"spec.validationActions[{index}]", action, _ACTIONS)
        if action in actions[:index]:
            yield Cause.duplicate(f"spec.validationActions[{index}]", action)
    if {"Deny", "Warn"} <= set(actions):
        text = (
            "must not contain both Deny and Warn (repeating the same validation failure information in the API "
            "response and headers serves no purpose)"
        )
        yield Cause.wrong("spec.validationActions", list(actions), text)


def _policy_cells(name: str) -> Any:
    def cells(policy: Object, now: datetime) -> list[Any]:
        spec = section(policy, "spec")
        kind = spec.get("paramKind")
        shown = f"{kind.get('apiVersion', '')}/{kind.get('kind', '')}" if kind else "<unset>"
        return [name_of(policy), len(spec.get(name) or ()), shown, age_of(policy, now)]

    return cells


def _binding_cells(binding: Object, now: datetime) -> list[Any]:
    spec = section(binding, "spec")
    reference = spec.get("paramRef")
    shown = "<unset>"
    if reference:
        space, name = reference.get("namespace"), reference.get("name") or ""
        shown = (f"{space}/{name}" if space else f"*/{name}") if name or space else "<unset>"
    return [name_of(binding), spec.get("policyName", ""), shown, age_of(binding, now)]


VALIDATING_POLICIES = Strategy(
    kept_by_status=("metadata",),
    blind_updates=False,
    generation=True,
    defaults=_fill_in_policy,
    validate=_validating_causes,
    validate_status=lambda *_: (),
    cells=_policy_cells("validations"),
)
MUTATING_POLICIES = Strategy(
    blind_updates=False,
    generation=True,
    defaults=_fill_in_policy,
    validate=_mutating_causes,
    cells=_policy_cells("mutations"),
)
VALIDATING_BINDINGS = Strategy(
    blind_updates=False,
    generation=True,
    defaults=_fill_in_binding,
    validate=_validating_binding_causes,
    cells=_binding_cells,
)
MUTATING_BINDINGS = Strategy(
    blind_updates=False,
    generation=True,
    defaults=_fill_in_binding,
    validate=_binding_causes,
    cells=_binding_cells,
)
