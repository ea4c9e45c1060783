"""
The options --rbac-write and --rbac-check: the roles that are least for what the managers of all tests asked for.

With pytest-xdist each process gathers for itself, and hands over at its end.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from ctrlkit.crd.manifest import to_yaml
from ctrlkit.fakes.rights import Roles, begin_to_gather, compare, least_roles, line_of, manifests_of
from ctrlkit.fakes.tracker.rights.attributes import Attributes

HEAD = "# What the program may do, and no more: made of what it did in its tests.\n"
"""The first line of a file that is written."""

_KEY = "ctrlkit_rights"
_FIELDS = ("verb", "group", "resource", "subresource", "namespace", "name")


class RightsGatherer:
    """A plugin of pytest that gathers, and writes or checks at the end."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._gathered: dict[str, set[Attributes]] = begin_to_gather()
        self._lines: list[str] = []

    def pytest_testnodedown(self, node: Any) -> None:
        """Take what a process of pytest-xdist has gathered."""
        for name, rows in getattr(node, "workeroutput", {}).get(_KEY, {}).items():
            self._gathered.setdefault(name, set()).update(Attributes(*row) for row in rows)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Hand over, write, or check; what lacks makes the run fail."""
        output = getattr(self._config, "workeroutput", None)
        if output is not None:
            output[_KEY] = {
                name: [[getattr(one, field) for field in _FIELDS] for one in asked]
                for name, asked in self._gathered.items()
            }
            return
        used = self._used()
        if not used:
            self._lines.append("no manager of a world asked for anything: nothing is written or checked")
            return
        home = self._option("namespace") or "default"
        roles = least_roles(used, home=home)
        if target := self._option("write"):
            manifests = manifests_of(roles, name=self._option("name") or "controller", namespace=home)
            _write(Path(target), manifests)
            self._lines.append(f"wrote {target}")
        if source := self._option("check"):
            self._check(Path(source), roles, session)

    def _used(self) -> set[Attributes]:
        part = self._option("manager")
        return {one for name, asked in self._gathered.items() if part in ("", name) for one in asked}

    def _option(self, name: str) -> str:
        return str(self._config.getoption(f"--rbac-{name}"))

    def _check(self, path: Path, roles: Roles, session: pytest.Session) -> None:
        manifests = [one for one in yaml.safe_load_all(path.read_text(encoding="utf-8")) if isinstance(one, dict)]
        found = compare(roles, manifests)
        for kind, rules in found.lacking.items():
            self._lines += [f"{path}: the {kind} lacks {line_of(rule)}" for rule in rules]
        for kind, rules in found.unused.items():
            self._lines += [f"{path}: in these tests nobody used, of the {kind}, {line_of(rule)}" for rule in rules]
        if found.lacking and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Say what was found."""
        if self._lines:
            terminalreporter.section("rights of the managers")
            for line in self._lines:
                terminalreporter.write_line(line)


def _write(path: Path, manifests: Sequence[dict[str, Any]]) -> None:
    """Write manifests to a file; what it has besides, and the comment at its head, stay."""
    before = path.read_text(encoding="utf-8") if path.exists() else HEAD
    head = "".join(itertools.takewhile(lambda line: line.startswith("#"), before.splitlines(keepends=True)))
    made = [(one["kind"], one["metadata"]["name"]) for one in manifests]
    kept = [one for one in yaml.safe_load_all(before) if isinstance(one, dict) and _identity(one) not in made]
    path.write_text(head + to_yaml(*kept, *manifests), encoding="utf-8")


def _identity(manifest: Mapping[str, Any]) -> tuple[Any, Any]:
    return manifest.get("kind"), (manifest.get("metadata") or {}).get("name")
