"""
What an expression of PromQL asks of which metrics, and the labels that its answer has.

    reads("sum by (name) (workqueue_depth{job='a'})", KNOWN)     # workqueue_depth
    labels("sum by (name) (workqueue_depth{job='a'})", KNOWN)    # {"name"}

Both raise Unanswered where a metric or a label is asked for that nobody has.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import promql_parser as promql
from promql_parser import parse

Known = Mapping[str, tuple[str, tuple[str, ...]]]
"""The type and the labels of each family, by its name."""

SCRAPED: Final = frozenset({"job", "namespace", "pod", "instance"})
"""Labels that a scraper adds."""
OF_PROMETHEUS: Final = {"ALERTS": ("gauge", ("alertname", "alertstate", "severity"))}
"""What Prometheus itself has."""
OF_GRAFANA: Final = {"__rate_interval": "5m", "controller": ".+", "namespace": ".*", "job": ".+"}
"""The variables that expressions of panels name."""


class Unanswered(AssertionError):
    """Nobody has what is asked for."""


def plain(expression: str) -> str:
    """An expression as Prometheus gets it: with values in the places of Grafana's variables, all of everything."""
    for variable, value in OF_GRAFANA.items():
        expression = expression.replace(f"${variable}", value)
    return expression


def reads(expression: str, known: Known) -> set[str]:
    """The families that are read."""
    return {_family(each, known)[0] for each in _selectors(parse(plain(expression)))}


def labels(expression: str, known: Known) -> frozenset[str]:
    """The labels of the answer."""
    return _labels(parse(plain(expression)), known)


def _parts(expression: Any) -> Iterator[Any]:
    """What an expression is made of."""
    for name in ("lhs", "rhs", "expr", "vector_selector", "args", "param"):
        part = getattr(expression, name, None)
        if isinstance(part, list):
            yield from part
        elif isinstance(part, promql.Expr):
            yield part


def _selectors(expression: Any) -> Iterator[Any]:
    if isinstance(expression, promql.VectorSelector):
        yield expression
    for part in _parts(expression):
        yield from _selectors(part)


def _family(selector: Any, known: Known) -> tuple[str, frozenset[str]]:
    """The family that a selector chooses from, and the labels of its series."""
    for end in ("", "_bucket", "_sum", "_count"):
        name = selector.name.removesuffix(end) if end else selector.name
        kind, has = {**OF_PROMETHEUS, **known}.get(name, ("", ()))
        if kind and (kind == "histogram") == bool(end):
            break
    else:
        raise Unanswered(f"there is no {selector.name}")
    found = frozenset(has) | SCRAPED | ({"le"} if end == "_bucket" else set())
    asked = {matcher.name for matcher in selector.matchers.matchers}
    if asked - found:
        raise Unanswered(f"{selector.name} has no {', '.join(sorted(asked - found))}")
    return name, found


def _labels(expression: Any, known: Known) -> frozenset[str]:
    match expression:
        case promql.VectorSelector():
            return _family(expression, known)[1]
        case promql.AggregateExpr():
            return _aggregated(expression, known)
        case promql.BinaryExpr():
            left, right = _labels(expression.lhs, known), _labels(expression.rhs, known)
            return left | right if "or" in str(expression.op).lower().split(".") else left or right
        case promql.Call() if expression.func.name == "absent":
            (selector,) = expression.args
            _family(selector, known)
            return frozenset(one.name for one in selector.matchers.matchers if one.op == promql.MatchOp.Equal)
        case promql.Call():
            found = frozenset[str]().union(*(_labels(part, known) for part in expression.args))
            return found - {"le"} if expression.func.name == "histogram_quantile" else found
    return frozenset[str]().union(*(_labels(part, known) for part in _parts(expression)))


def _aggregated(expression: Any, known: Known) -> frozenset[str]:
    inner = _labels(expression.expr, known)
    if expression.modifier is None:
        return frozenset()
    named = frozenset(expression.modifier.labels)
    if named - inner:
        raise Unanswered(f"{expression.prettify()}: nothing has {', '.join(sorted(named - inner))}")
    return inner - named if "without" in str(expression.modifier.type).lower() else named
