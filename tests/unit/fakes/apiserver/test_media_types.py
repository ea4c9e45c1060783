"""Protobuf and YAML over HTTP: which bodies are read, and which answers come for an Accept header."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from ctrlkit.fakes.apiserver import ApiServer, Security
from ctrlkit.fakes.apiserver.protobuf import ENVELOPES, wire
from ctrlkit.fakes.apiserver.protobuf.openapi import encode
from ctrlkit.fakes.clientset.seeding import seed
from ctrlkit.fakes.tracker import Tracker
from tests.support.effort import tries

PROTOBUF = "application/vnd.kubernetes.protobuf"
JSON = "application/json"
YAML = "application/yaml"
METADATA = ";as=PartialObjectMetadata{};v=v1;g=meta.k8s.io"
TABLE = ";as=Table;v=v1;g=meta.k8s.io"
GROUPS = ";g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
WIDGETS = "/apis/example.com/v1/namespaces/default/widgets"
WORDS = "only the following media types are accepted: application/json, application/yaml, " + PROTOBUF
ROUTE = "406: Not Acceptable\n\nAvailable representations: application/json, application/yaml, " + PROTOBUF
STREAMS = ", application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch"
DEFINITION = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "widgets.example.com"},
    "spec": {
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"plural": "widgets", "kind": "Widget"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
                "subresources": {"scale": {"specReplicasPath": ".spec.n", "statusReplicasPath": ".status.n"}},
            }
        ],
    },
}


class Caller:
    """A client of a server with a config map `a` and a widget `a`."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def ask(
        self, method: str, path: str, *, accept: str = JSON, body: bytes | None = None, sends: str = PROTOBUF
    ) -> tuple[int, str, bytes]:
        """Status, content type and body of an answer."""
        headers = {"Accept": accept} | ({"Content-Type": sends} if body is not None else {})
        async with self._session.request(method, path, data=body, headers=headers) as answer:
            return answer.status, answer.headers["Content-Type"], await answer.read()

    async def send(self, method: str, path: str, thing: Mapping[str, Any]) -> tuple[int, Any]:
        """Send an object in protobuf; status and body of the answer in JSON."""
        status, _, body = await self.ask(method, path, body=ENVELOPES.write(thing))
        return status, msgspec.json.decode(body)


@asynccontextmanager
async def calling() -> AsyncIterator[Caller]:
    """A caller of a server over loopback."""
    tracker = Tracker()
    for thing in (DEFINITION, config_map("a"), widget("a")):
        seed(tracker, thing)
    server = ApiServer(tracker, tracker.registry, security=Security.INSECURE)
    async with server.serve() as running, aiohttp.ClientSession(running.url) as session:
        yield Caller(session)


