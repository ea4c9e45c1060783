"""What probes say of a container, in the words of the kubelet and of the libraries that it asks with. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from yarl import URL

from ctrlkit.fakes.cluster.node.runtime import Exec, Grpc, HttpGet, ProbeAction, ProbeResult, TcpSocket

BODY_LIMIT = 10 * 1024
"""How much of an answer is read, in bytes."""


def url_of(action: HttpGet, address: str) -> str:
    """
    Return the URL that a probe asks; nothing in the path can change host or port.

    >>> url_of(HttpGet(8080, "/healthz?full=1"), "10.1.0.7"), url_of(HttpGet(80, "@evil.example/"), "10.1.0.7")
    ('http://10.1.0.7:8080/healthz?full=1', 'http://10.1.0.7:80/@evil.example/')
    >>> url_of(HttpGet(8080, "a b", scheme="https", host="::1"), ""), url_of(HttpGet(8080, ""), "10.1.0.7")
    ('https://[::1]:8080/a%20b', 'http://10.1.0.7:8080')
    """
    rest, hash_mark, fragment = action.path.partition("#")
    path, _, query = rest.partition("?")
    path = f"/{path}".replace("//", "/", 1) if path else ""
    written = str(URL.build(path=path, query_string=query, fragment=fragment if hash_mark else ""))
    return f"{action.scheme}://{_joined(action.host or address, action.port)}{written}"


def _joined(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def http_answer(status: int, body: str = "") -> ProbeResult:
    """
    Return what follows from an answer with a status: the body of one that fails is not shown.

    >>> http_answer(500, "secret").output, http_answer(204).ok, http_answer(302, "elsewhere").output
    ('HTTP probe failed with statuscode: 500', True, 'Probe terminated redirects, Response body: elsewhere')
    """
    if 200 <= status < 300:
        return ProbeResult(ok=True, output=body, status=status)
    if 300 <= status < 400:
        text = f"Probe terminated redirects, Response body: {body}"
        return ProbeResult(ok=True, output=text, warns=True, status=status)
    return ProbeResult(ok=False, output=f"HTTP probe failed with statuscode: {status}", status=status)


def refused(action: ProbeAction, address: str, *, timeout_s: float = 1.0) -> ProbeResult:
    """
    Return what is said where nothing listens.

    >>> print(refused(HttpGet(80, "/"), "10.1.0.7").output)
    Get "http://10.1.0.7:80/": dial tcp 10.1.0.7:80: connect: connection refused
    """
    return no_connection(action, address, "connect: connection refused", timeout_s=timeout_s)


def no_connection(action: ProbeAction, address: str, why: str, *, timeout_s: float = 1.0) -> ProbeResult:
    """Return what is said where no connection comes about; a gRPC client tries again until its time is over."""
    match action:
        case HttpGet(port=port, host=host):
            return no_answer(action, address, f"dial tcp {_joined(host or address, port)}: {why}")
        case TcpSocket(port, host):
            return ProbeResult(ok=False, output=f"dial tcp {_joined(host or address, port)}: {why}")
        case _:
            return timed_out(action, address, timeout_s=timeout_s)


def no_answer(action: HttpGet, address: str, why: str) -> ProbeResult:
    """Return what is said of a request that nothing useful answers."""
    return ProbeResult(ok=False, output=f'Get "{url_of(action, address)}": {why}')


def timed_out(action: ProbeAction, address: str, *, timeout_s: float) -> ProbeResult:
    """
    Return what is said when the time is over.

    >>> print(timed_out(Exec(("sh", "-c", "sleep 9")), "", timeout_s=1).output)
    command timed out: "sh -c sleep 9" timed out after 1s
    >>> print(timed_out(TcpSocket(80), "10.1.0.7", timeout_s=90).output)
    dial tcp 10.1.0.7:80: i/o timeout
    """
    match action:
        case Exec(command):
            return ProbeResult(ok=False, output=command_timed_out(command, timeout_s))
        case TcpSocket():
            return no_connection(action, address, "i/o timeout")
        case HttpGet():
            return no_answer(
                action, address, "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
            )
        case Grpc(port):
            where = f'"{_joined(address, port)}" within {go_duration(timeout_s)}'
            return ProbeResult(
                ok=False, output=f"timeout: failed to connect service {where}: context deadline exceeded"
            )


def command_timed_out(command: Sequence[str], timeout_s: float) -> str:
    """Say that a command took longer than it may."""
    return f'command timed out: "{" ".join(command)}" timed out after {go_duration(timeout_s)}'


def grpc_answer(status: str) -> ProbeResult:
    """
    Return what follows from the status in an answer of grpc.health.v1.Health.

    >>> grpc_answer("SERVING").ok, grpc_answer("NOT_SERVING").output
    (True, 'service unhealthy (responded with "NOT_SERVING")')
    """
    if status == "SERVING":
        return ProbeResult(ok=True, output="service healthy")
    return ProbeResult(ok=False, output=f'service unhealthy (responded with "{status}")')


def go_duration(seconds: float) -> str:
    """
    Write seconds as Go does.

    >>> go_duration(1), go_duration(90), go_duration(3600), go_duration(0.3)
    ('1s', '1m30s', '1h0m0s', '300ms')
    """
    if 0 < seconds < 1:
        return f"{round(seconds * 1000)}ms"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes}m{rest}s"
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
