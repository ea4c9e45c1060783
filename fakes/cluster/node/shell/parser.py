"""Reads the text of a shell; what it says is data of syntax.py."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator

from ctrlkit.fakes.cluster.node.shell.syntax import (
    Arithmetic,
    Case,
    Commands,
    For,
    Group,
    If,
    Node,
    Part,
    Pipeline,
    Redirection,
    ShellSyntaxError,
    Simple,
    Substitution,
    Text,
    Variable,
    While,
    Word,
)

_BLANKS = " \t"
_METACHARACTERS = frozenset(" \t\n;&|()<>")
_RESERVED = frozenset(
    {"if", "then", "elif", "else", "fi", "while", "until", "do", "done", "for", "in", "case", "esac", "{", "}", "!"}
)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=")
_REDIRECTION = re.compile(r"(\d?)(>>|>&|<&|>\||>|<)")
_DEFAULT = re.compile(r"(:?[-=+?])")


@functools.lru_cache(maxsize=512)
def parse(text: str) -> Commands:
    """
    Return the commands of a text. Errors: ShellSyntaxError.

    >>> (item,) = parse("echo $HOME").items
    >>> item[1].words
    ((Text(text='echo', quoted=False),), (Variable(name='HOME', quoted=False, operator='', default=()),))
    """
    parser = _Parser(text)
    commands = parser.commands(frozenset())
    parser.expect_end()
    return commands


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    # ---- commands ----------------------------------------------------------------------------------------------------

    def commands(self, ends: frozenset[str]) -> Commands:
        items = list[tuple[str, Node, bool]]()
        joint = ";"
        while True:
            self._skip_lines() if joint != ";" else self._skip_separators()
            if self._is_over(ends):
                break
            node = self._pipeline()
            self._skip_blanks()
            is_background = self._peek() == "&" and not self._starts("&&")
            items.append((joint, node, is_background))
            if self._take("&&"):
                joint = "&&"
            elif self._take("||"):
                joint = "||"
            else:
                joint = ";"
                if not (self._take(";;", peek=True) or self._take(";") or self._take("&") or self._take("\n")):
                    break
        if joint != ";":
            raise self._error()
        return Commands(tuple(items))

    def expect_end(self) -> None:
        self._skip_separators()
        if self._at < len(self._text):
            raise self._error()

    def _is_over(self, ends: frozenset[str]) -> bool:
        if self._at >= len(self._text) or self._peek() == ")" or self._starts(";;"):
            return True
        return self._reserved() in ends

    def _pipeline(self) -> Node:
        negated = self._take_word("!")
        commands = [self._command()]
        while True:
            self._skip_blanks()
            if self._starts("||") or not self._take("|"):
                break
            self._skip_lines()
            commands.append(self._command())
        if len(commands) == 1 and not negated:
            return commands[0]
        return Pipeline(tuple(commands), negated)

    def _command(self) -> Node:
        self._skip_blanks()
        reserved = self._reserved()
        if self._peek() == "(":
            self._at += 1
            body: Node = self.commands(frozenset())
            self._need(")")
            return Group(body, subshell=True, redirections=self._redirections())
        match reserved:
            case "if":
                body = self._if()
            case "while" | "until":
                body = self._while(reserved)
            case "for":
                body = self._for()
            case "case":
                body = self._case()
            case "{":
                self._need_word("{")
                body = self.commands(frozenset({"}"}))
                self._need_word("}")
            case None:
                return self._simple()
            case _:
                raise self._error()
        return Group(body, subshell=False, redirections=self._redirections())

    def _if(self) -> If:
        branches = []
        self._need_word("if")
        while True:
            condition = self.commands(frozenset({"then"}))
            self._need_word("then")
            branches.append((condition, self.commands(frozenset({"elif", "else", "fi"}))))
            if not self._take_word("elif"):
                break
        otherwise = self.commands(frozenset({"fi"})) if self._take_word("else") else None
        self._need_word("fi")
        return If(tuple(branches), otherwise)

    def _while(self, word: str) -> While:
        self._need_word(word)
        condition = self.commands(frozenset({"do"}))
        return While(condition, self._body(), word == "until")

    def _for(self) -> For:
        self._need_word("for")
        self._skip_blanks()
        name = _NAME.match(self._text, self._at)
        if name is None:
            raise self._error()
        self._at = name.end()
        self._skip_separators()
        words = None
        if self._take_word("in"):
            words = tuple(self._words())
        self._skip_separators()
        return For(name[0], words, self._body())

    def _case(self) -> Case:
        self._need_word("case")
        self._skip_blanks()
        word = self._word()
        self._skip_separators()
        self._need_word("in")
        arms = list[tuple[tuple[Word, ...], Commands]]()
        while True:
            self._skip_separators()
            if self._take_word("esac"):
                return Case(word, tuple(arms))
            self._take("(")
            patterns = [self._word()]
            self._skip_blanks()
            while self._take("|"):
                self._skip_blanks()
                patterns.append(self._word())
                self._skip_blanks()
            self._need(")")
            arms.append((tuple(patterns), self.commands(frozenset({"esac"}))))
            self._take(";;")

    def _body(self) -> Commands:
        self._need_word("do")
        body = self.commands(frozenset({"done"}))
        self._need_word("done")
        return body

    def _simple(self) -> Simple:
        assignments = list[tuple[str, Word]]()
        words = list[Word]()
        redirections = list[Redirection]()
        while True:
            self._skip_blanks()
            redirection = self._redirection()
            if redirection is not None:
                redirections.append(redirection)
                continue
            if self._at >= len(self._text) or self._peek() in _METACHARACTERS:
                break
            assignment = _ASSIGNMENT.match(self._text, self._at) if not words else None
            if assignment is not None:
                self._at = assignment.end()
                assignments.append((assignment[1], self._word()))
            else:
                words.append(self._word())
        if not (words or assignments or redirections) or self._peek() == "(":
            raise self._error()
        return Simple(tuple(words), tuple(assignments), tuple(redirections))

    def _words(self) -> Iterator[Word]:
        while True:
            self._skip_blanks()
            if self._at >= len(self._text) or self._peek() in _METACHARACTERS:
                return
            yield self._word()

    def _redirections(self) -> tuple[Redirection, ...]:
        found = []
        self._skip_blanks()
        while (redirection := self._redirection()) is not None:
            found.append(redirection)
            self._skip_blanks()
        return tuple(found)

    def _redirection(self) -> Redirection | None:
        found = _REDIRECTION.match(self._text, self._at)
        if found is None:
            return None
        if self._text.startswith("<<", self._at):
            raise self._error()
        self._at = found.end()
        self._skip_blanks()
        operator = found[2].replace(">|", ">")
        return Redirection(int(found[1] or operator.startswith(">")), operator, self._word())

    # ---- words -------------------------------------------------------------------------------------------------------

    def _word(self) -> Word:
        parts = list[Part]()
        while self._at < len(self._text) and self._peek() not in _METACHARACTERS:
            parts.extend(self._part())
        return tuple(parts)

    def _part(self) -> Iterator[Part]:
        match self._peek():
            case "'":
                end = self._find("'", self._at + 1)
                yield Text(self._text[self._at + 1 : end], quoted=True)
                self._at = end + 1
            case '"':
                yield from self._quoted()
            case "\\":
                yield Text(self._text[self._at + 1 : self._at + 2].replace("\n", ""), quoted=True)
                self._at += 2
            case "$":
                yield self._dollar(quoted=False)
            case "`":
                yield self._backquoted(quoted=False)
            case _:
                end = self._at
                while (
                    end < len(self._text)
                    and self._text[end] not in _METACHARACTERS
                    and self._text[end] not in "'\"\\$`"
                ):
                    end += 1
                yield Text(self._text[self._at : end])
                self._at = end

    def _quoted(self) -> Iterator[Part]:
        self._at += 1
        yield Text("", quoted=True)
        while self._peek() != '"':
            match self._peek():
                case "":
                    raise self._error()
                case "$":
                    yield self._dollar(quoted=True)
                case "`":
                    yield self._backquoted(quoted=True)
                case "\\" if self._text[self._at + 1 : self._at + 2] in ("$", "`", '"', "\\", "\n"):
                    yield Text(self._text[self._at + 1].replace("\n", ""), quoted=True)
                    self._at += 2
                case letter:
                    yield Text(letter, quoted=True)
                    self._at += 1
        self._at += 1

    def _dollar(self, *, quoted: bool) -> Part:
        if self._starts("$(("):
            return self._arithmetic(quoted=quoted)
        if self._take("$("):
            body = self.commands(frozenset())
            self._need(")")
            return Substitution(body, quoted)
        if self._take("${"):
            return self._braced(quoted=quoted)
        name = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*|[0-9?$#@*!-])").match(self._text, self._at)
        if name is None:
            self._at += 1
            return Text("$", quoted)
        self._at = name.end()
        return Variable(name[1], quoted)

    def _braced(self, *, quoted: bool) -> Variable:
        is_length = self._take("#")
        name = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[0-9]+|[?$#@*!]").match(self._text, self._at)
        if name is None:
            raise self._error()
        self._at = name.end()
        operator = _DEFAULT.match(self._text, self._at)
        default = list[Part]()
        if operator is not None:
            self._at = operator.end()
            while self._peek() not in ("}", ""):
                if self._peek() in _METACHARACTERS:
                    default.append(Text(self._peek(), quoted))
                    self._at += 1
                else:
                    default += self._up_to_brace()
        self._need("}")
        return Variable(name[0], quoted, "#" if is_length else operator[1] if operator else "", tuple(default))

    def _up_to_brace(self) -> Iterator[Part]:
        if self._peek() in "'\"\\$`":
            yield from self._part()
            return
        end = min(
            (place for place in (self._text.find(letter, self._at) for letter in "}'\"\\$` ") if place >= 0), default=-1
        )
        if end < 0:
            raise self._error()
        yield Text(self._text[self._at : end])
        self._at = end

    def _arithmetic(self, *, quoted: bool) -> Arithmetic:
        depth, end = 0, self._at + 1
        while end < len(self._text):
            depth += {"(": 1, ")": -1}.get(self._text[end], 0)
            end += 1
            if depth == 0:
                break
        if depth != 0 or self._text[end - 2 : end] != "))":
            raise self._error()
        inner = _Parser(f'"{self._text[self._at + 3 : end - 2]}"')
        self._at = end
        return Arithmetic(tuple(inner._quoted()), quoted)

    def _backquoted(self, *, quoted: bool) -> Substitution:
        end = self._find("`", self._at + 1)
        body = parse(self._text[self._at + 1 : end])
        self._at = end + 1
        return Substitution(body, quoted)

    # ---- letters -----------------------------------------------------------------------------------------------------

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _starts(self, text: str) -> bool:
        return self._text.startswith(text, self._at)

    def _take(self, text: str, *, peek: bool = False) -> bool:
        if not self._starts(text):
            return False
        if not peek:
            self._at += len(text)
        return True

    def _need(self, text: str) -> None:
        self._skip_blanks()
        if not self._take(text):
            raise self._error()

    def _reserved(self) -> str | None:
        """The reserved word that comes next."""
        self._skip_blanks()
        end = self._at
        while end < len(self._text) and self._text[end] not in _METACHARACTERS:
            end += 1
        word = self._text[self._at : end]
        return word if word in _RESERVED else None

    def _take_word(self, word: str) -> bool:
        if self._reserved() != word:
            return False
        self._at += len(word)
        return True

    def _need_word(self, word: str) -> None:
        if not self._take_word(word):
            raise self._error()

    def _find(self, text: str, start: int) -> int:
        place = self._text.find(text, start)
        if place < 0:
            raise self._error()
        return place

    def _skip_blanks(self) -> None:
        while self._at < len(self._text):
            if self._peek() in _BLANKS:
                self._at += 1
            elif self._starts("\\\n"):
                self._at += 2
            elif self._peek() == "#" and (self._at == 0 or self._text[self._at - 1] in _METACHARACTERS):
                end = self._text.find("\n", self._at)
                self._at = len(self._text) if end < 0 else end
            else:
                return

    def _skip_lines(self) -> None:
        self._skip_blanks()
        while self._take("\n"):
            self._skip_blanks()

    def _skip_separators(self) -> None:
        self._skip_lines()
        while self._peek() == ";" and not self._starts(";;"):
            self._at += 1
            self._skip_lines()

    def _error(self) -> ShellSyntaxError:
        found = self._text[self._at : self._at + 16] or "end of file"
        return ShellSyntaxError(f"syntax error: unexpected {found!r}")
