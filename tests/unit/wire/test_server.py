"""Addresses of servers as kubeconfigs write them."""

from __future__ import annotations

import pytest

from ctrlkit.wire.server import server_of


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://api.example:6443", "https://api.example:6443"),
        ("https://api.example/", "https://api.example"),
        ("HTTPS://Api.example", "https://Api.example"),
        ("https://[fd00::1]:6443/", "https://[fd00::1]:6443"),
        ("https://api.example:/", "https://api.example"),
        ("https://a/k8s//clusters/../c-1/", "https://a/k8s/c-1"),
        ("https://a/x%20y/ü", "https://a/x%20y/%C3%BC"),
        ("https://a/x?y=z", "https://a/x"),
        ("10.0.0.1:8080", "http://10.0.0.1:8080"),
        ("localhost:8080/", "http://localhost:8080"),
        ("api.example", "http://api.example"),
    ],
)
def test_what_is_called(text: str, url: str) -> None:
    """A tidy path before those of requests, and nothing behind it; without a scheme it is HTTP."""
    server = server_of(text)
    assert server is not None
    assert (server.url, server.name) == (url, None)


@pytest.mark.parametrize(
    "text",
    [
        *("", "https://", "https:///x", "https://a:x", "https://a:99999", "https://a:0", "https://[::1", "ftp://a"),
        *(" https://a", "https://a b", "https://a\n", "10.0.0.1:8080/x", "a/b", "//a"),
    ],
)
def test_what_is_no_server(text: str) -> None:
    """Whatever no request can be sent to."""
    assert server_of(text) is None


def test_a_name_with_a_dot_at_its_end_is_certified_without_it() -> None:
    """People write it so that no search domain is tried."""
    names = [server_of(f"https://{host}:6443/x.") for host in ("api.example.", "api.example", "10.0.0.1", "[fd00::1]")]
    assert [name and name.certified_name for name in names] == ["api.example", None, None, None]


def test_a_login_is_taken_out() -> None:
    """It is sent as Basic authentication, and shown nowhere."""
    server = server_of("https://m%40e:p%3Aw@api.example:6443/x")
    assert server is not None
    assert (server.url, server.name, server.password) == ("https://api.example:6443/x", "m@e", "p:w")
    assert "p:w" not in repr(server)
