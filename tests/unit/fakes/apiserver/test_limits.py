"""Every failure is a Status, and nothing a client sends or leaves unread costs more than its bound."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import chain
from typing import Any
from urllib.parse import urlsplit

import pytest
from structlog.testing import capture_logs

from ctrlkit.fakes.apiserver import ApiServer, Security
from ctrlkit.fakes.apiserver import server as server_module
from ctrlkit.fakes.tracker import Tracker, store
from ctrlkit.fakes.tracker.verbs import watch as watching
from ctrlkit.model import Action, Options, Verb
from ctrlkit.model.kinds import CONFIG_MAPS
from tests.support.memory import rss_bytes

MAPS = "/api/v1/namespaces/default/configmaps"
BODY = b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"a":"b"}}'

pytestmark = pytest.mark.real_time


@asynccontextmanager
async def serving(tracker: Tracker | None = None) -> AsyncIterator[tuple[Tracker, str, int]]:
    """A tracker over HTTP, and where it listens."""
    tracker = tracker or Tracker()
    async with ApiServer(tracker, tracker.registry, security=Security.INSECURE).serve() as server:
        address = urlsplit(server.url)
        yield tracker, str(address.hostname), int(address.port or 0)


async def exchange(host: str, port: int, sent: bytes) -> tuple[int, dict[str, str], bytes]:
    """Send bytes, whatever they are; the answer until the server closes."""
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(sent)
    try:
        head, _, body = (await asyncio.wait_for(reader.read(), 20)).partition(b"\r\n\r\n")
    finally:
        writer.close()
    first, *lines = head.decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines)
    return int(first.split()[1]), {name.lower(): value.strip() for name, _, value in pairs}, body


def request(method: str = "GET", path: str = MAPS, *, body: bytes = b"", version: str = "1.1", **headers: str) -> bytes:
    given = {
        "Host": "127.0.0.1",
        "Connection": "close",
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
    }
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"{name}: {value}" for name, value in given.items() if value]
    return "\r\n".join([f"{method} {path} HTTP/{version}", *lines, "", ""]).encode("latin-1") + body


DEEP = b'{"metadata":' + b'{"a":' * 10_000 + b"1" + b"}" * 10_001
BOMB = b'a: &a ["x","x","x","x","x","x","x","x","x"]\n' + b"".join(
    b"%c: &%c [%s]\n" % (98 + index, 98 + index, b",".join([b"*%c" % (97 + index)] * 9)) for index in range(8)
)
FAILURES = [
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, "the request is no HTTP that this server reads"),
    (b"GET\r\n\r\n", 400, "the request is no HTTP that this server reads"),
    (request("BREW POT"), 400, "the request is no HTTP that this server reads"),
    (request(A_Header="x" * 70_000), 431, "or a header than 65536"),
    (request().replace(b"\r\n", b"\r\n" + b"A: b\r\n" * 120, 1), 400, "the request is no HTTP that this server reads"),
    (request(path=f"{MAPS}?labelSelector={'a' * 1_100_000}"), 431, "the request line is longer than 1048576 bytes"),
    (request("POST", body=BODY, Content_Length="x"), 400, "the request is no HTTP that this server reads"),
    (request("POST", body=b"zz\r\n", Content_Length="", Transfer_Encoding="chunked"), 400, ""),
    (request("POST", body=gzip.compress(BODY), Content_Encoding="gzip"), 400, "the object provided is unrecognized"),
    (request("POST", body=b" " * 3_145_729), 413, "Request entity too large: limit is 3145728"),
    (request("POST", body=b"{"), 400, "unexpected end of JSON input"),
    (request("POST", body=b""), 400, "<empty>"),
    (request("POST", body=b"null"), 422, "name or generateName is required"),
    (request("POST", body=DEEP), 400, "json parse error: invalid character '{' exceeded max depth"),
    (request("POST", body=b"[" * 3_000_000), 400, "exceeded max depth"),
    (request("POST", body=BOMB, Content_Type="application/yaml"), 400, "yaml: document contains excessive aliasing"),
    (request("POST", body=b"[" * 20_000, Content_Type="application/yaml"), 400, "yaml: exceeded max depth of 10000"),
    (request("POST", body=b"- " * 20_000, Content_Type="application/yaml"), 400, "yaml: exceeded max depth of 10000"),
    (
        request("POST", body=b"a: &b {c: *b}", Content_Type="application/yaml"),
        400,
        "yaml: unknown anchor 'b' referenced",
    ),
    (request("POST", body=b"a: .inf", Content_Type="application/yaml"), 400, "yaml: unsupported value: .inf"),
    (
        request("DELETE", f"{MAPS}/a", body=b'{"gracePeriodSeconds":"x"}'),
        400,
        "Go struct field DeleteOptions.gracePeriodSeconds of type int64",
    ),
    (
        request("DELETE", f"{MAPS}/a", body=b'{"preconditions":{"uid":3}}'),
        400,
        "Go struct field Preconditions.preconditions.uid of type types.UID",
    ),
    (request("PATCH", path=MAPS), 405, "the server does not allow this method on the requested resource"),
    (
        request(path=f"{MAPS}?continue=eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6OTk5OSwic3RhcnQiOiJhXHUwMDAwIn0"),
        504,
        "Too large resource version: 9999",
    ),
]


@pytest.mark.parametrize(("sent", "code", "words"), FAILURES, ids=range(len(FAILURES)))
async def test_every_failure_is_a_status_and_leaves_no_trace(sent: bytes, code: int, words: str) -> None:
    async with serving() as (tracker, host, port):
        before = tracker.version
        found, headers, body = await exchange(host, port, sent)
        status = json.loads(body)
        assert (found, status["kind"], status["code"], status["status"]) == (code, "Status", code, "Failure")
        assert words in status["message"]
        assert headers["content-type"].startswith("application/json")
        assert tracker.version == before
        assert (await exchange(host, port, request(path="/healthz")))[0] == 200


async def test_what_nobody_foresaw_is_a_status_and_a_line_in_the_log() -> None:
    """The line has the traceback, the answer has not."""

    class Broken(Tracker):
        async def do(self, action: Action) -> bytes:
            raise LookupError("secret")

    with capture_logs() as lines:
        async with serving(Broken()) as (_, host, port):
            code, _, body = await exchange(host, port, request())
    status = json.loads(body)
    assert (code, status["reason"], status["message"]) == (500, "InternalError", "Internal error occurred: LookupError")
    (line,) = lines
    assert (line["event"], line["method"], line["path"], line["exc_info"]) == ("request_failed", "GET", MAPS, True)


async def test_a_watch_over_http_1_0_ends_with_its_connection() -> None:
    """There are no chunks in that version."""
    async with serving() as (tracker, host, port):
        tracker.create(CONFIG_MAPS, {"metadata": {"name": "a", "namespace": "default"}})
        sent = request(
            path=f"{MAPS}?watch=true&timeoutSeconds=1&resourceVersion=0", version="1.0", Connection="keep-alive"
        )
        code, headers, body = await exchange(host, port, sent)
        assert (code, headers.get("transfer-encoding")) == (200, None)
        assert json.loads(body)["type"] == "ADDED"


async def test_text_that_is_no_unicode_is_replaced_as_the_server_does_it() -> None:
    async with serving() as (tracker, host, port):
        for name, text in (("b", b"\xff"), ("c", b"\\ud800"), ("d", b"\\ud83d\\ude00"), ("e", b"\\\\ud800")):
            sent = BODY.replace(b'"name":"a"', b'"name":"%b"' % name.encode()).replace(b'"b"}}', b'"%b"}}' % text)
            assert (await exchange(host, port, request("POST", body=sent)))[0] == 201
        found = {one.key.name: one.at("data.a") for one in tracker.list(CONFIG_MAPS, "default")}
        assert found == {"b": "\ufffd", "c": "\ufffd", "d": "\U0001f600", "e": "\\ud800"}


async def test_warnings_fit_into_headers() -> None:
    """However many unknown fields there are, however long and odd they are: of all texts together 4,096 letters."""
    async with serving() as (_, host, port):
        fields = {f"x{number}" * 50: 1 for number in range(500)} | {"odd\nname": 1}
        body = json.dumps(json.loads(BODY) | fields).encode()
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(request("POST", body=body))
        head = (await reader.read()).partition(b"\r\n\r\n")[0]
        writer.close()
        assert head.startswith(b"HTTP/1.1 201")
        warnings = [line for line in head.split(b"\r\n") if line.startswith(b"Warning")]
        assert len(warnings) == 28
        assert sum(map(len, warnings)) < 6_000


# ---- watches ---------------------------------------------------------------------------------------------------------


async def open_silent(host: str, port: int, count: int) -> list[socket.socket]:
    """Watches whose clients never read, with small buffers of the kernel's."""
    loop = asyncio.get_running_loop()
    silent = []
    for _ in range(count):
        client = socket.socket()
        client.setblocking(False)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        await loop.sock_connect(client, (host, port))
        await loop.sock_sendall(client, request(path=f"{MAPS}?watch=true&resourceVersion=0", Connection="keep-alive"))
        silent.append(client)
    return silent


