"""Expressions made into Python functions, which reckon what they cost while they run."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ctrlkit.fakes.tracker.cel.checker import Checked
from ctrlkit.fakes.tracker.cel.functions import OVERLOADS
from ctrlkit.fakes.tracker.cel.loops import FOLDS, listed
from ctrlkit.fakes.tracker.cel.parts import (
    WRONG,
    Frame,
    Run,
    called,
    dispatched,
    field_of,
    item_at,
    lazy_field,
    optional_field,
    optional_item,
    plus,
    presence,
    scalars_differ,
    scalars_equal,
    texts_equal,
    variable,
)
from ctrlkit.fakes.tracker.cel.schemas import Decl, read_integer
from ctrlkit.fakes.tracker.cel.tree import Call, Fold, Ident, ListOf, Literal, MapOf, Node, Select, Struct
from ctrlkit.fakes.tracker.cel.types import INT, VARIABLES, Type, optional_value
from ctrlkit.fakes.tracker.cel.values import (
    CALL_LIMIT,
    NO_OVERLOAD,
    Built,
    EvaluationError,
    Optional,
    OutOfBudget,
    contains,
)
from ctrlkit.fakes.tracker.schema.patterns import compiled

_CONVERSIONS = frozenset({"bool", "bytes", "double", "duration", "dyn", "type", "int", "string", "timestamp", "uint"})
_MESSAGES = {"timestamp": "google.protobuf.Timestamp", "duration": "google.protobuf.Duration"}
_SAME = frozenset({"bool", "int", "uint", "double", "duration", "timestamp"})
_RELATIONS = {"_<_": operator.lt, "_<=_": operator.le, "_>_": operator.gt, "_>=_": operator.ge}


class InstantiationError(ValueError):
    """An expression cannot be run: a constant in it has no value."""


class Program:
    """
    An expression that can be evaluated on objects.

    Shape   `variables` are the declared types of the variables that an evaluation is given; their values are those of
            the object as they are. `cost` of the frame is what an evaluation cost, also when it fails.
    """

    def __init__(self, checked: Checked, variables: Mapping[str, Decl | None]) -> None:
        compiler = _Compiler(checked, variables)
        self._run = compiler.value(checked.root)
        self._rest: list[Any] = [None] * (compiler.places - len(variables))

    def evaluate(self, *values: Any) -> tuple[Any, int, str]:
        """
        Return the value for the variables' values, what it cost, and the server's message if there is no value.

        Errors  OutOfBudget if it costs more than an evaluation may.
        """
        frame = Frame([*values, *self._rest])
        problem, result = "", None
        try:
            result = self._run(frame)
        except EvaluationError as error:
            problem = str(error)
        except (TypeError, AttributeError):
            problem = NO_OVERLOAD
        if frame.cost > CALL_LIMIT:
            raise OutOfBudget
        return result, frame.cost, problem


class _Scope:
    def __init__(self, place: int, decl: Decl | None) -> None:
        self.place = place
        self.decl = decl


class _Compiler:
    def __init__(self, checked: Checked, variables: Mapping[str, Decl | None]) -> None:
        self._checked = checked
        self._types = checked.types
        self._scopes = {name: [_Scope(place, decl)] for place, (name, decl) in enumerate(variables.items())}
        self._structs = {one.type.name: one for decl in variables.values() if decl for one in _structs(decl)}
        self._constants: dict[Node, Any] = {}
        self._raw = {name for name, decl in variables.items() if decl is None} - {"variables"}
        self.places = len(variables)

    # ---- values and raw data ----

    def value(self, node: Node) -> Run:
        """Make a function for the value of a part."""
        if self._is_constant(node):
            constant = self._constants[node]
            return lambda _frame: constant
        if _is_attribute(node):
            return self._converted(*self._attribute(node, head=1))
        run: Run = getattr(self, f"_{type(node).__name__.lower()}")(node)
        return run

    @staticmethod
    def _converted(run: Run, decl: Decl | None) -> Run:
        """Let the value of data be what expressions know; only a field that an expression reads is looked at so."""
        convert = decl.convert or (read_integer if decl.type == INT else None) if decl else None
        return (lambda frame: convert(run(frame))) if convert else run

    def _kind(self, node: Node) -> Type:
        return self._types[node]

    # ---- constants ----

    def _is_constant(self, node: Node) -> bool:
        """Whether a part is the same in every evaluation, as far as the server looks; its value is kept then."""
        if node not in self._constants:
            found = self._constant(node)
            if not found:
                return False
            self._constants[node] = found[0]
        return True

    def _constant(self, node: Node) -> list[Any]:
        if isinstance(node, Literal):
            return [node.value]
        if node in self._checked.constants:
            kind = self._checked.constants[node]
            return [Type(kind.kind, _MESSAGES.get(kind.kind, kind.name))]
        if isinstance(node, ListOf) and not node.optional:
            return [[self._constants[one] for one in node.items]] if all(map(self._is_constant, node.items)) else []
        if isinstance(node, MapOf):
            parts = [part for entry in node.entries for part in (entry.key, entry.value)]
            if any(entry.optional for entry in node.entries) or not all(map(self._is_constant, parts)):
                return []
            return [{self._constants[entry.key]: self._constants[entry.value] for entry in node.entries}]
        return self._constant_call(node) if isinstance(node, Call) else []

    def _constant_call(self, node: Call) -> list[Any]:
        if node.function in _CONVERSIONS and node.target is None:
            return self._constant_conversion(node)
        items = node.args[1] if node.function == "@in" else None
        return [False] if isinstance(items, ListOf) and not items.items else []

    def _constant_conversion(self, node: Call) -> list[Any]:
        if len(node.args) != 1 or not self._is_constant(node.args[0]):
            return []
        try:
            return [self._checked.overloads[node][0].run(self._constants[node.args[0]])]
        except EvaluationError as error:
            raise InstantiationError(str(error)) from None

    # ---- attributes: names, fields and indexes ----

    def _attribute(self, node: Node, *, head: int) -> tuple[Run, Decl | None]:
        """
        Make a function for a part that leads into data, and say what is known of what it leads to.

        Shape   `head` is what the start of such a chain costs: 0 where it is part of another.
        """
        if not _is_attribute(node) or self._is_constant(node):
            run = self.value(node)
            return (plus(run, head), None) if head else (run, None)
        name = node.name.removeprefix(".") if isinstance(node, Ident) else self._checked.dotted.get(node)
        if name is not None:
            if self._kind(node).kind == "type":  # a server takes the name of such a variable for a type's
                raise InstantiationError(f"reference to undefined type: {name}")
            scope = self._scopes[name][-1]
            return variable(scope.place, head), scope.decl
        if isinstance(node, Select):
            return self._selected(node, head)
        assert isinstance(node, Call)
        if node.function == "_?_:_":
            return self._choice(node), None
        return self._indexed(node, head)

    def _selected(self, node: Select, head: int) -> tuple[Run, Decl | None]:
        operand, decl = self._attribute(node.operand, head=head)
        kind, is_optional = optional_value(self._kind(node.operand))
        name = self._raw_name(kind, node.field)
        struct = kind.kind == "struct"
        if kind == VARIABLES and not node.optional:
            return lazy_field(operand, name), None
        if node.optional or is_optional:
            return optional_field(self._converted(operand, decl), name, of_struct=struct), None
        below = None
        if decl:
            below = decl.fields.get(node.field) if decl.fields else decl.element
        return field_of(operand, name, node.field, of_struct=struct), below

    def _raw_name(self, kind: Type, field: str) -> str:
        struct = self._structs.get(kind.name) if kind.kind == "struct" else None
        return struct.names.get(field, field) if struct else field

    def _indexed(self, node: Call, head: int) -> tuple[Run, Decl | None]:
        operand, decl = self._attribute(node.args[0], head=head)
        index = self._converted(*self._attribute(node.args[1], head=0))
        kind, is_optional = optional_value(self._kind(node.args[0]))
        if node.function == "_[?_]" or is_optional:
            return optional_item(self._converted(operand, decl), index), None
        if kind.kind in ("list", "map") and decl is not None:
            return item_at(operand, index), decl.element
        return item_at(self._converted(operand, decl), index, is_raw=self._is_raw(node.args[0])), None

    def _choice(self, node: Call) -> Run:
        """The parts of a choice cost what they cost, but for the start of a chain; the choice itself nothing."""
        test = self.value(node.args[0])
        yes, no = (
            self._converted(*self._attribute(one, head=0)) if _is_attribute(one) else self.value(one)
            for one in node.args[1:]
        )
        checked = self._kind(node.args[0]).kind == "bool"

        def run(frame: Frame) -> Any:
            found = test(frame)
            if found is True:
                return yes(frame)
            if found is False or checked:
                return no(frame)
            raise EvaluationError(NO_OVERLOAD)

        return run

    def _select(self, node: Select) -> Run:
        """Whether a field is there."""
        operand, decl = self._attribute(node.operand, head=0)
        kind, is_optional = optional_value(self._kind(node.operand))
        name = self._raw_name(kind, node.field)
        if kind == VARIABLES:
            return presence(lazy_field(operand, name))
        if kind.kind == "struct" and not is_optional:

            def of_struct(frame: Frame) -> bool:
                frame.cost += 1
                return operand(frame).get(name) is not None

            return of_struct
        value, is_open = self._converted(operand, decl), _is_attribute(node.operand) and decl is None

        def run(frame: Frame) -> bool:
            frame.cost += 1
            found = value(frame)
            if is_open and not isinstance(found, (dict, Optional)):
                return False
            if isinstance(found, Optional):
                found = found.value if found.there else {}
            if not isinstance(found, dict):
                raise EvaluationError(NO_OVERLOAD)
            return name in found

        return run

    def _is_raw(self, node: Node) -> bool:
        """Whether a part leads into an object that is as it was sent; there nothing has fields but maps."""
        if isinstance(node, Call):
            return node.function == "_[_]" and self._is_raw(node.args[0])
        if isinstance(node, Select) and node not in self._checked.dotted:
            return not node.optional and self._is_raw(node.operand)
        return isinstance(node, Ident) and node.name in self._raw and len(self._scopes[node.name]) == 1

    # ---- lists and maps ----

    def _listof(self, node: ListOf) -> Run:
        items = [(self.value(item), index in node.optional) for index, item in enumerate(node.items)]
        if not node.optional:
            runs = [run for run, _ in items]

            def plain(frame: Frame) -> list[Any]:
                frame.cost += 10
                return [run(frame) for run in runs]

            return plain

        def with_optional(frame: Frame) -> list[Any]:
            frame.cost += 10
            found: list[Any] = []
            for run, optional in items:
                value = run(frame)
                if not optional:
                    found.append(value)
                elif value.there:
                    found.append(value.value)
            return found

        return with_optional

    def _mapof(self, node: MapOf) -> Run:
        entries = [(self.value(entry.key), self.value(entry.value), entry.optional) for entry in node.entries]

        def run(frame: Frame) -> dict[Any, Any]:
            frame.cost += 30
            found: dict[Any, Any] = {}
            for key, value, optional in entries:
                name, item = key(frame), value(frame)
                if not optional:
                    found[name] = item
                elif item.there:
                    found[name] = item.value
            return found

        return run

    def _struct(self, node: Struct) -> Run:
        kind = self._kind(node)
        fields = [(one.name, self.value(one.value), one.optional) for one in node.fields]

        def run(frame: Frame) -> Built:
            frame.cost += 40
            found = Built(kind)
            for name, value, optional in fields:
                item = value(frame)
                if not optional:
                    found[name] = item
                elif item.there:
                    found[name] = item.value
            return found

        return run

    # ---- calls ----

    def _call(self, node: Call) -> Run:
        special = _SPECIAL.get(node.function)
        found = special(self, node) if special else None
        return found or self._plain_call(node)

    def _plain_call(self, node: Call) -> Run:
        parts = [node.target, *node.args] if node.target else node.args
        args = [self.value(part) for part in parts]
        chosen = self._checked.overloads[node]
        if len(chosen) == 1 and not any(_may_be_anything(self._kind(part)) for part in parts):
            run, price = chosen[0].run, chosen[0].price
            if node.function in ("matches", "find", "findAll"):
                self._check_pattern(parts)
            return called(run, price, args)
        every = [one for one in OVERLOADS[node.function] if one.member == (node.target is not None)]
        return dispatched([one for one in every if len(one.params) == len(args)], args)

    def _check_pattern(self, parts: Sequence[Node]) -> None:
        pattern = parts[1]
        if isinstance(pattern, Literal):
            try:
                compiled(pattern.value)
            except ValueError as error:
                raise InstantiationError(str(error)) from None

    def logical(self, node: Call) -> Run:
        """`&&` and `||`: a side that decides does so even if the other has no value."""
        decides = node.function == "_||_"
        one, other = map(self.value, node.args)

        def run(frame: Frame) -> Any:
            try:
                found = one(frame)
                if found is decides:
                    return decides
                if found is not (not decides):
                    raise EvaluationError(NO_OVERLOAD)
            except WRONG as error:
                return after(frame, error)
            found = other(frame)
            if found is True or found is False:
                return found
            raise EvaluationError(NO_OVERLOAD)

        def after(frame: Frame, error: Exception) -> Any:
            try:
                if other(frame) is decides:
                    return decides
            except WRONG:
                pass
            raise error

        return run

    def equality(self, node: Call) -> Run | None:
        """`==` and `!=` of values whose types are known."""
        kinds = [self._kind(part) for part in node.args]
        wanted = node.function == "_==_"
        if kinds[0] != kinds[1]:
            return None
        one, other = map(self.value, node.args)
        if kinds[0].kind in _SAME:
            return scalars_equal(one, other) if wanted else scalars_differ(one, other)
        if kinds[0].kind == "string":
            return texts_equal(one, other, wanted=wanted)
        return None

    def relation(self, node: Call) -> Run | None:
        """An order of numbers and times of the same type."""
        kinds = [self._kind(part) for part in node.args]
        if kinds[0] != kinds[1] or kinds[0].kind not in ("int", "uint", "duration", "timestamp"):
            return None
        one, other = map(self.value, node.args)
        test = _RELATIONS[node.function]

        def run(frame: Frame) -> bool:
            frame.cost += 1
            return test(one(frame), other(frame))  # type: ignore[no-any-return]

        return run

    def membership(self, node: Call) -> Run | None:
        """`in` a list that is written out: the server has it as a set."""
        if not isinstance(node.args[1], ListOf) or not self._is_constant(node.args[1]):
            return None
        item, items = self.value(node.args[0]), self._constants[node.args[1]]
        return lambda frame: contains(items, item(frame))

    def alternative(self, node: Call) -> Run | None:
        """`or` and `orValue`: the second is looked at only if the first is not there."""
        if node.target is None:
            return None
        one, other = self.value(node.target), self.value(node.args[0])
        unwrap = node.function == "orValue"

        def run(frame: Frame) -> Any:
            found = one(frame)
            if not found.there:
                return other(frame)
            return found.value if unwrap else found

        return run

    # ---- comprehensions ----

    def _fold(self, node: Fold) -> Run:
        if node.macro == "bind":
            start = self.value(node.start)
            place = self._enter(node.accu, None)
            result = self.value(node.result)
            self._scopes[node.accu].pop()

            def bound(frame: Frame) -> Any:
                frame.slots[place] = start(frame)
                return result(frame)

            return bound
        over, decl = self._attribute(node.over, head=1) if _is_attribute(node.over) else (self.value(node.over), None)
        places = self._enter_variables(node, decl)
        parts = [self.value(part) if part else None for part in node.parts]
        for name in filter(None, (node.var, node.var2)):
            self._scopes[name].pop()
        if node.macro in ("map", "filter"):
            transform = node.parts[1]
            each = 2 if transform and self._is_constant(transform) else 12
            return listed(over, places, parts, each)
        return FOLDS[node.macro](node, over, places, parts)

    def _enter(self, name: str, decl: Decl | None) -> int:
        self._scopes.setdefault(name, []).append(_Scope(self.places, decl))
        self.places += 1
        return self.places - 1

    def _enter_variables(self, node: Fold, decl: Decl | None) -> tuple[int, int]:
        element = decl.element if decl else None
        if node.var2:
            return self._enter(node.var, None), self._enter(node.var2, element)
        is_map = self._kind(node.over).kind == "map"
        return self._enter(node.var, None if is_map else element), -1


def _is_attribute(node: Node) -> bool:
    if isinstance(node, Call):
        return node.function in ("_[_]", "_[?_]", "_?_:_")
    return isinstance(node, Ident) or (isinstance(node, Select) and not node.test)


def _structs(decl: Decl) -> Iterator[Decl]:
    if decl.type.kind == "struct":
        yield decl
    for inner in (*decl.fields.values(), *([decl.element] if decl.element else [])):
        yield from _structs(inner)


def _may_be_anything(kind: Type) -> bool:
    return kind.kind == "dyn"


_SPECIAL: dict[str, Callable[[_Compiler, Call], Run | None]] = {
    "_&&_": _Compiler.logical,
    "_||_": _Compiler.logical,
    "_==_": _Compiler.equality,
    "_!=_": _Compiler.equality,
    "@in": _Compiler.membership,
    "or": _Compiler.alternative,
    "orValue": _Compiler.alternative,
    **dict.fromkeys(_RELATIONS, _Compiler.relation),
}
