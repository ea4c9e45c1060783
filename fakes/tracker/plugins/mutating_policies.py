"""MutatingAdmissionPolicy: what policies change of an object, by apply configurations and JSON patches."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ctrlkit.errors import Forbidden
from ctrlkit.fakes.tracker.admission import CONNECT, DELETE, Attributes
from ctrlkit.fakes.tracker.cel.admission import BudgetSpent, Compiled, Evaluation
from ctrlkit.fakes.tracker.cel.values import Built, Duration, Optional, Timestamp
from ctrlkit.fakes.tracker.core import Core
from ctrlkit.fakes.tracker.kinds.strategy import Strategy
from ctrlkit.fakes.tracker.ownership.managed_fields import node_of
from ctrlkit.fakes.tracker.ownership.typed_merge import merge, problems
from ctrlkit.fakes.tracker.plugins.matching import converted
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
from ctrlkit.fakes.tracker.plugins.validating_policies import name_of
from ctrlkit.fakes.tracker.refusals import details_of, internal_error
from ctrlkit.fakes.tracker.schema import typed
from ctrlkit.fakes.tracker.schema.nodes import Kind, Node, child
from ctrlkit.fakes.tracker.store import Stored
from ctrlkit.fakes.tracker.verbs.json_patch import DoesNotApply, TestFailed, performed

Plain = dict[str, Any]

_PLUGIN = "MutatingAdmissionPolicy"
_NAMED = ("kind", "apiVersion")
_OMITS = "has an element that omits key field"


class _Mutating(Policy):
    def __init__(self, stored: Stored) -> None:
        super().__init__(stored)
        compiler = self.compiler
        self.mutations: list[tuple[Compiled, bool]] = []
        """The expressions, and whether they make JSON patches."""
        for one in self.spec["mutations"]:
            is_patch = one["patchType"] == "JSONPatch"
            source = (one["jsonPatch"] if is_patch else one["applyConfiguration"])["expression"]
            self.mutations.append((compiler.patch(source) if is_patch else compiler.configuration(source), is_patch))


def _policy(stored: Stored) -> _Mutating:
    found = compiled(_Mutating, stored)
    assert isinstance(found, _Mutating)
    return found


class _Memory:
    """
    What the plug-in remembers of its run before: which policies are to see the object again if it changes.

    Shape   Names of policy, binding and parameter.
    """

    def __init__(self) -> None:
        self.output: Object | None = None
        self.invoked: set[tuple[str, ...]] = set()
        self.again: set[tuple[str, ...]] = set()

    def require(self) -> None:
        """Have the policies that were asked look again."""
        self.again |= self.invoked
        self.invoked = set()


class _Refusal(NamedTuple):
    text: str
    reason: str = ""


def mutate(core: Core, attributes: Attributes, plain: Plain) -> Plain:
    """
    Let the policies change the object of a request; return it.

    Errors  Forbidden with what the policies say that could not; InternalError for a patched object of another type.
    """
    if attributes.operation in (DELETE, CONNECT) or is_exempt(attributes):
        return plain
    found = list(binding_requests(core, attributes, plain, "mutating", _policy))
    if not found:
        return plain
    refusals = [
        _said(one.policy, one.binding, one.text) for one in found if isinstance(one, Problem) and one.policy.fails
    ]
    run = _Run(core, attributes, plain)
    bound = [one for one in found if isinstance(one, Bound)]
    if bound:
        refusals += run.all(bound)
        plain = run.result()
    if refusals:
        raise _refused(attributes, plain, refusals)
    return plain


def _said(policy: Policy, binding: Stored | None, text: str, reason: str = "") -> _Refusal:
    if binding is None:
        return _Refusal(f'policy "{policy.name}" denied request: {text}', reason)
    return _Refusal(f"policy '{policy.name}' with binding '{binding.key.name}' denied request: {text}", reason)


def _refused(attributes: Attributes, plain: Object, refusals: list[_Refusal]) -> Forbidden:
    causes = [{"message": one.text} for one in refusals]
    details = details_of(attributes.served.resource, name_of(attributes, plain), causes=causes)
    return Forbidden(refusals[0].text, reason=refusals[0].reason or "Forbidden", details=details)


class _Run:
    """One run of the policies on one request; each version of the kind that they want has its own object."""

    def __init__(self, core: Core, attributes: Attributes, plain: Plain) -> None:
        self._core = core
        self._attributes = attributes
        self._source = attributes.served
        self._plain = plain
        self._objects: dict[str, Plain] = {}
        self._last: Strategy | None = None
        memory = attributes.memory.setdefault(_PLUGIN, _Memory())
        assert isinstance(memory, _Memory)
        self._memory = memory

    def all(self, bound: list[Bound]) -> Iterator[_Refusal]:
        """Run all policies; yield what they refuse."""
        if self._attributes.is_again and self._memory.output != self._plain:
            self._memory.require()
        for one in bound:
            yield from self._one(one)

    def result(self) -> Plain:
        """Return the object as the policies have left it."""
        plain = self._plain
        if self._last is not None:
            self._memory.require()
            self._attributes.wants_again = True
            plain = dict(converted(self._last, self._source, self._objects[self._last.resource.version]))
        self._memory.output = copy.deepcopy(plain)
        return plain

    def _object(self, form: Strategy) -> Plain:
        version = form.resource.version
        if version not in self._objects:
            self._objects[version] = dict(converted(self._source, form, self._plain))
        return self._objects[version]

    def _one(self, bound: Bound) -> Iterator[_Refusal]:
        policy, form = bound.policy, bound.form
        assert isinstance(policy, _Mutating)
        before = self._object(form)
        key = (policy.name, bound.binding.key.name, *_names(bound.params))
        try:
            if not conditions_hold(bound, inputs_of(self._core, self._attributes, self._back(form), bound)):
                return
        except Wrong as error:
            yield _said(policy, bound.binding, str(error), "Invalid")
            return
        if self._attributes.is_again and key not in self._memory.again:
            return
        for expression, is_patch in policy.mutations:
            try:
                self._objects[form.resource.version] = self._mutated(bound, expression, is_patch=is_patch)
                self._last = form
            except Wrong as error:
                if policy.fails:
                    yield _said(policy, bound.binding, str(error), "Invalid")
        if self._object(form) != before:
            self._memory.require()
            self._attributes.wants_again = True
        if policy.spec["reinvocationPolicy"] == "IfNeeded":
            self._memory.invoked.add(key)

    def _back(self, form: Strategy) -> Object:
        return converted(form, self._source, self._object(form))

    def _mutated(self, bound: Bound, expression: Compiled, *, is_patch: bool) -> Plain:
        """Return what one mutation makes of the object. Errors: Wrong; InternalError."""
        form = bound.form
        inputs = inputs_of(self._core, self._attributes, self._back(form), bound)
        if expression.program is None:
            raise Wrong(expression.problem)
        try:
            result = Evaluation(bound.policy.compiler, inputs).value(expression)
        except BudgetSpent as error:
            raise Wrong(str(error)) from None
        if result.problem:
            raise Wrong(result.problem)
        plain = (_patched if is_patch else _applied)(form, self._object(form), result.value)
        if form.custom:
            return form.prepare(self._core, form, plain, self._attributes.action)
        form.defaults(plain)
        return plain


def _names(params: Object | None) -> tuple[str, ...]:
    metadata = (params or {}).get("metadata") or {}
    return (metadata.get("namespace") or "", metadata.get("name") or "")


# ---- apply configurations --------------------------------------------------------------------------------------------


def _applied(form: Strategy, plain: Plain, value: Built) -> Plain:
    """Merge what an expression has made into an object. Errors: Wrong."""
    mismatches = "\n".join(_mismatches(value, value.type.name))
    if mismatches:
        raise Wrong(f"type mismatch: {mismatches}")
    node, wanted = node_of(form), _json(value)
    found = [one for one in problems(wanted, node) if _OMITS not in one]
    if found:
        text = found[0] if len(found) == 1 else "\n".join(["errors:", *(f"  {one}" for one in found)])
        raise Wrong(f"error applying patch: failed to convert patch object to typed object: {text}")
    atomic = ", ".join(_atomics(wanted, node, ""))
    if atomic:
        text = f"may not mutate atomic arrays, maps or structs: {atomic}"
        raise Wrong(f"error applying patch: invalid ApplyConfiguration: {text}")
    merged = merge(plain, {name: inner for name, inner in wanted.items() if name not in _NAMED}, node)
    try:
        return _read(form, merged)[0]
    except typed.DoesNotFit as error:
        resource = form.resource
        kind = f"{resource.group}/{resource.version}, Kind={resource.kind}"
        raise Wrong(f"unable to convert unstructured object to {kind}: {error.converted}") from None


def _mismatches(value: Any, path: str) -> Iterator[str]:
    """Yield a sentence for each part of an object whose type is not that of its place."""
    if isinstance(value, Built):
        name = value.type.name
        if name != path:
            what = "which matches field name path from root Object type"
            yield f'unexpected type name "{name}", expected "{path}", {what}'
        for field, inner in value.items():
            yield from _mismatches(inner, f"{path}.{field}")
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _mismatches(inner, path)
    elif isinstance(value, list):
        for inner in value:
            yield from _mismatches(inner, path)


def _atomics(value: Any, node: Node, path: str) -> Iterator[str]:
    """Yield the paths of what would be replaced as a whole."""
    if isinstance(value, Mapping) and node.kind is Kind.MAP:
        if node.is_leaf:
            yield path
        for name, inner in sorted(value.items()):
            if name in node.fields:
                yield from _atomics(inner, child(node, name), f"{path}.{name}")
    elif isinstance(value, list) and node.kind is Kind.LIST:
        if node.is_leaf:
            yield path
        for index, inner in enumerate(value):
            yield from _atomics(inner, node.other or node, f"{path}[{index}]")


# ---- JSON patches ----------------------------------------------------------------------------------------------------


def _patched(form: Strategy, plain: Plain, operations: list[Built]) -> Plain:
    """Perform what an expression has made on an object. Errors: Wrong, InternalError."""
    whole = {"kind": form.resource.kind, "apiVersion": form.resource.api_version, **plain}
    try:
        patched = performed(whole, [_operation(one) for one in operations])
    except TestFailed:
        return plain
    except DoesNotApply as error:
        raise Wrong(f"JSON Patch: {error}") from None
    if any(patched.get(name) != whole[name] for name in _NAMED):
        raise internal_error("failed to convert object: unknown conversion")
    try:
        found, unknown = _read(form, patched)
    except typed.DoesNotFit as error:
        raise internal_error(str(error)) from None
    if unknown:
        fields = ", ".join(f'unknown field "{name}"' for name in unknown)
        raise internal_error(f"strict decoding error: {fields}")
    return found


def _operation(built: Built) -> Plain:
    found: Plain = {name: built.get(name) or "" for name in ("op", "path")}
    if built.get("from"):
        found["from"] = built["from"]
    if "value" in built:
        value = built["value"]
        if isinstance(value, Built):
            mismatches = "\n".join(_mismatches(value, value.type.name))
            if mismatches:
                raise Wrong(f"type mismatch: {mismatches}")
        elif _holds_objects(value):
            raise internal_error("a list or map of objects as the value of a JSON patch breaks off the request")
        found["value"] = _json(value)
    return found


def _holds_objects(value: Any) -> bool:
    """Whether a list or a map has parts of objects in it, on which a server breaks off."""
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return any(isinstance(one, Built) or _holds_objects(one) for one in inner)


def _read(form: Strategy, patched: Plain) -> tuple[Plain, list[str]]:
    """Read a changed object by the type of its kind. Errors: DoesNotFit."""
    plain = {name: value for name, value in patched.items() if name not in _NAMED}
    if not form.custom:
        return typed.read(form.types, form.resource, plain, {})
    metadata, unknown = typed.read_metadata(plain.get("metadata") or {}, {})
    return {**{name: typed.untyped(value) for name, value in plain.items()}, "metadata": metadata}, unknown


def _json(value: Any) -> Any:
    """Return a value of an expression as JSON has it."""
    match value:
        case Optional():
            return _json(value.value)
        case Mapping():
            return {str(name): _json(inner) for name, inner in value.items()}
        case list():
            return [_json(inner) for inner in value]
        case Timestamp() | Duration():
            return str(value)
        case float() if value.is_integer():
            return int(value)
    return value
