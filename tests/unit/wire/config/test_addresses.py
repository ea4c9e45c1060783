"""Addresses of servers as kubeconfigs write them, and which proxy leads to which server."""

from __future__ import annotations

import pytest

from ctrlkit.errors import ConfigError
from ctrlkit.wire.config.addresses import proxy_for, server_of

PROXY = "http://proxy.example:3128"


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment that says nothing."""
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "REQUEST_METHOD"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.mark.parametrize(
    ("listed", "server", "direct"),
    [
        ("", "https://10.96.0.1", False),
        ("10.96.0.0/12", "https://10.96.0.1", True),
        ("10.96.0.0/12", "https://10.112.0.1", False),
        ("10.96.3.4/12", "https://10.96.0.1", True),
        ("10.96.0.0/255.240.0.0", "https://10.96.0.1", False),
        ("fd00::/8", "https://[fd00::1]:6443", True),
        ("::ffff:10.0.0.1", "https://10.0.0.1", True),
        ("10.0.0.1", "https://10.0.0.1:6443", True),
        ("10.0.0.1", "https://10.0.0.11", False),
        ("10.0.0.1:443", "https://10.0.0.1", True),
        ("10.0.0.1:443", "https://10.0.0.1:6443", False),
        ("10.0.0.1:", "https://10.0.0.1:6443", True),
        ("fd00::1", "https://[fd00::1]:6443", True),
        ("[fd00::1]:6443", "https://[fd00::1]:6443", True),
        ("[fd00::1]:6443", "https://[fd00::1]", False),
        ("[fd00::1]", "https://[fd00::1]", False),
        ("example.com", "https://example.com", True),
        ("example.com", "https://api.example.com:6443", True),
        ("example.com", "https://myexample.com", False),
        (".example.com", "https://example.com", False),
        (".example.com", "https://api.example.com", True),
        ("*.example.com", "https://api.example.com", True),
        ("*.example.com", "https://example.com", False),
        ("example.com:6443", "https://api.example.com:6443", True),
        ("example.com:6443", "https://api.example.com", False),
        ("EXAMPLE.com", "https://Api.example.COM", True),
        ("bücher.example", "https://api.bücher.example", True),
        ("xn--bcher-kva.example", "https://bücher.example", True),
        (" a.example ,, example.com ", "https://example.com", True),
        ("a.example,*", "https://example.com", True),
        ("*,a.example", "https://10.0.0.1", True),
        ("a*", "https://a", False),
        (":443", "https://example.com", False),
        ("com", "https://example.com", True),
        ("com.", "https://example.com", False),
        ("10", "https://10.0.0.1", False),
    ],
)
def test_no_proxy_is_read_as_go_reads_it(
    monkeypatch: pytest.MonkeyPatch, listed: str, server: str, direct: bool
) -> None:
    """Networks, addresses, names, ports and stars; what is malformed covers nothing."""
    monkeypatch.setenv("HTTPS_PROXY", PROXY)
    monkeypatch.setenv("NO_PROXY", listed)
    assert proxy_for(server) == (None if direct else PROXY)


@pytest.mark.parametrize(
    "server", ["https://localhost:6443", "https://127.1.2.3", "https://[::1]:6443", "https://[::ffff:127.0.0.1]"]
)
def test_this_machine_is_reached_without_those_of_the_environment(monkeypatch: pytest.MonkeyPatch, server: str) -> None:
    """But by the one that a kubeconfig names."""
    monkeypatch.setenv("HTTPS_PROXY", PROXY)
    assert proxy_for(server) is None
    assert proxy_for(server, "http://own.example:1") == "http://own.example:1"


@pytest.mark.parametrize(
    ("variables", "server", "proxy"),
    [
        ({"HTTPS_PROXY": PROXY}, "https://a.example", PROXY),
        ({"HTTPS_PROXY": PROXY}, "http://a.example", None),
        ({"HTTP_PROXY": PROXY}, "http://a.example", PROXY),
        ({"HTTP_PROXY": PROXY}, "https://a.example", None),
        ({"https_proxy": PROXY}, "https://a.example", PROXY),
        ({"HTTPS_PROXY": PROXY, "https_proxy": "http://other:1"}, "https://a.example", PROXY),
        ({"HTTPS_PROXY": "", "https_proxy": PROXY}, "https://a.example", PROXY),
        ({"HTTPS_PROXY": PROXY, "no_proxy": "a.example"}, "https://a.example", None),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "b", "no_proxy": "a.example"}, "https://a.example", PROXY),
        ({"HTTPS_PROXY": "proxy.example:3128"}, "https://a.example", PROXY),
        ({"ALL_PROXY": PROXY}, "https://a.example", None),
        ({"HTTPS_PROXY": PROXY, "REQUEST_METHOD": "GET"}, "https://a.example", PROXY),
    ],
)
def test_which_variable_counts(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], server: str, proxy: str | None
) -> None:
    """Capitals before small letters, and an empty one is none."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert proxy_for(server) == proxy


def test_a_cgi_program_uses_no_http_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """There a caller's header `Proxy` has become that variable."""
    monkeypatch.setenv("HTTP_PROXY", PROXY)
    monkeypatch.setenv("REQUEST_METHOD", "GET")
    with pytest.raises(ConfigError, match="HTTP_PROXY is not used in a CGI program"):
        proxy_for("http://a.example")
    monkeypatch.setenv("NO_PROXY", "a.example")
    assert proxy_for("http://a.example") is None


@pytest.mark.parametrize(
    "proxy",
    [
        "socks5://me:s3cret@proxy.example:1080",
        "http://me:s3cret@proxy.example:x",
        "http://me%3Ame:s3cret@proxy.example",
        "ftp://proxy.example",
        "http://",
        "http://[::1",
        "http://pro xy:1",
    ],
)
@pytest.mark.parametrize("of", ["kubeconfig", "environment"])
def test_a_proxy_that_cannot_be_used_says_so(monkeypatch: pytest.MonkeyPatch, proxy: str, of: str) -> None:
    """With what to write instead, and without its password."""
    if of == "environment":
        monkeypatch.setenv("https_proxy", proxy)
    with pytest.raises(
        ConfigError, match=r"reach https://a.example: the proxy .* cannot be used; write it as"
    ) as caught:
        proxy_for("https://a.example", proxy if of == "kubeconfig" else None)
    assert "s3cret" not in str(caught.value)


def test_a_proxy_of_a_kubeconfig_has_a_scheme() -> None:
    """As kubectl asks for; what stands before a colon could be one."""
    with pytest.raises(ConfigError, match="http://HOST:PORT"):
        proxy_for("https://a.example", "proxy.example:3128")


def test_a_login_with_other_letters_goes_out_in_utf_8() -> None:
    """The HTTP library would write these characters as Latin-1, or fail."""
    assert str(proxy_for("https://a.example", "http://mé:p%E2%82%AC@proxy.example")).startswith(
        "http://m%C3%83%C2%A9:p%C3%A2%C2%82%C2%AC@"
    )


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
