"""
The files of a new project, made of the templates beside this. Pure, but for reading those.

A template `package/types.py.jinja` gives `cache_operator/types.py`. In templates `<< name >>` stands for a value and
`<% if webhook %>` begins a part for projects with webhooks: the marks of Jinja's own would be those of Helm and of
GitHub's workflows. A value that nobody gives is an error, not a gap.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING, Any, Final

import yaml

from ctrlkit.errors import ConfigError
from ctrlkit.extras import require
from ctrlkit.scaffold.names import Names

if TYPE_CHECKING:
    from jinja2 import Environment, Template

LICENSES: Final = ("Apache-2.0", "MIT")
TEMPLATES: Final = "templates"
SUFFIX: Final = ".jinja"
_PACKAGE: Final = "package"
_FOR_WEBHOOKS: Final = frozenset({"package/webhooks.py", "tests/test_webhooks.py"})


def render(names: Names, *, version: str, webhook: bool = False, license_name: str = "") -> dict[str, str]:
    """
    Return the text of each file that a person would write in a project, by its path.

    `version` is that of ctrlkit which the project begins with; `license_name` is one of LICENSES, or "" for none.

    Errors  MissingExtra without the package of templates; ConfigError for a version that is none.
    """
    require("init", "ctrlkit init")
    values = asdict(names) | {
        "article": names.article,
        "title": names.project.replace("-", " ").capitalize(),
        "webhook": webhook,
        "license": license_name,
        "ctrlkit_versions": compatible(version),
        "rules": _rules(names),
    }
    wanted = {path: text for path, text in templates().items() if webhook or path not in _FOR_WEBHOOKS}
    if license_name:
        wanted["LICENSE"] = (files("ctrlkit.scaffold") / "licenses" / f"{license_name}{SUFFIX}").read_text(
            encoding="utf-8"
        )
    return {_named(path, names): _compiled(text).render(values) for path, text in wanted.items()}


def compatible(version: str) -> str:
    """
    Return the versions of ctrlkit for which a program is written that is written for this one.

    >>> compatible("0.1.0"), compatible("1.4.2.dev3")
    ('>=0.1.0,<0.2', '>=1.4.2.dev3,<2')
    """
    found = re.match(r"(\d+)\.(\d+)", version)
    if found is None:
        raise ConfigError(f"say which ctrlkit the project needs: this one is {version}; install it with pip")
    major, minor = int(found[1]), int(found[2])
    return f">={version},<{major + 1}" if major else f">={version},<0.{minor + 1}"


def _rules(names: Names) -> list[dict[str, Any]]:
    """What the controller asks of a server, as `ctrlkit rbac` writes what it did in the project's tests."""
    asked = (
        ("apiextensions.k8s.io", "customresourcedefinitions", "get"),
        ("apps", "deployments", "list watch create patch"),
        (names.group, names.plural, "list watch"),
        (names.group, f"{names.plural}/finalizers", "update"),
        (names.group, f"{names.plural}/status", "patch"),
    )
    return [
        {
            "group": group,
            "resource": resource,
            "verbs": verbs.split(),
            "name": names.definition if verbs == "get" else "",
        }
        for group, resource, verbs in sorted(asked)
    ]


def _named(path: str, names: Names) -> str:
    first, _, rest = path.partition("/")
    return f"{names.package}/{rest}" if first == _PACKAGE else path


def templates() -> Mapping[str, str]:
    """Return the templates as they are, by the path of what they give."""
    return dict(_walk(files("ctrlkit.scaffold") / TEMPLATES, ""))


def _walk(folder: Traversable, path: str) -> Iterator[tuple[str, str]]:
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            yield from _walk(entry, f"{path}{entry.name}/")
        elif entry.name.endswith(SUFFIX):
            yield f"{path}{entry.name.removesuffix(SUFFIX)}", entry.read_text(encoding="utf-8")


@cache
def _compiled(text: str) -> Template:
    return _environment().from_string(text)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, StrictUndefined  # noqa: PLC0415

    environment = Environment(
        variable_start_string="<<",
        variable_end_string=">>",
        block_start_string="<%",
        block_end_string="%>",
        comment_start_string="<#",
        comment_end_string="#>",
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
        autoescape=False,
    )
    environment.filters["yaml"] = _scalar
    return environment


def _scalar(text: str) -> str:
    """Return a text as a scalar of YAML; some have to be quoted, or would be read as something else."""
    return yaml.safe_dump([text]).removeprefix("- ").strip()
