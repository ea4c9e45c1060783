"""
A replacement for bitcoin-cli: makes one RPC call.

Exit status and output are those of bitcoin-cli: 0 and the result; the absolute value of the node's error code (modulo
256), with code and message on stderr; 1 without a valid answer. It imports only the standard library, because a
readiness probe starts it every few seconds.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from ctrlkit.fakes.bitcoind.cookie import COOKIE, read_cookie
from ctrlkit.fakes.bitcoind.flags import FlagError, Flags
from ctrlkit.fakes.bitcoind.release import Release

_NUMERIC: Final = {"generate": {0, 1}, "generatetoaddress": {0, 2}, "getblockhash": {0}}
_WARMING_UP: Final = -28
_RETRY_S: Final = 1.0


class _Unreachable(FlagError):
    """Nothing listens there."""


def main(arguments: Sequence[str]) -> int:
    """
    Make the call that follows the flags; returns the exit status.

    Flags   -rpcconnect=HOST, -rpcport=PORT, -rpcuser, -rpcpassword, -rpcclienttimeout=SECONDS, -rpcwait,
            -rpcwaittimeout=SECONDS, -conf, -datadir, -regtest, -signet, -testnet4, -chain, -getinfo and -version, as
            bitcoin-cli has them. Without a password, the cookie in the data folder is used.
    """
    try:
        flags = Flags(arguments)
        if flags.is_set("version"):
            name = Release.of_tag(flags.get("release", "")).text
            sys.stdout.write(f"Bitcoin Core RPC client version v{name}, simulated by ctrlkit\n")
            return 0
        if flags.is_set("getinfo"):
            return _get_info(flags)
        if not flags.rest:
            raise FlagError("no command is given; name one, such as getnetworkinfo")
        method, *params = flags.rest
        return _report(*_wait(flags, method, [_param(method, i, text) for i, text in enumerate(params)]))
    except FlagError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1


def _param(method: str, position: int, text: str) -> Any:
    if position not in _NUMERIC.get(method, ()):
        return text
    try:
        return json.loads(text)
    except ValueError:
        raise FlagError(f"parameter {text!r} of {method} is no number; correct it") from None


def _wait(flags: Flags, method: str, params: list[Any]) -> tuple[int, bytes]:
    """Make a call; with -rpcwait, when the node serves, which is waited for."""
    limit_s = flags.number("rpcwaittimeout", 0)
    given_up_at = time.monotonic() + limit_s if limit_s else float("inf")
    while True:
        try:
            status, body = _post(flags, method, params)
            if not (flags.is_set("rpcwait") and _code_in(body) == _WARMING_UP and time.monotonic() < given_up_at):
                return status, body
        except _Unreachable:
            if not flags.is_set("rpcwait") or time.monotonic() >= given_up_at:
                raise
        time.sleep(_RETRY_S)


def _credentials(flags: Flags) -> tuple[str, str]:
    password = flags.get("rpcpassword", "")
    if password:
        return flags.get("rpcuser", ""), password
    folder = Path(flags.get("datadir", "."), flags.chain.folder)
    found = read_cookie(folder)
    if found is None:
        raise FlagError(f"there is no {COOKIE} of a node in {folder}, and no -rpcpassword; see whether the node runs")
    return found


def _post(flags: Flags, method: str, params: list[Any]) -> tuple[int, bytes]:
    host, port = flags.get("rpcconnect", "127.0.0.1"), int(flags.number("rpcport", flags.chain.rpc_port))
    try:
        user, password = _credentials(flags)
    except FlagError as error:
        raise _Unreachable(str(error)) from None
    authorization = b64encode(f"{user}:{password}".encode()).decode()
    body = json.dumps({"id": 1, "method": method, "params": params}).encode()
    head = [
        "POST / HTTP/1.1",
        f"Host: {host}",
        f"Authorization: Basic {authorization}",
        f"Content-Length: {len(body)}",
        "Connection: close",
    ]
    try:
        answer = _exchange((host, port), flags, "\r\n".join([*head, "", ""]).encode() + body)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else type(error).__name__
        raise _Unreachable(f"could not reach the server at {host}:{port} ({reason}); see whether it runs") from None
    first, _, rest = answer.partition(b"\r\n")
    words = first.split()
    status = int(words[1]) if len(words) > 1 and words[1].isdigit() else 0
    return status, rest.partition(b"\r\n\r\n")[2]


def _exchange(address: tuple[str, int], flags: Flags, request: bytes) -> bytes:
    """Send a request and read until the server closes; the standard client of HTTP takes as long to be imported."""
    with socket.create_connection(address, timeout=flags.number("rpcclienttimeout", 900) or None) as connection:
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def _code_in(body: bytes) -> int | None:
    try:
        match json.loads(body):
            case {"error": {"code": int(code)}}:
                return code
    except ValueError:
        pass
    return None


def _get_info(flags: Flags) -> int:
    """Print what is asked most: the chain, its height, the connections."""
    answers = {}
    for method in ("getnetworkinfo", "getblockchaininfo"):
        status, body = _wait(flags, method, [])
        if status != 200:
            return _report(status, body)
        answers[method] = json.loads(body)["result"]
    network, chain = answers["getnetworkinfo"], answers["getblockchaininfo"]
    lines = {
        "Chain": chain["chain"],
        "Blocks": chain["blocks"],
        "Headers": chain["headers"],
        "Verification progress": f"{100 * chain.get('verificationprogress', 1):.4f}%",
        "Difficulty": chain.get("difficulty", 0),
        "Network": f"in {network.get('connections_in', 0)}, out {network.get('connections_out', 0)}, "
        f"total {network['connections']}",
        "Version": network["version"],
        "Subversion": network["subversion"],
    }
    sys.stdout.write("".join(f"{name}: {value}\n" for name, value in lines.items()))
    return 0


def _report(status: int, body: bytes) -> int:
    if status == 401:
        sys.stderr.write("error: Authorization failed: Incorrect rpcuser or rpcpassword\n")
        return 1
    try:
        match json.loads(body):
            case {"error": {"code": int(code), "message": str(message)}}:
                sys.stderr.write(f"error code: {code}\nerror message:\n{message}\n")
                return abs(code) % 256
            case {"error": None, "result": result}:
                _print(result)
                return 0
    except ValueError:
        pass
    sys.stderr.write(f"error: server returned no JSON-RPC answer, HTTP status {status}\n")
    return 1


def _print(result: Any) -> None:
    match result:
        case None:
            pass
        case str():
            sys.stdout.write(result + "\n")
        case _:
            sys.stdout.write(json.dumps(result, indent=2) + "\n")
