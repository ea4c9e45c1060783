"""Label and field selectors: read, written and matched as the API server does."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any


class Operator(Enum):
    """How one requirement compares a label."""

    EQUALS = "="
    NOT_EQUALS = "!="
    IN = "in"
    NOT_IN = "notin"
    EXISTS = "exists"
    DOES_NOT_EXIST = "!"
    GREATER = ">"
    LESS = "<"


def whole_number(text: str) -> int | None:
    """
    A whole number of 64 bits, None where a text is none.

    >>> whole_number("+1"), whole_number("1_0")
    (1, None)
    """
    number = int(text) if re.fullmatch(r"[+-]?[0-9]{1,64}", text) else 2**63
    return number if -(2**63) <= number < 2**63 else None


@dataclass(frozen=True, slots=True)
class Requirement:
    """One comma-separated part of a label selector."""

    label: str
    operator: Operator
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether a set of labels meets it; a missing label meets the negative operators, as on the server."""
        have = labels.get(self.label)
        match self.operator:
            case Operator.EXISTS:
                return have is not None
            case Operator.DOES_NOT_EXIST:
                return have is None
            case Operator.EQUALS | Operator.IN:
                return have in self.values
            case Operator.NOT_EQUALS | Operator.NOT_IN:
                return have not in self.values
            case Operator.GREATER | Operator.LESS:
                return self._compares(have)

    def _compares(self, have: str | None) -> bool:
        number, bound = whole_number(have or ""), whole_number(self.values[0])
        if number is None or bound is None:
            return False
        return number > bound if self.operator is Operator.GREATER else number < bound

    def __str__(self) -> str:
        match self.operator:
            case Operator.EXISTS:
                return self.label
            case Operator.DOES_NOT_EXIST:
                return f"!{self.label}"
            case Operator.IN | Operator.NOT_IN:
                return f"{self.label} {self.operator.value} ({','.join(self.values)})"
            case _:
                return f"{self.label}{self.operator.value}{self.values[0]}"


_PARTS = re.compile(r"(?:[^,(]++|\([^()]*+\)|\()++")  # apart by commas outside of parentheses; in linear time
_NAME = r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?"
_LABEL = rf"(?P<label>([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?{_NAME})"
_FORMS: tuple[tuple[re.Pattern[str], Callable[[str], Operator]], ...] = (
    (re.compile(rf"{_LABEL}\s+(?P<op>in|notin)\s*\((?P<values>[^()]*)\)"), Operator),
    (
        re.compile(rf"{_LABEL}\s*(?P<op>==|!=|=|>|<)\s*(?P<values>[-A-Za-z0-9_.]*)"),
        lambda op: Operator(op.replace("==", "=")),
    ),
    (re.compile(rf"!\s*{_LABEL}(?P<op>)(?P<values>)"), lambda _: Operator.DOES_NOT_EXIST),
    (re.compile(rf"{_LABEL}(?P<op>)(?P<values>)"), lambda _: Operator.EXISTS),
)


@dataclass(frozen=True, slots=True)
class LabelSelector:
    """
    Requirements that all must hold; none at all matches everything.

    >>> selector = LabelSelector.parse("app=net,tier in (a, b),!old")
    >>> selector.matches({"app": "net", "tier": "b"}), selector.matches({"app": "net"})
    (True, False)
    >>> str(selector)
    'app=net,tier in (a,b),!old'

    Errors  ValueError from `parse`, naming the part that cannot be read.
    """

    requirements: tuple[Requirement, ...] = ()

    @classmethod
    def parse(cls, text: str) -> LabelSelector:
        """Read the text form: `=`, `==`, `!=`, `in`, `notin`, existence, `!`, `>`, `<`."""
        parts = (part.strip() for part in _PARTS.findall(text))
        return cls(tuple(_requirement(part, text) for part in parts if part))

    @classmethod
    def of_labels(cls, labels: Mapping[str, str]) -> LabelSelector:
        """All of these labels with exactly these values."""
        return cls(tuple(Requirement(label, Operator.EQUALS, (value,)) for label, value in sorted(labels.items())))

    @classmethod
    def of_object(cls, selector: Mapping[str, Any]) -> LabelSelector:
        """
        Read the object form that specs have: `matchLabels` and `matchExpressions`; an empty one matches everything.

        >>> str(LabelSelector.of_object({"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["a"]}]}))
        'tier notin (a)'

        Errors  ValueError for an operator there is not; KeyError for an expression without key or operator.
        """
        expressions = (
            Requirement(one["key"], _operator_of(one["operator"]), tuple(one.get("values") or ()))
            for one in selector.get("matchExpressions") or ()
        )
        return cls((*cls.of_labels(selector.get("matchLabels") or {}).requirements, *expressions))

    def matches(self, labels: Mapping[str, str] | None) -> bool:
        """Whether an object's labels meet all requirements."""
        have = labels or {}
        return all(requirement.matches(have) for requirement in self.requirements)

    def __str__(self) -> str:
        return ",".join(str(requirement) for requirement in self.requirements)


def _operator_of(word: str) -> Operator:
    """Return the operator of an expression in an object: In, NotIn, Exists or DoesNotExist."""
    operators = {
        "In": Operator.IN,
        "NotIn": Operator.NOT_IN,
        "Exists": Operator.EXISTS,
        "DoesNotExist": Operator.DOES_NOT_EXIST,
    }
    if word not in operators:
        raise ValueError(f"read a selector: {word!r} is no operator; there are {', '.join(operators)}")
    return operators[word]


def _requirement(part: str, whole: str) -> Requirement:
    for form, operator in _FORMS:
        found = form.fullmatch(part)
        if found:
            values = found["values"]
            is_set = found["op"] in ("in", "notin")
            return Requirement(
                found["label"],
                operator(found["op"]),
                tuple(sorted(value.strip() for value in values.split(",")))
                if is_set
                else ((values,) if found["op"] else ()),
            )
    raise ValueError(f"label selector {whole!r}: cannot read {part!r}; write key=value, key in (a,b), key or !key")


FieldTerm = tuple[str, bool, str]
"""A path, whether the value is to be there or not to be there, and the value."""


@dataclass(frozen=True, slots=True)
class FieldSelector:
    """
    Dotted paths and the values they must, or must not, have; the server compares text.

    >>> selector = FieldSelector.parse("metadata.name=a,status.phase!=Running")
    >>> selector.terms
    (('metadata.name', True, 'a'), ('status.phase', False, 'Running'))

    Errors  ValueError from `parse`, naming the part that cannot be read.
    """

    terms: tuple[FieldTerm, ...] = ()

    @classmethod
    def parse(cls, text: str) -> FieldSelector:
        """Read `path=value`, `path==value` and `path!=value`, joined by commas."""
        terms = []
        for part in filter(None, (part.strip() for part in text.split(","))):
            found = re.fullmatch(r"(?P<path>[^=!]+)(?P<op>==|!=|=)(?P<value>.*)", part)
            if not found:
                raise ValueError(f"field selector {text!r}: cannot read {part!r}; write path=value or path!=value")
            terms.append((found["path"], found["op"] != "!=", found["value"]))
        return cls(tuple(terms))

    def matches(self, value_at: Callable[[str], object]) -> bool:
        """Whether an object meets all terms; `value_at` finds the value of a dotted path, None where there is none."""
        return all((field_text(value_at(path)) == want) is wanted for path, wanted, want in self.terms)

    def __str__(self) -> str:
        return ",".join(f"{path}{'=' if wanted else '!='}{want}" for path, wanted, want in self.terms)


def field_text(value: object) -> str:
    """A value as field selectors compare it: text, empty where it is missing."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
