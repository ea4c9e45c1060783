"""What an expression may cost at most, found out before it is ever run."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ctrlkit.fakes.tracker.cel import types
from ctrlkit.fakes.tracker.cel.checker import Checked
from ctrlkit.fakes.tracker.cel.schemas import Decl
from ctrlkit.fakes.tracker.cel.tree import ACCUMULATOR, Call, Fold, Ident, ListOf, Literal, MapOf, Node, Select, Struct
from ctrlkit.fakes.tracker.cel.types import Type
from ctrlkit.fakes.tracker.cel.values import size as size_of_value

UNBOUNDED = 2**64 - 1
"""The largest cost or size; what is more is taken for it."""

_FORMAT_MOST = 64
_PATTERN_MOST = 128


class Range(NamedTuple):
    """A cost or size: at least and at most."""

    low: int
    high: int

    def plus(self, other: Range) -> Range:
        """The sum of two."""
        return Range(min(self.low + other.low, UNBOUNDED), min(self.high + other.high, UNBOUNDED))

    def times(self, other: Range) -> Range:
        """The product of two."""
        return Range(min(self.low * other.low, UNBOUNDED), min(self.high * other.high, UNBOUNDED))

    def scaled(self, factor: float) -> Range:
        """The whole numbers not below a multiple."""
        return Range(_scaled(self.low, factor), _scaled(self.high, factor))

    def union(self, other: Range) -> Range:
        """The range that both are in."""
        return Range(min(self.low, other.low), max(self.high, other.high))


def _scaled(number: int, factor: float) -> int:
    product = float(number) * factor
    return UNBOUNDED if product >= 2.0**64 else min(math.ceil(product), UNBOUNDED)


ZERO, ONE, UNKNOWN = Range(0, 0), Range(1, 1), Range(0, UNBOUNDED)
_NOT_YET = Range(UNBOUNDED, 0)
_LIST, _MAP, _STRUCT = Range(10, 10), Range(30, 30), Range(40, 40)


def fixed(number: int) -> Range:
    """Return the range of one number."""
    return Range(number, number)


class _Entries(NamedTuple):
    """The sizes of a collection's keys (or indexes) and values."""

    kind: str
    key: Range
    value: Range


@dataclass(slots=True)
class _Local:
    path: list[str]
    size: Range | None
    entries: _Entries | None


def highest_cost(checked: Checked, root: Decl) -> int:
    """Return the most that an expression on values of a declared type may cost."""
    return Estimator(checked, root).cost(checked.root).high