async def until(holds: Any) -> None:
    async with asyncio.timeout(30):
        while not holds():  # noqa: ASYNC110 - what it waits for is sockets
            await asyncio.sleep(0.01)


async def test_watches_that_are_not_read_hold_next_to_nothing() -> None:
    """A hundred of them, six writes of half a megabyte: 300 MB, if each kept what it has not sent."""
    async with serving() as (tracker, host, port):
        silent = await open_silent(host, port, 100)
        await until(lambda: len(tracker._watches) == 100)
        body: dict[str, Any] = {"metadata": {"name": "big", "namespace": "default"}}
        tracker.create(CONFIG_MAPS, body)
        before = rss_bytes()
        for number in range(6):
            tracker.update(CONFIG_MAPS, body | {"data": {"a": str(number) * 500_000}})
            await asyncio.sleep(0.05)
        assert rss_bytes() - before < 60 * 1024 * 1024
        for client in silent:
            client.close()
        await until(lambda: not tracker._watches)


async def test_a_client_that_takes_nothing_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "STALL_S", 0.2)
    async with serving() as (tracker, host, port):
        (client,) = await open_silent(host, port, 1)
        await until(lambda: len(tracker._watches) == 1)
        body: dict[str, Any] = {"metadata": {"name": "big", "namespace": "default"}}
        tracker.create(CONFIG_MAPS, body)
        for number in range(12):
            tracker.update(CONFIG_MAPS, body | {"data": {"a": str(number % 10) * 900_000}})
        await until(lambda: not tracker._watches)
        client.close()


