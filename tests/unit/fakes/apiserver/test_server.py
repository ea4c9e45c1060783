"""HTTP in, Actions out, answers and refusals back: over loopback, before a transport that follows a script."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from ctrlkit import errors
from ctrlkit.fakes.apiserver import ApiServer, PortTaken, Security
from ctrlkit.fakes.tracker import Registry
from ctrlkit.model import Action, Lines, Verb

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
CONFIG_MAPS = "/api/v1/namespaces/demo/configmaps"


class Script:
    """A transport that notes each Action and answers with what the test put in."""

    def __init__(self) -> None:
        self.actions: list[Action] = []
        self.answer: bytes | Exception = b"{}"
        self.batches: asyncio.Queue[Sequence[bytes] | Exception | None] = asyncio.Queue()
        self.open_watches = 0

    async def do(self, action: Action) -> bytes:
        """Answer, or raise, as the script says."""
        self.actions.append(action)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    @asynccontextmanager
    async def watch(self, action: Action) -> AsyncIterator[Lines]:
        """Hand out the queued batches; None ends the stream."""
        self.actions.append(action)
        if isinstance(self.answer, Exception):
            raise self.answer
        self.open_watches += 1
        try:
            yield self._lines()
        finally:
            self.open_watches -= 1

    async def _lines(self) -> Lines:
        while (batch := await self.batches.get()) is not None:
            if isinstance(batch, Exception):
                raise batch
            yield batch


class Caller:
    """A client session that speaks to the server by path, and the script behind the server."""

    def __init__(self, server: ApiServer, session: aiohttp.ClientSession, script: Script) -> None:
        self.server = server
        self.session = session
        self.script = script

    async def ask(self, method: str, path: str, **options: Any) -> tuple[int, Any]:
        """Status and body of an answer; the body decoded where it is JSON."""
        async with self.session.request(method, self.server.url + path, **options) as response:
            is_json = response.content_type == "application/json"
            return response.status, await (response.json() if is_json else response.text())


@asynccontextmanager
async def calling() -> AsyncIterator[Caller]:
    """A server before a script, and a client of it; who may speak to it is the matter of test_apiserver_access.py."""
    script = Script()
    server = ApiServer(script, Registry(), security=Security.INSECURE)
    async with server.serve(), aiohttp.ClientSession(headers={"Content-Type": "application/json"}) as session:
        yield Caller(server, session, script)


def a_config_map(name: str = "a") -> bytes:
    """One ConfigMap as JSON."""
    return f'{{"kind":"ConfigMap","apiVersion":"v1","metadata":{{"name":"{name}","resourceVersion":"7"}}}}'.encode()


async def test_a_request_becomes_an_action_and_the_answer_goes_back_unchanged() -> None:
    """What the transport says is what the client reads, byte for byte."""
    async with calling() as caller:
        caller.script.answer = a_config_map()
        async with caller.session.get(f"{caller.server.url}{CONFIG_MAPS}/a") as response:
            assert (response.status, response.content_type) == (200, "application/json")
            assert await response.read() == a_config_map()
        assert [str(action) for action in caller.script.actions] == ["get configmaps demo/a"]


async def test_a_create_is_201_and_all_else_200() -> None:
    """The status tells what happened; a delete passes on the transport's Status."""
    async with calling() as caller:
        caller.script.answer = a_config_map()
        merge = {"Content-Type": "application/merge-patch+json"}
        assert (await caller.ask("POST", CONFIG_MAPS, data=a_config_map()))[0] == 201
        assert (await caller.ask("PUT", f"{CONFIG_MAPS}/a", data=a_config_map()))[0] == 200
        assert (await caller.ask("PATCH", f"{CONFIG_MAPS}/a", data=b"{}", headers=merge))[0] == 200
        caller.script.answer = b'{"kind":"Status","status":"Success"}'
        assert await caller.ask("DELETE", f"{CONFIG_MAPS}/a") == (200, {"kind": "Status", "status": "Success"})
        verbs = [action.verb for action in caller.script.actions]
        assert verbs == [Verb.CREATE, Verb.UPDATE, Verb.PATCH, Verb.DELETE]


