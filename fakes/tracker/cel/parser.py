"""From text to trees: the grammar of the Common Expression Language, with its macros expanded."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ctrlkit.fakes.tracker.cel import macros
from ctrlkit.fakes.tracker.cel.tree import (
    Call,
    CompileError,
    Entry,
    Field,
    Ident,
    ListOf,
    Literal,
    MapOf,
    Node,
    Problem,
    Select,
    Struct,
)
from ctrlkit.fakes.tracker.cel.values import INT_RANGE, UINT_RANGE, Uint

_ESCAPES = r"(?:\\(?:[abfnrtv\"'\\?`]|[0-3][0-7]{2}|[xX][0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}))"
_STRING = (
    r'(?:[rR]"""(?:.|\n)*?"""|[rR]\'\'\'(?:.|\n)*?\'\'\'|[rR]"[^"\n\r]*"|[rR]\'[^\'\n\r]*\''
    rf'|"""(?:{_ESCAPES}|[^\\])*?"""|\'\'\'(?:{_ESCAPES}|[^\\])*?\'\'\''
    rf'|"(?:{_ESCAPES}|[^\\"\n\r])*"|\'(?:{_ESCAPES}|[^\\\'\n\r])*\')'
)
_TOKENS = re.compile(
    rf"(?P<skip>[\t \r\n\f]+|//[^\n]*)|(?P<BYTES>[bB]{_STRING})|(?P<STRING>{_STRING})"
    r"|(?P<NUM_FLOAT>\d+\.\d+(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+|\.\d+(?:[eE][+-]?\d+)?)"
    r"|(?P<NUM_UINT>(?:0x[0-9a-fA-F]+|\d+)[uU])|(?P<NUM_INT>0x[0-9a-fA-F]+|\d+)"
    r"|(?P<IDENTIFIER>[A-Za-z_][A-Za-z0-9_]*)|(?P<ESC_IDENTIFIER>`[A-Za-z0-9_.\-/ ]+`)"
    r"|(?P<op>==|!=|<=|>=|&&|\|\||[<>\[\]{}().,\-!?:+*/%])"
)
_WORDS = frozenset({"in", "true", "false", "null"})
_RESERVED_WORDS = (
    "as break const continue else false for function if import in let loop package namespace null return "
    "true var void while"
)
_RESERVED = frozenset(_RESERVED_WORDS.split())
_VALUES = "'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}"
_STARTS = "{'[', '{', '(', '.', '-', '!', " + _VALUES
_ITEM_STARTS = "{'[', '{', '(', '.', '-', '!', '?', " + _VALUES
_ARGUMENT_STARTS = "{'[', '{', '(', ')', '.', '-', '!', " + _VALUES
_LIST_STARTS = "{'[', ']', '{', '(', '.', ',', '-', '!', '?', " + _VALUES
_FIELD_STARTS = "{'}', ',', '?', IDENTIFIER, ESC_IDENTIFIER}"
_MAP_STARTS = "{'[', '{', '}', '(', '.', ',', '-', '!', '?', " + _VALUES
_SIGNS_AFTER_OPERAND = "<EOF> == != in < <= > >= && || [ . - + * / % ? : ) ] } ,"
_AFTER_OPERAND = frozenset(_SIGNS_AFTER_OPERAND.split())
_HALF_SIGNS = "=&|"
_OPEN_STRING = re.compile(rf"""[rR]?(?:"(?:{_ESCAPES}|[^\\"\n\r])*|'(?:{_ESCAPES}|[^\\'\n\r])*)(?:\\.?|[\n\r])?""")
_RELATIONS = ("==", "!=", "<", "<=", ">", ">=", "in")
_LEVELS_MAX = 250


@dataclass(slots=True)
class _Token:
    kind: str
    text: str
    offset: int


def parse(source: str) -> Node:
    """
    Return the tree of an expression.

    >>> parse("1 + x").function
    '_+_'

    Errors  CompileError, with the first thing that is wrong.
    """
    return _Parser(source).whole()


class _Parser:
    def __init__(self, source: str) -> None:
        self._source = source
        self._problems: list[Problem] = []
        self._tokens = self._tokenized(source)
        self._at = 0
        self._level = 0
        self._starts = _STARTS

    def whole(self) -> Node:
        try:
            found = self._expression()
            if self._next.kind != "<EOF>":
                last = self._tokens[self._at + 1].kind == "<EOF>"
                self._fail("extraneous" if last else "mismatched", "<EOF>")
        except _SyntaxError:
            found = Literal(0, None)
        if self._problems:
            raise CompileError(self._source, self._problems)
        return found

    def _tokenized(self, source: str) -> list[_Token]:
        tokens: list[_Token] = []
        offset = 0
        while offset < len(source):
            match = _TOKENS.match(source, offset)
            if match is None:
                offset = self._not_a_token(source, offset)
                continue
            kind = match.lastgroup or ""
            if kind != "skip":
                text = match[0]
                tokens.append(_Token(text if kind == "op" or text in _WORDS else kind, text, offset))
            offset = match.end()
        return [*tokens, _Token("<EOF>", "<EOF>", len(source)), _Token("<EOF>", "<EOF>", len(source))]

    def _not_a_token(self, source: str, offset: int) -> int:
        """Note that there is no token at an offset; return where to go on."""
        opened = _OPEN_STRING.match(source, offset)
        end = opened.end() if opened else offset + (2 if source[offset] in _HALF_SIGNS else 1)
        text = source[offset:end]
        self._problems.append(Problem(offset, f"Syntax error: token recognition error at: '{text}'"))
        return end

    # ---- tokens ----

    @property
    def _next(self) -> _Token:
        return self._tokens[self._at]

    def _take(self) -> _Token:
        self._starts = _STARTS
        self._at += 1
        return self._tokens[self._at - 1]

    def _taken(self, *kinds: str) -> _Token | None:
        return self._take() if self._next.kind in kinds else None

    def _expect(self, kind: str, expecting: str = "") -> _Token:
        """Take a token of a kind; one that is missing is made up, and one too many left out, where that is all."""
        token = self._taken(kind)
        if token is not None:
            return token
        expecting = expecting or (kind if kind.isupper() else f"'{kind}'")
        token = self._next
        if self._tokens[self._at + 1].kind == kind and token.kind != "<EOF>":
            self._note("extraneous", token, expecting)
            self._take()
            return self._take()
        fits = self._is_start(token) if kind == ":" else token.kind in _AFTER_OPERAND
        if fits and not expecting.startswith("{") and not kind.isupper():
            self._problems.append(Problem(token.offset, f"Syntax error: missing '{kind}' at '{token.text}'"))
            return token
        self._note("mismatched", token, expecting)
        if kind != ")":
            raise _SyntaxError
        while self._next.kind not in _AFTER_OPERAND:
            self._take()
        return token

    def _note(self, how: str, token: _Token, expecting: str) -> None:
        self._problems.append(Problem(token.offset, f"Syntax error: {how} input '{token.text}' expecting {expecting}"))

    @staticmethod
    def _is_start(token: _Token) -> bool:
        return token.kind in ("IDENTIFIER", ".", "(", "[", "{", "-", "!") or token.kind in _LITERALS

    def _fail(self, how: str, expecting: str) -> Any:
        self._note(how, self._next, expecting)
        raise _SyntaxError

    def _say(self, offset: int, message: str) -> Node:
        self._problems.append(Problem(offset, message))
        return Literal(offset, None)

    # ---- operators ----

    def _expression(self) -> Node:
        self._level += 1
        if self._level > _LEVELS_MAX:
            self._say(0, f"expression recursion limit exceeded: {_LEVELS_MAX}")
            raise _SyntaxError
        found = self._logical("||", "_||_", lambda: self._logical("&&", "_&&_", self._relation))
        if mark := self._taken("?"):
            yes = self._logical("||", "_||_", lambda: self._logical("&&", "_&&_", self._relation))
            self._expect(":")
            found = Call(mark.offset, "_?_:_", [found, yes, self._expression()])
        self._level -= 1
        return found

    def _logical(self, sign: str, function: str, operand: Callable[[], Node]) -> Node:
        """Operands joined by one sign: a balanced tree, so that many of them are not deep."""
        terms, signs = [operand()], []
        while token := self._taken(sign):
            signs.append(token.offset)
            terms.append(operand())

        def joined(low: int, high: int) -> Node:
            if low == high:
                return terms[low]
            middle = (low + high - 1) // 2
            return Call(signs[middle], function, [joined(low, middle), joined(middle + 1, high)])

        return joined(0, len(signs))

    def _relation(self) -> Node:
        return self._chain(_RELATIONS, lambda: self._chain(("+", "-"), lambda: self._chain("*/%", self._unary)))

    def _chain(self, signs: tuple[str, ...] | str, operand: Callable[[], Node]) -> Node:
        found = operand()
        while token := self._taken(*signs):
            function = "@in" if token.kind == "in" else f"_{token.kind}_"
            found = Call(token.offset, function, [found, operand()])
        return found

    def _unary(self) -> Node:
        first = self._next
        for sign, function in (("!", "!_"), ("-", "-_")):
            count = 0
            while self._next.kind == sign and not (sign == "-" and self._is_signed_number()):
                self._take()
                count += 1
            if count:
                operand = self._member()
                return Call(first.offset, function, [operand]) if count % 2 else operand
        return self._member()

    def _is_signed_number(self) -> bool:
        return self._tokens[self._at + 1].kind in ("NUM_INT", "NUM_FLOAT")

    # ---- members ----

    def _member(self) -> Node:
        found = self._primary()
        while token := self._taken(".", "["):
            found = self._field(found, token) if token.kind == "." else self._index(found, token)
        return found

    def _field(self, operand: Node, dot: _Token) -> Node:
        optional = self._taken("?") is not None
        name = self._taken("IDENTIFIER", "ESC_IDENTIFIER")
        if name is None:
            token = self._next
            text = "" if token.kind == "<EOF>" else token.text
            self._problems.append(Problem(token.offset, f"Syntax error: no viable alternative at input '.{text}'"))
            if token.kind != "in":
                raise _SyntaxError
            return operand
        if name.kind == "ESC_IDENTIFIER":
            return self._say(name.offset, "unsupported syntax: '`'")
        paren = self._taken("(") if name.kind == "IDENTIFIER" and not optional else None
        if paren:
            args = self._listed(")", self._expression)
            return self._called(paren.offset, name.text, operand, args)
        return Select(dot.offset, operand, name.text, optional=optional)

    def _index(self, operand: Node, bracket: _Token) -> Node:
        self._starts = _ITEM_STARTS
        optional = self._taken("?") is not None
        index = self._expression()
        self._expect("]")
        return Call(bracket.offset, "_[?_]" if optional else "_[_]", [operand, index])

    def _listed(self, end: str, item: Callable[[], Node]) -> list[Node]:
        if self._taken(end):
            return []
        self._starts = _ARGUMENT_STARTS
        items = [item()]
        while self._taken(","):
            items.append(item())
        self._expect(end)
        return items

    def _called(self, offset: int, name: str, target: Node | None, args: list[Node]) -> Node:
        macro = macros.find(name, len(args), has_target=target is not None)
        if macro is None:
            return Call(offset, name, args, target)
        try:
            return macro(offset, target, args)
        except macros.WrongMacro as error:
            return self._say(error.offset, str(error))

    # ---- primaries ----

    def _primary(self) -> Node:
        token = self._next
        if token.kind in ("IDENTIFIER", "."):
            return self._named()
        if token.kind in _LITERALS or (token.kind == "-" and self._is_signed_number()):
            return self._literal()
        starts = self._starts
        self._take()
        match token.kind:
            case "(":
                inner = self._expression()
                self._expect(")")
                return inner
            case "[":
                return self._list(token.offset)
            case "{":
                return self._map(token.offset)
        return self._no_value(token, starts)

    def _no_value(self, token: _Token, starts: str) -> Node:
        """There is no value where one has to be: go on if it follows."""
        self._at -= 1
        if token.kind != "<EOF>" and self._is_start(self._tokens[self._at + 1]):
            self._note("extraneous", token, starts)
            self._take()
            return self._primary()
        self._note("mismatched", token, starts)
        if token.kind not in ("<EOF>", ")", "]", "}") and self._tokens[self._at + 1].kind == "<EOF>":
            self._note("mismatched", self._tokens[self._at + 1], _STARTS)
        raise _SyntaxError

    def _named(self) -> Node:
        dot = self._taken(".")
        name = self._expect("IDENTIFIER")
        if name.text in _RESERVED:
            return self._reserved(name)
        lead = "." if dot else ""
        paren = self._taken("(")
        if paren:
            return self._called(paren.offset, lead + name.text, None, self._listed(")", self._expression))
        return self._message(name, lead) or Ident(name.offset, lead + name.text)

    def _reserved(self, name: _Token) -> Node:
        if self._taken("("):
            self._listed(")", self._expression)
        return self._say(name.offset, f"reserved identifier: {name.text}")

    def _message(self, name: _Token, lead: str) -> Node | None:
        """A message such as `a.B{c: 1}`, if that is what follows."""
        at, names = self._at, [name.text]
        while self._tokens[at].kind == "." and self._tokens[at + 1].kind == "IDENTIFIER":
            names.append(self._tokens[at + 1].text)
            at += 2
        if self._tokens[at].kind != "{":
            return None
        self._at = at + 1
        offset, fields = self._tokens[at].offset, []
        while not self._taken("}"):
            optional = self._taken("?") is not None
            field = self._taken("ESC_IDENTIFIER") or self._expect("IDENTIFIER", "" if optional else _FIELD_STARTS)
            colon = self._expect(":")
            if field.kind == "ESC_IDENTIFIER":
                self._say(field.offset, "unsupported syntax: '`'")
            fields.append(Field(colon.offset, field.text, self._expression(), optional))
            if not self._taken(","):
                self._expect("}")
                break
        return Struct(offset, lead + ".".join(names), fields)

    def _list(self, offset: int) -> Node:
        items: list[Node] = []
        optional = set()
        self._starts = _LIST_STARTS
        while not self._taken("]"):
            if self._taken("?"):
                optional.add(len(items))
            items.append(self._expression())
            if not self._taken(","):
                self._expect("]", "{']', ','}")
                break
        return ListOf(offset, items, frozenset(optional))

    def _map(self, offset: int) -> Node:
        entries: list[Entry] = []
        self._starts = _MAP_STARTS
        while not self._taken("}"):
            optional = self._taken("?") is not None
            key = self._expression()
            colon = self._expect(":")
            entries.append(Entry(colon.offset, key, self._expression(), optional))
            if not self._taken(","):
                self._expect("}", "{'}', ','}")
                break
        return MapOf(offset, entries)

    def _literal(self) -> Node:
        start = self._next.offset
        sign = "-" if self._taken("-") else ""
        token = self._take()
        try:
            return Literal(start, _LITERALS[token.kind](sign + token.text))
        except ValueError as error:
            return self._say(start, str(error))


class _SyntaxError(Exception):
    """Parsing cannot go on; what is wrong is noted."""


# ---- literals --------------------------------------------------------------------------------------------------------


def _whole(text: str) -> int:
    number = int(text, 16 if "0x" in text else 10)
    if number not in INT_RANGE:
        raise ValueError("invalid int literal")
    return number


def _unsigned(text: str) -> Uint:
    number = int(text[:-1], 16 if "0x" in text else 10)
    if number not in UINT_RANGE:
        raise ValueError("invalid uint literal")
    return Uint(number)


def _fraction(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError("invalid double literal")
    return number


_SINGLE = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_ESCAPE = re.compile(r"\\([0-3][0-7]{2}|[xX][0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)", re.DOTALL)


def _text(text: str) -> str:
    raw, inner = _quoted(text)
    return inner if raw else _ESCAPE.sub(_unescaped, inner)


def _bytes(text: str) -> bytes:
    """Escapes of bytes are bytes, all other characters their UTF-8."""
    raw, inner = _quoted(text[1:])
    if raw:
        return inner.encode()
    parts, end = [], 0
    for match in _ESCAPE.finditer(inner):
        if match[1][0] in "uU":
            raise ValueError("unable to unescape string")
        char = _unescaped(match)
        is_byte = match[1][0] in "xX01234567"
        parts += [inner[end : match.start()].encode(), bytes([ord(char)]) if is_byte else char.encode()]
        end = match.end()
    return b"".join([*parts, inner[end:].encode()])


def _quoted(text: str) -> tuple[bool, str]:
    raw = text[0] in "rR"
    text = text[1:] if raw else text
    marks = 3 if text[:3] in ('"""', "'''") and len(text) >= 6 else 1
    return raw, text[marks:-marks]


def _unescaped(match: re.Match[str]) -> str:
    code = match[1]
    if code[0] in "xXuU":
        return _character(int(code[1:], 16))
    if len(code) == 3:
        return chr(int(code, 8))
    return _SINGLE.get(code, code)


def _character(code: int) -> str:
    if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
        raise ValueError("unable to unescape string")
    return chr(code)


_LITERALS: dict[str, Callable[[str], Any]] = {
    "NUM_INT": _whole,
    "NUM_UINT": _unsigned,
    "NUM_FLOAT": _fraction,
    "STRING": _text,
    "BYTES": _bytes,
    "true": lambda _: True,
    "false": lambda _: False,
    "null": lambda _: None,
}
