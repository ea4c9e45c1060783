"""
The options --rbac-write and --rbac-check: the roles that are least for what the managers of all tests asked for.

With pytest-xdist each process gathers for itself, and hands over at its end.
"""

from __future__ import annotations

import itertools
import os
import shlex
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import pytest

from ctrlkit.crd.manifest import to_yaml
from ctrlkit.errors import ConfigError
from ctrlkit.fakes.rights import (
    HandedOn,
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

REFUSAL = "refusal"
"""The mark of a test that is about what roles do not allow."""

_KEY = "ctrlkit_rights"
_FIELDS = ("verb", "group", "resource", "subresource", "namespace", "name")
_HANDED_ON = ("by", "role")
_PART_SHORT = ("-k", "-m")
_PART_LONG = (
    *("--deselect", "--ignore", "--ignore-glob", "--lf", "--last-failed"),
    *("--sw", "--stepwise", "--stepwise-skip", "--sw-skip"),
)
"""What asks for a part of the tests that there are."""


class RightsGatherer:
    """A plugin of pytest that gathers, and writes or checks at the end."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._gathered: dict[str, set[Attributes]] = begin_to_gather()
        self._lines: list[str] = []
        self._part = _asked_for_a_part(config)

    @pytest.hookimpl(optionalhook=True)  # of pytest-xdist
    def pytest_testnodedown(self, node: Any) -> None:
        """Take what a process of pytest-xdist has gathered."""
        for name, rows in getattr(node, "workeroutput", {}).get(_KEY, {}).items():
            self._gathered.setdefault(name, set()).update(_of_row(row) for row in rows)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Hand over, write, or check; what lacks makes the run fail."""
        output = getattr(self._config, "workeroutput", None)
        if output is not None:
            output[_KEY] = {name: [_row_of(one) for one in asked] for name, asked in self._gathered.items()}
            return
        try:
            self._refuse_a_part(session)
            lacks = self._report()
        except _Failure as failure:
            self._lines.append(str(failure))
            lacks = True
        if lacks and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _refuse_a_part(self, session: pytest.Session) -> None:
        """
        Write nothing out of a run that shows a part of what the program does.

        Errors  _Failure, which says so.
        """
        if not self._option("write"):
            return
        has_failed = session.exitstatus != pytest.ExitCode.OK
        fact = "tests failed, or did not run to the end" if has_failed else self._part
        if fact and session.exitstatus != pytest.ExitCode.NO_TESTS_COLLECTED:
            step = "run all tests of the program, in a run that passes"
            step += f"; mark one that is about a refusal with @pytest.mark.{REFUSAL}" if has_failed else ""
            raise _Failure(f"--rbac-write {self._option('write')}: {fact}: the file is left as it is; {step}")

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Leave tests of refusals out while there are none, because what lacks is to be used and written."""
        for item in items:
            if self._option("write") and item.get_closest_marker(REFUSAL):
                item.add_marker(pytest.mark.skip(reason="worlds let managers do everything, for --rbac-write"))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Forget what was asked for in a test of refusals: it is not to be allowed."""
        before = {name: set(asked) for name, asked in self._gathered.items()}
        done = yield
        if item.get_closest_marker(REFUSAL):
            self._gathered.clear()
            self._gathered.update(before)
        return done

    def _report(self) -> bool:
        """Write, or check, or both; returns whether something lacks."""
        used, source = self._used(), self._option("check")
        if not used:
            self._lines.append(self._nothing())
            return True
        home = self._option("namespace") or "default"
        roles = least_roles(used, home=home)
        if target := self._option("write"):
            self._write(target, roles, home)
        return bool(source) and self._check(Path(source), roles)

    def _write(self, target: str, roles: Roles, home: str) -> None:
        """Write, and say which rights the file had and has not any more."""
        tried, path = f"--rbac-write {target}", Path(target)
        there = _read(tried, path, "write to another file, and copy the rules from there") if path.exists() else []
        before = compare(roles, there)
        made = manifests_of(roles, name=self._option("name") or "controller", namespace=home)
        merged = merge(there, made, home=home)
        _write(path, merged)
        self._lines.append(f"wrote {target}")
        after = compare(roles, merged)
        for kind, rules in before.unused.items():
            gone = (rule for rule in rules if rule not in after.unused.get(kind, ()))
            self._lines += [f"{target}: taken from the {kind}, as nobody used it: {line_of(rule)}" for rule in gone]

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


def _row_of(asked: Attributes) -> list[str]:
    fields = (*_FIELDS, *_HANDED_ON) if isinstance(asked, HandedOn) else _FIELDS
    return [getattr(asked, field) for field in fields]


def _of_row(row: Sequence[str]) -> Attributes:
    if len(row) == len(_FIELDS):
        return Attributes(*row)
    return HandedOn(**dict(zip((*_FIELDS, *_HANDED_ON), row, strict=True)))


def _asked_for_a_part(config: pytest.Config) -> str:
    """How a part of the tests was asked for on the command line; "" for all that there are in its folders and files."""
    said = [*shlex.split(os.environ.get("PYTEST_ADDOPTS", "")), *map(str, config.invocation_params.args)]
    options = [one for one in said if one.startswith(_PART_SHORT) or one.partition("=")[0] in _PART_LONG]
    named = [one for one in said if "::" in one and not one.startswith("-")]
    return f"only a part of the tests was asked for ({' '.join([*options, *named])})" if options or named else ""


class _Failure(Exception):
    """What was tried, why it failed, and what to do, on one line."""


def _read(tried: str, path: Path, next_step: str) -> list[dict[str, Any]]:
    try:
        return manifests_in(path.read_text(encoding="utf-8"), str(path))
    except OSError as error:
        raise _Failure(f"{tried}: {error.strerror}; {next_step}") from error
    except (ConfigError, UnicodeDecodeError) as error:
        raise _Failure(f"{tried}: {str(error).partition('; ')[0]}; {next_step}") from error


def _write(path: Path, manifests: Sequence[dict[str, Any]]) -> None:
    """Write manifests to a file; the comment at its head stays."""
    try:
        before = path.read_text(encoding="utf-8") if path.exists() else HEAD
        head = "".join(itertools.takewhile(lambda line: line.startswith("#"), before.splitlines(keepends=True)))
        path.write_text(head + to_yaml(*manifests), encoding="utf-8")
    except OSError as error:
        step = "make its folder, or name a file that may be written"
        raise _Failure(f"--rbac-write {path}: {error.strerror}; {step}") from error
