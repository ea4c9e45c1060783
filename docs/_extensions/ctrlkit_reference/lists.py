"""
Lists that are made of the code: built-in kinds, errors, commands, settings, metrics, fixtures.

Each directive writes reStructuredText, which is then parsed in its place.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import inspect
import pkgutil
import tomllib
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from .docstrings import to_rest
from .public import KINDS, catalog, documented, is_public, note_documented, parsed_rest

if TYPE_CHECKING:
    from ctrlkit.samples import Family

logger = logging.getLogger(__name__)

PYPROJECT: Final = Path(__file__).parents[3] / "pyproject.toml"
COMMAND: Final = "command "
"""What stands before a command's name in the list of what pages document."""


def kinds() -> Iterator[str]:
    """Every constant of ctrlkit.model.kinds that is a kind, as a table."""
    from ctrlkit.model import Resource  # noqa: PLC0415

    found = [each for each in catalog().things if each.name.startswith(f"{KINDS}.")]
    rows: list[tuple[str, str, str, str]] = []
    for thing in found:
        if isinstance(thing.value, Resource):
            scope = "namespaced" if thing.value.namespaced else "cluster"
            rows.append((f"``{thing.name.rpartition('.')[2]}``", thing.value.kind, thing.value.api_version, scope))
    in_order = sorted(rows, key=lambda row: (row[2], row[1]))
    yield from table(("Name", "Kind", "API version", "Scope"), in_order)


class Kinds(SphinxDirective):
    """The built-in kinds; each name in the table can be linked to."""

    def run(self) -> list[nodes.Node]:
        """Write the table, and note its names."""
        found = parsed_rest(self, list(kinds()))
        domain = self.env.domains.python_domain
        for top in found:
            for literal in list(top.findall(nodes.literal)):
                name = f"{KINDS}.{literal.astext()}"
                if name in catalog().by_name and not literal["ids"]:
                    note_documented(self.env, name)
                    literal["ids"] = [name]
                    self.state.document.note_explicit_target(literal)
                    domain.note_object(name, "data", name, location=literal)
        return found


def errors() -> Iterator[str]:
    """The public errors, each below the nearest public one that it is one of."""
    public = {
        thing.value: thing.name
        for thing in catalog().things
        if isinstance(thing.value, type) and issubclass(thing.value, BaseException)
    }
    children: dict[type | None, list[type]] = {}
    for each in public:
        base = next((base for base in each.__mro__[1:] if base in public), None)
        children.setdefault(base, []).append(each)

    def lines(of: type | None, depth: int) -> Iterator[str]:
        for each in children.get(of, ()):
            first = (inspect.getdoc(each) or "").split("\n\n")[0].split("\n")
            told = " ".join(line for line in to_rest(first, is_public=lambda _: False) if line)
            yield f"{'  ' * depth}* :py:exc:`{each.__name__} <{public[each]}>`: {told}"
            if children.get(each):
                yield ""
                yield from lines(each, depth + 1)
                yield ""

    yield from lines(None, 0)


def settings() -> Iterator[str]:
    """Each setting as the attribute of Settings that it is."""
    from ctrlkit import Settings  # noqa: PLC0415
    from ctrlkit.manager.settings import settings_known  # noqa: PLC0415

    usual = Settings()
    for setting in settings_known().values():
        default = getattr(usual, setting.name)
        yield f".. py:attribute:: Settings.{setting.name}"
        yield "   :module: ctrlkit"
        yield f"   :type: {_plain_type(setting.type)}"
        yield f"   :value: {repr(str(default)) if isinstance(default, str) else repr(default)}"
        yield ""
        yield from (f"   {line}" for line in to_rest([f"{sentence(setting.help)}."]))
        flag = (
            f"{setting.flag}``, ``--no-{setting.flag[2:]}" if setting.is_switch else f"{setting.flag} {setting.metavar}"
        )
        yield f"   Flag ``{flag}``, variable ``{setting.variable}``"
        yield ""