async def test_what_the_server_says_besides_is_in_warning_headers_and_doubled_fields_are_among_it() -> None:
    """A header for each text; strict callers are refused, and those who ignore it hear nothing."""
    async with calling() as caller:
        caller.script.answer = a_config_map()
        doubled = b'{"metadata":{"name":"a","name":"a"},"data":{},"data":{}}'
        async with caller.session.post(caller.server.url + CONFIG_MAPS, data=doubled) as response:
            wanted = [f'299 - "duplicate field \\"{path}\\""' for path in ("metadata.name", "data")]
            assert response.headers.getall("Warning") == wanted
        code, body = await caller.ask("POST", f"{CONFIG_MAPS}?fieldValidation=Strict", data=doubled)
        assert (code, body["message"]) == (
            400,
            'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: '
            'duplicate field "metadata.name", duplicate field "data"',
        )
        url = f"{caller.server.url}{CONFIG_MAPS}?fieldValidation=Ignore"
        async with caller.session.post(url, data=doubled) as response:
            assert (response.status, "Warning" in response.headers) == (201, False)


async def test_a_refusal_is_a_status_with_its_code_and_patience() -> None:
    """An ApiError of the transport travels whole; Retry-After is a header too."""
    async with calling() as caller:
        caller.script.answer = errors.TooManyRequests("slow down", retry_after_s=3)
        async with caller.session.get(f"{caller.server.url}{CONFIG_MAPS}") as response:
            body = await response.json()
            assert (response.status, response.headers["Retry-After"]) == (429, "3")
        assert (body["kind"], body["status"], body["reason"]) == ("Status", "Failure", "TooManyRequests")
        assert body["details"] == {"retryAfterSeconds": 3}


@pytest.mark.parametrize(
    ("method", "path", "options", "code", "message"),
    [
        ("GET", "/api/v1/namespaces/demo/widgets", {}, 404, "the server could not find the requested resource"),
        ("GET", f"{CONFIG_MAPS}/a/status", {}, 404, "the server could not find the requested resource"),
        ("PUT", CONFIG_MAPS, {}, 405, "the server does not allow this method on the requested resource"),
        ("POST", "/api/v1/configmaps", {}, 405, "the server does not allow this method on the requested resource"),
        (
            "POST",
            CONFIG_MAPS,
            {"data": b"a", "headers": {"Content-Type": "text/plain"}},
            415,
            "the body of the request was in an unknown format - accepted media types include: application/json",
        ),
        (
            "PATCH",
            f"{CONFIG_MAPS}/a",
            {"data": b"{}", "headers": {"Content-Type": "application/json"}},
            415,
            "415: Unsupported Media Type",
        ),
        (
            "GET",
            CONFIG_MAPS,
            {"headers": {"Accept": "application/json;as=Odd"}},
            406,
            "only the following media types are accepted: application/json, application/yaml, "
            "application/vnd.kubernetes.protobuf",
        ),
        (
            "POST",
            CONFIG_MAPS,
            {"data": b"{nope"},
            400,
            "the object provided is unrecognized (must be of type ConfigMap): couldn't get version/kind; "
            "json parse error: invalid character 'n' looking for beginning of object key string ({nope)",
        ),
        (
            "PATCH",
            f"{CONFIG_MAPS}/a",
            {"data": b"[{", "headers": {"Content-Type": "application/json-patch+json"}},
            400,
            "error decoding patch: unexpected end of JSON input",
        ),
        (
            "GET",
            f"{CONFIG_MAPS}?includeObject=All",
            {"headers": {"Accept": TABLE}},
            400,
            "Unable to convert to Table as requested: includeObject: Invalid value",
        ),
    ],
)
async def test_what_cannot_be_served_is_refused_in_the_words_of_a_real_server(
    method: str, path: str, options: dict[str, Any], code: int, message: str
) -> None:
    """The transport never sees such a request."""
    async with calling() as caller:
        status, body = await caller.ask(method, path, **options)
        assert (status, body["code"], body["kind"]) == (code, code, "Status")
        assert body["message"].startswith(message)
        assert caller.script.actions == []