@dataclass
class Estimator:
    """Finds out costs of an expression's parts."""

    checked: Checked
    root: Decl
    _paths: dict[Node, list[str]] = field(default_factory=dict)
    _sizes: dict[Node, Range] = field(default_factory=dict)
    _entries: dict[Node, _Entries] = field(default_factory=dict)
    _locals: dict[str, list[_Local]] = field(default_factory=dict)

    def cost(self, node: Node) -> Range:
        """Return what a part costs, with all that is in it."""
        if node in self.checked.constants:
            self._paths[node] = [self.checked.constants[node].name]
            return ONE
        found: Range = getattr(self, f"_{type(node).__name__.lower()}")(node)
        return found

    # ---- sizes ----

    def _path(self, node: Node) -> list[str]:
        if isinstance(node, Ident) and self._locals.get(node.name):
            return self._locals[node.name][-1].path
        return self._paths.get(node, [])

    def size(self, node: Node) -> Range:
        """Return the size of a part's value."""
        found = self._known_size(node)
        return UNKNOWN if found is None else found

    def _known_size(self, node: Node) -> Range | None:
        if node in self._sizes:
            return self._sizes[node]
        written = _written_size(node)
        if written is not None:
            return written
        found = self.size_at(self._path(node))
        if found is not None:
            self._sizes[node] = found
            return found
        if _is_scalar(self.checked.types[node]):
            return ONE
        if isinstance(node, Ident) and self._locals.get(node.name):
            return self._locals[node.name][-1].size
        return None

    def size_at(self, path: Sequence[str]) -> Range | None:
        """Return the size of what is at a path in the object, None if the path does not lead into it."""
        if not path:
            return None
        decl = self.root
        for name in path[1:]:
            found = _below(decl, name)
            if found is None:
                return None
            decl = found
        return Range(0, decl.most)

    def element_size(self, node: Node) -> Range:
        """Return the size of the elements of a list."""
        path = self._path(node)
        found = self.size_at([*path, "@items"]) if path and path[0] != ACCUMULATOR else None
        return UNKNOWN if found is None else found

    def element_type(self, node: Node) -> Type | None:
        """Return the type of the elements of a list, None for what is none."""
        params = self.checked.types[node].params
        return params[0] if params else None

    def _entries_of(self, node: Node) -> _Entries | None:
        if node in self._entries:
            return self._entries[node]
        if isinstance(node, Ident) and self._locals.get(node.name):
            return self._locals[node.name][-1].entries
        return None

    # ---- parts ----

    def _literal(self, _node: Literal) -> Range:
        return ZERO

    def _ident(self, node: Ident) -> Range:
        local = self._locals.get(node.name)
        self._paths[node] = local[-1].path if local else [node.name]
        return ONE

    def _select(self, node: Select) -> Range:
        cost = self.cost(node.operand)
        if node.test:
            return cost
        if node.optional:
            self._keep_size(node, self._known_size(node))
            return cost.plus(ONE)
        if self.checked.types[node.operand].kind in ("map", "struct"):
            cost = cost.plus(ONE)
        self._paths[node] = [*self._path(node.operand), node.field]
        return cost

    def _keep_size(self, node: Node, size: Range | None) -> None:
        if size is not None:
            self._sizes[node] = size

    def _listof(self, node: ListOf) -> Range:
        cost, item = _LIST, _NOT_YET if node.items else Range(0, 0)
        for one in node.items:
            cost = cost.plus(self.cost(one))
            item = item.union(self.size(one))
        self._entries[node] = _Entries("list", ONE, item)
        return cost

    def _mapof(self, node: MapOf) -> Range:
        cost = _MAP
        keys = values = _NOT_YET if node.entries else Range(0, 0)
        for entry in node.entries:
            cost = cost.plus(self.cost(entry.key)).plus(self.cost(entry.value))
            keys, values = keys.union(self.size(entry.key)), values.union(self.size(entry.value))
        self._entries[node] = _Entries("map", keys, values)
        return cost

    def _struct(self, _node: Struct) -> Range:
        return _STRUCT

    def _call(self, node: Call) -> Range:
        if node.function == "dyn":
            cost = ONE.plus(self.cost(node.args[0]))
            self._copy_sizes(node, node.args[0])
            return cost
        args = [self.cost(arg) for arg in node.args]
        total = self.cost(node.target) if node.target else ZERO
        call, size = _NOT_YET, None
        for one in self.checked.overloads[node]:
            cost, result = self._called(node, one.id, args)
            call = call.union(cost)
            if result is not None:
                size = result if size is None else size.union(result)
            if one.id in ("index_list", "index_map"):
                entries = self._entries_of(node.args[0])
                size = entries.value if entries else None
                step = "@items" if one.id == "index_list" else "@values"
                self._paths[node] = [*self._path(node.args[0]), step]
            if size is None:
                size = self._known_size(node)
        self._keep_size(node, size)
        return total.plus(call)

    def _copy_sizes(self, node: Node, source: Node) -> None:
        self._keep_size(node, self._known_size(source))
        entries = self._entries_of(source)
        if entries is not None:
            self._entries[node] = entries

    def _called(self, node: Call, overload: str, costs: Sequence[Range]) -> tuple[Range, Range | None]:
        """Return what a call of an overload costs with its arguments, and the size of the result if that is known."""
        if overload in ("logical_and", "logical_or"):
            return Range(costs[0].low, costs[0].plus(costs[1]).high), None
        if overload == "conditional":
            return self._chosen(node, costs)
        own, size = ONE, None
        for rules, key in ((_BY_OVERLOAD, overload), (_BY_FUNCTION, node.function), (_BY_STANDARD, overload)):
            found = rules[key](self, node, overload) if key in rules else None
            if found is not None:
                own, size = found
                break
        for cost in costs:
            own = own.plus(cost)
        return own, size

    def _chosen(self, node: Call, costs: Sequence[Range]) -> tuple[Range, Range | None]:
        _, yes, no = node.args
        ones, others = self._entries_of(yes), self._entries_of(no)
        if ones and others:
            self._entries[node] = _Entries(ones.kind, ones.key.union(others.key), ones.value.union(others.value))
        return costs[0].plus(costs[1].union(costs[2])), self.size(yes).union(self.size(no))

    def joined(self, node: Call) -> Range:
        """Return the size of two values after one another, and keep what is known of their elements."""
        one, other = node.args
        ones, others = self._entries_of(one), self._entries_of(other)
        if ones and others:
            self._entries[node] = _Entries(ones.kind, ones.key.union(others.key), ones.value.union(others.value))
        return self.size(one).plus(self.size(other))

    # ---- comprehensions ----

    def _fold(self, node: Fold) -> Range:
        cost = self.cost(node.over).plus(self.cost(node.start))
        accu = _Local(self._path(node.start), self._known_size(node.start), self._entries_of(node.start))
        self._locals.setdefault(node.accu, []).append(accu)
        if node.macro == "bind":
            cost = cost.plus(self.cost(node.result))
            self._locals[node.accu].pop()
            self._copy_sizes(node, node.result)
            return cost
        variables = self._variables(node)
        for name, local in variables.items():
            self._locals.setdefault(name, []).append(local)
        each = self.cost(node.going).plus(self.cost(node.step))
        for name in variables:
            self._locals[name].pop()
        cost = cost.plus(self.cost(node.result))
        self._locals[node.accu].pop()
        count = self.size(node.over)
        if isinstance(node.start, Literal):
            self._keep_size(node, self._known_size(node.start))
        else:
            self._sizes[node] = count
            entries = self._entries_of(node.step)
            if entries is not None:
                self._entries[node] = entries
        return cost.plus(count.times(each))

    def _variables(self, node: Fold) -> dict[str, _Local]:
        entries = self._entries_of(node.over)
        kind = entries.kind if entries else self.checked.types[node.over].kind
        path = self._path(node.over)
        key, value = (entries.key, entries.value) if entries else (None, None)
        if node.var2:
            keys, values = ("@indices", "@items") if kind == "list" else ("@keys", "@values")
            if _shares_memory(path):
                keys = values
            first, second = _Local([*path, keys], key, None), _Local([*path, values], value, None)
            return {node.var: first, node.var2: second}
        if kind == "list":
            return {node.var: _Local([*path, "@items"], value, None)}
        return {node.var: _Local([*path, "@keys"], key, None)}


