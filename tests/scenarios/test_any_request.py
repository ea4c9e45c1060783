"""The embedded server under requests as nobody would send them: it answers each, in the API's words, and goes on."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from ctrlkit.fakes.apiserver import ApiServer, Security
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.fakes.tracker.verbs.watch import WatchStream
from ctrlkit.model import ObjectKey
from ctrlkit.model.kinds import CUSTOM_RESOURCE_DEFINITIONS, NAMESPACES, SERVICES
from tests.support.memory import rss_bytes
from tests.support.requests import DEFINITIONS, Asked, Asker, batch_of, first_objects

BATCH = 25
"""Requests of one example; what one of them leaves, the next one meets."""

SCHEMATHESIS = Path(sys.prefix) / "schemathesis" / "bin" / "schemathesis"
"""Where `make schemathesis` puts it."""

FUZZED = ("apis/coordination.k8s.io/v1", "apis/policy/v1", "apis/rbac.authorization.k8s.io/v1")
"""The documents of built-in kinds that are fuzzed; those of the others would take hours."""

GROWTH_BYTES_MAX = 64 * 1024 * 1024


@dataclass
class Server:
    """A server, its state, and a connection to it."""

    runner: asyncio.Runner
    tracker: Tracker
    asker: Asker
    lines: list[Any]
    problems: list[Any]

    def ask(self, asked: Asked) -> tuple[int, dict[str, str], bytes]:
        """What comes back within half a minute."""
        return self.runner.run(asyncio.wait_for(self.asker.ask(asked), 30))


@contextmanager
def serving() -> Iterator[Server]:
    """A server with kinds of its own, one namespace that is being deleted, and an eye on what it logs."""
    tracker = Tracker()
    for definition in DEFINITIONS:
        tracker.create(CUSTOM_RESOURCE_DEFINITIONS, definition)
    for action in first_objects():
        tracker.call(action)
    tracker.create(NAMESPACES, {"metadata": {"name": "gone"}})
    tracker.delete(NAMESPACES, ObjectKey("", "gone"))
    with asyncio.Runner() as runner, capture_logs() as lines:
        problems: list[Any] = []
        runner.get_loop().set_exception_handler(lambda _, context: problems.append(context))
        serve = ApiServer(tracker, tracker.registry, security=Security.INSECURE).serve()
        server = runner.run(serve.__aenter__())
        address = urlsplit(server.url)
        asker = Asker(str(address.hostname), int(address.port or 0))
        try:
            yield Server(runner, tracker, asker, lines, problems)
        finally:
            runner.run(asker.close())
            runner.run(serve.__aexit__(None, None, None))


def state_of(tracker: Tracker) -> Any:
    """All that a request could leave behind."""
    core = tracker._core
    collections = {one.identity: [(s.key, s.version) for s in one.all()] for one in core.store.collections() if one}
    ips: Any = core.served(SERVICES).allocate.__self__  # type: ignore[attr-defined]
    return tracker.version, collections, tracker.registry.served(), set(ips._addresses), set(ips._ports), ips._next_port


def check(server: Server, asked: Asked) -> None:
    """
    A refusal is a Status of the code that HTTP says, and leaves no trace; nothing is ever logged.

    As on a real server, OpenAPI documents are refused without a body, and a write whose answer cannot be shown as asked
    (406) was carried out.
    """
    before = state_of(server.tracker)
    code, headers, body = server.ask(asked)
    is_empty = code == 406 and asked.path.startswith("/openapi")
    if code >= 400 and asked.method != "HEAD" and not is_empty and body != b"404 page not found\n":
        assert headers["content-type"].startswith("application/json"), (code, body[:200])
        status = json.loads(body)
        assert (status["kind"], status["code"], status["status"]) == ("Status", code, "Failure")
        assert status.get("reason") != "InternalError", status
    is_refused = code >= 400 and code != 406
    if is_refused or ("dryRun=All" in asked.path and asked.method in ("POST", "PUT", "PATCH")):
        assert state_of(server.tracker) == before, "a refused request left something behind"
    assert not server.lines, server.lines[0]
    assert not server.problems, server.problems[0]


def fuzz(server: Server, examples: int) -> None:
    """So many batches of requests."""

    @settings(
        max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck), derandomize=True
    )
    @given(st.integers(0, 2**64).map(lambda seed: batch_of(seed, BATCH)))
    def run(batch: list[Asked]) -> None:
        for asked in batch:
            check(server, asked)

    run()


def test_for_any_requests_the_server_answers_as_a_server_and_goes_on() -> None:
    """A Status for every failure, no trace of what was refused, no traceback."""
    with serving() as server:
        fuzz(server, 30)
        assert server.ask(Asked("GET", "/api/v1/namespaces/default"))[0] == 200


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_for_fifty_thousand_requests_memory_stays_flat() -> None:
    """What the first ten thousand leave is what all of them leave, but for the history that the tracker keeps."""
    with serving() as server:
        fuzz(server, 10_000 // BATCH)
        before = rss_bytes()
        fuzz(server, 50_000 // BATCH)
        assert server.ask(Asked("GET", "/api/v1/namespaces/default"))[0] == 200
        assert rss_bytes() - before < GROWTH_BYTES_MAX


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.skipif(not SCHEMATHESIS.exists(), reason="schemathesis is not installed: make schemathesis")
def test_for_any_requests_made_from_our_own_openapi_the_server_answers_as_a_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Of some kinds of each sort, in a process of its own: its plugin for pytest stays out of these tests.

    Watches end where they would begin to wait, as the fuzzer waits ten seconds for the end of each. There are many: any
    `watch` but false and 0 asks for one.
    """
    monkeypatch.setattr(WatchStream, "_set_timer", WatchStream.close)
    with serving() as server:
        url = f"http://{server.asker.host}:{server.asker.port}"
        _, _, body = server.ask(Asked("GET", "/openapi/v3"))
        custom = tuple(f"apis/{kind.resource.group}/" for kind in server.tracker.registry.custom())
        documents = [one for one in json.loads(body)["paths"] if one in FUZZED or one.startswith(custom)]
        assert len(documents) > len(FUZZED)
        for document in documents:
            command = [str(SCHEMATHESIS), "run", f"{url}/openapi/v3/{document}", "--url", url, "--no-color"]
            command += ["--checks", "negative_data_rejection", "--max-examples", "30", "--continue-on-failure"]
            server.runner.run(_finished(command, tmp_path))
            assert not server.lines, server.lines[0]
            assert not server.problems, server.problems[0]
        assert server.ask(Asked("GET", "/api/v1/namespaces/default"))[0] == 200


async def _finished(command: list[str], folder: Path) -> None:
    """Run a command to its end, in a folder; what it finds is not asked, only that it ran."""
    pipe, joined = asyncio.subprocess.PIPE, asyncio.subprocess.STDOUT
    process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=joined, cwd=folder)
    output, _ = await process.communicate()
    assert process.returncode in (0, 1), output.decode()[-2000:]
    assert b"Tested:" in output, output.decode()[-2000:]
