"""YAML as Go's libraries read it."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.wire.config.document import NotReadable, read_document

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), (1 << 63) - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(codec="ascii", exclude_categories=["C"])), inner, max_size=4)
    ),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", True),
        ("Off", False),
        ("y", True),
        ("yEs", "yEs"),
        ("~", None),
        ("", None),
        ("Null", None),
        ("012", 10),
        ("0o17", 15),
        ("0x1F", 31),
        ("0b11", 3),
        ("-0b11", -3),
        ("1_000", 1000),
        ("0800", 800.0),
        ("18446744073709551615", 18446744073709551615),
        ("18446744073709551616", 18446744073709551616.0),
        ("1.5e3", 1500.0),
        (".5", 0.5),
        ("1.", 1.0),
        ("1e", "1e"),
        ("1:30", "1:30"),
        ("2020-01-01", "2020-01-01"),
        ("!!timestamp 2020-01-01", "2020-01-01"),
        ("'12'", "12"),
        ("!!str 12", "12"),
        ("!!int '3'", 3),
        ("!!binary dG9r", "tok"),
        ("!own x", "x"),
        ("=", "="),
        ("<<", "<<"),
        ("nan", "nan"),
        ("{a: 1, a: 2}", {"a": 2}),
        ("{1: a, yes: b, 1.5: c}", {"1": "a", "true": "b", "1.5": "c"}),
        ("{x: &x {a: 1, b: 2}, z: {<<: *x, b: 3}}", {"x": {"a": 1, "b": 2}, "z": {"a": 1, "b": 3}}),
        ("{x: {<<: [{a: 1}, {a: 2, b: 2}]}}", {"x": {"a": 1, "b": 2}}),
        ("a: 1\n---\n][", {"a": 1}),
        ("--- !!set {a, b}", {"a": None, "b": None}),
    ],
)
def test_what_is_read(text: str, value: object) -> None:
    """Types and keys."""
    read = read_document(text.encode())
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    "text",
    [
        "][",
        "a: *b",
        "{null: 1}",
        "{[a]: 1}",
        ".inf",
        "!!int x",
        "&a [*a]",
        "a:\n\t- b",
        "\x01",
        "!!binary '%'",
        "{<<: 1}",
    ],
)
def test_what_is_no_document(text: str) -> None:
    """It is told in words of ours, for the text may hold secrets."""
    with pytest.raises(NotReadable, match="it is not YAML"):
        read_document(text.encode())


def test_the_line_of_a_fault_is_told() -> None:
    """As far as the parser knows it."""
    with pytest.raises(NotReadable, match=r"at line 2$"):
        read_document(b"a: 1\nb: ]\n")


@pytest.mark.parametrize("opened", ["[", "{a: "])
def test_no_depth_is_too_much(opened: str) -> None:
    """For this process: such a document is refused."""
    with pytest.raises(NotReadable):
        read_document(opened.encode() * 100_000)


@given(JSON)
def test_any_json_is_read_as_json(value: object) -> None:
    """Kubeconfigs may be written in it."""
    assert read_document(msgspec.json.encode(value)) == value


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_any_bytes_are_a_document_or_are_refused(data: bytes) -> None:
    """Nothing else is raised."""
    try:
        read_document(data)
    except NotReadable:
        return
