"""
Which names are public, where each is defined, and what a word of the documentation may mean by one.

In       docs/public-names.txt, and the sources of the packages it names.
Out      Catalog: each thing once, under its shortest public name; its other names are aliases of it.
"""

from __future__ import annotations

import ast
import builtins
import enum
import importlib
import inspect
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Final

LIST: Final = Path(__file__).parents[2] / "public-names.txt"

SPOKEN: Final = {
    "client": "ctrlkit.Client",
    "context": "ctrlkit.Context",
    "informer": "ctrlkit.Informer",
    "lister": "ctrlkit.Lister",
    "manager": "ctrlkit.Manager",
    "recorder": "ctrlkit.EventRecorder",
    "review": "ctrlkit.Review",
    "tracker": "ctrlkit.fakes.Tracker",
    "world": "ctrlkit.fakes.World",
    "world.tracker": "ctrlkit.fakes.Tracker",
    "world.clientset": "ctrlkit.fakes.FakeClientset",
    "world.client": "ctrlkit.Client",
    "world.faults": "ctrlkit.fakes.Faults",
}
"""What a variable of this name is wherever the documentation uses it, as in `client.apply`."""

_NAME = re.compile(r"@?([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)(\([^()]*\))?")


class Sort(enum.Enum):
    """What a name stands for."""

    EXCEPTION = "exception"
    CLASS = "class"
    FUNCTION = "function"
    DATA = "data"
    MODULE = "module"


@dataclass(frozen=True)
class Definition:
    """Where a name is defined: its module, its name there, and the statement, which is None for a module."""

    module: str
    name: str
    statement: ast.stmt | None
    doc: str = ""

    @property
    def dotted(self) -> str:
        """Its full name."""
        return f"{self.module}.{self.name}" if self.name else self.module


@dataclass(frozen=True)
class Public:
    """A thing with a public name; `aliases` are its other public names."""

    name: str
    aliases: tuple[str, ...]
    definition: Definition

    @cached_property
    def value(self) -> object:
        """The thing itself."""
        return _value_of(self.name)

    @property
    def sort(self) -> Sort:
        """What it is."""
        if isinstance(self.value, type):
            return Sort.EXCEPTION if issubclass(self.value, BaseException) else Sort.CLASS
        if self.definition.statement is None:
            return Sort.MODULE
        return Sort.FUNCTION if inspect.isroutine(self.value) else Sort.DATA


@dataclass(frozen=True)
class Attribute:
    """An attribute of objects: its type, as the code writes it, and the text below it that says what it is."""

    type: str
    doc: str


