"""Texts with a format: which are taken, and what a server has against the others."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ctrlkit.fakes.tracker.schema import formats

Format = Callable[[str], formats.Complaints]


@pytest.mark.parametrize(
    ("check", "text"),
    [
        (formats.variable_name, "PATH"),
        (formats.variable_name, "1 a~"),
        (formats.port_name, "a"),
        (formats.port_name, "fifteen-letters"),
        (formats.ip_address, "10.9.8.7"),
        (formats.ip_address, "2001:db8::ffff"),
        (formats.config_key, ".a"),
        (formats.config_key, "k" * 253),
        (formats.label_key, f"{'d' * 63}.example.com/{'n' * 63}"),
        (formats.label_value, ""),
        (formats.label_value, "v" * 63),
        (formats.dns_label, "l" * 63),
        (formats.label_1035, "l1"),
    ],
)
def test_what_has_its_format_is_taken(check: Format, text: str) -> None:
    """Up to the longest that may be."""
    assert check(text) == ()


@pytest.mark.parametrize(
    ("check", "text", "words"),
    [
        (formats.variable_name, "", ["environment variable name must be non-empty"]),
        (formats.variable_name, "A=B", ["must consist only of printable ASCII characters other than '='"]),
        (formats.variable_name, "A\n", ["must consist only of printable ASCII characters other than '='"]),
        (formats.variable_name, "É", ["must consist only of printable ASCII characters other than '='"]),
        (formats.port_name, "sixteen--letters", ["must be no more than 15", "must not contain consecutive hyphens"]),
        (formats.port_name, "sixteen-letters-", ["must be no more than 15", "must not begin or end with a hyphen"]),
        (formats.port_name, "80", ["must contain at least one letter"]),
        (
            formats.port_name,
            "-A",
            ["must contain only alpha-numeric", "must contain at least", "must not begin or end"],
        ),
        (formats.ip_address, "10.9.8", ["must be a valid IP address"]),
        (formats.ip_address, "10.9.8.7/8", ["must be a valid IP address"]),
        (formats.config_key, "k" * 254, ["must be no more than 253 characters"]),
        (formats.config_key, "a b", ["a valid config key must consist of"]),
        (formats.config_key, "..", ["must not be '..'"]),
        (formats.config_key, "..a", ["must not start with '..'"]),
        (formats.label_key, "a/b/c", ["a valid label key must consist of"]),
        (formats.label_key, "/a", ["prefix part must be non-empty"]),
        (formats.label_key, "a/", ["name part must be non-empty", "name part must consist of"]),
        (formats.label_key, "n" * 64, ["name part must be no more than 63 bytes"]),
        (formats.label_key, "A.com/n", ["prefix part a lowercase RFC 1123 subdomain"]),
        (formats.label_value, "v" * 64, ["must be no more than 63 bytes"]),
        (formats.label_value, "-", ["a valid label must be an empty string or consist of"]),
        (formats.dns_label, "a.b", ["must not contain dots"]),
        (formats.dns_label, "A", ["a lowercase RFC 1123 label must consist of"]),
        (formats.label_1035, "1a", ["a DNS-1035 label must consist of"]),
    ],
)
def test_what_a_server_has_against_a_text(check: Format, text: str, words: list[str]) -> None:
    """Everything that is wrong in it, in the server's order."""
    complaints = check(text)
    assert len(complaints) == len(words)
    assert all(part in complaint for part, complaint in zip(words, complaints, strict=True))


@pytest.mark.parametrize(("number", "is_port"), [(0, False), (1, True), (65535, True), (65536, False)])
def test_ports_have_sixteen_bits(number: int, is_port: bool) -> None:
    """And none is zero."""
    assert (formats.port_number(number) == ()) == is_port
