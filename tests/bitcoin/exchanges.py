"""
What nodes are asked and answer, as data: the exchanges in core/exchanges.json, and how they are held against a node.

An exchange of Bitcoin Core has a request, and the HTTP status and an example of the answer to it. Values of an example
say of which type a field is, and nothing more; codes of errors, the first lines of their messages, ids and statuses
count as they are. The head of the file says of which tag of Bitcoin Core they are, each exchange in which files of its
source they are to be found. `sv.json` has what Bitcoin SV answers otherwise, by the name of the exchange.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp

from ctrlkit.bitcoin.rpc import Credentials

_FOLDER: Final = Path(__file__).parent / "core"
_ANY_NAMES: Final = ("bytessent_per_msg", "bytesrecv_per_msg")
"""Objects whose fields are those that there happen to be."""

_AS_THEY_ARE: Final = ("code", "id", "jsonrpc")


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """
    A request and the answer to it.

    Shape   `request` is JSON, or a text that is sent as it is; `at` says to which of the nodes. `client` is the call of
            an RpcClient that makes such a request, and what it gives or raises. `source` are files of Bitcoin Core.
    """

    name: str
    source: tuple[str, ...]
    request: Any
    status: int
    answer: Any
    at: str = "node"
    optional: tuple[str, ...] = ()
    credentials: str = "right"
    http: str = "POST"
    path: str = "/"
    headers: Mapping[str, str] = field(default_factory=dict)
    client: Mapping[str, Any] = field(default_factory=dict)

    @property
    def body(self) -> bytes:
        """What is sent."""
        return (self.request if isinstance(self.request, str) else json.dumps(self.request)).encode()

    @property
    def answer_body(self) -> bytes:
        """What is sent back."""
        return b"" if self.answer is None else json.dumps(self.answer).encode()


def exchanges(hosts: Mapping[str, str] | None = None) -> list[Exchange]:
    """Read the exchanges, with other addresses in place of those in the file."""
    text = (_FOLDER / "exchanges.json").read_text()
    for there, here in (hosts or {}).items():
        text = text.replace(f'"{there}"', f'"{here}"').replace(f'"{there}:', f'"{here}:')
    found = json.loads(text)["exchanges"]
    return [Exchange(**one | {name: tuple(one.get(name, ())) for name in ("source", "optional")}) for one in found]


def written_from() -> tuple[str, str]:
    """Read of which tag of Bitcoin Core, and of which commit, the exchanges are."""
    head = json.loads((_FOLDER / "exchanges.json").read_text())
    return head["tag"], head["commit"]


def differences_of_sv() -> dict[str, list[str]]:
    """Read what Bitcoin SV answers otherwise."""
    differences: dict[str, list[str]] = json.loads((_FOLDER / "sv.json").read_text())["differences"]
    return differences


async def perform(exchange: Exchange, hosts: Mapping[str, str], credentials: Credentials) -> list[str]:
    """Send a request to the host of its node; return in what the answer differs."""
    headers = {"Content-Type": "application/json"}
    if exchange.credentials != "none":
        password = credentials.password if exchange.credentials == "right" else "wrong"
        headers["Authorization"] = "Basic " + b64encode(f"{credentials.user}:{password}".encode()).decode()
    url = f"http://{hosts[exchange.at]}:18332{exchange.path}"
    async with (
        aiohttp.ClientSession() as session,
        session.request(exchange.http, url, data=exchange.body, headers=headers) as answer,
    ):
        body = await answer.text()
        found = [] if answer.status == exchange.status else [f"status {answer.status}, not {exchange.status}"]
        found += [f"header {name}" for name, value in exchange.headers.items() if answer.headers.get(name) != value]
    if found:
        return found
    if not isinstance(exchange.answer, dict | list):
        return [] if bool(body) == (exchange.answer is not None) else ["a body" if body else "no body"]
    return list(_differences(exchange.answer, json.loads(body), "", frozenset(exchange.optional)))


def _differences(example: Any, found: Any, where: str, optional: frozenset[str]) -> Iterator[str]:
    """
    Yield in what a value differs from an example.

    >>> list(_differences({"a": [{"b": 1}], "c": ""}, {"a": [{"b": "x"}], "d": 1}, "", frozenset()))
    ['a.b: str, not number', 'c: missing', 'd: more']
    """
    name = where.rpartition(".")[2]
    if name in _AS_THEY_ARE and example != found:
        yield f"{where}: {found}, not {example}"
    elif name == "message" and (first := found.partition("\n")[0]) != example:
        yield f"{where}: {first}"
    elif _kind(example) != _kind(found):
        yield f"{where or 'the answer'}: {_kind(found)}, not {_kind(example)}"
    elif isinstance(example, dict) and name not in _ANY_NAMES:
        yield from _differences_of_fields(example, found, where, optional)
    elif isinstance(example, list):
        if example and found and isinstance(example[0], dict) and len(example) != len(found):
            yield f"{where or 'the answer'}: {len(found)}, not {len(example)}"
        for one, other in zip(example, found, strict=False):
            yield from _differences(one, other, where, optional)


def _differences_of_fields(
    example: dict[str, Any], found: dict[str, Any], where: str, optional: frozenset[str]
) -> Iterator[str]:
    for key in sorted(example.keys() | found.keys()):
        path = f"{where}.{key}".lstrip(".")
        if key in example and key in found:
            yield from _differences(example[key], found[key], path, optional)
        elif key not in optional:
            yield f"{path}: {'more' if key in found else 'missing'}"


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    return "number" if isinstance(value, int | float) else type(value).__name__
