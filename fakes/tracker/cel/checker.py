"""The types of an expression's parts: what each name, field and call is, and what does not fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ctrlkit.fakes.tracker.cel import authorizer, kubernetes, library, network, patches, standard
from ctrlkit.fakes.tracker.cel.functions import OVERLOADS, Overload
from ctrlkit.fakes.tracker.cel.tree import (
    Call,
    CompileError,
    Fold,
    Ident,
    ListOf,
    Literal,
    MapOf,
    Node,
    Problem,
    Select,
    Struct,
)
from ctrlkit.fakes.tracker.cel.types import (
    BOOL,
    DYN,
    ERROR,
    INT,
    JSON_PATCH,
    STRING,
    TYPE_NAMES,
    Substitutions,
    Type,
    fits,
    is_patch_type,
    list_of,
    map_of,
    most_general,
    optional_of,
    optional_value,
    param,
    substituted,
    type_of,
)
from ctrlkit.fakes.tracker.cel.values import type_of as kind_of_value

LIBRARIES = (standard, library, network, kubernetes, authorizer, patches)
"""The modules whose functions expressions may call; to import them is to have them in the table."""

Fields = Mapping[str, Mapping[str, Type]]
"""The fields of each type of objects, by its name."""


@dataclass(slots=True)
class Checked:
    """An expression whose types fit."""

    root: Node
    types: dict[Node, Type]
    overloads: dict[Node, list[Overload]]
    names: set[str] = field(default_factory=set)
    """The variables that it uses."""
    constants: dict[Node, Type] = field(default_factory=dict)
    """The names of types in it, and which types those are."""
    dotted: dict[Node, str] = field(default_factory=dict)
    """The variables in it whose names look like fields of others."""

    @property
    def type(self) -> Type:
        """What the expression is."""
        return self.types[self.root]


def check(
    source: str, root: Node, variables: Mapping[str, Type], fields: Fields, *, makes_patches: bool = False
) -> Checked:
    """
    Find out the types of an expression's parts.

    Shape   With `makes_patches` the expression can make parts of objects, and operations of JSON patches.
    Errors  CompileError with all that does not fit.
    """
    checker = _Checker(variables, fields, makes_patches=makes_patches)
    checker.visit(root)
    if checker.problems:
        raise CompileError(source, checker.problems)
    found = {node: substituted(checker.known, kind, finally_dyn=True) for node, kind in checker.types.items()}
    return Checked(root, found, checker.overloads, checker.names, checker.constants, checker.dotted)


def qualified(node: Node) -> str:
    """Return the name that a chain of fields such as `net.IP` may be, empty if it is none."""
    if isinstance(node, Ident):
        return node.name
    if isinstance(node, Select) and not node.test and not node.optional:
        prefix = qualified(node.operand)
        return f"{prefix}.{node.field}" if prefix else ""
    return ""


class _Checker:
    def __init__(self, variables: Mapping[str, Type], fields: Fields, *, makes_patches: bool) -> None:
        self.problems: list[Problem] = []
        self.types: dict[Node, Type] = {}
        self.overloads: dict[Node, list[Overload]] = {}
        self.names: set[str] = set()
        self.constants: dict[Node, Type] = {}
        self.known: Substitutions = {}
        self.dotted: dict[Node, str] = {}
        self._variables = variables
        self._fields = fields
        self._makes_patches = makes_patches
        self._scopes: list[dict[str, Type]] = []
        self._free = 0

    def visit(self, node: Node) -> Type:
        found: Type = getattr(self, f"_{type(node).__name__.lower()}")(node)
        self.types[node] = found
        return found

    def _say(self, offset: int, message: str) -> Type:
        self.problems.append(Problem(offset, message))
        return ERROR

    def _undeclared(self, offset: int, name: str) -> Type:
        return self._say(offset, f"undeclared reference to '{name}' (in container '')")

    def _unknown(self) -> Type:
        self._free += 1
        return param(f"_var{self._free - 1}")

    def _assignable(self, one: Type, other: Type) -> bool:
        found = fits(self.known, [one], [other])
        if found is not None:
            self.known = found
        return found is not None

    def _look_up(self, node: Node, name: str) -> Type | None:
        for scope in reversed(self._scopes):
            if name in scope:
                return scope[name]
        name = name.removeprefix(".")
        if name in self._variables:
            self.names.add(name)
            if isinstance(node, Select):
                self.dotted[node] = name
            return self._variables[name]
        named = TYPE_NAMES.get(name)
        if named is None and self._makes_patches and is_patch_type(name):
            named = Type("struct", name)
        if named is None:
            return None
        if not isinstance(node, Struct):
            self.constants[node] = named
        return type_of(named)

    # ---- names and fields ----

    def _literal(self, node: Literal) -> Type:
        return kind_of_value(node.value)

    def _ident(self, node: Ident) -> Type:
        return self._look_up(node, node.name) or self._undeclared(node.offset, node.name)

    def _select(self, node: Select) -> Type:
        name = qualified(node)
        found = self._look_up(node, name) if name else None
        if found is not None:
            return found
        result = self._field(node)
        return BOOL if node.test else substituted(self.known, result)

    def _field(self, node: Select) -> Type:
        operand = substituted(self.known, self.visit(node.operand))
        target, is_optional = optional_value(operand)
        result = DYN
        if target.kind == "map":
            result = target.params[1]
        elif target.kind == "struct":
            result = self._field_type(target, node.field) or self._say(node.offset, self._no_field(target, node.field))
        elif target.kind == "param":
            self._assignable(DYN, target)
        elif target.kind not in ("dyn", "error"):
            self._say(node.offset, f"type '{target}' does not support field selection")
        return optional_of(result) if is_optional or node.optional else result

    def _field_type(self, kind: Type, name: str) -> Type | None:
        if self._makes_patches and is_patch_type(kind.name):
            return STRING if kind == JSON_PATCH and name in ("op", "path", "from") else DYN
        return self._fields.get(kind.name, {}).get(name)

    def _no_field(self, kind: Type, name: str) -> str:
        known = kind.name in self._fields
        return f"undefined field '{name}'" if known else f"unexpected failed resolution of '{kind.name}'"

    # ---- calls ----

    def _is_known(self, function: str) -> bool:
        return function in OVERLOADS and (self._makes_patches or function not in patches.FUNCTIONS)

    def _call(self, node: Call) -> Type:
        args = [self.visit(arg) for arg in node.args]
        if node.target is None:
            function = node.function.removeprefix(".")
            if not self._is_known(function):
                return self._undeclared(node.offset, node.function)
            return self._resolved(node, function, args)
        prefix = qualified(node.target)
        if prefix and self._is_known(f"{prefix}.{node.function}"):
            node.function, node.target = f"{prefix}.{node.function}", None
            return self._resolved(node, node.function, args)
        target = self.visit(node.target)
        if not self._is_known(node.function):
            return self._undeclared(node.offset, node.function)
        return self._resolved(node, node.function, [target, *args])

    def _resolved(self, node: Call, function: str, args: Sequence[Type]) -> Type:
        if function in ("_&&_", "_||_"):
            return self._logical(node, function, args)
        result: Type | None = None
        chosen: list[Overload] = []
        for one in OVERLOADS[function]:
            if one.member != (node.target is not None):
                continue
            params, its_result = self._instance(one)
            found = fits(self.known, args, params)
            if found is None:
                continue
            self.known = found
            chosen.append(one)
            its_result = substituted(self.known, its_result)
            if result is None:
                result = its_result
            elif result.kind != "dyn" and its_result != result:
                result = DYN
        if result is None:
            given = [str(substituted(self.known, arg, finally_dyn=True)) for arg in args]
            shown = f"{given[0]}.({', '.join(given[1:])})" if node.target is not None else f"({', '.join(given)})"
            return self._say(node.offset, f"found no matching overload for '{function}' applied to '{shown}'")
        self.overloads[node] = chosen
        return result

    def _instance(self, one: Overload) -> tuple[Sequence[Type], Type]:
        """An overload's types, with fresh ones for those that are to be found out."""
        if not one.generic:
            return one.params, one.result
        fresh: Substitutions = {}
        for kind in (*one.params, one.result):
            for name in _free_names(kind):
                if name not in fresh:
                    fresh[name] = self._unknown()
        return [substituted(fresh, kind) for kind in one.params], substituted(fresh, one.result)

    def _logical(self, node: Call, function: str, args: Sequence[Type]) -> Type:
        wrong = False
        for arg, kind in zip(node.args, args, strict=True):
            if not self._assignable(kind, BOOL):
                self._say(arg.offset, f"expected type 'bool' but found '{substituted(self.known, kind)}'")
                wrong = True
        self.overloads[node] = OVERLOADS[function]
        return ERROR if wrong else BOOL

    # ---- lists, maps and messages ----

    def _listof(self, node: ListOf) -> Type:
        elements: Type | None = None
        for index, item in enumerate(node.items):
            kind = self.visit(item)
            if index in node.optional:
                kind = self._optional_item(item, kind)
            elements = self._joined(elements, kind)
        return list_of(elements or self._unknown())

    def _optional_item(self, node: Node, kind: Type) -> Type:
        inner, is_optional = optional_value(substituted(self.known, kind))
        if not is_optional and inner.kind != "dyn":
            self._say(node.offset, f"expected type '{optional_of(inner)}' but found '{inner}'")
        return inner

    def _joined(self, before: Type | None, kind: Type) -> Type:
        if before is None:
            return kind
        if self._assignable(before, kind):
            return most_general(before, kind)
        return DYN

    def _mapof(self, node: MapOf) -> Type:
        keys: Type | None = None
        values: Type | None = None
        for entry in node.entries:
            keys = self._joined(keys, self.visit(entry.key))
            kind = self.visit(entry.value)
            if entry.optional:
                kind = self._optional_item(entry.value, kind)
            values = self._joined(values, kind)
        return map_of(keys or self._unknown(), values or self._unknown())

    def _struct(self, node: Struct) -> Type:
        found = self._look_up(node, node.name)
        if found is None:
            return self._undeclared(node.offset, node.name)
        kind = ERROR
        if found.kind != "type":
            self._say(node.offset, f"'{found}' is not a type")
        elif found.params and is_patch_type(found.params[0].name):
            kind = found.params[0]
        else:
            self._say(node.offset, f"'{found.params[0] if found.params else found}' is not a message type")
        for one in node.fields:
            given = self.visit(one.value)
            if one.optional:
                given = self._optional_item(one.value, given)
            wanted = self._field_type(kind, one.name) if kind != ERROR else ERROR
            if wanted and not self._assignable(wanted, given):
                shown = substituted(self.known, given)
                text = f"expected type of field '{one.name}' is '{wanted}' but provided type is '{shown}'"
                self._say(one.offset, text)
        return kind

    # ---- comprehensions ----

    def _fold(self, node: Fold) -> Type:
        over = self.visit(node.over)
        accu = self.visit(node.start)
        over = substituted(self.known, over)
        first, second = self._elements(node, over)
        self._scopes.append({node.accu: accu})
        self._scopes.append({node.var: first} | ({node.var2: second} if node.var2 else {}))
        for part, wanted in ((node.going, BOOL), (node.step, accu)):
            kind = self.visit(part)
            if not self._assignable(wanted, kind):
                shown = substituted(self.known, wanted), substituted(self.known, kind)
                self._say(part.offset, f"expected type '{shown[0]}' but found '{shown[1]}'")
        self._scopes.pop()
        result = self.visit(node.result)
        self._scopes.pop()
        return substituted(self.known, result)

    def _elements(self, node: Fold, over: Type) -> tuple[Type, Type]:
        """What the variables of a comprehension are."""
        if over.kind == "list":
            return (INT, over.params[0]) if node.var2 else (over.params[0], DYN)
        if over.kind == "map":
            return over.params[0], over.params[1]
        if over.kind in ("dyn", "error", "param"):
            self._assignable(DYN, over)
            return DYN, DYN
        text = f"expression of type '{over}' cannot be range of a comprehension (must be list, map, or dynamic)"
        self._say(node.over.offset, text)
        return ERROR, ERROR


def _free_names(kind: Type) -> list[str]:
    own = [kind.name] if kind.kind == "param" else []
    return own + [name for inner in kind.params for name in _free_names(inner)]