async def test_a_method_that_is_not_allowed_names_those_that_are() -> None:
    """The Allow header is how HTTP says it."""
    async with calling() as caller, caller.session.put(f"{caller.server.url}{CONFIG_MAPS}") as response:
        assert (response.status, response.headers["Allow"]) == (405, "GET, HEAD, POST, DELETE")


@pytest.mark.parametrize("path", ["/nope", "/apis/nope", "/apis/nope.example.com/v1/widgets"])
async def test_a_path_without_an_api_is_plain_text(path: str) -> None:
    """Clients tell an API that is not there from an object that is not there."""
    async with calling() as caller:
        assert await caller.ask("GET", path) == (404, "404 page not found\n")


@pytest.mark.parametrize("path", ["/api/v9", "/api/v9/pods", "/apis/apps/v1beta1", "/apis/apps/v1/nope"])
async def test_what_is_missing_in_a_group_of_the_release_is_a_status(path: str) -> None:
    async with calling() as caller:
        status, body = await caller.ask("GET", path)
        assert (status, body["message"]) == (404, "the server could not find the requested resource")


@pytest.mark.parametrize(
    ("path", "status"), [("/api", 405), ("/api/v1", 405), ("/apis/apps/v1", 405), ("/version", 405), ("/apis", 200)]
)
async def test_discovery_of_the_releases_groups_is_read_with_get_only(path: str, status: int) -> None:
    async with calling() as caller:
        for method in ("POST", "DELETE", "HEAD"):
            assert (await caller.ask(method, path))[0] == status


async def test_a_body_beyond_3_mib_is_refused() -> None:
    """The limit a real server has."""
    async with calling() as caller:
        status, body = await caller.ask("POST", CONFIG_MAPS, data=io.BytesIO(b" " * (3 * 1024 * 1024 + 1)))
        assert (status, body["reason"]) == (413, "RequestEntityTooLarge")
        assert body["message"] == "Request entity too large: limit is 3145728"


async def test_yaml_bodies_are_read() -> None:
    """`kubectl apply --server-side` sends them."""
    async with calling() as caller:
        headers = {"Content-Type": "application/apply-patch+yaml"}
        await caller.ask("PATCH", f"{CONFIG_MAPS}/a?fieldManager=m", data="data: {k: v}", headers=headers)
        assert caller.script.actions[0].body == {"data": {"k": "v"}}


async def test_no_answer_from_the_transport_is_no_answer_to_the_client() -> None:
    """A connection that breaks is the truth; a made-up 500 would not be."""
    async with calling() as caller:
        caller.script.answer = errors.Unreachable("down")
        with pytest.raises(aiohttp.ClientConnectionError):
            await caller.ask("GET", CONFIG_MAPS)


async def test_tables_and_metadata_are_sent_to_those_who_ask() -> None:
    """The Accept header chooses the form of the same answer."""
    metadata = TABLE.replace("Table", "PartialObjectMetadata")
    async with calling() as caller:
        caller.script.answer = a_config_map()
        _, table = await caller.ask("GET", f"{CONFIG_MAPS}/a", headers={"Accept": TABLE})
        _, alone = await caller.ask("GET", f"{CONFIG_MAPS}/a", headers={"Accept": metadata})
        assert (table["kind"], table["rows"][0]["cells"]) == ("Table", ["a", 0, "<unknown>"])
        assert alone["kind"] == "PartialObjectMetadata"