def config_map(name: str, **fields: Any) -> dict[str, Any]:
    """A config map."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default"}, **fields}


def widget(name: str) -> dict[str, Any]:
    """A custom resource."""
    return {
        "apiVersion": "example.com/v1",
        "kind": "Widget",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"n": 1},
    }


def decoded(content_type: str, body: bytes) -> Any:
    """An answer as plain data."""
    if content_type.startswith(PROTOBUF):
        return ENVELOPES.read(body, "", "")
    return yaml.safe_load(body) if content_type.startswith(YAML) else msgspec.json.decode(body)


# ---- bodies ---------------------------------------------------------------------------------------------------------


async def test_an_object_in_protobuf_is_created_and_replaced() -> None:
    async with calling() as caller:
        status, made = await caller.send(
            "POST", CONFIG_MAPS, config_map("b", data={"k": "v"}, binaryData={"x": "AP8="})
        )
        assert (status, made["data"], made["binaryData"]) == (201, {"k": "v"}, {"x": "AP8="})

        made["data"] = {"k": "w"}
        status, replaced = await caller.send("PUT", f"{CONFIG_MAPS}/b", made)

    assert (status, replaced["data"]) == (200, {"k": "w"})


async def test_the_options_of_a_deletion_in_protobuf_count() -> None:
    options = {"kind": "DeleteOptions", "apiVersion": "v1"}
    async with calling() as caller:
        status, refused = await caller.send(
            "DELETE", f"{CONFIG_MAPS}/a", options | {"preconditions": {"uid": "another"}}
        )
        assert (status, refused["reason"]) == (409, "Conflict")
        status, _ = await caller.send("DELETE", f"{CONFIG_MAPS}/a", options | {"dryRun": ["All"]})
        assert (status, (await caller.ask("GET", f"{CONFIG_MAPS}/a"))[0]) == (200, 200)

        status, gone = await caller.send("DELETE", CONFIG_MAPS, options | {"apiVersion": "apps/v1"})

    assert (status, [one["metadata"]["name"] for one in gone["items"]]) == (200, ["a"])


async def test_a_subresource_of_another_kind_is_read_by_that_kind() -> None:
    scale = {
        "apiVersion": "autoscaling/v1",
        "kind": "Scale",
        "metadata": {"name": "a", "namespace": "default"},
        "spec": {"replicas": 3},
    }
    async with calling() as caller:
        status, scaled = await caller.send("PUT", f"{WIDGETS}/a/scale", scale)
        _, content_type, body = await caller.ask("GET", f"{WIDGETS}/a/scale", accept=PROTOBUF)

    assert (status, scaled["spec"]) == (200, {"replicas": 3})
    assert decoded(content_type, body)["spec"] == {"replicas": 3}


@pytest.mark.parametrize(
    ("method", "path", "body", "expected", "words"),
    [
        (
            "POST",
            WIDGETS,
            b"k8s\0",
            415,
            "the body of the request was in an unknown format - accepted media types include: "
            "application/json, application/yaml",
        ),
        ("PATCH", f"{CONFIG_MAPS}/a", b"k8s\0", 415, "415: Unsupported Media Type"),
        (
            "POST",
            CONFIG_MAPS,
            b"",
            400,
            "the object provided is unrecognized (must be of type ConfigMap): empty data (<empty>)",
        ),
        (
            "POST",
            CONFIG_MAPS,
            b"k8s\0\x0a\x0f\x0a\x02v1\x12\x09",
            400,
            "the object provided is unrecognized (must be of type ConfigMap): unexpected EOF "
            "(6b3873000a0f0a0276311209)",
        ),
        (
            "POST",
            CONFIG_MAPS,
            b"k8s\0\x12\x02\x08\x01",
            400,
            'ConfigMap in version "v1" cannot be handled as a ConfigMap: '
            "proto: wrong wireType = 0 for field ObjectMeta",
        ),
        (
            "POST",
            CONFIG_MAPS,
            ENVELOPES.write({"kind": "Secret", "apiVersion": "v1"}),
            400,
            'Secret in version "v1" cannot be handled as a ConfigMap: converting (v1.Secret) to (core.ConfigMap): '
            "unknown conversion",
        ),
        (
            "DELETE",
            f"{CONFIG_MAPS}/a",
            ENVELOPES.write({"kind": "Secret", "apiVersion": "v1"}),
            400,
            'no kind "Secret" is registered for version "v1" in scheme "pkg/runtime/scheme.go:111"',
        ),
        (
            "DELETE",
            f"{CONFIG_MAPS}/a",
            b"{}",
            400,
            "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]",
        ),
    ],
)
async def test_bodies_are_refused_in_the_words_of_a_real_server(
    method: str, path: str, body: bytes, expected: int, words: str
) -> None:
    async with calling() as caller:
        status, content_type, answer = await caller.ask(method, path, body=body)

    assert (status, decoded(content_type, answer)["message"]) == (expected, words)


@settings(max_examples=tries(3, thorough=50))
@given(st.lists(st.binary(max_size=60), min_size=4, max_size=8))
async def test_any_bytes_are_an_object_or_a_mistake_of_the_client(bodies: list[bytes]) -> None:
    async with calling() as caller:
        for raw in bodies:
            for body in (raw, b"k8s\0" + raw, b"k8s\0\x12" + bytes([len(raw)]) + raw):
                for method, path in (
                    ("POST", CONFIG_MAPS),
                    ("PUT", f"{CONFIG_MAPS}/a"),
                    ("DELETE", f"{CONFIG_MAPS}/b"),
                ):
                    assert (await caller.ask(method, path, body=body))[0] < 500


async def test_a_message_that_is_nested_too_deeply_is_refused() -> None:
    """A schema in a schema, 20,000 levels of it: the field `not` of JSONSchemaProps."""
    schema = b""
    for _ in range(20_000):
        schema = wire.tag(28, wire.LENGTH) + wire.sized(schema)
    for number in (1, 3, 7, 2):  # openAPIV3Schema, schema, versions, spec
        schema = wire.tag(number, wire.LENGTH) + wire.sized(schema)
    async with calling() as caller:
        status, _, _ = await caller.ask(
            "POST",
            "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
            body=b"k8s\0" + wire.tag(2, wire.LENGTH) + wire.sized(schema),
        )

    assert 400 <= status < 500


# ---- answers --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "accept", "expected", "media", "says"),
    [
        (f"{CONFIG_MAPS}/a", PROTOBUF, 200, PROTOBUF, "ConfigMap"),
        (f"{CONFIG_MAPS}/a", f"{PROTOBUF},{JSON}", 200, PROTOBUF, "ConfigMap"),
        (f"{CONFIG_MAPS}/a", f"{JSON},{PROTOBUF}", 200, JSON, "ConfigMap"),
        (f"{CONFIG_MAPS}/a", f"{JSON};q=0.1,{PROTOBUF}", 200, PROTOBUF, "ConfigMap"),
        (f"{CONFIG_MAPS}/a", f"{YAML};q=0.5, text/html", 200, YAML, "ConfigMap"),
        (f"{CONFIG_MAPS}/a", "*/*", 200, JSON, "ConfigMap"),
        (f"{CONFIG_MAPS}/a", "", 200, JSON, "ConfigMap"),
        (f"{CONFIG_MAPS}/a", "application/*", 406, JSON, ROUTE),
        (f"{CONFIG_MAPS}/a", "application/JSON", 406, JSON, ROUTE),
        (CONFIG_MAPS, "text/html", 406, JSON, ROUTE + STREAMS),
        (CONFIG_MAPS, PROTOBUF, 200, PROTOBUF, "ConfigMapList"),
        (CONFIG_MAPS, f"{PROTOBUF};stream=watch", 200, PROTOBUF, "ConfigMapList"),
        (CONFIG_MAPS, f"{PROTOBUF};stream=odd", 406, JSON, WORDS),
        (CONFIG_MAPS, PROTOBUF + TABLE, 406, JSON, WORDS),
        (CONFIG_MAPS, f"{PROTOBUF}{TABLE},{JSON}", 200, JSON, "ConfigMapList"),
        (CONFIG_MAPS, PROTOBUF + METADATA.format("List"), 200, PROTOBUF, "PartialObjectMetadataList"),
        (
            CONFIG_MAPS,
            f"{PROTOBUF}{METADATA.format('')},{PROTOBUF}",
            406,
            PROTOBUF,
            "you requested PartialObjectMetadata, but the requested object is a list (*core.ConfigMapList)",
        ),
        (
            f"{CONFIG_MAPS}/a",
            PROTOBUF + METADATA.format("List"),
            406,
            JSON,
            "you requested PartialObjectMetadataList, but the requested object is not a list (*core.ConfigMap)",
        ),
        (f"{CONFIG_MAPS}/none", PROTOBUF, 404, PROTOBUF, 'configmaps "none" not found'),
        (f"{CONFIG_MAPS}/none", YAML, 404, YAML, 'configmaps "none" not found'),
        ("/api/v1/nonsense", PROTOBUF, 404, PROTOBUF, "the server could not find the requested resource"),
        (f"{WIDGETS}/a", PROTOBUF, 406, PROTOBUF, WORDS),
        (f"{WIDGETS}/a", f"{PROTOBUF},{JSON}", 200, JSON, "Widget"),
        (f"{WIDGETS}/a", PROTOBUF + METADATA.format(""), 200, PROTOBUF, "PartialObjectMetadata"),
        (f"{WIDGETS}/a", "text/html", 406, JSON, WORDS),
        (f"{WIDGETS}/none", f"{PROTOBUF},{JSON}", 404, PROTOBUF, 'widgets.example.com "none" not found'),
        ("/version", PROTOBUF, 406, PROTOBUF, "406: Not Acceptable\n\nAvailable representations: application/json"),
        ("/api", PROTOBUF, 200, PROTOBUF, "APIVersions"),
        ("/api", YAML, 200, YAML, "APIVersions"),
        ("/apis", PROTOBUF, 200, PROTOBUF, "APIGroupList"),
        ("/apis", "text/html", 406, JSON, WORDS),
        ("/apis", PROTOBUF + GROUPS, 200, PROTOBUF + GROUPS, "APIGroupDiscoveryList"),
        ("/api", f"{JSON}{GROUPS},{PROTOBUF}", 200, JSON + GROUPS, "APIGroupDiscoveryList"),
        ("/apis", f"{JSON};g=apidiscovery.k8s.io;v=v9;as=APIGroupDiscoveryList", 406, JSON, WORDS),
        ("/apis/apps", PROTOBUF, 200, PROTOBUF, "APIGroup"),
        ("/apis/apps/v1", PROTOBUF, 200, PROTOBUF, "APIResourceList"),
        ("/apis/apps/v1", "text/html", 406, JSON, ROUTE),
        ("/apis/example.com/v1", "text/html", 406, JSON, WORDS),
        (f"{CONFIG_MAPS}?watch=1", "text/html", 406, JSON, ROUTE + STREAMS),
        (
            f"{CONFIG_MAPS}?watch=1",
            YAML,
            406,
            YAML,
            "only the following media types are accepted: application/json;stream=watch, "
            "application/vnd.kubernetes.protobuf;stream=watch",
        ),
        (f"{WIDGETS}?watch=1", PROTOBUF, 406, PROTOBUF, WORDS),
    ],
)
async def test_an_answer_comes_in_the_first_form_that_is_accepted(
    path: str, accept: str, expected: int, media: str, says: str
) -> None:
    """As a real server answered each of these."""
    async with calling() as caller:
        status, content_type, body = await caller.ask("GET", path, accept=accept)

    answer = decoded(content_type, body)
    assert (status, content_type) == (expected, media)
    assert says == (answer["message"] if expected >= 400 else answer["kind"])


@pytest.mark.parametrize(
    ("path", "accept", "kind"),
    [
        (CONFIG_MAPS, PROTOBUF, "ConfigMap"),
        (CONFIG_MAPS, f"{PROTOBUF};stream=watch,{JSON}", "ConfigMap"),
        (WIDGETS, PROTOBUF + METADATA.format(""), "PartialObjectMetadata"),
    ],
)
async def test_a_watch_in_protobuf_is_a_stream_of_frames(path: str, accept: str, kind: str) -> None:
    async with calling() as caller:
        status, content_type, body = await caller.ask("GET", f"{path}?watch=1&timeoutSeconds=1", accept=accept)

    assert (status, content_type) == (200, f"{PROTOBUF};stream=watch")
    size = int.from_bytes(body[:4], "big")
    frame = body[4 : 4 + size]
    assert frame.startswith(b"\x0a\x05ADDED")
    event = ENVELOPES.read(frame[frame.index(b"k8s\0") :], "", "")
    assert (event["kind"], event["metadata"]["name"]) == (kind, "a")


async def test_what_is_the_same_in_each_media_type() -> None:
    async with calling() as caller:
        answers = [
            decoded(content_type, body)
            for media in (JSON, YAML, PROTOBUF)
            for _, content_type, body in [await caller.ask("GET", f"{CONFIG_MAPS}/a", accept=media)]
        ]

    assert answers[0] == answers[1] == answers[2]


@pytest.mark.parametrize(("path", "version"), [("/openapi/v2", "v2"), ("/openapi/v3/apis/apps/v1", "v3")])
async def test_openapi_documents_come_in_protobuf_too(path: str, version: str) -> None:
    """Under the entity tag that they have as JSON."""
    media = f"application/com.github.proto-openapi.spec.{version}@v1.0+protobuf"
    async with calling() as caller:
        _, _, document = await caller.ask("GET", path)
        status, content_type, body = await caller.ask("GET", path, accept=f"{media},{JSON}")

    assert (status, content_type) == (200, media.replace("@", "."))
    assert body == encode(document, version)