def _shares_memory(path: Sequence[str]) -> bool:
    """
    Whether two paths that begin with this one are one and the same to a server.

    Its slices of strings have room for a power of two; where there is room left, the second path overwrites the first.
    """
    return len(path) & (len(path) - 1) != 0


def _below(decl: Decl, name: str) -> Decl | None:
    """What is known of the values one step further down."""
    if name in ("@items", "@values"):
        return decl.element
    if name == "@keys":
        return Decl(types.STRING) if decl.type.kind == "map" else None
    return decl.fields.get(name)


def _written_size(node: Node) -> Range | None:
    if isinstance(node, Literal):
        return fixed(size_of_value(node.value))
    if isinstance(node, ListOf):
        return fixed(len(node.items))
    return fixed(len(node.entries)) if isinstance(node, MapOf) else None


def _is_scalar(kind: Type) -> bool:
    if kind.name == "optional_type" and kind.params:
        return _is_scalar(kind.params[0])
    return kind.kind in types.SCALARS


# ---- calls -----------------------------------------------------------------------------------------------------------

Found = tuple[Range, Range | None] | None
Rule = Callable[[Estimator, Call, str], Found]


def _node(node: Call, index: int) -> Node:
    """An argument; of a member the first is what it is called on."""
    every = [node.target, *node.args] if node.target else node.args
    found = every[index]
    assert found is not None
    return found


def _nominal(_estimator: Estimator, _node_: Call, _overload: str) -> Found:
    return ONE, None


def _one_pass(factor: float = 0.1, *, is_member: bool = False, keeps_size: bool = False) -> Rule:
    """One pass over what a member is called on, or over the first argument."""

    def rule(estimator: Estimator, node: Call, _overload: str) -> Found:
        operand = node.target if is_member else node.args[0] if node.args else None
        if operand is None:
            return None
        size = estimator.size(operand)
        return size.scaled(factor), size if keeps_size else None

    return rule


def _elements(estimator: Estimator, node: Call, _overload: str) -> Found:
    if node.target is None:
        return None
    size, element = estimator.size(node.target), estimator.element_type(node.target)
    if element is None:
        return size.scaled(0.1), None
    each = ONE
    if element.kind in ("string", "bytes"):
        each = each.plus(estimator.element_size(node.target).scaled(0.1))
    return size.times(each), None


def _replace(estimator: Estimator, node: Call, _overload: str) -> Found:
    text, old, new = (estimator.size(_node(node, index)) for index in range(3))
    low, kept_low = _replaced(text.low, old.high, longer=old.high > new.low)
    high, kept_high = _replaced(text.high, old.low, longer=new.high > old.low)
    size = Range(low, high).times(new).plus(Range(kept_low, kept_high))
    return text.scaled(0.2), size


