"""Label and field selectors read as a server reads them, with its messages about what it cannot read."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator

from ctrlkit.fakes.tracker.refusals import Cause
from ctrlkit.fakes.tracker.schema.formats import label_key, label_value
from ctrlkit.fakes.tracker.schema.remembering import remembered
from ctrlkit.model import FieldSelector, LabelSelector
from ctrlkit.model.selectors import FieldTerm, Operator, Requirement, whole_number

_TOKEN = re.compile(r"[ \t\r\n]*(==|!=|[=!(),<>]|[^ \t\r\n=!(),<>\0]+)\0?")
_SYMBOLS = frozenset({"=", "==", "!=", "!", ">", "<", "(", ")", ",", ""})
_OPERATORS = {one.value: one for one in Operator if one not in (Operator.EXISTS, Operator.DOES_NOT_EXIST)}
_OPERATORS["=="] = Operator.EQUALS
_END = ("", ",")
_NAMED_OPERATORS = "in, notin, =, ==, !=, gt, lt"


@remembered
def read_label_selector(text: str) -> LabelSelector:
    """
    Read a label selector.

    >>> str(read_label_selector("a in (b,),!c, d == e"))
    'a in (,b),!c,d=e'

    Errors  ValueError with the server's message.
    """
    tokens: deque[str] = deque([*_tokens(text), ""])
    requirements = []
    while tokens[0]:
        if tokens[0] in _SYMBOLS - {"!"}:
            raise ValueError(f"found '{tokens[0]}', expected: !, identifier, or 'end of string'")
        try:
            requirements.append(_requirement(tokens))
        except ValueError as error:
            raise ValueError(f"unable to parse requirement: {error}") from None
        after = tokens.popleft()
        if after not in _END:
            raise ValueError(f"found '{after}', expected: ',' or 'end of string'")
        if after and tokens[0] in _SYMBOLS - {"!"}:
            raise ValueError(f"found '{tokens[0]}', expected: identifier after ','")
        if not after:
            break
    return LabelSelector(tuple(requirements))


def _tokens(text: str) -> Iterator[str]:
    place = 0
    while found := _TOKEN.match(text, place):
        yield found[1]
        place = found.end()


def _requirement(tokens: deque[str]) -> Requirement:
    key = tokens.popleft()
    is_negated = key == "!"
    if is_negated:
        key = tokens.popleft()
    if key in _SYMBOLS:
        raise ValueError(f"found '{key}', expected: identifier")
    if complaints := label_key(key):
        raise ValueError(_text(Cause.wrong("<nil>", key, "; ".join(complaints))))
    if is_negated or tokens[0] in _END:
        return Requirement(key, Operator.DOES_NOT_EXIST if is_negated else Operator.EXISTS)
    name = tokens.popleft()
    operator = _OPERATORS.get(name)
    if operator is None:
        raise ValueError(f"found '{name}', expected: {_NAMED_OPERATORS}")
    values = _read_set(tokens) if operator in (Operator.IN, Operator.NOT_IN) else {_read_value(tokens)}
    _check_values(key, operator, sorted(values))
    return Requirement(key, operator, tuple(sorted(values)))


def _check_values(key: str, operator: Operator, values: list[str]) -> None:
    causes = []
    if operator in (Operator.GREATER, Operator.LESS) and whole_number(values[0]) is None:
        text = "for 'Gt', 'Lt' operators, the value must be an integer"
        causes.append(Cause.wrong("values[0]", values[0], text))
    for index, value in enumerate(values):
        if complaints := label_value(value):
            causes.append(Cause.wrong(f"values[{index}][{key}]", value, "; ".join(complaints)))
    if causes:
        texts = [_text(cause) for cause in causes]
        raise ValueError(texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]")


def _text(cause: Cause) -> str:
    return f"{cause.field}: {cause.message}"


def _read_value(tokens: deque[str]) -> str:
    if tokens[0] in _END:
        return ""
    value = tokens.popleft()
    if value in _SYMBOLS:
        raise ValueError(f"found '{value}', expected: identifier")
    return value


def _read_set(tokens: deque[str]) -> set[str]:
    opening = tokens.popleft()
    if opening != "(":
        raise ValueError(f"found '{opening}' expected: '('")
    if tokens[0] in _SYMBOLS - {",", ")"}:
        raise ValueError(f"found '{tokens[0]}', expected: ',', ')' or identifier")
    values: set[str] = set()
    while (token := tokens.popleft()) != ")" or not values:
        if token == ")":
            return {""}
        if token == ",":
            values |= {""} if not values or tokens[0] in (",", ")") else set()
        elif token in _SYMBOLS:
            raise ValueError(f"found '{token}', expected: ',', or identifier")
        else:
            values.add(token)
            if tokens[0] not in (",", ")"):
                raise ValueError(f"found '{tokens[0]}', expected: ',' or ')'")
    return values


# ---------------------------------------------------------------------------------------------------------------------
# Field selectors
# ---------------------------------------------------------------------------------------------------------------------

_PARTS = re.compile(r"(?:[^\\,]|\\.|\\$)+", re.DOTALL)
_TERM = re.compile(r"(.*?)(!=|==|=)(.*)", re.DOTALL)
_ESCAPED = re.compile(r"\\(.?)|([,=])|[^\\,=]+", re.DOTALL)


@remembered
def read_field_selector(text: str) -> FieldSelector:
    r"""
    Read a field selector; a comma, an equals sign and a backslash in a value stand behind a backslash.

    >>> read_field_selector(r"metadata.name=a\,b,type!=x").terms
    (('metadata.name', True, 'a,b'), ('type', False, 'x'))

    Errors  ValueError with the server's message.
    """
    terms: list[FieldTerm] = []
    for part in sorted(_PARTS.findall(text)):
        found = _TERM.fullmatch(part)
        if found is None:
            raise ValueError(f"invalid selector: '{text}'; can't understand '{part}'")
        value = _unescaped(found[3])
        if found[1] or value:
            terms.append((found[1], found[2] != "!=", value))
    return FieldSelector(tuple(terms))


def _unescaped(value: str) -> str:
    parts = []
    for found in _ESCAPED.finditer(value):
        if found[2]:
            raise ValueError(f"invalid field selector: unescaped character in value: {ord(found[2])}")
        if found[1] is not None and found[1] not in ("\\", ",", "="):
            raise ValueError(f"invalid field selector: invalid escape sequence: {found[0]}")
        if found[1] == "":
            raise ValueError("invalid field selector: invalid escape sequence: \\")
        parts.append(found[0] if found[1] is None else found[1])
    return "".join(parts)
