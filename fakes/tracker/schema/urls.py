"""URLs, as a server's language reads those of requests."""

from __future__ import annotations

import re

SCHEME = re.compile(r"([a-zA-Z][a-zA-Z0-9+\-.]*):")
_BAD_ESCAPE = re.compile(r"%(?![0-9a-fA-F]{2}).{0,2}", re.DOTALL)
_HOST_CHARACTER = re.compile(r"[^A-Za-z0-9\-._~!$&'()*+,;=:\[\]<>\"%\x80-\U0010ffff]")


def url_problem(text: str) -> str:  # noqa: PLR0911  # one for each thing that can be wrong
    """
    What keeps a text from being the URL of a request, empty if nothing does.

    >>> url_problem("https://example.com/a"), url_problem("example.com")
    ('', 'invalid URI for request')
    """
    if any(ord(char) < 32 or ord(char) == 127 for char in text):
        return "net/url: invalid control character in URL"
    if not text:
        return "empty url"
    if text == "*":
        return ""
    if text.startswith(":"):
        return "missing protocol scheme"
    if re.match(r"[0-9+\-.][a-zA-Z0-9+\-.]*:", text):
        return "invalid URI for request"
    scheme = SCHEME.match(text)
    rest = text[scheme.end() :] if scheme else text
    if not rest.startswith("/"):
        return "" if scheme else "invalid URI for request"
    path = rest.partition("?")[0]
    if scheme and path.startswith("//"):
        host, slash, path = path[2:].partition("/")
        if problem := _host_problem(host):
            return problem
        path = slash + path
    bad = _BAD_ESCAPE.search(path)
    return f'invalid URL escape "{bad[0]}"' if bad else ""


def _host_problem(authority: str) -> str:
    user, at, host = authority.rpartition("@")
    if at and re.search(r"[^A-Za-z0-9\-._:~!$&'()*+,;=%@]", user):
        return "net/url: invalid userinfo"
    if host.startswith("["):
        end = host.rfind("]")
        if end < 0:
            return "missing ']' in host"
        port = host[end + 1 :]
    else:
        port = host[host.find(":") :] if ":" in host else ""
    if port and not re.fullmatch(r":\d*", port):
        return f'invalid port "{port}" after host'
    if bad := _HOST_CHARACTER.search(host):
        return f'invalid character "{bad[0]}" in host name'
    escape = _BAD_ESCAPE.search(host)
    return f'invalid URL escape "{escape[0]}"' if escape else ""