@dataclass(frozen=True)
class Catalog:
    """All public names."""

    things: tuple[Public, ...]

    @classmethod
    def read(cls, names: Iterable[str] | None = None) -> Catalog:
        """Read the list of public names, and find where each is defined."""
        if names is None:
            names = (line for line in LIST.read_text(encoding="utf-8").splitlines() if not line.startswith("#"))
        found: dict[str, tuple[Definition, list[str]]] = {}
        for name in names:
            definition = definition_of(*name.rsplit(".", 1))
            found.setdefault(definition.dotted, (definition, []))[1].append(name)
        return cls(tuple(_public(definition, of) for definition, of in found.values()))

    @cached_property
    def by_name(self) -> dict[str, Public]:
        """Each thing under each of its public names."""
        return {name: thing for thing in self.things for name in (thing.name, *thing.aliases)}

    @cached_property
    def by_definition(self) -> dict[str, Public]:
        """Each thing under the full name it has where it is defined."""
        return {thing.definition.dotted: thing for thing in self.things}

    @cached_property
    def _by_last_part(self) -> dict[str, list[Public]]:
        found: dict[str, list[Public]] = {}
        for name, thing in self.by_name.items():
            of = found.setdefault(name.rpartition(".")[2], [])
            if thing not in of:
                of.append(thing)
        return found

    def public_name(self, dotted: str) -> str | None:
        """
        Return the public name of what has this full name where it is defined, members of classes included.

        >>> Catalog.read(["ctrlkit.Client"]).public_name("ctrlkit.client.client.Client.get")
        'ctrlkit.Client.get'
        """
        head, rest = dotted, ""
        while head:
            thing = self.by_definition.get(head) or self.by_name.get(head)
            if thing is not None and not (rest and thing.sort is Sort.MODULE):
                return thing.name + rest
            head, _, last = head.rpartition(".")
            rest = f".{last}{rest}"
        return None

    def meant(self, text: str, *, within: str = "") -> str | None:
        """
        Return the public name that a piece of code in a text means; None where it means none, or may mean several.

        `within` is the public name, or the module, whose documentation the text belongs to.

        >>> names = Catalog.read(["ctrlkit.Client", "ctrlkit.run", "ctrlkit.fakes.Write", "ctrlkit.model.Write"])
        >>> names.meant("Client"), names.meant("client.get(...)"), names.meant("run()"), names.meant("run")
        ('ctrlkit.Client', 'ctrlkit.Client.get', 'ctrlkit.run', None)
        >>> names.meant("Write"), names.meant("Write", within="ctrlkit.fakes.World"), names.meant("Client.nothing")
        (None, 'ctrlkit.fakes.Write', None)
        >>> names.meant("get", within="ctrlkit.Client")
        'ctrlkit.Client.get'
        """
        match = _NAME.fullmatch(text)
        if match is None:
            return None
        dotted = match[1]
        is_plain = "." not in dotted and text == dotted and dotted.islower() and "_" not in dotted
        own = self._member(within, dotted)
        if own is not None:
            return own
        if is_plain:
            return None
        return self._whole(dotted, within) or self._spoken(dotted)

    def _whole(self, dotted: str, within: str) -> str | None:
        head, *rest = dotted.split(".")
        if head == "ctrlkit":
            return next((name for name in self._splits(dotted) if name), None)
        things = self._by_last_part.get(head, [])
        if len(things) > 1:
            package = ".".join(within.split(".")[:2])
            things = [each for each in things if package in {name.rpartition(".")[0] for name in _names(each)}]
        if len(things) != 1:
            return None
        return self._member(things[0].name, ".".join(rest)) if rest else things[0].name

    def _splits(self, dotted: str) -> Iterator[str | None]:
        parts = dotted.split(".")
        for end in range(len(parts), 0, -1):
            thing = self.by_name.get(".".join(parts[:end]))
            if thing is not None:
                yield self._member(thing.name, ".".join(parts[end:])) if parts[end:] else thing.name

    def _spoken(self, dotted: str) -> str | None:
        variable, _, member = dotted.rpartition(".")
        return self._member(SPOKEN.get(variable, ""), member)

    def _member(self, owner: str, member: str) -> str | None:
        thing = self.by_name.get(owner)
        if thing is None or not isinstance(thing.value, type) or "." in member or member.startswith("_"):
            return None
        return f"{thing.name}.{member}" if is_shown(thing.value, member) else None


def is_shown(owner: type, member: str) -> bool:
    """Whether the documentation of a class has a member: one of its own, or of a base that is not public itself."""
    shown = _shown_bases(owner)
    return member in attributes_of(owner) or any(member in vars(each) or member in fields_of(each) for each in shown)


def fields_of(owner: type) -> list[str]:
    """Return the names that a class gives a type in its body, without its bases."""
    body = _body(owner)
    return [each.target.id for each in body if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)]


@cache
def attributes_of(owner: type) -> dict[str, Attribute]:
    """
    Return the public attributes that objects of a class get in `__init__`, and not in the class itself.

    >>> attributes_of(_value_of("ctrlkit.Informer"))["lister"].type
    'Lister[T]'
    """
    found: dict[str, Attribute] = {}
    for each in _shown_bases(owner):
        for method in _body(each):
            if isinstance(method, ast.FunctionDef) and method.name == "__init__":
                found |= {name: of for name, of in _set_in(method) if name not in found}
    in_classes = {name for each in owner.__mro__ for name in (*vars(each), *fields_of(each))}
    return {name: of for name, of in found.items() if name not in in_classes}


def _body(owner: type) -> list[ast.stmt]:
    """The statements of a class; none where it is not one of ours."""
    if not owner.__module__.startswith("ctrlkit"):
        return []
    statements = (statement for statement, _ in _statements(owner.__module__))
    return next(
        (each.body for each in statements if isinstance(each, ast.ClassDef) and each.name == owner.__name__), []
    )


def _set_in(init: ast.FunctionDef) -> Iterator[tuple[str, Attribute]]:
    """The public attributes that an `__init__` sets, with their types, or those of the parameters they are."""
    parameters = {each.arg: each.annotation for each in (*init.args.args, *init.args.kwonlyargs)}
    for statement, following in zip(init.body, [*init.body[1:], None], strict=True):
        match statement:
            case ast.AnnAssign(target=ast.Attribute(value=ast.Name(id="self"), attr=name), annotation=annotation):
                written: ast.expr | None = annotation
            case ast.Assign(targets=[ast.Attribute(value=ast.Name(id="self"), attr=name)], value=ast.Name(id=given)):
                written = parameters.get(given)
            case ast.Assign(targets=[ast.Attribute(value=ast.Name(id="self"), attr=name)]):
                written = None
            case _:
                continue
        if not name.startswith("_"):
            yield name, Attribute(ast.unparse(written) if written else "", _text_of(following))


