"""The reference of public names, docs/reference, is complete; docstrings are shown as they were meant."""

from __future__ import annotations

import inspect
import re
from collections import Counter
from functools import cache
from pathlib import Path

import docutils.core
from docutils import nodes
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ctrlkit import Client, Informer, Manager
from docs._extensions.ctrlkit_reference.docstrings import to_rest
from docs._extensions.ctrlkit_reference.lists import metrics_modules, parsers
from docs._extensions.ctrlkit_reference.names import Attribute, Catalog, Public, Sort, attributes_of
from tests.support.production import ROOT

PAGES = ROOT / "docs" / "reference"

WORDS = st.text(alphabet="abz `*_|\\<>'\":.()[]-A", min_size=1, max_size=40)


@cache
def _names() -> Catalog:
    return Catalog.read()


def _described() -> list[Public]:
    return [thing for thing in _names().things if thing.sort in (Sort.CLASS, Sort.EXCEPTION, Sort.FUNCTION)]


def _blocks(directive: str) -> list[str]:
    found = []
    for page in sorted(PAGES.glob("*.md")):
        found += re.findall(rf"^```{{{directive}}}(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)
    return found


def test_each_public_name_is_on_one_page() -> None:
    """Names of built-in kinds come in a table of all of them."""
    kinds = {thing.name for thing in _names().things if thing.name.startswith("ctrlkit.model.kinds.")}
    documented = Counter(" ".join(_blocks("public")).split())
    assert {name: count for name, count in documented.items() if count > 1} == {}
    assert set(documented) | kinds == {thing.name for thing in _names().things}
    assert len(_blocks("public-kinds")) == 1


def test_each_command_is_on_the_page_of_commands() -> None:
    """Once, in the order of `--help`; commands of commands too."""
    assert [name.strip() for name in _blocks("command-line")] == list(parsers())


def test_each_module_with_metrics_is_on_the_page_of_metrics() -> None:
    """Once; operating.md says how they are read."""
    assert sorted(name.strip() for name in _blocks("metrics-list")) == sorted(metrics_modules())


def _told(member: object) -> str | None:
    function = member.__func__ if isinstance(member, staticmethod | classmethod) else member
    return function.__doc__ if inspect.isfunction(function) or isinstance(function, property) else "not described"


def test_each_method_and_attribute_of_a_public_class_says_what_it_is() -> None:
    """Of bases that are not public, too."""
    silent = []
    for thing in _described():
        if thing.sort is not Sort.CLASS or not isinstance(thing.value, type):
            continue
        ours = [each for each in thing.value.__mro__ if each.__module__.startswith("ctrlkit")]
        members = {name for each in ours for name in vars(each) if not name.startswith("_")}
        silent += [f"{thing.name}.{each}" for each in members if not _told(inspect.getattr_static(thing.value, each))]
        silent += [f"{thing.name}.{name}" for name, of in attributes_of(thing.value).items() if not of.doc]
    assert silent == []


def test_a_docstring_begins_with_a_sentence() -> None:
    """What a table or an editor shows of it stands alone: it ends, and is no longer than three lines."""
    first = {thing.name: (inspect.getdoc(thing.value) or "").partition("\n\n")[0] for thing in _described()}
    assert {name: text for name, text in first.items() if not text.endswith((".", ";", "`", ":"))} == {}
    assert {name: text for name, text in first.items() if len(text) > 3 * 120} == {}


def _shown(lines: list[str]) -> nodes.document:
    """What docutils makes of reStructuredText; Sphinx's own directive stands for the one of docutils."""
    overrides = {"report_level": 2, "halt_level": 2}
    return docutils.core.publish_doctree("\n".join(lines), settings_overrides=overrides)


@settings(max_examples=20)
@given(before=WORDS, code=st.text(alphabet="abc.()=*_|", min_size=1, max_size=12), after=WORDS)
@example(before="a", code="b", after="s")
@example(before="(", code=")", after=":")
@example(before=". no list ", code="b", after=" ")
@example(before=":", code="=", after="A__:")
@example(before="delays * 2 in ", code="*args", after="_ and |x|")
def test_for_any_prose_what_is_shown_is_the_prose(before: str, code: str, after: str) -> None:
    """Nothing in it is taken for markup, whatever stands beside code."""
    before, after = (re.sub(r"\s+", " ", each.replace("`", "")) for each in (before, after))
    text = f"x{before}`{code}`{after}x"
    shown = _shown(to_rest([text]))
    assert [each.astext() for each in shown.findall(nodes.literal)] == [code]
    assert shown.astext() == text.replace("`", "")


def test_heads_become_fields_and_examples_code() -> None:
    """A head ends where the text beside it ends; `>>>` and indented lines are examples."""
    doc = """Wait for a key.

    queue.take()

>>> 1 + 1
2

Units   `delay_s`: seconds,
        0 or more.
Errors  QueueClosed when it is closed; see
        `close`.

The end."""
    lines = to_rest(doc.splitlines(), is_public=lambda word: word == "QueueClosed")
    assert lines == [
        "Wait for a key.",
        "",
        ".. code-block:: python",
        "",
        "    queue.take()",
        "",
        ".. code-block:: pycon",
        "",
        "    >>> 1 + 1",
        "    2",
        "",
        ":Units: ``delay_s``: seconds,",
        "    0 or more.",
        ":Raises: ``QueueClosed`` when it is closed; see",
        "    ``close``.",
        "",
        "The end.",
        "",
    ]


def test_code_of_a_page_means_a_public_name_or_nothing() -> None:
    """A word that is one only by chance leads nowhere."""
    assert _names().meant("Manager.informer") == "ctrlkit.Manager.informer"
    assert _names().meant("manager.informer(PODS)") == "ctrlkit.Manager.informer"
    assert _names().meant("world.tracker.get") == "ctrlkit.fakes.Tracker.get"
    assert _names().meant("@reconciler") == "ctrlkit.reconciler"
    assert _names().meant("ctrlkit.client.Client") == "ctrlkit.Client"
    assert _names().meant("PODS") == "ctrlkit.model.kinds.PODS"
    for text in ("run", "kubectl get", "Manager.nothing", "spec.replicas", "Write", "ctrlkit run", "", "ctrlkit"):
        assert _names().meant(text) is None, text


def test_a_type_leads_to_the_public_name_of_what_it_is() -> None:
    """Code names what it uses by where it is defined."""
    assert _names().public_name(f"{Client.__module__}.Client.get") == "ctrlkit.Client.get"
    assert _names().public_name("ctrlkit.kinds.base.TypedKind") is None


def test_attributes_have_the_types_that_the_code_gives_them() -> None:
    """Also where an attribute is a parameter."""
    assert attributes_of(Informer)["lister"].type == "Lister[T]"
    assert attributes_of(Manager)["client"] == Attribute("Client", "The client for its controllers.")


def test_the_glossary_is_in_order() -> None:
    """As a reader looks for a word; each term that another one names is there."""
    text = Path(ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    terms = re.findall(r"^(\w[^\n]*)\n  \w", text, re.M)
    assert terms == sorted(terms, key=str.casefold)
    named = {each.rpartition("<")[2].rstrip(">") for each in re.findall(r"{term}`([^`]+)`", text)}
    assert named <= set(terms)
