"""Macros: calls such as `list.all(x, x > 0)` that stand for comprehensions."""

from __future__ import annotations

from collections.abc import Callable

from ctrlkit.fakes.tracker.cel.tree import ACCUMULATOR, Call, Fold, Ident, ListOf, Literal, MapOf, Node, Select


class WrongMacro(ValueError):
    """A macro has arguments that it cannot have; `offset` is where."""

    def __init__(self, offset: int, message: str) -> None:
        super().__init__(message)
        self.offset = offset


def find(name: str, count: int, *, has_target: bool) -> Callable[[int, Node | None, list[Node]], Node] | None:
    """Return the macro of a name and a number of arguments, None if such a call is an ordinary one."""
    return _MACROS.get((name, count, has_target))


def _name(node: Node, complaint: str) -> str:
    if not isinstance(node, Ident):
        raise WrongMacro(node.offset, complaint)
    if node.name in (ACCUMULATOR, "__result__"):
        raise WrongMacro(node.offset, "iteration variable overwrites accumulator variable")
    return node.name


def _variables(args: list[Node], count: int, complaint: str) -> tuple[str, str]:
    first = _name(args[0], complaint)
    if count == 1:
        return first, ""
    second = _name(args[1], complaint)
    if first == second:
        raise WrongMacro(args[1].offset, f"duplicate variable name: {first}")
    return first, second


def _has(_offset: int, _target: Node | None, args: list[Node]) -> Node:
    operand = args[0]
    if not isinstance(operand, Select) or operand.optional:
        raise WrongMacro(operand.offset, "invalid argument to has() macro")
    return Select(_offset, operand.operand, operand.field, test=True)


def _quantifier(macro: str, variables: int) -> Callable[[int, Node | None, list[Node]], Node]:
    def expand(offset: int, target: Node | None, args: list[Node]) -> Node:
        def accu() -> Node:
            return Ident(offset, ACCUMULATOR)

        assert target is not None
        var, var2 = _variables(args, variables, "argument must be a simple name")
        predicate = args[-1]
        result: Node = accu()
        if macro == "all":
            start: Node = Literal(offset, value=True)
            going: Node = Call(offset, "@not_strictly_false", [accu()])
            step: Node = Call(offset, "_&&_", [accu(), predicate])
        elif macro == "exists":
            start = Literal(offset, value=False)
            going = Call(offset, "@not_strictly_false", [Call(offset, "!_", [accu()])])
            step = Call(offset, "_||_", [accu(), predicate])
        else:
            start, going = Literal(offset, 0), Literal(offset, value=True)
            more = Call(offset, "_+_", [accu(), Literal(offset, 1)])
            step = Call(offset, "_?_:_", [predicate, more, accu()])
            result = Call(offset, "_==_", [accu(), Literal(offset, 1)])
        return Fold(offset, macro, target, var, var2, ACCUMULATOR, start, going, step, result, (predicate,))

    return expand


def _transformation(macro: str, variables: int) -> Callable[[int, Node | None, list[Node]], Node]:
    complaint = "argument is not an identifier" if variables == 1 else "argument must be a simple name"

    def expand(offset: int, target: Node | None, args: list[Node]) -> Node:
        def accu() -> Node:
            return Ident(offset, ACCUMULATOR)

        assert target is not None
        var, var2 = _variables(args, variables, complaint)
        rest = args[variables:]
        if macro == "filter":
            rest.append(args[0])
        predicate, transform = rest if len(rest) == 2 else (None, rest[0])
        start: Node = ListOf(offset, [])
        if macro in ("map", "filter"):
            step: Node = Call(offset, "_+_", [accu(), ListOf(offset, [transform])])
        else:
            start = MapOf(offset, [])
            key = [Ident(offset, var)] if macro == "transformMap" else []
            step = Call(offset, "cel.@mapInsert", [accu(), *key, transform])
        if predicate:
            step = Call(offset, "_?_:_", [predicate, step, accu()])
        going = Literal(offset, value=True)
        parts = (predicate, transform)
        return Fold(offset, macro, target, var, var2, ACCUMULATOR, start, going, step, accu(), parts)

    return expand


def _bound(offset: int, name: str, value: Node, result: Node) -> Node:
    over, going, step = ListOf(offset, []), Literal(offset, value=False), Ident(offset, name)
    return Fold(offset, "bind", over, "#unused", "", name, value, going, step, result)


def _sorted_by(offset: int, target: Node | None, args: list[Node]) -> Node:
    assert target is not None
    if isinstance(target, (Literal, MapOf)):
        what = "a list, identifier, comprehension, call or select expression"
        raise WrongMacro(target.offset, f"sortBy can only be applied to {what}")
    name = "@__sortBy_input__"
    keys = _transformation("map", 1)(offset, Ident(offset, name), args)
    return _bound(offset, name, target, Call(offset, "@sortByAssociatedKeys", [keys], Ident(offset, name)))


def _optional_map(macro: str) -> Callable[[int, Node | None, list[Node]], Node]:
    def expand(offset: int, target: Node | None, args: list[Node]) -> Node:
        if not isinstance(args[0], Ident):
            raise WrongMacro(args[0].offset, f"{macro}() variable name must be a simple identifier")
        mapped = _bound(offset, args[0].name, Call(offset, "value", [], target), args[1])
        if macro == "optMap":
            mapped = Call(offset, "optional.of", [mapped])
        return Call(offset, "_?_:_", [Call(offset, "hasValue", [], target), mapped, Call(offset, "optional.none", [])])

    return expand


_MACROS: dict[tuple[str, int, bool], Callable[[int, Node | None, list[Node]], Node]] = {
    ("has", 1, False): _has,
    ("sortBy", 2, True): _sorted_by,
    ("optMap", 2, True): _optional_map("optMap"),
    ("optFlatMap", 2, True): _optional_map("optFlatMap"),
    ("map", 2, True): _transformation("map", 1),
    ("map", 3, True): _transformation("map", 1),
    ("filter", 2, True): _transformation("filter", 1),
    ("existsOne", 3, True): _quantifier("exists_one", 2),
    ("transformList", 3, True): _transformation("map", 2),
    ("transformList", 4, True): _transformation("map", 2),
    ("transformMap", 3, True): _transformation("transformMap", 2),
    ("transformMap", 4, True): _transformation("transformMap", 2),
    ("transformMapEntry", 3, True): _transformation("transformMapEntry", 2),
    ("transformMapEntry", 4, True): _transformation("transformMapEntry", 2),
    **{
        (name, variables + 1, True): _quantifier(name, variables)
        for name in ("all", "exists", "exists_one")
        for variables in (1, 2)
    },
}
