"""
The names of a new project: one name is given, all others follow from it. Pure.

    >>> names = names_of("cache-operator")
    >>> names.package, names.kind, names.plural, names.group, names.constant
    ('cache_operator', 'Cache', 'caches', 'example.com', 'CACHES')
"""

from __future__ import annotations

import builtins
import keyword
import re
import sys
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from ctrlkit.errors import ConfigError
from ctrlkit.exits import BAD_ARGUMENTS
from ctrlkit.names import KUBERNETES_GROUPS, LABEL_MAX, PROGRAM_MAX, is_kubernetes_group, is_label_1035, is_subdomain

KIND_MAX: Final = LABEL_MAX - len("List")
GROUP: Final = "example.com"

_KIND: Final = "[A-Z][A-Za-z0-9]*"
_ENDINGS: Final = ("-operator", "-controller")
_WORD: Final = re.compile(r"[A-Z]+(?![a-z])[0-9]*|[A-Z]?[a-z]+[0-9]*|[0-9]+")

_IRREGULAR: Final = {
    "child": "children",
    "criterion": "criteria",
    "datum": "data",
    "foot": "feet",
    "goose": "geese",
    "half": "halves",
    "hero": "heroes",
    "knife": "knives",
    "leaf": "leaves",
    "life": "lives",
    "man": "men",
    "matrix": "matrices",
    "mouse": "mice",
    "person": "people",
    "quiz": "quizzes",
    "shelf": "shelves",
    "thief": "thieves",
    "tooth": "teeth",
    "vertex": "vertices",
    "woman": "women",
    **{word: word for word in ("chassis", "data", "fish", "media", "news", "series", "sheep", "species")},
}
_SOUNDS: Final = (
    (re.compile("(?<=[^aeiou])y$"), "ies"),
    (re.compile("(?<=[aeiouy][sl])is$"), "es"),  # analysis, but not redis
    (re.compile("(s|x|z|ch|sh)$"), r"\1es"),
    (re.compile("$"), "s"),
)

_IN_USE: Final = frozenset(
    """
    ALL AlreadyOwned Annotated ApiError CREATED_BY Column Condition Context DONE Definition Denied KEY MergePatch
    Meta ObjectMeta Outcome RequeueAfter Review Rule ScaleFields Schema TAKEN_RETRY_S World annotations apps check
    complete conditions container context core custom_resource definition_of deployment deployment_of error found
    image is_condition label labels labels_of made metadata msgspec mutating name new old other owner pytest
    pytestmark ready ready_replicas reconcile reconciler replicas review rollout rollout_of running selector self
    spec status status_of structs taken theirs validating value world
    """.split()  # noqa: SIM905
)
"""Names that the files of a project have for something else; a test holds this against the templates."""

_NO_PACKAGES: Final = frozenset({"build", "conftest", "deploy", "dist", "docs", "examples", "setup", "test", "tests"})
"""What stands at the top of a project, or may."""

_DEPENDENCIES: Final = frozenset(
    """
    aiohappyeyeballs aiohttp aiosignal annotated_types anyio attr attrs certifi cffi cryptography ctrlkit dateutil
    frozenlist google hatchling hypothesis idna iniconfig jinja2 kubernetes librt markupsafe msgspec multidict mypy
    mypy_extensions mypyc opentelemetry packaging pathspec pip pluggy prometheus_client propcache py pycparser
    pydantic pydantic_core pygments pyright pytest pytest_asyncio re2 requests rich ruff setuptools shtab six
    structlog typing_extensions urllib3 watchfiles wheel xdist yaml yarl
    """.split()  # noqa: SIM905
)
"""Modules that ctrlkit, its extras and a project's tools import: a folder of the name would be taken for one."""


class BadName(ConfigError):
    """A name from which no project, package, kind or group can be made; the message says what is allowed."""

    exit_status = BAD_ARGUMENTS


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """
    What things are called in a project, and in a cluster.

    Shape   `project` names the folder, the distribution, the image, and the program's objects in a cluster. `type_name`
            is the class of the kind's objects, `constant` the Resource, `variable` one object: each is made of the
            kind, with an ending where that alone would hide another name.
    """

    project: str
    package: str
    group: str
    kind: str
    plural: str
    type_name: str
    constant: str
    variable: str

    @property
    def definition(self) -> str:
        """The name of the kind's CustomResourceDefinition."""
        return f"{self.plural}.{self.group}"

    @property
    def article(self) -> str:
        """The article that the kind takes in prose: an Alias, an HTTPRoute, a Unit."""
        is_spelt = len(self.kind) > 1 and self.kind[1].isupper()
        return "an" if self.kind[0] in ("AEFHILMNORSX" if is_spelt else "AEIO") else "a"