async def test_a_slow_client_gets_all_of_it() -> None:
    """Lines of any size, whole and in order."""
    async with serving() as (tracker, host, port):
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(request(path=f"{MAPS}?watch=true&timeoutSeconds=1&resourceVersion=0", version="1.0"))
        await reader.readuntil(b"\r\n\r\n")
        body: dict[str, Any] = {"metadata": {"name": "big", "namespace": "default"}}
        tracker.create(CONFIG_MAPS, body)
        sizes = [10, 500_000, 16_384, 3, 40_000, 700_000, 1]
        for number, size in enumerate(sizes):
            tracker.update(CONFIG_MAPS, body | {"data": {"a": str(number) * size}})
        lines = [json.loads(line) for line in (await reader.read()).splitlines()]
        writer.close()
        assert [line["type"] for line in lines] == ["ADDED", *["MODIFIED"] * len(sizes)]
        assert [line["object"]["data"]["a"] for line in lines[1:]] == [
            str(number) * size for number, size in enumerate(sizes)
        ]


async def test_large_lines_are_shared_between_watches_and_come_in_batches() -> None:
    """Both those of changes and those a watch begins with."""
    tracker = Tracker()
    for number in range(5):
        metadata = {"name": f"big-{number}", "namespace": "default"}
        tracker.create(CONFIG_MAPS, {"metadata": metadata, "data": {"a": "x" * 100_000}})
    action = Action(verb=Verb.WATCH, resource=CONFIG_MAPS, options=Options(resource_version="0"))
    async with tracker.watch(action) as one, tracker.watch(action) as other:
        batches = [[list(await anext(lines.__aiter__())) for _ in range(3)] for lines in (one, other)]
        assert [len(batch) for batch in batches[0]] == [2, 2, 1]
        assert all(mine is theirs for mine, theirs in zip(chain(*batches[0]), chain(*batches[1]), strict=True))
        assert tracker.busy() == ()
        for number in range(5):
            metadata = {"name": f"big-{number}", "namespace": "default"}
            tracker.update(CONFIG_MAPS, {"metadata": metadata, "data": {"a": "y" * 100_000}})
        assert len(tracker.busy()) == 2
        batches = [[list(await anext(lines.__aiter__())) for _ in range(3)] for lines in (one, other)]
        assert [len(batch) for batch in batches[0]] == [2, 2, 1]
        assert all(mine is theirs for mine, theirs in zip(chain(*batches[0]), chain(*batches[1]), strict=True))
        assert all(sum(map(len, batch[:-1])) <= watching.BATCH_BYTES_MAX for batch in batches[0])


