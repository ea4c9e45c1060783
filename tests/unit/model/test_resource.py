"""How a kind travels."""

from __future__ import annotations

from typing import Any

import pytest

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
