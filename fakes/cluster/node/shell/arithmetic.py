"""The numbers of `$((...))`: whole ones, with the operators of C that shells have."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_KNOWN = re.compile(r"[\s0-9()+\-*/%<>=!&|]*")
_LENGTH_MAX = 256


class ArithmeticFailed(Exception):
    """An expression has no value; the text says why."""


def _divide(one: int, other: int) -> int:
    if other == 0:
        raise ArithmeticFailed("divide by zero")
    return abs(one) // abs(other) * (1 if (one < 0) == (other < 0) else -1)


_BINARY: Mapping[type[ast.operator], Callable[[int, int], int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: _divide,
    ast.Mod: lambda one, other: one - _divide(one, other) * other,
}
_UNARY: Mapping[type[ast.unaryop], Callable[[int], int]] = {
    ast.Not: lambda value: int(not value),
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}
_COMPARISONS: Mapping[type[ast.cmpop], Callable[[int, int], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


def evaluate(expression: str, variables: Mapping[str, str]) -> int:
    """
    Return the value of an expression. Errors: ArithmeticFailed.

    >>> evaluate("(i + 1) * 2 / 3 && 1", {"i": "4"}), evaluate("-7 / 2", {}), evaluate("nosuch + 7 % 4", {})
    (1, -3, 3)
    """
    text = _NAME.sub(lambda name: f"({variables.get(name[0]) or 0})", expression)
    if len(text) > _LENGTH_MAX or not _KNOWN.fullmatch(text) or "**" in text or "//" in text:
        raise ArithmeticFailed(f"syntax error in {expression[:32]!r}")
    text = re.sub(r"!(?!=)", " not ", text.replace("&&", " and ").replace("||", " or ")).strip()
    text = re.sub(r"\b0+(?=\d)", "", text)
    try:
        return _value(ast.parse(text or "0", mode="eval").body)
    except (SyntaxError, RecursionError):
        raise ArithmeticFailed(f"syntax error in {expression[:32]!r}") from None


def _value(node: ast.expr) -> int:
    match node:
        case ast.Constant(value=int(number)):
            return number
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _UNARY:
            return _UNARY[type(op)](_value(operand))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            return _BINARY[type(op)](_value(left), _value(right))
        case ast.BoolOp(op=op, values=values):
            return int((all if isinstance(op, ast.And) else any)(_value(one) for one in values))
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _COMPARISONS:
            return int(_COMPARISONS[type(op)](_value(left), _value(right)))
    raise ArithmeticFailed("syntax error")