async def test_the_log_keeps_no_more_than_its_size_and_who_is_behind_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a server compacts: a watch that was too slow gets 410, a new one the newest state."""
    monkeypatch.setattr(store, "KEPT_BYTES", 1_000_000)
    tracker = Tracker()
    body: dict[str, Any] = {"metadata": {"name": "big", "namespace": "default"}}
    tracker.create(CONFIG_MAPS, body)
    collection = tracker._core.store.collection(CONFIG_MAPS.identity)
    async with tracker.watch(Action(verb=Verb.WATCH, resource=CONFIG_MAPS)) as lines:
        for number in range(60):
            tracker.update(CONFIG_MAPS, body | {"data": {"a": str(number % 10) * 100_000}})
            assert collection.kept_bytes == sum(change.size_bytes for change in collection.changes) <= 1_100_000
        *_, line = await anext(lines.__aiter__())
        assert json.loads(line)["object"]["code"] == 410
    assert tracker.get(CONFIG_MAPS, "default/big").at("data.a") == "9" * 100_000


@pytest.mark.parametrize(
    ("selector", "code"), [("a," * 100_000, 400), ("a in (" + "b," * 100_000, 400), ("(" * 400_000, 400)], ids=range(3)
)
@pytest.mark.long
async def test_a_selector_as_long_as_a_request_may_be_takes_linear_time(selector: str, code: int) -> None:
    """Where it took the square of that, this test would not end within its time limit."""
    async with serving() as (_, host, port):
        found, _, _ = await exchange(host, port, request(path=f"{MAPS}?labelSelector={selector.replace(' ', '%20')}"))
        assert found == code


@pytest.mark.parametrize(
    ("patch_type", "query"),
    [("strategic-merge-patch+json", ""), ("merge-patch+json", ""), ("apply-patch+yaml", "?fieldManager=m&force=true")],
)
async def test_a_patch_of_many_items_takes_linear_time(patch_type: str, query: str) -> None:
    """Ten thousand owners, twice."""
    owners = [{"apiVersion": "v1", "kind": "X", "name": "n", "uid": str(number)} for number in range(10_000)]
    body = json.dumps(json.loads(BODY) | {"metadata": {"name": "a", "ownerReferences": owners}}).encode()
    patch = request("PATCH", f"{MAPS}/a{query}", body=body, Content_Type=f"application/{patch_type}")
    async with serving() as (_, host, port):
        assert (await exchange(host, port, request("POST", body=BODY)))[0] == 201
        for _ in range(2):
            assert (await exchange(host, port, patch))[0] == 200
