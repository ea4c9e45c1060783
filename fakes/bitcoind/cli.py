"""
A replacement for bitcoin-cli: makes one RPC call.

Exit status and output are those of bitcoin-cli: 0 and the result; the absolute value of the node's error code (modulo
256), with code and message on stderr; 1 without a valid answer. It imports only the standard library, because a
readiness probe starts it every few seconds.
"""

from __future__ import annotations

import http.client
import json
import sys
from base64 import b64encode
from collections.abc import Sequence
from typing import Any, Final

from ctrlkit.fakes.bitcoind.flags import FlagError, Flags

_RPC_PORT: Final = 18332
_NUMERIC: Final = {"generate": {0, 1}, "generatetoaddress": {0, 2}}


def main(arguments: Sequence[str]) -> int:
    """
    Make the call that follows the flags; returns the exit status.

    Flags   -rpcconnect=HOST, -rpcport=PORT, -rpcuser, -rpcpassword, -rpcclienttimeout=SECONDS, -conf, -datadir, as
            bitcoin-cli has them.
    """
    try:
        flags = Flags(arguments)
        if not flags.rest:
            raise FlagError("no command is given; name one, such as getnetworkinfo")
        method, *params = flags.rest
        status, body = _post(flags, method, [_param(method, i, text) for i, text in enumerate(params)])
    except FlagError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return _report(status, body)


def _param(method: str, position: int, text: str) -> Any:
    if position not in _NUMERIC.get(method, ()):
        return text
    try:
        return json.loads(text)
    except ValueError:
        raise FlagError(f"parameter {text!r} of {method} is no number; correct it") from None


def _post(flags: Flags, method: str, params: list[Any]) -> tuple[int, bytes]:
    host, port = flags.get("rpcconnect", "127.0.0.1"), int(flags.number("rpcport", _RPC_PORT))
    user_and_password = f"{flags.require('rpcuser')}:{flags.require('rpcpassword')}"
    connection = http.client.HTTPConnection(host, port, timeout=flags.number("rpcclienttimeout", 900))
    headers = {"Authorization": "Basic " + b64encode(user_and_password.encode()).decode()}
    try:
        connection.request("POST", "/", json.dumps({"id": 1, "method": method, "params": params}), headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
        raise FlagError(f"could not reach the server at {host}:{port} ({reason}); see whether it runs") from None
    finally:
        connection.close()


def _report(status: int, body: bytes) -> int:
    if status == 401:
        sys.stderr.write("error: incorrect rpcuser or rpcpassword (authorization failed)\n")
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