def hidden_bases(owner: type) -> list[type]:
    """Return the bases whose members are documented with them, or nowhere; object is one."""
    shown = _shown_bases(owner)
    return [each for each in owner.__mro__ if each not in shown]


def _shown_bases(owner: type) -> list[type]:
    public = _public_classes()
    return [
        each
        for each in owner.__mro__
        if each is owner or (each.__module__.startswith("ctrlkit.") and each not in public)
    ]


@cache
def _public_classes() -> frozenset[type]:
    names = (line for line in LIST.read_text(encoding="utf-8").splitlines() if not line.startswith("#"))
    return frozenset(value for name in names if isinstance(value := _value_of(name), type))


def _value_of(dotted: str) -> object:
    home, _, name = dotted.rpartition(".")
    return getattr(importlib.import_module(home), name)


def _names(thing: Public) -> tuple[str, ...]:
    return (thing.name, *thing.aliases)


def _public(definition: Definition, names: list[str]) -> Public:
    shortest, *others = sorted(names, key=lambda name: (name.count("."), names.index(name)))
    return Public(shortest, tuple(others), definition)


@cache
def definition_of(module: str, name: str) -> Definition:
    """
    Find where a name of a module is defined, through imports and `Other = Name`.

    >>> definition_of("ctrlkit", "DONE").dotted
    'ctrlkit.controller.reconcile.DONE'
    """
    for statement, doc in _statements(module):
        match statement:
            case ast.ImportFrom(module=str(home), names=names):
                for each in names:
                    if (each.asname or each.name) == name and (home, each.name) != (module, name):
                        return definition_of(home, each.name)
            case ast.Assign(targets=[ast.Name(id=target)], value=ast.Name(id=other)) if target == name:
                return definition_of(module, other)
            case ast.Assign(targets=[ast.Name(id=target)]) | ast.AnnAssign(target=ast.Name(id=target)):
                if target == name:
                    return Definition(module, name, statement, doc)
            case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef() if statement.name == name:
                return Definition(module, name, statement)
            case _:
                continue
    importlib.import_module(f"{module}.{name}")
    return Definition(f"{module}.{name}", "", None)


@cache
def _statements(module: str) -> list[tuple[ast.stmt, str]]:
    """The statements of a module, those for type checkers included, each with the text that documents it."""
    file = importlib.import_module(module).__file__
    assert file is not None
    body: list[ast.stmt] = []
    for statement in ast.parse(Path(file).read_text(encoding="utf-8")).body:
        body += [*statement.body, *statement.orelse] if isinstance(statement, ast.If) else [statement]
    return [(each, _text_of(following)) for each, following in zip(body, [*body[1:], None], strict=True)]


def _text_of(statement: ast.stmt | None) -> str:
    """The text that a statement is, which documents what stands above it; "" for any other statement."""
    match statement:
        case ast.Expr(value=ast.Constant(value=str(doc))):
            return inspect.cleandoc(doc)
    return ""


def is_there(dotted: str, *, module: str = "") -> bool:
    """
    Whether a full name, or one as a module writes it, is that of something in Python, if of nothing public.

    >>> is_there("collections.abc.Callable"), is_there("Manager", module="ctrlkit.manager.program"), is_there("Nobody")
    (True, True, False)
    """
    head = dotted.split(".", maxsplit=1)[0]
    if hasattr(builtins, head) or (module and _is_in(module, head)):
        return True
    parts = dotted.split(".")
    for end in range(len(parts) - 1, 0, -1):
        try:
            value: object = importlib.import_module(".".join(parts[:end]))
        except ImportError:
            continue
        return _has(value, parts[end:])
    return False


def _has(value: object, parts: list[str]) -> bool:
    for part in parts:
        if isinstance(value, type) and part in inspect.get_annotations(value):
            return True
        if not hasattr(value, part):
            return False
        value = getattr(value, part)
    return True


def _is_in(module: str, name: str) -> bool:
    if hasattr(importlib.import_module(module), name):
        return True
    return any(
        isinstance(statement, ast.ImportFrom) and name in {each.asname or each.name for each in statement.names}
        for statement, _ in _statements(module)
    )