@pytest.mark.parametrize(("version", "status"), [("v1", 200), ("v1beta1", 200), ("v1beta2", 406)])
async def test_tables_come_by_the_version_that_was_asked_for(version: str, status: int) -> None:
    """Old clients ask for v1beta1; the table and the metadata in its rows are called so, and not what texts say."""
    text = '"apiVersion":"meta.k8s.io/v1"'
    asked = f"application/json;as=Table;v={version};g=meta.k8s.io"
    async with calling() as caller:
        annotated = {"name": "a", "namespace": "default", "annotations": {"text": text}}
        caller.script.answer = json.dumps({"kind": "ConfigMap", "apiVersion": "v1", "metadata": annotated}).encode()
        got, table = await caller.ask("GET", f"{CONFIG_MAPS}/a", headers={"Accept": asked})
        assert got == status
        if status == 200:
            row = table["rows"][0]["object"]
            assert table["apiVersion"] == row["apiVersion"] == f"meta.k8s.io/{version}"
            assert row["metadata"]["annotations"] == {"text": text}


# ---------------------------------------------------------------------------------------------------------------------
# Watches
# ---------------------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def watching(caller: Caller, **headers: str) -> AsyncIterator[aiohttp.ClientResponse]:
    """An open watch of ConfigMaps."""
    async with caller.session.get(f"{caller.server.url}{CONFIG_MAPS}?watch=1", headers=headers) as response:
        yield response


def added(name: str = "a") -> bytes:
    """One line of a watch."""
    return b'{"type":"ADDED","object":' + a_config_map(name) + b"}"


async def test_watch_lines_arrive_as_they_come() -> None:
    """Headers come at once, each batch as soon as the transport has it, and the end when it ends."""
    async with calling() as caller, watching(caller) as response:
        assert (response.status, response.content_type) == (200, "application/json")
        await caller.script.batches.put([added("a"), added("b")])
        assert await response.content.readline() == added("a") + b"\n"
        assert await response.content.readline() == added("b") + b"\n"
        await caller.script.batches.put([added("c")])
        assert await response.content.readline() == added("c") + b"\n"
        await caller.script.batches.put(None)
        assert await response.content.read() == b""


async def test_a_watch_that_is_refused_is_refused_before_it_starts() -> None:
    """410 is an HTTP status, not a line."""
    async with calling() as caller:
        caller.script.answer = errors.Expired("too old")
        status, body = await caller.ask("GET", f"{CONFIG_MAPS}?watch=1")
        assert (status, body["reason"]) == (410, "Expired")


async def test_a_watch_may_be_of_tables() -> None:
    """`kubectl get -w` reads them."""
    async with calling() as caller, watching(caller, Accept=TABLE) as response:
        await caller.script.batches.put([added("a"), added("b")])
        lines = [await response.content.readline() for _ in range(2)]
        assert b'"columnDefinitions":[{"name":"Name"' in lines[0]
        assert b'"columnDefinitions":null' in lines[1]
        assert b'"cells":["b",0,' in lines[1]


async def test_a_client_that_leaves_closes_its_watch() -> None:
    """Nothing is kept open for nobody."""
    async with calling() as caller:
        async with watching(caller) as response:
            assert caller.script.open_watches == 1
            response.close()
        loop = asyncio.get_running_loop()
        await loop.wait_all_blocked()  # type: ignore[attr-defined]
        assert caller.script.open_watches == 0


async def test_a_server_that_stops_ends_its_watches_cleanly_and_at_once() -> None:
    """The client reads the end of the stream, not a broken line, and no time passes."""
    script = Script()
    before = asyncio.get_running_loop().time()
    async with aiohttp.ClientSession() as session:
        async with ApiServer(script, Registry(), security=Security.INSECURE).serve() as server:
            response = await session.get(f"{server.url}{CONFIG_MAPS}?watch=1")
            await script.batches.put([added()])
            assert await response.content.readline() == added() + b"\n"
        assert await response.content.read() == b""
    assert script.open_watches == 0
    assert asyncio.get_running_loop().time() == before


