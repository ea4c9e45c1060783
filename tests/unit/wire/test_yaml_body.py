"""YAML is read as an API server reads it: as what JSON could say, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from ctrlkit.wire.yaml_body import read_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"", None),
        (b"a: 1\n---\nb: 2", {"a": 1}),
        (b"[a, 1, 1.5, true, null, '1', 1:30, 2026-01-01]", ["a", 1, 1.5, True, None, "1", "1:30", "2026-01-01"]),
        (b"{1: a, 1.5: b, true: c, no: d}", {"1": "a", "1.5": "b", "true": "c", "false": "d"}),
        (b"[&a [1], *a, &b x, *b]", [[1], [1], "x", "x"]),
        (b"{a: &a {x: 1}, b: {<<: *a, z: 2}}", {"a": {"x": 1}, "b": {"x": 1, "z": 2}}),
        (b"{a: &a {x: 1, z: 1}, b: {z: 2, <<: *a}}", {"a": {"x": 1, "z": 1}, "b": {"z": 2, "x": 1}}),
        (b"{<<: [{x: 1}, {x: 2, z: 2}]}", {"x": 1, "z": 2}),
        (b"[<<, a]", ["<<", "a"]),
        (b"a: <<", {"a": "<<"}),
        (b"{a: !!binary aGVsbG8=, b: !own x}", {"a": "hello", "b": "x"}),
        (b"a: " + b"9" * 5_000, {"a": "9" * 5_000}),
    ],
)
def test_what_a_text_says(text: bytes, value: Any) -> None:
    """The first document; names of fields are text, aliases stand for their values, and merged fields come last."""
    assert read_yaml(text) == value


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"? [a]\n: 1", "a field's name is text, got list"),
        (b"? {a: b}\n: 1", "a field's name is text, got dict"),
        (b"null: 1", "a field's name is text, got NoneType"),
        (b"a: *b", "unknown anchor 'b' referenced"),
        (b"a: &b [*b]", "unknown anchor 'b' referenced"),
        (b"<<: 1", "map merge requires map or sequence of maps"),
        (b"<<: [{a: 1}, 1]", "map merge requires map or sequence of maps"),
        (b"a: .inf", "unsupported value: .inf"),
        (b"a: !!int x", "cannot decode 'x' as tag:yaml.org,2002:int"),
        (b"a: !!binary x", "cannot decode 'x' as tag:yaml.org,2002:binary"),
        (b"a: [", "did not find expected node content"),
    ],
)
def test_what_is_no_yaml_or_no_json(text: bytes, words: str) -> None:
    """It is refused with what is wrong in it."""
    with pytest.raises(ValueError, match=words):
        read_yaml(text)