def _plain_type(annotated: object) -> str:
    plain = annotated.__args__[0] if hasattr(annotated, "__metadata__") else annotated  # type: ignore[attr-defined]
    return plain.__name__ if isinstance(plain, type) and not hasattr(plain, "__args__") else str(plain)


def metrics(module: str) -> Iterator[str]:
    """The metric families of a part, as a table."""
    rows = [
        (f"``{each.name}``", kind_of(each.kind), ", ".join(f"``{label}``" for label in each.labels), each.help)
        for each in families(module)
    ]
    yield from table(("Name", "Type", "Labels", "Meaning"), rows)


def families(module: str) -> list[Family]:
    """The metric families of the collectors that a module defines."""
    from ctrlkit.samples import SampleCollector  # noqa: PLC0415

    found = [each for each in vars(importlib.import_module(module)).values() if inspect.isclass(each)]
    ours = [each for each in found if issubclass(each, SampleCollector) and each.__module__ == module]
    return [family for each in ours for family in each.families]


def metrics_modules() -> list[str]:
    """The modules that define metrics."""
    home = importlib.import_module("ctrlkit")
    names = [each.name for each in pkgutil.walk_packages(home.__path__, "ctrlkit.")]
    return [name for name in names if name.endswith(".metrics") and families(name)]


def kind_of(family: type) -> str:
    """The word for a type of metric: counter, gauge or histogram."""
    return family.__name__.removesuffix("MetricFamily").lower()


def fixtures() -> Iterator[str]:
    """The fixtures of the pytest plugin, each with the type of what it gives."""
    from ctrlkit.fakes.pytest import plugin  # noqa: PLC0415

    rows = []
    for each in ast.parse(Path(plugin.__file__).read_text(encoding="utf-8")).body:
        if isinstance(each, ast.FunctionDef) and _is_fixture(each) and not each.name.startswith("_"):
            given = ast.unparse(each.returns.slice) if isinstance(each.returns, ast.Subscript) else ""
            told = " ".join((ast.get_docstring(each) or "").split("\n\n")[0].split())
            rows.append((f"``{each.name}``", ", ".join(f"``{one}``" for one in given.split(" | ")), inline(told)))
    yield from table(("Fixture", "Gives", "What it is"), rows)


def _is_fixture(function: ast.FunctionDef) -> bool:
    """Whether it is one under its own name: those that others are made of have another."""
    return any(
        ast.unparse(each).startswith("pytest.fixture") and "name=" not in ast.unparse(each)
        for each in function.decorator_list
    )


def markers() -> Iterator[str]:
    """The markers of the pytest plugin."""
    from ctrlkit.fakes.pytest import plugin  # noqa: PLC0415

    rows = [each.partition(": ") for each in plugin._MARKERS]
    yield from table(("Marker", "The test"), [(f"``{name}``", inline(told)) for name, _, told in rows])


def table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    """A table in reStructuredText; cells are markup."""
    yield from (".. list-table::", "   :header-rows: 1", "   :class: reference", "")
    for row in (heads, *rows):
        for at, cell in enumerate(row):
            yield f"   {'* -' if at == 0 else '  -'} {cell}".rstrip()
    yield ""


def inline(text: str) -> str:
    """One line of prose as markup."""
    return " ".join(line for line in to_rest([text], is_public=is_public) if line)


def sentence(text: str) -> str:
    """The text, beginning with a capital."""
    return text[:1].upper() + text[1:]


# ---- the command line ------------------------------------------------------------------------------------------------


@cache
def parsers() -> dict[str, argparse.ArgumentParser]:
    """Every command of this repository by its words: `ctrlkit`, `ctrlkit run`, ..."""
    from ctrlkit.bitcoin.cli import command_line  # noqa: PLC0415
    from ctrlkit.cli import _parser  # noqa: PLC0415 - `all_commands` has those of other packages too

    points = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]["entry-points"]["ctrlkit.commands"]
    commands = [EntryPoint(name, of, "ctrlkit.commands").load() for name, of in sorted(points.items())]
    found: dict[str, argparse.ArgumentParser] = {}
    for top in (_parser(commands), command_line()):
        found |= {each.prog: each for each in _below(top)}
    return found


