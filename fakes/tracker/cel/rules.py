"""One rule of `x-kubernetes-validations`: compiled for the values of its schema's node."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ctrlkit.fakes.tracker.cel import literals
from ctrlkit.fakes.tracker.cel.checker import Checked, Fields, check
from ctrlkit.fakes.tracker.cel.estimate import highest_cost
from ctrlkit.fakes.tracker.cel.parser import parse
from ctrlkit.fakes.tracker.cel.program import InstantiationError, Program
from ctrlkit.fakes.tracker.cel.schemas import Decl, Node, fields_of
from ctrlkit.fakes.tracker.cel.tree import CompileError, Problem
from ctrlkit.fakes.tracker.cel.types import BOOL, STRING, Type, optional_of
from ctrlkit.fakes.tracker.cel.values import Optional
from ctrlkit.fakes.tracker.schema.field_paths import field_path

RULES = "x-kubernetes-validations"
_HELD_MAX = 256
SELF_TYPE = "selfType"
"""What the type of an object is called in messages; a server adds a number that differs each time."""


@dataclass(slots=True)
class Expression:
    """A compiled expression; `cost` is the most that an evaluation may cost."""

    program: Program
    cost: int
    uses_old: bool


class WrongExpression(ValueError):
    """An expression cannot be used; the message is the server's."""


class Rule:
    """
    A rule and its message.

    Shape   `problem` and `message_problem` are the server's words about expressions that cannot be used, else empty;
            `program` is None where there is a problem, or no rule. `uses_old`: the rule looks at what was there before.
            `held`: values that the rule holds of, as JSON, with what was there before if it looks at that, and what
            that cost.
    """

    def __init__(self, rule: Node, node: Node, decl: Decl) -> None:
        self.source: str = (rule.get("rule") or "").strip()
        self.message: str = (rule.get("message") or "").strip()
        self.message_source: str = rule.get("messageExpression") or ""
        self.reason: str | None = rule.get("reason")
        self.optional_old: bool = bool(rule.get("optionalOldSelf"))
        self.field_path: str = _valid_path(rule.get("fieldPath") or "", node)
        self.problem: str = ""
        self.message_problem: str = ""
        self.program: Expression | None = None
        self.message_program: Expression | None = None
        self.uses_old: bool = False
        self.held: dict[bytes, int] = {}
        if not self.source:
            return
        try:
            self.program = self._compiled(rule["rule"], decl, BOOL, "")
            self.uses_old = self.program.uses_old
        except WrongExpression as error:
            self.problem = str(error)
            return
        if self.message_source:
            try:
                self.message_program = self._compiled(self.message_source, decl, STRING, "messageExpression ")
            except WrongExpression as error:
                self.message_problem = str(error)

    def _compiled(self, source: str, decl: Decl, wanted: Type, what: str) -> Expression:
        old = optional_of(decl.type) if self.optional_old else decl.type
        try:
            checked = checked_expression(source, {"self": decl.type, "oldSelf": old}, decl)
        except CompileError as error:
            raise WrongExpression(f"{what}compilation failed: {error}") from None
        if checked.type != wanted:
            name = "a bool" if wanted is BOOL else "a string"
            raise WrongExpression(f"{what or 'cel expression '}must evaluate to {name}")
        try:
            program = Program(checked, {"self": decl, "oldSelf": None if self.optional_old else decl})
        except InstantiationError as error:
            raise WrongExpression(f"{what or 'program '}instantiation failed: {error}") from None
        return Expression(program, highest_cost(checked, decl), "oldSelf" in checked.names)

    def remember(self, value: bytes, cost: int) -> None:
        """Remember that the rule holds of a value: it is asked again at each write, also at one of the status."""
        if len(self.held) >= _HELD_MAX:
            self.held.clear()
        self.held[value] = cost

    def old_value(self, old: Any, decl: Decl) -> Any:
        """Return the value of `oldSelf` for what was there before, None if nothing was."""
        if not self.optional_old:
            return old
        if old is None:
            return Optional(there=False)
        return Optional(decl.convert(old) if decl.convert else old)

    def shown(self) -> str:
        """How messages of the server name the rule."""
        return self.message or self.source


def checked_expression(source: str, variables: Mapping[str, Type], decl: Decl) -> Checked:
    """Parse and check an expression about values of a declared type. Errors: CompileError."""
    return parsed_and_checked(source, variables, fields_of(decl))


def parsed_and_checked(
    source: str, variables: Mapping[str, Type], fields: Fields, *, makes_patches: bool = False
) -> Checked:
    """Parse and check an expression; `fields` are those of the types of its variables. Errors: CompileError."""
    try:
        checked = check(source, parse(source), variables, fields, makes_patches=makes_patches)
    except RecursionError:
        raise CompileError(source, [Problem(0, "expression recursion limit exceeded: 250")]) from None
    found = literals.problems(checked)
    if found:
        raise CompileError(source, found)
    return checked


# ---- the field that a rule is about ----------------------------------------------------------------------------------


def is_valid_path(text: str, node: Node) -> bool:
    """Whether a path leads to a field of a schema's objects."""
    try:
        field_path(text, node)
    except ValueError:
        return False
    return True


def _valid_path(text: str, node: Node) -> str:
    """Return a path as messages have it, empty if it leads nowhere."""
    try:
        return str(field_path(text, node))
    except ValueError:
        return ""
