"""How a kind travels."""

from __future__ import annotations

from typing import Any

import pytest

from ctrlkit.fakes.releases import NEWEST, release
from ctrlkit.model import custom_resource


@pytest.mark.parametrize(
    ("words", "missing"),
    [
        ({"kind": "", "plural": "widgets"}, "resource widgets: it has no kind;"),
        ({"kind": "Widget", "plural": ""}, "resource Widget: it has no plural;"),
        ({"kind": "Widget", "plural": "", "version": ""}, "resource Widget: it has no version and no plural;"),
        ({"kind": "", "plural": ""}, r"resource \?: it has no kind and no plural;"),
    ],
)
def test_a_kind_has_a_version_a_name_and_a_plural(words: dict[str, Any], missing: str) -> None:
    """Without one it would be asked for at the path of something else."""
    with pytest.raises(ValueError, match=missing):
        custom_resource(group="demo.dev", **words)


@pytest.mark.parametrize(
    ("group", "is_custom"),
    [
        ("", False),
        ("apps", False),
        ("networking.k8s.io", False),
        ("flowcontrol.apiserver.k8s.io", False),
        ("metrics.k8s.io", False),
        ("example.com", True),
        ("gateway.networking.k8s.io", True),
        ("snapshot.storage.k8s.io", True),
        ("x-k8s.io", True),
    ],
)
def test_groups_of_kubernetes_are_a_known_set(group: str, is_custom: bool) -> None:
    """Others that end in .k8s.io come with CustomResourceDefinitions, as everybody's do."""
    assert custom_resource(group=group, kind="Thing", plural="things").is_custom is is_custom


def test_each_group_that_a_server_has_itself_is_known_as_one() -> None:
    """Of the newest release whose facts are here."""
    groups = {kind.group for kind in release(NEWEST).kinds}
    assert not [group for group in groups if custom_resource(group=group, kind="A", plural="as").is_custom]
