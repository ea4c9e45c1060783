"""Admission policies and their bindings: their structure, and the expressions in them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ctrlkit.fakes.tracker.kinds import conditions as status_conditions
from ctrlkit.fakes.tracker.kinds.admission_rules import (
    FAILURES,
    MATCHES,
    REINVOCATIONS,
    condition_causes,
    expression_causes,
    fill_in_rules,
    name_warnings,
    new_compiler,
    rule_causes,
    selectors_causes,
    set_missing,
)
from ctrlkit.fakes.tracker.kinds.metadata import selector_causes
from ctrlkit.fakes.tracker.kinds.strategy import Object, Plain, Strategy
from ctrlkit.fakes.tracker.kinds.tables import age_of, name_of, section
from ctrlkit.fakes.tracker.refusals import Cause
from ctrlkit.fakes.tracker.schema import formats

if TYPE_CHECKING:
    from ctrlkit.fakes.tracker.cel.admission import Compiler

_ACTIONS = ("Audit", "Deny", "Warn")
_REASONS = ("Forbidden", "Invalid", "RequestEntityTooLarge")
_MUTATED = ("*", "CONNECT", "CREATE", "UPDATE")
_PATCHES = {"ApplyConfiguration": "applyConfiguration", "JSONPatch": "jsonPatch"}
_ANNOTATIONS_MAX, _ANNOTATION_BYTES_MAX = 20, 5 * 1024
_BREAKS = re.compile(r"[\n\r]")
_NAME = re.compile(r"[_a-zA-Z][_a-zA-Z0-9]*")
_RESERVED_WORDS = (
    "true false null in as break const continue else for function if import let loop package namespace return var void "
    "while"
)
_RESERVED = frozenset(_RESERVED_WORDS.split())


def _fill_in_matches(matches: Plain | None) -> None:
    if matches is None:
        return
    set_missing(matches, matchPolicy="Equivalent", namespaceSelector={}, objectSelector={})
    for name in ("resourceRules", "excludeResourceRules"):
        fill_in_rules(matches.get(name) or ())


def _fill_in_policy(policy: Plain) -> None:
    set_missing(policy["spec"], failurePolicy="Fail")
    _fill_in_matches(policy["spec"].get("matchConstraints"))


def _fill_in_binding(binding: Plain) -> None:
    _fill_in_matches(binding["spec"].get("matchResources"))


# ---- policies --------------------------------------------------------------------------------------------------------


def _policy_causes(spec: Object, old: Object | None, *, mutates: bool) -> Iterator[Cause]:
    """Yield what is wrong with what both kinds of policies have; `old` is the spec as it was."""
    if spec["failurePolicy"] not in FAILURES:
        yield Cause.unsupported("spec.failurePolicy", spec["failurePolicy"], FAILURES)
    kind, matches = spec.get("paramKind"), spec.get("matchConstraints")
    if kind is not None:
        yield from _kind_causes(kind, "spec.paramKind")
    if matches is None:
        yield Cause.required("spec.matchConstraints")
    else:
        yield from _match_causes(matches, "spec.matchConstraints")
        if not matches.get("resourceRules"):
            yield Cause.required("spec.matchConstraints.resourceRules")
        if mutates:
            yield from _mutated_causes(matches, "spec.matchConstraints")
    if old is None or any(spec.get(name) != old.get(name) for name in ("paramKind", "matchConditions")):
        conditions = spec.get("matchConditions") or ()
        yield from condition_causes(conditions, "spec.matchConditions", has_params=kind is not None)


def _compiler(spec: Object, *, has_variables: bool) -> Compiler:
    return new_compiler(has_params=spec.get("paramKind") is not None, has_variables=has_variables)


def _variable_causes(compiler: Compiler, variables: Sequence[Object]) -> Iterator[Cause]:
    for index, variable in enumerate(variables):
        path, name, source = f"spec.variables[{index}]", variable["name"] or "", variable["expression"] or ""
        if not name.strip():
            yield Cause.required(f"{path}.name", "name is not specified")
        elif not _NAME.fullmatch(name) or name in _RESERVED:
            yield Cause.wrong(f"{path}.name", name, "must be a valid CEL identifier")
        if source.strip():
            yield from expression_causes(compiler.add(name, source), f"{path}.expression")
        else:
            yield Cause.required(f"{path}.expression", "expression is not specified")


def _validating_causes(policy: Object, old: Object | None) -> Iterator[Cause]:
    spec = policy["spec"]
    if old is not None and spec is old["spec"]:
        return
    yield from _policy_causes(spec, old and old["spec"], mutates=False)
    variables = spec.get("variables") or ()
    compiler = _compiler(spec, has_variables=bool(variables))
    yield from _variable_causes(compiler, variables)
    if not spec.get("validations") and not spec.get("auditAnnotations"):
        text = "validations or auditAnnotations must contain at least one item"
        yield Cause.required("spec.validations", text)
        yield Cause.required("spec.auditAnnotations", text)
    for index, validation in enumerate(spec.get("validations") or ()):
        yield from _validation_causes(compiler, validation, f"spec.validations[{index}]")
    yield from _annotations_causes(compiler, policy, spec.get("auditAnnotations") or ())


def _validation_causes(compiler: Compiler, validation: Object, path: str) -> Iterator[Cause]:
    source, message = validation["expression"] or "", validation.get("message") or ""
    if source.strip():
        yield from expression_causes(compiler.condition(source), f"{path}.expression")
    else:
        yield Cause.required(f"{path}.expression", "expression is not specified")
    said = validation.get("messageExpression") or ""
    if said.strip():
        yield from expression_causes(compiler.message(said), f"{path}.messageExpression")
    elif said:
        yield Cause.wrong(f"{path}.messageExpression", said, "must be non-empty if specified")
    if message and not message.strip():
        yield Cause.wrong(f"{path}.message", message, "must be non-empty if specified")
    elif _BREAKS.search(message.strip()):
        yield Cause.wrong(f"{path}.message", message, "must not contain line breaks")
    reason = validation.get("reason")
    if reason is not None and reason not in _REASONS:
        yield Cause.unsupported(f"{path}.reason", reason, _REASONS)


def _annotations_causes(compiler: Compiler, policy: Object, annotations: Sequence[Object]) -> Iterator[Cause]:
    if len(annotations) > _ANNOTATIONS_MAX:
        text = f"must not have more than {_ANNOTATIONS_MAX} auditAnnotations"
        shown = [{"Key": one["key"], "ValueExpression": one["valueExpression"]} for one in annotations]
        yield Cause.ordered("spec.auditAnnotations", shown, text)
    keys: set[str] = set()
    for index, annotation in enumerate(annotations):
        path, key = f"spec.auditAnnotations[{index}]", annotation["key"] or ""
        name = f"{policy['metadata'].get('name') or ''}/{key}"
        yield from Cause.all_wrong(f"{path}.key", name, formats.label_key(name))
        yield from _annotation_causes(compiler, annotation["valueExpression"] or "", f"{path}.valueExpression")
        if key in keys:
            yield Cause.duplicate(f"{path}.key", key)
        keys.add(key)


def _annotation_causes(compiler: Compiler, source: str, path: str) -> Iterator[Cause]:
    if not source.strip():
        yield Cause.required(path, "valueExpression is not specified")
    elif len(source.strip().encode()) > _ANNOTATION_BYTES_MAX:
        yield Cause.required(path, f"must not exceed {_ANNOTATION_BYTES_MAX} bytes in length")
    else:
        yield from expression_causes(compiler.annotation(source.strip()), path, shown=source)


def _mutating_causes(policy: Object, old: Object | None) -> Iterator[Cause]:
    spec = policy["spec"]
    if old is not None and spec is old["spec"]:
        return
    yield from _policy_causes(spec, old and old["spec"], mutates=True)
    compiler = _compiler(spec, has_variables=True)
    yield from _variable_causes(compiler, spec.get("variables") or ())
    if not spec.get("mutations"):
        yield Cause.required("spec.mutations", "mutations must contain at least one item")
    for index, mutation in enumerate(spec.get("mutations") or ()):
        yield from _mutation_causes(compiler, mutation, f"spec.mutations[{index}]")
    again = spec.get("reinvocationPolicy")
    if not again:
        yield Cause.required("spec.reinvocationPolicy")
    elif again not in REINVOCATIONS:
        yield Cause.unsupported("spec.reinvocationPolicy", again, REINVOCATIONS)


def _mutation_causes(compiler: Compiler, mutation: Object, path: str) -> Iterator[Cause]:
    kind = mutation.get("patchType") or ""
    if not kind:
        yield Cause.required(f"{path}.patchType")
        return
    if kind not in _PATCHES:
        yield Cause.unsupported(f"{path}.patchType", kind, _PATCHES)
        return
    field = _PATCHES[kind]
    patch = mutation.get(field)
    if patch is None:
        yield Cause.required(f"{path}.{field}", f"must be specified when patchType is {kind}")
    else:
        source = (patch.get("expression") or "").strip()
        compile_it = compiler.patch if field == "jsonPatch" else compiler.configuration
        if source:
            yield from expression_causes(compile_it(source), f"{path}.{field}.expression")
        else:
            yield Cause.required(f"{path}.{field}.expression")
    for other in _PATCHES.values():
        if other != field and mutation.get(other) is not None:
            yield Cause.wrong(f"{path}.{other}", f"{{{other}}}", f"must not be specified when patchType is {kind}")


def _kind_causes(kind: Object, path: str) -> Iterator[Cause]:
    version, name = kind.get("apiVersion") or "", kind.get("kind") or ""
    if not version:
        yield Cause.required(f"{path}.apiVersion")
    elif version.count("/") > 1:
        yield Cause.wrong(f"{path}.apiVersion", version, f"unexpected GroupVersion string: {version}")
    else:
        yield from _version_causes(version, f"{path}.apiVersion")
    if not name:
        yield Cause.required(f"{path}.kind")
        return
    complaints = ",".join(formats.label_1035(name.lower()))
    if complaints:
        yield Cause.wrong(f"{path}.kind", name, f"may have mixed case, but should otherwise match: {complaints}")


def _version_causes(api_version: str, path: str) -> Iterator[Cause]:
    group, _, version = api_version.rpartition("/")
    complaints = ",".join(formats.subdomain(group)) if group else ""
    if complaints:
        yield Cause.wrong(path, group, complaints)
    if not version:
        yield Cause.wrong(path, api_version, "version must be specified")
        return
    complaints = ",".join(formats.label_1035(version))
    if complaints:
        yield Cause.wrong(path, version, complaints)


# ---- what both policies and bindings match ---------------------------------------------------------------------------


def _match_causes(matches: Object, path: str) -> Iterator[Cause]:
    if matches["matchPolicy"] not in MATCHES:
        yield Cause.unsupported(f"{path}.matchPolicy", matches["matchPolicy"], MATCHES)
    yield from selectors_causes(matches, path)
    for name in ("resourceRules", "excludeResourceRules"):
        for index, rule in enumerate(matches.get(name) or ()):
            yield from _names_causes(rule.get("resourceNames") or (), f"{path}.{name}[{index}].resourceNames")
            yield from rule_causes(rule, f"{path}.{name}[{index}]")


def _names_causes(names: Sequence[str], path: str) -> Iterator[Cause]:
    for index, name in enumerate(names):
        yield from Cause.all_wrong(f"{path}[{index}]", name, formats.path_segment(name))
        if name in names[:index]:
            yield Cause.duplicate(f"{path}[{index}]", name)


def _mutated_causes(matches: Object, path: str) -> Iterator[Cause]:
    for rule in matches.get("resourceRules") or ():
        for operation in rule.get("operations") or ():
            if operation not in _MUTATED:
                yield Cause.unsupported(f"{path}.resourceRules.operations", operation, _MUTATED)


# ---- bindings --------------------------------------------------------------------------------------------------------


def _binding_causes(spec: Object) -> Iterator[Cause]:
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
    both = "name and selector are mutually exclusive"
    if name:
        yield from Cause.all_wrong(f"{path}.name", name, formats.path_segment(name))
        if selector is not None:
            yield Cause.forbidden(f"{path}.name", both)
    if selector is not None:
        yield from selector_causes(selector, f"{path}.selector")
        if name:
            yield Cause.forbidden(f"{path}.selector", both)
    if not name and selector is None:
        yield Cause.required(path, "one of name or selector must be specified")
    action = reference.get("parameterNotFoundAction")
    if not action:
        yield Cause.required(f"{path}.parameterNotFoundAction")
    elif action not in ("Deny", "Allow"):
        yield Cause.unsupported(f"{path}.parameterNotFoundAction", action, ("Deny", "Allow"))


def _validating_binding_causes(binding: Object, old: Object | None) -> Iterator[Cause]:
    spec = binding["spec"]
    if old is not None and spec is old["spec"]:
        return
    yield from _binding_causes(spec)
    actions = spec.get("validationActions") or ()
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
    if not actions:
        yield Cause.required("spec.validationActions", "at least one validation action is required")


def _mutating_binding_causes(binding: Object, old: Object | None) -> Iterator[Cause]:
    spec = binding["spec"]
    if old is not None and spec is old["spec"]:
        return
    yield from _binding_causes(spec)
    if spec.get("matchResources") is not None:
        yield from _mutated_causes(spec["matchResources"], "spec.matchResources")


# ---- status ----------------------------------------------------------------------------------------------------------


def _status_causes(policy: Object, _old: object) -> Iterator[Cause]:
    """Yield what is wrong with a status; that a `fieldRef` is a path is not looked at."""
    status = section(policy, "status")
    for index, warning in enumerate(section(status, "typeChecking").get("expressionWarnings") or ()):
        path = f"status.typeChecking.expressionWarnings[{index}]"
        if not warning.get("warning"):
            yield Cause.required(f"{path}.warning")
        if not (warning.get("fieldRef") or "").strip():
            yield Cause.required(f"{path}.fieldRef")
    yield from status_conditions.condition_causes(status.get("conditions") or (), "status.conditions")


# ---- tables ----------------------------------------------------------------------------------------------------------


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
    warn=name_warnings,
    generation=True,
    defaults=_fill_in_policy,
    validate=_validating_causes,
    validate_status=_status_causes,
    cells=_policy_cells("validations"),
)
MUTATING_POLICIES = Strategy(
    blind_updates=False,
    warn=name_warnings,
    generation=True,
    defaults=_fill_in_policy,
    validate=_mutating_causes,
    cells=_policy_cells("mutations"),
)
VALIDATING_BINDINGS = Strategy(
    blind_updates=False,
    warn=name_warnings,
    generation=True,
    defaults=_fill_in_binding,
    validate=_validating_binding_causes,
    cells=_binding_cells,
)
MUTATING_BINDINGS = Strategy(
    blind_updates=False,
    warn=name_warnings,
    generation=True,
    defaults=_fill_in_binding,
    validate=_mutating_binding_causes,
    cells=_binding_cells,
)
