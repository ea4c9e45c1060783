"""
The options --rbac-write and --rbac-check: the roles that are least for what the managers of all tests asked for.

With pytest-xdist each process gathers for itself, and hands over at its end.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ctrlkit.crd.manifest import to_yaml
from ctrlkit.fakes.rights import (
    Roles,
    begin_to_gather,
    compare,
    least_roles,
    line_of,
    manifests_in,
    manifests_of,
    merge,
)
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
        try:
            lacks = self._report()
        except _Failure as failure:
            self._lines.append(str(failure))
            lacks = True
        if lacks and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _report(self) -> bool:
        """Write, or check, or both; returns whether something lacks."""
        used, source = self._used(), self._option("check")
        if not used:
            self._lines.append(self._nothing())
            return bool(source or self._option("manager"))
        home = self._option("namespace") or "default"
        roles = least_roles(used, home=home)
        if target := self._option("write"):
            _write(Path(target), manifests_of(roles, name=self._option("name") or "controller", namespace=home), home)
            self._lines.append(f"wrote {target}")
        return bool(source) and self._check(Path(source), roles)

    def _nothing(self) -> str:
        there = f"there were {', '.join(sorted(self._gathered))}" if self._gathered else "there was no manager"
        if part := self._option("manager"):
            return f"--rbac-manager {part}: no manager of that name asked for anything: {there}"
        return f"no manager of a world asked for anything: nothing is written or checked; {there}"

    def _used(self) -> set[Attributes]:
        part = self._option("manager")
        return {one for name, asked in self._gathered.items() if part in ("", name) for one in asked}

    def _option(self, name: str) -> str:
        return str(self._config.getoption(f"--rbac-{name}"))

    def _check(self, path: Path, roles: Roles) -> bool:
        found = compare(roles, _read(f"--rbac-check {path}", path, "give it a file of roles, as --rbac-write makes it"))
        for kind, rules in found.lacking.items():
            self._lines += [f"{path}: the {kind} lacks {line_of(rule)}" for rule in rules]
        for kind, rules in found.unused.items():
            self._lines += [f"{path}: in these tests nobody used, of the {kind}, {line_of(rule)}" for rule in rules]
        return bool(found.lacking)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Say what was found."""
        if self._lines:
            terminalreporter.section("rights of the managers")
            for line in self._lines:
                terminalreporter.write_line(line)


class _Failure(Exception):
    """What was tried, why it failed, and what to do, on one line."""


def _read(tried: str, path: Path, next_step: str) -> list[dict[str, Any]]:
    try:
        return manifests_in(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _Failure(f"{tried}: {_fact(error)}; {next_step}") from error


def _write(path: Path, made: Sequence[dict[str, Any]], home: str) -> None:
    """Write manifests to a file; the comment at its head stays, and what it has besides their rules."""
    tried = f"--rbac-write {path}"
    there = _read(tried, path, "write to another file, and copy the rules from there") if path.exists() else []
    try:
        before = path.read_text(encoding="utf-8") if path.exists() else HEAD
        head = "".join(itertools.takewhile(lambda line: line.startswith("#"), before.splitlines(keepends=True)))
        path.write_text(head + to_yaml(*merge(there, made, home=home)), encoding="utf-8")
    except OSError as error:
        raise _Failure(f"{tried}: {_fact(error)}; make its folder, or name a file that may be written") from error


def _fact(error: OSError | ValueError) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)
