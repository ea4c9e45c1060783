"""Rules of a definition's schema: whether they can be used, and what they may cost."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ctrlkit.fakes.tracker.cel.estimate import UNBOUNDED
from ctrlkit.fakes.tracker.cel.rules import RULES, SELF_TYPE, Expression, Rule, is_valid_path
from ctrlkit.fakes.tracker.cel.schemas import REQUEST_MAX, Decl, Node, declared, escaped
from ctrlkit.fakes.tracker.refusals import Cause

RULE_LIMIT = 10_000_000
"""What a rule may cost at the most, for all values that an object may have for it."""

SCHEMA_LIMIT = 100_000_000
"""What the rules of a schema may cost together at the most."""

_SHOWN_MOST = 4
_REASONS = ("FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired")
_BREAKS = re.compile(r"[\n\r]")
_HINT = (
    "(try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are "
    "declared)"
)


def form_causes(node: Node, path: str, *, is_readable: bool = True) -> Iterator[Cause]:
    """
    Yield what is wrong with the form of a node's rules, whatever their expressions are.

    Shape   `is_readable` says that the fields of the node are known, so that paths to them can be checked.
    """
    for index, rule in enumerate(node.get(RULES) or ()):
        yield from _text_causes(rule, f"{path}.{RULES}[{index}]")
        yield from _place_causes(rule, node if is_readable else None, f"{path}.{RULES}[{index}]")


def _text_causes(rule: Node, path: str) -> Iterator[Cause]:
    source, message = rule.get("rule") or "", rule.get("message") or ""
    if not source.strip():
        yield Cause.required(f"{path}.rule", "rule is not specified")
    elif message and not message.strip():
        yield Cause.wrong(f"{path}.message", message, "must be non-empty if specified")
    elif _BREAKS.search(message.strip()):
        yield Cause.wrong(f"{path}.message", message, "must not contain line breaks")
    elif _BREAKS.search(source.strip()) and not message.strip():
        yield Cause.required(f"{path}.message", "message must be specified if rule contains line breaks")
    expression = rule.get("messageExpression") or ""
    if expression and not expression.strip():
        yield Cause.required(f"{path}.messageExpression", "messageExpression must be non-empty if specified")


def _place_causes(rule: Node, node: Node | None, path: str) -> Iterator[Cause]:
    reason, place = rule.get("reason"), rule.get("fieldPath") or ""
    if reason is not None and reason not in _REASONS:
        yield Cause.unsupported(f"{path}.reason", reason, _REASONS)
    if place and not place.strip():
        yield Cause.wrong(f"{path}.fieldPath", place, "must be non-empty if specified")
    if _BREAKS.search(place):
        yield Cause.wrong(f"{path}.fieldPath", place, "must not contain line breaks")
    if place and node is not None and not is_valid_path(place, node):
        yield Cause.wrong(f"{path}.fieldPath", place, "must be a valid path")


@dataclass(frozen=True, slots=True)
class Place:
    """
    Where a node is.

    Shape   `decl` is what expressions know of it if that is known from above; `count` how many such values an object
            may have at the most, None if that has no limit; `uncorrelated` is the path of the first node above whose
            values cannot be told apart from one version of an object to the next, empty if there is none.
    """

    path: str
    decl: Decl | None
    count: int | None
    uncorrelated: str
    is_root: bool = False

    def entered(self, node: Node) -> Place:
        """The same place, once the node is known: one with rules has types of its own, by names of its own."""
        if not node.get(RULES):
            return self
        is_root = self.is_root or bool(node.get("x-kubernetes-embedded-resource"))
        return replace(self, decl=declared(node, SELF_TYPE, is_root=is_root))

    def below(self, node: Node) -> dict[str, Place]:
        """The places of the nodes below, by their paths."""
        return {place.path: place for place in _below(node, self)}


def root_place(path: str) -> Place:
    """Return where the root of a schema is."""
    return Place(path, None, 1, "", is_root=True)


@dataclass(slots=True)
class Total:
    """
    What the rules of a schema may cost together.

    Shape   `is_unchanged` says that the schema was stored before: its rules may cost more than a new one's.
    """

    is_unchanged: bool = False
    cost: int = 0
    shares: list[tuple[int, str]] = field(default_factory=list)

    def add(self, path: str, cost: int) -> None:
        """Add the cost of a rule."""
        self.cost = min(self.cost + cost, UNBOUNDED)
        if cost >= SCHEMA_LIMIT // 100:
            self.shares.append((cost, path))

    def causes(self, path: str) -> Iterator[Cause]:
        """Yield a cause for each of the dearest rules, and one for all, if they cost too much together."""
        if self.cost <= SCHEMA_LIMIT:
            return
        for _, place in sorted(self.shares, key=lambda share: -share[0])[:_SHOWN_MOST]:
            text = "contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema"
            yield Cause.forbidden(place, text)
        what = f"{RULES} estimated rule cost total for entire OpenAPIv3 schema"
        yield Cause.forbidden(path, _exceeds(what, self.cost, SCHEMA_LIMIT))


def rule_causes(node: Node, place: Place, total: Total) -> Iterator[Cause]:
    """Yield what is wrong with the rules of a node whose form is right; their costs are added to the total."""
    if place.decl is None:
        text = f"internal error: failed to construct type information for {RULES} rules"
        text = f"Internal error: {text}: unable to convert structural schema to CEL declarations"
        yield Cause(f"{place.path}.{RULES}", "InternalError", text)
        return
    for index, rule in enumerate(node[RULES]):
        yield from _compiled_causes(rule, Rule(rule, node, place.decl), f"{place.path}.{RULES}[{index}]", place, total)


def _below(node: Node, place: Place) -> Iterator[Place]:
    most = _most_elements(node)
    count = None if place.count is None or most is None else min(place.count * most, UNBOUNDED)
    decl = place.decl
    additional, items = node.get("additionalProperties"), node.get("items")
    if isinstance(additional, Mapping):
        element = decl.element if decl else None
        yield Place(f"{place.path}.additionalProperties", element, count, place.uncorrelated)
    free = node.get("x-kubernetes-map-type") not in (None, "granular", "atomic")
    for name in node.get("properties") or {}:
        lost = place.uncorrelated or (place.path if free else "")
        found = decl.fields.get(escaped(name) or "") if decl else None
        yield Place(f"{place.path}.properties[{name}]", found, count, lost)
    if isinstance(items, Mapping):
        lost = place.uncorrelated or ("" if node.get("x-kubernetes-list-type") == "map" else place.path)
        yield Place(f"{place.path}.items", decl.element if decl else None, count, lost)


def _most_elements(node: Node) -> int | None:
    """By how much a node multiplies the values below it, None if that has no limit."""
    limit: int | None = 1
    if node.get("type") == "array":
        limit = node.get("maxItems")
    elif node.get("type") == "object" and node.get("additionalProperties") is not None:
        limit = node.get("maxProperties")
    return None if limit is None else max(limit, 0)


def _compiled_causes(given: Node, rule: Rule, path: str, place: Place, total: Total) -> Iterator[Cause]:
    assert place.decl is not None
    count = REQUEST_MAX // (place.decl.least + 1) if place.count is None else place.count
    cost = min((rule.program.cost if rule.program else 0) * count, UNBOUNDED)
    yield from _cost_causes("estimated rule cost", f"{path}.rule", cost, total)
    if rule.problem:
        yield Cause.invalid(f"{path}.rule", _shown(given), rule.problem)
    if rule.message_problem:
        yield Cause.invalid(f"{path}.messageExpression", _shown(given), rule.message_problem)
    elif rule.message_program:
        cost = rule.message_program.cost
        yield from _cost_causes("estimated messageExpression cost", f"{path}.messageExpression", cost, total)
    yield from _old_causes(given, rule.program, path, place)


def _old_causes(given: Node, program: Expression | None, path: str, place: Place) -> Iterator[Cause]:
    """What is wrong with the use of what was there before."""
    if program and program.uses_old:
        if place.uncorrelated:
            text = f"oldSelf cannot be used on the uncorrelatable portion of the schema within {place.uncorrelated}"
            yield Cause.wrong(f"{path}.rule", given["rule"], text)
    elif given.get("optionalOldSelf") is not None:
        text = "may not be set if oldSelf is not used in rule"
        yield Cause.wrong(f"{path}.optionalOldSelf", given["optionalOldSelf"], text)


def _cost_causes(what: str, path: str, cost: int, total: Total) -> Iterator[Cause]:
    if cost > RULE_LIMIT and not total.is_unchanged:
        yield Cause.forbidden(path, _exceeds(what, cost, RULE_LIMIT))
    total.add(path, cost)


def _exceeds(what: str, cost: int, limit: int) -> str:
    factor = cost / limit
    shown = "more than 100x" if factor > 100 else f"{factor:f}x" if factor < 1.5 else f"{factor:.1f}x"
    return f"{what} exceeds budget by factor of {shown} {_HINT}"


def _shown(rule: Node) -> str:
    """A rule as the server shows it."""
    fields: dict[str, Any] = {
        "Rule": rule.get("rule") or "",
        "Message": rule.get("message") or "",
        "MessageExpression": rule.get("messageExpression") or "",
        "Reason": rule.get("reason"),
        "FieldPath": rule.get("fieldPath") or "",
        "OptionalOldSelf": rule.get("optionalOldSelf"),
    }
    text = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
