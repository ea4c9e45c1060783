"""The files of a project, whatever it is called: each is what it is to be, and none hides a name of its own."""

from __future__ import annotations

import ast
import builtins
import tomllib
from collections.abc import Iterable

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

import ctrlkit
from ctrlkit.errors import ConfigError
from ctrlkit.scaffold.names import names_of
from ctrlkit.scaffold.project import compatible, render
from tests.unit.scaffold.test_names import KINDS, PROJECTS


def bound(nodes: Iterable[ast.AST]) -> list[str]:
    """The names that statements bind, once for each place."""
    found: list[str] = []
    for node in nodes:
        match node:
            case ast.Import() | ast.ImportFrom():
                found += [(alias.asname or alias.name).partition(".")[0] for alias in node.names]
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                found.append(node.name)
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name):
                found.append(name)
    return found


def check(texts: dict[str, str]) -> None:
    """Hold the files of a project to their languages."""
    for path, text in texts.items():
        assert text.endswith("\n"), path
        assert "<<" not in text, path
        if path.endswith(".py"):
            compile(text, path, "exec")
        elif path.endswith((".yaml", ".yml")):
            assert all(isinstance(one, dict) for one in yaml.safe_load_all(text)), path
        elif path.endswith(".toml"):
            tomllib.loads(text)


@settings(max_examples=10)
@given(
    project=PROJECTS,
    kind=st.one_of(
        st.just(""),
        KINDS,
        st.sampled_from([name for name in [*ctrlkit.__all__, *dir(builtins)] if name.isalnum() and name[0].isupper()]),
    ),
    webhook=st.booleans(),
    license_name=st.sampled_from(["", "MIT", "Apache-2.0"]),
)
def test_any_project_is_well_formed(project: str, kind: str, webhook: bool, license_name: str) -> None:
    """Its Python compiles, and what is named for the kind is named once; its YAML and TOML can be read."""
    names = names_of(project, kind=kind)
    texts = render(names, version="0.1.0", webhook=webhook, license_name=license_name)
    check(texts)
    for path, text in texts.items():
        if path.endswith(".py"):
            found = bound(ast.parse(text).body)
            assert len(found) == len({*found}), path
            assert not {*found} & {*dir(builtins)}, path
    assert ("LICENSE" in texts) == bool(license_name)
    assert (f"{names.package}/webhooks.py" in texts) == ("tests/test_webhooks.py" in texts) == webhook


def test_names_that_the_templates_use_are_not_given_to_a_kind() -> None:
    """For any name that a file binds or imports there is a kind of that name, whose class or variable it is not."""
    texts = render(names_of("zebra"), version="0.1.0", webhook=True)
    parsed = [ast.parse(text) for path, text in texts.items() if path.endswith(".py")]
    used = {name for tree in parsed for name in bound(ast.walk(tree)) if "zebra" not in name.lower()}
    used = {name for name in used if not name.startswith("test_")}
    for name in used & {*map(str.lower, used), *(name for name in used if not name.isupper())}:
        words = name.split("_") if name.islower() else [name]
        names = names_of("zebra", kind="".join(word[:1].upper() + word[1:] for word in words if word) or "A")
        assert not {names.type_name, names.constant, names.variable} & used, name


@pytest.mark.parametrize("webhook", [False, True])
def test_what_a_plain_project_has(webhook: bool) -> None:
    """All that it takes to test, run, check, build and ship it."""
    texts = render(names_of("cache-operator"), version="0.1.0", webhook=webhook)
    assert {*texts} >= {
        ".dockerignore",
        ".github/workflows/ci.yml",
        ".gitignore",
        "Dockerfile",
        "Makefile",
        "README.md",
        "cache_operator/__init__.py",
        "cache_operator/controller.py",
        "cache_operator/types.py",
        "deploy/rbac.yaml",
        "examples/example.yaml",
        "pyproject.toml",
        "tests/test_controller.py",
    }
    project = tomllib.loads(texts["pyproject.toml"])["project"]
    assert project["dependencies"] == [f"ctrlkit{'[webhooks]' * webhook}>=0.1.0,<0.2"]
    assert "USER 65532:65532" in texts["Dockerfile"]
    assert "${{ matrix.python }}" in texts[".github/workflows/ci.yml"]


@pytest.mark.parametrize("word", ["null", "yes", "on", "y"])
def test_names_that_are_values_of_yaml_stay_names(word: str) -> None:
    """A project may be called so."""
    names = names_of(word)
    texts = render(names, version="0.1.0")
    accounts = list(yaml.safe_load_all(texts["deploy/rbac.yaml"]))
    assert {one["metadata"]["name"] for one in accounts} == {word}
    assert yaml.safe_load(texts["examples/example.yaml"])["kind"] == word.capitalize()


@pytest.mark.parametrize(
    ("version", "versions"),
    [("0.1.0", ">=0.1.0,<0.2"), ("0.12.3", ">=0.12.3,<0.13"), ("2.0.0", ">=2.0.0,<3"), ("1.0.0rc1", ">=1.0.0rc1,<2")],
)
def test_the_versions_of_ctrlkit_that_fit(version: str, versions: str) -> None:
    """This one and newer ones, until names may go."""
    assert compatible(version) == versions


def test_a_ctrlkit_that_is_not_installed_is_told() -> None:
    """Instead of a project that could not say what it needs."""
    with pytest.raises(ConfigError, match="install it with pip"):
        compatible("(not installed)")