async def test_a_stream_that_breaks_is_broken_for_the_client_too() -> None:
    """A cut watch must not look like one that ended."""
    async with calling() as caller, watching(caller) as response:
        await caller.script.batches.put([added()])
        await response.content.readline()
        await caller.script.batches.put(errors.StreamBroken("cut"))
        with pytest.raises(aiohttp.ClientError):
            await response.content.read()


# ---------------------------------------------------------------------------------------------------------------------
# Discovery and the server itself
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "holds"),
    [
        ("/version", lambda body: body["major"] == "1"),
        ("/api", lambda body: body["versions"] == ["v1"]),
        ("/apis", lambda body: body["kind"] == "APIGroupList"),
        ("/apis/apps", lambda body: body["kind"] == "APIGroup"),
        ("/api/v1", lambda body: body["groupVersion"] == "v1"),
        ("/openapi/v3", lambda body: '"apis/apps/v1":{"serverRelativeURL":"/openapi/v3/apis/apps/v1?hash=' in body),
        (
            "/openapi/v3/apis/apps/v1",
            lambda body: body["paths"].keys() >= {"/apis/apps/v1/namespaces/{namespace}/deployments/{name}"},
        ),
        ("/apis/apps/v1", lambda body: body["groupVersion"] == "apps/v1"),
    ],
)
async def test_discovery_is_served(path: str, holds: Callable[[Any], bool]) -> None:
    """No Action is made of it."""
    async with calling() as caller:
        status, body = await caller.ask("GET", path)
        assert status == 200
        assert holds(body)
        assert caller.script.actions == []


async def test_aggregated_discovery_comes_with_its_own_content_type() -> None:
    """Clients believe the content type, so its parameters must be there."""
    wanted = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    async with calling() as caller:
        for path in ("/api", "/apis"):
            url, headers = caller.server.url + path, {"Accept": f"{wanted},application/json"}
            async with caller.session.get(url, headers=headers) as response:
                assert response.headers["Content-Type"] == wanted
                assert (await response.json())["kind"] == "APIGroupDiscoveryList"


async def test_a_taken_port_is_said_in_one_line() -> None:
    """And the first server goes on."""
    async with calling() as caller:
        port = int(caller.server.url.rpartition(":")[2])
        with pytest.raises(PortTaken, match=f"127.0.0.1:{port}: the port is taken; choose another"):
            async with ApiServer(Script(), Registry()).serve(port=port):
                pass
        assert (await caller.ask("GET", "/readyz"))[0] == 200


async def test_the_url_is_known_while_the_server_runs() -> None:
    """Asking too early, or serving twice, says what to do."""
    server = ApiServer(Script(), Registry())
    with pytest.raises(errors.ConfigError, match="enter serve"):
        _ = server.url
    async with server.serve():
        assert server.url.startswith("https://127.0.0.1:")
        with pytest.raises(errors.ConfigError, match="already serves"):
            async with server.serve():
                pass


@pytest.mark.parametrize(
    ("orphan", "metadata", "status"),
    [
        (False, {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["a/b"]}, 202),
        (False, {"deletionTimestamp": "2026-01-01T00:00:00Z", "deletionGracePeriodSeconds": 30}, 202),
        (False, {"deletionTimestamp": "2026-01-01T00:00:00Z", "deletionGracePeriodSeconds": 0}, 200),
        (False, {}, 200),
        (True, {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["a/b"]}, 200),
    ],
)
async def test_a_delete_that_waits_is_accepted_where_dependents_go_too(
    orphan: bool, metadata: dict[str, Any], status: int
) -> None:
    """Only orphanDependents asks for that code; the answers are a real server's."""
    async with calling() as caller:
        caller.script.answer = json.dumps({"metadata": metadata}).encode()
        path = f"{CONFIG_MAPS}/a"
        assert (await caller.ask("DELETE", path, json={"orphanDependents": orphan}))[0] == status
        assert (await caller.ask("DELETE", f"{path}?orphanDependents={json.dumps(orphan)}"))[0] == status
