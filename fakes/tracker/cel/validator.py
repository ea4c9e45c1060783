"""Objects of custom kinds against the rules of their schema."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from ctrlkit.fakes.tracker.cel.rules import RULES, SELF_TYPE, Expression, Rule
from ctrlkit.fakes.tracker.cel.schemas import Decl, Node, declared, escaped
from ctrlkit.fakes.tracker.cel.values import OutOfBudget
from ctrlkit.fakes.tracker.refusals import Cause, json_text
from ctrlkit.fakes.tracker.schema.correlation import Correlated, item_of

OBJECT_BUDGET = 10_000_000
"""What all rules of an object may cost together."""

_MESSAGE_MAX = 5 * 1024
_NO_MORE = "no further validation rules will be run"
_OUT = f"validation failed due to running out of cost budget, {_NO_MORE}"
_REMEMBERED_BYTES_MAX = 4096
_EMBEDDED = "x-kubernetes-embedded-resource"


@dataclass(frozen=True, slots=True)
class _Ratchet:
    """What a value is compared with to tell whether it is unchanged: itself before, or the nearest value above."""

    current: Correlated | None = None
    above: Correlated | None = None

    def holds(self) -> bool:
        compared = self.current if self.current is not None else self.above
        return compared is not None and compared.unchanged()

    def key(self, name: str) -> _Ratchet:
        if self.current is None:
            return self
        if self.above is None and name in ("apiVersion", "kind"):
            return _Ratchet()
        return _Ratchet(self.current.key(name), self.current)

    def index(self, index: int) -> _Ratchet:
        return self if self.current is None else _Ratchet(self.current.index(index), self.current)


@dataclass(frozen=True, slots=True)
class _Value:
    """A value of an object: where it is (empty for the object itself), what it is, and what it was."""

    path: str
    new: Any
    old: Any
    ratchet: _Ratchet

    @property
    def place(self) -> str:
        """Where it is, as messages say it."""
        return self.path or "<nil>"


class _Stopped(Exception):
    """The budget is used up."""


@dataclass(slots=True)
class _Review:
    """One object's review: the causes found, what is left of its budget, and who hears of what is let pass."""

    warn: Callable[[str], None]
    causes: list[Cause] = field(default_factory=list)
    left: int = OBJECT_BUDGET

    def stop(self, cause: Cause) -> None:
        self.causes.append(cause)
        raise _Stopped

    def spend(self, cost: int, cause: Callable[[], Cause]) -> None:
        if cost > self.left:
            self.stop(cause())
        self.left -= cost


class Validator:
    """
    The rules of a schema, compiled.

    >>> rule = {"rule": "self.min <= self.max", "message": "min is above max"}
    >>> number = {"type": "integer"}
    >>> schema = {"type": "object", "properties": {"min": number, "max": number}, "x-kubernetes-validations": [rule]}
    >>> [cause.message for cause in Validator(schema).causes({"min": 2, "max": 1})]
    ['Invalid value: min is above max']
    """

    def __init__(self, schema: Node, *, is_root: bool = True) -> None:
        self._schema = schema
        self._root = _built(schema, schema, declared(schema, SELF_TYPE, is_root=is_root))

    def causes(
        self,
        plain: Any,
        old: Any = None,
        warn: Callable[[str], None] = lambda _: None,
        *,
        ratchets: bool = True,
    ) -> list[Cause]:
        """
        Return a cause for each rule that an object breaks.

        Shape   `old` is the object as it was, None for a new one; `warn` is told of rules that unchanged values break,
                which are no causes if the review `ratchets`.
        """
        review = _Review(warn)
        if self._root is not None:
            compares = ratchets and old is not None
            ratchet = _Ratchet(Correlated(plain, old, self._schema)) if compares else _Ratchet()
            with contextlib.suppress(_Stopped):
                self._root.review(review, _Value("", plain, old, ratchet))
        return review.causes


def _built(node: Node, spine: Node, decl: Decl | None) -> _Level | None:
    """
    Compile the rules of a node and of all below.

    Shape   `spine` is the node of the structural schema, which differs from `node` within an `allOf`.
    """
    if decl is None:
        return None
    own = decl
    if node.get(RULES) and decl.type.name != SELF_TYPE:  # a rule's types have names that begin where the rule is
        own = declared(spine, SELF_TYPE, is_root=bool(spine.get(_EMBEDDED))) or decl
    level = _Level(spine, decl, [Rule(rule, spine, own) for rule in node.get(RULES) or ()])
    if isinstance(node.get("items"), Mapping) and isinstance(spine.get("items"), Mapping):
        level.items = _built(node["items"], spine["items"], decl.element)
    for name, inner in (node.get("properties") or {}).items():
        below = (spine.get("properties") or {}).get(name)
        found = _built(inner, below, _field(decl, name, below)) if below else None
        if found:
            level.properties[name] = found
    if isinstance(node.get("additionalProperties"), Mapping) and isinstance(spine.get("additionalProperties"), Mapping):
        level.additional = _built(node["additionalProperties"], spine["additionalProperties"], decl.element)
    level.every = [one for inner in node.get("allOf") or () if (one := _built(inner, spine, decl))]
    return level if level.is_needed() else None


def _field(decl: Decl, name: str, node: Node) -> Decl | None:
    called = escaped(name)
    if called is None:
        return declared(node, SELF_TYPE, is_root=bool(node.get(_EMBEDDED)))
    return decl.fields.get(called)


