"""What webhook configurations and admission policies have in common: resources, selectors, match conditions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ctrlkit.fakes.tracker.kinds.metadata import selector_causes
from ctrlkit.fakes.tracker.kinds.strategy import Object, Plain
from ctrlkit.fakes.tracker.refusals import Cause
from ctrlkit.fakes.tracker.schema import formats

if TYPE_CHECKING:
    from ctrlkit.fakes.tracker.cel.admission import Compiled, Compiler

FAILURES = ("Fail", "Ignore")
MATCHES = ("Equivalent", "Exact")
REINVOCATIONS = ("IfNeeded", "Never")
_SCOPES = ("*", "Cluster", "Namespaced")
_OPERATIONS = ("*", "CONNECT", "CREATE", "DELETE", "UPDATE")
_CONDITIONS_MAX = 64
_STATIC = ".static.k8s.io"


def fill_in_rules(rules: Sequence[Plain]) -> None:
    """Fill in the scope of rules of resources."""
    for rule in rules:
        set_missing(rule, scope="*")


def set_missing(plain: Plain, **values: Any) -> None:
    """Set fields that have no value."""
    for name, value in values.items():
        if plain.get(name) is None:
            plain[name] = value


def selectors_causes(plain: Object, path: str) -> Iterator[Cause]:
    """Yield what is wrong with the selectors of a webhook or of what a policy matches."""
    for name in ("namespaceSelector", "objectSelector"):
        if plain.get(name) is not None:
            yield from selector_causes(plain[name], f"{path}.{name}")


def name_warnings(plain: Object, _old: object) -> Iterator[str]:
    """Warn of a name that a server keeps for what it reads from files."""
    if (plain["metadata"].get("name") or "").endswith(_STATIC):
        reserved = "reserved for static manifest-based configurations and cannot be managed via the API"
        yield f'metadata.name: names ending with "{_STATIC}" are {reserved}'


# ---- rules of resources ----------------------------------------------------------------------------------------------


def rule_causes(rule: Object, path: str) -> Iterator[Cause]:
    """Yield what is wrong with a rule of operations and resources."""
    yield from _operation_causes(rule, f"{path}.operations")
    for name, what in (("apiGroups", "API groups"), ("apiVersions", "API versions")):
        values = rule.get(name) or ()
        if not values:
            yield Cause.required(f"{path}.{name}")
        yield from _alone_causes(values, f"{path}.{name}", what)
    for index, version in enumerate(rule.get("apiVersions") or ()):
        if not version:
            yield Cause.required(f"{path}.apiVersions[{index}]")
    yield from _resource_causes(rule.get("resources") or (), f"{path}.resources")
    if rule["scope"] not in _SCOPES:
        yield Cause.unsupported(f"{path}.scope", rule["scope"], _SCOPES)


def _alone_causes(values: Sequence[str], path: str, what: str) -> Iterator[Cause]:
    if len(values) > 1 and "*" in values:
        yield Cause.wrong(path, list(values), f"if '*' is present, must not specify other {what}")


def _operation_causes(rule: Object, path: str) -> Iterator[Cause]:
    operations = rule.get("operations") or ()
    if not operations:
        yield Cause.required(path)
    yield from _alone_causes(operations, path, "operations")
    for index, operation in enumerate(operations):
        if operation not in _OPERATIONS:
            yield Cause.unsupported(f"{path}[{index}]", operation, _OPERATIONS)


def _resource_causes(resources: Sequence[str], path: str) -> Iterator[Cause]:
    if not resources:
        yield Cause.required(path)
    covering: set[str] = set()
    plain = [name for name in resources if name and "/" not in name]
    for index, name in enumerate(resources):
        if not name:
            yield Cause.required(f"{path}[{index}]")
        resource, slash, part = name.partition("/")
        if not slash:
            continue
        for pattern in (f"{resource}/*", f"*/{part}"):
            if pattern in covering:
                yield Cause.wrong(f"{path}[{index}]", name, f"if '{pattern}' is present, must not specify {name}")
        covering |= {f"{resource}/*"} if part == "*" else set()
        covering |= {f"*/{part}"} if resource == "*" else set()
    if len(resources) > 1 and "*/*" in resources:
        yield Cause.wrong(path, list(resources), "if '*/*' is present, must not specify other resources")
    if "*" in plain and plain[-1] != "*":
        text = "if '*' is present, must not specify other resources without subresources"
        yield Cause.wrong(path, list(resources), text)


# ---- expressions -----------------------------------------------------------------------------------------------------


def condition_causes(conditions: Sequence[Object], path: str, *, has_params: bool = False) -> Iterator[Cause]:
    """Yield what is wrong with match conditions; `has_params` says that they may look at parameters."""
    if not conditions:
        return
    if len(conditions) > _CONDITIONS_MAX:
        yield Cause.too_many(path, len(conditions), _CONDITIONS_MAX)
    compiler = new_compiler(has_params=has_params)
    names: set[str] = set()
    for index, condition in enumerate(conditions):
        here, name, source = f"{path}[{index}]", condition.get("name") or "", (condition["expression"] or "").strip()
        if source:
            yield from expression_causes(compiler.condition(source), f"{here}.expression")
        else:
            yield Cause.required(f"{here}.expression")
        if not name:
            yield Cause.required(f"{here}.name")
            continue
        yield from Cause.all_wrong(f"{here}.name", name, formats.label_key(name))
        if name in names:
            yield Cause.duplicate(f"{here}.name", name)
        names.add(name)


def expression_causes(compiled: Compiled, path: str, *, shown: str = "") -> Iterator[Cause]:
    """Yield what is wrong with an expression; `shown` is it as it was written, "" if that is what was compiled."""
    if compiled.is_internal:
        yield Cause(path, "InternalError", f"Internal error: {compiled.problem}")
    elif compiled.problem:
        yield Cause.wrong(path, shown or compiled.source, compiled.problem)


def new_compiler(*, has_params: bool = False, has_variables: bool = False) -> Compiler:
    """Return a compiler of expressions, which is read when there is the first."""
    from ctrlkit.fakes.tracker.cel.admission import Compiler  # noqa: PLC0415  # most servers have no expressions

    return Compiler(has_params=has_params, has_variables=has_variables)
