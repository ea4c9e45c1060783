"""Every kind has one strategy, and nothing else knows a kind by name."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from ctrlkit import fakes
from ctrlkit.fakes.releases import NAMES, NEWEST, release
from ctrlkit.fakes.tracker import Registry
from ctrlkit.fakes.tracker.kinds import registry
from ctrlkit.fakes.tracker.kinds.strategy import Strategy
from ctrlkit.model import kinds

VERBS = sorted((Path(fakes.__file__).parent / "tracker" / "verbs").glob("*.py"))

ROOMS = tuple(f"ctrlkit.fakes.tracker.kinds.{room}" for room in ("core", "apps", "definitions", "rbac", "leases"))


def test_every_built_in_kind_has_one_strategy() -> None:
    """The registry serves each kind of the newest release once, as the model has it where the model has it."""
    served = [one.resource for one in Registry().served()]
    assert [(one.group, one.version, one.plural) for one in served] == [
        (one.group, one.version, one.plural) for one in release(NEWEST).kinds
    ]
    assert {*kinds.BUILT_IN, kinds.EVENTS_V1} <= set(served)


def test_every_strategy_is_of_a_kind_that_a_release_has() -> None:
    """Each entry of the table is used, and its name is there."""
    known = {(one.group, one.plural) for name in NAMES for one in release(name).kinds}
    assert registry._STRATEGIES.keys() <= known
    assert all(registry._strategy(group, "v1", plural) for group, plural in registry._STRATEGIES)


def test_every_form_that_is_not_stored_is_converted() -> None:
    known = {(one.group, one.version, one.plural) for name in NAMES for one in release(name).kinds}
    assert registry._FORMS.keys() <= known
    forms = [registry._strategy(*path) for path in registry._FORMS]
    assert all(isinstance(form, Strategy) and form.conversion for form in forms)


def test_two_servers_share_no_state_of_a_kind() -> None:
    one, other = (Registry().find("", "v1", "services") for _ in range(2))
    assert one is not None
    assert other is not None
    assert one.allocate != other.allocate


@pytest.mark.parametrize("path", VERBS, ids=lambda path: path.stem)
def test_the_verbs_know_no_kind_by_name(path: Path) -> None:
    """They import no kind, and compare neither identities nor kinds of resources; a Scale is no kind of the model."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.module != "ctrlkit.model.kinds"
            assert node.module != "ctrlkit.model" or "kinds" not in [alias.name for alias in node.names]
            assert not str(node.module).startswith(
                tuple(
                    f"ctrlkit.fakes.tracker.kinds.{room}" for room in ("core", "apps", "definitions", "rbac", "leases")
                )
            )
        if isinstance(node, ast.Compare):
            asked = [one.attr for one in (node.left, *node.comparators) if isinstance(one, ast.Attribute)]
            assert not {"identity", "plural"} & set(asked), ast.unparse(node)
