"""
Small mistakes that somebody could have made in a module, one at a time; pure.

In       The text of a module.
Out      Mutants: where, what was changed, and the syntax tree with that change.

A mutant has a name that says its function, its line and its change, so it is the same one as long as these are: lines
above it may come and go. Only the bodies of functions are changed; annotations, docstrings, decorators, the words of
errors and of log lines, and what is there for eyes alone (`__repr__`, `__str__`) are not.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

Step = tuple[str, int | None]
"""From a node to one of its children: a field, and the place in it where it is a list."""

Change = Callable[[Any], ast.AST]

_COMPARED: Final[dict[type[ast.cmpop], type[ast.cmpop]]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_NEGATED_ALREADY: Final = (ast.Eq, ast.NotEq, ast.Is, ast.IsNot, ast.In, ast.NotIn)
_COMPUTED: Final[dict[type[ast.operator], type[ast.operator]]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
_FOR_EYES: Final = ("__repr__", "__str__")
_LOGGED: Final = ("debug", "info", "warning", "error", "exception")


@dataclass(frozen=True, slots=True)
class Mutant:
    """
    One change of one module. `path` leads to the changed node, `variant` is which of its changes this is.

    `id` is its name: `ctrlkit/workqueue/ready.py ReadyKeys.done: self._ended(key): left out`.
    """

    id: str
    module: str
    line: int
    path: tuple[Step, ...]
    variant: int

    def rank(self, seed: int) -> bytes:
        """Where it stands in the order of a sample; it does not move when other mutants come and go."""
        return sha256(f"{seed} {self.id}".encode()).digest()

    def tree(self, source: str) -> ast.Module:
        """The module with the change."""
        module = ast.parse(source)
        node: Any = module
        for field, place in self.path[:-1]:
            node = _child(node, field, place)
        field, place = self.path[-1]
        changed = list(_changes(_child(node, field, place)))[self.variant][1](_child(node, field, place))
        if place is None:
            setattr(node, field, changed)
        else:
            getattr(node, field)[place] = changed
        return ast.fix_missing_locations(module)


def mutants_of(module: str, source: str) -> list[Mutant]:
    """
    All mutants of a module, in the order of its lines.

    >>> text = "def f(a):\\n    if a < 1:\\n        return a\\n"
    >>> for mutant in mutants_of("m.py", text):
    ...     print(mutant.id)
    m.py f: if a < 1:: the condition is negated
    m.py f: if a < 1:: < becomes <=
    m.py f: if a < 1:: 1 becomes 2
    m.py f: return a: returns None
    """
    lines = source.splitlines()
    seen: Counter[str] = Counter()
    found = []
    for path, function, node in _places(ast.parse(source), (), ""):
        for variant, (what, _) in enumerate(_changes(node)):
            name = f"{module} {function}: {lines[node.lineno - 1].strip()}: {what}"
            seen[name] += 1
            mutant_id = name if seen[name] == 1 else f"{name} ({seen[name]})"
            found.append(Mutant(mutant_id, module, node.lineno, path, variant))
    return found


def _child(node: Any, field: str, place: int | None) -> Any:
    value = getattr(node, field)
    return value if place is None else value[place]


def _places(
    node: ast.AST, path: tuple[Step, ...], function: str, *, inside: bool = False
) -> Iterator[tuple[tuple[Step, ...], str, Any]]:
    """Every node `inside` of a function that may be changed, with the way to it and the function's name."""
    if isinstance(node, ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        name = getattr(node, "name", "")
        if name not in _FOR_EYES:
            is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            for place, statement in enumerate(node.body):
                inner = f"{function}.{name}".strip(".")
                yield from _places(statement, (*path, ("body", place)), inner, inside=is_function)
    elif inside:  # else it is a field, a constant, or there for types
        if hasattr(node, "lineno"):
            yield path, function, node
        for step, child in _children(node):
            yield from _places(child, (*path, step), function, inside=True)


def _children(node: ast.AST) -> Iterator[tuple[Step, ast.AST]]:
    """What is below a node, but for words and types."""
    if isinstance(node, ast.Raise) or _is_log_call(node):
        return
    for field, value in ast.iter_fields(node):
        if field == "annotation" or (field == "args" and isinstance(node, ast.Lambda)):
            continue
        for place, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if isinstance(child, ast.AST):
                yield (field, place), child


def _is_log_call(node: ast.AST) -> bool:
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _LOGGED):
        return False
    return ast.unparse(node.func.value).rpartition(".")[2].strip("_") == "log"