def _replaced(length: int, part: int, *, longer: bool) -> tuple[int, int]:
    """Return how often a part is replaced at the most, and how much of the text is kept."""
    if part == 0:
        return min(length + 1, UNBOUNDED), length
    return (math.ceil(length / part), 0) if longer else (0, length)


def _split(estimator: Estimator, node: Call, _overload: str) -> Found:
    size = estimator.size(_node(node, 0))
    most = size.high
    limit = node.args[1] if len(node.args) > 1 else None
    if isinstance(limit, Literal) and isinstance(limit.value, int):
        most = limit.value % 2**64
    return size.scaled(0.2), Range(0, most)


def _join(estimator: Estimator, node: Call, _overload: str) -> Found:
    assert node.target is not None
    count = estimator.size(node.target)
    size = count.times(estimator.element_size(node.target))
    if node.args:
        between = Range(max(count.low - 1, 0), max(count.high - 1, 0))
        size = size.plus(estimator.size(node.args[0]).times(between))
    return size.scaled(0.1), size


def _find(estimator: Estimator, node: Call, _overload: str) -> Found:
    size = estimator.size(_node(node, 0))
    cost = size.plus(ONE).scaled(0.1).times(estimator.size(node.args[0]).scaled(0.25))
    return cost, Range(0, size.high)


def _ip(estimator: Estimator, node: Call, overload: str) -> Found:
    return (ONE, None) if overload == "cidr_ip" else _one_pass()(estimator, node, overload)


def _contains_ip(estimator: Estimator, node: Call, overload: str) -> Found:
    cost = Range(8, 32).scaled(0.1)
    if overload.endswith("_string"):
        cost = cost.plus(estimator.size(node.args[0]).scaled(0.1))
    return cost, None


def _contains_cidr(estimator: Estimator, node: Call, overload: str) -> Found:
    cost = Range(8, 32).scaled(0.1).plus(Range(4, 16).scaled(0.1)).plus(ONE)
    if overload.endswith("_string"):
        cost = cost.plus(estimator.size(node.args[0]).scaled(0.1))
    return cost, None


def _validate(estimator: Estimator, node: Call, _overload: str) -> Found:
    return estimator.size(node.args[0]).scaled(0.1).scaled(_PATTERN_MOST * 0.25), None


def _equality(estimator: Estimator, node: Call, _overload: str) -> Found:
    """What it costs to compare values of Kubernetes' own types."""
    one, other = (estimator.checked.types[arg] for arg in node.args)
    if one != other:
        return None
    if one in (types.IP, types.CIDR, types.QUANTITY, types.SEMVER):
        return ONE, None
    if one == types.FORMAT:
        return Range(1, _FORMAT_MOST).scaled(0.1), None
    return (ONE, None) if one == types.URL else None


_NOMINALLY = (
    "serviceAccount path group resource subresource namespace name allowed reason error errored masked "
    "prefixLength family isUnspecified isLoopback isLinkLocalMulticast isLinkLocalUnicast isGlobalUnicast "
    "format.named sign asInteger isInteger asApproximateFloat isGreaterThan isLessThan compareTo add sub "
    "major minor patch getScheme getHostname getHost getPort getEscapedPath getQuery"
)
_BY_FUNCTION: dict[str, Rule] = {
    **dict.fromkeys(("isSorted", "sum", "max", "min", "indexOf", "lastIndexOf"), _elements),
    "url": _one_pass(keeps_size=True),
    **dict.fromkeys(("lowerAscii", "upperAscii", "substring", "trim"), _one_pass(is_member=True, keeps_size=True)),
    "replace": _replace,
    "split": _split,
    "join": _join,
    "find": _find,
    "findAll": _find,
    **dict.fromkeys(("cidr", "isIP", "isCIDR", "quantity", "isQuantity", "semver", "isSemver"), _one_pass()),
    "ip": _ip,
    "ip.isCanonical": _one_pass(0.2),
    "containsIP": _contains_ip,
    "containsCIDR": _contains_cidr,
    "validate": _validate,
    "_==_": _equality,
    **dict.fromkeys(
        _NOMINALLY.split(),
        _nominal,
    ),
}
"""What calls of Kubernetes' functions cost, by function."""


def _new_list(size: Range, factor: float) -> Found:
    return size.scaled(factor).plus(ONE).plus(_LIST), size


