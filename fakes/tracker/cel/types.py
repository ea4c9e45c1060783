"""Types of expressions: how they are written, and which fits where another is asked for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Type:
    """
    A type.

    Shape   `kind` is what the rules of fitting go by: a simple type by its own name, else `list`, `map`, `struct`,
            `opaque`, `type` (a type as a value) or `param` (to be found out). `name` is what it is called.
    """

    kind: str
    name: str
    params: tuple[Type, ...] = ()

    def __str__(self) -> str:
        return f"{self.name}({', '.join(map(str, self.params))})" if self.params else self.name


Substitutions = dict[str, Type]


def _simple(kind: str) -> Type:
    return Type(kind, kind)


BOOL, INT, UINT, DOUBLE = _simple("bool"), _simple("int"), _simple("uint"), _simple("double")
STRING, BYTES, NULL, DYN = _simple("string"), _simple("bytes"), _simple("null"), _simple("dyn")
TIMESTAMP, DURATION = _simple("timestamp"), _simple("duration")
ERROR = Type("error", "!error!")
IP, CIDR = Type("opaque", "net.IP"), Type("opaque", "net.CIDR")
URL, QUANTITY = Type("struct", "kubernetes.URL"), Type("struct", "kubernetes.Quantity")
SEMVER, FORMAT = Type("struct", "kubernetes.Semver"), Type("struct", "kubernetes.NamedFormat")
AUTHORIZER, PATH_CHECK, GROUP_CHECK, RESOURCE_CHECK, DECISION = (
    Type("struct", f"kubernetes.authorization.{name}")
    for name in ("Authorizer", "PathCheck", "GroupCheck", "ResourceCheck", "Decision")
)
OBJECT, JSON_PATCH = Type("struct", "Object"), Type("struct", "JSONPatch")
"""What expressions that make patches make: part of an object, and one operation of a JSON patch."""

VARIABLES = Type("struct", "kubernetes.variables")
"""The variables of a policy, which are evaluated when they are first used."""

SCALARS = frozenset({"bool", "double", "duration", "int", "timestamp", "uint"})
_NAMED = {
    one.name: one for one in (BOOL, INT, UINT, DOUBLE, STRING, BYTES, DYN, IP, CIDR, URL, QUANTITY, SEMVER, FORMAT)
} | {"timestamp": TIMESTAMP, "duration": DURATION}
_NAMED |= {one.name: one for one in (AUTHORIZER, PATH_CHECK, GROUP_CHECK, RESOURCE_CHECK, DECISION)}
_NULLABLE = frozenset({"opaque", "struct", "duration", "timestamp", "null"})


def list_of(element: Type) -> Type:
    """Return the type of lists of such elements."""
    return Type("list", "list", (element,))


def map_of(key: Type, value: Type) -> Type:
    """Return the type of maps of such keys and values."""
    return Type("map", "map", (key, value))


def optional_of(value: Type) -> Type:
    """Return the type of optional values."""
    return Type("opaque", "optional_type", (value,))


def type_of(value: Type) -> Type:
    """Return the type of a type as a value."""
    return Type("type", "type", (value,))


def param(name: str) -> Type:
    """Return a type that is to be found out."""
    return Type("param", name)


TYPE_NAMES: dict[str, Type] = {
    "bool": BOOL,
    "bytes": BYTES,
    "double": DOUBLE,
    "google.protobuf.Duration": DURATION,
    "google.protobuf.Timestamp": TIMESTAMP,
    "dyn": DYN,
    "int": INT,
    "list": list_of(DYN),
    "map": map_of(DYN, DYN),
    "null_type": NULL,
    "string": STRING,
    "type": Type("type", "type"),
    "uint": UINT,
    "optional_type": optional_of(DYN),
    **{one.name: one for one in (IP, CIDR, URL, QUANTITY, SEMVER, FORMAT)},
    **{one.name: one for one in (AUTHORIZER, PATH_CHECK, GROUP_CHECK, RESOURCE_CHECK, DECISION)},
}
"""The names of types that an expression may use as values."""


def optional_value(kind: Type) -> tuple[Type, bool]:
    """Return what an optional type is of, and whether it is one."""
    return (kind.params[0], True) if kind.name == "optional_type" and kind.params else (kind, False)


def is_patch_type(name: str) -> bool:
    """
    Whether expressions that make patches can make values of a type: any part of an object has one of its own.

    >>> is_patch_type("Object.spec.template"), is_patch_type("Objects")
    (True, False)
    """
    return name in (OBJECT.name, JSON_PATCH.name) or name.startswith(f"{OBJECT.name}.")


_WORD = re.compile(r"\s*([\w.]+|[(),])")


def read(text: str) -> Type:
    """
    Return the type that a text is; single capital letters are to be found out.

    >>> str(read("map(string, list(A))"))
    'map(string, list(A))'
    """
    words = _WORD.findall(text)
    found, _ = _read(words, 0)
    return found


def _read(words: Sequence[str], at: int) -> tuple[Type, int]:
    name, at = words[at], at + 1
    params: list[Type] = []
    if at < len(words) and words[at] == "(":
        while words[at] != ")":
            inner, at = _read(words, at + 1)
            params.append(inner)
        at += 1
    if len(name) == 1:
        return param(name), at
    if name == "optional":
        return optional_of(params[0]), at
    return (Type(name, name, tuple(params)) if params else _NAMED[name]), at


# ---- what fits -------------------------------------------------------------------------------------------------------


def substituted(known: Substitutions, kind: Type, *, finally_dyn: bool = False) -> Type:
    """Replace what has been found out; with `finally_dyn` what has not may be anything."""
    while kind.kind == "param" and kind.name in known:
        kind = known[kind.name]
    if kind.kind == "param":
        return DYN if finally_dyn else kind
    if not kind.params:
        return kind
    return Type(kind.kind, kind.name, tuple(substituted(known, one, finally_dyn=finally_dyn) for one in kind.params))


def fits(known: Substitutions, ones: Sequence[Type], others: Sequence[Type]) -> Substitutions | None:
    """Return what is found out if types fit others, one by one, None if they do not."""
    found = dict(known)
    return found if _all_fit(found, ones, others) else None


def _all_fit(known: Substitutions, ones: Sequence[Type], others: Sequence[Type]) -> bool:
    return len(ones) == len(others) and all(_fits(known, one, other) for one, other in zip(ones, others, strict=True))


def _fits(known: Substitutions, one: Type, other: Type) -> bool:  # noqa: PLR0911  # one for each rule
    if other.kind == "param":
        valid, has = _replaces(known, one, other)
        if valid or has:
            return valid
    if one.kind == "param":
        return _replaces(known, other, one)[0]
    if {one.kind, other.kind} & {"dyn", "error"}:
        return True
    if one.kind == "null":
        return other.kind in _NULLABLE
    if other.kind == "null":
        return one.kind in _NULLABLE
    if one.kind == "type":
        return other.kind == "type"
    return one.kind == other.kind and one.name == other.name and _all_fit(known, one.params, other.params)


def _replaces(known: Substitutions, one: Type, wanted: Type) -> tuple[bool, bool]:
    """Return whether a type may stand for one that is to be found out, and whether that is found out already."""
    if one == wanted:
        return True, True
    have = known.get(wanted.name)
    if have is None:
        free = _not_within(known, wanted, one)
        if free:
            known[wanted.name] = one
        return free, False
    if one == have:
        return True, True
    if not _fits(known, one, have):
        return False, True
    general = most_general(one, have)
    if _not_within(known, wanted, general):
        known[wanted.name] = general
    return True, True


def _not_within(known: Substitutions, wanted: Type, within: Type) -> bool:
    if within == wanted:
        return False
    if within.kind == "param":
        return within.name not in known or _not_within(known, wanted, known[within.name])
    return all(_not_within(known, wanted, inner) for inner in within.params)


def most_general(one: Type, other: Type) -> Type:
    """Return the more general of two types that fit each other."""
    return one if _no_more_specific(one, other) else other


def _no_more_specific(one: Type, other: Type) -> bool:
    if one.kind in ("dyn", "param"):
        return True
    if other.kind in ("dyn", "param") or one.kind != other.kind:
        return False
    if one.kind == "type":
        return True
    if one.name != other.name or len(one.params) != len(other.params):
        return False
    return all(_no_more_specific(mine, its) for mine, its in zip(one.params, other.params, strict=True))
