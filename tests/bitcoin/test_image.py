"""
The Dockerfile: what it copies and installs is there, and what it starts is ours.

No image is built here; that takes a Docker daemon and its registry.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ctrlkit.bitcoin.manifests import manifest
from tests.bitcoin.deployed import pods_of_the_deployment

_REPOSITORY = Path(__file__).parents[2]
_FOLDER = _REPOSITORY / "controllers" / "bitcoin" / "deploy"
_TEXT = (_FOLDER / "Dockerfile").read_text()
_INSTRUCTIONS = [
    tuple(line.split(maxsplit=1))
    for line in re.sub(r"\\\n", " ", _TEXT).splitlines()
    if line and not line.startswith("#")
]


def _all(name: str) -> list[str]:
    """The arguments of each instruction of a name."""
    return [arguments for word, arguments in _INSTRUCTIONS if word == name]


def _copied() -> list[str]:
    """What is taken from the repository."""
    sources = [arguments.split()[:-1] for arguments in _all("COPY") if not arguments.startswith("--from")]
    return [source for group in sources for source in group]


def _linked(package: str) -> Iterator[str]:
    """The folders of the repository that a package has parts in through links."""
    for entry in (_REPOSITORY / package).iterdir():
        if entry.is_symlink():
            yield entry.resolve().relative_to(_REPOSITORY).parts[0]


def _project() -> dict[str, Any]:
    return tomllib.loads((_REPOSITORY / "pyproject.toml").read_text())


def test_all_that_it_copies_is_in_the_repository() -> None:
    """From the repository's folder, where it is built."""
    assert [source for source in _copied() if not (_REPOSITORY / source).exists()] == []


def test_all_that_pip_needs_to_build_the_package_is_copied() -> None:
    """The project, its packages, what its metadata names, and the versions to install."""
    project = _project()
    needed = {"pyproject.toml", project["project"]["readme"], *project["project"]["license-files"]}
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    needed |= {*packages, *(target for package in packages for target in _linked(package))}
    named = re.findall(r"PIP_\w*CONSTRAINT=(\S+)", _TEXT)
    (folder,) = _all("WORKDIR")
    assert {Path(path).parent for path in named} == {Path(folder)}
    assert set(_copied()) == needed | {Path(path).name for path in named}
    (extra,) = [found[1] for run in _all("RUN") if (found := re.search(r"\bpip .*\binstall .* '\.\[(\w+)\]'$", run))]
    assert extra in project["project"]["optional-dependencies"]  # the controller converts versions: a webhook


def test_what_is_copied_is_not_ignored() -> None:
    """The list of what may travel to the builder has all of it, and no more."""
    lines = (_FOLDER / "Dockerfile.dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    assert {rule.removeprefix("!") for rule in rules if rule.startswith("!")} == set(_copied())
    others = [rule.removeprefix("**/") for rule in rules[1:] if not rule.startswith("!")]
    assert [source for source in _copied() if any(fnmatch(source, rule) for rule in others)] == []


def test_it_starts_a_console_script_of_the_package_as_the_deployment_wants_it() -> None:
    """The entry point is the script, and the Deployment's arguments are its own."""
    (entry,) = map(json.loads, _all("ENTRYPOINT"))
    _, container = pods_of_the_deployment()
    assert entry == ["bitcoin-controller"]
    assert entry[0] in _project()["project"]["scripts"]
    assert "command" not in container


def test_it_runs_as_the_user_that_the_deployment_names_and_not_as_root() -> None:
    """Who runs it elsewhere has the same."""
    template, _ = pods_of_the_deployment()
    (user,) = _all("USER")
    assert user.split(":")[0] == str(template["spec"]["securityContext"]["runAsUser"])
    assert user.split(":")[0] not in ("0", "root")


def test_the_image_that_the_deployment_names_is_the_one_that_is_built_and_is_of_this_version() -> None:
    """In the Dockerfile's own words, and in those of the command's help."""
    _, container = pods_of_the_deployment()
    command = f"docker build -f controllers/bitcoin/deploy/Dockerfile -t {container['image']} ."
    assert container["image"] == f"bitcoin-controller:{version('ctrlkit')}"
    assert command in _TEXT
    assert command in (_REPOSITORY / "controllers" / "bitcoin" / "cli.py").read_text()
    assert container["image"] in manifest("deployment")


def test_it_names_no_registry_and_builds_on_a_python_that_the_package_takes() -> None:
    """Whoever builds it says where images come from."""
    bases = [arguments.split()[0] for arguments in _all("FROM")]
    assert [base for base in bases if "/" in base] == []
    assert len(set(bases)) == 1
    found = re.fullmatch(r"python:3\.(\d+)-slim", bases[0])
    least = re.fullmatch(r">=3\.(\d+)", _project()["project"]["requires-python"])
    assert found is not None
    assert least is not None
    assert int(found[1]) >= int(least[1])