def _below(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for each in action.choices.values():
                yield from _below(each)


class CommandDirective(SphinxDirective):
    """One command: what it is for, its usage, its arguments and options."""

    required_arguments = 1
    final_argument_whitespace = True
    option_spec: ClassVar = {"settings-elsewhere": directives.flag}

    def run(self) -> list[nodes.Node]:
        """Write it, and note that it is there."""
        name = " ".join(self.arguments[0].split())
        parser = parsers().get(name)
        if parser is None:
            logger.warning("there is no command %s", name, location=self.get_location())
            return []
        note_documented(self.env, COMMAND + name)
        return parsed_rest(self, list(_command(parser)))


def _command(parser: argparse.ArgumentParser) -> Iterator[str]:
    if parser.description:
        yield from to_rest(parser.description.splitlines())
    usage = parser.format_usage().removeprefix("usage: ").rstrip()
    yield from (".. code-block:: text", "", *(f"    {line}" for line in usage.splitlines()), "")
    yield from (f".. program:: {parser.prog}", "")
    for group in parser._action_groups:
        actions = [each for each in group._group_actions if each.help != argparse.SUPPRESS]
        if not actions:
            continue
        if group.title not in ("positional arguments", "options"):
            yield from (f".. rubric:: {sentence(group.title or '')}", "")
        if group.description:
            yield from to_rest(group.description.splitlines())
        for action in actions:
            yield from _action(parser, action)
    if parser.epilog and "\n" in parser.epilog:
        yield from (".. code-block:: text", "", *(f"    {line}".rstrip() for line in parser.epilog.splitlines()), "")
    elif parser.epilog:
        yield from to_rest([parser.epilog])


def _action(parser: argparse.ArgumentParser, action: argparse.Action) -> Iterator[str]:
    if isinstance(action, argparse._SubParsersAction):
        for each in action._choices_actions:
            yield f"* ``{parser.prog} {each.dest}``: {inline(each.help or '')}"
        yield ""
        return
    values = "" if action.nargs == 0 else _values(action)
    named = ", ".join(f"{each} {values}".strip() for each in action.option_strings) or values
    told = (action.help or "") % {**vars(action), "prog": parser.prog}
    yield from (f".. option:: {named}", "", f"   {inline(sentence(told.strip()))}.".replace("..", "."), "")


def _values(action: argparse.Action) -> str:
    choices = f"{{{','.join(map(str, action.choices))}}}" if action.choices else ""
    name = action.metavar or choices or action.dest.upper()
    shown = " ".join(name) if isinstance(name, tuple) else name
    return {"*": f"[{shown} ...]", "+": f"{shown} [{shown} ...]", "?": f"[{shown}]"}.get(str(action.nargs), shown)


def _check(_: Sphinx, env: BuildEnvironment) -> None:
    there = {name for names in documented(env).values() for name in names if name.startswith(COMMAND)}
    for name in parsers():
        if COMMAND + name not in there:
            logger.warning("the command %s is on no page", name)


class MetricsDirective(SphinxDirective):
    """The metrics that a module defines."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Write them."""
        return parsed_rest(self, list(metrics(self.arguments[0])))


def directive_of(write: Callable[[], Iterable[str]]) -> type[SphinxDirective]:
    """Make a directive of what writes the lines of a list."""

    class Listing(SphinxDirective):
        def run(self) -> list[nodes.Node]:
            return parsed_rest(self, list(write()))

    return Listing


def setup(app: Sphinx) -> None:
    """Register the directives."""
    app.add_directive("public-kinds", Kinds)
    app.add_directive("command-line", CommandDirective)
    app.add_directive("metrics-list", MetricsDirective)
    lists = {
        "error-tree": errors,
        "settings-list": settings,
        "fixtures-list": fixtures,
        "markers-list": markers,
    }
    for name, write in lists.items():
        app.add_directive(name, directive_of(write))
    app.connect("env-check-consistency", _check)