def _changes(node: ast.AST) -> Iterator[tuple[str, Change]]:
    """What may be done to a node: in words, and as a function of it."""
    match node:
        case ast.If() | ast.While() | ast.IfExp():
            yield from _of_condition(node)
        case ast.Compare():
            yield from _of_comparison(node)
        case ast.BoolOp():
            yield _joined(node)
        case ast.UnaryOp(op=ast.Not() | ast.USub()):
            yield f"{'not' if isinstance(node.op, ast.Not) else '-'} is left out", lambda it: it.operand
        case ast.BinOp() | ast.AugAssign():
            yield from _of_sum(node)
        case ast.Constant():
            yield from _of_constant(node)
        case ast.Call():
            yield from _of_call(node)
        case ast.ExceptHandler():
            yield from _of_handler(node)
        case ast.stmt():
            yield from _of_statement(node)


def _of_condition(node: ast.If | ast.While | ast.IfExp) -> Iterator[tuple[str, Change]]:
    test = node.test
    told = isinstance(test, ast.Constant) or (isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not))
    if isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], _NEGATED_ALREADY):
        told = True
    if not told:
        yield "the condition is negated", _with_test


def _with_test(it: Any) -> ast.AST:
    it.test = ast.UnaryOp(ast.Not(), it.test)
    return it  # type: ignore[no-any-return]


def _of_comparison(node: ast.Compare) -> Iterator[tuple[str, Change]]:
    for place, op in enumerate(node.ops):
        other = _COMPARED[type(op)]

        def change(it: Any, place: int = place, other: type[ast.cmpop] = other) -> ast.AST:
            it.ops[place] = other()
            return it  # type: ignore[no-any-return]

        yield f"{_sign(op)} becomes {_sign(other())}", change


def _joined(node: ast.BoolOp) -> tuple[str, Change]:
    other: type[ast.boolop] = ast.Or if isinstance(node.op, ast.And) else ast.And

    def change(it: Any) -> ast.AST:
        it.op = other()
        return it  # type: ignore[no-any-return]

    return f"{'and' if other is ast.Or else 'or'} becomes {'or' if other is ast.Or else 'and'}", change


def _of_sum(node: ast.BinOp | ast.AugAssign) -> Iterator[tuple[str, Change]]:
    other = _COMPUTED.get(type(node.op))
    if other is not None:

        def change(it: Any) -> ast.AST:
            it.op = other()
            return it  # type: ignore[no-any-return]

        yield f"{_sign(node.op)} becomes {_sign(other())}", change
    if isinstance(node, ast.AugAssign):
        yield "left out", _nothing


def _of_constant(node: ast.Constant) -> Iterator[tuple[str, Change]]:
    value = node.value
    if isinstance(value, bool):
        yield f"{value} becomes {not value}", lambda it: ast.Constant(not it.value)
    elif isinstance(value, int | float):
        yield f"{value} becomes {value + 1}", lambda it: ast.Constant(it.value + 1)


def _of_call(node: ast.Call) -> Iterator[tuple[str, Change]]:
    if _is_log_call(node):
        return
    either_way = isinstance(node.func, ast.Name) and node.func.id in ("min", "max")
    if len(node.args) > 1 and not either_way and not any(isinstance(arg, ast.Starred) for arg in node.args[:2]):

        def swap(it: Any) -> ast.AST:
            it.args[:2] = it.args[1::-1]
            return it  # type: ignore[no-any-return]

        yield "the first two arguments are swapped", swap
    for place, keyword in enumerate(node.keywords):

        def drop(it: Any, place: int = place) -> ast.AST:
            del it.keywords[place]
            return it  # type: ignore[no-any-return]

        if keyword.arg is not None:
            yield f"{keyword.arg}= is left out", drop


def _of_handler(node: ast.ExceptHandler) -> Iterator[tuple[str, Change]]:
    if not isinstance(node.body[0], ast.Raise):

        def raise_again(it: Any) -> ast.AST:
            it.body = [ast.Raise()]
            return it  # type: ignore[no-any-return]

        yield "raises again", raise_again


def _of_statement(node: ast.stmt) -> Iterator[tuple[str, Change]]:
    match node:
        case ast.Expr(value=ast.Call() | ast.Await()) | ast.Delete() | ast.Raise():
            yield "left out", _nothing
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]) | ast.AnnAssign(target=ast.Attribute()):
            yield "left out", _nothing
        case ast.Return(value=ast.expr() as value) if not isinstance(value, ast.Constant):
            yield "returns None", lambda _: ast.Return()
        case ast.Break():
            yield "break becomes continue", lambda _: ast.Continue()
        case ast.Continue():
            yield "continue becomes break", lambda _: ast.Break()


def _nothing(_: Any) -> ast.AST:
    return ast.Pass()


def _sign(op: ast.operator | ast.cmpop) -> str:
    """As it is written."""
    a, b = ast.Name("a"), ast.Name("b")
    probe = ast.BinOp(a, op, b) if isinstance(op, ast.operator) else ast.Compare(a, [op], [b])
    return ast.unparse(probe).removeprefix("a").removesuffix("b").strip()