def names_of(project: str, *, kind: str = "", group: str = GROUP, plural: str = "") -> Names:
    """
    Find all names of a project, beginning with those that are given.

    Errors  BadName for one that Kubernetes or Python would refuse.
    """
    _check_project(project)
    kind = kind or _kind_of(project)
    _check_kind(kind, project)
    words = [word.lower() for word in _WORD.findall(kind)]
    many = [*words[:-1], pluralize(words[-1])]
    plural = plural or "".join(many)
    _check_plural(plural, kind)
    _check_group(group, plural)
    hidden = {*_IN_USE, *keyword.kwlist, *keyword.softkwlist, *dir(builtins)}
    return Names(
        project=project,
        package=_package_of(project),
        group=group,
        kind=kind,
        plural=plural,
        type_name=_unlike(kind, hidden, "Resource"),
        constant=_unlike("_".join(many).upper(), hidden, "_KIND"),
        variable=_unlike("_".join(words), hidden, "_object"),
    )


def pluralize(word: str) -> str:
    """
    Return the plural of an English word in small letters.

    >>> [pluralize(word) for word in ("cache", "policy", "gateway", "index", "redis", "person", "series", "analysis")]
    ['caches', 'policies', 'gateways', 'indexes', 'redises', 'people', 'series', 'analyses']
    """
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    ending, instead = next((ending, instead) for ending, instead in _SOUNDS if ending.search(word))
    return ending.sub(instead, word, count=1)


def _check_project(project: str) -> None:
    if is_label_1035(project, most=PROGRAM_MAX):
        return
    better = re.sub(r"^[-0-9]+", "", _in_words(project))[:PROGRAM_MAX].rstrip("-")
    raise BadName(
        f"make a project {project!r:.80}: a name has small letters, digits and hyphens, begins with a letter, ends "
        f"with no hyphen and has {PROGRAM_MAX} characters at most, because objects in a cluster are called by it"
        + (f"; write {better}" if better else "")
    )


def _kind_of(project: str) -> str:
    stem = next((project.removesuffix(ending) for ending in _ENDINGS if project.endswith(ending)), project)
    return "".join(part.capitalize() for part in stem.split("-"))


def _check_kind(kind: str, project: str) -> None:
    if re.fullmatch(_KIND, kind) is None or len(kind) > KIND_MAX:
        better = _kind_of(_in_words(kind))[:KIND_MAX]
        raise BadName(
            f"make a project {project} with the kind {kind!r:.80}: a kind has letters and digits, begins with a "
            f"capital letter and has {KIND_MAX} characters at most"
            + (f"; write {better}" if re.fullmatch(_KIND, better) else ", such as Cache")
        )


def _in_words(text: str) -> str:
    """The words of a text in small letters, with hyphens between them."""
    return re.sub("[^a-z0-9]+", "-", re.sub("(?<=[a-z0-9])(?=[A-Z])", "-", text).lower()).strip("-")


def _check_plural(plural: str, kind: str) -> None:
    if not is_label_1035(plural):
        raise BadName(
            f"call many of the kind {kind} {plural!r:.80}: a plural has small letters, digits and hyphens, begins with "
            f"a letter, ends with no hyphen and has {LABEL_MAX} characters at most; name one with --plural"
        )


def _check_group(group: str, plural: str) -> None:
    tried = f"use the API group {group!r:.80}"
    if not (is_subdomain(f"{plural}.{group}") and "." in group):
        raise BadName(
            f"{tried}: a group is a domain with a dot in it, of small letters, digits, hyphens and dots, such as "
            f"{GROUP}; take one that is yours"
        )
    if is_kubernetes_group(group):
        raise BadName(
            f"{tried}: groups of {' and '.join(KUBERNETES_GROUPS)} are Kubernetes' own; take a domain that is yours"
        )


def _package_of(project: str) -> str:
    """The project's name as Python has it; `_operator` is added to what would hide another module."""
    package = "_".join(part for part in project.split("-") if part)
    hidden = {*keyword.kwlist, *sys.stdlib_module_names, *_NO_PACKAGES, *_DEPENDENCIES}
    return _unlike(package, hidden, "_operator")


def _unlike(name: str, taken: Collection[str], ending: str) -> str:
    return f"{name}{ending}" if name in taken else name
