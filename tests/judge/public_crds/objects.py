"""Random objects of a schema: most are valid or nearly so, others are broken in a place or two."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from random import Random
from typing import Any

from ctrlkit.fakes.tracker.schema.patterns import compiled

Node = Mapping[str, Any]
_DEPTH_MAX = 9
_TEXTS = (
    *(
        "a",
        "abc",
        "a-b",
        "example.com",
        "1",
        "10s",
        "5m0s",
        "1h",
        "https://a.example.com/x",
        "/a/b",
        "*",
        "v1",
        "A",
        "",
    ),
    *("100m", "1Gi", "50%", "node.example.com/a", "2020-01-01T00:00:00Z", "10.0.0.1", "10.0.0.0/8", "a.b.c", "x" * 70),
    *("HTTP", "GET", "True", "False", "Exact", "Always", "Name", "kind", "Abc", "a_b", "a b", "[::1]", "é"),
)
_FORMATS = {"date-time": "2020-01-01T00:00:00Z", "byte": "aGk=", "uri": "https://a.example.com", "duration": "5m"}
_NUMBERS = (0, 1, 2, 3, 5, 10, 80, 443, 1000, 65535, -1, 65536, 2**31, 2**53, 1.5, 3.0)


class Objects:
    """
    Makes random objects of a schema.

    >>> node = {"type": "object", "required": ["a"], "properties": {"a": {"type": "integer", "minimum": 7}}}
    >>> Objects(Random(1)).value(node)["a"] >= 7
    True
    """

    def __init__(self, random: Random) -> None:
        self._random = random

    def object(self, schema: Node) -> dict[str, Any]:
        """Return the fields of an object but for its kind, apiVersion and metadata."""
        known = {name: node for name, node in (schema.get("properties") or {}).items() if name not in _META}
        required = [name for name in schema.get("required") or () if name not in _META]
        return self._fields({**schema, "properties": known, "required": required}, 0, everything=True)

    def value(self, node: Node, depth: int = 0) -> Any:
        """Return a value that a node of a schema may allow."""
        random = self._random
        if node.get("enum"):
            return copy.deepcopy(random.choice(node["enum"]))
        if node.get("nullable") and random.random() < 0.1:
            return None
        if node.get("x-kubernetes-int-or-string"):
            return self._number(node) if random.random() < 0.5 else self._text(node)
        make: Callable[[Node, int], Any] = _MAKERS.get(str(node.get("type")), Objects._anything).__get__(self)
        return make(node, depth)

    def _object(self, node: Node, depth: int) -> dict[str, Any]:
        made = self._fields(node, depth)
        if node.get("x-kubernetes-embedded-resource"):
            made |= {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}
        if node.get("x-kubernetes-preserve-unknown-fields") and self._random.random() < 0.5:
            made["own"] = {"a": [1, None, {"b": "c"}]}
        return made

    def _fields(self, node: Node, depth: int, *, everything: bool = False) -> dict[str, Any]:
        random, known = self._random, node.get("properties") or {}
        wanted = set(node.get("required") or ()) | set(self._branch(node))
        chance = 1.0 if everything else min(0.5, 4 / (len(known) or 1)) * (1 - depth / _DEPTH_MAX)
        made = {
            name: self.value(inner, depth + 1)
            for name, inner in known.items()
            if name in wanted or (depth < _DEPTH_MAX and random.random() < chance)
        }
        additional = node.get("additionalProperties")
        if isinstance(additional, Mapping):
            for _ in range(random.randint(0, 2)):
                made[random.choice(("a", "b", "example.com/c", "d_e"))] = self.value(additional, depth + 1)
        return made

    def _branch(self, node: Node) -> list[str]:
        """The fields that one of several alternatives asks for."""
        names: list[str] = []
        for word in ("oneOf", "anyOf", "allOf"):
            found = [one for one in node.get(word) or () if one.get("required")]
            if found and self._random.random() < 0.9:
                names += self._random.choice(found)["required"]
        return [name for name in names if name in (node.get("properties") or {})]

    def _array(self, node: Node, depth: int) -> list[Any]:
        least = node.get("minItems") or 0
        count = max(least, min(self._random.randint(0, 2), node.get("maxItems", 2)))
        items = node.get("items") or {}
        made = [self.value(items, depth + 1) for _ in range(count if depth < _DEPTH_MAX else least)]
        keys = node.get("x-kubernetes-list-map-keys") or ()
        for at, item in enumerate(made):
            for key in keys if isinstance(item, dict) and self._random.random() < 0.9 else ():
                if isinstance(item.get(key), str) and not (items["properties"][key].get("enum")):
                    item[key] = f"{item[key] or 'k'}{at}"[-63:]
        return made

    def _text(self, node: Node, _depth: int = 0) -> str:
        if self._random.random() < 0.9 and node.get("format") in _FORMATS:
            return _FORMATS[node["format"]]
        fits = [text for text in _TEXTS if _fits(text, node)]
        return self._random.choice(fits if fits and self._random.random() < 0.95 else _TEXTS)

    def _number(self, node: Node, _depth: int = 0) -> float:
        low, high = node.get("minimum"), node.get("maximum")
        fits = [
            number
            for number in (*_NUMBERS, low, high)
            if number is not None and (low is None or number >= low) and (high is None or number <= high)
        ]
        whole = [number for number in fits if isinstance(number, int) and -(2**31) <= number < 2**31]
        return self._random.choice(whole if whole and self._random.random() < 0.95 else _NUMBERS)

    def _integer(self, node: Node, _depth: int) -> float:
        return self._number(node)

    def _boolean(self, _node: Node, _depth: int) -> bool:
        return self._random.random() < 0.5

    def _anything(self, _node: Node, _depth: int) -> Any:
        return self._random.choice(({"any": {"a": None}}, "text", 3, [1, {"b": 2}], {}))

    # ---- faults ------------------------------------------------------------------------------------------------------

    def broken(self, plain: dict[str, Any]) -> dict[str, Any]:
        """Return a copy of an object that differs in one or two places."""
        plain = copy.deepcopy(plain)
        for _ in range(self._random.randint(1, 2)):
            places = [place for place in _places(plain) if place[1] not in _META]
            if places:
                self._break(*self._random.choice(places))
        return plain

    def _break(self, holder: Any, at: Any) -> None:
        value, random = holder[at], self._random
        match random.randint(0, 9):
            case 0:
                holder[at] = random.choice((None, None, "text", 3, 1.0, 2.5, True, [], {}, [None], {"a": None}))
            case 1 if isinstance(holder, dict):
                del holder[at]
            case 2 if isinstance(holder, dict):
                holder[random.choice(("bogus", "Bogus", "a.b"))] = random.choice((1, {"a": 1}, None, ["x"]))
            case 3 if isinstance(value, list) and value:
                value.append(copy.deepcopy(value[0]))
            case 4 if isinstance(value, dict):
                value["bogus"] = {"deep": [1]}
            case 5 if isinstance(value, (int, float)) and not isinstance(value, bool):
                holder[at] = random.choice((-1, 0, 2**31, 2**63, 1e30, value + 0.5, float(value), -value))
            case 6 if isinstance(value, str):
                holder[at] = random.choice(("", "x" * 300, "A B", "é", f"{value}-", "0", "-1", "\t"))
            case 7 if isinstance(value, list):
                holder[at] = [*value, *[copy.deepcopy(value[-1]) if value else "x" for _ in range(20)]]
            case _:
                holder[at] = random.choice((None, "other", 7, {"x": "y"}, ["z"], False))


_META = ("apiVersion", "kind", "metadata")
_MAKERS: Mapping[str, Any] = {
    "object": Objects._object,
    "array": Objects._array,
    "string": Objects._text,
    "integer": Objects._integer,
    "number": Objects._number,
    "boolean": Objects._boolean,
}


def _fits(text: str, node: Node) -> bool:
    if not node.get("minLength", 0) <= len(text) <= node.get("maxLength", 100):
        return False
    try:
        return not node.get("pattern") or bool(compiled(node["pattern"]).search(text))
    except ValueError:
        return False


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in a value: what holds it, and its key or index there."""
    inside = value.items() if isinstance(value, dict) else enumerate(value)
    for at, inner in inside:
        yield value, at
        if isinstance(inner, (dict, list)):
            yield from _places(inner)
