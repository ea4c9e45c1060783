"""Plain texts of YAML are numbers where Go's library (sigs.k8s.io/yaml 1.6.0) has numbers; recorded from it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.fakes.apiserver.yaml_text import to_yaml
from ctrlkit.wire.yaml_body import read_yaml
from ctrlkit.wire.yaml_numbers import number_in

NUMBERS = {
    "0o7": 7,
    "-0o7": -7,
    "0O17": 15,
    "0644": 420,
    "08": 8,
    "0X1F": 31,
    "-0Xe": -14,
    "0b1": 1,
    "0B10": 2,
    "1_000": 1000,
    "1e3": 1000,
    "2_e-1": 0.2,
    "+.5": 0.5,
    "1.": 1,
    "9223372036854775808": 2**63,
    "99999999999999999999": 1e20,
}
TEXTS = [
    "0d0",
    "0o8",
    "0o_",
    "0x",
    "0b2",
    "1:30",
    "_1",
    "._5",
    ".9_",
    "1e",
    "1e400",
    "+",
    "-",
    ".",
    "",
    "0xfffffffffffffffff",
]


@pytest.mark.parametrize(("text", "number"), NUMBERS.items())
def test_a_number_is_read_and_never_printed_as_text(text: str, number: float) -> None:
    """A body has the number; a text that looks like it is printed in quotes."""
    assert read_yaml(f"a: {text}".encode()) == {"a": number}
    assert to_yaml({"a": text}) == f'a: "{text}"\n'.encode()


@pytest.mark.parametrize(("text", "number"), {"30.0": 30, "1e9": 10**9, "-4.": -4, "2.5": 2.5, "1e20": 1e20}.items())
def test_a_number_without_a_fraction_is_an_integer(text: str, number: float) -> None:
    """As on a server, for which YAML is turned into JSON: `version: 30.0` of a spec is the integer 30."""
    (read,) = read_yaml(f"a: {text}".encode()).values()
    assert (read, type(read)) == (number, type(number))


@pytest.mark.parametrize("text", TEXTS)
def test_what_only_looks_like_a_number_is_a_text(text: str) -> None:
    """Though other readers of YAML may think otherwise."""
    assert number_in(text) is None


@given(st.text("0123456789.eExXoObB_+-:", min_size=1, max_size=8))
def test_for_any_text_what_is_printed_is_read_back(text: str) -> None:
    """Whatever numbers there are, the printer and the reader agree on them."""
    assert read_yaml(to_yaml({"a": text})) == {"a": text}