@dataclass(slots=True)
class _Level:
    """The rules of one node, and the levels below it that have any."""

    node: Node
    decl: Decl
    rules: list[Rule]
    items: _Level | None = None
    additional: _Level | None = None
    properties: dict[str, _Level] = field(default_factory=dict)
    every: list[_Level] = field(default_factory=list)

    def is_needed(self) -> bool:
        """Whether there is any rule here or below."""
        return bool(self.rules or self.items or self.additional or self.properties or self.every)

    def review(self, review: _Review, value: _Value) -> None:
        """Add a cause for each rule that a value breaks. Errors: _Stopped when the budget is used up."""
        if value.new is None:
            return
        text = _text_of(value.new) if self.rules else b""
        with_old = b""
        for rule in self.rules:
            if rule.problem:
                review.causes.append(self._typed(value, f"rule compile error: {rule.problem}"))
            if rule.program and (rule.optional_old or value.old is not None or not rule.uses_old):
                if rule.uses_old and text and not with_old:
                    before = _text_of(value.old)
                    with_old = b"%b was %b" % (text, before) if before else b""
                self._apply(review, rule, rule.program, value, with_old if rule.uses_old else text)
        for one in self.every:
            one.review(review, replace(value, ratchet=_Ratchet(None, value.ratchet.above)))
        for level, below in self._below(value):
            level.review(review, below)

    def _below(self, value: _Value) -> Iterator[tuple[_Level, _Value]]:
        if isinstance(value.new, list) and self.items is not None:
            for index, item in enumerate(value.new):
                old = item_of(value.old, item, self.node)
                yield self.items, _Value(f"{value.path}[{index}]", item, old, value.ratchet.index(index))
        elif isinstance(value.new, dict):
            yield from self._fields(value, value.new)

    def _fields(self, value: _Value, fields: Mapping[str, Any]) -> Iterator[tuple[_Level, _Value]]:
        before = value.old if isinstance(value.old, dict) else {}
        if self.additional is not None:
            for name, inner in fields.items():
                below = _Value(f"{value.path}[{name}]", inner, before.get(name), value.ratchet.key(name))
                yield self.additional, below
        for name, inner in fields.items():
            level = self.properties.get(name)
            if level is not None:
                path = f"{value.path}.{name}" if value.path else name
                yield level, _Value(path, inner, before.get(name), value.ratchet.key(name))

    def _apply(self, review: _Review, rule: Rule, expression: Expression, value: _Value, text: bytes) -> None:
        if text in rule.held and rule.held[text] <= review.left:
            review.left -= rule.held[text]
            return
        before = rule.old_value(value.old, self.decl)
        found, cost, problem = None, 0, ""
        try:
            found, cost, problem = expression.program.evaluate(value.new, before)
        except OutOfBudget as error:
            said = f"'{error}': no further validation rules will be run due to call cost exceeds limit for rule: "
            review.stop(self._typed(value, said + rule.shown()))
        else:
            review.spend(cost, lambda: self._typed(value, _OUT))
        if isinstance(value.new, float) and self.node.get("type") == "integer":
            problem = "invalid data, expected int, got float64"  # as 3.0 is, which is an integer otherwise
        if problem:
            review.causes.append(self._typed(value, _problem(problem, rule)))
        elif found is not True:
            said = self._message(review, rule, value)
            cause = self._broken(rule, value, said or rule.message or f"failed rule: {rule.source}")
            if rule.uses_old or not value.ratchet.holds():
                review.causes.append(cause)
            else:
                review.warn(f"{cause.field}: {cause.message}")
        elif text:
            rule.remember(text, cost)

    def _typed(self, value: _Value, text: str) -> Cause:
        return Cause.wrong(value.place, self.node.get("type") or "", text)

    def _broken(self, rule: Rule, value: _Value, text: str) -> Cause:
        path = ".".join(filter(None, (value.path, rule.field_path))) or "<nil>"
        is_shown = self.node.get("type") not in ("object", "array")
        match rule.reason:
            case "FieldValueForbidden":
                return Cause.forbidden(path, text)
            case "FieldValueRequired":
                return Cause.required(path, text)
            case "FieldValueDuplicate":
                return Cause.duplicate(path, value.new) if is_shown else Cause(path, rule.reason, "Duplicate value")
        return Cause.invalid(path, json_text(value.new), text) if is_shown else Cause.unfit(path, text)

    def _message(self, review: _Review, rule: Rule, value: _Value) -> str:
        """
        Return what a rule's own expression says, empty if there is none or it has no value.

        The server gives it `oldSelf` as it was, also where it is compiled for an optional one: then it has no value.
        """
        if rule.message_program is None or (rule.message_program.uses_old and value.old is None):
            return ""
        text, problem = None, ""
        try:
            text, cost, problem = rule.message_program.program.evaluate(value.new, value.old)
        except OutOfBudget:
            said = "no further validation rules will be run due to call cost exceeds limit for messageExpression: "
            review.stop(self._typed(value, said + json_text(rule.message_source)))
        else:
            said = f"messageExpression evaluation failed due to running out of cost budget, {_NO_MORE}"
            review.spend(cost, lambda: self._typed(value, said))
        if problem or not isinstance(text, str):
            return ""
        text = text.strip()
        return "" if "\n" in text or len(text.encode()) > _MESSAGE_MAX else text


def _text_of(value: Any) -> bytes:
    """Return a value as what rules hold of it is remembered by; empty for one that is too long, or not of JSON."""
    try:
        text = msgspec.json.encode(value)
    except (TypeError, ValueError, OverflowError):
        return b""
    return text if len(text) <= _REMEMBERED_BYTES_MAX else b""


def _problem(problem: str, rule: Rule) -> str:
    """What the server says of a rule that has no value."""
    if problem.startswith("no such overload"):
        text = "call arguments did not match a supported operator, function or macro signature for rule"
        return f"'{problem}': {text}: {rule.shown()}"
    return f"{problem} evaluating rule: {rule.shown()}"