def _whole(node: Node, otherwise: int) -> int:
    if isinstance(node, Literal) and type(node.value) is int:
        return max(node.value, 0)
    return otherwise


def _slice(estimator: Estimator, node: Call, _overload: str) -> Found:
    start = _whole(node.args[0], 0)
    end = _whole(node.args[1], estimator.size(_node(node, 0)).high)
    return _new_list(fixed((end - start) % 2**64), 1)


def _sorted(index: int, factor: float) -> Rule:
    def rule(estimator: Estimator, node: Call, _overload: str) -> Found:
        size = estimator.size(_node(node, index))
        return _new_list(size.times(size), factor)

    return rule


def _flatten(estimator: Estimator, node: Call, _overload: str) -> Found:
    depth = _whole(node.args[0], UNBOUNDED) if node.args else 1
    return _new_list(estimator.size(_node(node, 0)), depth)


def _pairs(factor: int) -> Rule:
    def rule(estimator: Estimator, node: Call, _overload: str) -> Found:
        one, other = (estimator.size(arg) for arg in node.args)
        return one.times(other).scaled(factor).plus(ONE), None

    return rule


_COMPARABLE = ("int", "uint", "double", "bool", "duration", "timestamp", "string", "bytes")
_BY_OVERLOAD: dict[str, Rule] = {
    "list_slice": _slice,
    "list_flatten": _flatten,
    "list_flatten_int": _flatten,
    "lists_range": lambda _, node, __: _new_list(fixed(_whole(node.args[0], UNBOUNDED)), 1),
    "list_reverse": lambda estimator, node, _: _new_list(estimator.size(_node(node, 0)), 1),
    "list_distinct": _sorted(0, 2.0),
    **{f"list_{kind}_sort": _sorted(0, 2.1 if kind in ("string", "bytes") else 2.0) for kind in _COMPARABLE},
    **{
        f"list_{kind}_sortByAssociatedKeys": _sorted(1, 2.1 if kind in ("string", "bytes") else 2.0)
        for kind in _COMPARABLE
    },
    "list_sets_contains_list": _pairs(1),
    "list_sets_intersects_list": _pairs(1),
    "list_sets_equivalent_list": _pairs(2),
}
"""What calls of the list and set libraries cost, by overload."""


def _to_bytes(estimator: Estimator, node: Call, _overload: str) -> Found:
    size = estimator.size(node.args[0])
    return size.scaled(0.1), Range(size.low, min(size.high * 4, UNBOUNDED))


def _to_text(estimator: Estimator, node: Call, _overload: str) -> Found:
    size = estimator.size(node.args[0])
    return size.scaled(0.1), Range(size.low // 4, size.high)


def _quote(estimator: Estimator, node: Call, _overload: str) -> Found:
    size = estimator.size(node.args[0])
    return size.scaled(0.1), Range(size.low + 2, min(size.high * 2 + 2, UNBOUNDED))


def _matches(estimator: Estimator, node: Call, _overload: str) -> Found:
    found = _find(estimator, node, _overload)
    return (found[0], None) if found else None


def _contains(estimator: Estimator, node: Call, _overload: str) -> Found:
    return estimator.size(_node(node, 0)).scaled(0.1).times(estimator.size(node.args[0]).scaled(0.1)), None


def _joined_text(estimator: Estimator, node: Call, _overload: str) -> Found:
    size = estimator.joined(node)
    return size.scaled(0.1), size


def _joined_list(estimator: Estimator, node: Call, _overload: str) -> Found:
    return ONE, estimator.joined(node)


def _compared(estimator: Estimator, node: Call, _overload: str) -> Found:
    most = min(estimator.size(arg).high for arg in node.args)
    return Range(1 if most else 0, most).scaled(0.1), None


_BY_STANDARD: dict[str, Rule] = {
    "string_format": _one_pass(is_member=True),
    "string_to_bytes": _to_bytes,
    "bytes_to_string": _to_text,
    "strings_quote": _quote,
    "starts_with_string": _one_pass(),
    "ends_with_string": _one_pass(),
    "in_list": lambda estimator, node, _: (estimator.size(node.args[1]), None),
    "matches_string": _matches,
    "contains_string": _contains,
    "add_string": _joined_text,
    "add_bytes": _joined_text,
    "add_list": _joined_list,
    **{
        f"{word}_{kind}": _compared
        for word in ("less", "greater", "less_equals", "greater_equals")
        for kind in ("string", "bytes")
    },
    "equals": _compared,
    "not_equals": _compared,
}
"""What calls of the language's own functions cost, by overload."""
